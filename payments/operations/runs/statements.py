"""Statements are issued with the payouts they explain, in the same transaction."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db import connection

from core.ids import new_id
from payments.models import PayRun

_ISSUE: Final = """
    INSERT INTO payments_statement (created_at, public_id, number, payout_id, expert_id, currency, after_entry,
        upto_entry, opening_minor, closing_minor, issued_at)
    SELECT %(now)s, named.public_id, COALESCE(last.number, 0) + 1, p.id, p.expert_id, p.currency,
        COALESCE(last.upto_entry, 0), e.id, COALESCE(last.closing_minor, 0), b.balance, %(now)s
    FROM unnest(%(payouts)s::bigint[], %(ids)s::text[]) AS named (payout_id, public_id)
    JOIN payments_payout p ON p.id = named.payout_id
    JOIN payments_journalentry e ON e.source_id = p.public_id AND e.kind = %(kind)s AND e.seq = p.initiations
    JOIN payments_account a ON a.kind = 'expert_payable' AND a.expert_id = p.expert_id AND a.currency = p.currency
        AND a.detail = ''
    JOIN payments_accountbalance b ON b.account_id = a.id
    LEFT JOIN LATERAL (
        SELECT number, upto_entry, closing_minor FROM payments_statement s
        WHERE s.expert_id = p.expert_id AND s.currency = p.currency ORDER BY number DESC LIMIT 1
    ) last ON true
    ORDER BY p.id
"""


def issue(*, run: PayRun, entry_kind: str, now: dt.datetime) -> None:
    """Issue one statement per payout of a run, of all that moved since the expert's last one, up to its own entry.

    ``entry_kind`` names the journal entry that set a payout on its way. The experts' balances must be locked.
    """
    payouts = list(run.payouts.order_by("pk").values_list("pk", flat=True))
    values: dict[str, Any] = {
        "payouts": payouts,
        "ids": [new_id("stm") for _payout in payouts],
        "kind": entry_kind,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ISSUE, values)
