"""Rubric authoring: write criteria for a prompt; a second person tries the rubric on the sample responses, blind."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import FieldError
from tasks import rubric_lint, schemas
from tasks.dialects import MalformedRubric, native
from tasks.rubric_content import Rubric
from tasks.schemas import Schema
from tasks.task_types import grading
from tasks.task_types.base import GivenGrade, Json, TaskType, Work, assistance_errors


class RubricAuthoring(TaskType):
    """See the module."""

    code: ClassVar[str] = "rubric_authoring"
    title: ClassVar[Promise] = gettext_lazy("Rubric authoring")
    seconds_wait: ClassVar[bool] = True
    takes_gold: ClassVar[bool] = False

    def submission_schema(self, version: int, *, is_second: bool = False) -> Schema:
        """The second person hands in grades."""
        return schemas.of(f"{self.code}.{'trial' if is_second else 'submission'}", version)

    def payload_errors(self, payload: Json, *, overlap: int) -> list[FieldError]:
        """Samples have unique ids, and there are some where a second person is to grade them."""
        samples = payload.get("sample_responses", [])
        if overlap > 1 and not samples:
            detail = _("With an overlap of 2 or more a second person grades sample responses: give at least one.")
            return [FieldError("/sample_responses", "required", detail)]
        ids = [sample["id"] for sample in samples]
        return [
            FieldError(f"/sample_responses/{index}/id", "repeated", _("Another sample has this id."))
            for index, key in enumerate(ids)
            if key in ids[:index]
        ]

    def work_errors(self, work: Work, body: Json) -> list[FieldError]:
        """A rubric that lints without blocking findings and keeps the limits; every sample graded by its author."""
        if work.is_second:
            return self._trial_errors(work, body)
        try:
            rubric = native.read(_document(body))
        except MalformedRubric as error:
            return [FieldError(problem.pointer, problem.code, problem.detail) for problem in error.problems]
        found = assistance_errors(work, body)
        if work.payload.get("require_ideal_response") and not body.get("ideal_response"):
            found.append(FieldError("/ideal_response", "required", _("This task asks for an ideal response.")))
        places = {criterion.id: index for index, criterion in reversed(list(enumerate(rubric.criteria)))}
        for finding in rubric_lint.lint(rubric, limits=_limits(work.payload)):
            if finding.level is rubric_lint.Level.BLOCKING:
                place = places.get(finding.criterion or "")
                pointer = "/criteria" if place is None else f"/criteria/{place}"
                found.append(FieldError(pointer, finding.code, finding.message))
        if found:
            return found
        own = grading.read(body.get("self_check", []))
        return grading.errors_by_sample(rubric, own, _samples(work.payload), pointer="/self_check")

    def _trial_errors(self, work: Work, body: Json) -> list[FieldError]:
        if work.rubric is None:
            raise LookupError("A trial needs the rubric that is tried.")
        given = grading.read(body["grades"])
        return grading.errors_by_sample(work.rubric, given, _samples(work.payload), pointer="/grades")

    def rubric_in(self, body: Json) -> Rubric | None:
        """What the author wrote; None for a trial's grades."""
        return native.read(_document(body)) if "criteria" in body else None

    def grades_in(self, body: Json, *, is_second: bool) -> list[GivenGrade]:
        """The author's self-check, or the second person's grades."""
        return grading.read(body["grades"] if is_second else body.get("self_check", []))


def _document(body: Json) -> dict[str, object]:
    return {"score_policy": body.get("score_policy", "points"), "criteria": body["criteria"]}


def _samples(payload: Json) -> list[str]:
    return [sample["id"] for sample in payload.get("sample_responses", [])]


def _limits(payload: Json) -> rubric_lint.Limits:
    return rubric_lint.Limits(**payload.get("limits", {}))
