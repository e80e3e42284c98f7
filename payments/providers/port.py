"""What every payout provider can do for us. Calls are slow and may fail in every way: never inside a transaction.

`Provider` is what every rail has. A provider at which the payee opens an account of his own is a `Host` too. What a
provider can do beyond paying is written in its `capabilities`, so that nobody has to try.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable


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


class Capability(StrEnum):
    """What a provider can do beyond paying."""

    EVENTS = "events"
    """It sends signed events to ``/api/v1/providers/{name}/events``."""
    ACCOUNTS = "accounts"
    """Payees open accounts of their own there: it is a `Host`."""


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
    """What the provider's books say about a key. ``fee_minor`` is what it took for it, in the movement's currency."""

    key: str
    standing: Standing
    movement_id: str
    amount_minor: int
    currency: str
    code: str = ""
    fee_minor: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """One line of a provider's list of what it settled; ``key`` is empty where it is nothing of ours.

    ``position`` is where it stands in the list. ``hear`` tells where the movement stands now: where the list does not say
    so it asks, which may be slow, and raises ProviderUnavailable.
    """

    position: str
    key: str
    hear: Callable[[], Movement]


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """Something a provider says has happened: a hint, never a proof.

    ``event_id`` is unique at the provider and the same in every delivery. ``keys`` are the attempts it is about and
    ``account`` the payee's account there: whoever handles the event asks the provider about them anew, so the order in
    which events come does not matter. Both empty: nothing that we follow.
    """

    event_id: str
    kind: str
    keys: tuple[str, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class Payee:
    """Somebody who opens an account at a provider. ``reference`` is ours, and makes the account exist at most once."""

    reference: str
    email: str
    country: str
    currency: str


@dataclass(frozen=True, slots=True)
class OnboardingLink:
    """Where the payee tells the provider who he is; good once, until ``expires_at``."""

    url: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PayeeStanding:
    """Whether an account can be paid out, and what the provider still wants to know (its own names of the fields)."""

    account: str
    is_ready: bool
    due: tuple[str, ...] = ()
    code: str = ""
    is_closed: bool = False
    """It does not exist any more, or not for us; it never comes back."""


class ProviderUnavailable(Exception):
    """The provider could not be asked; nothing is known and nothing was changed by asking."""


class InvalidSignature(Exception):
    """What came is not the provider's word: the signature is missing, wrong, or too old. Nothing of it is kept."""


class Refused(Exception):
    """The provider refused what a `Host` was asked for, for good; ``code`` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Provider(Protocol):
    """One payout rail."""

    name: ClassVar[str]
    method_types: ClassVar[frozenset[str]]
    """The types of payout methods it can pay to."""
    capabilities: ClassVar[frozenset[Capability]]
    key_window: ClassVar[dt.timedelta]
    """How long the provider remembers a key: within it, sending the key again is harmless."""
    quiet: ClassVar[dt.timedelta]
    """How long after a send something of it may still be under way: a key is not barred before."""
    asked_together: ClassVar[int]
    """About how many keys one question can be: one, where it asks for each by itself."""

    def takes(self, currency: str) -> bool:
        """Whether it pays in this currency at all, counted as ISO 4217 counts it."""
        ...

    def submit(self, orders: Sequence[Order], *, now: dt.datetime) -> list[Answer]:
        """Send a batch; one answer for each order, in any order."""
        ...

    def lookup(self, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        """What the provider knows about keys; a key it has never seen is missing. Raises ProviderUnavailable.

        Where a payment takes several steps at the provider, the next one is taken here.
        """
        ...

    def cancel(self, key: str, *, now: dt.datetime) -> Movement:
        """Make sure that a key is never executed from now on; tells what became of it. Raises ProviderUnavailable."""
        ...

    def settlements(self, *, since: dt.datetime, now: dt.datetime, after: str = "") -> list[Settled]:
        """The next lines behind a position (from the first on, unless told) of what changed since an instant.

        None means that these were all. The order stays while others come. Raises ProviderUnavailable.
        """
        ...

    def parse_event(self, raw: bytes, headers: Mapping[str, str], *, now: dt.datetime) -> list[ProviderEvent]:
        """The events in what came, exactly as it came. ``headers`` are looked up without regard to case.

        Signatures are judged by real time, whatever the application's clock says. Raises InvalidSignature.
        """
        ...


@runtime_checkable
class Host(Protocol):
    """A provider at which payees have accounts (`Capability.ACCOUNTS`). All raise ProviderUnavailable and Refused."""

    def open_account(self, payee: Payee) -> str:
        """The id of the payee's account; asking again with the same reference opens no second one."""
        ...

    def onboarding_link(self, account: str, *, return_url: str, refresh_url: str) -> OnboardingLink:
        """A fresh link to the provider's own pages for the account."""
        ...

    def payee_standing(self, account: str) -> PayeeStanding:
        """Whether the account can be paid out now."""
        ...
