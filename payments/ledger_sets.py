"""The ledger's writer for entries that a query describes: as many as there are rows, in one statement.

`payments.ledger.post` takes entries from Python; a pay run has tens of thousands of one kind, whose amounts are in
tables already. The same guards see them: entry and legs come from one statement, and an event is written once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from payments.set_based import over_everybody

_POST = """
    WITH legs AS MATERIALIZED ({legs}), written AS (
        INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)
        SELECT %(ledger_kind)s, source_id, %(ledger_seq)s, count(*), %(ledger_now)s, %(ledger_now)s
        FROM legs GROUP BY source_id ORDER BY source_id
        ON CONFLICT (source_id, kind, seq) DO NOTHING
        RETURNING id, source_id
    ), moved AS (
        INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
        SELECT written.id, legs.position, legs.account_id, legs.amount, legs.currency
        FROM legs JOIN written USING (source_id) ORDER BY written.id, legs.position
    )
    SELECT count(*) FROM written
"""


def post(*, kind: str, seq: int, legs: str, values: Mapping[str, Any], now: dt.datetime) -> int:
    """Write one entry per ``source_id`` of the query ``legs``; returns how many were new.

    The query gives ``(source_id, position, account_id, amount, currency)``, positions from 1 without a gap, no amount
    of zero. The accounts exist, and those with a limit are locked (`ledger.lock`).
    Raises IntegrityError as `ledger.post` does.
    """
    own: dict[str, Any] = {"ledger_kind": kind, "ledger_seq": seq, "ledger_now": now}
    with over_everybody() as cursor:
        cursor.execute(_POST.format(legs=legs), {**values, **own})
        return int(cursor.fetchone()[0])
