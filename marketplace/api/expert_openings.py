"""`/expert/openings`: the board, with pay and why-matched or why-not."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypedDict

from django.db.models import Q, QuerySet
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, RateOut, Timestamp, render_rate
from core.api.views import ExpertView
from core.money import Money
from experts.public import Expert, ExpertFacts
from marketplace import eligibility, explanations, matching, rates, rivals
from marketplace.api.candidates import ScoreReasonOut
from marketplace.api.openings import OpeningId
from marketplace.api.terms import TermsOut, render_terms
from marketplace.eligibility import RequirementOut
from marketplace.models import OpeningListing


class WhyNotOut(TypedDict):
    """One requirement that is not met."""

    code: Annotated[str, Example("licence_expired")]
    needed: Annotated[str, Example("medical (US)")]
    has: Annotated[str, Example("2026-01-31")]
    text: Annotated[str, Doc("The same in words.")]


class FitOut(TypedDict):
    """How well the opening fits you."""

    eligible: bool
    score: Annotated[int | None, Doc("1 to 1,000,000; null while not eligible."), Example(701800)]
    why: Annotated[list[ScoreReasonOut], Doc("What the score is made of.")]
    why_not: Annotated[list[WhyNotOut], Doc("Every requirement that is not met.")]


class BoardOpeningOut(TypedDict):
    """An opening on the board."""

    id: OpeningId
    title: Annotated[str, Example("Cardiologist for rubrics")]
    description: str
    lab: Annotated[str, Doc("The lab, or the alias it hides behind."), Example("A lab in Zurich")]
    project: Annotated[str, Example("Heart")]
    tier: Annotated[str, Example("expert")]
    requirement: RequirementOut
    pay: Annotated[RateOut, Doc("What you would be paid where you live.")]
    terms: TermsOut
    ai_assistance: Annotated[str, Doc("forbidden, disclosed or allowed."), Example("disclosed")]
    fit: FitOut
    opened_at: Timestamp


class BoardFilters(serializers.Serializer[None]):
    """Which openings."""

    domain = StrictCharField(required=False, max_length=80)
    tier = serializers.ChoiceField(choices=Expert.Tier.choices, required=False)
    search = StrictCharField(required=False, max_length=100)


class Reader:
    """Renders listings for one expert: his facts are read once for the whole page."""

    def __init__(self, call: Call) -> None:
        self.now: dt.datetime = call.now
        self.facts: ExpertFacts = ExpertFacts.objects.visible_to(call.principal).get()
        self.walled = rivals.walled_tenants(expert_id=self.facts.expert_id, now=call.now)

    def render(self, listing: OpeningListing) -> BoardOpeningOut:
        """One listing."""
        pay = Money(listing.rates[rates.band_of(self.facts.country)], listing.currency)
        document = {name: value for name, value in listing.requirement.items() if name != "rate_ceiling_minor"}
        requirement: RequirementOut = document  # type: ignore[assignment]  # stored as render_requirement made it
        return {
            "id": listing.opening_public_id,
            "title": listing.title,
            "description": listing.description,
            "lab": listing.lab_alias,
            "project": listing.project_alias,
            "tier": listing.tier,
            "requirement": requirement,
            "pay": render_rate(pay),
            "terms": render_terms(listing.terms, rate=pay, now=self.now),
            "ai_assistance": listing.terms["ai_assistance"],
            "fit": self.fit(listing, pay),
            "opened_at": listing.opened_at,
        }

    def fit(self, listing: OpeningListing, pay: Money) -> FitOut:
        """Why matched, or why not."""
        requirement = eligibility.requirement_of(
            listing.requirement,
            tier=listing.tier,
            tenant_id=listing.tenant_id,
            rate_ceiling_minor=listing.requirement["rate_ceiling_minor"],
        )
        candidate = eligibility.candidate_of(
            self.facts,
            domain=listing.domain,
            rate_minor=pay.minor,
            tenant_id=listing.tenant_id,
            walled_tenants=self.walled,
            now=self.now,
        )
        failures = matching.explain_failures(requirement, candidate, on=self.now.astimezone(dt.UTC).date())
        score = matching.score(requirement, candidate)
        return {
            "eligible": not failures,
            "score": None if failures else score.total,
            "why": [
                {"component": name, "points": points, "out_of": matching.COMPONENT_CEILINGS[name]}
                for name, points in score.components.items()
            ],
            "why_not": [
                {
                    "code": failure.code.value,
                    "needed": failure.needed,
                    "has": failure.has,
                    "text": explanations.in_words(failure, currency=listing.currency),
                }
                for failure in failures
            ],
        }


def board(call: Call) -> QuerySet[OpeningListing]:
    """What hangs on the board for the caller."""
    return OpeningListing.objects.visible_to(call.principal)


class BoardList(ExpertView):
    """The board."""

    @endpoint(
        summary="Browse openings",
        query=BoardFilters,
        returns=BoardOpeningOut,
        paginated=True,
        tag="openings",
    )
    def get(self, call: Call) -> Listed:
        """Every open opening, newest first, with what it pays you and whether it fits you."""
        rows = board(call)
        if domain := call.query.get("domain"):
            rows = rows.filter(Q(domain=domain) | Q(domain__startswith=f"{domain}."))
        if tier := call.query.get("tier"):
            rows = rows.filter(tier=tier)
        if search := call.query.get("search"):
            rows = rows.filter(Q(title__icontains=search) | Q(description__icontains=search))
        return Listed(rows, Reader(call).render)


class BoardDetail(ExpertView):
    """One opening on the board."""

    @endpoint(summary="Show an opening on the board", returns=BoardOpeningOut, tag="openings")
    def get(self, call: Call, opening_id: str) -> BoardOpeningOut:
        """With what it pays you and whether it fits you."""
        return Reader(call).render(get_or_404(board(call), opening_id, field="opening_public_id"))
