"""Rubric grading: one verdict per criterion on one response, by a frozen rubric."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import FieldError
from tasks.rubric_content import Rubric
from tasks.task_types import grading
from tasks.task_types.base import GivenGrade, Json, TaskType, Work, assistance_errors

MILLION = 1_000_000


class RubricGrading(TaskType):
    """See the module."""

    code: ClassVar[str] = "rubric_grading"
    title: ClassVar[Promise] = gettext_lazy("Rubric grading")

    def work_errors(self, work: Work, body: Json) -> list[FieldError]:
        """One valid verdict for each graded criterion, and spans that lie within the response."""
        if work.rubric is None:
            raise LookupError("Grading needs a rubric.")
        found = grading.errors(work.rubric, grading.read(body["grades"]), pointer="/grades")
        length = len(work.payload["response"]["text"])
        for index, grade in enumerate(body["grades"]):
            start, end = grade.get("evidence_span", (0, length))
            if not start <= end <= length:
                detail = _("A span lies between 0 and %(end)d, and starts before it ends.") % {"end": length}
                found.append(FieldError(f"/grades/{index}/evidence_span", "out_of_range", detail))
        return found + assistance_errors(work, body)

    def grades_in(self, body: Json, *, is_second: bool) -> list[GivenGrade]:
        """The verdicts."""
        return grading.read(body["grades"])

    def gold_errors(self, gold: Json, rubric: Rubric | None) -> list[FieldError]:
        """Verdicts on some criteria are enough, but each must be one that a grader can give."""
        if rubric is None:
            return []
        found = grading.errors(rubric, grading.read(gold["grades"]), pointer="/grades")
        return [error for error in found if error.code != "missing"]

    def gold_ppm(self, reference: Json, body: Json) -> int | None:
        """The share of the expected verdicts that were given."""
        expected = grading.by_criterion(grading.read(reference["grades"]))
        given = grading.by_criterion(grading.read(body["grades"]))
        if not expected:
            return None
        return MILLION * sum(given.get(key) == verdict for key, verdict in expected.items()) // len(expected)
