"""Billing periods: calendar months in the platform's zone. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month; ``end`` is the first day after it."""

    start: dt.date
    end: dt.date

    def closes_at(self, zone: ZoneInfo) -> dt.datetime:
        """The first instant that no longer belongs to it."""
        return dt.datetime(self.end.year, self.end.month, 1, tzinfo=zone)

    def following(self) -> Month:
        """The next month."""
        return month_of(self.end)


def month_of(day: dt.date) -> Month:
    """The month of a day."""
    start = day.replace(day=1)
    return Month(start, (start + dt.timedelta(days=32)).replace(day=1))


def closed_months(
    since: dt.datetime, *, now: dt.datetime, zone: ZoneInfo, billed: dt.date | None = None
) -> list[Month]:
    """Every month from that of ``since`` on that is over at ``now``, but none before ``billed``, the end of the last bill.

    What was booked in a month that is billed already, however late, belongs to the first one that is not.
    """
    day = since.astimezone(zone).date()
    month, found = month_of(max(day, billed) if billed else day), []
    while month.closes_at(zone) <= now:
        found.append(month)
        month = month.following()
    return found
