"""Work in hand: save a draft, hand it in, report what is wrong with the task."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import DomainError, FieldError, InvalidInput
from core.public import Principal
from tasks import events, task_types
from tasks.models import Claim, Draft, Review, Rubric, Submission, Task, TaskReport
from tasks.operations import claims, leases, reviews, rubrics, settling
from tasks.operations.locks import lock_claim
from tasks.rubric_content import Rubric as Content
from tasks.rubric_rows import content_of
from tasks.task_types import Work

REVIEW_MEMBERS = frozenset({"outcome", "reason", "comment"})
_POINTER = "/submission"


class SubmissionInvalid(DomainError):
    """The work does not have the form that the task's type asks for, or does not answer the task.

    Each entry of `errors` points into the body. The schemas are at `/api/v1/task-types/{type}/schema`; a rubric must
    lint without blocking findings, and grades must answer it one to one. Nothing was submitted: the claim and the
    draft are as before.
    """

    code = "submission_invalid"
    status = 400
    title = gettext_lazy("The submission does not answer the task")


def save_draft(*, claim: Claim, body: dict[str, Any], now: dt.datetime) -> Draft:
    """Keep unfinished work as it is, whatever its shape, and renew the lease. Raises ClaimOver."""
    claims.require_active(claim)
    draft, _created = Draft.objects.update_or_create(
        claim=claim, defaults={"tenant_id": claim.tenant_id, "body": body, "saved_at": now}
    )
    if not leases.renew_lease(claim_id=claim.pk, now=now):
        raise claims.ClaimOver(claim_status="over")
    return draft


def submit(*, claim: Claim, body: dict[str, Any], by: Principal, now: dt.datetime) -> Claim:
    """Hand in the work of a claim: a submission, or a review. Raises ClaimOver, SubmissionInvalid."""
    task, locked = lock_claim(claim)
    claims.require_active(locked)
    if locked.role == Claim.Role.REVIEW:
        _submit_review(locked, body, now=now)
        return locked
    kind = task_types.get(task.type)
    is_second = locked.role == Claim.Role.SECOND
    rubric = rubric_to_grade_by(claim=locked, task=task)
    _refuse_errors(kind, task, locked, body, rubric)
    work = _keep(task, locked, body, now=now)
    brought = kind.rubric_in(body)
    if brought is not None:
        rubric = rubrics.of_submission(submission=work, content=brought)
        if task.batch.overlap > 1:
            rubrics.freeze(rubric=rubric, now=now)  # a second person tries this very version
    grades = kind.grades_in(body, is_second=is_second)
    if rubric is not None and grades:
        rubrics.keep_grades(submission=work, rubric=rubric, grades=grades)
    settling.handed_in(task=task, work=work, now=now)
    events.submission("submission.submitted", work, by=by, now=now)
    return locked


def report(*, claim: Claim, reason_code: str, comment: str, by: Principal, now: dt.datetime) -> TaskReport:
    """Say that something is wrong with the task and give it back, at no disadvantage. Raises ClaimOver."""
    released = claims.end(claim=claim, status=Claim.Status.RELEASED, now=now)
    found = TaskReport.objects.create(
        tenant_id=released.tenant_id,
        claim=released,
        task_id=released.task_id,
        reason_code=reason_code,
        comment=comment,
        reported_at=now,
    )
    events.task("task.reported", Task.objects.select_related("batch").get(pk=released.task_id), by=by, now=now)
    return found


def rubric_to_grade_by(*, claim: Claim, task: Task) -> Rubric | None:
    """The rubric that the holder grades by: the task's own, or the one he tries."""
    if claim.submission_under_review_id and claim.role == Claim.Role.SECOND:
        return Rubric.objects.filter(submission_id=claim.submission_under_review_id).first()
    return task.rubric


def _refuse_errors(
    kind: task_types.TaskType, task: Task, claim: Claim, body: dict[str, Any], rubric: Rubric | None
) -> None:
    is_second = claim.role == Claim.Role.SECOND
    found = kind.submission_schema(task.schema_version, is_second=is_second).errors(body)
    if not found:
        content: Content | None = content_of(rubric) if rubric else None
        work = Work(payload=task.payload, ai_assistance=task.project.ai_assistance, rubric=content, is_second=is_second)
        found = kind.work_errors(work, body)
    if found:
        raise SubmissionInvalid(
            errors=[FieldError(f"{_POINTER}{error.pointer}", error.code, error.detail) for error in found[:100]]
        )


def _keep(task: Task, claim: Claim, body: dict[str, Any], *, now: dt.datetime) -> Submission:
    former = Submission.objects.filter(task=task, expert_id=claim.expert_id).aggregate(last=Max("revision"))["last"]
    states.move(claim, Claim.Status.SUBMITTED)
    claim.ended_at = now
    claim.save(update_fields=["status", "ended_at"])
    revised = claim.revises
    if revised is not None:
        states.move(revised, Submission.Status.SUPERSEDED)
        revised.save(update_fields=["status"])
    kind = task_types.get(task.type)
    work = Submission.objects.create(
        tenant_id=task.tenant_id,
        claim=claim,
        task=task,
        expert=claim.expert,
        role=claim.role,
        revision=(former or 0) + 1,
        revises=revised,
        body=body,
        gold_ppm=kind.gold_ppm(task.reference, body) if task.is_gold and task.reference else None,
        submitted_at=now,
    )
    Draft.objects.filter(claim=claim).delete()
    return work


def _submit_review(claim: Claim, body: dict[str, Any], *, now: dt.datetime) -> None:
    errors = [
        FieldError(f"{_POINTER}/{name}", "unknown_field", _("This field is not known here."))
        for name in body
        if name not in REVIEW_MEMBERS
    ]
    errors += [
        FieldError(f"{_POINTER}/{name}", "wrong_type", _("Expected a string."))
        for name in REVIEW_MEMBERS & body.keys()
        if not isinstance(body[name], str)
    ]
    if body.get("outcome") not in Review.Outcome.values:
        errors.append(FieldError(f"{_POINTER}/outcome", "required", _("Choose accept, request_rework or reject.")))
    if errors or claim.submission_under_review is None:
        raise SubmissionInvalid(errors=errors)
    states.move(claim, Claim.Status.SUBMITTED)
    claim.ended_at = now
    claim.save(update_fields=["status", "ended_at"])
    try:
        reviews.decide(
            submission=claim.submission_under_review,
            outcome=body["outcome"],
            side=Task.Side.PLATFORM,
            decided_by=claim.expert.user,
            reason_code=body.get("reason", ""),
            comment=body.get("comment", ""),
            claim=claim,
            now=now,
        )
    except InvalidInput as error:
        raise SubmissionInvalid(
            errors=[FieldError(f"{_POINTER}{each.pointer}", each.code, each.detail) for each in error.errors]
        ) from None
