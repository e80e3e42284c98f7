"""Law of changed terms: what a later set of terms would take from an expert, so that it needs notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marketplace.pay_policy import Line
from marketplace.rates import ACTIVITIES

# How much of an activity is paid, from nothing to all of it.
_WORTH: Final = {"unpaid": 0, "capped": 1, "paid": 2}


@dataclass(frozen=True, slots=True)
class WorkTerms:
    """What an amendment may change: minor units an hour, caps in seconds (None binds nothing), and the pay policy."""

    rate_minor: int
    week_cap_seconds: int
    day_cap_seconds: int | None
    pay_policy: Mapping[str, Line]


def losses(former: WorkTerms, later: WorkTerms) -> list[str]:
    """What the expert would lose, in order: "rate", "weekly_cap", "daily_cap", and activities that are paid less."""
    found = [
        name
        for name, is_lost in (
            ("rate", later.rate_minor < former.rate_minor),
            ("weekly_cap", later.week_cap_seconds < former.week_cap_seconds),
            ("daily_cap", _is_narrower(later.day_cap_seconds, former.day_cap_seconds)),
        )
        if is_lost
    ]
    return found + [name for name in ACTIVITIES if _is_paid_less(former.pay_policy.get(name), later.pay_policy[name])]


def _is_narrower(later: int | None, former: int | None) -> bool:
    return later is not None and (former is None or later < former)


def _is_paid_less(former: Line | None, later: Line) -> bool:
    # What a policy does not name is paid.
    before = former or {"pay": "paid", "cap_seconds": None}
    if _WORTH[later["pay"]] != _WORTH[before["pay"]]:
        return _WORTH[later["pay"]] < _WORTH[before["pay"]]
    return _is_narrower(later["cap_seconds"], before["cap_seconds"])
