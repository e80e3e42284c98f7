"""What an expert was paid in a calendar year, by the day of each payment.

The journal says what was settled, what came back, and what was booked back since it did not arrive. The day is the bank's
own where it names one: a statement of 31 December that is read on 2 January tells of payments of the old year. Where a
provider tells no day it is the day on which we learned of it, in the payer's calendar (``TAX_ZONE``), as tax forms count it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from core import scope
from payments.models import Statement
from payments.queries import statement_lines

BELIEVED: Final = 366
"""A bank's day that is so many days from ours is a mistake, and does not count."""

PAID: Final = """
    paid AS (
        SELECT e.id AS entry_id, p.public_id AS payout, p.expert_id, p.run_id, p.currency, s.sign,
            s.sign * p.amount_minor AS net, s.sign * p.withheld_minor AS withheld,
            COALESCE(told.booked_on, (e.effective_at AT TIME ZONE %(zone)s)::date) AS day
        FROM payments_journalentry e
        JOIN (VALUES ('payout_settled', 1, 'payout'), ('payout_returned', -1, 'return'), ('payout_lost', -1, ''))
            s (kind, sign, movement) ON s.kind = e.kind
        JOIN payments_payout p ON p.public_id = e.source_id
        LEFT JOIN LATERAL (
            SELECT m.booked_on FROM payments_providerentry m
            WHERE m.provider = p.provider AND m.message_id IS NOT NULL AND abs(m.amount_minor) = p.amount_minor
                AND (m.journal_entry_id = e.id OR m.kind = s.movement AND m.key = (
                    SELECT a.idem_key FROM payments_payoutattempt a WHERE a.payout_id = p.id ORDER BY a.n DESC LIMIT 1))
                AND abs(m.booked_on - (e.effective_at AT TIME ZONE %(zone)s)::date) <= %(believed)s
            ORDER BY (m.journal_entry_id = e.id) DESC NULLS LAST, m.id LIMIT 1
        ) told ON true
        WHERE e.effective_at >= %(first)s::date - (%(believed)s + 1) AND e.effective_at < %(end)s::date + (%(believed)s + 1)
            AND (%(expert)s::bigint IS NULL OR p.expert_id = %(expert)s)
    )"""
"""SQL: every payment of somebody (or of everybody) around a year, with its day; one that came back is negative.

Minor units. Whoever uses it (with ``bounds``) asks for the days from ``first`` until before ``end``.
"""

_OF_EXPERT: Final = f"""
    WITH {PAID} SELECT day, payout, currency, net, withheld FROM paid
    WHERE day >= %(first)s AND day < %(end)s ORDER BY day, entry_id
"""  # noqa: S608  # our own text


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


def bounds(year: int, *, expert_id: int | None) -> dict[str, Any]:
    """What ``PAID`` is asked with; without an expert it is about everybody."""
    return {
        "first": dt.date(year, 1, 1),
        "end": dt.date(year + 1, 1, 1),
        "zone": settings.TAX_ZONE,
        "believed": BELIEVED,
        "expert": expert_id,
    }


def payments_of(*, expert_id: int, year: int) -> list[Payment]:
    """What he was paid in a year, in order; payments that came back then are negative."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_OF_EXPERT, bounds(year, expert_id=expert_id))
        return [Payment(*row) for row in cursor.fetchall()]


def of_expert(*, expert_id: int, year: int) -> Year:
    """The whole year, each currency by itself."""
    payments = payments_of(expert_id=expert_id, year=year)
    by_currency: dict[str, list[Payment]] = defaultdict(list)
    for payment in payments:
        by_currency[payment.currency].append(payment)
    currencies = [YearInCurrency(code, rows, _shares(rows)) for code, rows in sorted(by_currency.items())]
    return Year(year=year, zone=settings.TAX_ZONE, currencies=currencies)


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
