"""`/expert/offers`, `/expert/invitations`: everything to know before signing, and the signature."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypedDict

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.limits import address_of
from core.api.lookup import get_or_404
from core.api.types import Day, Doc, Example, IdOf, Link, RateOut, Timestamp, render_rate
from core.api.views import ExpertView
from core.problems import InvalidTransition
from experts.public import LegalNameMissing, NameMismatch, Signature
from marketplace import ports, queries
from marketplace.api.contracts import ContractId
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId
from marketplace.api.terms import OfferDocumentOut, TermsOut, render_terms
from marketplace.models import Offer, OfferDocument
from marketplace.operations import acceptance, offers
from marketplace.operations.acceptance import OfferExpired, TypedName
from marketplace.operations.budgets import WeeklyBudgetExceeded
from marketplace.operations.constraints import NotEligible
from marketplace.operations.openings import NotHiring, OpeningFull
from marketplace.operations.permits import AgreementRequired
from marketplace.ports import InsufficientFunds

TERMS = (
    "weekly_cap_seconds",
    "daily_cap_seconds",
    "pay_policy",
    "approval_window_seconds",
    "holdback_bp",
    "holdback_days",
    "notice_days",
)


class PromisedPaydayOut(TypedDict):
    """A day on which you would be paid."""

    cutoff: Annotated[Timestamp, Doc("What is approved before it is paid on that day.")]
    pays_on: Annotated[Day, Doc("The day on which it is sent.")]
    arrives_by: Annotated[Day, Doc("When it is expected on accounts; what a bank takes is not ours to promise.")]


class FirstPaydayOut(TypedDict):
    """When hours that you work this week would be paid."""

    week: Annotated[str, Doc("This ISO week, where you live."), Example("2026-W47")]
    earliest: Annotated[PromisedPaydayOut, Doc("If the week is approved as soon as it is over.")]
    latest: Annotated[PromisedPaydayOut, Doc("If nobody does anything: it submits itself, and silence approves it.")]
    link: Annotated[Link, Doc("All paydays of this currency, a year ahead.")]


class MyOfferOut(TypedDict):
    """An offer with everything to know before signing."""

    id: Annotated[str, IdOf("off")]
    opening: OpeningId
    title: Annotated[str, Example("Cardiologist for rubrics")]
    description: str
    lab: Annotated[str, Doc("The lab, or the alias it hides behind."), Example("A lab in Zurich")]
    project: Annotated[str, Example("Heart")]
    status: Annotated[str, Doc("extended, accepted, declined, expired or withdrawn."), Example("extended")]
    rate: Annotated[RateOut, Doc("Frozen when you accept; a lower one would need your signature.")]
    terms: TermsOut
    first_payday: Annotated[FirstPaydayOut | None, Doc("Null once the offer was answered, or has expired.")]
    ai_assistance: Annotated[str, Doc("forbidden, disclosed or allowed."), Example("disclosed")]
    documents: Annotated[list[OfferDocumentOut], Doc("What you sign by accepting.")]
    milestones: Annotated[Link, Doc("Bonuses that the lab promises beforehand for this opening.")]
    message: Annotated[str, Doc("From the lab.")]
    extended_at: Timestamp
    expires_at: Timestamp
    decided_at: Timestamp | None
    contract: Annotated[ContractId | None, Doc("What accepting made.")]


class SignatureIn(serializers.Serializer[None]):
    """Your name under one text."""

    agreement_version = StrictCharField(max_length=40)
    typed_name = StrictCharField(max_length=200)


class OfferAcceptIn(serializers.Serializer[None]):
    """A signature for each document that you have not signed yet."""

    signatures = serializers.ListField(child=SignatureIn(), required=False, max_length=20)


class AcceptedOut(TypedDict):
    """The seat is yours."""

    id: ContractId
    status: Annotated[str, Doc("active, or onboarding until the instructions are acknowledged."), Example("active")]
    offer: Annotated[str, IdOf("off")]
    rate: RateOut
    signed_at: Timestamp
    activated_at: Timestamp | None
    instructions: Annotated[str, Doc("Where the project's instructions are read and acknowledged.")]


class MyOfferFilters(CreatedFilters):
    """Which offers."""

    status = serializers.ChoiceField(choices=Offer.Status.choices, required=False)


def my_offers(call: Call) -> QuerySet[Any]:
    """The caller's offers with what a row shows; ``lab_alias`` and the documents' ``is_signed`` are annotated."""
    signed = Signature.objects.visible_to(call.principal).filter(agreement_version=OuterRef("agreement_version"))
    documents = OfferDocument.objects.visible_to(call.principal).select_related("agreement_version")
    return (
        Offer.objects.visible_to(call.principal)
        .select_related("opening__project", "contract", "expert")
        .annotate(lab_alias=queries.lab_alias())
        .prefetch_related(Prefetch("documents", queryset=documents.annotate(is_signed=Exists(signed)).order_by("pk")))
    )


def render_my_offer(offer: Any, *, now: dt.datetime) -> MyOfferOut:
    """One offer, as the expert sees it."""
    contract = getattr(offer, "contract", None)
    return {
        "id": offer.public_id,
        "opening": offer.opening.public_id,
        "title": offer.opening.title,
        "description": offer.opening.description,
        "lab": offer.lab_alias,
        "project": offer.opening.project.alias,
        "status": offer.status,
        "rate": render_rate(offer.rate),
        "terms": render_terms({name: getattr(offer, name) for name in TERMS}, rate=offer.rate, now=now),
        "first_payday": _first_payday(offer, now=now),
        "ai_assistance": offer.opening.project.ai_assistance,
        "documents": [_document(document) for document in offer.documents.all()],
        "milestones": f"/api/v1/expert/milestones?opening={offer.opening.public_id}",
        "message": offer.message,
        "extended_at": offer.extended_at,
        "expires_at": offer.expires_at,
        "decided_at": offer.decided_at,
        "contract": contract.public_id if contract else None,
    }


def _first_payday(offer: Any, *, now: dt.datetime) -> FirstPaydayOut | None:
    if offer.status != Offer.Status.EXTENDED or offer.expires_at <= now:
        return None
    currency: str = offer.rate.currency
    found = ports.paydays.get().first_paydays(
        currency=currency,
        zone=offer.expert.zone,
        approval_window_seconds=offer.approval_window_seconds,
        now=now,
    )
    return {
        "week": found.week,
        "earliest": _payday(found.earliest),
        "latest": _payday(found.latest),
        "link": f"/api/v1/expert/pay-calendar?currency={currency}",
    }


def _payday(date: ports.PayDate) -> PromisedPaydayOut:
    return {"cutoff": date.cutoff, "pays_on": date.pays_on, "arrives_by": date.arrives_by}


def _document(document: Any) -> OfferDocumentOut:
    version = document.agreement_version
    return {
        "agreement_version": version.public_id,
        "title": version.title,
        "version": version.version,
        "sha256": version.sha256,
        "signed": document.is_signed,
        "link": f"/api/v1/expert/agreements/{version.public_id}",
    }


class MyOfferList(ExpertView):
    """Your offers."""

    @endpoint(summary="List my offers", query=MyOfferFilters, returns=MyOfferOut, paginated=True, tag="offers")
    def get(self, call: Call) -> Listed:
        """Newest first."""
        rows = narrowed(my_offers(call), call.query, status="status")
        return Listed(rows, lambda offer: render_my_offer(offer, now=call.now))


class InvitationList(ExpertView):
    """What waits for your answer."""

    @endpoint(summary="List my invitations", returns=MyOfferOut, paginated=True, tag="offers")
    def get(self, call: Call) -> Listed:
        """Offers that can be accepted now, newest first."""
        rows = my_offers(call).filter(status=Offer.Status.EXTENDED, expires_at__gt=call.now)
        return Listed(rows, lambda offer: render_my_offer(offer, now=call.now))


class MyOfferDetail(ExpertView):
    """One of them."""

    @endpoint(summary="Show my offer", returns=MyOfferOut, tag="offers")
    def get(self, call: Call, offer_id: str) -> MyOfferOut:
        """Rate, caps, paid activities, windows, first payday, holdback, notice, and every document with its link."""
        return render_my_offer(get_or_404(my_offers(call), offer_id), now=call.now)


class MyOfferAccept(ExpertView):
    """Yes."""

    @endpoint(
        summary="Accept an offer",
        body=OfferAcceptIn,
        returns=AcceptedOut,
        status=201,
        errors=[
            InvalidTransition,
            OfferExpired,
            NotHiring,
            OpeningFull,
            NotEligible,
            AgreementRequired,
            WeeklyBudgetExceeded,
            LegalNameMissing,
            NameMismatch,
            InsufficientFunds,
        ],
        example={"signatures": [{"agreement_version": "agv_01k9w3v6z8f2qr5t4h7xnm0ceg", "typed_name": "Ada Lovelace"}]},
        tag="offers",
        rate="money",
        idempotency="required",
    )
    def post(self, call: Call, offer_id: str) -> AcceptedOut:
        """Signs what you have not signed yet, freezes the rate and takes the seat: all of it, or nothing."""
        contract = acceptance.accept(
            offer=get_or_404(my_offers(call), offer_id),
            signatures=[TypedName(**given) for given in call.body.get("signatures", [])],
            ip=address_of(call.request),
            user_agent=call.request.headers.get("User-Agent", ""),
            now=call.now,
        )
        return {
            "id": contract.public_id,
            "status": contract.status,
            "offer": contract.offer.public_id,
            "rate": render_rate(contract.offer.rate),
            "signed_at": contract.signed_at,
            "activated_at": contract.activated_at,
            "instructions": f"/api/v1/expert/contracts/{contract.public_id}/instructions",
        }


class MyOfferDecline(ExpertView):
    """No."""

    @endpoint(summary="Decline an offer", returns=MyOfferOut, errors=[InvalidTransition], tag="offers")
    def post(self, call: Call, offer_id: str) -> MyOfferOut:
        """Nobody asks why."""
        offers.decline(offer=get_or_404(my_offers(call), offer_id), now=call.now)
        return render_my_offer(get_or_404(my_offers(call), offer_id), now=call.now)
