"""Who is owed what at a cutoff, and who of them can be paid: SQL, written once and asked in three ways.

*Frozen*: by the journal's first entries and the history of methods and tax papers, up to a watermark of each. That is
how a run is calculated, and how it is calculated again years later: the same question about the same rows.
*From scratch*: the same, but every amount summed from the legs themselves instead of the balance rows.
*Live*: by what stands now, for the check at the release and for what an expert is told.
"""

from __future__ import annotations

from typing import Final

from payments import ledger

_LATEST: Final = 2**63 - 1

# What was credited at or after the cutoff is left for the next run; what was taken away since counts at once. Both are
# said of one cause as a whole: a payout that failed and was sent again since, pay set aside and given back, or hours
# approved and corrected since moved nothing, or the difference. Nobody owes more than he stands below zero: an off-cycle run may have paid later credits already.
_OWED = """
    newer AS (
        SELECT p.account_id, sum(p.amount)::bigint AS amount
        FROM payments_journalentry e JOIN payments_posting p ON p.entry_id = e.id
        WHERE e.id > %(entries)s GROUP BY 1
    ), later AS (
        SELECT account_id, sum(amount)::bigint AS amount FROM (
            SELECT p.account_id, GREATEST(sum(p.amount), 0) AS amount
            FROM payments_journalentry e JOIN payments_posting p ON p.entry_id = e.id
            LEFT JOIN payments_journalentry undone ON undone.id = e.reverses_id
            WHERE e.effective_at >= %(cutoff)s AND e.id <= %(entries)s
            GROUP BY p.account_id, COALESCE(undone.source_id, e.source_id)
        ) causes GROUP BY 1
    ), owed AS (
        SELECT expert_id, account_id, CASE WHEN stands < later THEN LEAST(stands, 0) ELSE stands - later END AS amount
        FROM (
            SELECT a.expert_id, a.id AS account_id, b.balance - COALESCE(newer.amount, 0) AS stands,
                COALESCE(later.amount, 0) AS later
            FROM payments_account a
            JOIN payments_accountbalance b ON b.account_id = a.id
            LEFT JOIN newer ON newer.account_id = a.id
            LEFT JOIN later ON later.account_id = a.id
            WHERE a.kind = 'expert_payable' AND a.currency = %(currency)s AND a.detail = ''
                AND (%(expert)s::bigint IS NULL OR a.expert_id = %(expert)s::bigint)
        ) sums
    )"""

_OWED_FROM_SCRATCH = """
    owed AS (
        SELECT expert_id, account_id,
            CASE WHEN sum(until) < 0 THEN LEAST(sum(stands), 0) ELSE sum(until) END::bigint AS amount
        FROM (
            SELECT a.expert_id, a.id AS account_id, sum(p.amount) AS stands,
                COALESCE(sum(p.amount) FILTER (WHERE e.effective_at < %(cutoff)s), 0)
                    + LEAST(COALESCE(sum(p.amount) FILTER (WHERE e.effective_at >= %(cutoff)s), 0), 0) AS until
            FROM payments_account a
            JOIN payments_posting p ON p.account_id = a.id AND p.entry_id <= %(entries)s
            JOIN payments_journalentry e ON e.id = p.entry_id
            LEFT JOIN payments_journalentry undone ON undone.id = e.reverses_id
            WHERE a.kind = 'expert_payable' AND a.currency = %(currency)s AND a.detail = ''
            GROUP BY a.id, COALESCE(undone.source_id, e.source_id)
        ) causes GROUP BY expert_id, account_id
    )"""

_LIVE_FACTS = """
    methods AS (
        SELECT id, expert_id, status, usable_from, provider FROM payments_payoutmethod
        WHERE currency = %(currency)s AND status IN ('pending', 'active')
    ), taxes AS (
        SELECT expert_id, expires_at, withholding_bp FROM payments_taxprofile
    )"""

_FROZEN_FACTS = """
    methods AS (
        SELECT * FROM (
            SELECT DISTINCT ON (pgh_obj_id) pgh_obj_id AS id, expert_id, status, usable_from, provider, pgh_label
            FROM payments_payoutmethodhistoryrow
            WHERE currency = %(currency)s AND pgh_id <= %(methods)s ORDER BY pgh_obj_id, pgh_id DESC
        ) m WHERE status IN ('pending', 'active') AND pgh_label <> 'delete'
    ), taxes AS (
        SELECT * FROM (
            SELECT DISTINCT ON (pgh_obj_id) expert_id, expires_at, withholding_bp, pgh_label
            FROM payments_taxprofilehistoryrow WHERE pgh_id <= %(taxes)s ORDER BY pgh_obj_id, pgh_id DESC
        ) t WHERE pgh_label <> 'delete'
    )"""

# The smallest payout is what a transfer is worth making for, so what counts is what would be sent, after tax. Runs that
# were calculated by the gross say so in their inputs, and are calculated again by the gross.
_JUDGED = """
    judged AS (
        SELECT owed.expert_id, owed.account_id, owed.amount, m.id AS method_id, m.provider, tax.withheld,
            CASE
                WHEN owed.amount < 0 THEN 'below_zero'
                WHEN owed.expert_id = ANY(%(blocked)s::bigint[]) THEN 'blocked'
                WHEN m.id IS NULL THEN 'no_payout_method'
                WHEN m.status <> 'active' THEN 'method_not_verified'
                WHEN m.usable_from > %(now)s THEN 'method_on_hold'
                WHEN t.expert_id IS NULL THEN 'no_tax_profile'
                WHEN t.expires_at <= %(now)s THEN 'tax_profile_expired'
                WHEN owed.amount - CASE WHEN %(minimum_is_net)s THEN tax.withheld ELSE 0 END < %(minimum)s
                    THEN 'below_minimum'
            END AS reason
        FROM owed LEFT JOIN methods m ON m.expert_id = owed.expert_id
        LEFT JOIN taxes t ON t.expert_id = owed.expert_id
        CROSS JOIN LATERAL (
            SELECT round(GREATEST(owed.amount, 0)::numeric * COALESCE(t.withholding_bp, 0) / 10000)::bigint AS withheld
        ) tax
        WHERE owed.amount <> 0
    )"""

FROZEN: Final = f"WITH {_OWED}, {_FROZEN_FACTS}, {_JUDGED}"
FROM_SCRATCH: Final = f"WITH {_OWED_FROM_SCRATCH}, {_FROZEN_FACTS}, {_JUDGED}"
LIVE: Final = f"WITH {_OWED}, {_LIVE_FACTS}, {_JUDGED}"
"""Each defines ``judged (expert_id, account_id, amount, method_id, provider, withheld, reason)``."""

LATEST: Final = {"entries": _LATEST, "methods": _LATEST, "taxes": _LATEST}

_WATERMARKS = """
    SELECT COALESCE((SELECT max(id) FROM payments_journalentry), 0),
        COALESCE((SELECT max(pgh_id) FROM payments_payoutmethodhistoryrow), 0),
        COALESCE((SELECT max(pgh_id) FROM payments_taxprofilehistoryrow), 0)
"""


def watermarks() -> dict[str, int]:
    """The last row of each fact of pay, such that no transaction still open can add one before it. Raises LedgerBusy."""
    return dict(zip(("entries", "methods", "taxes"), ledger.when_nobody_writes(_WATERMARKS), strict=True))
