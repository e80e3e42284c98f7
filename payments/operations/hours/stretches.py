"""Writing measured time down: cut at midnights, week ends, rate changes and caps, one row for each piece."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from core import states
from marketplace import public as marketplace
from marketplace.public import Contract, RateSnapshot
from payments import allowance, timekeeping
from payments.models import TimeEntry
from payments.operations.hours import caps, overages, weeks
from payments.timekeeping import Segment
from tasks.public import Claim

_INSTANT: Final = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Work:
    """What was done between two instants; time from `confirmed_until` on waits for the expert's word."""

    contract: Contract
    activity: str
    claim: Claim | None
    source: str
    started_at: dt.datetime
    ended_at: dt.datetime
    confirmed_until: dt.datetime
    reason: str = ""
    last_heartbeat_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One row to be: a stretch whose whole length is of one kind."""

    segment: Segment
    snapshot: RateSnapshot
    counts: dict[str, int] = field(default_factory=dict)
    cap: str = ""


def pieces(work: Work, *, tally: caps.Tally) -> list[Piece]:
    """The rows that a stretch of work becomes, in order; none for less than a second."""
    snapshots = marketplace.snapshots_between(work.contract.pk, work.started_at, work.ended_at)
    changes = [snapshot.valid.lower for snapshot in snapshots]
    segments = timekeeping.split(
        work.started_at, work.ended_at, work.contract.zone, rate_changes=[*changes, work.confirmed_until]
    )
    return [
        piece
        for segment in segments
        if segment.seconds
        for piece in _divide(segment, _in_force(snapshots, segment.start), work, tally)
    ]


def write(work: Work, parts: Iterable[Piece], *, first: TimeEntry | None = None, now: dt.datetime) -> list[TimeEntry]:
    """Store the pieces as stopped entries, the first one in the place of ``first``, with their overages."""
    written: list[TimeEntry] = []
    for piece in parts:
        entry = first if first is not None and not written else _blank(work)
        if entry.is_running:
            states.move(entry, TimeEntry.Status.STOPPED)
        _fill(entry, piece, work, now=now)
        entry.save()
        if piece.cap:
            overages.open_for(entry=entry, cap=piece.cap, now=now)
        written.append(entry)
    return written


def closed(start: dt.datetime, end: dt.datetime) -> DateTimeTZRange:
    """A range for a void entry: never empty, since an empty one would forget where it was."""
    return DateTimeTZRange(start, max(end, start + _INSTANT))


def _divide(segment: Segment, snapshot: RateSnapshot, work: Work, tally: caps.Tally) -> Iterator[Piece]:
    if not allowance.terms_of(snapshot.pay_policy, work.activity).is_paid:
        yield Piece(segment, snapshot, {"unpaid_seconds": segment.seconds})
        return
    if segment.start >= work.confirmed_until:
        yield Piece(segment, snapshot, {"unconfirmed_seconds": segment.seconds})
        return
    room = tally.narrowest(snapshot=snapshot, day=segment.day, activity=work.activity)
    share = allowance.share_out(segment.seconds, room)
    if share.billable:
        tally.add(day=segment.day, activity=work.activity, seconds=share.billable)
        yield Piece(_head(segment, share.billable), snapshot, {"seconds": share.billable})
    if share.over:
        yield Piece(_tail(segment, share.billable), snapshot, {"overage_seconds": share.over}, cap=share.cap)


def _head(segment: Segment, seconds: int) -> Segment:
    if seconds == segment.seconds:
        return segment
    return Segment(segment.start, allowance.cut_at(segment.start, seconds), segment.day, segment.week)


def _tail(segment: Segment, seconds: int) -> Segment:
    if not seconds:
        return segment
    return Segment(allowance.cut_at(segment.start, seconds), segment.end, segment.day, segment.week)


def _in_force(snapshots: Iterable[RateSnapshot], at: dt.datetime) -> RateSnapshot:
    """The terms of an instant: the last ones that began by then (the first ones before all)."""
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.valid.lower)
    return next((snapshot for snapshot in reversed(ordered) if snapshot.valid.lower <= at), ordered[0])


def _blank(work: Work) -> TimeEntry:
    return TimeEntry(
        tenant_id=work.contract.tenant_id,
        expert_id=work.contract.expert_id,
        contract=work.contract,
        claim=work.claim,
        source=work.source,
        status=TimeEntry.Status.STOPPED,
    )


def _fill(entry: TimeEntry, piece: Piece, work: Work, *, now: dt.datetime) -> None:
    entry.timesheet = weeks.sheet_for(contract=work.contract, week=piece.segment.week, now=now)
    entry.snapshot = piece.snapshot
    entry.period = DateTimeTZRange(piece.segment.start, piece.segment.end)
    entry.zone = work.contract.zone
    entry.local_day = piece.segment.day
    entry.iso_week = piece.segment.week
    entry.reason = work.reason
    entry.last_heartbeat_at = work.last_heartbeat_at
    entry.activity = work.activity
    entry.seconds = entry.unconfirmed_seconds = entry.overage_seconds = entry.unpaid_seconds = 0
    for counter, seconds in piece.counts.items():
        setattr(entry, counter, seconds)
