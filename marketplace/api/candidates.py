"""`/openings/{id}/match`, `/candidates`, `/feasibility`, `/projects/{id}/quote`: who would fit, and at what cost."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet

from core.api.call import Accepted, Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import (
    Currency,
    Doc,
    Duration,
    Example,
    IdOf,
    MoneyOut,
    RateOut,
    Timestamp,
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import LabView
from core.money import Money
from marketplace import feasibility, quotes
from marketplace.api.openings import OpeningId, openings_of
from marketplace.api.projects import projects_of
from marketplace.api.terms import render_planned_rate
from marketplace.matching import COMPONENT_CEILINGS
from marketplace.models import Match
from marketplace.operations import matches
from marketplace.operations.rate_cards import RateMissing

CandidateId = Annotated[str, IdOf("pex")]


class ScoreReasonOut(TypedDict):
    """One part of a score."""

    component: Annotated[
        str, Doc("level, years, quality, cold_start, rate_slack, hours_slack or text."), Example("level")
    ]
    points: Annotated[int, Example(182400)]
    out_of: Annotated[int, Doc("The most this part can bring."), Example(228000)]


class CandidateOut(TypedDict):
    """An expert who fits, under the pseudonym by which this lab knows him."""

    candidate: CandidateId
    rank: Annotated[int, Example(1)]
    score: Annotated[int, Doc("1 to 1,000,000."), Example(701800)]
    margin: Annotated[int, Doc("The lead over the next one."), Example(12000)]
    reasons: list[ScoreReasonOut]
    rate: Annotated[RateOut, Doc("What he would be paid.")]
    matched_at: Timestamp


class NearMissOut(TypedDict):
    """Experts who fail one requirement only."""

    requirement: Annotated[str, Example("rate_above_ceiling")]
    experts: Annotated[int, Example(14)]


class RelaxationOut(TypedDict):
    """What relaxing one requirement would bring."""

    requirement: Annotated[str, Example("rate_ceiling")]
    value: Annotated[str, Doc("The value it would have."), Example("143.00 USD")]
    more: Annotated[int, Doc("How many more would be eligible."), Example(14)]


class FeasibilityOut(TypedDict):
    """Whether the seats can be filled, in numbers only."""

    seats_left: Annotated[int, Example(3)]
    eligible: Annotated[int, Example(9)]
    feasible: bool
    near_misses: list[NearMissOut]
    relaxations: list[RelaxationOut]


class OpeningQuoteOut(TypedDict):
    """Seats of one opening that are not taken yet."""

    opening: OpeningId
    title: str
    seats_left: int
    weekly_cap: Duration
    lowest_rate: Annotated[RateOut, Doc("In the lowest location band.")]
    highest_rate: Annotated[RateOut, Doc("In the highest location band; the sums count with it.")]
    planned_hourly_rate: Annotated[
        RateOut, Doc("What an hour at the highest rate is planned to pay, unpaid and capped activities counted in.")
    ]
    cost_per_hour: Annotated[MoneyOut, Doc("The highest rate with the fee.")]
    weekly: Annotated[MoneyOut, Doc("All seats at the weekly cap, with the fee.")]
    reserve: Annotated[MoneyOut, Doc("What accepting all seats would set aside: two such weeks.")]


class QuoteOut(TypedDict):
    """What a project costs at most."""

    currency: Currency
    fee_bp: Annotated[int, Example(3000)]
    openings: list[OpeningQuoteOut]
    weekly: MoneyOut
    reserve: MoneyOut
    available: Annotated[MoneyOut, Doc("The lab's free balance.")]
    shortfall: Annotated[MoneyOut, Doc("What has to be funded before every seat can be accepted.")]


def render_candidate(match: Match) -> CandidateOut:
    """One candidate."""
    return {
        "candidate": match.lab_expert.public_id,
        "rank": match.rank,
        "score": match.score,
        "margin": match.margin,
        "reasons": [
            {"component": name, "points": match.components.get(name, 0), "out_of": ceiling}
            for name, ceiling in COMPONENT_CEILINGS.items()
        ],
        "rate": render_rate(Money(match.rate_minor, match.opening.project.currency)),
        "matched_at": match.matched_at,
    }


class OpeningMatch(LabView):
    """Rank."""

    @endpoint(summary="Rank the experts for an opening", scope="openings:write", returns=Accepted)
    def post(self, call: Call, opening_id: str) -> Accepted:
        """Everybody eligible now, best first, as long work; `/candidates` shows the result. Nobody is told."""
        opening = get_or_404(openings_of(call), opening_id)
        return Accepted(matches.start(opening=opening, by=call.principal, now=call.now))


class CandidateList(LabView):
    """The last ranking."""

    @endpoint(
        summary="List an opening's candidates",
        scope="openings:read",
        returns=CandidateOut,
        paginated=True,
        render=render_candidate,
        order="rank",
    )
    def get(self, call: Call, opening_id: str) -> QuerySet[Match]:
        """As of the last `/match`, best first. Names, employers and countries stay on the other side of the wall."""
        opening = get_or_404(openings_of(call), opening_id)
        rows = Match.objects.visible_to(call.principal).filter(opening=opening)
        return rows.select_related("lab_expert", "opening__project")


class OpeningFeasibility(LabView):
    """Can it be filled?"""

    @endpoint(
        summary="Tell whether an opening can be filled",
        scope="openings:read",
        returns=FeasibilityOut,
        errors=[RateMissing],
    )
    def get(self, call: Call, opening_id: str) -> FeasibilityOut:
        """How many are eligible now, how many fail one requirement only, and what relaxing one would bring."""
        opening = get_or_404(openings_of(call), opening_id)
        found = feasibility.feasibility(opening, now=call.now)
        return {
            "seats_left": opening.seats_left,
            "eligible": found.eligible,
            "feasible": found.eligible >= opening.seats_left,
            "near_misses": [{"requirement": failure, "experts": count} for failure, count in found.near_misses.items()],
            "relaxations": [
                {"requirement": step.requirement, "value": step.value, "more": step.more} for step in found.relaxations
            ],
        }


class ProjectQuote(LabView):
    """What would it cost?"""

    @endpoint(summary="Quote a project", scope="projects:read", returns=QuoteOut, errors=[RateMissing])
    def get(self, call: Call, project_id: str) -> QuoteOut:
        """Every free seat at the card's highest rate and the weekly cap, with the fee, against the balance."""
        found = quotes.quote(project=get_or_404(projects_of(call), project_id), now=call.now)

        def money(minor: int) -> MoneyOut:
            return render_money(Money(minor, found.currency))

        return {
            "currency": found.currency,
            "fee_bp": found.fee_bp,
            "openings": [_render_line(line, found.currency) for line in found.openings],
            "weekly": money(found.weekly_minor),
            "reserve": money(found.reserve_minor),
            "available": money(found.available_minor),
            "shortfall": money(found.shortfall_minor),
        }


def _render_line(line: quotes.OpeningQuote, currency: str) -> OpeningQuoteOut:
    return {
        "opening": line.opening.public_id,
        "title": line.opening.title,
        "seats_left": line.opening.seats_left,
        "weekly_cap": render_duration(line.opening.weekly_cap_seconds),
        "lowest_rate": render_rate(Money(line.lowest_minor, currency)),
        "highest_rate": render_rate(Money(line.highest_minor, currency)),
        "planned_hourly_rate": render_planned_rate(
            Money(line.highest_minor, currency), line.opening.project.pay_policy, line.opening.weekly_cap_seconds
        ),
        "cost_per_hour": render_money(Money(line.cost_per_hour_minor, currency)),
        "weekly": render_money(Money(line.weekly_minor, currency)),
        "reserve": render_money(Money(line.reserve_minor, currency)),
    }
