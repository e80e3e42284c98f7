"""`/expert/`, `/expert/availability`, `/expert/domains`."""

from __future__ import annotations

from typing import Annotated, TypedDict

import pghistory
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import (
    CountryField,
    DurationField,
    LanguageField,
    StrictCharField,
    StrictIntegerField,
    TimeZoneField,
)
from core.api.types import Doc, Duration, Example, IdOf, Link, Timestamp, render_duration
from core.api.views import ExpertView
from experts import queries
from experts.api.domains import DomainCode
from experts.api.me import me, user_of
from experts.models import Availability, Expert, Restriction
from experts.models.expert import DAY_SECONDS, WEEK_SECONDS
from experts.operations import profiles, tiers
from experts.operations.profiles import LegalNameLocked, SkillClaim, UnknownDomain


class SkillOut(TypedDict):
    """What the expert says about one domain, and what of it counts."""

    domain: DomainCode
    name: Annotated[str, Example("Cardiology")]
    level: Annotated[int, Doc("1 to 5, the expert's own word."), Example(4)]
    years: Annotated[int, Example(12)]
    proven: Annotated[bool, Doc("Whether a verified credential stands in this branch; else level 2 and 2 years count.")]


class TierOut(TypedDict):
    """The tier and why."""

    tier: Annotated[str, Example("expert")]
    source: Annotated[str, Doc("rule or admin."), Example("rule")]
    reason: str
    missing: Annotated[list[str], Doc("What the next tier asks for, by rule.")]


class RestrictionOut(TypedDict):
    """Something the expert may not do for a while."""

    id: Annotated[str, IdOf("res")]
    kind: Annotated[str, Example("no_new_offers")]
    reason: str
    starts_at: Timestamp
    ends_at: Timestamp | None
    decision: Annotated[str, IdOf("dec")]


class ToDoOut(TypedDict):
    """Something the profile lacks, and where to do it."""

    code: Annotated[str, Example("legal_name_missing")]
    text: str
    href: Link


class ExpertProfileOut(TypedDict):
    """The expert's own page."""

    id: Annotated[str, IdOf("exp")]
    email: Annotated[str, Example("ada@example.org")]
    legal_name: str
    headline: str
    country: Annotated[str | None, Example("DE")]
    zone: Annotated[str, Example("Europe/Berlin")]
    languages: Annotated[list[str], Example(["en", "de"])]
    years: int
    domains: list[SkillOut]
    tier: TierOut
    restrictions: list[RestrictionOut]
    identity: Annotated[str, Doc("State of the newest identity check, or none."), Example("verified")]
    to_do: list[ToDoOut]


class SkillIn(serializers.Serializer[None]):
    """One domain."""

    domain = StrictCharField(max_length=80, help_text="Code of the taxonomy.")
    level = StrictIntegerField(min_value=1, max_value=5)
    years = StrictIntegerField(min_value=0, max_value=80, required=False)


class ProfileIn(serializers.Serializer[None]):
    """What an expert may change about himself."""

    legal_name = StrictCharField(max_length=200, help_text="As in the passport; signatures are compared with it.")
    headline = StrictCharField(max_length=200, allow_blank=True)
    country = CountryField()
    zone = TimeZoneField(max_length=64)
    languages = serializers.ListField(child=LanguageField(), max_length=20)
    years = StrictIntegerField(min_value=0, max_value=80)
    domains = serializers.ListField(child=SkillIn(), max_length=30, help_text="Replaces all domains.")


def render_availability(availability: Availability) -> AvailabilityOut:
    """Durations outside, seconds inside."""
    cap = availability.daily_cap_seconds
    return {
        "weekly": render_duration(availability.weekly_seconds),
        "daily_cap": None if cap is None else render_duration(cap),
        "open_to_offers": availability.open_to_offers,
    }


def render_restriction(restriction: Restriction) -> RestrictionOut:
    """One restriction; ``decision`` is joined."""
    return {
        "id": restriction.public_id,
        "kind": restriction.kind,
        "reason": restriction.reason,
        "starts_at": restriction.starts_at,
        "ends_at": restriction.ends_at,
        "decision": restriction.decision.public_id,
    }


def render_profile(expert: Expert, call: Call) -> ExpertProfileOut:
    """Everything about the expert that he may see, with what is missing."""
    verdict = tiers.verdict_for(expert)
    restricted = queries.restrictions_for(expert_id=expert.pk, now=call.now).select_related("decision")
    return {
        "id": expert.public_id,
        "email": user_of(call).email,
        "legal_name": expert.legal_name,
        "headline": expert.headline,
        "country": expert.country or None,
        "zone": expert.zone,
        "languages": expert.languages,
        "years": expert.years,
        "domains": [
            {"domain": row.code, "name": row.name, "level": row.level, "years": row.years, "proven": row.proven}
            for row in queries.skills_of(expert_id=expert.pk)
        ],
        "tier": {
            "tier": expert.tier,
            "source": expert.tier_source,
            "reason": expert.tier_reason or tiers.reason_of(verdict),
            "missing": tiers.missing_of(verdict),
        },
        "restrictions": [render_restriction(row) for row in restricted],
        "identity": queries.identity_state(expert_id=expert.pk),
        "to_do": [{"code": gap.code, "text": str(gap.text), "href": gap.href} for gap in profiles.gaps(expert=expert)],
    }


class Profile(ExpertView):
    """The profile of whoever is signed in."""

    needs_profile = False

    @endpoint(summary="Show my profile", returns=ExpertProfileOut, operation_id="expert_profile_show", tag="expert")
    def get(self, call: Call) -> ExpertProfileOut:
        """The first request makes a signed-up person an expert; every other one only reads."""
        with pghistory.context(actor=call.principal.label):  # the one GET that may write: the edge gives it no history
            expert = profiles.become_expert(user=user_of(call), now=call.now)
        return render_profile(expert, call)

    @endpoint(
        summary="Change my profile",
        body=ProfileIn,
        returns=ExpertProfileOut,
        errors=[LegalNameLocked, UnknownDomain],
        example={
            "legal_name": "Ada Lovelace",
            "country": "DE",
            "zone": "Europe/Berlin",
            "languages": ["en", "de"],
            "domains": [{"domain": "medicine.cardiology", "level": 4, "years": 12}],
        },
        operation_id="expert_profile_change",
        tag="expert",
    )
    def patch(self, call: Call) -> ExpertProfileOut:
        """Only the members sent are changed; `domains` replaces them all. Makes a signed-up person an expert."""
        changes = dict(call.body)
        sent = changes.pop("domains", None)
        claims = None if sent is None else [SkillClaim(s["domain"], s["level"], s.get("years", 0)) for s in sent]
        expert = profiles.become_expert(user=user_of(call), now=call.now)
        edited = profiles.edit(expert=expert, changes=changes, claims=claims, now=call.now)
        return render_profile(edited, call)


class AvailabilityOut(TypedDict):
    """The hours an expert offers."""

    weekly: Duration
    daily_cap: Duration | None
    open_to_offers: bool


class AvailabilityIn(serializers.Serializer[None]):
    """The hours an expert offers."""

    weekly = DurationField(max_seconds=WEEK_SECONDS, source="weekly_seconds", help_text="Hours a week, PT20H.")
    daily_cap = DurationField(
        min_seconds=1,
        max_seconds=DAY_SECONDS,
        source="daily_cap_seconds",
        allow_null=True,
        help_text="PT3H30M or null.",
    )
    open_to_offers = serializers.BooleanField(help_text="Whether matching may propose the expert.")


class AvailabilityDetail(ExpertView):
    """Hours a week and a day."""

    @endpoint(summary="Show my availability", returns=AvailabilityOut, tag="expert")
    def get(self, call: Call) -> AvailabilityOut:
        """What matching assumes."""
        return render_availability(profiles.availability_of(expert=me(call)))

    @endpoint(
        summary="Change my availability",
        body=AvailabilityIn,
        returns=AvailabilityOut,
        example={"weekly": "PT20H", "daily_cap": "PT3H30M"},
        tag="expert",
    )
    def patch(self, call: Call) -> AvailabilityOut:
        """Contracts that stand keep their caps."""
        return render_availability(profiles.set_availability(expert=me(call), changes=call.body))
