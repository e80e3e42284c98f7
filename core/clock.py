"""The one clock. Edges read it and pass ``now`` down; nothing else asks what time it is.

In development mode it can be moved forward (one stored offset), so that approval windows, pay days and expiries can
be played through. Cryptography and sessions stay on real time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

_frozen: ContextVar[dt.datetime | None] = ContextVar("cadre_frozen_clock", default=None)
_known = {"offset": dt.timedelta(0)}


class ClockIsFixed(RuntimeError):
    """The clock can be moved in development mode only."""


def now() -> dt.datetime:
    """The current instant, UTC, with the stored offset in development mode."""
    frozen = _frozen.get()
    if frozen is not None:
        return frozen
    return timezone.now() + _offset()


def stamp() -> dt.datetime:
    """When a row was written, for ``created_at``: with the offset that this process last read, and without a query."""
    return _frozen.get() or timezone.now() + _known["offset"]


def advance(by: dt.timedelta) -> dt.datetime:
    """Move the clock forward by ``by`` and return the new now. Raises ClockIsFixed outside development mode."""
    if not settings.CLOCK_MOVABLE:
        raise ClockIsFixed("The clock moves in development mode only.")
    if by <= dt.timedelta(0):
        raise ValueError("The clock moves forward only.")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_clockoffset (id, seconds) VALUES (1, %s)"
            " ON CONFLICT (id) DO UPDATE SET seconds = core_clockoffset.seconds + EXCLUDED.seconds",
            [int(by.total_seconds())],
        )
    return now()


@contextmanager
def frozen(at: dt.datetime) -> Iterator[None]:
    """Hold the clock at ``at`` in this thread; for tests and replays."""
    token = _frozen.set(at)
    try:
        yield
    finally:
        _frozen.reset(token)


def _offset() -> dt.timedelta:
    if not settings.CLOCK_MOVABLE:
        return dt.timedelta(0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT seconds FROM core_clockoffset WHERE id = 1")
        row = cursor.fetchone()
    _known["offset"] = dt.timedelta(seconds=row[0]) if row else dt.timedelta(0)
    return _known["offset"]
