"""News this floor listens to. Handlers read the state again and may run twice."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from experts.public import Appeal
from tasks.models import Batch, Review, Submission
from tasks.operations import batches, quality, reviews

_OVERTURNED = "overturned"


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
