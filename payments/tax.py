"""Law of tax papers: which form fits whom, check digits of tax numbers, when papers expire, and the dated tables of the
United States. Amounts are minor units, rates basis points. Nothing here is tax advice; the sources are named.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.us import ein, itin, ssn, tin

from core.money import BASIS_POINTS, share

UNITED_STATES: Final = "US"
_GREECE: Final = {"GR": "EL"}  # Greek VAT ids begin with EL
MEMBER_STATES: Final = frozenset(state.upper() for state in vat.MEMBER_STATES) - {"XI"}

W8BEN_YEARS: Final = 3
"""A W-8BEN lasts until the end of the third calendar year after its signature (26 CFR 1.1441-1(e)(4)(ii))."""

REMIND_DAYS: Final = (60, 14, 3)
"""So many days before a paper expires its owner is reminded, once each."""

# From what a calendar year's payments to one person are reported on Form 1099-NEC: 26 USC 6041(a), since 2026 as
# amended by Public Law 119-21, section 70433. Later years follow the price index: a line is added when it is known.
_NEC_THRESHOLDS: Final = ((1954, 60_000), (2026, 200_000))

# Backup withholding on payments to whom no correct tax number is known: 26 USC 3406(a)(1), the fourth lowest rate of
# section 1(c).
_BACKUP_RATES: Final = ((date(2003, 1, 1), 2_800), (date(2018, 1, 1), 2_400))


class BadTaxId(ValueError):
    """A tax number breaks a rule; ``code`` names it."""

    def __init__(self, code: str, rule: str) -> None:
        super().__init__(rule)
        self.code = code


class Treatment(StrEnum):
    """What becomes of VAT on a service between two businesses (Directive 2006/112/EC, articles 44 and 196)."""

    REVERSE_CHARGE = "reverse_charge"
    OUTSIDE_SCOPE = "outside_scope"
    DOMESTIC = "domestic"


def normalised_us_tin(text: str) -> str:
    """The nine digits of an SSN, ITIN or EIN. Raises BadTaxId."""
    compact = str(tin.compact(text))
    if not any(kind.is_valid(text) for kind in (ssn, itin, ein)):
        raise BadTaxId("malformed", "Expected an SSN, ITIN or EIN, such as 12-3456789.")
    return compact


def normalised_vat_id(text: str, *, country: str) -> str:
    """A VAT id with its country in front and fitting check digits. Raises BadTaxId."""
    expected = _GREECE.get(country, country)
    try:
        compact = str(vat.validate(text))
    except ValidationError:
        raise BadTaxId("check_digits", "This is no VAT id of the European Union: a symbol was mistyped.") from None
    if not compact.startswith(expected):
        raise BadTaxId("other_country", f"Expected a VAT id of the country of residence, beginning with {expected}.")
    return compact


def w8ben_expiry(signed_at: datetime) -> datetime:
    """The first instant at which a W-8BEN no longer holds."""
    return datetime(signed_at.year + W8BEN_YEARS + 1, 1, 1, tzinfo=UTC)


def reminder_due(*, expires_at: datetime, reminded_days: int | None, now: datetime) -> int | None:
    """The stage of ``REMIND_DAYS`` to remind of now, the most urgent that was reached and not told; else None."""
    if now >= expires_at:
        return None
    reached = [days for days in REMIND_DAYS if expires_at - now <= timedelta(days=days)]
    stage = min(reached, default=None)
    if stage is None or (reminded_days is not None and reminded_days <= stage):
        return None
    return stage


def nec_threshold(year: int) -> int:
    """From so many cents a year on payments are reported on Form 1099-NEC."""
    return _NEC_THRESHOLDS[bisect_right([since for since, _minor in _NEC_THRESHOLDS], year) - 1][1]


def backup_rate(day: date) -> int:
    """The rate of backup withholding on a day, in basis points."""
    return _BACKUP_RATES[bisect_right([since for since, _bp in _BACKUP_RATES], day) - 1][1]


def withheld(gross: int, *, bp: int) -> int:
    """Tax kept back from a gross amount of minor units, rounded half up: 2,400 of 10,000 at 2,400 basis points."""
    return share(gross, bp)


def least_gross(net: int, *, bp: int) -> int:
    """The smallest gross of which at least ``net`` is left once tax at ``bp`` (below 5,000) was kept back."""
    gross = net * BASIS_POINTS // (BASIS_POINTS - bp)
    while gross - withheld(gross, bp=bp) < net:
        gross += 1
    while gross > 0 and gross - 1 - withheld(gross - 1, bp=bp) >= net:
        gross -= 1
    return gross


def vat_treatment(*, supplier: str, customer: str) -> Treatment:
    """VAT on a business's service to a business: countries by ISO 3166."""
    if supplier == customer:
        return Treatment.DOMESTIC
    if {supplier, customer} <= MEMBER_STATES:
        return Treatment.REVERSE_CHARGE
    return Treatment.OUTSIDE_SCOPE
