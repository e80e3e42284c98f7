"""Say which labs compete, and until when."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from core.public import Tenant
from marketplace.models import ConflictEdge


@transaction.atomic
def declare(
    *, one: Tenant, other: Tenant, starts_on: dt.date, cooling_off_days: int, ends_on: dt.date | None = None
) -> ConflictEdge:
    """Two labs compete from a day on. Sandboxes stand for their live sides: nothing in them is real."""
    low, high = sorted((one.live or one, other.live or other), key=lambda tenant: tenant.pk)
    return ConflictEdge.objects.create(
        tenant_low=low, tenant_high=high, starts_on=starts_on, ends_on=ends_on, cooling_off_days=cooling_off_days
    )


@transaction.atomic
def end(*, edge: ConflictEdge, on: dt.date | None) -> ConflictEdge:
    """They no longer compete after that day; None takes a former end back."""
    locked = ConflictEdge.objects.select_for_update(no_key=True, of=("self",)).get(pk=edge.pk)
    locked.ends_on = on
    locked.save(update_fields=["ends_on"])
    return locked
