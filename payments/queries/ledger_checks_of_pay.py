"""What must hold between the journal and what experts are paid: hours, pay beside them, payouts, statements.

As in `ledger_checks`: a text for each deviation, and the query that finds it, counted from rows alone. What is owed to an
expert is positive, what a lab or the platform pays with is negative.
"""

from __future__ import annotations

from typing import Final

from payments.queries.ledger_checks import without

# What was posted for hours and what undid it, both under the hours: together, what stands.
_STANDING: Final = """
    (SELECT e.id, COALESCE(o.source_id, e.source_id) AS source_id FROM payments_journalentry e
        LEFT JOIN payments_journalentry o ON o.id = e.reverses_id WHERE e.kind IN ('time_approved', 'time_reversed'))
"""
_CORRECTED: Final = """
    (SELECT entry_id, sum(amount_minor) AS gross, sum(fee_minor) AS fee FROM payments_adjustment
        WHERE kind = 'correction' AND status = 'posted' GROUP BY 1)
"""
_HIS: Final = "FILTER (WHERE a.kind IN ('expert_payable', 'expert_holdback') AND a.expert_id = b.expert_id)"
_FEE: Final = "FILTER (WHERE a.kind = 'fee_income')"
_LABS: Final = (
    """FILTER (WHERE a.kind IN ('lab_prepaid', 'lab_reserved', 'lab_receivable') AND a.tenant_id = b.tenant_id)"""
)
_OURS: Final = "FILTER (WHERE a.kind = 'expense')"


def _sum(which: str) -> str:
    return f"COALESCE(sum(p.amount) {which}, 0)"


def _legs(event: str) -> str:
    """The legs of a business row's one entry, of the kind that ``event`` (an expression) names."""
    return f"""LEFT JOIN payments_journalentry e ON e.source_id = b.public_id AND e.kind = {event}
        LEFT JOIN payments_posting p ON p.entry_id = e.id AND p.currency = b.currency
        LEFT JOIN payments_account a ON a.id = p.account_id"""


CHECKS: Final[dict[str, tuple[str, str]]] = {
    "approved_without_entry": (
        "{0} is approved and has no {1}.",
        without("time_approved", "payments_timeentry", "approved_at IS NOT NULL AND gross_minor > 0"),
    ),
    "approved_amount": (
        "{0} stands, as corrected, at {1} for the expert and {2} of fee; the journal has {3} and {4}, its lab paid {5}.",
        f"""SELECT b.public_id, b.gross, b.fee, {_sum(_HIS)}, {_sum(_FEE)}, -{_sum(_LABS)}
        FROM (SELECT t.id, t.public_id, t.expert_id, t.tenant_id, t.gross_minor + COALESCE(c.gross, 0) AS gross,
                COALESCE(t.fee_minor, 0) + COALESCE(c.fee, 0) AS fee
            FROM payments_timeentry t LEFT JOIN {_CORRECTED} c ON c.entry_id = t.id
            WHERE t.approved_at IS NOT NULL AND t.gross_minor IS NOT NULL) b
        LEFT JOIN {_STANDING} e ON e.source_id = b.public_id
        LEFT JOIN payments_posting p ON p.entry_id = e.id LEFT JOIN payments_account a ON a.id = p.account_id
        GROUP BY b.id, b.public_id, b.gross, b.fee
        HAVING (b.gross, b.fee, b.gross + b.fee) <> ({_sum(_HIS)}, {_sum(_FEE)}, -{_sum(_LABS)})""",
    ),
    # A correction is posted under the hours it corrects, with their next number; the others under their own name.
    "adjustment_without_entry": (
        "{0} ({1}) is posted and has no entry.",
        """SELECT b.public_id, b.kind FROM payments_adjustment b WHERE b.status = 'posted' AND b.kind <> 'correction'
        AND (b.amount_minor <> 0 OR b.fee_minor <> 0) AND NOT EXISTS (
            SELECT FROM payments_journalentry e WHERE e.source_id = b.public_id)""",
    ),
    "adjustment_amount": (
        "{0} ({1}) gives the expert {2} and the platform {3}; the journal {4} and {5}, and its lab paid {6}.",
        f"""SELECT b.public_id, b.kind, b.amount_minor, b.fee_minor, {_sum(_HIS)}, {_sum(_FEE)}, -{_sum(_LABS)}
        FROM payments_adjustment b
        {_legs("CASE b.kind WHEN 'reinstatement' THEN 'clawback_reversed' ELSE b.kind END")}
        WHERE b.status = 'posted' AND b.kind <> 'correction'
        GROUP BY b.id
        HAVING (b.amount_minor, b.fee_minor, b.amount_minor + b.fee_minor)
            <> ({_sum(_HIS)}, {_sum(_FEE)}, -{_sum(_LABS)})""",
    ),
    "platform_pay_amount": (
        "{0} ({1}) gives the expert {2}; the journal {3}, and the platform paid {4}.",
        f"""SELECT b.public_id, b.kind, b.amount_minor, {_sum(_HIS)}, -{_sum(_OURS)}
        FROM payments_platformpay b
        {_legs("CASE b.kind WHEN 'referral' THEN 'referral_bonus' WHEN 'reinstatement' THEN 'clawback_reversed' ELSE b.kind END")}
        GROUP BY b.id HAVING (b.amount_minor, b.amount_minor) <> ({_sum(_HIS)}, -{_sum(_OURS)})""",
    ),
    "write_off_amount": (
        "{0} gives up {1}; the journal {2}, and the platform bears {3}.",
        f"""SELECT b.public_id, b.amount_minor, COALESCE(sum(p.amount) FILTER (
                WHERE (a.kind = 'expert_payable' AND a.expert_id = b.expert_id)
                    OR (a.kind = 'lab_receivable' AND a.tenant_id = b.tenant_id)), 0), -{_sum(_OURS)}
        FROM payments_writeoff b {_legs("'write_off'")}
        GROUP BY b.id HAVING (b.amount_minor, b.amount_minor) <> (COALESCE(sum(p.amount) FILTER (
                WHERE (a.kind = 'expert_payable' AND a.expert_id = b.expert_id)
                    OR (a.kind = 'lab_receivable' AND a.tenant_id = b.tenant_id)), 0), -{_sum(_OURS)})""",
    ),
    "milestone_awarded": (
        "Milestone {0} was awarded for {1}; its awards come to {2}.",
        """SELECT m.public_id, m.awarded_minor, count(w.id) * m.amount_minor FROM payments_milestone m
        LEFT JOIN payments_milestoneaward w ON w.milestone_id = m.id
        GROUP BY m.id HAVING m.awarded_minor <> count(w.id) * m.amount_minor""",
    ),
    # The bonus itself is compared with the journal above; here, that it is what was promised, to whoever reached it.
    "milestone_amount": (
        "{0} promises {1} {2}, and {3} paid {4} {5}, or somebody else.",
        """SELECT w.public_id, m.amount_minor, m.currency, b.public_id, b.amount_minor, b.currency
        FROM payments_milestoneaward w JOIN payments_milestone m ON m.id = w.milestone_id
        JOIN payments_adjustment b ON b.id = w.adjustment_id
        WHERE (m.amount_minor, m.currency, w.expert_id, 'bonus') <> (b.amount_minor, b.currency, b.expert_id, b.kind)""",
    ),
    "referral_amount": (
        "{0} promises {1} {2}, and {3} paid {4} {5}, or somebody else.",
        """SELECT r.public_id, r.bonus_minor, r.currency, b.public_id, b.amount_minor, b.currency
        FROM payments_referral r JOIN payments_platformpay b ON b.id = r.pay_id
        WHERE (r.bonus_minor, r.currency, r.referrer_id, 'referral')
            <> (b.amount_minor, b.currency, b.expert_id, b.kind)""",
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
    "holdback": (
        "{0} left {1} held back after its release, or less than nothing.",
        """SELECT source_id, sum(amount) FROM (
            SELECT COALESCE(o.source_id, e.source_id) AS source_id, p.amount,
                e.kind IN ('holdback_released', 'dispute_resolved') AND NOT EXISTS (
                    SELECT FROM payments_journalentry r WHERE r.reverses_id = e.id) AS ends
            FROM payments_posting p JOIN payments_account a ON a.id = p.account_id AND a.kind = 'expert_holdback'
            JOIN payments_journalentry e ON e.id = p.entry_id
            LEFT JOIN payments_journalentry o ON o.id = e.reverses_id) h
        GROUP BY source_id HAVING sum(amount) < 0 OR (bool_or(ends) AND sum(amount) <> 0)""",
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
            WHERE a.kind = 'tax_withheld' AND e.kind IN ('payout_initiated', 'payout_rejected', 'payout_returned',
                'payout_lost')
            GROUP BY 1) t
        FULL JOIN (SELECT currency, sum(withheld_minor) AS amount FROM payments_payout
            WHERE status NOT IN ('failed', 'returned', 'cancelled') GROUP BY 1) u ON u.currency = t.currency
        WHERE COALESCE(t.amount, 0) <> COALESCE(u.amount, 0)""",
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
