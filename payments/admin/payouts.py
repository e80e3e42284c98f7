"""Payouts: what failed or waits is decided here; everything else is looked at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, register_queue
from core.money import Money
from payments.admin.staff import staff
from payments.models import Payout, PayoutAttempt, ProviderFault, ProviderMovement, Statement
from payments.operations import payouts, tracking

DECIDE = "payments.decide_payout"


def amount_of(row: Payout) -> Money:
    """What the payout moves."""
    return Money(row.amount_minor, row.currency)


class AttemptInline(ReadOnlyInline):
    """Every key that was given to the provider."""

    model = PayoutAttempt
    fields = readonly_fields = ("n", "idem_key", "sends", "outcome", "code", "detail", "first_sent_at", "finished_at")


class StuckFilter(admin.SimpleListFilter):
    """Payouts that a provider has had for too long."""

    title = _("open for too long")
    parameter_name = "stuck"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """One choice."""
        return [("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        """The rows of the queue."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=tracking.stuck(now=clock.now()).values("pk"))


@admin.register(Payout)
class PayoutAdmin(CadreAdmin):
    """Money on its way to experts."""

    list_display = (
        "public_id",
        "expert",
        "amount",
        "status",
        "reason_code",
        "provider",
        "run",
        "created_at",
        "paid_at",
    )
    list_filter = ("status", StuckFilter, "currency", "provider")
    search_fields = ("public_id", "provider_reference", "expert__public_id", "expert__legal_name", "run__public_id")
    list_select_related = ("expert", "run")
    inlines = (AttemptInline,)
    actions = ("retry", "resume", "cancel")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Payout) -> str:
        """With its currency."""
        return str(amount_of(row))

    @confirmed(description=_("Send failed payouts again"), permission=DECIDE, amount=amount_of)
    def retry(self, request: HttpRequest, row: Payout) -> None:
        """To the method that the expert has now."""
        payouts.retry(payout=row, by=staff(request), now=clock.now())

    @confirmed(description=_("Let held payouts go on"), permission=DECIDE, amount=amount_of)
    def resume(self, request: HttpRequest, row: Payout) -> None:
        """To the method they were released to."""
        payouts.resume(payout=row, by=staff(request), now=clock.now())

    @confirmed(description=_("Cancel: leave it to the next run"), permission=DECIDE, amount=amount_of)
    def cancel(self, request: HttpRequest, row: Payout) -> None:
        """What is owed stays owed."""
        payouts.cancel(payout=row, by=staff(request), now=clock.now())


@admin.register(Statement)
class StatementAdmin(CadreAdmin):
    """What experts were told about their payouts."""

    list_display = ("public_id", "expert", "currency", "number", "opening", "closing", "issued_at")
    list_filter = ("currency",)
    search_fields = ("public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert",)

    @admin.display(description=_("opening"))
    def opening(self, row: Statement) -> str:
        """With its currency."""
        return str(Money(row.opening_minor, row.currency))

    @admin.display(description=_("closing"))
    def closing(self, row: Statement) -> str:
        """With its currency."""
        return str(Money(row.closing_minor, row.currency))


@admin.register(ProviderMovement)
class ProviderMovementAdmin(CadreAdmin):
    """The sandbox provider's own books."""

    list_display = ("movement_id", "reference", "account", "amount_minor", "currency", "state", "code", "deliveries")
    list_filter = ("state", "currency")
    search_fields = ("movement_id", "reference", "idem_key", "account")


@admin.register(ProviderFault)
class ProviderFaultAdmin(CadreAdmin):
    """Make the sandbox provider misbehave, in development mode only."""

    list_display = ("account", "type", "code", "remaining", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Where nothing is real, an operator may break things."""
        return settings.DEVELOPMENT and request.user.has_perm(DECIDE)


register_queue(
    name="payments.failed_payouts",
    label=_("Failed payouts"),
    path="/admin/payments/payout/?status__exact=failed",
    permission=DECIDE,
    waiting=lambda: Payout.objects.filter(status=Payout.Status.FAILED),
)
register_queue(
    name="payments.held_payouts",
    label=_("Payouts on hold"),
    path="/admin/payments/payout/?status__exact=on_hold",
    permission=DECIDE,
    waiting=lambda: Payout.objects.filter(status=Payout.Status.ON_HOLD),
)
register_queue(
    name="payments.unknown_payouts",
    label=_("Payouts with unknown outcome"),
    path="/admin/payments/payout/?status__exact=unknown",
    permission=DECIDE,
    waiting=lambda: Payout.objects.filter(status=Payout.Status.UNKNOWN),
)
register_queue(
    name="payments.stuck_payouts",
    label=_("Payouts that have been open for too long"),
    path="/admin/payments/payout/?stuck=yes",
    permission=DECIDE,
    waiting=lambda: tracking.stuck(now=clock.now()),
)
