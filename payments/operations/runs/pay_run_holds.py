"""Holding one expert's line back from a release: with a reason he reads, and a door to contest it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from typing import Final

from django.utils.translation import gettext as _

from core import states
from core.ids import new_id
from core.money import Money
from core.problems import InvalidTransition
from core.public import User
from experts.ports import Contestable
from experts.public import Appeal, record_decision, require_other, send_notice
from payments.models import PayRun, PayRunLine
from payments.operations.runs import pay_run_calculation
from payments.operations.runs.pay_run_calculation import PayRunChanged

PREFIX: Final = "hld"
UNRELEASED: Final = frozenset({PayRun.Status.DRAFT, PayRun.Status.CALCULATING, PayRun.Status.REVIEW})
HELD, PAYABLE = "held", "payable"  # what a line is, while its run is in review
WON: Final = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})


def hold(*, line: PayRunLine, reason: str, by: User, now: dt.datetime) -> PayRunLine:
    """Keep a line out of the release; what is owed stays owed.

    Raises InvalidTransition, PayRunChanged, OwnWork, ReasonMissing.
    """
    run, line = _in_review(line)
    if line.is_held:
        raise InvalidTransition(_("This line is held already."), current_state=HELD, allowed_transitions=[PAYABLE])
    line.hold_id, line.held_reason, line.held_by = new_id(PREFIX), reason.strip()[:300], by
    record_decision(
        expert=line.expert,
        act="pay_held",
        subject=line.hold_id,
        reason_code="held_by_finance",
        explanation=reason,
        evidence={"pay_run": run.public_id, "amount": dict(Money(line.gross_minor, run.currency).as_json())},
        decided_by=by,
        now=now,
    )
    return _marked(run, line)


def release(*, line: PayRunLine, by: User | None, now: dt.datetime) -> PayRunLine:
    """Put a held line back into the run, and tell the expert. Raises InvalidTransition, PayRunChanged, OwnWork."""
    run, line = _in_review(line)
    if not line.is_held:
        raise InvalidTransition(_("This line is not held."), current_state=PAYABLE, allowed_transitions=[HELD])
    return _put_back(run, line, by=by, now=now)


def _put_back(run: PayRun, line: PayRunLine, *, by: User | None, now: dt.datetime) -> PayRunLine:
    if by is not None:
        require_other(line.expert, by)
    line.held_reason, line.held_by = "", None
    send_notice(
        expert=line.expert,
        kind="pay_run.line_released",
        subject=line.hold_id,
        title=_("Your pay is no longer held"),
        body=_("%(amount)s are in the pay run of %(day)s again.")
        % {"amount": Money(line.gross_minor, run.currency), "day": run.pays_on.isoformat()},
        link="/api/v1/expert/earnings",
        now=now,
    )
    return _marked(run, line)


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """The hold with this id when it is this expert's."""
    line = PayRunLine.objects.filter(hold_id=subject, expert=expert_id).exclude(held_reason="").first()
    return None if line is None else Contestable(None, line.held_by_id)


def apply_outcome(*, subject: str, outcome: str, decided_by: User | None, now: dt.datetime) -> None:
    """Put back a line whose hold was contested and did not stand, if its run is not released yet.

    A run that was sent back forgets the hold too, or the next calculation would carry it on.
    After the release nothing needs doing: what was held is owed still, and the next run pays it.
    """
    if outcome not in WON or not subject.startswith(f"{PREFIX}_"):
        return
    held = PayRunLine.objects.filter(hold_id=subject, run__status__in=UNRELEASED).exclude(held_reason="")
    line = held.first()
    if line is not None:
        run, line = _standing(line, UNRELEASED)
        if line.is_held:
            _put_back(run, line, by=decided_by, now=now)


def _in_review(line: PayRunLine) -> tuple[PayRun, PayRunLine]:
    """The run, locked, and the line as it stands now, while somebody looks at it."""
    return _standing(line, {PayRun.Status.REVIEW})


def _standing(line: PayRunLine, states_of_run: Set[str]) -> tuple[PayRun, PayRunLine]:
    """The run, locked, and the line as it stands now: somebody may have held it, or calculated the run again."""
    run = PayRun.objects.select_for_update(no_key=True, of=("self",)).get(pk=line.run_id)
    if run.status not in states_of_run:
        detail = _("Lines can be held while the run is in review.")
        raise InvalidTransition(detail, current_state=str(run.status), allowed_transitions=states.allowed(run))
    found = PayRunLine.objects.select_related("run", "expert").filter(pk=line.pk).first()
    if found is None:
        raise PayRunChanged(_("The run was calculated again: look at it anew."), changed=0)
    return run, found


def _marked(run: PayRun, line: PayRunLine) -> PayRunLine:
    line.save(update_fields=["hold_id", "held_reason", "held_by"])
    found = pay_run_calculation.totals(run)
    run.line_count, run.total_minor, run.lines_digest = found.line_count, found.total_minor, found.digest
    run.save(update_fields=["line_count", "total_minor", "lines_digest"])
    return line
