"""Laws of pay policy and caps: which activity is paid, and how much room a stretch of work still has.

Durations are whole seconds. A policy maps each activity to `{"pay": "paid" | "capped" | "unpaid", "cap_seconds": n}`;
it was part of the offer, so nothing here is decided afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from core.money import BASIS_POINTS

PAID: Final = "paid"
CAPPED: Final = "capped"
UNPAID: Final = "unpaid"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract promised for one activity; `cap_seconds` bounds an ISO week, None does not bind."""

    is_paid: bool
    cap_seconds: int | None


@dataclass(frozen=True, slots=True)
class Room:
    """Seconds that a cap (a value of `Cap`) still leaves; never below zero."""

    cap: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Share:
    """A stretch of work under caps: `billable` seconds come first, `over` seconds follow, stopped by `cap`."""

    billable: int
    over: int
    cap: str


def terms_of(policy: Mapping[str, Any], activity: str) -> Terms:
    """The promise for an activity. What the policy does not name is paid: silence never costs the expert."""
    rule = policy.get(activity) or {}
    pay = rule.get("pay", PAID)
    return Terms(is_paid=pay != UNPAID, cap_seconds=rule.get("cap_seconds") if pay == CAPPED else None)


def room_under(cap: str, limit: int | None, used: int) -> Room | None:
    """What a limit leaves after `used` seconds; None when there is no such limit."""
    return None if limit is None else Room(cap, max(0, limit - used))


def narrowest(rooms: Iterable[Room | None]) -> Room | None:
    """The cap that binds first; ties go to the one named first. None when nothing binds."""
    return min((room for room in rooms if room is not None), key=lambda room: room.seconds, default=None)


def share_out(seconds: int, room: Room | None) -> Share:
    """Divide a stretch at its narrowest cap; the parts always sum to the whole."""
    if room is None or seconds <= room.seconds:
        return Share(billable=seconds, over=0, cap="")
    return Share(billable=room.seconds, over=seconds - room.seconds, cap=room.cap)


def handling_allowance(items: int, cap_seconds: int, tolerance_bp: int = BASIS_POINTS) -> int:
    """Seconds that so many items, in work or handed in, allow under an average-handling-time cap, cut to whole seconds."""
    return items * cap_seconds * tolerance_bp // BASIS_POINTS


def cut_at(start: datetime, seconds: int) -> datetime:
    """The whole-second instant that many counted seconds after a start.

    The start is cut to its second first, as `timekeeping.seconds_between` does, so that the parts before and after
    the cut count exactly `seconds` and the rest.
    """
    return start.replace(microsecond=0) + timedelta(seconds=seconds)
