"""Types that answers are made of: TypedDicts name their members with these, and the OpenAPI document is read from them.

A member is annotated with what JSON cannot say: `Annotated[str, Doc("…"), Example("…")]`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict

from core.durations import format_duration
from core.money import Money


@dataclass(frozen=True, slots=True)
class Doc:
    """One sentence about a member."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)  # by identity: `Annotated[…] | None` hashes its marks
class Example:
    """The value a member has in generated examples."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """JSON Schema keywords beside the type: `Schema({"format": "uri"})`."""

    keywords: dict[str, Any]


@dataclass(frozen=True, slots=True, init=False)
class IdOf:
    """A public id with this prefix, or with one of several: what waits for a second person has another id first."""

    prefixes: tuple[str, ...]

    def __init__(self, first: str, *others: str) -> None:
        object.__setattr__(self, "prefixes", (first, *others))

    @property
    def example(self) -> str:
        """An id that looks real."""
        return f"{self.prefixes[0]}_01k9w3v6z8f2qr5t4h7xnm0ceg"

    @property
    def pattern(self) -> str:
        """What every such id matches."""
        either = "|".join(self.prefixes)
        return f"^{either if len(self.prefixes) == 1 else f'({either})'}_[0-9a-z]{{26}}$"

    @property
    def text(self) -> str:
        """In words."""
        return f"Public id {' or '.join(f'`{prefix}_…`' for prefix in self.prefixes)}."


Timestamp = Annotated[dt.datetime, Example("2026-11-16T09:30:00Z")]
Day = Annotated[dt.date, Example("2026-11-16")]
Duration = Annotated[str, Schema({"format": "duration"}), Doc("ISO 8601."), Example("PT2H30M")]
Currency = Annotated[str, Schema({"pattern": "^[A-Z]{3}$"}), Doc("ISO 4217."), Example("USD")]
Amount = Annotated[
    str, Schema({"pattern": r"^-?\d+(\.\d+)?$"}), Doc("With the decimals of its currency."), Example("1275.00")
]
Metadata = Annotated[dict[str, str], Doc("The lab's own notes."), Example({"cost_centre": "R-17"})]
ExternalId = Annotated[str | None, Doc("The lab's own id, unique among its things of this kind."), Example("job-4711")]
Link = Annotated[str, Schema({"format": "uri-reference"}), Example("/problems/not_found")]
AnyJson = Annotated[Any, Doc("Any JSON value.")]

TenantId = Annotated[str, IdOf("ten")]
OperationId = Annotated[str, IdOf("op")]
KeyId = Annotated[str, IdOf("key")]

PER_HOUR: Final = "hour"


class MoneyOut(TypedDict):
    """An amount in one currency."""

    amount: Amount
    currency: Currency


class RateOut(TypedDict):
    """Pay per hour."""

    amount: Amount
    currency: Currency
    per: Annotated[str, Schema({"enum": [PER_HOUR]}), Example(PER_HOUR)]


def render_money(money: Money) -> MoneyOut:
    """An amount as it is written in answers."""
    return {"amount": money.amount, "currency": money.currency}


def render_rate(rate: Money) -> RateOut:
    """Pay per hour as it is written in answers."""
    return {"amount": rate.amount, "currency": rate.currency, "per": PER_HOUR}


def render_duration(seconds: int) -> str:
    """Whole seconds as ISO 8601."""
    return format_duration(seconds)
