"""Writing rubrics down, freezing them, and turning grades into scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, DomainError, FieldError, InvalidInput, map_constraint
from marketplace.public import Project
from tasks import dialects, rubric_lint, rubric_scoring
from tasks.dialects import MalformedRubric
from tasks.models import CriterionGrade, Rubric, RubricCriterion, Submission
from tasks.rubric_content import Rubric as Content
from tasks.rubric_lint import Finding
from tasks.rubric_rows import content_of, rows_of
from tasks.rubric_scoring import Grade, Scored, UnusableGrades
from tasks.task_types import GivenGrade

LONGEST_KEY = 100
LONGEST_LABEL = 200


class RubricUnusable(DomainError):
    """The rubric has defects that keep it from being scored.

    Each entry of `errors` is a blocking finding of the linter with the pointer of the criterion it is about. `POST
    /rubrics/lint` shows all findings, the advisory ones too, without storing anything. Nothing was changed.
    """

    code = "rubric_unusable"
    status = 400
    title = gettext_lazy("The rubric cannot be used")


class RubricReplaced(Conflict):
    """There is a newer version of this rubric already; replace the newest one."""

    code = "rubric_replaced"
    title = gettext_lazy("There is a newer version already")


class RubricExternalIdTaken(Conflict):
    """Another rubric of yours has this `external_id`. To make a new version, name it in `replaces`."""

    code = "rubric_external_id_taken"
    title = gettext_lazy("This external id is taken")


map_constraint("tasks_rubric_external_id", RubricExternalIdTaken)
map_constraint("tasks_rubric_replaces_id_key", RubricReplaced)


def read(dialect: str, document: Any, *, pointer: str = "") -> Content:
    """The rubric in a document of a dialect. Raises InvalidInput with a pointer for each defect of its form."""
    try:
        return dialects.read(dialect, document)
    except MalformedRubric as error:
        raise InvalidInput(
            errors=[
                FieldError(f"{pointer}{problem.pointer}", problem.code, problem.detail) for problem in error.problems
            ]
        ) from None


def create(
    *,
    tenant_id: int,
    content: Content,
    source_format: str = "native",
    project: Project | None = None,
    external_id: str = "",
    title: str = "",
    replaces: Rubric | None = None,
    limits: rubric_lint.Limits | None = None,
) -> Rubric:
    """Store a rubric as a draft, as version 1 or the next of the one it ``replaces``.

    Raises RubricUnusable with every blocking finding, RubricReplaced, RubricExternalIdTaken.
    """
    refuse_defects(content, rubric_lint.lint(content, limits=limits or foreign_limits()))
    rubric = Rubric.objects.create(
        tenant_id=tenant_id,
        title=title,
        version=replaces.version + 1 if replaces else 1,
        replaces=replaces,
        score_policy=content.score_policy.value,
        project=project,
        external_id=external_id or (replaces.external_id if replaces else ""),
        source_format=source_format,
        extra=dict(content.extra),
    )
    RubricCriterion.objects.bulk_create(rows_of(content, rubric), batch_size=1000)
    return rubric


def of_submission(*, submission: Submission, content: Content) -> Rubric:
    """Store the rubric that a submission brings; a revision's is the next version of the one before."""
    former = Rubric.objects.filter(submission=submission.revises).first() if submission.revises else None
    rubric = Rubric.objects.create(
        tenant_id=submission.tenant_id,
        version=former.version + 1 if former else 1,
        replaces=former,
        score_policy=content.score_policy.value,
        project=submission.task.project,
        submission=submission,
        extra=dict(content.extra),
    )
    RubricCriterion.objects.bulk_create(rows_of(content, rubric), batch_size=1000)
    return rubric


def freeze(*, rubric: Rubric, now: dt.datetime) -> None:
    """From now on it changes by new versions only. Freezing twice changes nothing."""
    locked = Rubric.objects.select_for_update(no_key=True, of=("self",)).get(pk=rubric.pk)
    if locked.status == Rubric.Status.FROZEN:
        return
    states.move(locked, Rubric.Status.FROZEN)
    locked.frozen_at = now
    locked.save(update_fields=["status", "frozen_at"])


def freeze_of(*, submission: Submission, now: dt.datetime) -> None:
    """Freeze the rubric that a submission brought, if it brought one."""
    rubric = Rubric.objects.filter(submission=submission).first()
    if rubric is not None:
        freeze(rubric=rubric, now=now)


def keep_grades(*, submission: Submission, rubric: Rubric, grades: Sequence[GivenGrade]) -> None:
    """Write verdicts down as rows that point to the version they were given by."""
    keys = dict(RubricCriterion.objects.filter(rubric=rubric).values_list("key", "pk"))
    CriterionGrade.objects.bulk_create(
        (
            CriterionGrade(
                tenant_id=submission.tenant_id,
                submission=submission,
                criterion_id=keys[grade.criterion],
                sample=grade.sample,
                verdict=grade.verdict,
                rationale=grade.rationale,
            )
            for grade in grades
        ),
        batch_size=1000,
    )


def score(*, rubric: Rubric, grades: Sequence[Grade]) -> Scored:
    """Score one response. Raises InvalidInput for grades that do not answer the rubric one to one."""
    try:
        return rubric_scoring.score(content_of(rubric), grades)
    except UnusableGrades as error:
        raise InvalidInput(errors=[_grade_error(problem) for problem in error.problems]) from None


def foreign_limits() -> rubric_lint.Limits:
    """Bounds for rubrics that come from outside: as large as the dialects in use are."""
    return rubric_lint.Limits(max_abs_points=1000)


def refuse_defects(content: Content, findings: Sequence[Finding], *, pointer: str = "/criteria") -> None:
    """Raise RubricUnusable when a finding blocks, or a text does not fit into its column."""
    places = {criterion.id: index for index, criterion in reversed(list(enumerate(content.criteria)))}
    errors = [
        FieldError(
            f"{pointer}/{places[finding.criterion]}" if finding.criterion in places else pointer,
            finding.code,
            finding.message,
        )
        for finding in findings
        if finding.level is rubric_lint.Level.BLOCKING
    ]
    for index, criterion in enumerate(content.criteria):
        if len(criterion.id) > LONGEST_KEY:
            errors.append(FieldError(f"{pointer}/{index}/id", "too_long", _("An id has at most 100 characters.")))
        labels = [criterion.category or "", *criterion.tags, *criterion.choices]
        if any(len(label) > LONGEST_LABEL for label in labels):
            detail = _("Categories, tags and choices have at most 200 characters.")
            errors.append(FieldError(f"{pointer}/{index}", "too_long", detail))
    if errors:
        raise RubricUnusable(errors=errors[:100])


def _grade_error(problem: rubric_scoring.GradeProblem) -> FieldError:
    if problem.index is None:
        return FieldError("/grades", problem.code, f"{problem.criterion}: {problem.detail}")
    return FieldError(f"/grades/{problem.index}", problem.code, problem.detail)
