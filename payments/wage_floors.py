"""Law of the wage floor: what an hour of work must pay where an expert lives, whatever a contract says.

A floor belongs to a country *and* a currency, in minor units an hour, from a day on. Nothing is converted: work that is
paid in another currency has the floor that somebody wrote down for it (`WAGE_FLOORS`), or none. All working time counts,
paid or not, by the local calendar day it was worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from core.money import SECONDS_PER_HOUR, exponent_of


@dataclass(frozen=True, slots=True)
class Floor:
    """The least an hour may pay in a country and currency, in minor units, from a day on; 0 ends an earlier floor."""

    country: str
    currency: str
    since: date
    minor: int


@dataclass(frozen=True, slots=True)
class Day:
    """What one local day held: all working time in seconds, paid or not, and the pay for it in minor units."""

    worked_seconds: int
    gross_minor: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A week held against its floors: time and pay of the days that have one, and the least that must be paid."""

    worked_seconds: int
    gross_minor: int
    due_minor: int
    floor_minor: int

    def shortfall(self, *, given_minor: int = 0) -> int:
        """Minor units to be added when so many were added before; never negative: nothing is taken back."""
        return max(0, self.due_minor - self.gross_minor - given_minor)


# General statutory minima for adults, per hour. Where a law sets a month's pay, the hour is that month divided by the
# hours the law itself divides by, rounded up. Regions, sectors and collective agreements may ask for more: an operator
# who knows them adds rows in `WAGE_FLOORS`.
FLOORS: Final[tuple[Floor, ...]] = (
    Floor("US", "USD", date(2009, 7, 24), 725),  # Fair Labor Standards Act, 29 U.S.C. 206(a)(1)(C)
    Floor("CA", "CAD", date(2025, 4, 1), 1_775),  # Canada Labour Code, section 178: the federal minimum wage
    Floor("GB", "GBP", date(2025, 4, 1), 1_221),  # National Minimum Wage (Amendment) Regulations 2025
    Floor("GB", "GBP", date(2026, 4, 1), 1_271),  # the National Living Wage as announced for April 2026
    Floor("DE", "EUR", date(2025, 1, 1), 1_282),  # Vierte Mindestlohnanpassungsverordnung
    Floor("DE", "EUR", date(2026, 1, 1), 1_390),  # Fünfte Mindestlohnanpassungsverordnung
    Floor("FR", "EUR", date(2024, 11, 1), 1_188),  # décret 2024-951: SMIC brut horaire
    Floor("FR", "EUR", date(2026, 1, 1), 1_202),  # SMIC brut horaire from January 2026
    Floor("IE", "EUR", date(2025, 1, 1), 1_350),  # National Minimum Wage Order 2024
    Floor("IE", "EUR", date(2026, 1, 1), 1_415),  # National Minimum Wage Order 2025
    Floor("NL", "EUR", date(2025, 7, 1), 1_440),  # Wet minimumloon: uurloon
    Floor("NL", "EUR", date(2026, 1, 1), 1_471),  # Wet minimumloon: uurloon
    Floor("LU", "EUR", date(2025, 5, 1), 1_564),  # salaire social minimum 2,704.06 a month / 173 hours
    Floor("PL", "PLN", date(2025, 1, 1), 3_050),  # minimalna stawka godzinowa
    Floor("PL", "PLN", date(2026, 1, 1), 3_140),  # minimalna stawka godzinowa
    Floor("CZ", "CZK", date(2025, 1, 1), 12_440),  # minimální mzda, 40 hours a week
    Floor("CZ", "CZK", date(2026, 1, 1), 13_440),  # minimální mzda, 40 hours a week
    Floor("AU", "AUD", date(2025, 7, 1), 2_495),  # Fair Work Commission, National Minimum Wage Order 2025
    Floor("NZ", "NZD", date(2025, 4, 1), 2_350),  # Minimum Wage Order 2025
    Floor("IL", "ILS", date(2025, 4, 1), 3_433),  # 6,247.67 a month / 182 hours
    Floor("KR", "KRW", date(2025, 1, 1), 10_030),  # Minimum Wage Commission
    Floor("KR", "KRW", date(2026, 1, 1), 10_320),  # Minimum Wage Commission
    Floor("JP", "JPY", date(2025, 12, 1), 1_023),  # the lowest of the prefectures' minima of the fiscal year 2025
    Floor("BR", "BRL", date(2025, 1, 1), 690),  # decreto 12.342/2024: 1,518.00 a month / 220 hours
)


def read(line: str) -> Floor:
    """A row written as text: `DE:USD:2026-01-01:1500`, minor units an hour. Raises ValueError for anything else."""
    country, currency, since, minor = line.split(":")
    if len(country) != 2 or not country.isupper() or int(minor) < 0:
        raise ValueError(f"{line!r} is no wage floor.")
    exponent_of(currency)
    return Floor(country, currency, date.fromisoformat(since), int(minor))


def floor_on(country: str, currency: str, on: date, floors: Iterable[Floor]) -> int | None:
    """Minor units an hour in force on a day; None where there is no floor. Of rows for one day the last one counts."""
    rows = [row for row in floors if (row.country, row.currency) == (country, currency) and row.since <= on]
    if not rows:
        return None
    newest = max(row.since for row in rows)
    return [row for row in rows if row.since == newest][-1].minor or None


def measure(days: Mapping[date, Day], *, country: str, currency: str, floors: Iterable[Floor]) -> Measure | None:
    """Hold a week against the floors of its days; None when none of them has one.

    due = ⌈Σ seconds × floor / 3600⌉, rounded up once for the week, so that pay with what is added is never below the
    floor and one minor unit less would be. `floor_minor` is the highest floor of the week.
    """
    known = list(floors)
    dated = [(floor_on(country, currency, day, known), what) for day, what in sorted(days.items())]
    bound = [(floor, what) for floor, what in dated if floor is not None]
    if not bound:
        return None
    weighted = sum(what.worked_seconds * floor for floor, what in bound)
    return Measure(
        worked_seconds=sum(what.worked_seconds for _floor, what in bound),
        gross_minor=sum(what.gross_minor for _floor, what in bound),
        due_minor=-(-weighted // SECONDS_PER_HOUR),
        floor_minor=max(floor for floor, _what in bound),
    )
