"""Our cash account at a provider, beside what the provider says is there, at the end of a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from core import scope
from payments import accounts

PAID_OUT: Final = ("payout_settled", "payout_returned")
PAYOUTS: Final = (*PAID_OUT, "provider_fee", "provider_credit", "provider_debit")
"""What a provider without statements can be asked about."""

_LEGS = """
    WITH legs AS (SELECT e.id, e.kind, e.source_id, (e.effective_at AT TIME ZONE 'UTC')::date AS day, -p.amount AS minor, pe.booked_on,
        pe.id IS NOT NULL AS matched
    FROM payments_posting p
    JOIN payments_account a ON a.id = p.account_id
    JOIN payments_journalentry e ON e.id = p.entry_id
    LEFT JOIN payments_providerentry pe ON pe.journal_entry_id = e.id
    WHERE a.key = %(cash)s AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s::text[])))
"""

_POSITION = """
    , told AS (SELECT *, NOT matched AND day < %(first)s AS covered FROM legs)
    SELECT COALESCE(sum(minor) FILTER (WHERE day <= %(day)s), 0),
        COALESCE(sum(minor) FILTER (
            WHERE day <= %(day)s AND NOT covered AND (NOT matched OR booked_on > %(day)s)), 0),
        COALESCE(sum(minor) FILTER (WHERE day > %(day)s AND booked_on <= %(day)s), 0)
    FROM told
"""

_COVERED = " SELECT COALESCE(sum(minor), 0) FROM legs WHERE NOT matched AND day < %(first)s"

# A posting and its exact reversal are no money at the provider.
_MISSING = """
    SELECT legs.id, legs.kind, legs.source_id, legs.day, legs.minor FROM legs
    WHERE NOT matched AND day >= %(first)s AND day <= %(day)s
        AND NOT EXISTS (SELECT 1 FROM payments_journalentry e JOIN legs other ON other.id = e.id
            WHERE e.reverses_id = legs.id AND NOT other.matched)
        AND NOT EXISTS (SELECT 1 FROM payments_journalentry e JOIN legs other ON other.id = e.reverses_id
            WHERE e.id = legs.id AND NOT other.matched)
    ORDER BY legs.id
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Minor units of our money, positive. ``expected`` is what the provider must say."""

    book_minor: int
    outstanding_minor: int
    late_minor: int

    @property
    def expected(self) -> int:
        """Our books without what only we booked, with what only the provider booked."""
        return self.book_minor - self.outstanding_minor + self.late_minor


@dataclass(frozen=True, slots=True)
class Missing:
    """A posting of our cash account that the provider shows nowhere."""

    entry_id: int
    kind: str
    source_id: str
    day: dt.date
    minor: int


def position(*, provider: str, currency: str, day: dt.date, first: dt.date, has_statements: bool) -> Position:
    """Where we stand at the end of a day; what was posted before ``first`` and never matched is in the first opening."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_LEGS + _POSITION, _arguments(provider, currency, first, has_statements) | {"day": day})
        return Position(*map(int, cursor.fetchone()))


def covered(*, provider: str, currency: str, first: dt.date) -> int:
    """What our books say was on the account before its first statement."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_LEGS + _COVERED, _arguments(provider, currency, first, has_statements=True))
        return int(cursor.fetchone()[0])


def missing_there(
    *, provider: str, currency: str, first: dt.date, upto: dt.date, has_statements: bool
) -> list[Missing]:
    """Postings up to a day that no movement of the provider was matched to."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_LEGS + _MISSING, _arguments(provider, currency, first, has_statements) | {"day": upto})
        return [Missing(*row) for row in cursor.fetchall()]


def _arguments(provider: str, currency: str, first: dt.date, has_statements: bool) -> dict[str, Any]:
    return {
        "cash": accounts.cash(provider, currency).text,
        "first": first,
        "kinds": None if has_statements else list(PAYOUTS),
    }
