"""`/task-types`: the kinds of work, and their JSON Schemas."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictIntegerField
from core.api.types import AnyJson, Doc, Example, Link
from core.api.views import PublicView
from core.problems import NotFound
from tasks import task_types
from tasks.api.names import TypeCode
from tasks.task_types import TaskType

FIRST_VERSION = 1


class TaskTypeOut(TypedDict):
    """A kind of work."""

    type: TypeCode
    title: Annotated[str, Example("Rubric authoring")]
    version: Annotated[int, Doc("New tasks are made in this version."), Example(1)]
    takes_gold: Annotated[bool, Doc("Whether a task can carry an expected answer."), Example(False)]
    schema: Annotated[Link, Example("/api/v1/task-types/rubric_authoring/schema")]


class TaskTypeListOut(TypedDict):
    """All kinds of work; they are few."""

    results: list[TaskTypeOut]


class TaskTypeSchemaOut(TypedDict):
    """Two JSON Schemas (draft 2020-12), and a third where the second person does something else."""

    type: TypeCode
    version: Annotated[int, Example(1)]
    payload: Annotated[AnyJson, Doc("What a lab sends.")]
    submission: Annotated[AnyJson, Doc("What an expert hands in.")]
    second_submission: Annotated[AnyJson, Doc("What the second person hands in, where there is an overlap.")]


class SchemaQuery(serializers.Serializer[None]):
    """Which version."""

    version = StrictIntegerField(min_value=1, max_value=1000, required=False)


def render_type(kind: TaskType) -> TaskTypeOut:
    """One kind of work."""
    return {
        "type": kind.code,
        "title": str(kind.title),
        "version": kind.version,
        "takes_gold": kind.takes_gold,
        "schema": f"/api/v1/task-types/{kind.code}/schema",
    }


class TaskTypeList(PublicView):
    """All kinds of work."""

    @endpoint(summary="List the kinds of work", returns=TaskTypeListOut)
    def get(self, call: Call) -> TaskTypeListOut:
        """A project names the ones it uses in `task_types`."""
        return {"results": [render_type(kind) for _code, kind in sorted(task_types.REGISTRY.items())]}


class TaskTypeSchema(PublicView):
    """The schemas of one kind."""

    @endpoint(summary="Show the JSON Schemas of a kind of work", query=SchemaQuery, returns=TaskTypeSchemaOut)
    def get(self, call: Call, type_code: str) -> TaskTypeSchemaOut:
        """Versions are kept: a task's `schema_version` tells which one its work answers."""
        kind = task_types.REGISTRY.get(type_code)
        version: Any = call.query.get("version", kind.version if kind else FIRST_VERSION)
        if kind is None or version > kind.version:
            raise NotFound
        return {
            "type": kind.code,
            "version": version,
            "payload": kind.payload_schema(version).document,
            "submission": kind.submission_schema(version).document,
            "second_submission": kind.submission_schema(version, is_second=True).document,
        }
