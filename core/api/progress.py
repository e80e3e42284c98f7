"""How far long work is, as it is told to whoever started it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from core.api.types import Doc, Example, OperationId, Timestamp
from core.models import Operation


class OperationResultOut(TypedDict):
    """One item that was done."""

    index: NotRequired[Annotated[int, Doc("Position in the request."), Example(0)]]
    external_id: NotRequired[Annotated[str | None, Example("job-4711")]]
    id: NotRequired[Annotated[str, Doc("Public id of what was made."), Example("tsk_01k9w3v6z8f2qr5t4h7xnm0ceg")]]


class OperationErrorOut(TypedDict):
    """One item that was refused, or why the whole stopped."""

    index: NotRequired[Annotated[int, Doc("Position in the request."), Example(3)]]
    code: Annotated[str, Example("invalid")]
    detail: Annotated[str, Example("This field is not known here.")]
    pointer: NotRequired[Annotated[str, Doc("JSON pointer into the request."), Example("/tasks/3/payload/prompt")]]


class OperationOut(TypedDict):
    """Long work: poll it until `state` is succeeded, partially_succeeded or failed."""

    id: OperationId
    kind: Annotated[str, Example("tasks.bulk_create")]
    state: Annotated[
        Literal["pending", "running", "succeeded", "partially_succeeded", "failed"], Example("partially_succeeded")
    ]
    total: Annotated[int, Example(3)]
    done: Annotated[int, Example(2)]
    failed: Annotated[int, Example(1)]
    results: list[OperationResultOut]
    errors: list[OperationErrorOut]
    created_at: Timestamp
    finished_at: Timestamp | None


def render_operation(operation: Operation) -> OperationOut:
    """The operation as it is answered."""
    results: Any = operation.results
    errors: Any = operation.errors
    state: Any = operation.state
    return {
        "id": operation.public_id,
        "kind": operation.kind,
        "state": state,
        "total": operation.total,
        "done": operation.done,
        "failed": operation.failed,
        "results": results,
        "errors": errors,
        "created_at": operation.created_at,
        "finished_at": operation.finished_at,
    }


def operation_url(operation: Operation) -> str:
    """Where the operation is found."""
    return f"/api/v1/operations/{operation.public_id}"
