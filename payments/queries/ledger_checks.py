"""What must hold between the journal and the tables of business: money in and out, providers' books, labs and papers.

A text for each deviation, and the query that finds it; what experts are paid is in `ledger_checks_of_pay`. The queries
count from rows alone, so that they also find what no guard could have let through. Credit is positive in the journal:
money we own is negative there.
"""

from __future__ import annotations

from typing import Final

_CASH: Final = """
    SELECT a.currency, -sum(p.amount) AS minor FROM payments_posting p
    JOIN payments_account a ON a.id = p.account_id JOIN payments_journalentry e ON e.id = p.entry_id
    WHERE a.kind = 'cash' AND e.kind IN ({kinds}) GROUP BY 1
"""
_COMPARED: Final = """
    SELECT COALESCE(j.currency, b.currency), COALESCE(j.minor, 0), COALESCE(b.minor, 0)
    FROM ({journal}) j FULL JOIN ({business}) b ON b.currency = j.currency
    WHERE COALESCE(j.minor, 0) <> COALESCE(b.minor, 0)
"""
_PAID_IN: Final = """
    SELECT currency, sum(minor) AS minor FROM (
        SELECT currency, COALESCE(received_minor, amount_minor) AS minor FROM payments_funding WHERE status = 'settled'
        UNION ALL SELECT r.currency, -r.amount_minor FROM payments_refund r JOIN payments_funding f ON f.id = r.funding_id
            WHERE r.status = 'paid' AND f.status = 'settled') f
    GROUP BY 1
"""
_PAID_OUT: Final = """
    SELECT currency, -sum(amount_minor) AS minor FROM payments_payout
    WHERE status = 'paid' OR status = 'returned' AND reason_code = 'not_arrived' GROUP BY 1
"""
_CHARGED: Final = """
    SELECT currency, sum(minor) AS minor FROM (
        SELECT currency, -amount_minor AS minor FROM payments_bankcharge
        UNION ALL SELECT bought_currency, bought_minor FROM payments_bankcharge WHERE type = 'exchange') c
    GROUP BY 1
"""
_TAKEN_DOWN: Final = """
    SELECT pe.currency, sum(pe.amount_minor) AS minor FROM payments_providerentry pe
    JOIN payments_journalentry e ON e.id = pe.journal_entry_id
    WHERE e.kind IN ('opening_balance', 'provider_credit', 'provider_debit') GROUP BY 1
"""
_ALL: Final = f"""
    SELECT currency, sum(minor) AS minor
    FROM (({_PAID_IN}) UNION ALL ({_PAID_OUT}) UNION ALL ({_CHARGED}) UNION ALL ({_TAKEN_DOWN})) m GROUP BY 1
"""
_PAPERS: Final = """
    SELECT public_id, tenant_id, currency, vat_minor, gross_minor + fee_minor AS net, decided_by_id IS NOT NULL AS by_hand,
        -1 AS sign FROM payments_creditnote
    UNION ALL SELECT public_id, tenant_id, currency, vat_minor, total_minor - vat_minor, false, 1 FROM payments_invoice
"""
_FUNDED: Final = "'lab_funded', 'funding_reversed', 'lab_refunded'"
_SENT: Final = "'payout_settled', 'payout_returned'"
_BANK: Final = "'provider_fee', 'fx_covered'"
_BY_HAND: Final = "'opening_balance', 'provider_credit', 'provider_credit_reversed', 'provider_debit'"


def _compared(kinds: str, business: str) -> str:
    return _COMPARED.format(journal=_CASH.format(kinds=kinds), business=business)


def without(kind: str, table: str, where: str) -> str:
    """Rows of business that the journal does not know."""
    return f"""SELECT b.public_id, '{kind}' FROM {table} b WHERE {where} AND NOT EXISTS (
        SELECT FROM payments_journalentry e WHERE e.source_id = b.public_id AND e.kind = '{kind}')"""


CHECKS: Final[dict[str, tuple[str, str]]] = {
    "conservation": (
        "In {0}, the journal holds {1} in cash; what came in, less what went out, is {2}.",
        _compared(f"{_FUNDED}, {_SENT}, {_BANK}, {_BY_HAND}", _ALL),
    ),
    "funding": ("In {0}, labs' payments moved {1} in cash and are {2} themselves.", _compared(_FUNDED, _PAID_IN)),
    "payouts": ("In {0}, payouts moved {1} in cash and are {2} themselves.", _compared(_SENT, _PAID_OUT)),
    "payouts_lost": (
        "In {0}, payouts that did not arrive cost {1} in the journal and are {2} themselves.",
        """SELECT COALESCE(j.currency, b.currency), COALESCE(j.minor, 0), COALESCE(b.minor, 0)
        FROM (SELECT a.currency, -sum(p.amount) AS minor FROM payments_posting p
            JOIN payments_account a ON a.id = p.account_id JOIN payments_journalentry e ON e.id = p.entry_id
            WHERE a.kind = 'expense' AND e.kind = 'payout_lost' GROUP BY 1) j
        FULL JOIN (SELECT currency, sum(amount_minor) AS minor FROM payments_payout
            WHERE status = 'returned' AND reason_code = 'not_arrived' GROUP BY 1) b ON b.currency = j.currency
        WHERE COALESCE(j.minor, 0) <> COALESCE(b.minor, 0)""",
    ),
    "bank_charges": ("In {0}, banks' charges moved {1} in cash and are {2} themselves.", _compared(_BANK, _CHARGED)),
    "by_hand": (
        "In {0}, decisions about providers' movements moved {1} in cash; the movements are {2} themselves.",
        _compared(_BY_HAND, _TAKEN_DOWN),
    ),
    "suspense": (
        "{0} holds {1}; the movements kept there are {2}.",
        """SELECT a.key, sum(p.amount), COALESCE((SELECT sum(pe.amount_minor) FROM payments_providerentry pe
            WHERE pe.provider = a.detail AND pe.currency = a.currency AND EXISTS (SELECT FROM payments_posting k
                WHERE k.entry_id = pe.journal_entry_id AND k.account_id = a.id)), 0)
        FROM payments_account a JOIN payments_posting p ON p.account_id = a.id WHERE a.kind = 'suspense'
        GROUP BY a.id HAVING sum(p.amount) <> COALESCE((SELECT sum(pe.amount_minor) FROM payments_providerentry pe
            WHERE pe.provider = a.detail AND pe.currency = a.currency AND EXISTS (SELECT FROM payments_posting k
                WHERE k.entry_id = pe.journal_entry_id AND k.account_id = a.id)), 0)""",
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
    "funding_without_entry": (
        "{0} settled without {1}.",
        without("lab_funded", "payments_funding", "status = 'settled'"),
    ),
    "refund_without_entry": (
        "{0} was paid without {1}.",
        without("lab_refunded", "payments_refund", "status = 'paid'"),
    ),
    "payout_without_entry": ("{0} was made without {1}.", without("payout_initiated", "payments_payout", "true")),
    "conversion_without_entry": ("{0} has no {1}.", without("fx_exchanged", "payments_fxconversion", "true")),
    "exchange_without_entry": ("{0} has no {1}.", without("fx_exchanged", "payments_fxexchange", "true")),
    "exchange_amount": (
        "{0} sold {1} for {2}, and the journal moved {3} and {4}.",
        """SELECT b.public_id, b.sold, b.got, j.sold, j.got FROM (
            SELECT public_id, quote_id, sell_minor AS sold, buy_minor AS got FROM payments_fxexchange
            UNION ALL SELECT public_id, quote_id, sell_minor, buy_minor FROM payments_fxconversion) b
        JOIN payments_fxquote q ON q.id = b.quote_id
        JOIN payments_journalentry e ON e.source_id = b.public_id AND e.kind = 'fx_exchanged'
        CROSS JOIN LATERAL (
            SELECT -COALESCE(sum(p.amount) FILTER (WHERE p.currency = q.sell), 0) AS sold,
                COALESCE(sum(p.amount) FILTER (WHERE p.currency = q.buy), 0) AS got
            FROM payments_posting p JOIN payments_account a ON a.id = p.account_id
            WHERE p.entry_id = e.id AND a.kind <> 'fx') j
        WHERE (b.sold, b.got) <> (j.sold, j.got)""",
    ),
    "reservation": (
        "Reservation {0} is {1} with {2} in it, of {3}.",
        """SELECT r.public_id, r.status, COALESCE(b.balance, 0), r.target_minor FROM payments_fundsreservation r
        LEFT JOIN payments_account a ON a.kind = 'lab_reserved' AND a.detail = r.public_id AND a.currency = r.currency
        LEFT JOIN payments_accountbalance b ON b.account_id = a.id
        WHERE COALESCE(b.balance, 0) > CASE r.status WHEN 'held' THEN r.target_minor ELSE 0 END""",
    ),
    "reserved_without_row": (
        "{0} holds {1} for a reservation that does not exist.",
        """SELECT a.key, b.balance FROM payments_account a JOIN payments_accountbalance b ON b.account_id = a.id
        WHERE a.kind = 'lab_reserved' AND b.balance <> 0
        AND NOT EXISTS (SELECT FROM payments_fundsreservation r WHERE r.public_id = a.detail)""",
    ),
    "paper_vat": (
        "{0} charges {1} of VAT, and the journal {2}.",
        f"""SELECT d.public_id, d.sign * d.vat_minor, COALESCE(sum(p.amount), 0) FROM ({_PAPERS}) d
        LEFT JOIN payments_journalentry e ON e.source_id = d.public_id
            AND e.kind IN ('vat_charged', 'vat_credited', 'invoice_credited')
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'vat')
        GROUP BY d.public_id, d.sign, d.vat_minor HAVING d.sign * d.vat_minor <> COALESCE(sum(p.amount), 0)""",
    ),
    "vat": (
        "In {0}, papers moved {1} of VAT in the journal and say {2} themselves.",
        _COMPARED.format(
            journal="""SELECT p.currency, sum(p.amount) AS minor FROM payments_posting p
                JOIN payments_account a ON a.id = p.account_id AND a.kind = 'vat'
                JOIN payments_journalentry e ON e.id = p.entry_id
                    AND e.kind IN ('vat_charged', 'vat_credited', 'invoice_credited') GROUP BY 1""",
            business=f"SELECT currency, sum(sign * vat_minor) AS minor FROM ({_PAPERS}) d GROUP BY 1",
        ),
    ),
    "credited": (
        "{0} gives {1} back, and the journal {2}.",
        f"""SELECT d.public_id, d.net + d.vat_minor, COALESCE(sum(p.amount), 0) FROM ({_PAPERS}) d
        LEFT JOIN payments_journalentry e ON e.source_id = d.public_id AND e.kind = 'invoice_credited'
        LEFT JOIN payments_posting p ON p.entry_id = e.id
            AND p.account_id IN (SELECT id FROM payments_account WHERE kind = 'lab_prepaid')
        WHERE d.by_hand GROUP BY 1, 2 HAVING d.net + d.vat_minor <> COALESCE(sum(p.amount), 0)""",
    ),
    "billed": (
        "Lab {0}: in {1}, papers bill {2} up to the last one, and the journal charged {3}.",
        f"""WITH papers AS (
            SELECT tenant_id, currency, sum(sign * net) FILTER (WHERE NOT by_hand) AS net FROM ({_PAPERS}) d GROUP BY 1, 2
        ), ends AS (
            SELECT tenant_id, currency, max(upto_entry) AS upto FROM (
                SELECT tenant_id, currency, upto_entry FROM payments_invoice
                UNION ALL SELECT tenant_id, currency, upto_entry FROM payments_creditnote) r
            GROUP BY 1, 2
        ), charged AS (
            SELECT ends.tenant_id, ends.currency, sum(p.amount) AS minor
            FROM ends JOIN payments_journalentry e ON e.tenant_id = ends.tenant_id AND e.id <= ends.upto
                AND e.kind <> 'invoice_credited'
            JOIN payments_posting p ON p.entry_id = e.id AND p.currency = ends.currency
            JOIN payments_account a ON a.id = p.account_id
                AND (a.kind IN ('expert_payable', 'expert_holdback', 'fee_income')
                    OR (a.kind = 'expense' AND e.kind = 'credit_regained'))
            WHERE EXISTS (SELECT FROM payments_posting l JOIN payments_account b ON b.id = l.account_id
                WHERE l.entry_id = e.id AND b.kind IN ('lab_prepaid', 'lab_reserved', 'lab_receivable'))
            GROUP BY 1, 2
        )
        SELECT t.public_id, papers.currency, papers.net, COALESCE(charged.minor, 0)
        FROM papers JOIN core_tenant t ON t.id = papers.tenant_id
        LEFT JOIN charged ON charged.tenant_id = papers.tenant_id AND charged.currency = papers.currency
        WHERE papers.net <> COALESCE(charged.minor, 0)""",
    ),
    "credited_beyond": (
        "{0} billed {1} of pay, {2} of fee and {3} of VAT; its credit notes give back {4}, {5} and {6}.",
        """SELECT i.reference, i.work_minor + i.extra_minor + i.correction_minor,
            i.work_fee_minor + i.extra_fee_minor + i.correction_fee_minor, i.vat_minor,
            sum(n.gross_minor), sum(n.fee_minor), sum(n.vat_minor)
        FROM payments_invoice i JOIN payments_creditnote n ON n.invoice_id = i.id GROUP BY i.id
        HAVING sum(n.gross_minor) > i.work_minor + i.extra_minor + i.correction_minor
            OR sum(n.fee_minor) > i.work_fee_minor + i.extra_fee_minor + i.correction_fee_minor
            OR sum(n.vat_minor) > i.vat_minor""",
    ),
    "regained": (
        "Lab {0}: in {1}, the platform regained {2} of what finance credited, which is {3}.",
        """SELECT t.public_id, r.currency, r.minor, COALESCE(c.minor, 0) FROM (
            SELECT e.tenant_id, p.currency, sum(p.amount) AS minor FROM payments_journalentry e
            JOIN payments_posting p ON p.entry_id = e.id
            JOIN payments_account a ON a.id = p.account_id AND a.kind IN ('expense', 'fee_income')
            WHERE e.kind = 'credit_regained' GROUP BY 1, 2) r
        JOIN core_tenant t ON t.id = r.tenant_id
        LEFT JOIN (SELECT tenant_id, currency, sum(gross_minor + fee_minor) AS minor FROM payments_creditnote
            WHERE decided_by_id IS NOT NULL GROUP BY 1, 2) c
            ON c.tenant_id = r.tenant_id AND c.currency = r.currency
        WHERE r.minor < 0 OR r.minor > COALESCE(c.minor, 0)""",
    ),
    "debt_beside_money": (
        "Lab {0} owes {2} in {1} and has {3} prepaid.",
        """SELECT t.public_id, o.currency, -ob.balance, pb.balance FROM payments_account o
        JOIN payments_accountbalance ob ON ob.account_id = o.id AND ob.balance < 0
        JOIN payments_account p ON p.kind = 'lab_prepaid' AND p.tenant_id = o.tenant_id AND p.currency = o.currency
        JOIN payments_accountbalance pb ON pb.account_id = p.id AND pb.balance > 0
        JOIN core_tenant t ON t.id = o.tenant_id WHERE o.kind = 'lab_receivable'""",
    ),
    "credit": (
        "{0} may owe {1}; the limit in force is {2}.",
        """SELECT a.key, b.credit_minor, COALESCE(l.limit_minor, 0) FROM payments_account a
        JOIN payments_accountbalance b ON b.account_id = a.id
        LEFT JOIN payments_creditlimit l ON l.tenant_id = a.tenant_id AND l.currency = a.currency AND l.status = 'active'
        WHERE a.kind = 'lab_receivable' AND b.credit_minor IS DISTINCT FROM COALESCE(l.limit_minor, 0)""",
    ),
}
