"""Celery entry points: thin, named, with ids only. The database is the truth; Celery is the alarm clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from core import clock, long_work, outbox
from core.principal import Principal
from core.unit_of_work import unit_of_work

log = structlog.get_logger(__name__)


class Job(Protocol):
    """A callable that can also be left to a worker."""

    name: str

    def __call__(self, *args: Any) -> Any:
        """Run it here."""

    def delay(self, *args: Any) -> Any:
        """Leave it to a worker."""

    def delay_quietly(self, *args: Any) -> None:
        """Leave it to a worker; a broker that is down is no error, the sweeper will wake the job."""


def job(*, name: str, queue: str = "default", bound: bool = True) -> Callable[[Callable[..., Any]], Job]:
    """Make a function a job called ``name`` (``<app>.<verb_noun>``).

    ``bound`` wraps it into one unit of work as the platform; jobs that need several open them themselves.
    """

    def decorate(function: Callable[..., Any]) -> Job:
        @wraps(function)
        def run(*args: Any) -> Any:
            if not bound:
                return function(*args)
            with unit_of_work(Principal.system(name)):
                return function(*args)

        made = shared_task(name=name, queue=queue)(run)

        def delay_quietly(*args: Any) -> None:
            try:
                made.apply_async(args=args, retry=False)
            except OperationalError:
                log.warning("broker_down", job=name)

        made.delay_quietly = delay_quietly
        return cast(Job, made)

    return decorate


@job(name="core.drain_outbox", bound=False)
def drain_outbox() -> None:
    """Deliver due news to its subscribers."""
    outbox.drain(now=clock.now())


@job(name="core.run_operation", bound=False)
def run_operation(operation_id: int) -> None:
    """Do the long work of one operation."""
    long_work.run(operation_id, now=clock.now())


@job(name="core.resume_operations", bound=False)
def resume_operations() -> None:
    """Start operations again whose worker died."""
    long_work.resume(now=clock.now())


PERIODIC = {
    "core.drain_outbox": dt.timedelta(minutes=1),
    "core.resume_operations": dt.timedelta(minutes=1),
}
