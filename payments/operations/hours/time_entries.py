"""Hours that are written or corrected by hand while their week is open."""

from __future__ import annotations

import datetime as dt

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict
from marketplace.public import Contract
from payments.allowance import Room
from payments.models import TimeEntry
from payments.operations.hours import caps, entry_rules, hours_lock, overages, stretches, weeks
from payments.operations.hours.stretches import Work
from tasks.public import Claim


class NothingUnconfirmed(Conflict):
    """Every minute of this entry counts already: a heartbeat vouched for it, or you did before. Nothing is left to do."""

    code = "nothing_unconfirmed"
    title = gettext_lazy("This entry has no unconfirmed minutes")


def log(
    *,
    contract: Contract,
    activity: str,
    claim: Claim | None,
    started_at: dt.datetime,
    ended_at: dt.datetime,
    reason: str,
    now: dt.datetime,
) -> list[TimeEntry]:
    """Enter time by hand, with a reason; the entries it became, cut at midnights and rate changes.

    Raises InvalidInput, Overlap, CapExceeded, WeekClosed, NotBillableNow.
    """
    hours_lock.take(contract.expert_id)
    entry_rules.require_claim(contract, activity, claim)
    entry_rules.require_past(contract, started_at, ended_at, now=now)
    entry_rules.require_free(contract.expert_id, DateTimeTZRange(started_at, ended_at))
    work = Work(
        contract=contract,
        activity=activity,
        claim=claim,
        source=TimeEntry.Source.MANUAL,
        started_at=started_at,
        ended_at=ended_at,
        confirmed_until=ended_at,
        reason=reason,
    )
    return _write_by_hand(work, first=None, now=now)


def amend(
    *,
    entry: TimeEntry,
    activity: str | None = None,
    started_at: dt.datetime | None = None,
    ended_at: dt.datetime | None = None,
    reason: str | None = None,
    now: dt.datetime,
) -> list[TimeEntry]:
    """Change an entry of an open week: the activity and the reason of any, the times of one entered by hand.

    Raises InvalidInput, Overlap, CapExceeded, WeekClosed, NotBillableNow, InvalidTransition.
    """
    hours_lock.take(entry.expert_id)
    stopped = entry_rules.stopped(entry)
    period = DateTimeTZRange(started_at or stopped.started_at, ended_at or stopped.ended_at)
    activity = activity or stopped.activity
    if stopped.overage_seconds or stopped.disallowed_seconds:
        raise entry_rules.NotBillableNow(_("Time over a cap is decided by others; it can only be taken back."))
    entry_rules.require_claim(stopped.contract, activity, stopped.claim)
    if period != stopped.period:
        entry_rules.require_by_hand(stopped)
        entry_rules.require_past(stopped.contract, period.lower, period.upper, now=now)
        entry_rules.require_free(stopped.expert_id, period, without=stopped.pk)
    work = Work(
        contract=stopped.contract,
        activity=activity,
        claim=stopped.claim,
        source=stopped.source,
        started_at=period.lower,
        ended_at=period.upper,
        confirmed_until=period.lower if stopped.unconfirmed_seconds else period.upper,
        reason=stopped.reason if reason is None else reason,
        last_heartbeat_at=stopped.last_heartbeat_at,
    )
    return _write_by_hand(work, first=stopped, now=now)


def confirm(*, entry: TimeEntry, reason: str, now: dt.datetime) -> list[TimeEntry]:
    """Vouch for minutes after the last sign of life. They count from now on; over a cap they become an overage.

    Raises NothingUnconfirmed, WeekClosed, InvalidTransition.
    """
    hours_lock.take(entry.expert_id)
    stopped = entry_rules.stopped(entry)
    if not stopped.unconfirmed_seconds or stopped.ended_at is None:
        raise NothingUnconfirmed
    work = Work(
        contract=stopped.contract,
        activity=stopped.activity,
        claim=stopped.claim,
        source=stopped.source,
        started_at=stopped.started_at,
        ended_at=stopped.ended_at,
        confirmed_until=stopped.ended_at,
        reason=reason,
        last_heartbeat_at=stopped.last_heartbeat_at,
    )
    parts = stretches.pieces(work, tally=caps.Tally(stopped.contract))
    return stretches.write(work, parts, first=stopped, now=now)


def void(*, entry: TimeEntry, now: dt.datetime) -> TimeEntry:
    """Take an entry of an open week back; the row stays, void. Raises WeekClosed, InvalidTransition."""
    hours_lock.take(entry.expert_id)
    locked = entry_rules.locked(entry)
    states.move(locked, TimeEntry.Status.VOID)
    weeks.require_open(locked.timesheet)
    if locked.ended_at is None:
        locked.period = stretches.closed(locked.started_at, now)
    locked.save(update_fields=["status", "period"])
    overages.withdraw(entry=locked, now=now)
    return locked


def _write_by_hand(work: Work, *, first: TimeEntry | None, now: dt.datetime) -> list[TimeEntry]:
    entry_rules.require_onboarded(work.contract, work.activity, work.started_at)
    entry_rules.require_not_paused(work.contract, work.activity, work.started_at, work.ended_at)
    tally = caps.Tally(work.contract, running_until=now, without=first.pk if first else None)
    parts = stretches.pieces(work, tally=tally)
    for before, piece in zip([None, *parts], parts, strict=False):
        if piece.cap:
            same_day = before is not None and before.segment.day == piece.segment.day
            raise caps.exceeded(Room(piece.cap, before.segment.seconds if before and same_day else 0))
    for week in {piece.segment.week for piece in parts}:
        weeks.require_window(contract=work.contract, week=week, now=now)
    return stretches.write(work, parts, first=first, now=now)
