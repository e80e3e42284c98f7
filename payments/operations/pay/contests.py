"""Appeals about hours and pay: what may be contested, and what an appeal that was won changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from django.db.models import F
from django.utils.translation import gettext as _

from core.public import User
from experts.ports import Contestable
from experts.public import Appeal
from marketplace.public import Contract
from payments.models import (
    Adjustment,
    AdjustmentProposal,
    Dispute,
    Milestone,
    MilestoneAward,
    Overage,
    PlatformPay,
    Referral,
    TimeEntry,
    Timesheet,
    WriteOff,
)
from payments.operations.hours import counted_hours, hours_lock
from payments.operations.pay import adjustments, clawbacks, platform_pay, referrals

WON: Final = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})
_TABLES: Final[dict[str, Any]] = {
    "tsh": Timesheet,
    "ovg": Overage,
    "dsp": Dispute,
    "adj": Adjustment,
    "ppy": PlatformPay,
    "wof": WriteOff,
    "prp": AdjustmentProposal,
    "mwd": MilestoneAward,
    "ref": Referral,
}
PREFIXES: Final = ("tme", "mst", *_TABLES)


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """The thing with this id when it is this expert's: whose tenant it lies in, and who decided about it."""
    prefix = subject.partition("_")[0]
    if prefix == "tme":
        entry = TimeEntry.objects.filter(public_id=subject, expert=expert_id).select_related("timesheet").first()
        return None if entry is None else _decided(entry)
    if prefix == "mst":
        return _ended_milestone(subject, expert_id)
    if prefix == "ref":
        joined = Referral.objects.filter(public_id=subject, referrer=expert_id, referred__isnull=False)
        return Contestable(None, None) if joined.exists() else None
    row = _TABLES[prefix]._default_manager.filter(public_id=subject, expert=expert_id).first()
    if row is None or (isinstance(row, AdjustmentProposal) and not _was_refused(row)):
        return None
    if isinstance(row, AdjustmentProposal):
        return Contestable(row.tenant_id, row.decided_by_id)
    proposal: AdjustmentProposal | None = getattr(row, "proposal", None)
    return Contestable(
        getattr(row, "tenant_id", None),
        getattr(row, "decided_by_id", None),
        approved_by_id=proposal.decided_by_id if proposal else None,
    )


def _decided(entry: TimeEntry) -> Contestable:
    """Whoever changed the entry's pay last, or else who approved its week."""
    people = {"decided_by__isnull": False}
    last = entry.adjustments.filter(**people).select_related("proposal").order_by("-pk").first()
    if last is None:
        return Contestable(entry.tenant_id, entry.timesheet.decided_by_id)
    second = last.proposal.decided_by_id if last.proposal else None
    return Contestable(entry.tenant_id, last.decided_by_id, approved_by_id=second)


def _ended_milestone(subject: str, expert_id: int) -> Contestable | None:
    """A milestone that its lab ended, for whoever works there, and who ended it."""
    ended = Milestone.objects.filter(public_id=subject, ended_by__isnull=False).first()
    if ended is None:
        return None
    works = Contract.objects.filter(project=ended.project_id, expert=expert_id)
    if ended.opening_id:
        works = works.filter(opening=ended.opening_id)
    return Contestable(ended.tenant_id, ended.ended_by_id) if works.exists() else None


def apply_outcome(*, subject: str, outcome: str, decided_by: User | None, now: dt.datetime) -> object | None:
    """Put right what a contested act took, when the appeal about it was won.

    An appeal that was won in part is put right by the person who decided it, with a correction of the entry; so is
    one about an entry or a week as such, since no amount follows from it. Running it again changes nothing.
    """
    if outcome not in WON:
        return None
    put_right = _REMEDIES.get(subject.partition("_")[0])
    return put_right(subject, _because(subject, outcome), decided_by, now) if put_right else None


def _because(subject: str, outcome: str) -> str:
    """The reason of what an appeal gives."""
    told = {"subject": subject, "outcome": Appeal.Status(outcome).label}
    return _("Appeal about %(subject)s: %(outcome)s.") % told


def _overage(subject: str, reason: str, decided_by: User | None, now: dt.datetime) -> object | None:
    overage = Overage.objects.filter(public_id=subject, status=Overage.Status.DECLINED).first()
    if overage is None:
        return None
    hours_lock.take(overage.expert_id)
    entry = _entry(overage.entry_id)
    if not entry.is_settled:
        if entry.status != TimeEntry.Status.VOID:
            _give_back(entry)
        return None
    return _count(entry, entry.seconds + entry.disallowed_seconds, reason, decided_by, now)


def _dispute(subject: str, reason: str, decided_by: User | None, now: dt.datetime) -> object | None:
    """As much counts as was contested."""
    dispute = Dispute.objects.filter(public_id=subject, decided_at__isnull=False).first()
    if dispute is None:
        return None
    entry = _entry(dispute.entry_id)
    return _count(entry, dispute.claimed(entry), reason, decided_by, now)


def _adjustment(subject: str, reason: str, decided_by: User | None, now: dt.datetime) -> object | None:
    row = Adjustment.objects.select_related("expert").filter(public_id=subject, amount_minor__lt=0).first()
    if row is None:
        return None
    if row.kind == Adjustment.Kind.CLAWBACK:
        return clawbacks.reinstate(clawback=row, reason=reason, decided_by=decided_by, now=now)
    if row.entry_id is None:
        return None
    return _corrections_of(row.entry_id, row.expert_id, now)


def _corrections_of(entry_id: int, expert_id: int, now: dt.datetime) -> Adjustment | None:
    """What was contested with success of one entry counts, however many corrections followed.

    One by one, in the order in which they were decided: each appeal has a correction and a message of its own, though
    several were won before the first of them was heard of here.
    """
    hours_lock.take(expert_id)
    entry, made = _entry(entry_id), None
    taken = dict(entry.adjustments.filter(amount_minor__lt=0).values_list("public_id", "pk"))
    won = Appeal.objects.filter(subject__in=taken, status__in=WON).select_related("decided_by")
    undone: set[int] = set()
    for appeal in won.order_by(F("decided_at").asc(nulls_last=True), "pk"):
        undone.add(taken[appeal.subject])
        counted = counted_hours.counted_without(entry, undone)
        made = _count(entry, counted, _because(appeal.subject, appeal.status), appeal.decided_by, now) or made
    return made


def _platform_pay(subject: str, reason: str, decided_by: User | None, now: dt.datetime) -> object | None:
    row = PlatformPay.objects.select_related("expert").filter(public_id=subject, kind=PlatformPay.Kind.CLAWBACK).first()
    return row and platform_pay.reinstate(clawback=row, reason=reason, decided_by=decided_by, now=now)


def _proposal(subject: str, reason: str, decided_by: User | None, now: dt.datetime) -> object | None:
    proposal = AdjustmentProposal.objects.filter(public_id=subject).first()
    if proposal is None or not _was_refused(proposal):
        return None
    entry = _entry(TimeEntry.objects.get(public_id=proposal.terms["entry"]).pk)
    return _count(entry, int(proposal.terms["counted"]), reason, decided_by, now)


def _referral(subject: str, _reason: str, _decided_by: User | None, now: dt.datetime) -> object | None:
    referral = Referral.objects.filter(public_id=subject, referred__isnull=False).first()
    if referral is not None:
        referrals.pay_after_all(referral=referral, now=now)
    return referral


_Remedy = Callable[[str, str, User | None, dt.datetime], object | None]
_REMEDIES: Final[dict[str, _Remedy]] = {
    "ovg": _overage,
    "dsp": _dispute,
    "adj": _adjustment,
    "ppy": _platform_pay,
    "prp": _proposal,
    "ref": _referral,
}


def _was_refused(proposal: AdjustmentProposal) -> bool:
    """Whether a correction in the expert's favour was refused, or forgotten."""
    refused = (AdjustmentProposal.Status.REFUSED, AdjustmentProposal.Status.EXPIRED)
    return (
        proposal.status in refused
        and proposal.act == AdjustmentProposal.Act.CORRECTION
        and bool(proposal.terms.get("gains"))
    )


def _count(entry: TimeEntry, counted: int, reason: str, decided_by: User | None, now: dt.datetime) -> Adjustment | None:
    """Let so much count; an appeal never takes anything away."""
    if counted <= counted_hours.counted_now(entry):
        return None
    return adjustments.correct(entry=entry, counted=counted, reason=reason, decided_by=decided_by, now=now)


def _entry(pk: int) -> TimeEntry:
    return TimeEntry.objects.select_related("expert", "snapshot", "contract").get(pk=pk)


def _give_back(entry: TimeEntry) -> None:
    """Let time count that was refused before its week was settled; it is priced and posted with the week."""
    locked = TimeEntry.objects.select_for_update(no_key=True, of=("self",)).get(pk=entry.pk)
    locked.seconds += locked.disallowed_seconds
    locked.disallowed_seconds = 0
    locked.save(update_fields=["seconds", "disallowed_seconds"])
