"""What providers tell us: kept first, then answered 200, then looked into.

The signature is verified on the raw bytes before anything is stored. An event is a hint: its handler asks the provider
what became of the payouts it names, as the tracker does without any event, so it may come five times, late, or never.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core import scope, states
from core.problems import Conflict, DomainError, NotFound
from core.public import Principal, unit_of_work
from core.wake import wake_after_commit
from payments.models import InboundEvent, PayoutAttempt
from payments.operations.payee import onboarding
from payments.operations.rails import sending_latch, tracking
from payments.providers import registry
from payments.providers.port import Capability, InvalidSignature, ProviderUnavailable

BATCH: Final = 20
FORGET_BATCH: Final = 1_000
LEASE: Final = dt.timedelta(minutes=2)
FIRST_WAIT: Final = dt.timedelta(seconds=30)
MOST_TRIES: Final = 10
"""With the waits between them about eight hours; the tracker follows the payouts meanwhile and afterwards."""
MOST_UNKNOWN: Final = 3
"""An account's first event may overtake our own note of it."""

UNKNOWN_OBJECT: Final = "unknown_object"
HANDLER: Final = Principal.system("payments.handle_inbound")
log = structlog.get_logger(__name__)


class InvalidEventSignature(DomainError):
    """The signature is missing, does not fit these bytes, or is too old. Nothing of the request was kept.

    Sign the raw body with the endpoint's secret, and check the sender's clock.
    """

    code = "invalid_event_signature"
    status = 400
    title = _("The signature does not fit")


class EventInHand(Conflict):
    """Only an event that could not be handled is handled again."""

    code = "event_in_hand"
    title = _("Nothing is left to do")


class _UnknownObject(Exception):
    """The event is about something that we never sent."""


def deliver(*, provider: str, raw: bytes, headers: Mapping[str, str], now: dt.datetime) -> int:
    """Keep what a provider sent; returns how many events were in it, repeated ones included.

    Raises NotFound for a provider that is not configured or sends no events, InvalidEventSignature.
    """
    try:
        sender = registry.provider(provider)
    except registry.UnknownProvider:
        raise NotFound from None
    if Capability.EVENTS not in sender.capabilities:
        raise NotFound
    try:
        events = sender.parse_event(raw, headers, now=now)
    except InvalidSignature as error:
        log.warning("forged_event", provider=provider, reason=str(error))
        raise InvalidEventSignature from None
    for event in events:
        receive(
            provider=provider,
            event_id=event.event_id,
            kind=event.kind,
            raw=raw,
            keys=event.keys,
            account=event.account,
            now=now,
        )
    return len(events)


def receive(
    *,
    provider: str,
    event_id: str,
    kind: str,
    raw: bytes,
    now: dt.datetime,
    keys: Iterable[str] = (),
    account: str = "",
) -> InboundEvent:
    """Keep a verified event and have it handled; the same event again changes nothing.

    ``keys`` are the attempts and ``account`` the payee's account it is about; without either it is kept and ignored.
    """
    event = InboundEvent(
        provider=provider,
        event_id=event_id,
        kind=kind[:80],
        raw=raw,
        keys=list(keys),
        account=account,
        received_at=now,
        next_attempt_at=now,
    )
    if not event.keys and not event.account:
        states.move(event, InboundEvent.Status.IGNORED)
        event.handled_at = now
    with scope.as_platform():
        InboundEvent.objects.bulk_create([event], ignore_conflicts=True)
        kept = InboundEvent.objects.get(provider=provider, event_id=event_id)
    if kept.status == InboundEvent.Status.RECEIVED:
        wake_after_commit("payments.handle_inbound")
    return kept


def handle_due(*, now: dt.datetime) -> int:
    """Look into every event that is due; returns how many. Any number of workers may do this at once."""
    handled = 0
    while some := handle_some(now=now):
        handled += some
    return handled


def handle_some(*, now: dt.datetime) -> int:
    """Look into the next events that are due; how many. Leases count from ``now``."""
    with unit_of_work(HANDLER):
        events = _take(now=now)
    for event in events:
        _handle(event, now=now)
    return len(events)


def handle_again(*, event: InboundEvent, now: dt.datetime) -> InboundEvent:
    """A person removed what stood in the way. Raises EventInHand unless the event had failed."""
    event = InboundEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event.pk)
    if event.status != InboundEvent.Status.FAILED:
        raise EventInHand
    states.move(event, InboundEvent.Status.RECEIVED)
    event.tries, event.code, event.next_attempt_at = 0, "", now
    event.save()
    wake_after_commit("payments.handle_inbound")
    return event


def forget_bodies(*, now: dt.datetime) -> int:
    """Let go of what old events said; returns how many.

    The row stays, so that a repeated delivery is still known; what nobody could handle stays whole for people.
    """
    done = (InboundEvent.Status.HANDLED, InboundEvent.Status.IGNORED)
    long_ago = now - dt.timedelta(days=settings.INBOUND_BODIES_KEPT_DAYS)
    forgotten = 0
    while True:
        with unit_of_work(HANDLER):
            old = InboundEvent.objects.filter(status__in=done, received_at__lte=long_ago).exclude(raw=b"")
            batch = list(old.order_by("pk").values_list("pk", flat=True)[:FORGET_BATCH])
            forgotten += InboundEvent.objects.filter(pk__in=batch).update(raw=b"")
        if len(batch) < FORGET_BATCH:
            return forgotten


def _take(*, now: dt.datetime) -> list[InboundEvent]:
    """Lease the next due events: whoever dies with them leaves them to the next."""
    due = InboundEvent.objects.filter(status=InboundEvent.Status.RECEIVED, next_attempt_at__lte=now)
    rows = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("next_attempt_at", "id")
    events = list(rows.defer("raw")[:BATCH])
    for place, event in enumerate(reversed(events), 1):
        event.tries += 1
        event.next_attempt_at = now + LEASE - tracking.AHEAD * place
        event.save(update_fields=["tries", "next_attempt_at"])
    return events


def _handle(event: InboundEvent, *, now: dt.datetime) -> None:
    code = ""
    _put_behind(event, now=now)
    try:
        _look_into(event, now=now)
    except _UnknownObject:
        code = UNKNOWN_OBJECT
    except ProviderUnavailable:
        code = "provider_unavailable"
    except SoftTimeLimitExceeded:  # the worker's: its lease ends, and it is looked into again after those behind it
        raise
    except Exception:  # one event that breaks its handler must not stop the others
        log.exception("inbound_event_broke", provider=event.provider, event_id=event.event_id)
        code = "internal_error"
    with unit_of_work(HANDLER):
        _conclude(event.pk, code, now=now)


def _put_behind(event: InboundEvent, *, now: dt.datetime) -> None:
    """Let whoever does not come to an end with it leave the others of its batch to be looked into first."""
    with unit_of_work(HANDLER):
        mine = InboundEvent.objects.filter(pk=event.pk, next_attempt_at=event.next_attempt_at)
        mine.update(next_attempt_at=now + LEASE)


def _look_into(event: InboundEvent, *, now: dt.datetime) -> None:
    """Ask the provider about everything the event names. Raises _UnknownObject when none of it is ours."""
    with unit_of_work(HANDLER):
        sending_latch.fall_before_strangers(event.keys, now=now)
        mine = PayoutAttempt.objects.filter(idem_key__in=event.keys, payout__provider=event.provider)
        keys = sorted(mine.values_list("idem_key", flat=True))
        is_payee = bool(event.account) and onboarding.look_again(
            provider=event.provider, account=event.account, now=now
        )
    if keys:
        tracking.look_up(event.provider, keys, now=now)
    if is_payee:
        onboarding.onboard_due(now=now)
    if len(keys) < len(event.keys) or (event.account and not is_payee):
        raise _UnknownObject


def _conclude(event_id: int, code: str, *, now: dt.datetime) -> None:
    event = InboundEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event_id)
    if event.status != InboundEvent.Status.RECEIVED:
        return
    event.code = code
    if not code:
        states.move(event, InboundEvent.Status.HANDLED)
        event.handled_at = now
    elif event.tries >= (MOST_UNKNOWN if code == UNKNOWN_OBJECT else MOST_TRIES):
        states.move(event, InboundEvent.Status.FAILED)
        log.error("inbound_event_failed", provider=event.provider, event_id=event.event_id, kind=event.kind, code=code)
    else:
        event.next_attempt_at = now + FIRST_WAIT * (1 << event.tries)
    event.save()
