"""The wall in people: which labs an expert may not work for now, because of what he has seen of their rivals."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from core import scope
from marketplace.models import Exposure

# An edge counts while it is in force; an exposure counts while it lasts and for the edge's cooling-off after it.
WALLED = """
    SELECT CASE WHEN exposure.tenant_seen_id = edge.tenant_low_id THEN edge.tenant_high_id ELSE edge.tenant_low_id END
    FROM marketplace_exposure AS exposure
    JOIN marketplace_conflictedge AS edge
        ON exposure.tenant_seen_id IN (edge.tenant_low_id, edge.tenant_high_id)
        AND edge.starts_on <= %(on)s AND (edge.ends_on IS NULL OR edge.ends_on >= %(on)s)
    WHERE exposure.expert_id = %(expert)s
        AND exposure.starts_at <= %(now)s
        AND (exposure.ends_at IS NULL OR exposure.ends_at + make_interval(days => edge.cooling_off_days) > %(now)s)
"""


def walled_tenants(*, expert_id: int, now: dt.datetime) -> frozenset[int]:
    """The tenants whose work must not be shown to the expert now."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(WALLED, {"expert": expert_id, "now": now, "on": now.astimezone(dt.UTC).date()})
        return frozenset(tenant for (tenant,) in cursor.fetchall())


def expose(*, expert_id: int, tenant_id: int, subject: str, now: dt.datetime) -> None:
    """Note that the expert sees the lab's work from now on."""
    with scope.as_platform():
        Exposure.objects.create(
            expert_id=expert_id,
            tenant_seen_id=tenant_id,
            source=Exposure.Source.CONTRACT,
            subject=subject,
            starts_at=now,
        )


def end_exposure(*, subject: str, now: dt.datetime) -> None:
    """Begin the cooling-off of what ``subject`` showed."""
    with scope.as_platform():
        Exposure.objects.filter(subject=subject, ends_at=None).update(ends_at=now)
