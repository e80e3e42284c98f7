"""Money of labs: transfers to confirm, money to give back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from payments.admin.asking import ReasonedForm, ask, say_what_waits
from payments.admin.staff import fresh_proof, require_proof
from payments.models import Funding, FundsReservation, Refund
from payments.operations.labs import funding, refunds
from payments.operations.labs import funding_by_hand as by_hand

CONFIRM = "payments.confirm_funding"
REFUND = "payments.refund_lab"
APPROVE = "payments.approve_refund"


def amount_of(row: Funding | Refund) -> Money:
    """What the row moves."""
    return Money(row.amount_minor, row.currency)


@admin.register(Funding)
class FundingAdmin(CadreAdmin):
    """What labs announced; finance confirms what has arrived on the account."""

    list_display = (
        "reference", "tenant", "amount", "received", "status", "created_at", "settled_at", "decided_by", "other_amount"
    )  # fmt: skip
    list_filter = ("status", "currency", "provider")
    date_hierarchy = "created_at"
    search_fields = ("reference", "public_id", "tenant__name")
    list_select_related = ("tenant", "decided_by")
    actions = ("confirm", "fail", "reverse", "refund")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Funding) -> str:
        """With its currency."""
        return str(amount_of(row))

    @admin.display(description=_("received"))
    def received(self, row: Funding) -> str:
        """What arrived."""
        return "–" if row.received_minor is None else str(Money(row.received_minor, row.currency))

    @admin.display(description="")
    def other_amount(self, row: Funding) -> str:
        """The way to the page for another amount."""
        if row.status != Funding.Status.PENDING:
            return ""
        href = reverse("admin:payments_funding_arrived", args=[row.pk])
        return format_html('<a href="{}">{}</a>', href, gettext("Another amount arrived"))

    @confirmed(
        description=_("Confirm: the transfer has arrived"),
        effect=_(
            "The whole announced amount becomes the lab's balance at once: it pays the lab's debt first, then fills "
            "its reservations. A large amount that no entry of the bank shows takes another person's approval first. "
            "The lab is told."
        ),
        permission=CONFIRM,
        reason=True,
        amount=amount_of,
        proof=fresh_proof,
    )
    def confirm(self, request: HttpRequest, row: Funding, *, reason: str) -> object:
        """The money is on the account; a large amount that no entry of the bank shows takes a second person."""
        require_proof(request)
        return by_hand.confirm(row=row, received=None, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Close: the transfer will not come"),
        effect=_("The announcement is closed; nothing was ever booked. The lab is told."),
        permission=CONFIRM,
        reason=True,
        amount=amount_of,
    )
    def fail(self, request: HttpRequest, row: Funding, *, reason: str) -> None:
        """Nothing was ever spent of it."""
        funding.fail(funding=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Reverse: the bank took it back"),
        effect=_(
            "The money is taken from the lab's balance; what it has used of it becomes its debt. A large amount takes "
            "another person's approval first. The lab is told."
        ),
        permission=CONFIRM,
        reason=True,
        amount=amount_of,
        proof=fresh_proof,
    )
    def reverse(self, request: HttpRequest, row: Funding, *, reason: str) -> object:
        """What is not left of it becomes the lab's debt; a large amount takes a second person."""
        require_proof(request)
        return by_hand.reverse(row=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Refund: give the unused part back"),
        effect=_(
            "The lab gets back at most what it has neither used nor reserved, and never more than this transfer "
            "brought: the amount here is the most that it can be. Above the threshold another person has to approve "
            "it first. The lab is told."
        ),
        permission=REFUND,
        reason=True,
        amount=amount_of,
        proof=fresh_proof,
    )
    def refund(self, request: HttpRequest, row: Funding, *, reason: str) -> object:
        """At most what the lab neither used nor reserved; above the threshold somebody else approves it."""
        require_proof(request)
        return refunds.refund(funding=row, reason=reason, by=staff(request), now=clock.now())

    def get_urls(self) -> list[URLPattern]:
        """The page for a transfer of another amount."""
        page = self.admin_site.admin_view(self.arrived_view)
        return [path("<int:pk>/arrived/", page, name="payments_funding_arrived"), *super().get_urls()]

    def arrived_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Less or more than announced has arrived: what arrived is the lab's."""
        row = get_object_or_404(Funding, pk=pk)

        def act(values: dict[str, Any]) -> object:
            made = by_hand.confirm(
                row=row, received=values["money"], reason=values["reason"], by=staff(request), now=clock.now()
            )
            say_what_waits(request, made, about=row)
            return made

        title = gettext("%(reference)s: what has arrived (announced: %(amount)s)") % {
            "reference": row.reference,
            "amount": amount_of(row),
        }
        return ask(
            self,
            request,
            title=title,
            effect=gettext(
                "What has arrived becomes the lab's balance at once, and the lab is told. A large amount that no "
                "entry of the bank shows takes another person's approval first."
            ),
            form=ReasonedForm,
            permission=CONFIRM,
            act=act,
            then=reverse("admin:payments_funding_changelist"),
            proven=True,
        )


@admin.register(Refund)
class RefundAdmin(CadreAdmin):
    """Money given back to labs, and what waits for a second person."""

    list_display = (
        "public_id",
        "tenant",
        "amount",
        "status",
        "reason",
        "note",
        "proposed_by",
        "decided_by",
        "decided_at",
    )
    list_filter = ("status", "currency")
    search_fields = ("public_id", "tenant__name", "funding__reference")
    list_select_related = ("tenant", "proposed_by", "decided_by")
    actions = ("approve", "refuse")

    @confirmed(
        description=_("Approve: the money goes back"),
        effect=_("The money goes back to the lab at once, and the lab is told. You cannot approve your own proposal."),
        permission=APPROVE,
        amount=amount_of,
        proof=fresh_proof,
    )
    def approve(self, request: HttpRequest, row: Refund) -> None:
        """By somebody else than the proposer, with a fresh proof of who he is."""
        require_proof(request)
        refunds.approve(refund=row, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Refuse"),
        effect=_("The money stays on the lab's balance. The lab reads the reason, and not who decided."),
        permission=APPROVE,
        reason=True,
        amount=amount_of,
    )
    def refuse(self, request: HttpRequest, row: Refund, *, reason: str) -> None:
        """The money stays the lab's balance."""
        refunds.refuse(refund=row, reason=reason, by=staff(request), now=clock.now())

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Refund) -> str:
        """With its currency."""
        return str(amount_of(row))


@admin.register(FundsReservation)
class FundsReservationAdmin(CadreAdmin):
    """Money set aside for contracts."""

    list_display = ("public_id", "tenant", "contract", "target", "status", "created_at", "released_at")
    list_filter = ("status", "currency")
    search_fields = ("public_id", "contract__public_id", "tenant__name")
    list_select_related = ("tenant", "contract")

    @admin.display(description=_("filled up to"), ordering="target_minor")
    def target(self, row: FundsReservation) -> str:
        """With its currency."""
        return str(Money(row.target_minor, row.currency))


register_queue(
    name="payments.funding",
    label=_("Funding to confirm"),
    path="/admin/payments/funding/?status__exact=pending",
    permission=CONFIRM,
    waiting=lambda: Funding.objects.filter(status=Funding.Status.PENDING),
)
register_queue(
    name="payments.refunds",
    label=_("Refunds to approve"),
    path="/admin/payments/refund/?status__exact=proposed",
    permission=APPROVE,
    waiting=lambda: Refund.objects.filter(status=Refund.Status.PROPOSED),
)
