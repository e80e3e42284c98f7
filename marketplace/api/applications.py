"""`/applications`: the lab's side."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Timestamp
from core.api.views import LabView
from core.problems import InvalidTransition
from experts.public import OwnWork, ReasonMissing
from marketplace.api.candidates import CandidateId
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId
from marketplace.api.projects import ProjectId
from marketplace.models import Application
from marketplace.operations import applications
from marketplace.queries import DECIDER, deciding_member

ApplicationId = Annotated[str, IdOf("app")]
REASONS = ("requirements_not_met", "stronger_candidates", "seats_filled", "incomplete", "other")


class ApplicationOut(TypedDict):
    """An expert asks for a seat."""

    id: ApplicationId
    opening: OpeningId
    project: ProjectId
    candidate: CandidateId
    status: Annotated[
        str, Doc("submitted, in_review, waitlisted, offered, rejected or withdrawn."), Example("submitted")
    ]
    note: Annotated[str, Doc("What the expert wrote.")]
    submitted_at: Timestamp
    decided_at: Timestamp | None


class ApplicationFilters(CreatedFilters):
    """Which applications."""

    status = serializers.ChoiceField(choices=Application.Status.choices, required=False)
    opening = StrictCharField(required=False, max_length=40)
    project = StrictCharField(required=False, max_length=40)


class RejectIn(serializers.Serializer[None]):
    """Why, and who says so."""

    decided_by = StrictCharField(max_length=254, help_text=DECIDER)
    reason_code = serializers.ChoiceField(choices=[(reason, reason) for reason in REASONS])
    explanation = StrictCharField(max_length=5000)


def applications_of(call: Call) -> QuerySet[Application]:
    """The applications of the caller with what a row shows."""
    rows = Application.objects.visible_to(call.principal)
    return rows.select_related("opening__project", "lab_expert")


def render_application(application: Application) -> ApplicationOut:
    """One application, as the lab sees it."""
    return {
        "id": application.public_id,
        "opening": application.opening.public_id,
        "project": application.opening.project.public_id,
        "candidate": application.lab_expert.public_id,
        "status": application.status,
        "note": application.note,
        "submitted_at": application.submitted_at,
        "decided_at": application.decided_at,
    }


class ApplicationList(LabView):
    """Applications to the lab's openings."""

    @endpoint(
        summary="List applications",
        scope="applications:read",
        query=ApplicationFilters,
        returns=ApplicationOut,
        paginated=True,
        render=render_application,
    )
    def get(self, call: Call) -> QuerySet[Application]:
        """Newest first. Applicants are pseudonyms."""
        return narrowed(
            applications_of(call),
            call.query,
            status="status",
            opening="opening__public_id",
            project="opening__project__public_id",
        )


class ApplicationDetail(LabView):
    """One application."""

    @endpoint(summary="Show an application", scope="applications:read", returns=ApplicationOut)
    def get(self, call: Call, application_id: str) -> ApplicationOut:
        """One application."""
        return render_application(get_or_404(applications_of(call), application_id))


class ApplicationReview(LabView):
    """Somebody looks at it."""

    @endpoint(
        summary="Take an application into review",
        scope="applications:write",
        returns=ApplicationOut,
        errors=[InvalidTransition],
    )
    def post(self, call: Call, application_id: str) -> ApplicationOut:
        """The expert sees that it is being looked at."""
        application = get_or_404(applications_of(call), application_id)
        return render_application(applications.start_review(application=application, now=call.now))


class ApplicationWaitlist(LabView):
    """Later, maybe."""

    @endpoint(
        summary="Waitlist an application",
        scope="applications:write",
        returns=ApplicationOut,
        errors=[InvalidTransition],
    )
    def post(self, call: Call, application_id: str) -> ApplicationOut:
        """The expert is told; an offer can follow when a seat comes free."""
        application = get_or_404(applications_of(call), application_id)
        return render_application(applications.waitlist(application=application, now=call.now))


class ApplicationReject(LabView):
    """No."""

    @endpoint(
        summary="Reject an application",
        scope="applications:write",
        body=RejectIn,
        returns=ApplicationOut,
        errors=[InvalidTransition, OwnWork, ReasonMissing],
        example={
            "decided_by": "reviewer@lab.example",
            "reason_code": "requirements_not_met",
            "explanation": "The opening asks for experience with paediatric cases.",
        },
    )
    def post(self, call: Call, application_id: str) -> ApplicationOut:
        """By a named person with a reason: it becomes a decision that the expert can contest."""
        application = get_or_404(applications_of(call), application_id)
        decided_by = deciding_member(tenant_id=application.tenant_id, who=call.body["decided_by"], by=call.principal)
        return render_application(
            applications.reject(
                application=application,
                decided_by=decided_by,
                reason_code=call.body["reason_code"],
                explanation=call.body["explanation"],
                now=call.now,
            )
        )
