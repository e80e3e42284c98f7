"""What matching may know of experts, read in one statement each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from experts.models import (
    Availability,
    Expert,
    ExpertDomain,
    ExpertFacts,
    IdentityVerification,
    Restriction,
    SkillFacts,
)

NO_OFFERS = (Restriction.Kind.SUSPENDED, Restriction.Kind.NO_NEW_OFFERS)
NO_CLAIMS = (Restriction.Kind.SUSPENDED, Restriction.Kind.NO_NEW_CLAIMS)


def eligible_facts(*, expert_ids: Collection[int] | None = None) -> QuerySet[ExpertFacts]:
    """Everything matching may know, one row per expert; restricted experts included, so that why-not can tell."""
    facts: QuerySet[ExpertFacts] = ExpertFacts.objects.all()
    return facts if expert_ids is None else facts.filter(expert_id__in=expert_ids)


def skilled_in(*, domain: str, now: dt.datetime, tenant_id: int | None = None) -> QuerySet[SkillFacts]:
    """Who may be offered work in ``domain``: rows with level, years and quality there, ``facts`` joined.

    Filter and order it in SQL: ``skilled_in(...).filter(level__gte=3, facts__degree_rank__gte=4)``.
    """
    blocked = blocked_experts(now=now, tenant_id=tenant_id)
    rows: QuerySet[SkillFacts] = SkillFacts.objects.filter(domain_code=domain, facts__open_to_offers=True)
    return rows.exclude(expert_id__in=blocked).select_related("facts")


def blocked_experts(*, now: dt.datetime, tenant_id: int | None = None) -> QuerySet[Restriction, int]:
    """Keys of experts who may get no offers, from anybody or (with ``tenant_id``) from that lab."""
    reach = Q(tenant=None) if tenant_id is None else Q(tenant=None) | Q(tenant_id=tenant_id)
    return Restriction.objects.in_force(now=now).filter(reach, kind__in=NO_OFFERS).values_list("expert_id", flat=True)


def restrictions_for(*, expert_id: int, now: dt.datetime) -> QuerySet[Restriction]:
    """What the expert may not do now."""
    return Restriction.objects.in_force(now=now).filter(expert_id=expert_id)


def is_blocked(*, expert_id: int, now: dt.datetime, tenant_id: int | None = None, from_claims: bool = False) -> bool:
    """Whether the expert may get no offers (or, with ``from_claims``, no work) from anybody or from this lab."""
    reach = Q(tenant=None) if tenant_id is None else Q(tenant=None) | Q(tenant_id=tenant_id)
    kinds = NO_CLAIMS if from_claims else NO_OFFERS
    return restrictions_for(expert_id=expert_id, now=now).filter(reach, kind__in=kinds).exists()


def daily_limit(*, expert_id: int) -> int | None:
    """The most seconds a day the expert wants to work, for all labs together; None when he set no limit."""
    return Availability.objects.filter(expert=expert_id).values_list("daily_cap_seconds", flat=True).first()


def expert_for_user(user_id: int) -> Expert | None:
    """The expert profile of a user, or None."""
    return Expert.objects.filter(user_id=user_id).first()


@dataclass(frozen=True, slots=True)
class Skill:
    """What an expert said about one domain, and whether it is proven."""

    code: str
    name: str
    level: int
    years: int
    proven: bool


def skills_of(*, expert_id: int) -> list[Skill]:
    """The expert's own words, each with whether they count in full."""
    proven = set(SkillFacts.objects.filter(expert_id=expert_id, proven=True).values_list("domain_code", flat=True))
    rows = ExpertDomain.objects.filter(expert_id=expert_id).select_related("domain").order_by("domain__code")
    return [Skill(row.domain.code, row.domain.name, row.level, row.years, row.domain.code in proven) for row in rows]


def identity_state(*, expert_id: int) -> str:
    """The state of the newest identity check, or "none"."""
    rows = IdentityVerification.objects.filter(expert_id=expert_id).order_by("-pk")
    return rows.values_list("status", flat=True).first() or "none"
