"""Corrections of approved hours: alone or by two persons, in the journal and in the message to the expert."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.durations import format_duration
from core.money import Money
from core.problems import Conflict, InvalidTransition
from core.public import User
from experts.public import require_other
from payments.models import Adjustment, AdjustmentProposal, TimeEntry
from payments.operations.hours import counted_hours, hours_lock
from payments.operations.hours.counted_hours import Recount
from payments.operations.labs import regained
from payments.operations.pay import adjustment_news, four_eyes, lone_acts, pay_notices, postings
from payments.queries.bills import Part

ACT: Final = "hours.corrected"


def request_correction(
    *, entry: TimeEntry, counted: int, reason: str, decided_by: User, now: dt.datetime
) -> Adjustment | AdjustmentProposal | None:
    """Correct approved hours at once, or propose it where the difference takes a second person.

    Raises OwnWork, InvalidTransition for hours that are not approved, InvalidInput, PayIsContested.
    """
    require_other(entry.expert, decided_by)
    if not entry.is_settled:
        detail = _("Only approved hours are corrected.")
        raise InvalidTransition(detail, current_state=str(entry.status), allowed_transitions=states.allowed(entry))
    act = AdjustmentProposal.Act.CORRECTION
    lone_acts.take_turn(act=act, by=decided_by)
    change = counted_hours.recount(entry, counted)
    difference = Money(change.gross_minor + change.fee_minor, entry.currency)
    if lone_acts.alone(act=act, amount=difference, by=decided_by, expert=entry.expert, now=now):
        return correct(entry=entry, counted=counted, reason=reason, decided_by=decided_by, now=now)
    counted_hours.require_within(entry, counted)
    counted_hours.refuse_contested(entry)
    return four_eyes.propose(
        act=act,
        amount=difference,
        reason=reason,
        terms={
            "entry": entry.public_id,
            "counted": counted,
            "former": counted - change.seconds,
            "gains": change.seconds > 0,
        },
        proposed_by=decided_by,
        tenant_id=entry.tenant_id,
        expert=entry.expert,
        now=now,
    )


class StaleProposal(Conflict):
    """What was proposed refers to hours that somebody changed since. Refuse it and propose anew."""

    code = "stale_proposal"
    title = gettext_lazy("The hours changed since this was proposed")


@four_eyes.carries_out(AdjustmentProposal.Act.CORRECTION)
def _correct_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    entry = TimeEntry.objects.settled().select_related("expert", "snapshot").get(public_id=proposal.terms["entry"])
    hours_lock.take(entry.expert_id)
    if counted_hours.counted_now(entry) != proposal.terms["former"]:
        raise StaleProposal
    made = correct(
        entry=entry,
        counted=proposal.terms["counted"],
        reason=proposal.reason,
        decided_by=proposal.proposed_by,
        proposal=proposal,
        now=now,
    )
    return made.public_id if made else ""


def correct(
    *,
    entry: TimeEntry,
    counted: int,
    reason: str,
    decided_by: User | None,
    now: dt.datetime,
    proposal: AdjustmentProposal | None = None,
    is_outcome: bool = False,
) -> Adjustment | None:
    """Set how many seconds of an approved entry count. The entry stays as it was approved; the journal is corrected.

    Its posting is reversed exactly and made anew with the corrected amounts. Returns None when nothing changes;
    without ``decided_by`` the clock decided an appeal, in the expert's favour. ``is_outcome`` says that this carries
    out what a dispute about the entry came to.
    Raises OwnWork, PayIsContested, InvalidInput beyond the entry's length or below what was taken back of it.
    """
    hours_lock.take(entry.expert_id)
    settled = _settled(entry.pk)
    if decided_by is not None:
        require_other(settled.expert, decided_by)
    if not is_outcome:
        counted_hours.refuse_contested(settled)
    counted_hours.require_within(settled, counted)
    change = counted_hours.recount(settled, counted)
    if not change.seconds:
        return None
    counted_hours.require_above_taken(settled, change.after, pointer="/counted")
    correction = _write(
        change, Adjustment.Status.POSTED, reason=reason, decided_by=decided_by, proposal=proposal, now=now
    )
    _post(change, correction, now=now)
    actor = f"user:{decided_by.public_id}" if decided_by else ""
    adjustment_news.publish("adjustment.made", [correction], actor=actor, now=now)
    if not is_outcome:  # the message about the outcome says it
        _tell_correction(correction, decided_by, now=now)
    return correction


def _tell_correction(correction: Adjustment, decided_by: User | None, *, now: dt.datetime) -> None:
    """One message; hours that a person takes away are a Decision."""
    news = adjustment_news.news_of("adjustment.made", correction)
    if decided_by is None or correction.seconds > 0:
        pay_notices.tell(news, now=now)
        return
    pay_notices.tell_decision(
        news,
        act=ACT,
        reason_code="correction",
        explanation=correction.reason,
        evidence={
            "time_entry": correction.entry.public_id if correction.entry else "",
            "taken": format_duration(-correction.seconds),
        },
        decided_by=decided_by,
        now=now,
        tenant_id=correction.tenant_id,
    )


def record_cut(*, entry: TimeEntry, seconds: int, reason: str, decided_by: User, now: dt.datetime) -> Adjustment:
    """Document hours that a decided dispute cut before they were posted: no money moves beside the entry's own."""
    change = counted_hours.recount_of_cut(entry, seconds)
    return _write(change, Adjustment.Status.RECORDED, reason=reason, decided_by=decided_by, now=now)


def _settled(pk: int) -> TimeEntry:
    entries = TimeEntry.objects.settled().select_for_update(no_key=True, of=("self",))
    return entries.select_related("expert", "snapshot", "contract").get(pk=pk)


def _post(change: Recount, correction: Adjustment, *, now: dt.datetime) -> None:
    """Put the new amounts in the journal, dated as the approval was: what was due before a cutoff stays due."""
    posted = change.entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED).count()
    corrected = replace(change.after, seq=posted)
    if change.before.gross_minor:
        postings.time_corrected(corrected=corrected, correction_id=correction.public_id, now=now)
    elif corrected.gross_minor:
        postings.time_approved(entries=[corrected], now=now)
    regained.settle(
        subject=change.entry.public_id,
        source_id=correction.public_id,
        tenant_id=correction.tenant_id,
        currency=correction.currency,
        change=Part(change.gross_minor, change.fee_minor),
        contract_id=correction.contract_id,
        now=now,
    )


def _write(
    change: Recount,
    status: str,
    *,
    reason: str,
    decided_by: User | None,
    now: dt.datetime,
    proposal: AdjustmentProposal | None = None,
) -> Adjustment:
    entry = change.entry
    return Adjustment.objects.create(
        tenant_id=entry.tenant_id,
        expert_id=entry.expert_id,
        contract_id=entry.contract_id,
        entry=entry,
        kind=Adjustment.Kind.CORRECTION,
        proposal=proposal,
        status=status,
        seconds=change.seconds,
        amount_minor=change.gross_minor,
        fee_minor=change.fee_minor,
        currency=entry.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )
