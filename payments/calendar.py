"""When people are paid: a weekly cutoff, and a payday that follows from it. Pure; all instants in UTC.

The cutoff is an instant (Monday 00:00 by default): what was earned before it belongs to the run. The payday is a
weekday some days later, so that there is time to prepare and release, and everybody can know it in advance.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_WEEK: Final = timedelta(days=7)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class PaySchedule:
    """``weekday`` 0 is Monday; ``hour`` in UTC; ``days_to_payday`` from the cutoff's day, moved on over weekends."""

    weekday: int = 0
    hour: int = 0
    days_to_payday: int = 2

    def __post_init__(self) -> None:
        if not (0 <= self.weekday <= 6 and 0 <= self.hour <= 23 and 0 <= self.days_to_payday <= 6):
            raise ValueError("A schedule has a weekday 0-6, an hour 0-23 and 0-6 days to the payday.")


def last_cutoff(schedule: PaySchedule, now: datetime) -> datetime:
    """The latest cutoff at or before ``now``."""
    today = now.astimezone(UTC).date()
    day = today - timedelta(days=(today.weekday() - schedule.weekday) % 7)
    cutoff = datetime.combine(day, time(schedule.hour), tzinfo=UTC)
    return cutoff if cutoff <= now else cutoff - _WEEK


def next_cutoff(schedule: PaySchedule, now: datetime) -> datetime:
    """The first cutoff after ``now``."""
    return last_cutoff(schedule, now) + _WEEK


def payday(schedule: PaySchedule, cutoff: datetime, *, closed: Collection[date] = ()) -> date:
    """The day by which a run with this cutoff is paid: never a Saturday or Sunday, nor a day when banks are ``closed``."""
    return _open_day(cutoff.astimezone(UTC).date() + timedelta(days=schedule.days_to_payday), closed)


def banking_days_after(day: date, count: int, *, closed: Collection[date] = ()) -> date:
    """``count`` days on which banks work later; 0 gives the first such day from ``day`` on."""
    day = _open_day(day, closed)
    for _nth in range(count):
        day = _open_day(day + timedelta(days=1), closed)
    return day


def is_weekend(day: date) -> bool:
    """Whether it is a Saturday or a Sunday, when no bank works anywhere."""
    return day.weekday() >= _SATURDAY


def _open_day(day: date, closed: Collection[date]) -> date:
    while is_weekend(day) or day in closed:
        day += timedelta(days=1)
    return day
