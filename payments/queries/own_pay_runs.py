"""The pay runs in which an expert stands: paid, held or left out, why, and what he can do about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from core.problems import Remedy
from payments.models import PayRun, PayRunExclusion, PayRunLine
from payments.queries.next_payout import Obstacle, obstacle_of

SHOWN: Final = 52
_STOPPED: Final[dict[str, str]] = {
    PayRun.Status.DRAFT: "recalculating",
    PayRun.Status.CALCULATING: "recalculating",
    PayRun.Status.CANCELLED: "cancelled",
}
"""What became of runs that were looked at and then sent back or given up."""


@dataclass(frozen=True, slots=True)
class OwnPayRun:
    """One run from the expert's side. ``outcome`` is scheduled, released, held, left_out, recalculating or cancelled."""

    run: PayRun
    outcome: str
    amount: Money
    withheld: Money
    reason: str = ""
    code: str = ""
    remedy: Remedy | None = None


def own_pay_runs(*, expert_id: int, now: dt.datetime) -> list[OwnPayRun]:
    """The latest runs that were calculated, newest first; what he saw once does not vanish when the run is stopped."""
    lines = PayRunLine.objects.filter(expert=expert_id).select_related("run")
    others = PayRunExclusion.objects.filter(expert=expert_id).select_related("run")
    found = [_line(line) for line in lines.order_by("-pk")[:SHOWN]]
    told: dict[tuple[str, str], Obstacle | None] = {}
    for row in others.order_by("-pk")[:SHOWN]:
        if row.run.status in _STOPPED:
            found.append(replace(_stopped(row.run, row.amount_minor, 0), remedy=None))
            continue
        what = (row.reason, row.run.currency)
        if what not in told:
            told[what] = obstacle_of(row.reason, expert_id=expert_id, currency=row.run.currency, now=now)
        found.append(_left_out(row, told[what]))
    return sorted(found, key=lambda own: own.run.pk, reverse=True)[:SHOWN]


def _line(line: PayRunLine) -> OwnPayRun:
    run = line.run
    if run.status in _STOPPED:
        return _stopped(run, line.amount_minor, line.withheld_minor)
    amount, withheld = Money(line.amount_minor, run.currency), Money(line.withheld_minor, run.currency)
    if line.is_held:
        contest = Remedy(_("Contest it with an appeal."), "/api/v1/expert/appeals")
        return OwnPayRun(run, "held", amount, withheld, line.held_reason, "held", contest)
    return OwnPayRun(run, "scheduled" if run.status == PayRun.Status.REVIEW else "released", amount, withheld)


def _stopped(run: PayRun, amount_minor: int, withheld_minor: int) -> OwnPayRun:
    """As it was calculated last; the reason is told where its author knew that the people in the run read it."""
    outcome, reason = _STOPPED[run.status], run.note if run.stopped_by_id else ""
    contest = Remedy(_("Contest it with an appeal."), "/api/v1/expert/appeals") if outcome == "cancelled" else None
    amount, withheld = Money(amount_minor, run.currency), Money(withheld_minor, run.currency)
    return OwnPayRun(run, outcome, amount, withheld, reason, outcome, contest)


def _left_out(row: PayRunExclusion, why: Obstacle | None) -> OwnPayRun:
    currency = row.run.currency
    text, remedy = (why.text, why.remedy) if why else ("", None)
    return OwnPayRun(
        row.run, "left_out", Money(row.amount_minor, currency), Money(0, currency), text, row.reason, remedy
    )
