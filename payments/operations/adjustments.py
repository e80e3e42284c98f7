"""Corrections of approved hours, and what every change of pay shares: a row, a journal entry, a message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.durations import format_duration
from core.money import Money, fee_for, pay_for
from core.problems import Conflict, FieldError, InvalidInput
from core.public import Event, User
from payments.models import Adjustment, AdjustmentProposal, Dispute, TimeEntry
from payments.operations import four_eyes, hours_lock, own_hours, pay_notices, postings, settlement
from payments.operations.pay_notices import PayNews
from payments.operations.postings import ApprovedTime, Grant

ACT: Final = "hours.corrected"


class PayIsContested(Conflict):
    """The lab disputes this pay, and nobody has decided yet: until then it is neither corrected nor taken back.

    `dispute` names it.
    """

    code = "pay_is_contested"
    title = gettext_lazy("This pay is being contested")
    example_members: ClassVar[Mapping[str, Any]] = {"dispute": "dsp_01k9w3v6z8f2qj5t4h7xnm0ceg"}


def request_correction(
    *, entry: TimeEntry, counted: int, reason: str, decided_by: User, now: dt.datetime
) -> Adjustment | AdjustmentProposal | None:
    """Correct approved hours at once, or propose it where the difference takes a second person.

    Raises OwnWork, InvalidInput, PayIsContested.
    """
    own_hours.refuse(expert=entry.expert, decided_by=decided_by)
    former = counted_now(entry)
    before, after = priced(entry, former), priced(entry, counted)
    difference = after.gross_minor + after.fee_minor - before.gross_minor - before.fee_minor
    if not four_eyes.needed(Money(difference, entry.currency)):
        return correct(entry=entry, counted=counted, reason=reason, decided_by=decided_by, now=now)
    _require_within(entry, counted)
    refuse_contested(entry)
    return four_eyes.propose(
        act=AdjustmentProposal.Act.CORRECTION,
        amount=Money(difference, entry.currency),
        reason=reason,
        terms={"entry": entry.public_id, "counted": counted, "former": former, "gains": counted > former},
        proposed_by=decided_by,
        tenant_id=entry.tenant_id,
        expert=entry.expert,
        now=now,
    )


@four_eyes.carries_out(AdjustmentProposal.Act.CORRECTION)
def _correct_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    entry = TimeEntry.objects.settled().select_related("expert", "snapshot").get(public_id=proposal.terms["entry"])
    hours_lock.take(entry.expert_id)
    if counted_now(entry) != proposal.terms["former"]:
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


class StaleProposal(Conflict):
    """What was proposed refers to hours that somebody changed since. Refuse it and propose anew."""

    code = "stale_proposal"
    title = gettext_lazy("The hours changed since this was proposed")


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
        own_hours.refuse(expert=settled.expert, decided_by=decided_by)
    if not is_outcome:
        refuse_contested(settled)
    former = counted_now(settled)
    _require_within(settled, counted)
    if counted == former:
        return None
    before, after = priced(settled, former), priced(settled, counted)
    _require_above_taken(settled, after)
    correction = _write(
        settled,
        status=Adjustment.Status.POSTED,
        seconds=counted - former,
        amount_minor=after.gross_minor - before.gross_minor,
        fee_minor=after.fee_minor - before.fee_minor,
        reason=reason,
        decided_by=decided_by,
        proposal=proposal,
        now=now,
    )
    _post_correction(settled, correction, before=before, after=after, now=now)
    publish("adjustment.made", [correction], actor=f"user:{decided_by.public_id}" if decided_by else "", now=now)
    if not is_outcome:  # the message about the outcome says it
        _tell_correction(correction, decided_by, now=now)
    return correction


def _tell_correction(correction: Adjustment, decided_by: User | None, *, now: dt.datetime) -> None:
    """One message; hours that a person takes away are a Decision."""
    news = news_of("adjustment.made", correction)
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
    full = pay_for(entry.seconds + seconds, entry.rate_minor or 0)
    gross = entry.gross_minor or 0
    return _write(
        entry,
        status=Adjustment.Status.RECORDED,
        seconds=-seconds,
        amount_minor=gross - full,
        fee_minor=(entry.fee_minor or 0) - fee_for(full, entry.fee_bp or 0),
        reason=reason,
        decided_by=decided_by,
        now=now,
    )


def counted_now(entry: TimeEntry) -> int:
    """Seconds of a settled entry that count after all its posted corrections."""
    posted = entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED)
    return entry.seconds + sum(posted.values_list("seconds", flat=True))


def _settled(pk: int) -> TimeEntry:
    entries = TimeEntry.objects.settled().select_for_update(no_key=True, of=("self",))
    return entries.select_related("expert", "snapshot", "contract").get(pk=pk)


def refuse_contested(entry: TimeEntry) -> None:
    """Raise PayIsContested while a dispute about the entry is undecided."""
    dispute = Dispute.objects.undecided().filter(entry=entry.pk).first()
    if dispute is not None:
        raise PayIsContested(dispute=dispute.public_id)


def taken_back(entry: TimeEntry) -> int:
    """Minor units of the entry's pay that clawbacks took and nobody gave back."""
    mine = Q(entry=entry.pk, kind=Adjustment.Kind.CLAWBACK)
    given_back = Q(takes_back__entry=entry.pk, kind=Adjustment.Kind.REINSTATEMENT)
    rows = Adjustment.objects.filter(mine | given_back, expert=entry.expert_id)
    return -sum(rows.values_list("amount_minor", flat=True))


def _require_within(entry: TimeEntry, counted: int) -> None:
    if not 0 <= counted <= _measured(entry):
        detail = _("The entry lasted %(time)s.") % {"time": format_duration(_measured(entry))}
        raise InvalidInput(detail, errors=[FieldError("/counted", "out_of_range", detail)])


def _require_above_taken(entry: TimeEntry, after: ApprovedTime) -> None:
    """Pay is not taken away twice, by a clawback and by a correction."""
    taken = taken_back(entry)
    if after.gross_minor < taken:
        detail = _("%(amount)s of it was taken back already.") % {"amount": Money(taken, entry.currency)}
        raise InvalidInput(detail, errors=[FieldError("/counted", "taken_back_already", detail)])


def _measured(entry: TimeEntry) -> int:
    """Everything the entry holds that could count."""
    return entry.seconds + entry.disallowed_seconds + entry.unconfirmed_seconds


def priced(entry: TimeEntry, seconds: int) -> ApprovedTime:
    """What the entry posts with so many seconds, at its own frozen terms. Its snapshot is joined."""
    frozen = settlement.approved_time(entry)
    gross = pay_for(seconds, entry.rate_minor or 0)
    return ApprovedTime(
        source_id=frozen.source_id,
        tenant_id=frozen.tenant_id,
        contract_id=frozen.contract_id,
        expert_id=frozen.expert_id,
        currency=frozen.currency,
        gross_minor=gross,
        fee_minor=fee_for(gross, entry.fee_bp or 0),
        holdback_minor=0
        if postings.is_holdback_released(frozen.source_id)
        else fee_for(gross, entry.snapshot.holdback_bp),
        effective_at=frozen.effective_at,
    )


def _post_correction(
    entry: TimeEntry, correction: Adjustment, *, before: ApprovedTime, after: ApprovedTime, now: dt.datetime
) -> None:
    posted = entry.adjustments.filter(kind=Adjustment.Kind.CORRECTION, status=Adjustment.Status.POSTED).count()
    dated = ApprovedTime(
        source_id=after.source_id,
        tenant_id=after.tenant_id,
        contract_id=after.contract_id,
        expert_id=after.expert_id,
        currency=after.currency,
        gross_minor=after.gross_minor,
        fee_minor=after.fee_minor,
        holdback_minor=after.holdback_minor,
        # Dated as the approval was: a correction after the cutoff does not put off what was due before it.
        effective_at=after.effective_at,
        seq=posted,
    )
    if before.gross_minor:
        postings.time_corrected(corrected=dated, correction_id=correction.public_id, now=now)
    elif after.gross_minor:
        postings.time_approved(entries=[dated], now=now)


def _write(
    entry: TimeEntry,
    *,
    status: str,
    seconds: int,
    amount_minor: int,
    fee_minor: int,
    reason: str,
    decided_by: User | None,
    now: dt.datetime,
    proposal: AdjustmentProposal | None = None,
) -> Adjustment:
    return Adjustment.objects.create(
        tenant_id=entry.tenant_id,
        expert_id=entry.expert_id,
        contract_id=entry.contract_id,
        entry=entry,
        kind=Adjustment.Kind.CORRECTION,
        proposal=proposal,
        status=status,
        seconds=seconds,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        currency=entry.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )


def grant_of(adjustment: Adjustment) -> Grant:
    """A bonus, clawback or reinstatement as the journal takes it."""
    return Grant(
        source_id=adjustment.public_id,
        expert_id=adjustment.expert_id,
        currency=adjustment.currency,
        gross_minor=abs(adjustment.amount_minor),
        effective_at=adjustment.decided_at,
        tenant_id=adjustment.tenant_id,
        fee_minor=abs(adjustment.fee_minor),
    )


def tell_all(event: str, made: Sequence[Adjustment], *, actor: str, now: dt.datetime) -> None:
    """News and a message with the way to contest for each; their experts are joined."""
    publish(event, made, actor=actor, now=now)
    pay_notices.tell_all([news_of(event, adjustment) for adjustment in made], now=now)


def publish(event: str, made: Sequence[Adjustment], *, actor: str, now: dt.datetime) -> None:
    """News for subscribers and webhooks; no message to the expert."""
    outbox.publish_all(
        [
            Event(
                name=event,
                subject=adjustment.public_id,
                tenant_id=adjustment.tenant_id,
                user_id=adjustment.expert.user_id,
                actor=actor,
                payload={"adjustment": adjustment.public_id},
                occurred_at=now,
            )
            for adjustment in made
        ]
    )


def news_of(kind: str, adjustment: Adjustment) -> PayNews:
    """The message about one change of pay; its expert is joined."""
    return PayNews(
        expert=adjustment.expert,
        kind=kind,
        subject=adjustment.public_id,
        title=f"{adjustment.get_kind_display()}: {Money(adjustment.amount_minor, adjustment.currency)}",
        body=adjustment.reason,
    )
