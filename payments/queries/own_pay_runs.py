"""The pay runs in which an expert stands: paid, held or left out, why, and what he can do about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from core.problems import Remedy
from payments.models import PayRun, PayRunExclusion, PayRunLine
from payments.queries.next_payout import Obstacle, obstacle_of

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


def own_pay_runs(*, expert_id: int, now: dt.datetime) -> list[OwnPayRun]:
    """The latest runs, newest first; those that were cancelled or are not calculated are not his business."""
    lines = PayRunLine.objects.filter(expert=expert_id, run__status__in=_TOLD).select_related("run")
    others = PayRunExclusion.objects.filter(expert=expert_id, run__status__in=_TOLD).select_related("run")
    found = [_line(line) for line in lines.order_by("-pk")[:SHOWN]]
    told: dict[tuple[str, str], Obstacle | None] = {}
    for row in others.order_by("-pk")[:SHOWN]:
        what = (row.reason, row.run.currency)
        if what not in told:
            told[what] = obstacle_of(row.reason, expert_id=expert_id, currency=row.run.currency, now=now)
        found.append(_left_out(row, told[what]))
    return sorted(found, key=lambda own: own.run.pk, reverse=True)[:SHOWN]


def _line(line: PayRunLine) -> OwnPayRun:
    run = line.run
    amount, withheld = Money(line.amount_minor, run.currency), Money(line.withheld_minor, run.currency)
    if line.is_held:
        contest = Remedy(_("Contest it with an appeal."), "/api/v1/expert/appeals")
        return OwnPayRun(run, "held", amount, withheld, line.held_reason, "held", contest)
    return OwnPayRun(run, "scheduled" if run.status == PayRun.Status.REVIEW else "released", amount, withheld)


def _left_out(row: PayRunExclusion, why: Obstacle | None) -> OwnPayRun:
    currency = row.run.currency
    text, remedy = (why.text, why.remedy) if why else ("", None)
    return OwnPayRun(
        row.run, "left_out", Money(row.amount_minor, currency), Money(0, currency), text, row.reason, remedy
    )
