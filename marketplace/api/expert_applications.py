"""`/expert/applications`: asking for a seat."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, Timestamp
from core.api.views import ExpertView
from core.problems import InvalidTransition
from experts.public import Expert
from marketplace.api.applications import ApplicationId, applications_of
from marketplace.api.expert_openings import board
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId
from marketplace.models import Application
from marketplace.operations import applications
from marketplace.operations.applications import AlreadyApplied
from marketplace.operations.constraints import NotEligible
from marketplace.operations.openings import NotHiring, OpeningFull


class MyApplicationOut(TypedDict):
    """Your application."""

    id: ApplicationId
    opening: OpeningId
    title: Annotated[str, Example("Cardiologist for rubrics")]
    status: Annotated[
        str, Doc("submitted, in_review, waitlisted, offered, rejected or withdrawn."), Example("submitted")
    ]
    note: str
    submitted_at: Timestamp
    decided_at: Annotated[Timestamp | None, Doc("A rejection has its reasons in /expert/decisions.")]


class MyApplicationIn(serializers.Serializer[None]):
    """Which opening, and why you."""

    opening = StrictCharField(max_length=40)
    note = StrictCharField(max_length=5000, required=False, allow_blank=True)


class MyApplicationFilters(CreatedFilters):
    """Which applications."""

    status = serializers.ChoiceField(choices=Application.Status.choices, required=False)


def render_mine(application: Application) -> MyApplicationOut:
    """One application, as the expert sees it."""
    return {
        "id": application.public_id,
        "opening": application.opening.public_id,
        "title": application.opening.title,
        "status": application.status,
        "note": application.note,
        "submitted_at": application.submitted_at,
        "decided_at": application.decided_at,
    }


class MyApplicationList(ExpertView):
    """Your applications."""

    @endpoint(
        summary="List my applications",
        query=MyApplicationFilters,
        returns=MyApplicationOut,
        paginated=True,
        render=render_mine,
        tag="applications",
    )
    def get(self, call: Call) -> QuerySet[Application]:
        """Newest first."""
        return narrowed(applications_of(call), call.query, status="status")

    @endpoint(
        summary="Apply for an opening",
        body=MyApplicationIn,
        returns=MyApplicationOut,
        status=201,
        errors=[AlreadyApplied, NotEligible, NotHiring, OpeningFull],
        example={"opening": "opn_01k9w3v6z8f2qr5t4h7xnm0ceg", "note": "Twelve years in interventional cardiology."},
        tag="applications",
    )
    def post(self, call: Call) -> MyApplicationOut:
        """The lab sees a pseudonym, never your name. Requirements that are not proven yet do not stop you here."""
        listing = get_or_404(board(call), call.body["opening"], field="opening_public_id")
        expert = Expert.objects.visible_to(call.principal).get()
        note = call.body.get("note", "")
        return render_mine(applications.submit(listing=listing, expert=expert, note=note, now=call.now))


class MyApplicationDetail(ExpertView):
    """One of them."""

    @endpoint(summary="Show my application", returns=MyApplicationOut, tag="applications")
    def get(self, call: Call, application_id: str) -> MyApplicationOut:
        """How far it is."""
        return render_mine(get_or_404(applications_of(call), application_id))


class MyApplicationWithdraw(ExpertView):
    """Take it back."""

    @endpoint(
        summary="Withdraw my application", returns=MyApplicationOut, errors=[InvalidTransition], tag="applications"
    )
    def post(self, call: Call, application_id: str) -> MyApplicationOut:
        """Before there is an offer or a rejection."""
        application = get_or_404(applications_of(call), application_id)
        return render_mine(applications.withdraw(application=application, now=call.now))
