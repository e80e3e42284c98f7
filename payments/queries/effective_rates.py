"""What an hour truly paid: all money of a contract's decided hours over all time tracked for it, unpaid time included."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import F, Sum

from core.money import SECONDS_PER_HOUR, Money, divide_half_up
from marketplace import public as marketplace
from marketplace.public import Contract, RateSnapshot
from payments.models import Adjustment, TimeEntry, TrueUp
from payments.models.time_entry import SETTLED

_UNPAID = F("unpaid_seconds") + F("unconfirmed_seconds") + F("disallowed_seconds")


@dataclass(frozen=True, slots=True)
class WeekRate:
    """One decided week, or all of them: seconds tracked and of those unpaid, minor units earned and added to the floor."""

    week: str
    tracked_seconds: int
    unpaid_seconds: int
    earned_minor: int
    added_minor: int

    @property
    def hourly_minor(self) -> int | None:
        """Minor units an hour, ROUND_HALF_UP((earned + added) x 3600 / tracked); None before any time was tracked."""
        if not self.tracked_seconds:
            return None
        return divide_half_up((self.earned_minor + self.added_minor) * SECONDS_PER_HOUR, self.tracked_seconds)


@dataclass(frozen=True, slots=True)
class EffectiveRate:
    """A contract's weeks, newest first, and their total; ``terms`` are those in force."""

    terms: RateSnapshot
    total: WeekRate
    weeks: list[WeekRate] = field(default_factory=list)

    def hourly(self) -> Money | None:
        """What an hour paid over all weeks."""
        minor = self.total.hourly_minor
        return None if minor is None else Money(minor, self.terms.currency)


def of_contract(contract: Contract, *, now: dt.datetime) -> EffectiveRate:
    """Decided hours with their corrections, bonuses and top-ups; nothing that still waits for a decision."""
    return of_contracts([contract], now=now)[contract.pk]


def of_contracts(contracts: list[Contract], *, now: dt.datetime) -> dict[int, EffectiveRate]:
    """The same for several, by their primary keys."""
    keys = [contract.pk for contract in contracts]
    entries = TimeEntry.objects.filter(contract__in=keys, status__in=SETTLED).order_by()
    rows = entries.values_list("contract", "iso_week").annotate(
        tracked=Sum(_UNPAID + F("seconds")), idle=Sum(_UNPAID), earned=Sum("gross_minor")
    )
    weeks = {(contract, week): [tracked, unpaid, earned or 0] for contract, week, tracked, unpaid, earned in rows}
    beside = _beside(keys)
    added = dict(_added(keys))
    for (contract, week), minor in beside.items():
        weeks.setdefault((contract, week), [0, 0, 0])[2] += minor
    by_contract: dict[int, list[WeekRate]] = defaultdict(list)
    for (contract, week), (seconds, unpaid, earned) in sorted(weeks.items(), reverse=True):
        by_contract[contract].append(WeekRate(week, seconds, unpaid, earned, added.get((contract, week), 0)))
    terms = marketplace.terms_in_force(contract_ids=keys, at=now)
    return {key: EffectiveRate(terms[key], _total(by_contract[key]), by_contract[key]) for key in keys}


def _beside(keys: list[int]) -> dict[tuple[int, str], int]:
    """Posted adjustments: those of an entry in its week, others in none ("")."""
    posted = Adjustment.objects.filter(contract__in=keys, status=Adjustment.Status.POSTED).order_by()
    rows = posted.values_list("contract", "entry__iso_week").annotate(Sum("amount_minor"))
    return {(contract, week or ""): minor for contract, week, minor in rows}


def _added(keys: list[int]) -> list[tuple[tuple[int, str], int]]:
    rows = TrueUp.objects.filter(contract__in=keys).order_by().values_list("contract", "timesheet__iso_week")
    return [((contract, week), minor) for contract, week, minor in rows.annotate(Sum("amount_minor"))]


def _total(weeks: list[WeekRate]) -> WeekRate:
    return WeekRate(
        "",
        sum(week.tracked_seconds for week in weeks),
        sum(week.unpaid_seconds for week in weeks),
        sum(week.earned_minor for week in weeks),
        sum(week.added_minor for week in weeks),
    )
