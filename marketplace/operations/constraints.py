"""Hard constraints: checked when somebody applies, when an offer goes out, and again when it is accepted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from core import scope
from core.problems import Conflict
from experts.public import Expert, ExpertFacts, eligible_facts
from marketplace import eligibility, rivals
from marketplace.matching import Failure, Reason, explain_failures
from marketplace.models import LabMember, Opening


class NotEligible(Conflict):
    """The expert does not meet a hard requirement of the opening.

    `reasons` lists every one that fails, with what is asked and what there is. `conflict_wall` means that he has seen
    work of a competing lab and its cooling-off period is not over; which lab is never told. `own_lab` means that he acts
    for the lab himself.
    """

    code = "not_eligible"
    title = _("A requirement of the opening is not met")
    example_members: ClassVar[Mapping[str, Any]] = {
        "reasons": [{"code": "licence_expired", "needed": "medical (US)", "has": "2026-01-31"}]
    }


# An application may come before anything is verified; a wall and a restriction stop it at once.
STOPPING = frozenset({Reason.CONFLICT_WALL, Reason.RESTRICTED})


def facts_of(expert_id: int) -> ExpertFacts:
    """What matching may know of one expert."""
    return eligible_facts(expert_ids=[expert_id]).get()


def failures(*, opening: Opening, expert_id: int, rate_minor: int, now: dt.datetime) -> list[Failure]:
    """Every requirement of the opening that the expert fails now, at ``rate_minor`` an hour."""
    document = eligibility.render_requirement(opening.requirement)
    requirement = eligibility.requirement_of(
        document, tier=opening.tier, tenant_id=opening.tenant_id, rate_ceiling_minor=opening.rate_ceiling_minor
    )
    candidate = eligibility.candidate_of(
        facts_of(expert_id),
        domain=document["domain"],
        rate_minor=rate_minor,
        tenant_id=opening.tenant_id,
        walled_tenants=rivals.walled_tenants(expert_id=expert_id, now=now),
        now=now,
    )
    return explain_failures(requirement, candidate, on=now.astimezone(dt.UTC).date())


def require_eligible(*, opening: Opening, expert: Expert, rate_minor: int, now: dt.datetime) -> None:
    """Raise NotEligible unless the expert meets every hard requirement now."""
    require_outsider(opening=opening, expert=expert)
    _refuse(failures(opening=opening, expert_id=expert.pk, rate_minor=rate_minor, now=now))


def require_welcome(*, opening: Opening, expert: Expert, rate_minor: int, now: dt.datetime) -> None:
    """Raise NotEligible when a wall or a restriction stands between the expert and the lab."""
    require_outsider(opening=opening, expert=expert)
    found = failures(opening=opening, expert_id=expert.pk, rate_minor=rate_minor, now=now)
    _refuse([failure for failure in found if failure.code in STOPPING])


def require_outsider(*, opening: Opening, expert: Expert) -> None:
    """Nobody works for the lab he decides for; in a sandbox it is the other way round: only its own people play."""
    tenant = opening.tenant
    with scope.as_platform():  # a sandbox's people are its live side's, which a test key does not reach
        members = LabMember.objects.filter(tenant_id=tenant.live_id or tenant.pk)
        is_member = members.filter(user_id=expert.user_id).exists()
    if is_member != tenant.is_sandbox:
        raise NotEligible(reasons=[{"code": "own_lab", "needed": "", "has": ""}])


def _refuse(found: list[Failure]) -> None:
    if found:
        raise NotEligible(reasons=[render_failure(failure) for failure in found])


def render_failure(failure: Failure) -> dict[str, str]:
    """A failing requirement as it is told."""
    return {"code": str(failure.code), "needed": failure.needed, "has": failure.has}
