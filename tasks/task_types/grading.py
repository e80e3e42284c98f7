"""What rubric grades have in common, wherever they are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from core.problems import FieldError
from tasks import rubric_scoring
from tasks.rubric_content import Rubric
from tasks.rubric_scoring import Grade, Verdict
from tasks.task_types.base import GivenGrade


def read(items: Iterable[Mapping[str, Any]]) -> list[GivenGrade]:
    """The verdicts of a list of grade objects."""
    return [
        GivenGrade(
            criterion=item["criterion"],
            verdict=item["verdict"],
            sample=item.get("sample", ""),
            rationale=item.get("rationale", ""),
        )
        for item in items
    ]


def errors(rubric: Rubric, grades: list[GivenGrade], *, pointer: str) -> list[FieldError]:
    """What keeps the grades of one response from answering the rubric one to one."""
    problems = rubric_scoring.grade_problems(rubric, [Grade(grade.criterion, grade.verdict) for grade in grades])
    return [_field_error(problem, range(len(grades)), pointer) for problem in problems]


def errors_by_sample(
    rubric: Rubric, grades: list[GivenGrade], samples: Iterable[str], *, pointer: str
) -> list[FieldError]:
    """The same for several responses: every sample is graded, and nothing else."""
    known = list(samples)
    found = [
        FieldError(
            f"{pointer}/{index}/sample", "unknown_sample", _("The task has no sample %(id)s.") % {"id": grade.sample}
        )
        for index, grade in enumerate(grades)
        if grade.sample not in known
    ]
    for sample in known:
        places = [index for index, grade in enumerate(grades) if grade.sample == sample]
        if not places:
            found.append(FieldError(pointer, "missing", _("The sample %(id)s is not graded.") % {"id": sample}))
            continue
        own = [Grade(grades[place].criterion, grades[place].verdict) for place in places]
        problems = rubric_scoring.grade_problems(rubric, own)
        found.extend(_field_error(problem, places, pointer, sample=sample) for problem in problems)
    return found


def by_criterion(grades: Iterable[GivenGrade]) -> dict[str, Verdict]:
    """Verdicts by criterion, with the sample's id before it where there are several."""
    return {f"{grade.sample}/{grade.criterion}" if grade.sample else grade.criterion: grade.verdict for grade in grades}


def _field_error(
    problem: rubric_scoring.GradeProblem, places: Iterable[int], pointer: str, *, sample: str = ""
) -> FieldError:
    if problem.index is None:
        where = f" ({sample})" if sample else ""
        return FieldError(pointer, problem.code, f"{problem.criterion}{where}: {problem.detail}")
    member = "verdict" if problem.code == "invalid_verdict" else "criterion"
    return FieldError(f"{pointer}/{list(places)[problem.index]}/{member}", problem.code, problem.detail)
