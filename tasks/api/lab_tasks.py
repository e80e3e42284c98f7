"""`/tasks` and `/tasks/{id}`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import ExternalIdField, InstantField, PublicIdField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, ExternalId, Timestamp
from core.api.views import LabView
from core.problems import InvalidTransition
from tasks import task_types
from tasks.api.names import BatchId, ProjectId, SubmissionId, TaskId, TaskStatus, TypeCode
from tasks.models import Task
from tasks.operations import batches


class RaterAgreementOut(TypedDict):
    """What independent graders had in common; coefficients from five verdicts on."""

    raters: Annotated[int, Example(2)]
    verdicts: Annotated[int, Example(12)]
    raw: Annotated[float | None, Doc("Share of equal verdicts."), Example(0.917)]
    gwet_ac1: Annotated[float | None, Example(0.86)]
    krippendorff_alpha: Annotated[float | None, Example(0.74)]
    disputed: Annotated[list[str], Doc("Criteria on which they differ."), Example(["c4"])]


class TaskOut(TypedDict):
    """One item of work."""

    id: TaskId
    batch: BatchId
    project: ProjectId
    type: TypeCode
    schema_version: Annotated[int, Example(1)]
    external_id: ExternalId
    status: TaskStatus
    gold: Annotated[bool, Doc("Whether it carries an expected answer. Experts cannot tell."), Example(False)]
    review_side: Annotated[str, Doc("Whose decision it awaits: platform, lab, or empty."), Example("lab")]
    review_by: Annotated[Timestamp | None, Doc("Silence past this instant accepts.")]
    candidate: Annotated[SubmissionId | None, Doc("The submission that is under review, or final.")]
    rater_agreement: RaterAgreementOut | None
    created_at: Timestamp
    finished_at: Timestamp | None


class TaskDetailOut(TaskOut):
    """A task with what you sent."""

    payload: AnyJson
    reference: AnyJson
    reports: Annotated[int, Doc("How often an expert gave it back because something is wrong with it."), Example(0)]


class TaskFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Task.Status.choices, required=False)
    type = serializers.ChoiceField(choices=sorted(task_types.REGISTRY), required=False)
    batch = PublicIdField("bat", required=False, source="batch__public_id")
    project = PublicIdField("prj", required=False, source="project__public_id")
    external_id = ExternalIdField()
    gold = serializers.BooleanField(required=False, source="is_gold")
    review_side = serializers.ChoiceField(choices=["platform", "lab"], required=False)
    finished_since = InstantField(required=False, source="finished_at__gte")


def tasks_of(call: Call) -> Any:
    """The lab's tasks with what a row shows."""
    return Task.objects.visible_to(call.principal).select_related("batch", "project", "candidate")


LISTED = (
    "public_id",
    "batch__public_id",
    "project__public_id",
    "candidate__public_id",
    "type",
    "schema_version",
    "external_id",
    "status",
    "is_gold",
    "review_side",
    "review_by",
    "rater_agreement",
    "created_at",
    "finished_at",
)
"""What a row of the list shows: reading no more of the four tables halves the time of a page."""


def render_task(task: Task) -> TaskOut:
    """A task; batch, project and candidate are joined."""
    agreement: Any = task.rater_agreement
    return {
        "id": task.public_id,
        "batch": task.batch.public_id,
        "project": task.project.public_id,
        "type": task.type,
        "schema_version": task.schema_version,
        "external_id": task.external_id or None,
        "status": task.status,
        "gold": task.is_gold,
        "review_side": task.review_side,
        "review_by": task.review_by,
        "candidate": task.candidate.public_id if task.candidate else None,
        "rater_agreement": agreement,
        "created_at": task.created_at,
        "finished_at": task.finished_at,
    }


def render_detail(task: Task) -> TaskDetailOut:
    """With payload, reference and the number of reports."""
    return {
        **render_task(task),
        "payload": task.payload,
        "reference": task.reference,
        "reports": task.reports.count(),
    }


class TaskList(LabView):
    """The lab's tasks."""

    @endpoint(
        summary="List tasks", scope="tasks:read", query=TaskFilters, returns=TaskOut, paginated=True, render=render_task
    )
    def get(self, call: Call) -> Any:
        """Newest first; payloads are at the single task."""
        return tasks_of(call).filter(**call.query).only(*LISTED)


class TaskDetail(LabView):
    """One task."""

    @endpoint(summary="Show a task", scope="tasks:read", returns=TaskDetailOut)
    def get(self, call: Call, task_id: str) -> TaskDetailOut:
        """With its payload."""
        return render_detail(get_or_404(tasks_of(call), task_id))


class TaskCancel(LabView):
    """→ cancelled."""

    @endpoint(summary="Cancel a task", scope="tasks:write", returns=TaskDetailOut, errors=[InvalidTransition])
    def post(self, call: Call, task_id: str) -> TaskDetailOut:
        """Possible until its work is handed in for review. Whoever works on it is told, and his time stays."""
        task = get_or_404(tasks_of(call), task_id)
        batches.cancel_task(task=task, by=call.principal, now=call.now)
        return render_detail(get_or_404(tasks_of(call), task_id))
