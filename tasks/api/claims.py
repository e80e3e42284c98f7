"""`/expert/claims`: get work, work on it, hand it in or give it back."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call, Reply
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Duration, Example, IdOf, Link, Timestamp, render_duration
from core.api.views import ExpertView
from marketplace.public import AgreementRequired, ContractNotActive, InstructionsRequired, NewWorkRefused, contracts_of
from tasks import claim_view
from tasks.api.files import FileOut, render_file
from tasks.api.names import ClaimId, ClaimStatus, SubmissionId, TaskId, TypeCode
from tasks.models import Claim, TaskReport
from tasks.operations import claims, work
from tasks.operations.claims import ClaimOver, EmptyQueue, LabOutOfFunds, TooManyClaims
from tasks.operations.reviews import AlreadyReviewed, NotUnderReview
from tasks.operations.work import SubmissionInvalid


class ClaimSummaryOut(TypedDict):
    """A piece of work in hand."""

    id: ClaimId
    contract: Annotated[str, IdOf("ctr")]
    project: Annotated[str, Doc("As the lab calls it towards experts."), Example("Heart and vessels")]
    task: TaskId
    type: TypeCode
    role: Annotated[
        str,
        Doc("attempt, second (try somebody's rubric), adjudication or review. Blind work looks alike for everybody."),
        Example("attempt"),
    ]
    status: ClaimStatus
    claimed_at: Timestamp
    lease_until: Annotated[Timestamp, Doc("Saved drafts and a running timer renew it.")]
    item_cap: Annotated[Duration | None, Doc("Billable time for this item; more is decided separately.")]
    content_warnings: Annotated[list[str], Doc("Giving it back costs nothing."), Example([])]


class ReworkOut(TypedDict):
    """What has to be revised, and why."""

    submission: SubmissionId
    body: AnyJson
    reason: Annotated[str, Example("rubric_not_atomic")]
    comment: Annotated[str, Example("Criterion c4 asks two things at once: please split it.")]


class ClaimOut(ClaimSummaryOut):
    """A piece of work with everything that is needed to do it."""

    payload: Annotated[AnyJson, Doc("What the lab sent, without what would tell which model is judged.")]
    files: list[FileOut]
    rubric: Annotated[AnyJson, Doc("The rubric to grade by, or null.")]
    material: Annotated[
        AnyJson, Doc("For review: the submission. For adjudication: the criteria in dispute with their verdicts.")
    ]
    rework: ReworkOut | None
    draft: Annotated[AnyJson, Doc("What was saved last, or null.")]
    schema: Annotated[
        Link, Doc("JSON Schemas of this kind of work."), Example("/api/v1/task-types/rubric_authoring/schema")
    ]


class ForecastOut(TypedDict):
    """What may come."""

    look_again_at: Timestamp
    held_by_others: Annotated[int, Doc("Pieces of work that others have in hand and may give back."), Example(2)]
    next_lease_ends_at: Timestamp | None
    before_you: Annotated[int, Doc("People who have been without work longer and are served first."), Example(1)]
    in_preparation: Annotated[int, Doc("Tasks not launched yet, or waiting for another part first."), Example(40)]


class EmptyQueueOut(TypedDict):
    """There is nothing for you right now."""

    claim: None
    forecast: ForecastOut


class ClaimIn(serializers.Serializer[None]):
    """Under which contract."""

    contract = PublicIdField("ctr")


class WorkIn(serializers.Serializer[None]):
    """The work: a submission, a trial's grades, or a review, by the claim's role."""

    submission = serializers.DictField(
        help_text='See the claim\'s schema. A review is {"outcome": "accept" | "request_rework" | "reject", "reason", "comment"}.'
    )


class ReportIn(serializers.Serializer[None]):
    """What is wrong with the task."""

    reason = serializers.ChoiceField(choices=TaskReport.Reason.choices)
    comment = StrictCharField(max_length=5000, required=False, allow_blank=True)


class ClaimFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Claim.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="contract__public_id")


def claims_of(call: Call) -> Any:
    """The expert's claims with what a row shows."""
    return Claim.objects.visible_to(call.principal).select_related("task", "contract", "contract__project")


def render_summary(claim: Claim) -> ClaimSummaryOut:
    """A claim; task, contract and project are joined."""
    return {
        "id": claim.public_id,
        "contract": claim.contract.public_id,
        "project": claim.contract.project.alias,
        "task": claim.task.public_id,
        "type": claim.task.type,
        "role": claim_view.shown_role(claim.role, claim.task.type),
        "status": claim.status,
        "claimed_at": claim.claimed_at,
        "lease_until": claim.lease_until,
        "item_cap": None if claim.aht_cap_seconds is None else render_duration(claim.aht_cap_seconds),
        "content_warnings": claim.task.payload.get("content_warnings", []),
    }


def render_claim(claim: Claim) -> ClaimOut:
    """A claim with its work."""
    shown = claim_view.of(claim)
    rework: Any = shown.rework
    return {
        **render_summary(claim),
        "payload": shown.payload,
        "files": [render_file(file, base="/api/v1/expert/files") for file in shown.files],
        "rubric": shown.rubric,
        "material": shown.material,
        "rework": rework,
        "draft": shown.draft,
        "schema": f"/api/v1/task-types/{claim.task.type}/schema",
    }


def render_forecast(empty: EmptyQueue) -> EmptyQueueOut:
    """The empty answer."""
    return {
        "claim": None,
        "forecast": {
            "look_again_at": empty.look_again_at,
            "held_by_others": empty.held_by_others,
            "next_lease_ends_at": empty.next_lease_ends_at,
            "before_you": empty.before_you,
            "in_preparation": empty.in_preparation,
        },
    }


class ClaimList(ExpertView):
    """The expert's claims."""

    @endpoint(
        summary="List my claims",
        query=ClaimFilters,
        returns=ClaimSummaryOut,
        paginated=True,
        render=render_summary,
    )
    def get(self, call: Call) -> Any:
        """Newest first. Rework that was asked for is here as an active claim."""
        return claims_of(call).filter(**call.query)

    @endpoint(
        summary="Get the next piece of work",
        body=ClaimIn,
        returns=ClaimOut,
        status=201,
        also={200: EmptyQueueOut},
        errors=[
            AgreementRequired,
            InstructionsRequired,
            ContractNotActive,
            NewWorkRefused,
            LabOutOfFunds,
            TooManyClaims,
        ],
        example={"contract": "ctr_01k9w3v6z8f2qr5t4h7xnm0ceg"},
    )
    def post(self, call: Call) -> Reply:
        """201 with the claim, or 200 with a forecast when nothing waits for you.

        Nobody chooses: others' unfinished business comes first, then what fits your field, then what is oldest. You
        never get a task that you had another part in.
        """
        contract = get_or_404(contracts_of(call.principal), call.body["contract"])
        taken = claims.take(contract=contract, by=call.principal, now=call.now)
        if isinstance(taken, EmptyQueue):
            return Reply(render_forecast(taken), 200)
        return Reply(render_claim(get_or_404(claims_of(call), taken.public_id)), 201)


class ClaimDetail(ExpertView):
    """One claim."""

    @endpoint(summary="Show one of my claims", returns=ClaimOut)
    def get(self, call: Call, claim_id: str) -> ClaimOut:
        """With payload, rubric, draft, and what rework asks for."""
        return render_claim(get_or_404(claims_of(call), claim_id))


class ClaimDraft(ExpertView):
    """Unfinished work."""

    @endpoint(
        summary="Save a draft",
        body=WorkIn,
        returns=ClaimSummaryOut,
        errors=[ClaimOver],
        example={"submission": {"criteria": []}},
    )
    def put(self, call: Call, claim_id: str) -> ClaimSummaryOut:
        """Any shape is kept; the lease runs anew."""
        claim = get_or_404(claims_of(call), claim_id)
        work.save_draft(claim=claim, body=call.body["submission"], now=call.now)
        return render_summary(get_or_404(claims_of(call), claim_id))


class ClaimSubmit(ExpertView):
    """Hand in."""

    @endpoint(
        summary="Submit the work of a claim",
        body=WorkIn,
        returns=ClaimOut,
        errors=[ClaimOver, SubmissionInvalid, NotUnderReview, AlreadyReviewed],
        example={
            "submission": {
                "criteria": [
                    {"id": "c1", "text": "Tells to keep taking aspirin until the surgeon decides.", "points": 7},
                    {"id": "c2", "text": "Gives a dose without being asked for one.", "points": -6},
                ]
            }
        },
    )
    def post(self, call: Call, claim_id: str) -> ClaimOut:
        """It is checked against the schema of its kind and against the task; then it never changes."""
        claim = get_or_404(claims_of(call), claim_id)
        work.submit(claim=claim, body=call.body["submission"], by=call.principal, now=call.now)
        return render_claim(get_or_404(claims_of(call), claim_id))


class ClaimRelease(ExpertView):
    """Give back."""

    @endpoint(summary="Give a claim back", returns=ClaimSummaryOut, errors=[ClaimOver])
    def post(self, call: Call, claim_id: str) -> ClaimSummaryOut:
        """Somebody else gets the task; time already logged stays yours."""
        claim = get_or_404(claims_of(call), claim_id)
        claims.release(claim=claim, by=call.principal, now=call.now)
        return render_summary(get_or_404(claims_of(call), claim_id))


class ClaimReport(ExpertView):
    """Something is wrong."""

    @endpoint(
        summary="Report a task and give it back",
        body=ReportIn,
        returns=ClaimSummaryOut,
        errors=[ClaimOver],
        example={"reason": "infeasible_prompt", "comment": "The second file is empty."},
    )
    def post(self, call: Call, claim_id: str) -> ClaimSummaryOut:
        """At no disadvantage to you; the lab is told what is wrong."""
        claim = get_or_404(claims_of(call), claim_id)
        work.report(
            claim=claim,
            reason_code=call.body["reason"],
            comment=call.body.get("comment", ""),
            by=call.principal,
            now=call.now,
        )
        return render_summary(get_or_404(claims_of(call), claim_id))
