"""Laws of pay: what an hour costs, what a lab sets aside, what an hour is planned to pay.

All amounts are minor units per hour, all factors basis points (10000 = 1.0).
Nothing here reads a database; cards arrive as plain rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from core.money import BASIS_POINTS, SECONDS_PER_HOUR, divide_half_up, exponent_of, fee_for, pay_for

GENERALIST: Final = "generalist"
SKILLED: Final = "skilled"

# The seed card: base rates per hour in minor units of a two-decimal currency.
SEED_TIER_RATES: Final[Mapping[str, int]] = MappingProxyType(
    {
        GENERALIST: 2_000,
        SKILLED: 3_500,
        "specialist": 6_000,
        "expert": 11_000,
        "senior_expert": 20_000,
        "principal": 50_000,
    }
)
TIERS: Final = tuple(SEED_TIER_RATES)

SEED_DOMAIN_FACTORS: Final[Mapping[str, int]] = MappingProxyType(
    {"medicine": 13_000, "law": 12_000, "finance": 12_000, "software": 10_000, "stem": 10_000, "humanities": 8_000}
)
OTHER_DOMAINS_FACTOR: Final = BASIS_POINTS

# Bands between 0.35 and 1.0, by the World Bank's four income groups.
LOCATION_BANDS: Final[Mapping[str, int]] = MappingProxyType(
    {"high": 10_000, "upper_middle": 7_000, "lower_middle": 5_000, "low": 3_500}
)
# An expert's judgement costs the same everywhere; only the entry tiers follow local wages.
LOCATED_TIERS: Final = frozenset({GENERALIST, SKILLED})

# Nobody's hour costs more than about 1000 US dollars, on a card or by an amendment. A row for each currency in which work
# can be priced, in minor units an hour. Dollar, euro, pound and franc are capped at 1,000 of themselves; the others at
# round figures near 1,000 dollars by the exchange rates of 2025 (European Central Bank, euro reference rates). Nothing
# is converted with them, so they do not move. A currency without a row has no price.
HARD_CAPS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("USD", "EUR", "GBP", "CHF"), 100_000),
        "CAD": 140_000,
        "AUD": 155_000,
        "NZD": 170_000,
        "SGD": 130_000,
        "HKD": 780_000,
        "ILS": 360_000,
        "DKK": 700_000,
        "SEK": 1_000_000,
        "NOK": 1_050_000,
        "PLN": 380_000,
        "CZK": 2_200_000,
        "RON": 450_000,
        "HUF": 36_000_000,
        "BGN": 180_000,
        "TRY": 4_000_000,
        "UAH": 4_200_000,
        "RSD": 10_500_000,
        "GEL": 275_000,
        "BRL": 560_000,
        "MXN": 1_900_000,
        "COP": 420_000_000,
        "PEN": 360_000,
        "UYU": 4_000_000,
        "DOP": 6_100_000,
        "INR": 8_600_000,
        "PKR": 28_000_000,
        "BDT": 12_200_000,
        "LKR": 30_000_000,
        "NPR": 13_800_000,
        "PHP": 5_700_000,
        "THB": 3_300_000,
        "MYR": 430_000,
        "IDR": 1_640_000_000,
        "CNY": 720_000,
        "TWD": 3_100_000,
        "AED": 367_000,
        "SAR": 375_000,
        "QAR": 364_000,
        "EGP": 5_000_000,
        "MAD": 930_000,
        "ZAR": 1_800_000,
        "KES": 13_000_000,
        "NGN": 155_000_000,
        "GHS": 1_250_000,
        "TZS": 255_000_000,
        # No decimals: whole yen, won, pesos, dong, francs, shillings.
        "JPY": 150_000,
        "KRW": 1_400_000,
        "CLP": 950_000,
        "VND": 26_000_000,
        "XAF": 570_000,
        "XOF": 570_000,
        "UGX": 3_600_000,
        "RWF": 1_450_000,
        "ISK": 125_000,
        # Three decimals: fils and millimes.
        "KWD": 307_000,
        "BHD": 377_000,
        "OMR": 385_000,
        "JOD": 709_000,
        "TND": 3_000_000,
        "IQD": 1_310_000_000,
    }
)

ACTIVITIES: Final = ("onboarding", "instructions", "assessment", "task", "rework", "review", "meeting", "standby")

RESERVED_WEEKS: Final = 2

# World Bank country classification by income, fiscal year 2025. Territories and
# countries not listed are in the high band: ignorance must never lower a rate.
_COUNTRIES_BY_BAND: Final = {
    "low": "AF BF BI CD CF ER ET GM GW KP LR MG ML MW MZ NE RW SD SL SO SS SY TD TG UG YE",
    "lower_middle": (
        "AO BD BJ BO BT CG CI CM CV DJ EG FM GH GN HN HT IN JO KE KG KH KI KM LA LB LK LS MA MM MR NG NI NP PG PH PK "
        "PS SB SN ST SZ TJ TL TN TZ UZ VN VU WS ZM ZW"
    ),
    "upper_middle": (
        "AL AM AR AZ BA BR BW BY BZ CN CO CR CU DM DO DZ EC FJ GA GD GE GQ GT ID IQ IR JM KZ LC LY MD ME MH MK MN MU "
        "MV MX MY NA PE PY RS SR SV TH TM TO TR TV UA VC XK ZA"
    ),
}
_BAND_OF_COUNTRY: Final = {
    country: band for band, countries in _COUNTRIES_BY_BAND.items() for country in countries.split()
}


class RateNotFound(LookupError):
    """No row of the card covers this tier, domain, band and instant."""


class UnknownActivity(ValueError):
    """A pay policy or a plan names an activity the platform does not know."""


@dataclass(frozen=True, slots=True)
class RateRow:
    """One line of a rate card, valid in [valid_from, valid_until).

    `domain` or `band` None means any; `unit` is hour, item or fixed.
    """

    tier: str
    domain: str | None
    band: str | None
    amount_minor: int
    currency: str
    valid_from: datetime
    valid_until: datetime | None = None
    unit: str = "hour"

    def covers(self, *, tier: str, domain: str, band: str, unit: str, at: datetime) -> bool:
        """Whether this row may price such an hour at that instant."""
        return (
            (self.tier, self.unit) == (tier, unit)
            and self.domain in (None, domain)
            and self.band in (None, band)
            and self.valid_from <= at
            and (self.valid_until is None or at < self.valid_until)
        )


def band_of(country: str) -> str:
    """The location band of an ISO 3166-1 alpha-2 country."""
    return _BAND_OF_COUNTRY.get(country, "high")


def countries_in_bands() -> Mapping[str, str]:
    """Country → band for every country below the high band; all others are in it."""
    return MappingProxyType(_BAND_OF_COUNTRY)


def seed_rate(*, tier: str, domain: str, band: str, currency: str = "USD") -> int:
    """Minor units per hour on the seed card: base x domain x location, rounded once.

    ROUND_HALF_UP(base x domain factor x location factor), at most the hard cap;
    the location factor is 1 above the entry tiers. KeyError for an unknown tier
    or band; domains without a factor of their own count 1.0. The base rates are
    meant for currencies with two decimals near the dollar's worth (USD, EUR):
    a card in another currency is written by hand, and ValueError says so.
    """
    if exponent_of(currency) != 2 or currency not in HARD_CAPS:
        raise ValueError(f"The seed card has no rates in {currency}.")
    domain_factor = SEED_DOMAIN_FACTORS.get(domain, OTHER_DOMAINS_FACTOR)
    location_factor = LOCATION_BANDS[band] if tier in LOCATED_TIERS else BASIS_POINTS
    rate = divide_half_up(SEED_TIER_RATES[tier] * domain_factor * location_factor, BASIS_POINTS**2)
    return min(rate, HARD_CAPS[currency])


def seed_rows(*, valid_from: datetime, currency: str = "USD", domains: Iterable[str] = ()) -> list[RateRow]:
    """The whole seed card as rows: one per tier, domain and (for entry tiers) band.

    A row with domain None prices every domain without a factor of its own;
    `domains` adds explicit rows for further ones.
    """
    named = list(dict.fromkeys([*SEED_DOMAIN_FACTORS, *domains]))
    return [
        RateRow(
            tier=tier,
            domain=domain,
            band=band,
            amount_minor=seed_rate(tier=tier, domain=domain or "", band=band or "high", currency=currency),
            currency=currency,
            valid_from=valid_from,
        )
        for tier in TIERS
        for domain in [*named, None]
        for band in (LOCATION_BANDS if tier in LOCATED_TIERS else [None])
    ]


def look_up(rows: Iterable[RateRow], *, tier: str, domain: str, band: str, at: datetime, unit: str = "hour") -> RateRow:
    """The most specific row that covers the hour: a named domain beats any, then a named band.

    Of equally specific rows the latest `valid_from` wins (a published card
    forbids such overlaps). RateNotFound when none covers it.
    """
    found = [row for row in rows if row.covers(tier=tier, domain=domain, band=band, unit=unit, at=at)]
    if not found:
        raise RateNotFound(f"No {unit} rate for {tier} in {domain} ({band}) at {at.isoformat()}.")
    return max(found, key=lambda row: (row.domain is not None, row.band is not None, row.valid_from))


def reservation_for(*, weekly_cap_seconds: int, rate_minor: int, fee_bp: int, weeks: int = RESERVED_WEEKS) -> int:
    """Minor units a lab sets aside for one contract: weekly cap x (rate + fee) x weeks.

    A full week's pay and the fee on it are rounded like one time entry each and
    then multiplied, so the reservation is a whole number of such weeks.
    """
    gross = pay_for(weekly_cap_seconds, rate_minor)
    return weeks * (gross + fee_for(gross, fee_bp))


def planned_hourly_rate(*, rate_minor: int, policy: Mapping[str, int], planned_seconds: Mapping[str, int]) -> int:
    """What an hour of a plan pays, unpaid activities included, in minor units per hour.

    `policy` gives each activity's share of the rate in basis points (0 unpaid,
    10000 full rate); `planned_seconds` how long each activity is expected to
    take. ROUND_HALF_UP(rate x sum(seconds x share) / sum(seconds)). Every
    planned activity must have a policy: silence is not consent to no pay.
    """
    unknown = (set(policy) | set(planned_seconds)) - set(ACTIVITIES)
    if unknown:
        raise UnknownActivity(f"Unknown activities: {', '.join(sorted(unknown))}.")
    missing = {activity for activity, seconds in planned_seconds.items() if seconds} - set(policy)
    if missing:
        raise UnknownActivity(f"No pay policy for: {', '.join(sorted(missing))}.")
    total = sum(planned_seconds.values())
    if total <= 0 or min(planned_seconds.values()) < 0:
        raise ValueError("A plan has some seconds, and none below zero.")
    weighted = sum(seconds * policy[activity] for activity, seconds in planned_seconds.items() if seconds)
    return divide_half_up(rate_minor * weighted, total * BASIS_POINTS)


def hard_cap(currency: str) -> int:
    """Minor units above which no hour is priced in this currency; 0 where no work can be priced in it."""
    return HARD_CAPS.get(currency, 0)


def cost_per_hour(rate_minor: int, fee_bp: int) -> int:
    """What one hour costs the lab, in minor units: the rate and the fee on it."""
    gross = pay_for(SECONDS_PER_HOUR, rate_minor)
    return gross + fee_for(gross, fee_bp)
