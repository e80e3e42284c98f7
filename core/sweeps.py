"""Sweeps: everything that is due, to the last row, however many there are and whichever of them cannot move.

Rows are taken in the order of their keys, a batch at a time, each in a unit of work of its own: one that fails costs
itself alone, alarms in the log, and is behind the sweep, not before it. A sweep ends before the worker's time limit does
and leaves the rest to another run of its job, which goes on at the key where this one stopped; where one row took all
the time there was, behind that row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.models import QuerySet

from core.principal import Principal
from core.unit_of_work import unit_of_work
from core.wake import wake

BATCH: Final = 500
SECONDS: Final = 45.0
"""Half of the workers' soft time limit: one slow step more still fits."""
SHOWN: Final = 20
"""So many failures of one sweep are logged in full; the others are counted."""

Due = QuerySet[Any] | Collection[int]
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Tally:
    """How far one run of a sweep is."""

    job: str
    last: int
    moved: int = 0
    failed: int = 0


def sweep(*, by: Principal, due: Due, step: Callable[[int], object], after: int = 0) -> int:
    """Do ``step`` with the key of each row of ``due``, each in a unit of work of ``by``; how many moved.

    A step that answers False has moved nothing. ``due`` are rows (filtered, in any order) or keys. ``after`` is the key
    where an earlier run of the job stopped: ``by`` names the job, which takes it as its only argument.
    """
    return _walk(by, due, lambda keys: step(keys[0]) is not False, after=after, size=1)


def sweep_together(
    *, by: Principal, due: Due, step: Callable[[list[int]], int], after: int = 0, size: int = 200
) -> int:
    """Do ``step`` with up to ``size`` keys at once; when they fail together, with each alone. It answers how many moved."""
    return _walk(by, due, step, after=after, size=size)


def rounds(step: Callable[[], object]) -> bool:
    """Do ``step`` until it finds nothing more or the time of a sweep is over; whether something may be left.

    For work under leases: each round reads the clock anew, since they count from it.
    """
    ends = time.monotonic() + SECONDS
    while step():
        if time.monotonic() >= ends:
            return True
    return False


def _walk(by: Principal, due: Due, step: Callable[[list[int]], int], *, after: int, size: int) -> int:
    tally = _Tally(by.label.removeprefix("job:"), after)
    try:
        with _only_one(tally.job, later=after > 0) as is_ours:
            is_cut = is_ours and _go(by, due, step, tally, size)
    except SoftTimeLimitExceeded:  # or one slow row would keep all behind it waiting, tick after tick
        if tally.last > after:  # whoever came to no row at all would be woken for ever
            wake(tally.job, tally.last)
        raise
    if tally.failed:
        log.error("sweep_failed", job=tally.job, failed=tally.failed, moved=tally.moved)
    if is_cut:  # outside the lock, so that whoever is woken finds it free
        wake(tally.job, tally.last)
    return tally.moved


def _go(by: Principal, due: Due, step: Callable[[list[int]], int], tally: _Tally, size: int) -> bool:
    """Whether the time was over before the rows were."""
    ends = time.monotonic() + SECONDS
    keys = _next(by, due, tally.last)
    while keys:
        for start in range(0, len(keys), size):
            _take(by, keys[start : start + size], step, tally)
            if time.monotonic() >= ends:
                return True
        keys = _next(by, due, tally.last) if len(keys) == BATCH else []
    return False


def _take(by: Principal, keys: list[int], step: Callable[[list[int]], int], tally: _Tally) -> None:
    try:
        with unit_of_work(by):
            moved = step(keys)
        tally.moved += moved
    except SoftTimeLimitExceeded:  # the worker's: nothing is left to try them alone
        log.error("sweep_row_too_slow", job=tally.job, row=keys[0], rows=len(keys))
        tally.last = keys[-1]
        raise
    except Exception:  # one row's failure must not stop the others
        if len(keys) > 1:
            for key in keys:
                _take(by, [key], step, tally)
        else:
            tally.failed += 1
            if tally.failed <= SHOWN:
                log.exception("sweep_row_failed", job=tally.job, row=keys[0])
    tally.last = keys[-1]


def _next(by: Principal, due: Due, last: int) -> list[int]:
    """The next batch of keys above one."""
    with unit_of_work(by):
        if isinstance(due, QuerySet):
            rows = due.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)
            return list(rows[:BATCH])
        return sorted(key for key in due if key > last)[:BATCH]


@contextmanager
def alone(what: str) -> Iterator[bool]:
    """Whether nobody else is at ``what``. The lock is the session's and dies with it, as a worker may."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [what])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [what])


@contextmanager
def _only_one(job: str, *, later: bool) -> Iterator[bool]:
    """Whether this run may go: later runs of a job one at a time, or a backlog would make each tick a worker more.

    A tick's own run needs no lock.
    """
    if not later:
        yield True
        return
    with alone(f"core.sweep:{job}") as is_ours:
        yield is_ours
