"""Celery entry points of this floor."""

from __future__ import annotations

import datetime as dt

from core import clock
from core.jobs import job
from tasks.operations import claims, leftovers, reviews


@job(name="tasks.expire_claims", bound=False)
def expire_claims(after: int = 0) -> None:
    """Take back work whose lease is over."""
    claims.expire_lapsed(now=clock.now(), after=after)


@job(name="tasks.accept_by_silence", bound=False)
def accept_by_silence(after: int = 0) -> None:
    """Accept what nobody decided within its window."""
    reviews.accept_by_silence(now=clock.now(), after=after)


@job(name="tasks.sweep_files")
def sweep_files() -> None:
    """Remove stored bytes that no row knows."""
    leftovers.sweep()


PERIODIC = {
    "tasks.expire_claims": dt.timedelta(minutes=1),
    "tasks.accept_by_silence": dt.timedelta(minutes=5),
    "tasks.sweep_files": dt.timedelta(hours=6),
}
