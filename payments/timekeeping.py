"""Laws of time: where a stretch of work is cut, what of it counts, when it ended.

Instants are aware datetimes; intervals are half open, [start, end). Durations
are whole seconds. A day is the expert's calendar day in his IANA zone, so it
has 23 or 25 hours when the clocks change; a week is the ISO week of that day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

from core.zones import zone as iana_zone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)
_ISO_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, end) in UTC within one local day, ISO week and rate."""

    start: datetime
    end: datetime
    day: date
    week: str

    @property
    def seconds(self) -> int:
        """Whole seconds; those of the parts add up to those of the whole."""
        return seconds_between(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Stop:
    """How a timer ended: [start, confirmed_until) counts, the rest waits for a word."""

    ended_at: datetime
    confirmed_until: datetime
    confirmed_seconds: int
    unconfirmed_seconds: int


def seconds_between(start: datetime, end: datetime) -> int:
    """Whole seconds from start to end, fractions dropped at each end.

    Cutting both ends to the clock's second (instead of rounding the difference)
    makes the parts of an interval sum to the whole.
    """
    return (end - _EPOCH) // _ONE_SECOND - (start - _EPOCH) // _ONE_SECOND


def day_start(day: date, zone: str) -> datetime:
    """The first instant of a local calendar day, in UTC.

    Where the clocks skip midnight the day starts at the jump; where midnight
    comes twice it starts at the first.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=iana_zone(zone))
    return midnight.astimezone(UTC)


def local_day(instant: datetime, zone: str) -> date:
    """The local calendar day an instant belongs to.

    Agrees with `day_start` even where the clocks jump over midnight: a day that
    has begun does not end again.
    """
    day = instant.astimezone(iana_zone(zone)).date()
    if instant < day_start(day, zone):
        return day - _ONE_DAY
    if instant >= day_start(day + _ONE_DAY, zone):
        return day + _ONE_DAY
    return day


def week_of(day: date) -> str:
    """The ISO week of a calendar day, "2026-W47"."""
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def iso_week(instant: datetime, zone: str) -> str:
    """The ISO week of the local day an instant belongs to."""
    return week_of(local_day(instant, zone))


def week_bounds(week: str, zone: str) -> tuple[datetime, datetime]:
    """The interval [Monday, next Monday) of an ISO week in a zone, in UTC.

    Raises ValueError for text that is not "YYYY-Www" or a week the year has not.
    """
    match = _ISO_WEEK.fullmatch(week)
    if match is None:
        raise ValueError('A week looks like "2026-W47".')
    monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
    return day_start(monday, zone), day_start(monday + timedelta(days=7), zone)


def split(start: datetime, end: datetime, zone: str, *, rate_changes: Iterable[datetime] = ()) -> list[Segment]:
    """Cut [start, end) at local midnights (so also at week ends) and at rate changes.

    The segments are in order, touch each other and cover the interval exactly;
    an empty interval gives none. Raises ValueError when the end is before the
    start or an instant carries no zone.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("Instants must carry a time zone.")
    if end < start:
        raise ValueError("An interval ends after it starts.")
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    cuts = set(_midnights(first, last, zone))
    cuts.update(at.astimezone(UTC) for at in rate_changes)
    inner = sorted(cut for cut in cuts if first < cut < last)
    edges = [first, *inner, last] if first < last else []
    return [_segment(a, b, zone) for a, b in pairwise(edges)]


def _midnights(start: datetime, end: datetime, zone: str) -> Iterable[datetime]:
    day = local_day(start, zone) + _ONE_DAY
    while (midnight := day_start(day, zone)) < end:
        yield midnight
        day += _ONE_DAY


def _segment(start: datetime, end: datetime, zone: str) -> Segment:
    day = local_day(start, zone)
    return Segment(start=start, end=end, day=day, week=week_of(day))


def stop_by_hand(
    *,
    started_at: datetime,
    last_heartbeat_at: datetime,
    stopped_at: datetime,
    grace: timedelta,
) -> Stop:
    """A stop pressed by the expert.

    Within the grace after the last heartbeat everything is confirmed: the press
    itself shows he was there. Later, only the time up to that heartbeat is; the
    rest is kept as unconfirmed until he gives a reason.
    """
    ended_at = max(stopped_at, started_at)
    heartbeat = min(max(last_heartbeat_at, started_at), ended_at)
    in_touch = ended_at - heartbeat <= grace
    return _stop(started_at, ended_at if in_touch else heartbeat, ended_at)


def stop_by_silence(*, started_at: datetime, last_heartbeat_at: datetime, grace: timedelta) -> Stop:
    """The stop of a timer that fell silent: it ends at last heartbeat + grace, and the
    time after the heartbeat is unconfirmed."""
    heartbeat = max(last_heartbeat_at, started_at)
    return _stop(started_at, heartbeat, heartbeat + grace)


def is_silent(*, last_heartbeat_at: datetime, grace: timedelta, now: datetime) -> bool:
    """Whether a running timer has been quiet for longer than the grace."""
    return now - last_heartbeat_at > grace


def _stop(started_at: datetime, confirmed_until: datetime, ended_at: datetime) -> Stop:
    return Stop(
        ended_at=ended_at,
        confirmed_until=confirmed_until,
        confirmed_seconds=seconds_between(started_at, confirmed_until),
        unconfirmed_seconds=seconds_between(confirmed_until, ended_at),
    )
