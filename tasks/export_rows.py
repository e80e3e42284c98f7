"""Finished tasks from the database as export items, a chunk at a time: the queries do not grow with the data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from tasks import rubric_scoring, task_types
from tasks.exports.item import Item, Part
from tasks.models import Adjudication, Claim, Rubric, Submission, Task
from tasks.rubric_content import Rubric as Content
from tasks.rubric_rows import content_of
from tasks.rubric_scoring import Grade, UnusableGrades


def with_parts(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """The tasks with all that an item needs; the number of queries does not depend on how many tasks there are."""
    works = (
        Submission.objects.exclude(status=Submission.Status.REJECTED).select_related("expert", "claim").order_by("pk")
    )
    works = works.prefetch_related("reviews", "rubric__criteria")
    adjudications: QuerySet[Adjudication] = Adjudication.objects.select_related("submission").order_by("pk")
    return tasks.select_related("batch", "project").prefetch_related(
        Prefetch("submissions", queryset=works),
        "rubric__criteria",
        Prefetch("adjudications", queryset=adjudications),
        "files__file",
    )


def item_of(task: Task) -> Item:
    """One finished task as an item."""
    works: Sequence[Submission] = list(task.submissions.all())
    final = next(work for work in works if work.is_final)
    rubric = _rubric(task, works)
    content = content_of(rubric) if rubric else None
    return Item(
        id=task.public_id,
        external_id=task.external_id,
        batch=task.batch.public_id,
        type=task.type,
        schema_version=task.schema_version,
        payload=task.payload,
        files=_files(task),
        rubric=content,
        rubric_id=rubric.public_id if rubric else "",
        rubric_version=rubric.version if rubric else None,
        final=_part(task, final, content),
        others=[_part(task, work, content if _answers(work, final) else None) for work in works if work is not final],
        decisions=[_decision(work) for work in works if work.status != Submission.Status.SUPERSEDED],
        adjudication=_adjudication(task),
        rater_agreement=task.rater_agreement,
        reference=task.reference,
        finished_at=task.finished_at or final.submitted_at,
    )


def rater_name(project_id: str, expert_id: str) -> str:
    """A rater's pseudonym within one project: the same in every file of it, another in every other project."""
    return "rater_" + hashlib.sha256(f"{project_id}:{expert_id}".encode()).hexdigest()[:16]


def _rubric(task: Task, works: Sequence[Submission]) -> Rubric | None:
    """The rubric that was written, or the one that was graded by."""
    written = [work for work in works if work.is_final and hasattr(work, "rubric")]
    return written[0].rubric if written else task.rubric


def _answers(work: Submission, final: Submission) -> bool:
    """Whether the work was done by the very rubric that the item carries, not by one of its former versions."""
    return work.status != Submission.Status.SUPERSEDED and work.claim.submission_under_review_id in {None, final.pk}


def _part(task: Task, work: Submission, content: Content | None) -> Part:
    return Part(
        id=work.public_id,
        rater=rater_name(task.project.public_id, work.expert.public_id),
        role=work.role,
        revision=work.revision,
        submitted_at=work.submitted_at,
        body=work.body,
        scores=_scores(task, work, content),
    )


def _scores(task: Task, work: Submission, content: Content | None) -> dict[str, float | None]:
    """Scores by sample; none without the rubric in force."""
    if content is None:
        return {}
    is_second = work.role == Claim.Role.SECOND
    by_sample: dict[str, list[Grade]] = {}
    for grade in task_types.get(task.type).grades_in(work.body, is_second=is_second):
        by_sample.setdefault(grade.sample, []).append(Grade(grade.criterion, grade.verdict))
    scores: dict[str, float | None] = {}
    for sample, grades in sorted(by_sample.items()):
        try:
            scores[sample] = rubric_scoring.score(content, grades).score
        except UnusableGrades:
            continue
    return scores


def _files(task: Task) -> list[dict[str, Any]]:
    files = sorted((link.file for link in task.files.all()), key=lambda file: file.public_id)
    return [
        {"id": file.public_id, "name": file.name, "sha256": file.sha256, "media_type": file.media_type}
        for file in files
    ]


def _decision(work: Submission) -> dict[str, Any]:
    return {
        "submission": work.public_id,
        "status": work.status,
        "decided_at": work.decided_at,
        "reviews": [
            {"side": review.side, "outcome": review.outcome, "reason_code": review.reason_code or None}
            for review in sorted(work.reviews.all(), key=lambda review: review.pk)
        ],
    }


def _adjudication(task: Task) -> dict[str, Any] | None:
    found = list(task.adjudications.all())
    if not found:
        return None
    last = found[-1]
    return {"submission": last.submission.public_id, "between": last.between, "disputed": last.disputed}
