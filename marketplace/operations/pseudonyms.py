"""Give experts the names under which a lab knows them, and reach into the lab once they have business there."""

from __future__ import annotations

from collections.abc import Collection

from core import scope
from core.public import TenantAccess
from experts.public import Expert
from marketplace.models import LabExpert


def know(*, tenant_id: int, expert_ids: Collection[int]) -> dict[int, LabExpert]:
    """The lab's pseudonyms of these experts, made where it has none, by expert key."""
    known = LabExpert.objects.filter(tenant_id=tenant_id, expert_id__in=expert_ids)
    missing = set(expert_ids) - set(known.values_list("expert_id", flat=True))
    if missing:
        fresh = [LabExpert(tenant_id=tenant_id, expert_id=expert_id) for expert_id in sorted(missing)]
        # Two rankings at once may both find one missing; the unique key decides, and both read what stands.
        LabExpert.objects.bulk_create(fresh, ignore_conflicts=True)
    return {row.expert_id: row for row in known.all()}


def admit(*, expert: Expert, tenant_id: int) -> LabExpert:
    """Let the expert reach the lab's rows that concern him, from now on and in this transaction."""
    TenantAccess.objects.get_or_create(user_id=expert.user_id, tenant_id=tenant_id)
    scope.extend(tenant_id)
    return know(tenant_id=tenant_id, expert_ids=[expert.pk])[expert.pk]
