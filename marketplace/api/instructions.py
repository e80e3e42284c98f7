"""`/projects/{id}/instructions`: versions, for the lab."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Timestamp
from core.api.views import LabView
from marketplace.api.projects import projects_of
from marketplace.models import InstructionVersion
from marketplace.operations import instructions

LONGEST = 200_000


class InstructionsOut(TypedDict):
    """One version of a project's instructions."""

    id: Annotated[str, IdOf("ins")]
    number: Annotated[int, Doc("The highest is in force."), Example(1)]
    body: Annotated[str, Doc("Markdown."), Example("# How to write a rubric\n\n…")]
    sha256: Annotated[str, Doc("Of the text.")]
    published_at: Timestamp


class InstructionsIn(serializers.Serializer[None]):
    """The next version."""

    body = StrictCharField(max_length=LONGEST, help_text="Markdown.")


def render_instructions(version: InstructionVersion) -> InstructionsOut:
    """One version."""
    return {
        "id": version.public_id,
        "number": version.number,
        "body": version.body,
        "sha256": version.sha256,
        "published_at": version.published_at,
    }


class InstructionList(LabView):
    """Versions."""

    @endpoint(
        summary="List a project's instructions",
        scope="projects:read",
        returns=InstructionsOut,
        paginated=True,
        render=render_instructions,
    )
    def get(self, call: Call, project_id: str) -> QuerySet[InstructionVersion]:
        """Newest first."""
        project = get_or_404(projects_of(call), project_id)
        return InstructionVersion.objects.visible_to(call.principal).filter(project=project)

    @endpoint(
        summary="Publish instructions",
        scope="projects:write",
        body=InstructionsIn,
        returns=InstructionsOut,
        status=201,
        example={"body": "# How to write a rubric\n\nEach criterion asks one thing."},
    )
    def post(self, call: Call, project_id: str) -> InstructionsOut:
        """Everybody with a contract is told, and acknowledges them before taking new work."""
        project = get_or_404(projects_of(call), project_id)
        return render_instructions(instructions.publish(project=project, now=call.now, **call.body))
