"""What must hold of money after anything whatever: asked of the product, and counted again without it.

The second count is SQL of its own over the raw rows and over the sandbox provider's books, which are another
institution's. The tests of `docs/faults.md` end with it by themselves (`conftest.py`); races and properties call
`assert_money_is_whole`.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import connection

from core.public import Principal, unit_of_work
from payments.queries import ledger_findings

COUNTER: Final = Principal.system("tests.invariants")

_UNDER_WAY: Final = "('ready', 'sending', 'unknown', 'submitted', 'in_transit', 'on_hold')"

JOURNAL: Final = {
    "legs of an entry sum to zero": """
        SELECT entry_id, currency, sum(amount) FROM payments_posting GROUP BY 1, 2 HAVING sum(amount) <> 0""",
    "all legs of a currency sum to zero": """
        SELECT currency, sum(amount) FROM payments_posting GROUP BY 1 HAVING sum(amount) <> 0""",
    "an entry has the legs that it says": """
        SELECT e.kind, e.source_id, e.legs, (SELECT count(*) FROM payments_posting p WHERE p.entry_id = e.id)
        FROM payments_journalentry e
        WHERE e.legs <> (SELECT count(*) FROM payments_posting p WHERE p.entry_id = e.id)""",
    "a leg has the currency of its account": """
        SELECT p.id FROM payments_posting p JOIN payments_account a ON a.id = p.account_id
        WHERE a.currency <> p.currency""",
    "an event is one entry": """
        SELECT kind, source_id, seq, count(*) FROM payments_journalentry GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "a balance is the sum of its legs": """
        SELECT a.key, b.balance FROM payments_accountbalance b JOIN payments_account a ON a.id = b.account_id
        WHERE b.balance <> (SELECT COALESCE(sum(amount), 0) FROM payments_posting p WHERE p.account_id = a.id)""",
    "nothing but a payable, a debt falls below zero": """
        SELECT a.key, sum(p.amount) FROM payments_posting p JOIN payments_account a ON a.id = p.account_id
        WHERE a.kind IN ('lab_prepaid', 'lab_reserved', 'expert_holdback') GROUP BY 1 HAVING sum(p.amount) < 0""",
}
"""Laws of the journal alone: each query finds what breaks one."""

PAYOUTS: Final = {
    "what is in transit is one payout's, while it is under way": f"""
        SELECT o.public_id, o.status, o.amount_minor, COALESCE(sum(p.amount), 0)
        FROM payments_payout o
        LEFT JOIN payments_journalentry e ON e.source_id = o.public_id
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'transit')
        GROUP BY o.id
        HAVING COALESCE(sum(p.amount), 0) <> CASE WHEN o.status IN {_UNDER_WAY} THEN o.amount_minor ELSE 0 END""",
    "cash left for a payout once it is paid, and came back when it was sent back": """
        SELECT o.public_id, o.status, o.amount_minor, COALESCE(sum(p.amount), 0)
        FROM payments_payout o
        LEFT JOIN payments_journalentry e ON e.source_id = o.public_id AND e.kind LIKE 'payout%%'
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'cash')
        GROUP BY o.id
        HAVING COALESCE(sum(p.amount), 0) <> CASE
            WHEN o.status = 'paid' OR o.status = 'returned' AND o.reason_code = 'not_arrived' THEN o.amount_minor
            ELSE 0 END""",
    "what did not arrive was contested with success, and two people booked it back as the platform's loss": """
        SELECT o.public_id, o.amount_minor, COALESCE(sum(p.amount), 0)
        FROM payments_payout o
        LEFT JOIN payments_journalentry e ON e.source_id = o.public_id AND e.kind = 'payout_lost'
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'expense' AND detail = 'loss')
        WHERE o.status = 'returned' AND o.reason_code = 'not_arrived' OR e.id IS NOT NULL
        GROUP BY o.id
        HAVING -COALESCE(sum(p.amount), 0) <> o.amount_minor OR o.reason_code <> 'not_arrived'
            OR NOT EXISTS (SELECT 1 FROM payments_payoutdecision d WHERE d.payout_id = o.id AND d.act = 'lost'
                AND d.status = 'approved' AND d.decided_by_id <> d.proposed_by_id)
            OR NOT EXISTS (SELECT 1 FROM experts_appeal a WHERE a.subject = o.public_id AND a.expert_id = o.expert_id
                AND a.status IN ('overturned', 'resolved_by_timeout') AND a.created_at >= o.paid_at)""",
}
"""Payouts and the journal."""

PROVIDER: Final = {
    "the provider moves the money of a payout once at most": """
        SELECT reference, count(*) FROM payments_providermovement
        WHERE state IN ('accepted', 'paid', 'returned') GROUP BY 1 HAVING count(*) > 1""",
    "the provider moves what was asked for": """
        SELECT m.idem_key, m.amount_minor, m.currency, o.amount_minor, o.currency
        FROM payments_providermovement m LEFT JOIN payments_payout o ON o.public_id = m.reference
        WHERE m.state <> 'cancelled' AND (o.id IS NULL OR (m.amount_minor, m.currency) <> (o.amount_minor, o.currency))""",
    "a payout that we call paid was paid": """
        SELECT o.public_id FROM payments_payout o WHERE o.provider = 'sandbox' AND o.status = 'paid' AND NOT EXISTS (
            SELECT 1 FROM payments_providermovement m
            WHERE m.reference = o.public_id AND m.state IN ('paid', 'returned'))""",
    "a payout that we call returned came back": """
        SELECT o.public_id FROM payments_payout o WHERE o.provider = 'sandbox' AND o.status = 'returned'
            AND o.reason_code <> 'not_arrived' AND NOT EXISTS (
                SELECT 1 FROM payments_providermovement m WHERE m.reference = o.public_id AND m.state = 'returned')""",
    "no money is out for a payout that we gave up": """
        SELECT o.public_id, o.status, m.state
        FROM payments_payout o JOIN payments_providermovement m ON m.reference = o.public_id
        WHERE o.status IN ('failed', 'cancelled') AND m.state IN ('accepted', 'paid')""",
    "an attempt was committed before the provider moved": """
        SELECT m.idem_key FROM payments_providermovement m
        WHERE m.reference LIKE 'pay_%%' AND m.state <> 'cancelled'
            AND NOT EXISTS (SELECT 1 FROM payments_payoutattempt t WHERE t.idem_key = m.idem_key)""",
}
"""The provider's own books, and ours about it."""

BUSINESS: Final = {
    "approved hours are in the journal for what they and their corrections come to": """
        SELECT t.public_id, t.gross_minor, COALESCE(c.amount, 0), COALESCE(j.amount, 0)
        FROM payments_timeentry t
        LEFT JOIN LATERAL (SELECT sum(amount_minor) AS amount FROM payments_adjustment
            WHERE entry_id = t.id AND kind = 'correction' AND status = 'posted') c ON true
        LEFT JOIN LATERAL (SELECT sum(p.amount) AS amount
            FROM payments_journalentry e JOIN payments_posting p ON p.entry_id = e.id
            JOIN payments_account a ON a.id = p.account_id AND a.kind IN ('expert_payable', 'expert_holdback')
            WHERE e.kind = 'time_approved' AND e.source_id = t.public_id
                AND NOT EXISTS (SELECT 1 FROM payments_journalentry r WHERE r.reverses_id = e.id)) j ON true
        WHERE t.gross_minor IS NOT NULL AND t.gross_minor + COALESCE(c.amount, 0) <> COALESCE(j.amount, 0)""",
    "hours that were not approved are not in the journal": """
        SELECT t.public_id, t.status FROM payments_timeentry t
        JOIN payments_journalentry e ON e.source_id = t.public_id AND e.kind = 'time_approved'
        WHERE t.status NOT IN ('approved', 'auto_approved', 'adjusted')""",
    "money that a lab paid in is in the journal once, and what went back to it": """
        SELECT f.public_id, f.status, f.received_minor, COALESCE(sum(p.amount), 0)
        FROM payments_funding f
        LEFT JOIN payments_journalentry e ON e.source_id = f.public_id AND e.kind IN ('lab_funded', 'funding_reversed')
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'cash')
        GROUP BY f.id
        HAVING -COALESCE(sum(p.amount), 0) <> CASE f.status
            WHEN 'settled' THEN COALESCE(f.received_minor, f.amount_minor)
            WHEN 'reversed' THEN COALESCE((SELECT sum(amount_minor) FROM payments_refund r
                WHERE r.funding_id = f.id AND r.status = 'paid'), 0)
            ELSE 0 END""",
    "nobody prepared and released the same run, or one that pays himself": """
        SELECT r.public_id FROM payments_payrun r WHERE r.released_by_id IS NOT NULL AND (
            r.prepared_by_id = r.released_by_id OR EXISTS (
                SELECT 1 FROM payments_payout o JOIN experts_expert x ON x.id = o.expert_id
                WHERE o.run_id = r.id AND x.user_id = r.released_by_id))""",
    "a payout is one line of a released run": """
        SELECT o.public_id FROM payments_payout o JOIN payments_payrun r ON r.id = o.run_id
        WHERE r.status IN ('draft', 'calculating', 'review')""",
}
"""The rest of our tables and the journal."""


STUCK: Final = f"""
    SELECT public_id, status, reason_code, next_attempt_at FROM payments_payout
    WHERE (status IN {_UNDER_WAY} AND status <> 'on_hold' AND next_attempt_at > %(now)s + interval '2 hours')
        OR (status = 'on_hold' AND reason_code = '')"""
"""Open payouts that no sweeper comes back to, and held ones that do not say why."""

BOOKS: Final = """
    SELECT currency, sum(ours), sum(theirs) FROM (
        SELECT currency, amount_minor AS ours, 0 AS theirs FROM payments_payout
            WHERE provider = 'sandbox' AND (status = 'paid' OR status = 'returned' AND reason_code = 'not_arrived')
        UNION ALL
        SELECT currency, 0, amount_minor FROM payments_providermovement WHERE state IN ('accepted', 'paid')
    ) sums GROUP BY currency HAVING sum(ours) <> sum(theirs)"""
"""When nothing is under way, the provider has sent exactly what we call paid."""


def broken(*, now: dt.datetime | None = None, at_rest: bool = False, provider: bool = True) -> list[str]:
    """Everything that does not hold. ``now`` asks as well whether open payouts progress; ``at_rest`` whether both books
    agree to the cent, which they do when nothing is under way; without ``provider`` its books are not looked at, where a
    rolled back test left movements in them."""
    laws = {**JOURNAL, **PAYOUTS, **BUSINESS} | (PROVIDER if provider else {})
    if now is not None:
        laws["an open payout progresses or alarms"] = STUCK
    if at_rest:
        laws["our books and the provider's agree"] = BOOKS
    with unit_of_work(COUNTER):
        found = [f"{finding.check}: {finding.text}" for finding in ledger_findings.findings()]
        with connection.cursor() as cursor:
            for law, query in laws.items():
                cursor.execute(query, {"now": now})
                found += [f"{law}: {row}" for row in cursor.fetchmany(5)]
    return found


def assert_the_journal_holds() -> None:
    """For tests that post events which nothing in our tables stands for."""
    with unit_of_work(COUNTER), connection.cursor() as cursor:
        for law, query in JOURNAL.items():
            cursor.execute(query)
            assert cursor.fetchall() == [], law


def assert_money_is_whole(*, now: dt.datetime | None = None, at_rest: bool = False, provider: bool = True) -> None:
    """See the module, and `broken`."""
    found = broken(now=now, at_rest=at_rest, provider=provider)
    assert not found, "\n".join(found)
