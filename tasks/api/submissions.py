"""`/submissions` for labs: read, accept, ask for rework, reject."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import InstantField, PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, ExternalId, Timestamp
from core.api.views import LabView
from experts.public import OwnWork
from marketplace.public import DECIDER, deciding_member
from tasks.api.names import BatchId, RaterId, Reason, SubmissionId, SubmissionStatus, TaskId, TypeCode
from tasks.models import Review, Submission, Task
from tasks.operations import reviews
from tasks.operations.reviews import AlreadyReviewed, NotUnderReview


class ReviewOut(TypedDict):
    """One side's decision."""

    side: Annotated[str, Doc("platform or lab."), Example("lab")]
    outcome: Annotated[str, Doc("accept, request_rework or reject."), Example("accept")]
    reason: Reason
    comment: Annotated[str, Example("Criterion c4 asks two things at once.")]
    decided_at: Timestamp


class SubmissionOut(TypedDict):
    """Finished work. Its body never changes: a revision is another submission."""

    id: SubmissionId
    task: TaskId
    task_external_id: ExternalId
    batch: BatchId
    type: TypeCode
    expert: RaterId
    role: Annotated[str, Doc("attempt, second or adjudication."), Example("attempt")]
    revision: Annotated[int, Example(1)]
    status: SubmissionStatus
    is_final: Annotated[bool, Doc("Whether this is the result of its task."), Example(True)]
    body: AnyJson
    submitted_at: Timestamp
    decided_at: Timestamp | None
    reviews: list[ReviewOut]


class SubmissionFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Submission.Status.choices, required=False)
    is_final = serializers.BooleanField(required=False)
    role = serializers.ChoiceField(choices=["attempt", "second", "adjudication"], required=False)
    task = PublicIdField("tsk", required=False, source="task__public_id")
    batch = PublicIdField("bat", required=False, source="task__batch__public_id")
    project = PublicIdField("prj", required=False, source="task__project__public_id")
    submitted_after = InstantField(required=False, source="submitted_at__gte")
    submitted_before = InstantField(required=False, source="submitted_at__lt")


class SubmissionAcceptIn(serializers.Serializer[None]):
    """Who decides."""

    decided_by = StrictCharField(max_length=254, help_text=DECIDER)
    comment = StrictCharField(max_length=5000, required=False, allow_blank=True)


class RefuseIn(serializers.Serializer[None]):
    """Who decides, and why."""

    decided_by = StrictCharField(max_length=254, help_text=DECIDER)
    reason = serializers.ChoiceField(choices=Submission.Reason.choices)
    comment = StrictCharField(max_length=5000, help_text="The expert reads it.")


def submissions_of(call: Call) -> Any:
    """The lab's submissions with what a row shows: two queries however many rows."""
    rows = Submission.objects.visible_to(call.principal).select_related("task__batch", "claim__contract__lab_expert")
    return rows.prefetch_related("reviews").defer("task__payload", "task__reference")


def render_review(review: Review) -> ReviewOut:
    """A decision, without its decider's name."""
    return {
        "side": review.side,
        "outcome": review.outcome,
        "reason": review.reason_code,
        "comment": review.comment,
        "decided_at": review.decided_at,
    }


def render_submission(work: Submission) -> SubmissionOut:
    """Finished work, its author under his pseudonym."""
    return {
        "id": work.public_id,
        "task": work.task.public_id,
        "task_external_id": work.task.external_id or None,
        "batch": work.task.batch.public_id,
        "type": work.task.type,
        "expert": work.claim.contract.lab_expert.public_id,
        "role": work.role,
        "revision": work.revision,
        "status": work.status,
        "is_final": work.is_final,
        "body": work.body,
        "submitted_at": work.submitted_at,
        "decided_at": work.decided_at,
        "reviews": [render_review(review) for review in sorted(work.reviews.all(), key=lambda row: row.pk)],
    }


def decide(call: Call, submission_id: str, outcome: str) -> SubmissionOut:
    """Have one of the lab's members decide, and show what became of it."""
    work = get_or_404(submissions_of(call), submission_id)
    member = deciding_member(
        tenant_id=cast(int, call.principal.tenant_id), who=call.body["decided_by"], by=call.principal
    )
    reviews.decide(
        submission=work,
        outcome=outcome,
        side=Task.Side.LAB,
        decided_by=member,
        reason_code=call.body.get("reason", ""),
        comment=call.body.get("comment", ""),
        now=call.now,
    )
    return render_submission(get_or_404(submissions_of(call), submission_id))


REFUSALS = [NotUnderReview, AlreadyReviewed, OwnWork]
REFUSE_EXAMPLE = {
    "decided_by": "reviewer@lab.example",
    "reason": "rubric_not_atomic",
    "comment": "Criterion c4 asks two things at once: please split it.",
}


class SubmissionList(LabView):
    """The lab's submissions."""

    @endpoint(
        summary="List submissions",
        scope="submissions:read",
        query=SubmissionFilters,
        returns=SubmissionOut,
        paginated=True,
        render=render_submission,
    )
    def get(self, call: Call) -> Any:
        """Newest first; `is_final=true` gives the results alone."""
        return submissions_of(call).filter(**call.query)


class SubmissionDetail(LabView):
    """One submission."""

    @endpoint(summary="Show a submission", scope="submissions:read", returns=SubmissionOut)
    def get(self, call: Call, submission_id: str) -> SubmissionOut:
        """With the decisions about it."""
        return render_submission(get_or_404(submissions_of(call), submission_id))


class SubmissionAccept(LabView):
    """Accept."""

    @endpoint(
        summary="Accept a submission",
        scope="submissions:write",
        body=SubmissionAcceptIn,
        returns=SubmissionOut,
        errors=REFUSALS,
        example={"decided_by": "reviewer@lab.example"},
    )
    def post(self, call: Call, submission_id: str) -> SubmissionOut:
        """Where the project's review policy gives the lab the decision. Silence past the window accepts as well."""
        return decide(call, submission_id, Review.Outcome.ACCEPT)


class SubmissionRework(LabView):
    """Send back."""

    @endpoint(
        summary="Ask for rework",
        scope="submissions:write",
        body=RefuseIn,
        returns=SubmissionOut,
        errors=REFUSALS,
        example=REFUSE_EXAMPLE,
    )
    def post(self, call: Call, submission_id: str) -> SubmissionOut:
        """The same expert gets a new claim to revise it; the time he needs is paid by the project's pay policy."""
        return decide(call, submission_id, Review.Outcome.REQUEST_REWORK)


class SubmissionReject(LabView):
    """Reject."""

    @endpoint(
        summary="Reject a submission",
        scope="submissions:write",
        body=RefuseIn,
        returns=SubmissionOut,
        errors=REFUSALS,
        example=REFUSE_EXAMPLE,
    )
    def post(self, call: Call, submission_id: str) -> SubmissionOut:
        """The work is not delivered. The expert is told why and may appeal; his hours stay billable."""
        return decide(call, submission_id, Review.Outcome.REJECT)
