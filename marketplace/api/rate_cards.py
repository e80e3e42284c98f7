"""`/rate-cards`: what an hour costs."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CurrencyField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, RateOut, Timestamp, render_rate
from core.api.views import LabView
from core.money import Money
from experts.public import Expert
from marketplace.models import Rate, RateCard


class RateLineOut(TypedDict):
    """One line: pay for an hour of such work; null means any."""

    tier: Annotated[str, Example("expert")]
    domain: Annotated[str | None, Doc("Prices the whole branch."), Example("medicine")]
    work_type: Annotated[str | None, Example(None)]
    location_band: Annotated[str | None, Doc("high, upper_middle, lower_middle or low."), Example(None)]
    rate: RateOut
    valid_from: Timestamp
    valid_until: Timestamp | None


class RateCardOut(TypedDict):
    """One published version; it does not change."""

    id: Annotated[str, IdOf("rcd")]
    title: Annotated[str, Example("Cadre standard")]
    version: Annotated[int, Example(1)]
    own: Annotated[bool, Doc("Whether it was agreed with this lab, and so goes before the platform's.")]
    published_at: Timestamp
    rates: list[RateLineOut]


class RateFilters(serializers.Serializer[None]):
    """Which lines are shown."""

    currency = CurrencyField(required=False)
    tier = serializers.ChoiceField(choices=Expert.Tier.choices, required=False)


def cards_of(call: Call) -> QuerySet[RateCard]:
    """The cards the lab may see, with the lines asked for."""
    lines = Rate.objects.visible_to(call.principal).filter(**call.query).order_by("pk")
    return RateCard.objects.visible_to(call.principal).prefetch_related(Prefetch("rates", queryset=lines))


def render_card(card: RateCard) -> RateCardOut:
    """One card with its lines."""
    return {
        "id": card.public_id,
        "title": card.title,
        "version": card.version,
        "own": card.tenant_id is not None,
        "published_at": card.published_at,
        "rates": [_line(rate) for rate in card.rates.all() if rate.unit == Rate.Unit.HOUR],
    }


def _line(rate: Rate) -> RateLineOut:
    return {
        "tier": rate.tier,
        "domain": rate.domain or None,
        "work_type": rate.work_type or None,
        "location_band": rate.band or None,
        "rate": render_rate(Money(rate.amount_minor, rate.currency)),
        "valid_from": rate.valid.lower,
        "valid_until": rate.valid.upper,
    }


class RateCardList(LabView):
    """Cards."""

    @endpoint(
        summary="List rate cards",
        scope="rates:read",
        query=RateFilters,
        returns=RateCardOut,
        paginated=True,
        render=render_card,
    )
    def get(self, call: Call) -> QuerySet[RateCard]:
        """The platform's cards and those agreed with this lab. The newest of each kind is in force."""
        return cards_of(call)


class RateCardDetail(LabView):
    """One card."""

    @endpoint(summary="Show a rate card", scope="rates:read", query=RateFilters, returns=RateCardOut)
    def get(self, call: Call, card_id: str) -> RateCardOut:
        """With its lines."""
        return render_card(get_or_404(cards_of(call), card_id))
