"""Can the seats be filled, and what would change it: near misses of an opening, in numbers only."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.money import Money
from marketplace import ranking
from marketplace.matching import HIDDEN_FROM_LABS, Reason
from marketplace.models import Opening
from marketplace.ranking import NearGroup


@dataclass(frozen=True, slots=True)
class Relaxation:
    """If ``requirement`` were ``value``, ``more`` experts would be eligible."""

    requirement: str
    value: str
    more: int


@dataclass(frozen=True, slots=True)
class Feasibility:
    """How many are eligible, how many fail exactly one requirement, and what relaxing one of them would bring."""

    eligible: int
    near_misses: dict[str, int]
    relaxations: list[Relaxation]


def feasibility(opening: Opening, *, now: dt.datetime) -> Feasibility:
    """The pool of an opening in numbers; nobody in it is named. Raises RateMissing.

    Whoever is behind a wall or restricted counts as not there: no change of the opening would bring him, and a number
    that follows a rival's engagements would tell of them.
    """
    groups = [group for group in ranking.near(opening, now=now) if group.failure not in HIDDEN_FROM_LABS]
    misses: Counter[str] = Counter()
    for group in groups:
        if group.failure:
            misses[group.failure] += group.count
    return Feasibility(
        eligible=sum(group.count for group in groups if not group.failure),
        near_misses=dict(misses.most_common()),
        relaxations=_relaxations(groups, opening.project.currency),
    )


def _relaxations(groups: list[NearGroup], currency: str) -> list[Relaxation]:
    def money(minor: int) -> str:
        return str(Money(minor, currency))

    steps: Iterable[tuple[str, str, Callable[[NearGroup], int], bool, Callable[[int], str]]] = (
        (Reason.RATE_ABOVE_CEILING, "rate_ceiling", lambda group: group.rate_minor, False, money),
        (Reason.LEVEL_TOO_LOW, "min_level", lambda group: group.level, True, str),
        (Reason.YEARS_TOO_FEW, "min_years", lambda group: group.years, True, str),
        (Reason.HOURS_TOO_FEW, "hours_week", lambda group: group.hours_week, True, str),
    )
    return [
        Relaxation(requirement, text(value), more)
        for failure, requirement, value_of, downwards, text in steps
        for value, more in _cumulated([g for g in groups if g.failure == failure], value_of, downwards=downwards)
    ]


def _cumulated(
    groups: list[NearGroup], value_of: Callable[[NearGroup], int], *, downwards: bool
) -> list[tuple[int, int]]:
    """(value, how many more would be eligible at it), the smallest step first."""
    counts: Counter[int] = Counter()
    for group in groups:
        counts[value_of(group)] += group.count
    total, found = 0, []
    for value in sorted(counts, reverse=downwards):
        total += counts[value]
        found.append((value, total))
    return found
