"""`/openings/{id}/offers`, `/offers`: the lab's side."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import DurationField, PublicIdField, StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import (
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
from core.problems import InvalidTransition
from marketplace import rates
from marketplace.api.applications import ApplicationId, applications_of
from marketplace.api.candidates import CandidateId
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId, openings_of
from marketplace.api.projects import ProjectId
from marketplace.api.terms import PaidActivityOut, PlannedRate, render_activities, render_planned_rate
from marketplace.models import LabExpert, Offer
from marketplace.operations import offers
from marketplace.operations.constraints import NotEligible
from marketplace.operations.offers import LONGEST, SHORTEST, STANDS_FOR, OfferStands
from marketplace.operations.openings import NotHiring, OpeningFull
from marketplace.operations.rate_cards import RateMissing

MOST_AT_ONCE = 200


class OfferOut(TypedDict):
    """A seat, put before an expert."""

    id: Annotated[str, IdOf("off")]
    opening: OpeningId
    project: ProjectId
    candidate: CandidateId
    application: ApplicationId | None
    status: Annotated[str, Doc("extended, accepted, declined, expired or withdrawn."), Example("extended")]
    rate: Annotated[RateOut, Doc("What the expert is paid.")]
    fee_bp: Annotated[int, Example(3000)]
    planned_hourly_rate: PlannedRate
    paid_activities: list[PaidActivityOut]
    cost_per_hour: Annotated[MoneyOut, Doc("The rate with the fee.")]
    reserve: Annotated[MoneyOut, Doc("What accepting it sets aside: two weeks at the cap, with the fee.")]
    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    message: str
    extended_at: Timestamp
    expires_at: Timestamp
    decided_at: Timestamp | None


class OffersOut(TypedDict):
    """What was offered, in the order of the request."""

    offers: list[OfferOut]


class OffersIn(serializers.Serializer[None]):
    """To whom, and for how long."""

    candidates = serializers.ListField(child=PublicIdField("pex"), required=False, max_length=MOST_AT_ONCE)
    applications = serializers.ListField(child=PublicIdField("app"), required=False, max_length=MOST_AT_ONCE)
    stands_for = DurationField(
        required=False,
        min_seconds=int(SHORTEST.total_seconds()),
        max_seconds=int(LONGEST.total_seconds()),
        help_text="P7D unless told otherwise.",
    )
    message = StrictCharField(max_length=5000, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Somebody has to be named."""
        if not attrs.get("candidates") and not attrs.get("applications"):
            raise serializers.ValidationError({"candidates": [_("Name candidates or applications.")]}, code="required")
        return attrs


class OfferFilters(CreatedFilters):
    """Which offers."""

    status = serializers.ChoiceField(choices=Offer.Status.choices, required=False)
    opening = StrictCharField(required=False, max_length=40)
    project = StrictCharField(required=False, max_length=40)


def offers_of(call: Call) -> QuerySet[Offer]:
    """The offers of the caller with what a row shows."""
    rows = Offer.objects.visible_to(call.principal)
    return rows.select_related("opening__project", "lab_expert", "application")


def render_offer(offer: Offer) -> OfferOut:
    """One offer, as the lab sees it."""
    daily = offer.daily_cap_seconds
    cost = rates.cost_per_hour(offer.rate_minor, offer.fee_bp)
    reserve = rates.reservation_for(
        weekly_cap_seconds=offer.weekly_cap_seconds, rate_minor=offer.rate_minor, fee_bp=offer.fee_bp
    )
    return {
        "id": offer.public_id,
        "opening": offer.opening.public_id,
        "project": offer.opening.project.public_id,
        "candidate": offer.lab_expert.public_id,
        "application": offer.application.public_id if offer.application else None,
        "status": offer.status,
        "rate": render_rate(offer.rate),
        "fee_bp": offer.fee_bp,
        "planned_hourly_rate": render_planned_rate(offer.rate, offer.pay_policy, offer.weekly_cap_seconds),
        "paid_activities": render_activities(offer.pay_policy),
        "cost_per_hour": render_money(Money(cost, offer.currency)),
        "reserve": render_money(Money(reserve, offer.currency)),
        "weekly_cap": render_duration(offer.weekly_cap_seconds),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "message": offer.message,
        "extended_at": offer.extended_at,
        "expires_at": offer.expires_at,
        "decided_at": offer.decided_at,
    }


class OpeningOffers(LabView):
    """Offers of one opening."""

    @endpoint(
        summary="List an opening's offers",
        scope="offers:read",
        query=OfferFilters,
        returns=OfferOut,
        paginated=True,
        render=render_offer,
    )
    def get(self, call: Call, opening_id: str) -> QuerySet[Offer]:
        """Newest first."""
        opening = get_or_404(openings_of(call), opening_id)
        return narrowed(offers_of(call).filter(opening=opening), call.query, status="status")

    @endpoint(
        summary="Extend offers",
        scope="offers:write",
        body=OffersIn,
        returns=OffersOut,
        status=201,
        errors=[NotHiring, OpeningFull, NotEligible, RateMissing, OfferStands, InvalidTransition],
        example={
            "candidates": ["pex_01k9w3v6z8f2qr5t4h7xnm0ceg"],
            "stands_for": "P7D",
            "message": "We liked your work.",
        },
    )
    def post(self, call: Call, opening_id: str) -> OffersOut:
        """To candidates and applicants, all or none, at the card's rate and the lab's terms as they are now.

        More offers than seats may be out: whoever accepts first has the seat.
        """
        opening = get_or_404(openings_of(call), opening_id)
        known = LabExpert.objects.visible_to(call.principal).select_related("expert")
        wanted = applications_of(call).filter(opening=opening).select_related("lab_expert__expert")
        made = offers.extend_all(
            opening=opening,
            candidates=[get_or_404(known, candidate) for candidate in call.body.get("candidates", [])],
            accepted=[get_or_404(wanted, application) for application in call.body.get("applications", [])],
            stands_for=dt.timedelta(seconds=call.body.get("stands_for", int(STANDS_FOR.total_seconds()))),
            message=call.body.get("message", ""),
            now=call.now,
        )
        return {"offers": [render_offer(offer) for offer in made]}


class OfferList(LabView):
    """The lab's offers."""

    @endpoint(
        summary="List offers",
        scope="offers:read",
        query=OfferFilters,
        returns=OfferOut,
        paginated=True,
        render=render_offer,
    )
    def get(self, call: Call) -> QuerySet[Offer]:
        """Newest first."""
        return narrowed(
            offers_of(call),
            call.query,
            status="status",
            opening="opening__public_id",
            project="opening__project__public_id",
        )


class OfferDetail(LabView):
    """One offer."""

    @endpoint(summary="Show an offer", scope="offers:read", returns=OfferOut)
    def get(self, call: Call, offer_id: str) -> OfferOut:
        """One offer of the lab."""
        return render_offer(get_or_404(offers_of(call), offer_id))


class OfferWithdraw(LabView):
    """Take it back."""

    @endpoint(summary="Withdraw an offer", scope="offers:write", returns=OfferOut, errors=[InvalidTransition])
    def post(self, call: Call, offer_id: str) -> OfferOut:
        """Before it is accepted; the expert is told."""
        return render_offer(offers.withdraw(offer=get_or_404(offers_of(call), offer_id), now=call.now))
