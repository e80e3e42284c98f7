"""IANA time zones by name."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones


class UnknownZone(ValueError):
    """The name is not in the IANA time zone database."""


@cache
def zone_names() -> frozenset[str]:
    """Every zone name this installation knows."""
    return frozenset(available_timezones())


def zone(name: str) -> ZoneInfo:
    """The zone called `name` ("Europe/Paris"); UnknownZone otherwise.

    The list is asked first because ZoneInfo opens files: a case-insensitive
    file system would accept "europe/paris", and a folder raises OSError.
    """
    if name not in zone_names():
        raise UnknownZone(f"{name!r} is not an IANA time zone.")
    return ZoneInfo(name)
