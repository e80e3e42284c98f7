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
    WHERE (exposure.expert_id = %(expert)s OR exposure.user_id = %(user)s)
        AND exposure.starts_at <= %(now)s
        AND (exposure.ends_at IS NULL OR exposure.ends_at + make_interval(days => edge.cooling_off_days) > %(now)s)
"""


def walled_tenants(*, expert_id: int | None, now: dt.datetime, user_id: int | None = None) -> frozenset[int]:
    """The tenants whose work must not be shown now to the expert, or to the member of staff (or to who is both)."""
    who = {"expert": expert_id, "user": user_id}
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(WALLED, {**who, "now": now, "on": now.astimezone(dt.UTC).date()})
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


def expose_reviewer(*, user_id: int, tenant_id: int, subject: str, now: dt.datetime) -> None:
    """Note that a member of staff has just seen the lab's work; one row for each lab, whose end moves on."""
    with scope.as_platform():
        Exposure.objects.update_or_create(
            user_id=user_id,
            tenant_seen_id=tenant_id,
            source=Exposure.Source.REVIEW,
            defaults={"subject": subject, "ends_at": now},
            create_defaults={"subject": subject, "starts_at": now, "ends_at": now},
        )


def end_exposure(*, subject: str, now: dt.datetime) -> None:
    """Begin the cooling-off of what ``subject`` showed."""
    with scope.as_platform():
        Exposure.objects.filter(subject=subject, ends_at=None).update(ends_at=now)
