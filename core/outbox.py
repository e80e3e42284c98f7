"""News for whoever subscribed: written with the effect, delivered after the commit, at least once, in no order.

A floor tells what happened with :func:`publish`; floors above listen with :func:`subscribe` in ``subscribers.py``.
Each subscriber's debt is a row, so nothing is lost when a worker, the broker or the machine dies: the drain job takes
due rows with ``SKIP LOCKED``, a sweeper wakes it once a minute. Handlers read the state again; they may run twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from core.models.event import Event, EventHandling
from core.principal import Principal
from core.unit_of_work import unit_of_work
from core.wake import wake_after_commit

Handler = Callable[[Event, dt.datetime], None]

FIRST_RETRY = dt.timedelta(seconds=10)
LONGEST_WAIT = dt.timedelta(hours=1)
MOST = 1000
"""So many debts are paid in one go."""

log = structlog.get_logger(__name__)
_subscribers: dict[str, tuple[str, Handler]] = {}


def subscribe(pattern: str, *, name: str) -> Callable[[Handler], Handler]:
    """Have ``handler(event, now)`` called for events whose name matches ``pattern`` ("offer.*").

    ``name`` is the subscriber's own, ``<app>.<verb_noun>``; it is stored, so it must not change lightly.
    """

    def decorate(handler: Handler) -> Handler:
        if name in _subscribers and _subscribers[name][1] is not handler:
            raise ValueError(f"Two subscribers are called {name}.")
        _subscribers[name] = (pattern, handler)
        return handler

    return decorate


def publish(
    name: str,
    *,
    subject: str,
    now: dt.datetime,
    tenant_id: int | None = None,
    for_lab: bool = True,
    user_id: int | None = None,
    actor: str = "",
    payload: dict[str, Any] | None = None,
) -> Event:
    """Record that ``name`` happened to ``subject`` (a public id), in the transaction of the effect.

    ``tenant_id`` and ``user_id`` say who may see it; ``for_lab=False`` keeps it from the tenant's own event list.
    """
    event = Event(
        name=name,
        subject=subject,
        tenant_id=tenant_id,
        for_lab=for_lab,
        user_id=user_id,
        actor=actor,
        payload=payload or {},
        occurred_at=now,
    )
    publish_all([event])
    return event


def publish_all(events: Sequence[Event]) -> None:
    """Record many unsaved events at once, with two statements however many they are."""
    Event.objects.bulk_create(events)
    debts = [
        EventHandling(event=event, subscriber=subscriber, next_attempt_at=event.occurred_at)
        for event in events
        for subscriber, (pattern, _) in _subscribers.items()
        if fnmatchcase(event.name, pattern)
    ]
    if debts:
        EventHandling.objects.bulk_create(debts)
        wake_after_commit("core.drain_outbox")


def drain(*, now: dt.datetime, limit: int = MOST) -> int:
    """Pay due debts, each in a unit of work of its own; return how many were tried."""
    tried = 0
    while tried < limit and (handling_id := _next_due(now=now)):
        tried += 1
        _attempt(handling_id, now=now)
    return tried


def _next_due(*, now: dt.datetime) -> int | None:
    """Take one due debt by pushing its next attempt away: whoever dies leaves it to be tried again."""
    with transaction.atomic():
        handling = (
            EventHandling.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(done_at=None, next_attempt_at__lte=now)
            .order_by("id")
            .first()
        )
        if handling is None:
            return None
        handling.attempts = min(handling.attempts + 1, 1000)
        handling.next_attempt_at = now + min(FIRST_RETRY * 2 ** min(handling.attempts, 12), LONGEST_WAIT)
        handling.save(update_fields=["attempts", "next_attempt_at"])
        return handling.pk


def _attempt(handling_id: int, *, now: dt.datetime) -> None:
    handling = EventHandling.objects.select_related("event").get(pk=handling_id)
    if handling.subscriber not in _subscribers:
        _note_failure(handling_id, "No such subscriber in this release.")
        return
    _, handler = _subscribers[handling.subscriber]
    try:
        with unit_of_work(
            Principal.system(handling.subscriber), reason=f"{handling.event.name} {handling.event.public_id}"
        ):
            if _is_open(handling_id):
                handler(handling.event, now)
                EventHandling.objects.filter(pk=handling_id).update(done_at=now, last_error="")
    except SoftTimeLimitExceeded:  # the worker's: the other debts are for the next one
        log.error("subscriber_too_slow", subscriber=handling.subscriber, event_id=handling.event.public_id)
        _note_failure(handling_id, "It took all the time that a job has.")
        raise
    except Exception as error:  # whatever a handler raises must not stop the others
        log.exception("subscriber_failed", subscriber=handling.subscriber, event_id=handling.event.public_id)
        _note_failure(handling_id, f"{type(error).__name__}: {error}"[:2000])


def _is_open(handling_id: int) -> bool:
    """Whether the debt is still to be paid and nobody is at it; it is ours until the transaction ends.

    A handler may take longer than its debt was pushed away for.
    """
    rows = EventHandling.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return rows.filter(pk=handling_id, done_at=None).first() is not None


def _note_failure(handling_id: int, error: str) -> None:
    with transaction.atomic():
        EventHandling.objects.filter(pk=handling_id).update(last_error=error)
