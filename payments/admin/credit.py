"""Credit of labs: one proposes on a page, another approves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from core.public import Tenant
from payments.admin.asking import MoneyForm, ask, say_what_waits
from payments.admin.staff import fresh_proof, require_proof
from payments.models import CreditLimit
from payments.operations.labs import credit

PROPOSE = "payments.propose_credit"
APPROVE = "payments.approve_credit"


def limit_of(row: CreditLimit) -> Money:
    """How far the lab may go."""
    return Money(row.limit_minor, row.currency)


class LimitForm(MoneyForm):
    """Whose limit, how much, until when, and why."""

    lab = forms.ModelChoiceField(label=gettext_lazy("lab"), queryset=Tenant.objects.order_by("name"))
    last_day = forms.DateField(
        label=gettext_lazy("last day"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=250)
    field_order = ("lab", "amount", "currency", "last_day", "reason")


@admin.register(CreditLimit)
class CreditLimitAdmin(CadreAdmin):
    """Limits with their history; the active one of a currency counts."""

    list_display = (
        "public_id", "tenant", "limit", "status", "last_day", "reason", "note", "proposed_by", "decided_by",
        "starts_at", "ended_at",
    )  # fmt: skip
    list_filter = ("status", "currency")
    search_fields = ("public_id", "tenant__name")
    list_select_related = ("tenant", "proposed_by", "decided_by")
    actions = ("approve", "refuse")
    change_list_template = "payments/admin/with_links.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the way to propose one."""
        links = [(_("Propose a limit"), reverse("admin:payments_creditlimit_propose"))]
        shown = links if request.user.has_perm(PROPOSE) else []
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "links": shown})
        return response

    def get_urls(self) -> list[URLPattern]:
        """The page that proposes."""
        page = self.admin_site.admin_view(self.propose_view)
        return [path("propose/", page, name="payments_creditlimit_propose"), *super().get_urls()]

    def propose_view(self, request: HttpRequest) -> HttpResponse:
        """Nothing changes before somebody else approves."""

        def act(values: dict[str, Any]) -> CreditLimit:
            made = credit.propose(
                tenant=values["lab"],
                limit=values["money"],
                last_day=values["last_day"],
                reason=values["reason"],
                by=staff(request),
                now=clock.now(),
            )
            say_what_waits(request, made, about=f"{made.tenant}: {limit_of(made)}")
            return made

        return ask(
            self,
            request,
            title=_("Propose a credit limit"),
            form=LimitForm,
            effect=_(
                "Nothing changes yet: another person has to approve it. Then it replaces the lab's former limit in "
                "this currency; zero takes credit away."
            ),
            permission=PROPOSE,
            act=act,
            then=reverse("admin:payments_creditlimit_changelist"),
        )

    @admin.display(description=gettext_lazy("limit"), ordering="limit_minor")
    def limit(self, row: CreditLimit) -> str:
        """With its currency."""
        return str(limit_of(row))

    @confirmed(
        description=gettext_lazy("Approve: in force from now on"),
        effect=gettext_lazy(
            "This limit replaces the lab's former one in its currency at once, and the lab is told. You cannot "
            "approve your own proposal."
        ),
        permission=APPROVE,
        amount=limit_of,
        proof=fresh_proof,
    )
    def approve(self, request: HttpRequest, row: CreditLimit) -> None:
        """By somebody else than the proposer, with a fresh proof of who he is."""
        require_proof(request)
        credit.approve(limit=row, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Refuse"),
        effect=gettext_lazy("The proposal is dropped and the former limit stays. The reason is kept with it."),
        permission=APPROVE,
        reason=True,
        amount=limit_of,
    )
    def refuse(self, request: HttpRequest, row: CreditLimit, *, reason: str) -> None:
        """The former limit stays."""
        credit.refuse(limit=row, reason=reason, by=staff(request), now=clock.now())


register_queue(
    name="payments.credit_limits",
    label=gettext_lazy("Credit limits to approve"),
    path="/admin/payments/creditlimit/?status__exact=proposed",
    permission=APPROVE,
    waiting=lambda: CreditLimit.objects.filter(status=CreditLimit.Status.PROPOSED),
)
