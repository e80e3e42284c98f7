"""Days on which payment systems are closed, by their own rules. Pure; weekends are closed anyway.

TARGET (euro): the closing days that the European Central Bank fixed for good in 2000. Fedwire (US dollar): the holidays
of the Federal Reserve Banks; one on a Sunday is kept on Monday, one on a Saturday is not moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6

Closings = Mapping[date, Promise]
"""Closed days, each with its name."""


def target(year: int) -> Closings:
    """Closing days of TARGET."""
    easter = easter_sunday(year)
    return {
        date(year, 1, 1): _("New Year's Day"),
        easter - timedelta(days=2): _("Good Friday"),
        easter + timedelta(days=1): _("Easter Monday"),
        date(year, 5, 1): _("Labour Day"),
        date(year, 12, 25): _("Christmas Day"),
        date(year, 12, 26): _("26 December"),
    }


def fedwire(year: int) -> Closings:
    """Holidays of the Federal Reserve Banks."""
    fixed = {
        date(year, 1, 1): _("New Year's Day"),
        date(year, 6, 19): _("Juneteenth"),
        date(year, 7, 4): _("Independence Day"),
        date(year, 11, 11): _("Veterans Day"),
        date(year, 12, 25): _("Christmas Day"),
    }
    kept = {day + timedelta(days=1) if day.weekday() == _SUNDAY else day: name for day, name in fixed.items()}
    return kept | {
        _nth(year, 1, _MONDAY, 3): _("Martin Luther King Day"),
        _nth(year, 2, _MONDAY, 3): _("Presidents Day"),
        _nth(year, 6, _MONDAY, 1) - timedelta(days=7): _("Memorial Day"),  # the last Monday of May
        _nth(year, 9, _MONDAY, 1): _("Labor Day"),
        _nth(year, 10, _MONDAY, 2): _("Columbus Day"),
        _nth(year, 11, _THURSDAY, 4): _("Thanksgiving Day"),
    }


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


NAMES: Final = {"target": _("TARGET, the euro's payment system"), "fedwire": _("Fedwire, the dollar's payment system")}
SYSTEMS: Final[dict[str, Callable[[int], Closings]]] = {"target": target, "fedwire": fedwire}


@lru_cache(maxsize=64)
def closings(system: str, year: int, extra: tuple[str, ...] = ()) -> Closings:
    """Closing days of a system ("" has none) in a year and in the next one, with ISO dates that are added by hand."""
    rule = SYSTEMS.get(system)
    ruled = {**rule(year), **rule(year + 1)} if rule else {}
    by_hand = {date.fromisoformat(day): _("closed by the platform's calendar") for day in extra}
    return MappingProxyType({**by_hand, **ruled})
