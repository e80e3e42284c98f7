"""Deciding about finished work: accept, ask for rework, reject; by a named person, or by the clock."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import ClassVar

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, FieldError, InvalidInput, InvalidTransition, map_constraint
from core.public import Principal, User
from core.sweeps import sweep
from experts.public import OwnWork, record_decision, send_notice
from marketplace.public import Contract, Project, lab_for, see_work
from tasks import events
from tasks.models import Claim, Delivery, Review, Submission, Task
from tasks.operations import places, rubrics
from tasks.operations.locks import lock_task

REWORK_LEASE = dt.timedelta(days=3)
SILENCE = Principal.system("tasks.accept_by_silence")


class NotUnderReview(Conflict):
    """Nobody is asked to decide about this submission now.

    Somebody decided it already, it is not the one of its task that review is about (the other graders' work settles
    with it), or the other side's turn comes first: `review_side` tells whose decision the task awaits.
    """

    code = "not_under_review"
    title = gettext_lazy("This submission is not under review")
    example_members: ClassVar[dict[str, str]] = {"task_status": "completed", "review_side": ""}


class AlreadyReviewed(Conflict):
    """Somebody else decided about this submission at the same moment; his decision stands."""

    code = "already_reviewed"
    title = gettext_lazy("Somebody has just decided this")


map_constraint("tasks_review_once_per_side", AlreadyReviewed)
map_constraint("tasks_review_not_own_work", OwnWork)
map_constraint("tasks_submission_not_own_work", OwnWork)


def begin(*, task: Task, now: dt.datetime) -> None:
    """Put a finished task before whoever reviews; what the batch's sampling leaves out is accepted."""
    states.move(task, Task.Status.IN_REVIEW)
    task.save()
    if not is_sampled(task):
        _complete(task, decided_by=None, now=now)
        return
    policy = task.project.review_policy
    _await(task, Task.Side.LAB if policy == Project.ReviewPolicy.LAB else Task.Side.PLATFORM, now=now)


def is_sampled(task: Task) -> bool:
    """Whether a person reviews the task: drawn by the ids, so that anybody can draw again and get the same."""
    draw = hashlib.sha256(f"{task.batch.public_id}:{task.public_id}".encode()).digest()
    return int.from_bytes(draw[:4]) % 100 < task.batch.review_floor_percent


def decide(
    *,
    submission: Submission,
    outcome: str,
    side: str,
    decided_by: User,
    now: dt.datetime,
    reason_code: str = "",
    comment: str = "",
    claim: Claim | None = None,
) -> Review:
    """Record one side's decision and apply it.

    Rework and rejection need a reason code and a comment that the expert can act on. Raises NotUnderReview,
    AlreadyReviewed, OwnWork (403) for whoever had any part in the task, RivalSeen (403) for staff who saw a rival's
    work, InvalidInput without a reason.
    """
    task = lock_task(submission.task_id)
    if task.status != Task.Status.IN_REVIEW or task.candidate_id != submission.pk or task.review_side != side:
        raise NotUnderReview(task_status=str(task.status), review_side=str(task.review_side))
    _require_other(task, decided_by)
    if side == Task.Side.PLATFORM and claim is None:  # a claim stands behind the wall of its contract already
        see_work(user=decided_by, tenant_id=task.tenant_id, subject=submission.public_id, now=now)
    _require_reason(outcome, reason_code, comment)
    work = Submission.objects.select_related("expert", "claim").get(pk=submission.pk)
    review = Review.objects.create(
        tenant_id=task.tenant_id,
        submission=work,
        claim=claim,
        side=side,
        outcome=outcome,
        reason_code=reason_code if outcome != Review.Outcome.ACCEPT else "",
        comment=comment.strip(),
        decided_by=decided_by,
        decided_at=now,
    )
    _end_review_claims(task, but=claim, now=now)
    _apply(task, work, review, now=now)
    events.review(review, now=now)
    return review


def accept_by_silence(*, now: dt.datetime, after: int = 0) -> int:
    """Accept what nobody decided within its window; return how many tasks that settled."""
    due = Task.objects.filter(status=Task.Status.IN_REVIEW, review_by__lte=now)

    def accept(task_id: int) -> bool:
        task = lock_task(task_id)
        if task.status != Task.Status.IN_REVIEW or task.review_by is None or task.review_by > now:
            return False
        _end_review_claims(task, but=None, now=now)
        if _lab_comes_next(task):
            _await(task, Task.Side.LAB, now=now)
            return False
        _complete(task, decided_by=None, now=now)
        return True

    return sweep(by=SILENCE, due=due, step=accept, after=after)


def overturn(*, submission: Submission, decided_by: User | None, now: dt.datetime) -> None:
    """A rejection was overturned on appeal: the work counts as accepted. Asking twice changes nothing."""
    task = lock_task(submission.task_id)
    work = Submission.objects.select_related("expert").get(pk=submission.pk)
    if work.status != Submission.Status.REJECTED or task.status != Task.Status.REJECTED:
        return
    rejected_at = task.finished_at or now
    _complete(task, decided_by=decided_by, now=now)
    _correct_deliveries(task, work, rejected_at=rejected_at, now=now)


def _correct_deliveries(task: Task, work: Submission, *, rejected_at: dt.datetime, now: dt.datetime) -> None:
    """Tell the lab which files lack the item that they would have contained but for the overturned rejection."""
    lacking = Delivery.objects.filter(project_id=task.project_id, status=Delivery.Status.READY, until__gt=rejected_at)
    lacking = lacking.filter(Q(batch=None) | Q(batch_id=task.batch_id), Q(since=None) | Q(since__lte=rejected_at))
    for delivery in lacking.order_by("pk"):
        outbox.publish(
            "delivery.corrected",
            subject=delivery.public_id,
            tenant_id=delivery.tenant_id,
            payload={"delivery": delivery.public_id, "task": task.public_id, "submission": work.public_id},
            now=now,
        )


def _await(task: Task, side: str, *, now: dt.datetime) -> None:
    task.review_side = side
    task.review_by = now + dt.timedelta(seconds=lab_for(task.tenant_id).approval_window_seconds)
    places.refresh(task)
    task.save()


def _lab_comes_next(task: Task) -> bool:
    is_both = task.project.review_policy == Project.ReviewPolicy.BOTH
    return is_both and task.review_side == Task.Side.PLATFORM


def _require_other(task: Task, by: User) -> None:
    if Submission.objects.filter(task=task, expert__user=by).exists():
        raise OwnWork(_("You had a part in this task; somebody else has to decide about it."))


def _require_reason(outcome: str, reason_code: str, comment: str) -> None:
    if outcome == Review.Outcome.ACCEPT:
        return
    errors = []
    if reason_code not in Submission.Reason.values:
        errors.append(FieldError("/reason", "required", _("Choose one of the reasons.")))
    if not comment.strip():
        errors.append(FieldError("/comment", "required", _("Say what is wrong, in words the expert can act on.")))
    if errors:
        raise InvalidInput(errors=errors)


def _end_review_claims(task: Task, *, but: Claim | None, now: dt.datetime) -> None:
    """Somebody decided: other reviewers need not go on."""
    held = Claim.objects.active().filter(task=task, role=Claim.Role.REVIEW)
    for claim in held.exclude(pk=but.pk if but else 0).select_for_update(no_key=True, of=("self",)):
        states.move(claim, Claim.Status.REVOKED)
        claim.ended_at = now
        claim.save(update_fields=["status", "ended_at"])


def _apply(task: Task, work: Submission, review: Review, *, now: dt.datetime) -> None:
    if review.outcome == Review.Outcome.ACCEPT:
        if _lab_comes_next(task):
            _await(task, Task.Side.LAB, now=now)
        else:
            _complete(task, decided_by=review.decided_by, now=now)
    elif review.outcome == Review.Outcome.REQUEST_REWORK:
        _send_back(task, work, review, now=now)
    else:
        _reject(task, work, review, now=now)


def _settle_submission(work: Submission, status: str, *, by: User | None, now: dt.datetime) -> None:
    states.move(work, status)
    work.decided_by, work.decided_at = by, now
    work.save(update_fields=["status", "decided_by", "decided_at", "is_final"])


def _finish(task: Task, status: str, *, now: dt.datetime) -> None:
    states.move(task, status)
    task.review_side, task.review_by, task.finished_at = Task.Side.NOBODY, None, now
    places.refresh(task)
    task.save()


def _complete(task: Task, *, decided_by: User | None, now: dt.datetime) -> None:
    """Accept the candidate as final, and with it the other parts of the task that still stand."""
    _finish(task, Task.Status.COMPLETED, now=now)
    final = Submission.objects.select_related("expert").get(pk=task.candidate_id or 0)
    final.is_final = True
    _settle_submission(final, Submission.Status.ACCEPTED, by=decided_by, now=now)
    rubrics.freeze_of(submission=final, now=now)
    events.submission("submission.accepted", final, now=now)
    _accept_others(task, now=now)
    events.task("task.completed", task, now=now)


def _accept_others(task: Task, *, now: dt.datetime) -> None:
    others = Submission.objects.filter(task=task, status=Submission.Status.SUBMITTED).select_related("expert")
    for work in others.order_by("pk"):
        _settle_submission(work, Submission.Status.ACCEPTED, by=None, now=now)
        events.submission("submission.accepted", work, now=now)


def _send_back(task: Task, work: Submission, review: Review, *, now: dt.datetime) -> None:
    """The same person gets a new claim with time to revise; his former work stays as it was handed in.

    Whoever has left revises nothing, and is not asked: his part waits for somebody else at once.
    """
    _settle_submission(work, Submission.Status.REWORK_REQUESTED, by=review.decided_by, now=now)
    states.move(task, Task.Status.IN_REWORK)
    task.review_side, task.review_by = Task.Side.NOBODY, None
    if _is_there(work.claim.contract_id):
        _ask_to_revise(task, work, review, now=now)
        places.refresh(task)
        task.save()
    else:
        places.give_up(task=task, role=work.role)
    events.submission("submission.rework_requested", work, now=now)


def _is_there(contract_id: int) -> bool:
    """Whether the contract has not ended; it cannot end before this transaction does."""
    rows = Contract.objects.select_for_update(no_key=True, of=("self",))
    return rows.get(pk=contract_id).status != Contract.Status.ENDED


def _ask_to_revise(task: Task, work: Submission, review: Review, *, now: dt.datetime) -> None:
    lease = max(REWORK_LEASE, dt.timedelta(seconds=task.batch.lease_seconds))
    Claim.objects.create(
        tenant_id=task.tenant_id,
        task=task,
        contract_id=work.claim.contract_id,
        expert=work.expert,
        role=work.role,
        slot=work.claim.slot,
        claimed_at=now,
        lease_seconds=int(lease.total_seconds()),
        lease_until=now + lease,
        revises=work,
        submission_under_review=work.claim.submission_under_review,
        aht_cap_seconds=task.batch.aht_cap_seconds,
    )
    send_notice(
        expert=work.expert,
        kind="submission.rework_requested",
        subject=work.public_id,
        title=_("Please revise %(submission)s: %(reason)s")
        % {"submission": work.public_id, "reason": review.get_reason_code_display()},
        body=review.comment,
        link="/api/v1/expert/claims",
        now=now,
    )


def _reject(task: Task, work: Submission, review: Review, *, now: dt.datetime) -> None:
    """The work is not taken. The hours stay as they are; the expert is told why and how to contest it."""
    _settle_submission(work, Submission.Status.REJECTED, by=review.decided_by, now=now)
    _finish(task, Task.Status.REJECTED, now=now)
    _accept_others(task, now=now)
    if review.decided_by is None:
        raise InvalidTransition(_("Only a person rejects work."))
    record_decision(
        expert=work.expert,
        act="submission_rejected",
        subject=work.public_id,
        reason_code=review.reason_code,
        explanation=review.comment,
        evidence={"review": review.public_id, "submission": work.public_id, "side": review.side},
        decided_by=review.decided_by,
        tenant_id=task.tenant_id,
        now=now,
    )
    events.submission("submission.rejected", work, now=now)
    events.task("task.rejected", task, now=now)
