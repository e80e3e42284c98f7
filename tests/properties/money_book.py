"""A second set of books, in memory and with its own arithmetic, that the ledger is held against to the cent.

It knows positions, not journal entries: what a lab has in all (paid in, set aside, minus its debt), what an expert is
owed and what is held back of it, what is on its way and what has left. All amounts are minor units of one currency.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

UNDER_WAY: Final = frozenset({"ready", "sending", "unknown", "submitted", "in_transit", "on_hold"})


def half_up(value: Decimal) -> int:
    """To the nearest unit, halves away from zero."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True)
class Terms:
    """Minor units per hour, and basis points of the gross."""

    rate: int
    fee_bp: int
    holdback_bp: int
    holdback_days: int

    def priced(self, seconds: int) -> tuple[int, int, int]:
        """(gross, fee, held back) of a stretch."""
        gross = half_up(Decimal(seconds) * self.rate / 3600)
        return gross, self.fee(gross), half_up(Decimal(gross) * self.holdback_bp / 10_000)

    def fee(self, gross: int) -> int:
        """The platform's part, on top."""
        return half_up(Decimal(gross) * self.fee_bp / 10_000)


@dataclass
class Taken:
    """What was paid at once, and what of it was taken back so far with which fee."""

    gross: int
    fee: int
    taken: int = 0
    fee_taken: int = 0

    def take(self, minor: int) -> int:
        """Take so much more back; the fee that goes with it. Taking all gives all of the fee back."""
        self.taken += minor
        fee = max(0, half_up(Decimal(self.fee) * self.taken / self.gross) - self.fee_taken)
        self.fee_taken += fee
        return fee


@dataclass
class Stretch:
    """One time entry, as far as money is concerned."""

    lab: int
    expert: int
    terms: Terms
    sheet: int
    measured: int
    state: str = "logged"
    gross: int = 0
    fee: int = 0
    held: int = 0
    release_at: dt.datetime | None = None
    is_released: bool = False


@dataclass
class Book:
    """Where every cent is."""

    cash: int = 0
    fees: int = 0
    transit: int = 0
    labs: Counter[int] = field(default_factory=Counter)
    payable: Counter[int] = field(default_factory=Counter)
    held: Counter[int] = field(default_factory=Counter)
    stretches: dict[int, Stretch] = field(default_factory=dict)
    payouts: dict[int, tuple[str, int, int]] = field(default_factory=dict)

    def pay_in(self, lab: int, minor: int) -> None:
        """A lab's money comes, or goes back when it is negative."""
        self.cash += minor
        self.labs[lab] += minor

    def approve(self, pk: int, seconds: int, *, now: dt.datetime) -> None:
        """Hours become money."""
        stretch = self.stretches[pk]
        stretch.state = "approved"
        stretch.release_at = now + dt.timedelta(days=stretch.terms.holdback_days)
        self._price(stretch, seconds)

    def correct(self, pk: int, seconds: int) -> None:
        """Approved hours count differently: the former price goes, the new one comes."""
        self._price(self.stretches[pk], seconds)

    def release_held(self, *, now: dt.datetime) -> None:
        """What was held back long enough is owed."""
        for stretch in self.stretches.values():
            due = stretch.release_at is not None and stretch.release_at <= now
            if due and stretch.held and not stretch.is_released:
                self.held[stretch.expert] -= stretch.held
                self.payable[stretch.expert] += stretch.held
                stretch.held, stretch.is_released = 0, True

    def grant(self, lab: int, expert: int, gross: int, fee: int) -> None:
        """A bonus; a clawback with negative amounts."""
        self.labs[lab] -= gross + fee
        self.payable[expert] += gross
        self.fees += fee

    def follow(self, pk: int, status: str, expert: int, minor: int) -> None:
        """A payout is somewhere: owed, on its way, or out."""
        before = self.payouts.get(pk, ("", expert, minor))[0]
        self._put(before, expert, -minor)
        self._put(status, expert, minor)
        self.payouts[pk] = (status, expert, minor)

    def unaccounted(self) -> int:
        """What is in nobody's hands: always zero."""
        held = sum(self.labs.values()) + sum(self.payable.values()) + sum(self.held.values())
        return self.cash - held - self.fees - self.transit

    def _put(self, status: str, expert: int, minor: int) -> None:
        if status in UNDER_WAY:
            self.transit += minor
        elif status == "paid":
            self.cash -= minor
        else:  # not initiated yet, failed, returned, cancelled: it is the expert's
            self.payable[expert] += minor

    def _price(self, stretch: Stretch, seconds: int) -> None:
        gross, fee, held = stretch.terms.priced(seconds)
        held = 0 if stretch.is_released else held
        self.labs[stretch.lab] -= gross + fee - stretch.gross - stretch.fee
        self.fees += fee - stretch.fee
        self.payable[stretch.expert] += gross - held - (stretch.gross - stretch.held)
        self.held[stretch.expert] += held - stretch.held
        stretch.gross, stretch.fee, stretch.held = gross, fee, held
