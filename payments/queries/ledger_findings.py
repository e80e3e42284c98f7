"""Does the ledger hold? Everything that the guards promise, counted again from the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from core import scope
from payments.queries import ledger_checks

_CHECKS = {
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
    "transit": (
        "In {0}, {1} is in transit and payouts under way sum to {2}.",
        """SELECT COALESCE(t.currency, u.currency), COALESCE(t.amount, 0), COALESCE(u.amount, 0)
        FROM (SELECT a.currency, sum(p.amount) AS amount
            FROM payments_account a JOIN payments_posting p ON p.account_id = a.id
            WHERE a.kind = 'transit' GROUP BY 1) t
        FULL JOIN (SELECT currency, sum(amount_minor) AS amount FROM payments_payout
            WHERE status IN ('ready', 'sending', 'unknown', 'submitted', 'in_transit', 'on_hold') GROUP BY 1) u
            ON u.currency = t.currency
        WHERE COALESCE(t.amount, 0) <> COALESCE(u.amount, 0)""",
    ),
    "tax_withheld": (
        "In {0}, payouts moved {1} into tax withheld and withheld {2}.",
        """SELECT COALESCE(t.currency, u.currency), COALESCE(t.amount, 0), COALESCE(u.amount, 0)
        FROM (SELECT a.currency, sum(p.amount) AS amount
            FROM payments_account a JOIN payments_posting p ON p.account_id = a.id
            JOIN payments_journalentry e ON e.id = p.entry_id
            WHERE a.kind = 'tax_withheld' AND e.kind IN ('payout_initiated', 'payout_rejected', 'payout_returned')
            GROUP BY 1) t
        FULL JOIN (SELECT currency, sum(withheld_minor) AS amount FROM payments_payout
            WHERE status NOT IN ('failed', 'returned', 'cancelled') GROUP BY 1) u ON u.currency = t.currency
        WHERE COALESCE(t.amount, 0) <> COALESCE(u.amount, 0)""",
    ),
    "true_up": (
        "Top-up {0} added {1}, and the journal {2}.",
        """SELECT t.public_id, t.amount_minor, COALESCE(sum(p.amount), 0)
        FROM payments_trueup t
        LEFT JOIN payments_journalentry e ON e.kind = 'true_up' AND e.source_id = t.public_id
        LEFT JOIN payments_posting p ON p.entry_id = e.id AND p.account_id IN
            (SELECT id FROM payments_account WHERE kind = 'expert_payable' AND expert_id = t.expert_id)
        GROUP BY t.id HAVING COALESCE(sum(p.amount), 0) <> t.amount_minor""",
    ),
    "at_provider": (
        "The movement {0} of {1} is matched to a posting of {2}.",
        """SELECT pe.public_id, pe.amount_minor, COALESCE(sum(p.amount), 0)
        FROM payments_providerentry pe
        LEFT JOIN (payments_posting p JOIN payments_account a ON a.id = p.account_id AND a.kind = 'cash')
            ON p.entry_id = pe.journal_entry_id AND a.detail = pe.provider AND a.currency = pe.currency
        WHERE pe.journal_entry_id IS NOT NULL
        GROUP BY pe.id HAVING COALESCE(sum(p.amount), 0) <> -pe.amount_minor""",
    ),
    "statement": (
        "Statement {0} opens with {1}, moves {2} and closes with {3}.",
        """SELECT s.public_id, s.opening_minor, COALESCE(sum(p.amount), 0), s.closing_minor
        FROM payments_statement s
        JOIN payments_account a ON a.kind = 'expert_payable' AND a.expert_id = s.expert_id
            AND a.currency = s.currency AND a.detail = ''
        LEFT JOIN payments_posting p ON p.account_id = a.id
            AND p.entry_id > s.after_entry AND p.entry_id <= s.upto_entry
        GROUP BY s.id HAVING s.opening_minor + COALESCE(sum(p.amount), 0) <> s.closing_minor""",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold."""

    check: str
    text: str


def checks() -> dict[str, tuple[str, str]]:
    """Every check: how a deviation reads, and the query that finds it; of the journal itself, then against business."""
    return {**_CHECKS, **ledger_checks.CHECKS}


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
