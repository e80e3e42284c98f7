"""Celery entry points: thin, named, with ids only. The database is the truth; Celery is the alarm clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Final, Protocol, cast

from celery import shared_task

from core import clock, idempotency, long_work, outbox, sweeps
from core.principal import Principal
from core.unit_of_work import unit_of_work
from core.wake import wake

DEBTS: Final = 50
"""So many debts of the outbox are paid by one reading of the clock: its waits count from it."""


class Job(Protocol):
    """A callable that can also be left to a worker."""

    name: str

    def __call__(self, *args: int | str) -> None:
        """Run it here."""

    def delay(self, *args: int | str) -> object:
        """Leave it to a worker."""


def job(*, name: str, bound: bool = True) -> Callable[[Callable[..., None]], Job]:
    """Make a function a job called ``name`` (``<app>.<verb_noun>``); the app's name decides the queue.

    ``bound`` wraps it into one unit of work as the platform; jobs that need several open them themselves.
    """

    def decorate(function: Callable[..., None]) -> Job:
        @wraps(function)
        def run(*args: int | str) -> None:
            if not bound:
                function(*args)
                return
            with unit_of_work(Principal.system(name)):
                function(*args)

        return cast(Job, shared_task(name=name)(run))

    return decorate


@job(name="core.drain_outbox", bound=False)
def drain_outbox() -> None:
    """Deliver due news to its subscribers, and come back for the rest."""
    if sweeps.rounds(lambda: outbox.drain(now=clock.now(), limit=DEBTS)):
        wake("core.drain_outbox")


@job(name="core.run_operation", bound=False)
def run_operation(operation_id: int) -> None:
    """Do the long work of one operation."""
    long_work.run(operation_id, now=clock.now())


@job(name="core.resume_operations", bound=False)
def resume_operations() -> None:
    """Start operations again whose worker died."""
    long_work.resume(now=clock.now())


@job(name="core.forget_idempotency_keys", bound=False)
def forget_idempotency_keys() -> None:
    """Delete answers that nobody may ask for again."""
    idempotency.sweep(now=clock.now())


PERIODIC = {
    "core.drain_outbox": dt.timedelta(minutes=1),
    "core.resume_operations": dt.timedelta(minutes=1),
    "core.forget_idempotency_keys": dt.timedelta(hours=1),
}
