"""News this floor listens to. Handlers read the state again and may run twice."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event, Principal
from experts.public import Appeal
from marketplace.public import Contract, Project
from tasks.models import Batch, Review, Submission
from tasks.operations import batches, claims, quality, reviews

_OVERTURNED = "overturned"
_OVER = (Batch.Status.COMPLETED, Batch.Status.CANCELLED)


@outbox.subscribe("appeal.decided", name="tasks.apply_overturned")
def apply_overturned(event: Event, now: dt.datetime) -> None:
    """A rejection that was overturned makes the work accepted."""
    if event.payload.get("outcome") != _OVERTURNED:
        return
    submission = Submission.objects.filter(public_id=event.payload.get("subject", "")).first()
    if submission is not None:
        appeal = Appeal.objects.filter(public_id=event.payload["appeal"]).select_related("decided_by").first()
        reviews.overturn(submission=submission, decided_by=appeal.decided_by if appeal else None, now=now)
        quality.recompute(submission=submission, now=now)


@outbox.subscribe("review.completed", name="tasks.record_quality")
def record_quality(event: Event, now: dt.datetime) -> None:
    """A review changes what is known of its author's work."""
    review = Review.objects.filter(public_id=event.subject).select_related("submission").first()
    if review is not None:
        quality.recompute(submission=review.submission, now=now)


@outbox.subscribe("task.*", name="tasks.complete_batch")
def complete_batch(event: Event, now: dt.datetime) -> None:
    """The last task that is finished completes its batch."""
    if event.name in {"task.completed", "task.rejected", "task.cancelled"}:
        batch = Batch.objects.filter(public_id=event.payload["batch"]).first()
        if batch is not None:
            batches.complete_if_done(batch=batch, now=now)


@outbox.subscribe("contract.ended", name="tasks.revoke_claims")
def revoke_claims(event: Event, now: dt.datetime) -> None:
    """Who has left holds no work any more; others get it."""
    contract = Contract.objects.filter(public_id=event.subject, status=Contract.Status.ENDED).first()
    if contract is not None:
        claims.revoke_of(contract=contract, now=now)


@outbox.subscribe("project.cancelled", name="tasks.cancel_batches")
def cancel_batches(event: Event, now: dt.datetime) -> None:
    """A cancelled project has no running batches."""
    project = Project.objects.filter(public_id=event.subject, status=Project.Status.CANCELLED).first()
    if project is not None:
        for batch in Batch.objects.filter(project=project).exclude(status__in=_OVER).order_by("pk"):
            batches.cancel(batch=batch, by=Principal.system("tasks.cancel_batches"), now=now)
