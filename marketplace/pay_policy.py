"""Law of paid activities: which kinds of time a project pays, and what an hour is worth with all of them counted.

A policy maps each activity to ``{"pay": "paid" | "capped" | "unpaid", "cap_seconds": int | None}``; a cap counts per
contract and week. It is fixed before anybody signs and travels with the offer and the snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict

from core.money import BASIS_POINTS
from marketplace import rates
from marketplace.rates import ACTIVITIES, RESERVED_WEEKS

Pay = Literal["paid", "capped", "unpaid"]
PAYS: Final = ("paid", "capped", "unpaid")
LONGEST_CAP_SECONDS: Final = 168 * 3600

# What the first two weeks of a seat usually take besides the work itself.
FIRST_WEEKS_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {"onboarding": 1_800, "instructions": 3_600, "assessment": 1_800, "rework": 3_600, "meeting": 1_800}
)


class Line(TypedDict):
    """How one activity is paid."""

    pay: Pay
    cap_seconds: int | None


PayPolicy = dict[str, Line]


class InvalidPolicy(ValueError):
    """The policy names an unknown activity or way of pay, or a cap where none belongs."""

    def __init__(self, activity: str, rule: str) -> None:
        self.activity = activity
        self.rule = rule
        super().__init__(f"{activity}: {rule}")


def everything_paid() -> PayPolicy:
    """The policy of a project that says nothing: all time is paid."""
    return {activity: {"pay": "paid", "cap_seconds": None} for activity in ACTIVITIES}


def complete(given: Mapping[str, Mapping[str, Any]], *, former: Mapping[str, Line] | None = None) -> PayPolicy:
    """``given`` with every activity it does not name as it was in ``former``, else paid. Raises InvalidPolicy."""
    policy = {**everything_paid(), **(former or {})}
    for activity, line in given.items():
        if activity not in policy:
            raise InvalidPolicy(activity, f"The activities are {', '.join(ACTIVITIES)}.")
        policy[activity] = _line(activity, line)
    return policy


def _line(activity: str, line: Mapping[str, Any]) -> Line:
    pay, cap = line.get("pay"), line.get("cap_seconds")
    if pay not in PAYS:
        raise InvalidPolicy(activity, f"Pay is one of {', '.join(PAYS)}.")
    if activity == "task" and pay == "unpaid":
        raise InvalidPolicy(activity, "Tasks are always paid.")
    if (pay == "capped") != (cap is not None):
        raise InvalidPolicy(activity, "A cap belongs to capped activities, and to them alone.")
    if cap is not None and not 0 < cap <= LONGEST_CAP_SECONDS:
        raise InvalidPolicy(activity, "A cap is between one second and one week.")
    return {"pay": pay, "cap_seconds": cap}


def planned_hourly_rate(*, rate_minor: int, policy: Mapping[str, Line], weekly_cap_seconds: int) -> int:
    """Minor units that an hour of the first two weeks is planned to pay, with unpaid and capped time counted.

    An estimate; what hours have paid is the effective rate of payments. The plan is two full weeks at the cap, of which
    ``FIRST_WEEKS_SECONDS`` go into what surrounds the work.
    """
    around = dict(FIRST_WEEKS_SECONDS)
    plan = {**around, "task": max(RESERVED_WEEKS * weekly_cap_seconds - sum(around.values()), 0)}
    shares = {activity: _share(policy[activity], plan.get(activity, 0)) for activity in ACTIVITIES}
    return rates.planned_hourly_rate(rate_minor=rate_minor, policy=shares, planned_seconds=plan)


def _share(line: Line, planned: int) -> int:
    if line["pay"] == "unpaid":
        return 0
    cap = line["cap_seconds"]
    if cap is None or planned <= cap:
        return BASIS_POINTS
    return cap * BASIS_POINTS // planned
