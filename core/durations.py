"""Durations as whole seconds: `PT2H30M`, `P7D`, `PT0S` by ISO 8601, `6:40` as people enter it, `6 h 40 min` as they read it.

Only units of a fixed length are read: weeks, days of 24 hours, hours, minutes
and seconds. Years and months have none, and fractions would invite rounding.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_SECONDS: Final = 10 * 366 * 86_400

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W"
    r"|(?=\d|T\d)(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,10})S)?)?)",
    re.ASCII,
)
_CLOCK = re.compile(r"(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?", re.ASCII)
_SECONDS: Final = {
    "weeks": 604_800,
    "days": 86_400,
    "hours": 3_600,
    "minutes": 60,
    "seconds": 1,
}


def parse_duration(text: str) -> int:
    """Whole seconds of an ISO 8601 duration.

    Raises ValueError for signs, fractions, years, months, lower case, spaces,
    units out of order, an empty duration, or more than ten years.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('A duration looks like "PT2H30M" or "P7D", in whole units.')
    total = sum(int(number) * _SECONDS[unit] for unit, number in match.groupdict("0").items())
    if total > LONGEST_SECONDS:
        raise ValueError("A duration may not exceed ten years.")
    return total


def parse_clock(text: str) -> int:
    """Whole seconds of hours and minutes, with seconds where there are any: `6:40`, `0:05`, `6:40:30`.

    Raises ValueError for anything else: signs, fractions, 60 minutes, spaces, other digits, five digits of hours.
    """
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError('A time looks like "6:40" or "6:40:30".')
    return sum(int(number) * _SECONDS[unit] for unit, number in match.groupdict("0").items())


def format_clock(seconds: int) -> str:
    """`6:40`, or `6:40:30` where seconds are left; the contrary of `parse_clock`."""
    if seconds < 0:
        raise ValueError("A time is not negative.")
    minutes, secs = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}" + (f":{secs:02}" if secs else "")


def format_duration(seconds: int) -> str:
    """The canonical text: hours, minutes, seconds without zero parts; `PT0S` for none.

    Hours run past 24 (`PT168H`), since a day of work time may be 23 or 25 hours.
    """
    if seconds < 0:
        raise ValueError("A duration is not negative.")
    hours, rest = divmod(seconds, 3_600)
    minutes, secs = divmod(rest, 60)
    parts = ((hours, "H"), (minutes, "M"), (secs, "S"))
    return "PT" + ("".join(f"{number}{unit}" for number, unit in parts if number) or "0S")


def in_words(seconds: int) -> str:
    """For a sentence that somebody reads: `2 h 30 min`, `45 s`, `0 min`. The symbols are the same in every language."""
    if seconds < 0:
        raise ValueError("A duration is not negative.")
    hours, rest = divmod(seconds, 3_600)
    minutes, secs = divmod(rest, 60)
    return (
        " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min"), (secs, "s")) if number)
        or "0 min"
    )
