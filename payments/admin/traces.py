"""Payouts that did not arrive: what finance needs to trace one, the answer to its expert, and what two people do then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from experts.public import Appeal, document_link
from payments.admin.staff import recently_authenticated
from payments.models import BankTransfer, Payout, PayoutDecision
from payments.operations.rails import payout_decisions, traces
from payments.queries import payout_contests

DECIDE = "payments.decide_payout"
SEE_BANK = "payments.view_banktransfer"


def amount_of(row: Payout) -> Money:
    """What the payout moves."""
    return Money(row.amount_minor, row.currency)


def propose(request: HttpRequest, row: Payout, act: str, reason: str) -> PayoutDecision | None:
    """Put an act on a payout before another person; None where it needs nobody else and is done."""
    return payout_decisions.propose(
        payout=row,
        act=act,
        reason=reason,
        recently_authenticated=recently_authenticated(request),
        by=staff(request),
        now=clock.now(),
    )


def _links(appeal: Appeal) -> str:
    """Its documents, by links that work for five minutes; what is not scanned yet by its name alone."""
    files = [file.document for file in appeal.files.all()]
    return format_html_join(", ", '<a href="{}">{}</a>', [(document_link(file) or "#", file) for file in files])


class ContestedFilter(admin.SimpleListFilter):
    """Payouts whose experts say that they did not arrive."""

    title = _("did not arrive")
    parameter_name = "contested"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The two queues."""
        return [("open", _("the expert waits for an answer")), ("won", _("taken as lost, to book back or to prove"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        """The rows of the queue."""
        if self.value() == "open":
            return queryset.filter(pk__in=payout_contests.contested().values("pk"))
        if self.value() == "won":
            return queryset.filter(pk__in=payout_contests.taken_as_lost().values("pk"))
        return queryset


class Traced(CadreAdmin):
    """What the page of a payout tells and does about its arrival."""

    readonly_fields = ("masked_account", "contests")
    actions: ClassVar[Sequence[str]] = ("answer", "lost", "arrived")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Sequence[Any]:
        """With the bank's orders, for whoever sees those."""
        orders = ["orders"] if request.user.has_perm(SEE_BANK) else []
        return [*super().get_readonly_fields(request, obj), *orders]

    @admin.display(description=_("goes to"))
    def masked_account(self, row: Payout) -> str:
        """Its last characters."""
        return row.payout_method.masked

    @admin.display(description=_("contested"))
    def contests(self, row: Payout) -> str:
        """Appeals about it with their clocks and the documents beside them, the newest first."""
        told = [
            (appeal.public_id, appeal.get_status_display(), f"{appeal.due_at:%Y-%m-%d}", appeal.reason, _links(appeal))
            for appeal in payout_contests.appeals_of(row).prefetch_related("files__document")
        ]
        return format_html_join(" · ", "{} ({}, {}): {} {}", told) or "–"

    @admin.display(description=_("orders at the bank"))
    def orders(self, row: Payout) -> str:
        """The end-to-end id, the file and what the bank did, to ask the bank with."""
        ordered = BankTransfer.objects.filter(payout_id=row.public_id).select_related("file").order_by("pk")
        told = [
            (order.end_to_end_id, order.file.message_id if order.file else "–", order.get_status_display(),
             f"{order.changed_at:%Y-%m-%d}")
            for order in ordered
        ]  # fmt: skip
        return format_html_join(" · ", "{} ({}): {}, {}", told) or "–"

    @confirmed(
        description=_("Answer the expert: did it arrive?"),
        effect=_(
            "The expert's appeal is decided by this, and the expert reads the reason. No money moves yet: where it did not "
            "arrive, another person has to approve first that it is booked back."
        ),
        which=_("What the bank says"),
        permission=DECIDE,
        reason=True,
        choices=lambda: list(traces.ANSWERS.items()),
        amount=amount_of,
    )
    def answer(self, request: HttpRequest, row: Payout, *, reason: str, choice: str) -> None:
        """Decides his appeal; no money moves by it."""
        proposed = traces.answer(
            payout=row,
            found=choice,
            reason=reason,
            recently_authenticated=recently_authenticated(request),
            by=staff(request),
            now=clock.now(),
        )
        if proposed is not None:
            messages.success(request, _("Another person has to approve that it is booked back."))

    @confirmed(
        description=_("Propose to book it back as lost"),
        effect=_(
            "Nothing is booked yet: another person with the same right approves it first, under “Decisions about "
            "payouts”. Then the amount is owed to the expert again, and the expert is told."
        ),
        permission=DECIDE,
        reason=True,
        amount=amount_of,
    )
    def lost(self, request: HttpRequest, row: Payout, *, reason: str) -> object:
        """What its expert contested with success: it is owed again once somebody else approves."""
        return propose(request, row, PayoutDecision.Act.LOST, reason)

    @confirmed(
        description=_("Propose that it arrived after all"),
        effect=_(
            "Nothing changes yet: another person with the same right approves it first, under “Decisions about payouts”. "
            "Then the expert is told that it arrived, and may contest that. Give the bank's reference as the reason."
        ),
        permission=DECIDE,
        reason=True,
        amount=amount_of,
    )
    def arrived(self, request: HttpRequest, row: Payout, *, reason: str) -> object:
        """With the bank's reference; once somebody else approves, its expert is told, and may contest that."""
        return propose(request, row, PayoutDecision.Act.ARRIVED, reason)


register_queue(
    name="payments.contested_payouts",
    label=_("Payouts that did not arrive, say their experts"),
    path="/admin/payments/payout/?contested=open",
    permission=DECIDE,
    waiting=payout_contests.contested,
)
register_queue(
    name="payments.lost_payouts",
    label=_("Payouts taken as lost, to book back or to prove"),
    path="/admin/payments/payout/?contested=won",
    permission=DECIDE,
    waiting=payout_contests.taken_as_lost,
    since="paid_at",
)
