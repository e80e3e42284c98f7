"""News of this floor."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Principal
from tasks.models import Batch, Claim, Review, Submission, Task


def batch(name: str, subject: Batch, *, by: Principal | None, now: dt.datetime) -> None:
    """Something happened to a batch ("batch.launched")."""
    outbox.publish(
        name,
        subject=subject.public_id,
        tenant_id=subject.tenant_id,
        actor=by.label if by else "",
        payload={"batch": subject.public_id},
        now=now,
    )


def task(name: str, subject: Task, *, now: dt.datetime, by: Principal | None = None) -> None:
    """Something happened to a task ("task.completed")."""
    outbox.publish(
        name,
        subject=subject.public_id,
        tenant_id=subject.tenant_id,
        actor=by.label if by else "",
        payload={"task": subject.public_id, "batch": subject.batch.public_id},
        now=now,
    )


def submission(name: str, subject: Submission, *, now: dt.datetime, by: Principal | None = None) -> None:
    """Something happened to a submission ("submission.accepted"); its author may hear of it."""
    outbox.publish(
        name,
        subject=subject.public_id,
        tenant_id=subject.tenant_id,
        user_id=subject.expert.user_id,
        actor=by.label if by else "",
        payload={"submission": subject.public_id},
        now=now,
    )


def claim(name: str, subject: Claim, *, now: dt.datetime, by: Principal | None = None) -> None:
    """Something happened to a claim ("claim.expired"); its holder may hear of it, the lab has no business with it."""
    outbox.publish(
        name,
        subject=subject.public_id,
        tenant_id=subject.tenant_id,
        for_lab=False,
        user_id=subject.expert.user_id,
        actor=by.label if by else "",
        payload={"claim": subject.public_id},
        now=now,
    )


def review(subject: Review, *, now: dt.datetime) -> None:
    """A review was given."""
    outbox.publish(
        "review.completed",
        subject=subject.public_id,
        tenant_id=subject.tenant_id,
        payload={"review": subject.public_id, "submission": subject.submission.public_id},
        now=now,
    )
