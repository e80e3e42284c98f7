"""Money as whole minor units of one ISO 4217 currency; no float ever.

Only what multiplies or divides is rounded, half up and once: time by a rate
(`pay_for`), an amount by basis points (`share`), and any other quotient by
`divide_half_up`. Everything else is exact integer arithmetic, so totals are
sums of rounded lines. The table in docs/money.md names every place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self, TypedDict

SECONDS_PER_HOUR: Final = 3600
BASIS_POINTS: Final = 10_000

# Input beyond this many minor units is a typing error, not a payment. Totals
# may grow past it, up to what a PostgreSQL bigint holds.
LARGEST_INPUT_MINOR: Final = 10**15
BIGINT_MAX: Final = 2**63 - 1

# ISO 4217 list one (minor-unit column). Metals, test and "no currency" codes
# have no minor unit and are left out: nobody is paid in them.
_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
        "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP "
        "GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT "
        "LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN "
        "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE "
        "SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES "
        "WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: Final[dict[str, int]] = {
    code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}

_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added, subtracted or compared."""


class MoneyJson(TypedDict):
    """The wire form of an amount: `{"amount": "1275.00", "currency": "USD"}`."""

    amount: str
    currency: str


def exponent_of(currency: str) -> int:
    """Decimal places of a currency by ISO 4217; ValueError for an unknown code."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code.") from None


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` whole minor units (cents, yen, fils) of `currency`; may be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError("Money counts whole minor units: minor must be an int.")
        if abs(self.minor) > BIGINT_MAX:
            raise ValueError("An amount must fit into 64 bits of minor units.")
        exponent_of(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Nothing, in this currency."""
        return cls(0, currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> Self:
        """Read `"1275.00"` exactly; the decimals must be those of the currency.

        Raises ValueError naming the broken rule: unknown currency, not a plain
        decimal (NaN, infinity, exponents, signs other than a leading minus,
        spaces, separators), wrong number of decimals, or more than 10^15 minor
        units.
        """
        exponent = exponent_of(currency)
        match = _PLAIN_DECIMAL.fullmatch(amount) if isinstance(amount, str) else None
        if match is None:
            raise ValueError('An amount is a plain decimal string such as "1275.00".')
        decimals = match[2] or ""
        if len(decimals) != exponent:
            raise ValueError(f"{currency} amounts have exactly {exponent} decimals.")
        # The length is looked at first: int() of an endless string is slow.
        if len(match[1]) > len(str(LARGEST_INPUT_MINOR)):
            raise ValueError(_TOO_LARGE)
        minor = int(match[1] + decimals)
        if minor > LARGEST_INPUT_MINOR:
            raise ValueError(_TOO_LARGE)
        return cls(-minor if amount.startswith("-") else minor, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """Sum of amounts that all carry `currency`; zero when there are none."""
        result = Money(0, currency)
        for amount in amounts:
            result += amount
        return result

    @property
    def amount(self) -> str:
        """Decimal string with the currency's own number of decimals, `"1275.00"`."""
        exponent = exponent_of(self.currency)
        digits = str(abs(self.minor)).rjust(exponent + 1, "0")
        sign = "-" if self.minor < 0 else ""
        if exponent == 0:
            return sign + digits
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    @property
    def decimal(self) -> Decimal:
        """The exact amount in major units."""
        return Decimal(self.amount)

    def as_json(self) -> MoneyJson:
        """The wire form used by every endpoint."""
        return {"amount": self.amount, "currency": self.currency}

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix.")
        return other.minor


_TOO_LARGE = f"An amount may not exceed {LARGEST_INPUT_MINOR} minor units."


def divide_half_up(numerator: int, denominator: int) -> int:
    """Whole quotient, halves away from zero (Decimal's and PostgreSQL's HALF_UP)."""
    if denominator <= 0:
        raise ValueError("The denominator must be positive.")
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -rounded if numerator < 0 else rounded


def pay_for(seconds: int, rate_minor: int) -> int:
    """Minor units earned by `seconds` of work at `rate_minor` minor units per hour.

    ROUND_HALF_UP(seconds x rate / 3600), once per time entry.
    """
    return divide_half_up(seconds * rate_minor, SECONDS_PER_HOUR)


def share(minor: int, bp: int) -> int:
    """`bp` basis points of an amount, in its minor units: ROUND_HALF_UP(minor x bp / 10000)."""
    return divide_half_up(minor * bp, BASIS_POINTS)


def fee_for(gross_minor: int, bp: int) -> int:
    """The platform's fee in minor units: the `share` of the already rounded pay."""
    return share(gross_minor, bp)
