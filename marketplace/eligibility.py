"""From stored rows to the law of matching: requirements as the API writes them, experts' facts as one view has them.

The requirement's JSON form is kept on the board too, so that a listing can be explained without reach into a tenant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from experts.public import ExpertFacts
from marketplace import matching
from marketplace.models import Requirement

STOPPED = frozenset({"suspended", "no_new_offers"})
HOUR = 3600
PPM_PER_MILLI = 1000


class LicenceOut(TypedDict):
    """A licence that is asked for."""

    kind: str
    jurisdiction: str | None


class CountriesOut(TypedDict):
    """Countries an expert must, or must not, live in; ``allow`` null means anywhere."""

    allow: list[str] | None
    block: list[str]


class RequirementOut(TypedDict):
    """What an opening asks of an expert."""

    domain: str
    min_level: int
    min_years: int
    degree: str
    licences: list[LicenceOut]
    languages: list[str]
    countries: CountriesOut
    qualifications: list[str]
    hours_week: int


def render_requirement(requirement: Requirement) -> RequirementOut:
    """The requirement as the API writes it and the board keeps it."""
    return {
        "domain": requirement.domain.code,
        "min_level": requirement.min_level,
        "min_years": requirement.min_years,
        "degree": requirement.degree,
        "licences": requirement.licences,
        "languages": requirement.languages,
        "countries": {"allow": requirement.countries_allowed, "block": requirement.countries_blocked},
        "qualifications": requirement.qualifications,
        "hours_week": requirement.hours_week,
    }


def requirement_of(
    document: Mapping[str, Any], *, tier: str, tenant_id: int, rate_ceiling_minor: int | None
) -> matching.Requirement:
    """The law's requirement from its JSON form."""
    allow = document["countries"]["allow"]
    return matching.Requirement(
        domain=document["domain"],
        tier=tier,
        min_level=document["min_level"],
        min_years=document["min_years"],
        degree=document["degree"],
        licences=tuple(matching.LicenceNeed(need["kind"], need["jurisdiction"]) for need in document["licences"]),
        languages=frozenset(document["languages"]),
        countries_allowed=None if allow is None else frozenset(allow),
        countries_blocked=frozenset(document["countries"]["block"]),
        qualifications=frozenset(document["qualifications"]),
        rate_ceiling_minor=rate_ceiling_minor,
        hours_week=document["hours_week"],
        lab=str(tenant_id),
    )


def candidate_of(
    facts: ExpertFacts,
    *,
    domain: str,
    rate_minor: int,
    tenant_id: int,
    walled_tenants: Collection[int],
    now: dt.datetime,
) -> matching.Candidate:
    """An expert as the law sees him for one lab's opening in one domain, at ``rate_minor`` an hour."""
    quality: Mapping[str, int] = facts.quality.get(domain, {})
    observations = quality.get("observations", 0)
    return matching.Candidate(
        id=facts.public_id,
        skills={code: matching.Skill(skill["level"], skill["years"]) for code, skill in facts.skills.items()},
        rate_minor=rate_minor,
        hours_week=facts.weekly_seconds // HOUR,
        country=facts.country,
        tier=facts.tier,
        degree=facts.degree,
        licences=tuple(
            matching.Licence(held["kind"], held["jurisdiction"], _day(held["expires_on"])) for held in facts.licences
        ),
        languages=frozenset(facts.languages),
        qualifications={code: _day(until) for code, until in facts.qualifications.items()},
        walled_labs=frozenset(str(walled) for walled in walled_tenants),
        restricted=any(_stops(restriction, tenant_id=tenant_id, now=now) for restriction in facts.restrictions),
        quality_milli=matching.shrunk_quality(quality.get("score_ppm", 0) // PPM_PER_MILLI, observations),
        n_obs=observations,
    )


def _day(text: str | None) -> dt.date | None:
    """The day in UTC of a date or an instant in JSON."""
    if text is None:
        return None
    if "T" not in text:
        return dt.date.fromisoformat(text)
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).date()


def _stops(restriction: Mapping[str, Any], *, tenant_id: int, now: dt.datetime) -> bool:
    """Whether a restriction keeps the expert from this lab's offers now."""
    if restriction["kind"] not in STOPPED or restriction["tenant_id"] not in {None, tenant_id}:
        return False
    starts, ends = restriction["starts_at"], restriction["ends_at"]
    return dt.datetime.fromisoformat(starts) <= now and (ends is None or now < dt.datetime.fromisoformat(ends))
