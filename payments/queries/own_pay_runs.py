"""The pay runs in which an expert stands: paid, held or left out, why, and what he can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from core.problems import Remedy
from payments.models import PayRun, PayRunExclusion, PayRunLine
from payments.queries.next_payout import obstacle_of

SHOWN: Final = 52
_TOLD: Final = (
    PayRun.Status.REVIEW,
    PayRun.Status.APPROVED,
    PayRun.Status.EXECUTING,
    PayRun.Status.COMPLETED,
    PayRun.Status.COMPLETED_WITH_FAILURES,
)


@dataclass(frozen=True, slots=True)
class OwnPayRun:
    """One run from the expert's side. ``outcome`` is scheduled, released, held or left_out."""

    run: PayRun
    outcome: str
    amount: Money
    withheld: Money
    reason: str = ""
    code: str = ""
    remedy: Remedy | None = None


def own_pay_runs(*, expert_id: int) -> list[OwnPayRun]:
    """The latest runs, newest first; those that were cancelled or are not calculated are not his business."""
    lines = PayRunLine.objects.filter(expert=expert_id, run__status__in=_TOLD).select_related("run")
    others = PayRunExclusion.objects.filter(expert=expert_id, run__status__in=_TOLD).select_related("run")
    found = [_line(line) for line in lines.order_by("-pk")[:SHOWN]]
    found += [_left_out(row) for row in others.order_by("-pk")[:SHOWN]]
    return sorted(found, key=lambda own: own.run.pk, reverse=True)[:SHOWN]


def _line(line: PayRunLine) -> OwnPayRun:
    run = line.run
    amount, withheld = Money(line.amount_minor, run.currency), Money(line.withheld_minor, run.currency)
    if line.is_held:
        contest = Remedy(_("Contest it with an appeal."), "/api/v1/expert/appeals")
        return OwnPayRun(run, "held", amount, withheld, line.held_reason, "held", contest)
    return OwnPayRun(run, "scheduled" if run.status == PayRun.Status.REVIEW else "released", amount, withheld)


def _left_out(row: PayRunExclusion) -> OwnPayRun:
    why, currency = obstacle_of(row.reason), row.run.currency
    amount = Money(row.amount_minor, currency)
    return OwnPayRun(row.run, "left_out", amount, Money(0, currency), why.text, why.code, why.remedy)
