"""What an expert was paid in a calendar year, by the day on which each payment was settled.

The journal says what was settled and what came back; a year is the payer's (``TAX_ZONE``), as
tax forms count it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings

from core import scope
from payments.models import JournalEntry, Payout, Statement
from payments.queries import statement_lines

_SETTLED = {"payout_settled": 1, "payout_returned": -1}


@dataclass(frozen=True, slots=True)
class Payment:
    """One settled payment, or (negative) one that the bank sent back. Minor units; gross = net + withheld."""

    day: dt.date
    payout: str
    currency: str
    net_minor: int
    withheld_minor: int

    @property
    def gross_minor(self) -> int:
        """What the expert was owed."""
        return self.net_minor + self.withheld_minor


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the gross that came from one lab, by the name it shows; without a name: from none, or carried over."""

    lab: str
    gross_minor: int


@dataclass(frozen=True, slots=True)
class YearInCurrency:
    """All payments in one currency, in order, and what they consist of: the shares sum to the gross."""

    currency: str
    payments: list[Payment]
    shares: list[Share]

    def of_quarter(self, quarter: int) -> list[Payment]:
        """The payments of quarter 1 to 4."""
        return [row for row in self.payments if (row.day.month + 2) // 3 == quarter]


@dataclass(frozen=True, slots=True)
class Year:
    """A calendar year in the zone that was used."""

    year: int
    zone: str
    currencies: list[YearInCurrency]


def zone() -> ZoneInfo:
    """Whose calendar years count."""
    return ZoneInfo(settings.TAX_ZONE)


def start_of(year: int) -> dt.datetime:
    """The first instant of a year."""
    return dt.datetime(year, 1, 1, tzinfo=zone())


def has_begun(year: int, *, now: dt.datetime) -> bool:
    """Whether the year's first instant is past."""
    return start_of(year) <= now


def payments_between(*, expert_id: int, start: dt.datetime, end: dt.datetime) -> list[Payment]:
    """What was settled in [start, end), in order; payments that came back then are negative."""
    payouts = {row.public_id: row for row in Payout.objects.filter(expert=expert_id)}
    with scope.as_platform():
        events = JournalEntry.objects.filter(
            source_id__in=list(payouts), kind__in=list(_SETTLED), effective_at__gte=start, effective_at__lt=end
        ).order_by("effective_at", "pk")
        return [_payment(event, payouts[event.source_id]) for event in events]


def of_expert(*, expert_id: int, year: int) -> Year:
    """The whole year, each currency by itself."""
    payments = payments_between(expert_id=expert_id, start=start_of(year), end=start_of(year + 1))
    by_currency: dict[str, list[Payment]] = defaultdict(list)
    for payment in payments:
        by_currency[payment.currency].append(payment)
    currencies = [YearInCurrency(code, rows, _shares(rows)) for code, rows in sorted(by_currency.items())]
    return Year(year=year, zone=settings.TAX_ZONE, currencies=currencies)


def _payment(event: JournalEntry, payout: Payout) -> Payment:
    sign = _SETTLED[event.kind]
    return Payment(
        day=event.effective_at.astimezone(zone()).date(),
        payout=payout.public_id,
        currency=payout.currency,
        net_minor=sign * payout.amount_minor,
        withheld_minor=sign * payout.withheld_minor,
    )


def _shares(payments: Iterable[Payment]) -> list[Share]:
    """What the statements behind the payments say by lab; what is left of the gross was carried over or came back."""
    rows = list(payments)
    sums: dict[str, int] = defaultdict(int)
    for line in _lines_behind({row.payout for row in rows}):
        if not line.kind.startswith("payout_"):
            sums[line.lab] += line.amount.minor
    rest = sum(row.gross_minor for row in rows) - sum(sums.values())
    sums[""] += rest
    return [Share(lab, minor) for lab, minor in sorted(sums.items(), key=lambda item: (not item[0], item[0])) if minor]


def _lines_behind(payouts: set[str]) -> list[statement_lines.Line]:
    """The movements of these payouts' statements, which are ranges of the journal."""
    statements = list(Statement.objects.filter(payout__public_id__in=payouts))
    with scope.as_platform():
        return statement_lines.describe(statement_lines.legs_of_all(statements))
