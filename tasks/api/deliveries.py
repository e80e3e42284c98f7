"""`/projects/{id}/deliveries` and `/deliveries/{id}`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework import serializers

from core import uploads
from core.api import wire
from core.api.call import Accepted, Call, Download
from core.api.endpoint import endpoint
from core.api.fields import InstantField, PublicIdField
from core.api.lookup import get_or_404
from core.api.types import AnyJson, Doc, Example, OperationId, Timestamp
from core.api.views import LabView
from core.problems import FieldError, InvalidInput
from marketplace.public import Project
from tasks.api.names import BatchId, DeliveryId, ProjectId, Sha256
from tasks.models import Batch, Delivery
from tasks.operations import delivering
from tasks.operations.delivering import DeliveryNotReady

NDJSON = "application/x-ndjson"
JSON = "application/json"


class DeliveryOut(TypedDict):
    """A file with finished data. The same data exported again has the same hash."""

    id: DeliveryId
    project: ProjectId
    batch: BatchId | None
    format: Annotated[str, Doc("native or healthbench."), Example("native")]
    since: Timestamp | None
    status: Annotated[str, Doc("preparing, ready or failed."), Example("ready")]
    operation: OperationId | None
    items: Annotated[int, Example(97)]
    size: Annotated[int, Doc("Bytes."), Example(1048212)]
    sha256: Sha256
    manifest: Annotated[
        AnyJson, Doc("Schemas, counts, what was left out and why, inter-rater agreement, instructions.")
    ]
    created_at: Timestamp
    ready_at: Timestamp | None


class DeliveryIn(serializers.Serializer[None]):
    """What to export."""

    format = serializers.ChoiceField(choices=Delivery.Format.choices)
    batch = PublicIdField("bat", required=False, help_text="Only this batch.")
    since = InstantField(required=False, help_text="Only tasks finished since then.")


class DeliveryFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Delivery.Status.choices, required=False)
    format = serializers.ChoiceField(choices=Delivery.Format.choices, required=False)


class PartQuery(serializers.Serializer[None]):
    """Which file."""

    part = serializers.ChoiceField(choices=["data", "manifest"], required=False, help_text="data unless said.")


def deliveries_of(call: Call) -> Any:
    """The lab's deliveries with what a row shows."""
    return Delivery.objects.visible_to(call.principal).select_related("project", "batch", "operation")


def render_delivery(delivery: Delivery) -> DeliveryOut:
    """A delivery; project, batch and operation are joined."""
    return {
        "id": delivery.public_id,
        "project": delivery.project.public_id,
        "batch": delivery.batch.public_id if delivery.batch else None,
        "format": delivery.format,
        "since": delivery.since,
        "status": delivery.status,
        "operation": delivery.operation.public_id if delivery.operation else None,
        "items": delivery.items,
        "size": delivery.size,
        "sha256": delivery.sha256,
        "manifest": delivery.manifest,
        "created_at": delivery.created_at,
        "ready_at": delivery.ready_at,
    }


class DeliveryList(LabView):
    """The deliveries of one project."""

    @endpoint(
        summary="List the deliveries of a project",
        scope="deliveries:read",
        query=DeliveryFilters,
        returns=DeliveryOut,
        paginated=True,
        render=render_delivery,
    )
    def get(self, call: Call, project_id: str) -> Any:
        """Newest first."""
        project = get_or_404(Project.objects.visible_to(call.principal), project_id)
        return deliveries_of(call).filter(project=project, **call.query)

    @endpoint(
        summary="Export finished data",
        scope="deliveries:write",
        body=DeliveryIn,
        returns=Accepted,
        example={"format": "native"},
    )
    def post(self, call: Call, project_id: str) -> Accepted:
        """Completed tasks with their final submissions; gold, unfinished and rejected ones are counted, not contained.

        The operation's result names the delivery. Raters are pseudonyms that are the same within a project only.
        """
        project = get_or_404(Project.objects.visible_to(call.principal), project_id)
        batch = None
        if "batch" in call.body:
            rows = Batch.objects.visible_to(call.principal).filter(project=project, public_id=call.body["batch"])
            batch = rows.first()
            if batch is None:
                detail = _("The project has no such batch.")
                raise InvalidInput(errors=[FieldError("/batch", "unknown_batch", detail)])
        return Accepted(
            delivering.request(
                project=project,
                format=call.body["format"],
                batch=batch,
                since=call.body.get("since"),
                by=call.principal,
                now=call.now,
            )
        )


class DeliveryDetail(LabView):
    """One delivery."""

    @endpoint(summary="Show a delivery", scope="deliveries:read", returns=DeliveryOut)
    def get(self, call: Call, delivery_id: str) -> DeliveryOut:
        """With its manifest."""
        return render_delivery(get_or_404(deliveries_of(call), delivery_id))


class DeliveryDownload(LabView):
    """The bytes."""

    @endpoint(
        summary="Download a delivery",
        scope="deliveries:read",
        query=PartQuery,
        returns=Download(NDJSON, JSON),
        errors=[DeliveryNotReady],
    )
    def get(self, call: Call, delivery_id: str) -> HttpResponseBase:
        """JSON lines, one item each; `?part=manifest` gives the manifest as JSON."""
        delivery = get_or_404(deliveries_of(call), delivery_id)
        if delivery.status != Delivery.Status.READY:
            raise DeliveryNotReady(delivery_status=str(delivery.status))
        if call.query.get("part") == "manifest":
            response = HttpResponse(wire.dumps(delivery.manifest), content_type=JSON)
            response["Content-Disposition"] = f'attachment; filename="{delivery.public_id}.manifest.json"'
            return response
        name = f"{delivery.public_id}.{delivery.format}.jsonl"
        return uploads.attachment(storage_name=delivery.storage_name, name=name, media_type=NDJSON)
