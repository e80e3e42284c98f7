"""Law of working time: how long an expert may work in a day and a week where he lives, for all labs together.

Limits are dated whole seconds, counted by his own calendar days and ISO weeks. They bind the platform, not one
contract: whoever works for three labs still has one day. Countries without a row have no limit here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Limit:
    """The most seconds of work a day and a week in a country, from a day on; None does not bind."""

    country: str
    since: date
    day_seconds: int | None
    week_seconds: int | None


# Directive 2003/88/EC asks for 11 hours of rest a day (article 3) and for at most 48 hours a week on average
# (article 6); what a country allows beyond or below that is its own law, named beside it.
_DIRECTIVE: Final = date(2004, 8, 2)
_MEMBERS: Final = [
    "AT",
    "BE",
    "BG",
    "CY",
    "CZ",
    "DK",
    "EE",
    "FI",
    "GR",
    "HR",
    "HU",
    "IE",
    "IT",
    "LT",
    "LU",
    "LV",
    "MT",
    "NL",
    "PL",
    "PT",
    "RO",
    "SE",
    "SI",
    "SK",
]
LIMITS: Final[tuple[Limit, ...]] = (
    *(Limit(country, _DIRECTIVE, 13 * HOUR, 48 * HOUR) for country in _MEMBERS),
    Limit("DE", date(1994, 7, 1), 10 * HOUR, 60 * HOUR),  # Arbeitszeitgesetz, section 3: ten hours on six days
    Limit("ES", date(2015, 11, 13), 9 * HOUR, 48 * HOUR),  # Estatuto de los Trabajadores, article 34
    Limit("FR", date(2016, 8, 10), 10 * HOUR, 48 * HOUR),  # Code du travail, L3121-18 and L3121-20
    Limit("GB", date(1998, 10, 1), 13 * HOUR, 48 * HOUR),  # Working Time Regulations 1998, 4 and 10
)


def limit_for(country: str, on: date, limits: Iterable[Limit] = LIMITS) -> Limit | None:
    """The limit in force in a country (ISO 3166 alpha-2) on a local day; None where there is none."""
    dated = [limit for limit in limits if limit.country == country and limit.since <= on]
    return max(dated, key=lambda limit: limit.since, default=None)
