"""What the holder of a claim may see, and nothing that would unmask gold, another grader or a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks import rubric_lint, task_types
from tasks.dialects import native
from tasks.models import Adjudication, Claim, Draft, Review, Rubric, StoredFile, Submission, Task
from tasks.operations import places, settling
from tasks.operations.work import rubric_to_grade_by
from tasks.rubric_rows import content_of
from tasks.task_types import grading


@dataclass(frozen=True, slots=True)
class ClaimView:
    """Everything needed to do the work."""

    payload: dict[str, Any]
    files: Sequence[StoredFile]
    rubric: dict[str, Any] | None
    material: dict[str, Any] | None
    rework: dict[str, Any] | None
    draft: dict[str, Any] | None


def shown_role(role: str, type_code: str) -> str:
    """The role as its holder may know it: whoever works blind beside another cannot tell who was first."""
    is_parallel = not task_types.get(type_code).seconds_wait
    return str(Claim.Role.ATTEMPT) if role == Claim.Role.SECOND and is_parallel else str(role)


def of(claim: Claim) -> ClaimView:
    """The view of one claim; ``task`` is joined."""
    task = claim.task
    kind = task_types.get(task.type)
    rubric = rubric_to_grade_by(claim=claim, task=task)
    draft = Draft.objects.filter(claim=claim).first()
    return ClaimView(
        payload=kind.shown(task.payload),
        files=list(StoredFile.objects.filter(tasks__task=task).order_by("pk")),
        rubric=_rubric(rubric),
        material=_material(claim, task),
        rework=_rework(claim),
        draft=draft.body if draft else None,
    )


def _rubric(rubric: Rubric | None) -> dict[str, Any] | None:
    if rubric is None:
        return None
    document = native.write(content_of(rubric))
    document.pop("extra", None)
    return {"id": rubric.public_id, "version": rubric.version, **document}


def _material(claim: Claim, task: Task) -> dict[str, Any] | None:
    if claim.role == Claim.Role.REVIEW and claim.submission_under_review is not None:
        shown = review_material(claim.submission_under_review, task)
        return {**shown, "reference": None} if task.is_gold else shown  # an expert who knew gold could tell the others
    if claim.role == Claim.Role.ADJUDICATION:
        return {"disputed": _disputed(task)}
    return None


def review_material(work: Submission, task: Task) -> dict[str, Any]:
    """A submission as a reviewer reads it: without names, with what the linter and the second person found."""
    rubric = Rubric.objects.filter(submission=work).first()
    findings = rubric_lint.lint(content_of(rubric)) if rubric else []
    return {
        "submission": work.public_id,
        "revision": work.revision,
        "body": work.body,
        "rater_agreement": task.rater_agreement,
        "reference": task.reference,
        "findings": [
            {"code": f.code, "level": f.level.value, "criterion": f.criterion, "message": f.message} for f in findings
        ],
    }


def _disputed(task: Task) -> list[dict[str, Any]]:
    """Each criterion in dispute with the verdicts in the order of their text, so that no order tells who said what."""
    works = places.of(task).graders
    kind = task_types.get(task.type)
    read = [grading.by_criterion(kind.grades_in(work.body, is_second=False)) for work in works]
    keys = settling.disputed(task, works) or _former_dispute(task)
    return [{"criterion": key, "verdicts": sorted((v[key] for v in read if key in v), key=str)} for key in keys]


def _former_dispute(task: Task) -> list[str]:
    last = Adjudication.objects.filter(task=task).order_by("pk").last()
    found: list[str] = last.disputed if last else []
    return found


def _rework(claim: Claim) -> dict[str, Any] | None:
    if claim.revises is None:
        return None
    review = Review.objects.filter(submission=claim.revises, outcome=Review.Outcome.REQUEST_REWORK).last()
    return {
        "submission": claim.revises.public_id,
        "body": claim.revises.body,
        "reason": review.reason_code if review else "",
        "comment": review.comment if review else "",
    }
