"""Say which labs compete, and until when."""

from __future__ import annotations

import datetime as dt

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from core.problems import InvalidTransition
from core.public import Tenant, User
from marketplace import rivals
from marketplace.models import ConflictEdge, Contract
from marketplace.operations import contracts

log = structlog.get_logger(__name__)


@transaction.atomic
def declare(
    *,
    one: Tenant,
    other: Tenant,
    starts_on: dt.date,
    cooling_off_days: int,
    ends_on: dt.date | None = None,
    declared_by: User | None = None,
) -> ConflictEdge:
    """Two labs compete from a day on. Sandboxes stand for their live sides: nothing in them is real.

    Contracts of experts who have seen the other side stand still once the edge is in force (`enforce`).
    """
    low, high = sorted((one.live or one, other.live or other), key=lambda tenant: tenant.pk)
    return ConflictEdge.objects.create(
        tenant_low=low,
        tenant_high=high,
        starts_on=starts_on,
        ends_on=ends_on,
        cooling_off_days=cooling_off_days,
        declared_by=declared_by,
    )


def enforce(*, now: dt.datetime) -> int:
    """Let every active contract stand still whose lab competes with one that its expert has seen; returns how many.

    Asked when an edge is declared and by the clock, since an edge may begin later. Running it again changes nothing.
    """
    today = now.astimezone(dt.UTC).date()
    edges = ConflictEdge.objects.filter(starts_on__lte=today).exclude(ends_on__lt=today).order_by("pk")
    stopped = 0
    for edge in edges.select_related("declared_by"):
        sides = (edge.tenant_low_id, edge.tenant_high_id)
        active = Contract.objects.filter(tenant__in=sides, status=Contract.Status.ACTIVE).order_by("pk")
        # Read before any of them stops: the pause of one side does not clear the other.
        walled = [row for row in active if row.tenant_id in rivals.walled_tenants(expert_id=row.expert_id, now=now)]
        stopped += sum(_stop(contract, edge, now=now) for contract in walled)
    return stopped


def _stop(contract: Contract, edge: ConflictEdge, *, now: dt.datetime) -> bool:
    try:
        contracts.pause_for_wall(contract=contract, decided_by=edge.declared_by, now=now)
    except InvalidTransition:  # it was paused or ended in the meantime
        return False
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # the wall stands before the other contracts all the same
        log.exception("wall_not_enforced", contract=contract.public_id)
        return False
    return True


@transaction.atomic
def end(*, edge: ConflictEdge, on: dt.date | None) -> ConflictEdge:
    """They no longer compete after that day; None takes a former end back."""
    locked = ConflictEdge.objects.select_for_update(no_key=True, of=("self",)).get(pk=edge.pk)
    locked.ends_on = on
    locked.save(update_fields=["ends_on"])
    return locked
