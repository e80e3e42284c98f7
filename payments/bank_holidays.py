"""Days on which payment systems are closed, by their own rules. Pure; weekends are closed anyway.

TARGET (euro): the closing days that the European Central Bank fixed for good in 2000. Fedwire (US dollar): the holidays
of the Federal Reserve Banks; one on a Sunday is kept on Monday, one on a Saturday is not moved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6


def target(year: int) -> frozenset[date]:
    """Closing days of TARGET."""
    easter = easter_sunday(year)
    fixed = [date(year, 1, 1), date(year, 5, 1), date(year, 12, 25), date(year, 12, 26)]
    return frozenset([*fixed, easter - timedelta(days=2), easter + timedelta(days=1)])


def fedwire(year: int) -> frozenset[date]:
    """Holidays of the Federal Reserve Banks."""
    fixed = [date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    kept = [day + timedelta(days=1) if day.weekday() == _SUNDAY else day for day in fixed]
    moving = [
        _nth(year, 1, _MONDAY, 3),
        _nth(year, 2, _MONDAY, 3),
        _nth(year, 6, _MONDAY, 1) - timedelta(days=7),  # the last Monday of May
        _nth(year, 9, _MONDAY, 1),
        _nth(year, 10, _MONDAY, 2),
        _nth(year, 11, _THURSDAY, 4),
    ]
    return frozenset([*kept, *moving])


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def easter_sunday(year: int) -> date:
    """By the Gregorian computus in the form of Oudin (1940)."""
    golden, century = year % 19, year // 100
    moon = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon -= (moon // 28) * (1 - (29 // (moon + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    offset = moon - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


SYSTEMS: Final[dict[str, Callable[[int], frozenset[date]]]] = {"target": target, "fedwire": fedwire}


@lru_cache(maxsize=64)
def closed_days(system: str, year: int, extra: tuple[str, ...] = ()) -> frozenset[date]:
    """Closing days of a system ("" has none) in a year and in the next one, with ISO dates that are added by hand."""
    rule = SYSTEMS.get(system)
    ruled = rule(year) | rule(year + 1) if rule else frozenset()
    return ruled | frozenset(date.fromisoformat(day) for day in extra)
