"""Wake a job by its name. The database is the truth, so a broker that is down costs a minute, not the work."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def wake(job: str, *args: int | str) -> None:
    """Leave ``job`` to a worker, now. When the broker is down, the job's sweeper wakes it later."""
    try:
        current_app.send_task(job, args=args, retry=False)
    except OperationalError:
        log.warning("broker_down", job=job)


def wake_after_commit(job: str, *args: int | str) -> None:
    """Leave ``job`` to a worker once the running transaction is committed; a rollback wakes nobody."""
    transaction.on_commit(lambda: wake(job, *args))


def wake_sweepers_after_commit() -> list[str]:
    """Wake every periodic job once the running transaction is committed (the clock has moved); their names."""
    current_app.finalize()
    names = sorted(current_app.conf.beat_schedule)
    for name in names:
        wake_after_commit(name)
    return names
