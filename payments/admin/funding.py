"""Money of labs: transfers to confirm, money to give back."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue
from core.money import Money
from payments.admin.staff import staff
from payments.models import Funding, FundsReservation, Refund
from payments.operations import funding

CONFIRM = "payments.confirm_funding"


def amount_of(row: Funding | Refund) -> Money:
    """What the row moves."""
    return Money(row.amount_minor, row.currency)


@admin.register(Funding)
class FundingAdmin(CadreAdmin):
    """What labs announced; finance confirms what has arrived on the account."""

    list_display = ("reference", "tenant", "amount", "status", "created_at", "settled_at", "decided_by")
    list_filter = ("status", "currency", "provider")
    search_fields = ("reference", "public_id", "tenant__name")
    list_select_related = ("tenant", "decided_by")
    actions = ("confirm", "fail", "reverse", "refund")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Funding) -> str:
        """With its currency."""
        return str(amount_of(row))

    @confirmed(description=_("Confirm: the transfer has arrived"), permission=CONFIRM, amount=amount_of)
    def confirm(self, request: HttpRequest, row: Funding) -> None:
        """The money is on the account."""
        funding.confirm(funding=row, by=staff(request), now=clock.now())

    @confirmed(description=_("Close: the transfer will not come"), permission=CONFIRM, reason=True, amount=amount_of)
    def fail(self, request: HttpRequest, row: Funding, *, reason: str) -> None:
        """Nothing was ever spent of it."""
        funding.fail(funding=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(description=_("Reverse: the bank took it back"), permission=CONFIRM, reason=True, amount=amount_of)
    def reverse(self, request: HttpRequest, row: Funding, *, reason: str) -> None:
        """What is not left of it becomes the lab's debt."""
        funding.reverse(funding=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(description=_("Refund: give the unused part back"), permission=CONFIRM, reason=True, amount=amount_of)
    def refund(self, request: HttpRequest, row: Funding, *, reason: str) -> None:
        """At most what the lab neither used nor reserved."""
        funding.refund(funding=row, reason=reason, by=staff(request), now=clock.now())


@admin.register(Refund)
class RefundAdmin(CadreAdmin):
    """Money given back to labs."""

    list_display = ("public_id", "tenant", "amount", "reason", "decided_by", "refunded_at")
    list_filter = ("currency",)
    search_fields = ("public_id", "tenant__name")
    list_select_related = ("tenant", "decided_by")

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
