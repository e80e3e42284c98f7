"""What was held back of approved pay is released when its time is over."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import connection

from core import scope
from marketplace.public import Lab
from payments import ledger
from payments.accounts import AccountKey
from payments.ledger import NewEntry

BATCH: Final = 1000

# Holdbacks of hours that were approved long enough ago, were not reversed, and were not released yet.
_DUE = """
    SELECT e.source_id, e.seq, e.tenant_id, p.amount, a.currency, a.expert_id, a.detail
    FROM payments_posting p
    JOIN payments_account a ON a.id = p.account_id AND a.kind = 'expert_holdback'
    JOIN payments_journalentry e ON e.id = p.entry_id AND e.kind = 'time_approved'
    WHERE p.amount > 0 AND e.tenant_id = %s AND e.effective_at <= %s
        AND NOT EXISTS (SELECT 1 FROM payments_journalentry r WHERE r.reverses_id = e.id)
        AND NOT EXISTS (SELECT 1 FROM payments_journalentry d
            WHERE d.kind = 'holdback_released' AND d.source_id = e.source_id AND d.seq = e.seq)
    ORDER BY e.id LIMIT %s
"""


def release_due(*, now: dt.datetime) -> int:
    """Move holdbacks whose days are over to what experts are paid; returns how many."""
    released = 0
    with scope.as_platform():
        for lab in Lab.objects.filter(holdback_bp__gt=0).order_by("pk"):
            released += _release(lab.tenant_id, before=now - dt.timedelta(days=lab.holdback_days), now=now)
    return released


def _release(tenant_id: int, *, before: dt.datetime, now: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [tenant_id, before, BATCH])
        rows = cursor.fetchall()
    return len(ledger.post(entries=[_entry(*row, now=now) for row in rows], now=now))


def _entry(
    source_id: str,
    seq: int,
    tenant_id: int,
    minor: int,
    currency: str,
    expert_id: int,
    detail: str,
    *,
    now: dt.datetime,
) -> NewEntry:
    held = AccountKey("expert_holdback", currency, expert_id=expert_id, detail=detail)
    owed = AccountKey("expert_payable", currency, expert_id=expert_id, detail=detail)
    legs = [(held, -minor), (owed, minor)]
    return NewEntry("holdback_released", source_id, now, legs, seq=seq, tenant_id=tenant_id)
