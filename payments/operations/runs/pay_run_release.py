"""The money of a run on its way: payouts, their entries in the ledger and their statements, each in one statement.

Everything is made from the lines as they were signed. The run and the balances of everybody in it are locked.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db import connection

from core.ids import new_id
from payments import accounts, ledger, ledger_sets
from payments.models import PayRun
from payments.operations.runs import statements
from payments.set_based import over_everybody

INITIATED: Final = "payout_initiated"

_LOCK = """
    SELECT b.account_id FROM payments_payrunline l
    JOIN payments_account a ON a.kind = 'expert_payable' AND a.expert_id = l.expert_id
        AND a.currency = %(currency)s AND a.detail = ''
    JOIN payments_accountbalance b ON b.account_id = a.id
    WHERE l.run_id = %(run)s AND l.held_reason = ''
    ORDER BY b.account_id FOR NO KEY UPDATE OF b
"""

_LINES = "SELECT id FROM payments_payrunline WHERE run_id = %(run)s AND held_reason = '' ORDER BY expert_id"

_PAYOUTS = """
    INSERT INTO payments_payout (created_at, public_id, line_id, run_id, expert_id, payout_method_id, provider,
        amount_minor, withheld_minor, currency, status, initiations, reason_code, provider_reference, next_attempt_at)
    SELECT %(now)s, named.public_id, l.id, l.run_id, l.expert_id, l.payout_method_id, m.provider,
        l.amount_minor, l.withheld_minor, %(currency)s, 'ready', 1, '', '', %(now)s
    FROM unnest(%(lines)s::bigint[], %(ids)s::text[]) AS named (line_id, public_id)
    JOIN payments_payrunline l ON l.id = named.line_id
    JOIN payments_payoutmethod m ON m.id = l.payout_method_id
    ORDER BY l.expert_id
"""

_LEGS = """
    SELECT p.public_id AS source_id, leg.position, leg.account_id, leg.amount, p.currency
    FROM payments_payout p
    JOIN payments_account owed ON owed.kind = 'expert_payable' AND owed.expert_id = p.expert_id
        AND owed.currency = p.currency AND owed.detail = ''
    JOIN payments_account transit ON transit.kind = 'transit' AND transit.detail = p.provider
        AND transit.currency = p.currency
    LEFT JOIN payments_account tax ON tax.key = %(tax)s
    CROSS JOIN LATERAL (VALUES
        (1, owed.id, -p.amount_minor - p.withheld_minor), (2, transit.id, p.amount_minor), (3, tax.id, p.withheld_minor)
    ) AS leg (position, account_id, amount)
    WHERE p.run_id = %(run)s AND leg.amount <> 0
"""


def lock(run: PayRun) -> None:
    """Whoever may pay or take back the same money waits until the transaction ends; one order, all at once.

    The fence is passed first: a calculation that waits for a writer would hold this up, who holds the writer up.
    """
    ledger.pass_fence()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, {"run": run.pk, "currency": run.currency})


def initiate(run: PayRun, *, now: dt.datetime) -> int:
    """Write payouts, entries and statements of all lines that are not held; returns how many."""
    tax = accounts.tax_withheld(run.currency)
    providers = run.lines.filter(held_reason="").values_list("payout_method__provider", flat=True).distinct()
    ledger.lock(keys=[tax, *(accounts.transit(name, run.currency) for name in sorted(providers.order_by()))], now=now)
    values: dict[str, Any] = {"run": run.pk, "currency": run.currency, "now": now, "tax": tax.text}
    with over_everybody() as cursor:
        cursor.execute(_LINES, values)
        lines = [pk for (pk,) in cursor.fetchall()]
        cursor.execute(_PAYOUTS, {**values, "lines": lines, "ids": [new_id("pay") for _line in lines]})
    written = ledger_sets.post(kind=INITIATED, seq=1, legs=_LEGS, values=values, now=now)
    if written != len(lines):
        raise AssertionError(f"{run.public_id}: {len(lines)} payouts and {written} entries")
    statements.issue(run=run, entry_kind=INITIATED, now=now)
    return written
