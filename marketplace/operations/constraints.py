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
from marketplace.matching import HIDDEN_FROM_LABS, Failure, explain_failures
from marketplace.models import LabMember, Opening


class NotEligible(Conflict):
    """The expert does not meet a hard requirement of the opening.

    `reasons` lists every one that fails, with what is asked and what there is. A lab is told `unavailable` of a candidate
    who cannot be engaged for a reason that is none of its business, or does not want offers; which one is never told.
    The expert himself is told: `conflict_wall`, he has seen work of a competing lab and its cooling-off period is not
    over (never which lab); `restricted`, a decision keeps him from new offers; `own_lab`, he acts for the lab himself.
    """

    code = "not_eligible"
    title = _("A requirement of the opening is not met")
    example_members: ClassVar[Mapping[str, Any]] = {
        "reasons": [{"code": "licence_expired", "needed": "medical (US)", "has": "2026-01-31"}]
    }


# An application may come before anything is verified; a wall and a restriction stop it at once.
STOPPING = HIDDEN_FROM_LABS

UNAVAILABLE = {"code": "unavailable", "needed": "", "has": ""}


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
    """Raise NotEligible, in words for the expert, unless he meets every hard requirement now."""
    require_outsider(opening=opening, expert=expert)
    _refuse(failures(opening=opening, expert_id=expert.pk, rate_minor=rate_minor, now=now))


def require_candidate(*, opening: Opening, expert: Expert, rate_minor: int, now: dt.datetime, is_asking: bool) -> None:
    """Raise NotEligible, in words for the lab, unless the expert meets every hard requirement now.

    Whatever is not the lab's business reads alike: a wall would tell that a rival engaged him, a restriction what he
    is accused of, membership who he is. All of it is looked up in every case, so that an answer's time tells nothing
    either. ``is_asking`` is whether the expert asked for the seat, and so is open to it whatever he says of offers.
    """
    found = failures(opening=opening, expert_id=expert.pk, rate_minor=rate_minor, now=now)
    told = [render_failure(failure) for failure in found if failure.code not in HIDDEN_FROM_LABS]
    is_closed = not facts_of(expert.pk).open_to_offers and not is_asking
    if not _is_outsider(opening=opening, expert=expert) or is_closed or len(told) < len(found):
        told.append(UNAVAILABLE)
    if told:
        raise NotEligible(reasons=told)


def require_welcome(*, opening: Opening, expert: Expert, rate_minor: int, now: dt.datetime) -> None:
    """Raise NotEligible when a wall or a restriction stands between the expert and the lab."""
    require_outsider(opening=opening, expert=expert)
    found = failures(opening=opening, expert_id=expert.pk, rate_minor=rate_minor, now=now)
    _refuse([failure for failure in found if failure.code in STOPPING])


def require_outsider(*, opening: Opening, expert: Expert) -> None:
    """Raise NotEligible for somebody who decides for the lab."""
    if not _is_outsider(opening=opening, expert=expert):
        raise NotEligible(reasons=[{"code": "own_lab", "needed": "", "has": ""}])


def _is_outsider(*, opening: Opening, expert: Expert) -> bool:
    """Nobody works for the lab he decides for; in a sandbox it is the other way round: only its own people play."""
    tenant = opening.tenant
    with scope.as_platform():  # a sandbox's people are its live side's, which a test key does not reach
        members = LabMember.objects.filter(tenant_id=tenant.live_id or tenant.pk)
        is_member = members.filter(user_id=expert.user_id).exists()
    return is_member == tenant.is_sandbox


def _refuse(found: list[Failure]) -> None:
    if found:
        raise NotEligible(reasons=[render_failure(failure) for failure in found])


def render_failure(failure: Failure) -> dict[str, str]:
    """A failing requirement as it is told."""
    return {"code": str(failure.code), "needed": failure.needed, "has": failure.has}
