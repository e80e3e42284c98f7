"""What every payout provider can do for us. Calls are slow and may fail in every way: never inside a transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """What we know after a submission."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    LATER = "later"


class Standing(StrEnum):
    """Where a movement stands at the provider."""

    ACCEPTED = "accepted"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    REJECTED = "rejected"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Order:
    """One payout as the provider is told it. ``key`` makes it happen at most once; ``reference`` is our payout's id."""

    key: str
    reference: str
    amount_minor: int
    currency: str
    holder: str
    method_type: str
    details: Mapping[str, str]
    request_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider's word about one order.

    ``REJECTED`` and ``LATER`` are proof that no money moved (``LATER``: send the same key again); ``UNKNOWN`` proves
    nothing.
    """

    key: str
    verdict: Verdict
    movement_id: str = ""
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """What the provider's books say about a key."""

    key: str
    standing: Standing
    movement_id: str
    amount_minor: int
    currency: str
    code: str = ""


class ProviderUnavailable(Exception):
    """The provider could not be asked; nothing is known and nothing was changed by asking."""


class Provider(Protocol):
    """One payout rail."""

    name: str
    key_window: dt.timedelta
    """How long the provider remembers a key: within it, sending the key again is harmless."""

    def submit(self, orders: Sequence[Order], *, now: dt.datetime) -> list[Answer]:
        """Send a batch; one answer for each order, in any order."""
        ...

    def lookup(self, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        """What the provider knows about keys; a key it has never seen is missing. Raises ProviderUnavailable."""
        ...

    def cancel(self, key: str, *, now: dt.datetime) -> Movement:
        """Make sure that a key is never executed from now on; tells what became of it. Raises ProviderUnavailable."""
        ...

    def settlements(self, *, since: dt.datetime, now: dt.datetime) -> list[Movement]:
        """Movements whose standing changed since an instant. Raises ProviderUnavailable."""
        ...
