"""Does the ledger hold? Everything that the guards promise, counted again from the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from core import scope
from payments.queries import ledger_checks, ledger_checks_of_pay

# The journal's own laws, which ask no other table; whatever is laid beside business is in the two others.
_LAWS = {
    "trial_balance": (
        "The legs of {0} sum to {1} instead of zero.",
        """SELECT currency, sum(amount) FROM payments_posting GROUP BY currency HAVING sum(amount) <> 0""",
    ),
    "entry_balance": (
        "Entry {0} does not balance in {1}: {2}.",
        """SELECT entry_id, currency, sum(amount) FROM payments_posting GROUP BY 1, 2 HAVING sum(amount) <> 0""",
    ),
    "entry_complete": (
        "Entry {0} has {1} legs of {2}.",
        """SELECT e.id, count(p.id), e.legs
        FROM payments_journalentry e LEFT JOIN payments_posting p ON p.entry_id = e.id
        GROUP BY e.id HAVING count(p.id) <> e.legs""",
    ),
    "one_entry_per_event": (
        "{0} {1} was written {2} times.",
        """SELECT kind, source_id, count(*) FROM payments_journalentry
        GROUP BY kind, source_id, seq HAVING count(*) > 1""",
    ),
    "balance_row": (
        "The balance of {0} says {1}, its legs sum to {2}.",
        """SELECT a.key, b.balance, COALESCE(sum(p.amount), 0)
        FROM payments_accountbalance b JOIN payments_account a ON a.id = b.account_id
        LEFT JOIN payments_posting p ON p.account_id = a.id
        GROUP BY a.key, b.balance HAVING b.balance <> COALESCE(sum(p.amount), 0)""",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold."""

    check: str
    text: str


def checks() -> dict[str, tuple[str, str]]:
    """Every check: how a deviation reads, and the query that finds it; of the journal itself, then against business."""
    return {**_LAWS, **ledger_checks.CHECKS, **ledger_checks_of_pay.CHECKS}


def findings() -> list[Finding]:
    """Everything wrong with the ledger; empty when it holds. Reads every row."""
    found = []
    with scope.as_platform(), connection.cursor() as cursor:
        for check, (text, query) in checks().items():
            cursor.execute(query)
            found += [Finding(check, text.format(*row)) for row in cursor.fetchall()]
    return found


def trial_balance() -> dict[str, int]:
    """The sum of all legs by currency: zero, or somebody broke the books. Reads one index."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT currency, sum(amount)::bigint FROM payments_posting GROUP BY currency ORDER BY currency")
        return dict(cursor.fetchall())
