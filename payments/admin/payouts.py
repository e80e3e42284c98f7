"""Payouts: what failed or waits is decided here; everything else is looked at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, register_queue, staff
from core.money import Money
from payments.admin.periods import periods
from payments.admin.staff import fresh_proof, recently_authenticated
from payments.admin.traces import DECIDE, ContestedFilter, Traced, amount_of, propose
from payments.models import (
    Payout,
    PayoutAttempt,
    PayoutDecision,
    ProviderFault,
    ProviderMovement,
    SendingLatch,
    Statement,
)
from payments.operations.rails import payout_decisions, stuck


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
        return queryset.filter(pk__in=stuck.rows(now=clock.now()).values("pk"))


@admin.register(Payout)
class PayoutAdmin(Traced, CadreAdmin):
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
    list_filter = ("status", StuckFilter, ContestedFilter, "currency", "provider", periods("run__pays_on", _("payday")))
    search_fields = ("public_id", "provider_reference", "expert__public_id", "expert__legal_name", "run__public_id")
    list_select_related = ("expert", "run", "payout_method")
    asked_with = ("payout_method",)
    inlines = (AttemptInline,)
    actions = ("retry", "resume", "cancel", *Traced.actions)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Money may move by each of them: a fresh proof comes first."""
        answer: HttpResponse | None = fresh_proof(request) or super().response_action(request, queryset)
        return answer

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Payout) -> str:
        """With its currency."""
        return str(amount_of(row))

    @confirmed(
        description=_("Propose to send again"),
        effect=_(
            "Nothing is sent yet: another person with the same right approves it first, under “Decisions about "
            "payouts”. Then the money goes to the account that the expert uses now, and the expert is told."
        ),
        permission=DECIDE,
        reason=True,
        amount=amount_of,
    )
    def retry(self, request: HttpRequest, row: Payout, *, reason: str) -> object:
        """A failed one, to the method that the expert has now; somebody else approves."""
        return propose(request, row, PayoutDecision.Act.RETRY, reason)

    @confirmed(
        description=_("Propose to let it go on"),
        effect=_(
            "Nothing is sent yet: another person with the same right approves it first, under “Decisions about "
            "payouts”. Then the money goes to the account that it was released to, and the expert is told."
        ),
        permission=DECIDE,
        reason=True,
        amount=amount_of,
    )
    def resume(self, request: HttpRequest, row: Payout, *, reason: str) -> object:
        """A held one, to the method it was released to; somebody else approves."""
        return propose(request, row, PayoutDecision.Act.RESUME, reason)

    @confirmed(
        description=_("Cancel: leave it to the next run"),
        effect=_(
            "What is owed stays owed and goes into the next pay run. This happens at once where no provider has heard "
            "of the payout; otherwise another person with the same right approves it first. The expert is told the "
            "reason and may contest it."
        ),
        permission=DECIDE,
        reason=True,
        amount=amount_of,
    )
    def cancel(self, request: HttpRequest, row: Payout, *, reason: str) -> object:
        """What is owed stays owed; once a provider heard of it, somebody else approves."""
        return propose(request, row, PayoutDecision.Act.CANCEL, reason)


@admin.register(PayoutDecision)
class PayoutDecisionAdmin(CadreAdmin):
    """What one person proposed about a payout, for another one to decide."""

    list_display = ("payout", "act", "amount", "destination", "reason", "status", "proposed_by", "decided_by")
    list_filter = ("status", "act")
    search_fields = ("payout__public_id", "payout__expert__legal_name", "payout__expert__public_id")
    list_select_related = ("payout__expert", "payout_method", "proposed_by", "decided_by")
    actions = ("approve", "refuse")

    @admin.display(description=_("amount"))
    def amount(self, row: PayoutDecision) -> str:
        """With its currency."""
        return str(amount_of(row.payout))

    @admin.display(description=_("goes to"))
    def destination(self, row: PayoutDecision) -> str:
        """And whether that is another account than the one it was released to."""
        if row.payout_method is None:
            return "–"
        moved = row.payout_method_id != row.payout.payout_method_id and row.act == PayoutDecision.Act.RETRY
        return f"{row.payout_method.masked} ({_('changed')})" if moved else row.payout_method.masked

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """A fresh proof comes first."""
        answer: HttpResponse | None = fresh_proof(request) or super().response_action(request, queryset)
        return answer

    @confirmed(
        description=_("Approve"),
        effect=_(
            "What was proposed is done at once: money that is sent cannot be called back. You cannot approve your own "
            "proposal. The expert is told."
        ),
        permission=DECIDE,
        amount=lambda row: amount_of(row.payout),
    )
    def approve(self, request: HttpRequest, row: PayoutDecision) -> None:
        """By another person than who proposed it."""
        payout_decisions.approve(
            decision=row, recently_authenticated=recently_authenticated(request), by=staff(request), now=clock.now()
        )

    @confirmed(
        description=_("Refuse"),
        effect=_(
            "The payout stays as it is. You cannot decide about your own proposal. The reason is kept with it; the "
            "expert is told nothing."
        ),
        permission=DECIDE,
        reason=True,
        amount=lambda row: amount_of(row.payout),
    )
    def refuse(self, request: HttpRequest, row: PayoutDecision, *, reason: str) -> None:
        """The payout stays as it is."""
        payout_decisions.refuse(decision=row, reason=reason, by=staff(request), now=clock.now())


@admin.register(SendingLatch)
class SendingLatchAdmin(CadreAdmin):
    """Whether payouts are given to providers; `manage.py payouts enable` opens it after reconciling."""

    list_display = ("is_open", "reason", "changed_by", "changed_at", "database")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With what to do while it is closed: it closes by itself after a fail-over, too."""
        if SendingLatch.objects.filter(is_open=False).exists():
            told = _("Nothing is sent. Compare with the providers and go on: manage.py payouts enable --reason '…'")
            messages.warning(request, told)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


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
    name="payments.sending_stopped",
    label=_("Sending of payouts is stopped"),
    path="/admin/payments/sendinglatch/",
    permission=DECIDE,
    waiting=lambda: SendingLatch.objects.filter(is_open=False),
    since="changed_at",
)
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
    waiting=lambda: stuck.rows(now=clock.now()),
)
register_queue(
    name="payments.payout_decisions",
    label=_("Proposals about payouts"),
    path="/admin/payments/payoutdecision/?status__exact=proposed",
    permission=DECIDE,
    waiting=lambda: PayoutDecision.objects.filter(status=PayoutDecision.Status.PROPOSED),
    since="proposed_at",
)
