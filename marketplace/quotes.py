"""What a project would cost: every seat of every opening at the card's rates, with the fee, and what it reserves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from marketplace import ports, rates
from marketplace.models import Lab, Opening, Project
from marketplace.operations import rate_cards


@dataclass(frozen=True, slots=True)
class OpeningQuote:
    """One opening in minor units; ``lowest`` and ``highest`` are pay per hour over the location bands."""

    opening: Opening
    lowest_minor: int
    highest_minor: int
    cost_per_hour_minor: int
    weekly_minor: int
    reserve_minor: int


@dataclass(frozen=True, slots=True)
class Quote:
    """All openings that are not closed, at their highest rates; ``shortfall_minor`` is what the balance lacks."""

    currency: str
    fee_bp: int
    openings: list[OpeningQuote]
    weekly_minor: int
    reserve_minor: int
    available_minor: int
    shortfall_minor: int


def quote(*, project: Project, now: dt.datetime) -> Quote:
    """Cost of the seats that are not taken yet. Raises RateMissing."""
    lab = Lab.objects.get(tenant_id=project.tenant_id)
    rows = Opening.objects.filter(project=project).exclude(status=Opening.Status.CLOSED)
    rows = rows.select_related("tenant", "project", "requirement__domain").order_by("pk")
    lines = [_opening(opening, fee_bp=lab.fee_bp, now=now) for opening in rows]
    balances = ports.funds.get().balances(tenant_id=project.tenant_id)
    available = sum(view.available_minor for view in balances if view.currency == project.currency)
    reserve = sum(line.reserve_minor for line in lines)
    return Quote(
        currency=project.currency,
        fee_bp=lab.fee_bp,
        openings=lines,
        weekly_minor=sum(line.weekly_minor for line in lines),
        reserve_minor=reserve,
        available_minor=available,
        shortfall_minor=max(reserve - available, 0),
    )


def _opening(opening: Opening, *, fee_bp: int, now: dt.datetime) -> OpeningQuote:
    by_band = rate_cards.rates_by_band(opening=opening, now=now).values()
    highest, cap = max(by_band), opening.weekly_cap_seconds
    two_weeks = rates.reservation_for(weekly_cap_seconds=cap, rate_minor=highest, fee_bp=fee_bp)
    return OpeningQuote(
        opening=opening,
        lowest_minor=min(by_band),
        highest_minor=highest,
        cost_per_hour_minor=rates.cost_per_hour(highest, fee_bp),
        weekly_minor=opening.seats_left * two_weeks // rates.RESERVED_WEEKS,
        reserve_minor=opening.seats_left * two_weeks,
    )
