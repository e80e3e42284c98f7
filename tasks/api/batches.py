"""`/projects/{id}/batches` and `/batches/{id}`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Accepted, Call
from core.api.endpoint import BULK_BYTES, endpoint
from core.api.fields import (
    DurationField,
    ExternalIdField,
    MetadataField,
    StrictCharField,
    StrictIntegerField,
)
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Duration, Example, ExternalId, Metadata, Timestamp, render_duration
from core.api.views import LabView
from core.problems import InvalidTransition
from marketplace.public import Project
from tasks.api.names import BatchId, BatchStatus, ProjectId
from tasks.models import Batch
from tasks.models.batch import LONGEST_LEASE_SECONDS
from tasks.operations import batches, bulk_creation
from tasks.operations.batches import BatchEmpty, BatchExternalIdTaken, ProjectNotWorking
from tasks.operations.bulk_creation import BatchClosed
from tasks.queries import task_counts

SHORTEST_LEASE_SECONDS = 60
LONGEST_ITEM_SECONDS = 40 * 3600


class BatchOut(TypedDict):
    """Tasks that are launched, paused and watched together."""

    id: BatchId
    project: ProjectId
    name: Annotated[str, Example("Cardiology, first hundred")]
    status: BatchStatus
    overlap: Annotated[int, Doc("How many people do each task without seeing one another."), Example(2)]
    lease: Annotated[Duration, Doc("How long a claim lasts without a sign of life."), Example("PT4H")]
    item_cap: Annotated[Duration | None, Doc("Billable time per item, in work or handed in."), Example("PT45M")]
    review_floor_percent: Annotated[int, Doc("How many of a hundred finished tasks a person reviews."), Example(100)]
    external_id: ExternalId
    metadata: Metadata
    created_at: Timestamp
    launched_at: Timestamp | None
    finished_at: Timestamp | None


class BatchDetailOut(BatchOut):
    """A batch with what became of its tasks."""

    tasks: Annotated[
        dict[str, int], Doc("How many tasks are in which state."), Example({"in_work": 3, "completed": 97})
    ]


class BatchIn(serializers.Serializer[None]):
    """A new batch, in staging."""

    name = StrictCharField(max_length=200)
    overlap = StrictIntegerField(min_value=1, max_value=3, required=False, help_text="The project's unless given.")
    lease = DurationField(
        min_seconds=SHORTEST_LEASE_SECONDS,
        max_seconds=LONGEST_LEASE_SECONDS,
        required=False,
        source="lease_seconds",
        help_text="How long a claim lasts without a sign of life.",
    )
    item_cap = DurationField(
        min_seconds=60,
        max_seconds=LONGEST_ITEM_SECONDS,
        required=False,
        source="aht_cap_seconds",
        help_text="Billable time per item, in work or handed in; time beyond it is decided separately.",
    )
    review_floor_percent = StrictIntegerField(min_value=0, max_value=100, required=False)
    external_id = ExternalIdField()
    metadata = MetadataField()


class BatchFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Batch.Status.choices, required=False)
    external_id = ExternalIdField()


class TasksIn(serializers.Serializer[None]):
    """Tasks for a batch: this object, or NDJSON with one task per line."""

    tasks = serializers.ListField(
        child=serializers.JSONField(),
        min_length=1,
        max_length=bulk_creation.MOST_ITEMS,
        help_text='Each {"type", "payload", "external_id"?, "gold"? or "reference"?}; see GET /task-types/{type}/schema.',
    )
    skip_invalid_items = serializers.BooleanField(required=False, help_text="Store the valid items though others fail.")


class TasksQuery(serializers.Serializer[None]):
    """For NDJSON bodies, which have no place for it."""

    skip_invalid_items = serializers.BooleanField(required=False)


def batches_of(call: Call) -> Any:
    """The lab's batches with what a row shows."""
    return Batch.objects.visible_to(call.principal).select_related("project")


def render_batch(batch: Batch) -> BatchOut:
    """A batch; ``project`` is joined."""
    return {
        "id": batch.public_id,
        "project": batch.project.public_id,
        "name": batch.name,
        "status": batch.status,
        "overlap": batch.overlap,
        "lease": render_duration(batch.lease_seconds),
        "item_cap": None if batch.aht_cap_seconds is None else render_duration(batch.aht_cap_seconds),
        "review_floor_percent": batch.review_floor_percent,
        "external_id": batch.external_id or None,
        "metadata": batch.metadata,
        "created_at": batch.created_at,
        "launched_at": batch.launched_at,
        "finished_at": batch.finished_at,
    }


def render_detail(batch: Batch) -> BatchDetailOut:
    """A batch with its counts: one query more."""
    return {**render_batch(batch), "tasks": task_counts(batch=batch)}


class BatchList(LabView):
    """The batches of one project."""

    @endpoint(
        summary="List the batches of a project",
        scope="batches:read",
        query=BatchFilters,
        returns=BatchOut,
        paginated=True,
        render=render_batch,
    )
    def get(self, call: Call, project_id: str) -> Any:
        """Newest first."""
        project = get_or_404(Project.objects.visible_to(call.principal), project_id)
        return batches_of(call).filter(project=project, **call.query)

    @endpoint(
        summary="Make a batch",
        scope="batches:write",
        body=BatchIn,
        returns=BatchOut,
        status=201,
        errors=[BatchExternalIdTaken, ProjectNotWorking],
        example={"name": "Cardiology, first hundred", "overlap": 2, "lease": "PT4H", "external_id": "cardio-1"},
    )
    def post(self, call: Call, project_id: str) -> BatchOut:
        """It is in `staging` until it is launched: post its tasks first, then launch it."""
        project = get_or_404(Project.objects.visible_to(call.principal), project_id)
        return render_batch(batches.create(project=project, by=call.principal, now=call.now, **call.body))


class BatchDetail(LabView):
    """One batch."""

    @endpoint(summary="Show a batch", scope="batches:read", returns=BatchDetailOut)
    def get(self, call: Call, batch_id: str) -> BatchDetailOut:
        """With the number of its tasks in each state."""
        return render_detail(get_or_404(batches_of(call), batch_id))


class BatchLaunch(LabView):
    """staging → in_progress."""

    @endpoint(
        summary="Launch a batch",
        scope="batches:write",
        returns=BatchDetailOut,
        errors=[BatchEmpty, ProjectNotWorking, InvalidTransition],
    )
    def post(self, call: Call, batch_id: str) -> BatchDetailOut:
        """Its tasks are offered to the holders of contracts in the project."""
        batch = get_or_404(batches_of(call), batch_id)
        return render_detail(batches.launch(batch=batch, by=call.principal, now=call.now))


class BatchPause(LabView):
    """in_progress → paused."""

    @endpoint(summary="Pause a batch", scope="batches:write", returns=BatchDetailOut, errors=[InvalidTransition])
    def post(self, call: Call, batch_id: str) -> BatchDetailOut:
        """Nothing more is given out; claims in hand go on."""
        batch = get_or_404(batches_of(call), batch_id)
        return render_detail(batches.pause(batch=batch, by=call.principal, now=call.now))


class BatchResume(LabView):
    """paused → in_progress."""

    @endpoint(
        summary="Resume a batch",
        scope="batches:write",
        returns=BatchDetailOut,
        errors=[InvalidTransition, ProjectNotWorking],
    )
    def post(self, call: Call, batch_id: str) -> BatchDetailOut:
        """Its tasks are given out again."""
        batch = get_or_404(batches_of(call), batch_id)
        return render_detail(batches.resume(batch=batch, by=call.principal, now=call.now))


class BatchCancel(LabView):
    """→ cancelled."""

    @endpoint(summary="Cancel a batch", scope="batches:write", returns=BatchDetailOut, errors=[InvalidTransition])
    def post(self, call: Call, batch_id: str) -> BatchDetailOut:
        """What is not handed in is cancelled, and logged time stays; what is in review is still decided."""
        batch = get_or_404(batches_of(call), batch_id)
        return render_detail(batches.cancel(batch=batch, by=call.principal, now=call.now))


class BatchTasks(LabView):
    """Bulk creation."""

    @endpoint(
        summary="Add tasks to a batch",
        scope="tasks:write",
        body=TasksIn,
        query=TasksQuery,
        returns=Accepted,
        errors=[BatchClosed],
        idempotency="required",
        max_body=BULK_BYTES,
        ndjson="tasks",
        example={
            "tasks": [
                {
                    "type": "rubric_authoring",
                    "payload": {"prompt": "A patient of 54 asks whether to stop taking aspirin before surgery."},
                    "external_id": "q-1",
                }
            ]
        },
    )
    def post(self, call: Call, batch_id: str) -> Accepted:
        """Up to 10,000 items in up to 16 MB, as `{"tasks": […]}` or NDJSON; poll the operation for the outcome.

        Every item is judged by itself: `errors` name its index (a line's number less one) and a JSON pointer. Nothing
        is stored when an item is wrong, unless `skip_invalid_items` says that the valid ones may go in.
        """
        batch = get_or_404(batches_of(call), batch_id)
        skip = call.body.get("skip_invalid_items", False) or call.query.get("skip_invalid_items", False)
        items = call.body["tasks"]
        return Accepted(
            bulk_creation.start(batch=batch, items=items, skip_invalid_items=skip, by=call.principal, now=call.now)
        )
