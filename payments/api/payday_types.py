"""A payday as it is answered wherever somebody asks when money comes."""

from __future__ import annotations

from typing import Annotated, TypedDict

from core.api.types import Currency, Day, Doc, Example, Timestamp
from marketplace.ports import PayDate

ArrivesBy = Annotated[Day, Doc("When it is expected on accounts; what a bank takes is not ours to promise.")]
MovedFrom = Annotated[Day | None, Doc("The usual day, when banks are closed then.")]
MovedBecause = Annotated[str | None, Doc("The closing days that moved it."), Example("Thanksgiving Day")]


class PayDateOut(TypedDict):
    """One payday."""

    currency: Currency
    cutoff: Annotated[Timestamp, Doc("What is approved before it is paid on that day.")]
    pays_on: Annotated[Day, Doc("The day on which it is sent.")]
    arrives_by: ArrivesBy
    moved_from: MovedFrom
    moved_because: MovedBecause


def render_date(date: PayDate) -> PayDateOut:
    """A payday."""
    return {
        "currency": date.currency,
        "cutoff": date.cutoff,
        "pays_on": date.pays_on,
        "arrives_by": date.arrives_by,
        "moved_from": None if date.usual == date.pays_on else date.usual,
        "moved_because": date.moved_because or None,
    }
