"""ISO 8601 durations as whole seconds: `PT2H30M`, `P7D`, `PT0S`.

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
