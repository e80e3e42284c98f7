"""Disputed hours: both sides, and a person's decision."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.durations import format_clock
from core.money import Money
from payments.admin.hours import HOW_MUCH, cost_of_seconds, time_from
from payments.models import Dispute
from payments.operations.hours import disputes

DISPUTE = "payments.decide_dispute"


def contested(dispute: Dispute) -> Money:
    """What the difference between both sides costs the lab, with the fee."""
    entry = dispute.entry
    return cost_of_seconds(entry, dispute.claimed(entry) - dispute.proposed_seconds)


def claim_of(dispute: Dispute) -> str:
    """What a confirmation says about a dispute: whose hours, and what both sides say."""
    said = gettext(
        "%(id)s: %(expert)s, %(day)s. Logged: %(claimed)s, the lab proposes: %(proposed)s, because: %(reason)s"
    ) % {
        "id": dispute.public_id,
        "expert": dispute.expert,
        "day": dispute.entry.local_day,
        "claimed": format_clock(dispute.claimed(dispute.entry)),
        "proposed": format_clock(dispute.proposed_seconds),
        "reason": Truncator(dispute.reason).chars(300),
    }
    answer = gettext("The expert answered: %(answer)s") % {"answer": Truncator(dispute.answer).chars(300)}
    return f"{said} {answer}" if dispute.answer else said


class UndecidedFilter(admin.SimpleListFilter):
    """The queue: whatever still waits for a decision, answered or not."""

    title = _("waiting")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """One choice."""
        return [("yes", str(_("undecided")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        """Undecided ones."""
        return queryset.filter(status__in=("open", "answered")) if self.value() == "yes" else queryset


@admin.register(Dispute)
class DisputeAdmin(CadreAdmin):
    """Soonest due first; silence past the deadline pays the expert."""

    list_display = (
        "public_id", "expert", "status", "after_approval", "claimed", "proposed", "cost", "answer_by", "decide_by",
    )  # fmt: skip
    list_filter = (UndecidedFilter, "status", "after_approval")
    search_fields = ("public_id", "entry__public_id", "tenant__name", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "entry__snapshot", "opened_by", "decided_by")
    ordering = ("decide_by",)
    actions = ("uphold", "uphold_partly", "overturn")

    @admin.display(description=_("logged"))
    def claimed(self, dispute: Dispute) -> str:
        """What the expert logged."""
        return format_clock(dispute.claimed(dispute.entry))

    @admin.display(description=_("the lab proposes"), ordering="proposed_seconds")
    def proposed(self, dispute: Dispute) -> str:
        """What the lab thinks should count."""
        return format_clock(dispute.proposed_seconds)

    @admin.display(description=_("contested, with fee"))
    def cost(self, dispute: Dispute) -> str:
        """What is at stake."""
        return str(contested(dispute))

    @confirmed(
        description=_("Uphold: what the lab proposes counts"),
        effect=_(
            "Only the time that the lab proposes counts and is paid. The expert is told the reason and may contest "
            "it; the lab is told what counts."
        ),
        permission=DISPUTE,
        reason=True,
        amount=contested,
        about=claim_of,
    )
    def uphold(self, request: HttpRequest, dispute: Dispute, *, reason: str) -> None:
        """By a person who neither worked the hours nor contested them, after the expert could speak."""
        self._decide(request, dispute, Dispute.Status.UPHELD, reason)

    @confirmed(
        description=_("Uphold in part"),
        effect=_(
            "The time that you name counts and is paid: more than the lab proposes, less than was logged. The expert "
            "is told the reason and may contest it; the lab is told what counts."
        ),
        permission=DISPUTE,
        reason=True,
        asks=HOW_MUCH,
        amount=contested,
        about=claim_of,
    )
    def uphold_partly(self, request: HttpRequest, dispute: Dispute, *, reason: str, given: str) -> None:
        """More than the lab proposes counts, and less than was logged."""
        self._decide(request, dispute, Dispute.Status.PARTLY_UPHELD, reason, time_from(given))

    @confirmed(
        description=_("Overturn: all of it counts"),
        effect=_(
            "All of the logged time counts and is paid. The expert reads the reason; the lab is told what counts."
        ),
        permission=DISPUTE,
        reason=True,
        amount=contested,
        about=claim_of,
    )
    def overturn(self, request: HttpRequest, dispute: Dispute, *, reason: str) -> None:
        """The expert is paid in full."""
        self._decide(request, dispute, Dispute.Status.OVERTURNED, reason)

    @staticmethod
    def _decide(request: HttpRequest, dispute: Dispute, outcome: str, note: str, seconds: int | None = None) -> None:
        disputes.decide(
            dispute=dispute, outcome=outcome, seconds=seconds, note=note, decided_by=staff(request), now=clock.now()
        )


def _disputes() -> QuerySet[Dispute]:
    return Dispute.objects.undecided()


register_queue(
    name="payments.disputes",
    label=_("Disputed hours"),
    path="/admin/payments/dispute/?waiting=yes",
    permission=DISPUTE,
    waiting=_disputes,
)
