"""What was held back of approved pay is released when the days that the contract names are over."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db.models import DateTimeField, DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Value

from core import scope
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import JournalEntry, TimeEntry

BATCH: Final = 1000
RELEASED: Final = "holdback_released"


def release_due(*, now: dt.datetime) -> int:
    """Move holdbacks whose days are over to what experts are paid; returns how many."""
    with scope.as_platform():
        due = _due(now)[:BATCH]
        return len(ledger.post(entries=[_entry(entry, now) for entry in due], now=now))


def _due(now: dt.datetime) -> QuerySet[TimeEntry]:
    days = ExpressionWrapper(F("snapshot__holdback_days") * Value(dt.timedelta(days=1)), output_field=DurationField())
    released = JournalEntry.objects.filter(kind=RELEASED, source_id=OuterRef("public_id"))
    return (
        TimeEntry.objects.settled()
        .filter(~Exists(released), holdback_minor__gt=0)
        .alias(release_at=ExpressionWrapper(F("approved_at") + days, output_field=DateTimeField()))
        .filter(release_at__lte=now)
        .select_related("tenant")
        .order_by("pk")
    )


def _entry(entry: TimeEntry, now: dt.datetime) -> NewEntry:
    minor, sandbox = entry.holdback_minor or 0, entry.tenant.is_sandbox
    legs = [
        (accounts.holdback(entry.expert_id, entry.currency, sandbox=sandbox), -minor),
        (accounts.payable(entry.expert_id, entry.currency, sandbox=sandbox), minor),
    ]
    return NewEntry(RELEASED, entry.public_id, now, legs, tenant_id=entry.tenant_id)
