"""A second set of books, in memory and with its own arithmetic, that the ledger is held against to the cent.

It knows positions, not journal entries: what a lab has in all (paid in, set aside, minus its debt), what an expert is
owed and what is held back of it, what is on its way, what has left, what tax was kept back, what the platform paid from
its own pocket and what it holds of others' currencies. All amounts are minor units; there is a book for each currency.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import ClassVar, Final

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

    def give(self, minor: int, fee: int) -> None:
        """Give a part of it back again, with the fee that was taken with it."""
        self.taken -= minor
        self.fee_taken -= fee

    def take(self, minor: int) -> int:
        """Take so much more back; the fee that goes with it. Taking all gives all of the fee back."""
        self.taken += minor
        fee = max(0, half_up(Decimal(self.fee) * self.taken / self.gross) - self.fee_taken)
        self.fee_taken += fee
        return fee


@dataclass
class Stretch:
    """One time entry, as far as money is concerned; ``aside`` is what waits while approved pay is contested."""

    lab: int
    expert: int
    terms: Terms
    sheet: int
    measured: int
    state: str = "logged"
    counted: int = 0
    gross: int = 0
    fee: int = 0
    held: int = 0
    aside: int = 0
    approved_at: dt.datetime | None = None
    by_silence: bool = False
    was_disputed: bool = False
    is_released: bool = False
    back: Taken = field(default_factory=lambda: Taken(0, 0))

    @property
    def is_settled(self) -> bool:
        """Whether its hours are money, contested or not."""
        return self.state in {"approved", "contested"}

    def may_be_paid(self, *, now: dt.datetime) -> bool:
        """Whether what is held back of it is due."""
        if self.state != "approved" or self.approved_at is None or self.is_released:
            return False
        return bool(self.held) and self.approved_at + dt.timedelta(days=self.terms.holdback_days) <= now

    def here(self, seconds: int) -> int:
        """The pay of so many seconds that is not held back."""
        gross, _fee, held = self.terms.priced(seconds)
        return gross if self.is_released else gross - held


@dataclass(frozen=True)
class Sent:
    """A payout: its state, whose it is, what is sent and what tax of it is kept back, and what it pays for."""

    status: str
    expert: int
    minor: int
    withheld: int
    cutoff: dt.datetime


@dataclass
class Book:
    """Where every cent is."""

    WHOLE: ClassVar[Decimal] = Decimal(10_000)

    cash: int = 0
    fees: int = 0
    transit: int = 0
    expense: int = 0
    fx: int = 0
    tax: int = 0
    labs: Counter[int] = field(default_factory=Counter)
    payable: Counter[int] = field(default_factory=Counter)
    held: Counter[int] = field(default_factory=Counter)
    stretches: dict[int, Stretch] = field(default_factory=dict)
    payouts: dict[int, Sent] = field(default_factory=dict)
    topped_up: Counter[int] = field(default_factory=Counter)

    def pay_in(self, lab: int, minor: int) -> None:
        """A lab's money comes, or goes back when it is negative."""
        self.cash += minor
        self.labs[lab] += minor

    def approve(self, pk: int, seconds: int, *, now: dt.datetime) -> None:
        """Hours become money."""
        stretch = self.stretches[pk]
        stretch.state = "approved"
        stretch.approved_at = now
        self._price(stretch, seconds)

    def correct(self, pk: int, seconds: int) -> None:
        """Approved hours count differently: the former price goes, the new one comes."""
        self._price(self.stretches[pk], seconds)

    def release_held(self, *, now: dt.datetime) -> None:
        """What was held back long enough is owed."""
        for stretch in self.stretches.values():
            if stretch.may_be_paid(now=now):
                self.held[stretch.expert] -= stretch.held
                self.payable[stretch.expert] += stretch.held
                stretch.held, stretch.is_released = 0, True

    def grant(self, lab: int, expert: int, gross: int, fee: int) -> None:
        """A bonus; a clawback with negative amounts."""
        self.labs[lab] -= gross + fee
        self.payable[expert] += gross
        self.fees += fee

    def gift(self, expert: int, minor: int) -> None:
        """The platform pays from its own pocket, or takes that back, or gives up what it is owed."""
        self.expense += minor
        self.payable[expert] += minor

    def exchange(self, expert: int, minor: int) -> None:
        """What an expert is owed becomes more by an exchange, or less: the platform holds the other side."""
        self.payable[expert] += minor
        self.fx -= minor

    def contest(self, pk: int, proposed: int) -> None:
        """Approved hours are contested: what is still here of the difference waits."""
        stretch = self.stretches[pk]
        contested = stretch.here(stretch.counted) - stretch.here(proposed)
        stretch.aside = 0 if self.has_left(stretch) else min(contested, max(self.payable[stretch.expert], 0))
        stretch.state, stretch.was_disputed = "contested", True
        self._set_aside(stretch, stretch.aside)

    def resolve(self, pk: int, counted: int) -> None:
        """Somebody decided: all of it comes back, then the hours count as decided."""
        stretch = self.stretches[pk]
        self._set_aside(stretch, -stretch.aside)
        stretch.state, stretch.aside = "approved", 0
        self._price(stretch, counted)

    def has_left(self, stretch: Stretch) -> bool:
        """Whether the pay of approved hours is in a payout that has not come back."""
        return any(
            sent.expert == stretch.expert
            and stretch.approved_at is not None
            and sent.cutoff > stretch.approved_at
            and sent.status not in {"failed", "returned", "cancelled"}
            for sent in self.payouts.values()
        )

    def top_up(self, sheet: int, floor: int) -> int:
        """Hold a week against the wage floor, in minor units an hour; returns what the platform adds."""
        week = [stretch for stretch in self.stretches.values() if stretch.sheet == sheet and stretch.is_settled]
        missing = max(0, -self.above_floor(sheet, floor))
        if missing:
            self.topped_up[sheet] += missing
            self.gift(week[0].expert, missing)
        return missing

    def above_floor(self, sheet: int, floor: int) -> int:
        """What a week pays above the wage floor, with what was taken back of it and what was added; negative below it."""
        week = [stretch for stretch in self.stretches.values() if stretch.sheet == sheet and stretch.is_settled]
        due = -(-sum(stretch.counted for stretch in week) * floor // 3600)
        return sum(stretch.gross - stretch.back.taken for stretch in week) + self.topped_up[sheet] - due

    def follow(self, pk: int, sent: Sent) -> None:
        """A payout is somewhere: owed, on its way, or out."""
        before = self.payouts.get(pk)
        self._put(before or sent, "" if before is None else before.status, -1)
        self._put(sent, sent.status, 1)
        self.payouts[pk] = sent

    def unaccounted(self) -> int:
        """What is in nobody's hands: always zero."""
        held = sum(self.labs.values()) + sum(self.payable.values()) + sum(self.held.values())
        return self.cash + self.expense - held - self.fees - self.transit - self.fx - self.tax

    def _put(self, sent: Sent, status: str, sign: int) -> None:
        minor, withheld = sign * sent.minor, sign * sent.withheld
        if status in UNDER_WAY:
            self.transit += minor
            self.tax += withheld
        elif status == "paid":
            self.cash -= minor
            self.tax += withheld
        else:  # not initiated yet, failed, returned, cancelled: it is the expert's
            self.payable[sent.expert] += minor + withheld

    def _set_aside(self, stretch: Stretch, minor: int) -> None:
        self.payable[stretch.expert] -= minor
        self.held[stretch.expert] += minor

    def _price(self, stretch: Stretch, seconds: int) -> None:
        gross, fee, held = stretch.terms.priced(seconds)
        held = 0 if stretch.is_released else held
        self.labs[stretch.lab] -= gross + fee - stretch.gross - stretch.fee
        self.fees += fee - stretch.fee
        self.payable[stretch.expert] += gross - held - (stretch.gross - stretch.held)
        self.held[stretch.expert] += held - stretch.held
        stretch.gross, stretch.fee, stretch.held, stretch.counted = gross, fee, held, seconds
