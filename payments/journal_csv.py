"""Rows of the journal for an accounting program: one per leg, plain values in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.money import Money
from payments.papers.spreadsheet import defused

COLUMNS: Final = (
    "entry", "booked_at", "effective_at", "event", "source", "seq", "reverses", "lab", "expert", "code", "account",
    "currency", "debit", "credit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JournalLeg:
    """One leg as text; ``minor`` has the journal's sign: credit is positive."""

    entry: int
    booked_at: str
    effective_at: str
    event: str
    source: str
    seq: int
    reverses: int | None
    lab: str
    expert: str
    kind: str
    detail: str
    account: str
    currency: str
    minor: int


def row_of(leg: JournalLeg, chart: Mapping[str, str]) -> list[str]:
    """Its cells; debit and credit are both positive, one of them is empty."""
    amount = Money(abs(leg.minor), leg.currency).amount
    texts = (
        str(leg.entry), leg.booked_at, leg.effective_at, leg.event, leg.source, str(leg.seq),
        str(leg.reverses or ""), leg.lab, leg.expert, code_of(leg.kind, leg.detail, chart), leg.account, leg.currency,
    )  # fmt: skip
    return [*map(defused, texts), "" if leg.minor > 0 else amount, amount if leg.minor > 0 else ""]


def code_of(kind: str, detail: str, chart: Mapping[str, str]) -> str:
    """The account's code in the chart: of kind and detail, else of the kind, else the kind itself."""
    return chart.get(f"{kind}:{detail}", chart.get(kind, kind))


def totals_row(currency: str, debit_minor: int, credit_minor: int) -> list[str]:
    """Both sides of one currency; they are equal, and ``account`` says what is left between them: zero."""
    left = Money(credit_minor - debit_minor, currency).amount
    sides = [Money(minor, currency).amount for minor in (debit_minor, credit_minor)]
    return ["total", *[""] * 9, left, currency, *sides]
