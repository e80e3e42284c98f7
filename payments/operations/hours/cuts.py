"""Cutting an entry in two where only a part of it counts."""

from __future__ import annotations

import datetime as dt

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from payments import allowance
from payments.models import TimeEntry


def cut(entry: TimeEntry, *, keep: int, now: dt.datetime) -> TimeEntry:
    """Shorten a stopped billable entry to its first ``keep`` seconds (fewer than it has); the rest is returned.

    The rest is an entry of its own, with the same terms and, for now, the same kind of time.
    """
    at = allowance.cut_at(entry.started_at, keep)
    rest = TimeEntry(
        tenant_id=entry.tenant_id,
        expert_id=entry.expert_id,
        contract_id=entry.contract_id,
        snapshot_id=entry.snapshot_id,
        timesheet_id=entry.timesheet_id,
        claim_id=entry.claim_id,
        activity=entry.activity,
        source=entry.source,
        status=entry.status,
        zone=entry.zone,
        local_day=entry.local_day,
        iso_week=entry.iso_week,
        reason=entry.reason,
        last_heartbeat_at=entry.last_heartbeat_at,
        period=DateTimeTZRange(at, entry.ended_at),
        seconds=entry.seconds - keep,
        created_at=now,
    )
    entry.period = DateTimeTZRange(entry.started_at, at)
    entry.seconds = keep
    entry.save(update_fields=["period", "seconds"])
    rest.save()
    return rest
