"""Giving payouts to their providers: what will be asked is committed before the provider hears of it.

A batch is leased for a minute. Whoever dies with it leaves it to `tracking`, which asks the provider what happened;
the same key is sent again, never a new one before the former was refused. The provider is called between two units of
work, in no transaction.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from core import states, vault
from core.public import Principal, unit_of_work
from core.sweeps import sweep_together
from payments import payout_reasons
from payments.models import Payout, PayoutAttempt, PayoutMethod
from payments.operations.rails import payouts, sending_latch
from payments.operations.runs.pay_run_calculation import blocked_experts
from payments.operations.runs.pay_runs import note_progress
from payments.providers import registry
from payments.providers.port import Answer, Order, ProviderUnavailable, Verdict

BATCH: Final = 25
FIRST_WAIT: Final = dt.timedelta(seconds=10)
LONGEST_WAIT: Final = dt.timedelta(hours=1)
TEMPORARY: Final = frozenset({"provider_busy", "daily_limit", "AM02", "AM21", "cancelled"})
"""Refusals that time heals: they are tried again under a new key, a few times."""
UNDERFUNDED: Final = frozenset({"balance_insufficient"})
"""Refusals because our own account there is short: finance funds it and resumes, and the expert's payout did not fail."""
MOST_ATTEMPTS: Final = 5

SENDER: Final = Principal.system("payments.send_payouts")
GIVER: Final = Principal.system("payments.give_back_unsent")
log = structlog.get_logger(__name__)


class CannotSend(Exception):
    """A payout that must wait for a person; ``code`` says why. One of them must not stop the others."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Batch:
    """What one provider is asked in one call."""

    provider: str
    orders: Sequence[Order]
    sends: Mapping[str, int] = field(default_factory=dict)
    """How often each key was sent by then, this time included."""


def send_due(*, now: dt.datetime, limit: int = 250) -> int:
    """Send payouts that are due; returns how many were given to a provider, about ``limit`` when there may be more.

    Any number of workers may do this at once. Leases count from ``now``, so a long run is several calls.
    """
    sent = 0
    while sent < limit:
        with unit_of_work(SENDER):
            batch, looked_at = take(now=now)
        if not looked_at:
            break
        if batch.orders:
            answers = _ask(batch, now)
            with unit_of_work(SENDER):
                record(answers, sends=batch.sends, now=now)
            sent += len(batch.orders)
    return sent


def take(*, now: dt.datetime) -> tuple[Batch, int]:
    """Lease the next due payouts of one provider and write down what will be asked; how many rows were looked at."""
    if not sending_latch.is_open(now=now):
        return Batch("", []), 0
    due = Payout.objects.filter(status=Payout.Status.READY, next_attempt_at__lte=now).order_by("next_attempt_at", "id")
    free = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("payout_method", "expert")
    rows = list(free[:BATCH])
    if rows and (more := settings.PAYOUT_BATCHES.get(rows[0].provider, BATCH) - BATCH) > 0:
        rows += free.filter(provider=rows[0].provider).exclude(pk__in=[row.pk for row in rows])[:more]
    if not rows:
        return Batch("", []), 0
    provider = rows[0].provider
    orders = _lease_all([payout for payout in rows if payout.provider == provider], now=now)
    note_progress(run_ids={payout.run_id for payout in rows}, now=now)
    asked = PayoutAttempt.objects.filter(idem_key__in=[order.key for order in orders])
    return Batch(provider, orders, dict(asked.values_list("idem_key", "sends"))), len(rows)


def _lease_all(rows: Sequence[Payout], *, now: dt.datetime) -> list[Order]:
    """What will be asked; payouts that must not be sent now are set aside."""
    blocked = blocked_experts(now=now)
    orders, stopped = [], []
    for payout in rows:
        try:
            with transaction.atomic():
                if _is_stale(payout, now):
                    _leave_to_tracking(payout, now)
                else:
                    orders.append(_lease(payout, blocked, now))
        except CannotSend as obstacle:
            stopped.append((payout, obstacle.code))
        except SoftTimeLimitExceeded:
            raise
        except Exception:  # or nobody behind it would ever be sent anything
            log.exception("payout_cannot_be_leased", payout=payout.public_id)
            Payout.objects.filter(pk=payout.pk).update(next_attempt_at=now + LONGEST_WAIT)
    _set_aside(stopped, now=now)
    return orders


def give_back_unsent(*, now: dt.datetime, after: int = 0) -> int:
    """Give up held payouts that no provider heard of and that only a person would move otherwise; returns how many.

    Those are payouts to a method that is not in use any more, and payouts that a block stopped which is over.
    """
    never_asked = ~Exists(PayoutAttempt.objects.filter(payout=OuterRef("pk")))
    waiting = Payout.objects.filter(never_asked, status=Payout.Status.ON_HOLD)
    blocked = blocked_experts(now=now)
    is_unblocked = Q(reason_code=payout_reasons.BLOCKED) & ~Q(expert__in=blocked)
    due = waiting.filter(is_unblocked | ~Q(payout_method__status=PayoutMethod.Status.ACTIVE))

    def give_back(keys: Sequence[int]) -> int:
        rows = payouts.locked(keys, now=now)
        still = [row for row in rows if row.status == Payout.Status.ON_HOLD and not row.attempts.exists()]
        outdated = [row for row in still if row.payout_method.status != PayoutMethod.Status.ACTIVE]
        payouts.give_back_unsent(outdated, now=now)
        unblocked = [row for row in still if row not in outdated and row.reason_code == payout_reasons.BLOCKED]
        payouts.give_back_unsent(unblocked, code=payout_reasons.UNBLOCKED, now=now)
        return len(outdated) + len(unblocked)

    return sweep_together(by=GIVER, due=due, step=give_back, after=after)


def record(answers: Sequence[Answer], *, sends: Mapping[str, int], now: dt.datetime) -> None:
    """Write down what a provider said. An answer that comes after somebody else found out changes nothing.

    Nor does a refusal of a key that was sent again meanwhile: a provider need not remember every refusal, and the
    later send may have been executed.
    """
    by_key = {answer.key: answer for answer in answers}
    attempts = list(PayoutAttempt.objects.filter(idem_key__in=by_key).order_by("pk"))
    rows = {payout.pk: payout for payout in payouts.locked([attempt.payout_id for attempt in attempts], now=now)}
    for attempt in attempts:
        payout, answer = rows[attempt.payout_id], by_key[attempt.idem_key]
        if answer.verdict is Verdict.REJECTED and attempt.sends != sends.get(attempt.idem_key):
            continue
        if attempt.finished_at is None and payout.status in {Payout.Status.SENDING, Payout.Status.UNKNOWN}:
            apply(payout, attempt, answer, now=now)
    note_progress(run_ids={payout.run_id for payout in rows.values()}, now=now)


def apply(payout: Payout, attempt: PayoutAttempt, answer: Answer, *, now: dt.datetime) -> None:
    """Move one payout by the provider's word about its current attempt."""
    if answer.verdict is Verdict.LATER:
        send_again(payout, at=now + _backoff(attempt.sends))
        return
    attempt.outcome = PayoutAttempt.Outcome(answer.verdict.value)
    attempt.code, attempt.detail = answer.code[:40], answer.detail[:300]
    attempt.finished_at = None if answer.verdict is Verdict.UNKNOWN else now
    attempt.save()
    if answer.verdict is Verdict.ACCEPTED:
        payouts.submitted(payout, movement_id=answer.movement_id, now=now)
    elif answer.verdict is Verdict.UNKNOWN:
        unknown(payout, attempt, code=answer.code, now=now)
    elif answer.code in UNDERFUNDED:
        payouts.held(payout, code=answer.code, now=now)
    elif answer.code in TEMPORARY and attempt.n < MOST_ATTEMPTS:
        _wait(payout, now + _backoff(attempt.n))
    else:
        payouts.failed(payout, code=answer.code, now=now)


def send_again(payout: Payout, *, at: dt.datetime) -> None:
    """The provider has not executed the key: the same one is sent again."""
    _wait(payout, at)


def unknown(payout: Payout, attempt: PayoutAttempt, *, code: str, now: dt.datetime) -> None:
    """Nobody knows what happened: look it up after a while."""
    if payout.status != Payout.Status.UNKNOWN:
        states.move(payout, Payout.Status.UNKNOWN)
    payout.reason_code, payout.lease_until = code[:40], None
    payout.next_attempt_at = now + _backoff(attempt.sends)
    payout.save()


def _wait(payout: Payout, until: dt.datetime) -> None:
    states.move(payout, Payout.Status.READY)
    payout.lease_until, payout.next_attempt_at = None, until
    payout.save()


def _set_aside(stopped: Sequence[tuple[Payout, str]], *, now: dt.datetime) -> None:
    """Give back what nobody was asked to send to a method that is gone; let the others wait for a person."""
    unsent = []
    for payout, code in stopped:
        if code == payout_reasons.METHOD_CHANGED and not payout.attempts.exists():
            unsent.append(payout)
        else:
            payouts.held(payout, code=code, now=now)
    payouts.give_back_unsent(unsent, now=now)


def _is_stale(payout: Payout, now: dt.datetime) -> bool:
    """Whether its open attempt's key is so old that the provider may soon take it for a new order."""
    try:
        window = registry.provider(payout.provider).key_window
    except ProviderUnavailable:
        return False
    return payout.attempts.filter(finished_at=None, first_sent_at__lte=now - window / 2).exists()


def _leave_to_tracking(payout: Payout, now: dt.datetime) -> None:
    """Such a key is never sent blind: it is looked up, and barred when the provider does not know it."""
    states.move(payout, Payout.Status.SENDING)
    payout.lease_until, payout.next_attempt_at = None, now
    payout.save()


def _lease(payout: Payout, blocked: set[int], now: dt.datetime) -> Order:
    """What will be asked, written down. Raises CannotSend before anything is."""
    method = payout.payout_method
    if method.status != PayoutMethod.Status.ACTIVE:
        raise CannotSend(payout_reasons.METHOD_CHANGED)
    if payout.expert_id in blocked:
        raise CannotSend(payout_reasons.BLOCKED)
    try:
        details = vault.open_sealed(bytes(method.sealed_details), owner=method.public_id)
    except vault.CannotOpen:
        raise CannotSend(payout_reasons.DETAILS_UNREADABLE) from None
    asked = (payout.public_id, payout.amount_minor, payout.currency, method.holder, sorted(details.items()))
    request_hash = hashlib.sha256(repr(asked).encode()).hexdigest()
    attempt = _attempt(payout, request_hash, now)
    states.move(payout, Payout.Status.SENDING)
    payout.lease_until = payout.next_attempt_at = now + dt.timedelta(seconds=settings.PAYOUT_LEASE_SECONDS)
    payout.save()
    return Order(
        key=attempt.idem_key,
        reference=payout.public_id,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        holder=method.holder,
        method_type=method.type,
        details=details,
        request_hash=request_hash,
    )


def _attempt(payout: Payout, request_hash: str, now: dt.datetime) -> PayoutAttempt:
    """The open attempt once more, or a new one with a new key after the former was decided."""
    last = payout.attempts.order_by("-n").first()
    if last is not None and last.finished_at is None:
        if last.request_hash != request_hash:
            raise CannotSend(payout_reasons.REQUEST_CHANGED)
        last.sends, last.last_sent_at = last.sends + 1, now
        last.save(update_fields=["sends", "last_sent_at"])
        return last
    n = last.n + 1 if last else 1
    return PayoutAttempt.objects.create(
        payout=payout,
        n=n,
        idem_key=f"{payout.public_id}-{n}",
        request_hash=request_hash,
        first_sent_at=now,
        last_sent_at=now,
    )


def _ask(batch: Batch, now: dt.datetime) -> list[Answer]:
    """The provider's answers; what it does not answer is unknown, since it may have been executed."""
    try:
        answers = registry.provider(batch.provider).submit(batch.orders, now=now)
    except ProviderUnavailable as error:
        log.warning("provider_unavailable", provider=batch.provider, error=str(error))
        answers = []
    answered = {answer.key for answer in answers}
    silent = [
        Answer(order.key, Verdict.UNKNOWN, code="no_answer") for order in batch.orders if order.key not in answered
    ]
    return [*answers, *silent]


def _backoff(times: int) -> dt.timedelta:
    return min(FIRST_WAIT * (1 << min(times, 12)), LONGEST_WAIT)
