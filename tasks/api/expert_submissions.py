"""`/expert/submissions`: what the expert handed in, and what was said about it."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import InstantField, PublicIdField
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, Timestamp
from core.api.views import ExpertView
from tasks import claim_view
from tasks.api.names import ClaimId, SubmissionId, SubmissionStatus, TaskId, TypeCode
from tasks.api.submissions import ReviewOut, render_review
from tasks.models import Submission


class OwnSubmissionOut(TypedDict):
    """A piece of finished work, with the comments of those who decided about it (never their names)."""

    id: SubmissionId
    claim: ClaimId
    task: TaskId
    type: TypeCode
    role: Annotated[str, Example("attempt")]
    revision: Annotated[int, Example(1)]
    status: SubmissionStatus
    body: AnyJson
    submitted_at: Timestamp
    decided_at: Timestamp | None
    reviews: Annotated[list[ReviewOut], Doc("Newest last.")]


class OwnSubmissionFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Submission.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="claim__contract__public_id")
    submitted_after = InstantField(required=False, source="submitted_at__gte")
    submitted_before = InstantField(required=False, source="submitted_at__lt")


def own(call: Call) -> Any:
    """The expert's submissions with what a row shows."""
    rows = Submission.objects.visible_to(call.principal).select_related("claim", "task").prefetch_related("reviews")
    return rows.defer("task__payload", "task__reference")


def render_own(work: Submission) -> OwnSubmissionOut:
    """One submission; claim and task are joined."""
    return {
        "id": work.public_id,
        "claim": work.claim.public_id,
        "task": work.task.public_id,
        "type": work.task.type,
        "role": claim_view.shown_role(work.role, work.task.type),
        "revision": work.revision,
        "status": work.status,
        "body": work.body,
        "submitted_at": work.submitted_at,
        "decided_at": work.decided_at,
        "reviews": [render_review(review) for review in sorted(work.reviews.all(), key=lambda row: row.pk)],
    }


class OwnSubmissionList(ExpertView):
    """What was handed in."""

    @endpoint(
        summary="List my submissions",
        query=OwnSubmissionFilters,
        returns=OwnSubmissionOut,
        paginated=True,
        render=render_own,
    )
    def get(self, call: Call) -> Any:
        """Newest first, with review comments."""
        return own(call).filter(**call.query)


class OwnSubmissionDetail(ExpertView):
    """One submission."""

    @endpoint(summary="Show one of my submissions", returns=OwnSubmissionOut)
    def get(self, call: Call, submission_id: str) -> OwnSubmissionOut:
        """To contest a rejection, `POST /expert/appeals` with its id as the subject."""
        return render_own(get_or_404(own(call), submission_id))
