"""Finding out what became of payouts: those whose outcome is unknown, those under way, those that come back."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from core import states, sweeps
from core.public import Principal, unit_of_work
from core.wake import wake, wake_after_commit
from payments.models import Payout, PayoutAttempt, PayoutMethod
from payments.operations.bank import reconciliation
from payments.operations.rails import payouts, rounds, sending, sending_latch, settled
from payments.operations.rails.rounds import LOOK_BACK
from payments.operations.runs.pay_runs import note_progress
from payments.providers import registry
from payments.providers.port import Answer, Movement, Provider, ProviderUnavailable, Standing, Verdict
from payments.providers.sepa_file import NAME as BANK

BATCH: Final = 100
SILENCES: Final = 3
"""After so many questions without any answer one after the other, a provider is left alone for a while."""
AHEAD: Final = dt.timedelta(microseconds=1)
"""So far apart those of a batch are due again, and before whomever somebody turned to: nobody stands behind for ever."""
ASK_AGAIN: Final = dt.timedelta(minutes=5)
LONGEST_WAIT: Final = dt.timedelta(hours=6)
PATIENCE: Final = 12
"""What has been under way for an hour is asked about every five minutes, for a day every two hours."""
ROUNDS: Final = "payments.follow_settlements"
"""The job that goes on with a provider's round; its name is its argument."""

TRACKER: Final = Principal.system("payments.track_payouts")
log = structlog.get_logger(__name__)

_LOST = Q(status=Payout.Status.SENDING)  # its lease is over: whoever sent it died or hangs
_HELD = Q(status=Payout.Status.ON_HOLD) & Exists(PayoutAttempt.objects.filter(payout=OuterRef("pk"), finished_at=None))
_OPEN = Q(status__in=(Payout.Status.UNKNOWN, Payout.Status.SUBMITTED, Payout.Status.IN_TRANSIT))


class _NotBarred(ProviderUnavailable):
    """Keys that may be neither sent again nor given up: whether they can be executed still is not known."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Payouts of one provider by their keys, whom nobody else asks about before the lease is over."""

    provider: str
    payouts: dict[str, int]
    lease_until: dt.datetime

    def turn_to(self, keys: Iterable[str]) -> None:
        """Put those who are asked about now behind the others: whoever does not come to an end leaves those first."""
        first = self.lease_until - AHEAD * len(self.payouts)
        self._move(keys, Q(next_attempt_at__gte=first, next_attempt_at__lt=self.lease_until), to=self.lease_until)

    def rest(self, keys: Iterable[str], *, until: dt.datetime) -> None:
        """Leave those of whom no answer said when to ask again; whoever dies before costs them the lease alone."""
        self._move(keys, Q(next_attempt_at=self.lease_until), to=until)

    def _move(self, keys: Iterable[str], untold: Q, *, to: dt.datetime) -> None:
        with unit_of_work(TRACKER):
            mine = Payout.objects.filter(untold, _OPEN | _HELD, pk__in=[self.payouts[key] for key in keys])
            locked = mine.select_for_update(no_key=True, of=("self",)).order_by("pk")
            Payout.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(next_attempt_at=to)


def track_due(*, now: dt.datetime) -> int:
    """Ask about every payout that is due to be asked about; returns how many."""
    asked = 0
    while some := track_some(now=now):
        asked += some
    return asked


def track_some(*, now: dt.datetime) -> int:
    """Ask about the next payouts of one provider that are due; how many. Leases count from ``now``."""
    with unit_of_work(TRACKER):
        batch = _take(now=now)
    if batch is None:
        return 0
    asked = _look_up_all(batch, now=now)
    batch.rest(list(batch.payouts)[:asked], until=now + ASK_AGAIN)
    return len(batch.payouts)


def _look_up_all(batch: _Batch, *, now: dt.datetime) -> int:
    """Ask about a batch, in as many questions as the provider needs, each written down before the next; how many keys.

    After a few silences the others are left to their lease: whoever asks next asks about them first.
    """
    keys, together, silences = list(batch.payouts), _asked_together(batch.provider), 0
    for start in range(0, len(keys), together):
        part = keys[start : start + together]
        batch.turn_to(part)
        silences = 0 if _is_told(batch.provider, part, now=now) else silences + 1
        if silences == SILENCES:
            return start + len(part)
    return len(keys)


def _is_told(provider: str, keys: list[str], *, now: dt.datetime) -> bool:
    """Ask; one by one where something in it breaks, so that the others are not lost with it. Whether there was an answer."""
    try:
        look_up(provider, keys, now=now)
    except _NotBarred as error:
        log.warning("payout_key_not_barred", provider=provider, error=str(error))
    except ProviderUnavailable as error:
        log.warning("provider_unavailable", provider=provider, error=str(error))
        return False
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        if len(keys) == 1:
            log.exception("payout_not_followed", provider=provider, key=keys[0])
            return True
        for key in keys:
            _is_told(provider, [key], now=now)
    return True


def follow_settlements(*, now: dt.datetime, only: str = "", begins: bool = True, ends: float | None = None) -> None:
    """Go round what providers settled lately, catch up with whatever no answer told us, and take it down.

    What does not fit before ``ends`` (of the monotonic clock; a sweep's time unless told) is left to another run of the
    job, which goes on with the provider's round behind the line where this one stopped, and ``begins`` none.
    """
    names, ends = [only] if only else _paying(now=now), ends or time.monotonic() + sweeps.SECONDS
    for n, name in enumerate(names):
        try:
            is_cut = _go_round(name, begins=begins, ends=ends, now=now)
        except SoftTimeLimitExceeded:
            if rounds.is_asking(provider=name):  # else its list alone took all the time, and would again
                wake(ROUNDS, name)
            for behind in names[n + 1 :]:
                rounds.begin(provider=behind, now=now)
                wake(ROUNDS, behind)
            raise
        if is_cut:
            wake(ROUNDS, name)


def _go_round(name: str, *, begins: bool, ends: float, now: dt.datetime) -> bool:
    """Whether something is left. What breaks is this provider's: the others' money comes back all the same."""
    write, look = partial(_write_down, name, now=now), partial(_look, now=now)
    try:
        return rounds.walk(provider=name, write=write, look=look, ends=ends, begins=begins, now=now)
    except SoftTimeLimitExceeded:
        raise
    except ProviderUnavailable as error:
        log.warning("provider_unavailable", provider=name, error=str(error))
    except Exception:
        log.exception("settlements_not_followed", provider=name)
    return False


def _look(keys: list[str], *, now: dt.datetime) -> None:
    with unit_of_work(TRACKER):
        sending_latch.fall_before_strangers(keys, now=now)


def _write_down(name: str, movements: list[Movement], *, now: dt.datetime) -> None:
    """Follow some movements and take them down; one by one where one of them cannot be."""
    try:
        with unit_of_work(TRACKER):
            _apply(name, settled.news(name, movements), now=now)
            settled.book_fees(name, movements, now=now)
        if name != BANK:  # whose movements come with its statements
            reconciliation.take_settlements(provider=name, movements=movements, now=now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        if len(movements) == 1:
            log.exception("settlement_not_followed", provider=name, key=movements[0].key)
            return
        for movement in movements:
            _write_down(name, [movement], now=now)


def look_up(name: str, keys: list[str], *, now: dt.datetime) -> None:
    """Ask a provider about keys and move their payouts to where its books have them. Raises ProviderUnavailable.

    A key that could not be barred costs itself alone: it is not sent again, and the others go their way.
    """
    provider = registry.provider(name)
    movements = provider.lookup(keys, now=now)
    to_bar = _to_bar(provider, [key for key in keys if key not in movements], now=now)
    refusals: dict[str, str] = {}
    for key in to_bar:
        try:
            movements[key] = provider.cancel(key, now=now)
        except ProviderUnavailable as error:
            refusals[key] = str(error)
    with unit_of_work(TRACKER):
        _apply(name, movements, now=now)
        _send_again([key for key in keys if key not in movements and key not in refusals], now=now)
    if refusals:
        raise _NotBarred("; ".join(f"{key}: {error}" for key, error in sorted(refusals.items())[:SILENCES]))


def settled_lately(*, now: dt.datetime) -> list[str]:
    """Keys of what providers that we pay through settled within LOOK_BACK; those that do not answer are left out."""
    found: list[str] = []
    for name in _paying(now=now):
        try:
            found.extend(rounds.keys(provider=name, since=now - LOOK_BACK, now=now))
        except ProviderUnavailable as error:
            log.warning("provider_unavailable", provider=name, error=str(error))
    return found


def _paying(*, now: dt.datetime) -> list[str]:
    """Providers are found by payout methods, not by payouts: a database that was restored may have lost all of those."""
    with unit_of_work(TRACKER):
        names = set(PayoutMethod.objects.values_list("provider", flat=True).distinct())
        lately = Payout.objects.filter(created_at__gte=now - LOOK_BACK)
        return sorted(names | set(lately.values_list("provider", flat=True).distinct()))


def _take(*, now: dt.datetime) -> _Batch | None:
    """The next payouts of one provider to be asked about, under a lease so that nobody else asks meanwhile.

    Whoever waits longest is first: one that takes all the time that a worker has does not stand before the others.
    """
    due = Payout.objects.filter(_LOST | _OPEN | _HELD, next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
    rows = list(due.select_for_update(no_key=True, skip_locked=True, of=("self",))[:BATCH])
    if not rows:
        return None
    provider, lease_until = rows[0].provider, now + dt.timedelta(seconds=settings.PAYOUT_LEASE_SECONDS)
    most = max(_asked_together(provider), sending.BATCH)
    mine = [payout for payout in rows if payout.provider == provider][:most]
    for place, payout in enumerate(reversed(mine), 1):
        if payout.status == Payout.Status.SENDING:
            states.move(payout, Payout.Status.UNKNOWN)
            payout.reason_code = "lease_expired"
        payout.lease_until, payout.next_attempt_at = None, lease_until - AHEAD * place
        payout.save()
    return _Batch(provider, _current_keys(mine), lease_until)


def _asked_together(name: str) -> int:
    try:
        return registry.provider(name).asked_together
    except ProviderUnavailable:  # then each question is answered so
        return BATCH


def _to_bar(provider: Provider, missing: list[str], *, now: dt.datetime) -> list[str]:
    """Keys that the provider forgets soon, or that wait for a person, are barred, and so proven unexecuted."""
    with unit_of_work(TRACKER):
        old = Q(first_sent_at__lte=now - provider.key_window / 2) | Q(payout__status=Payout.Status.ON_HOLD)
        quiet = Q(last_sent_at=None) | Q(last_sent_at__lte=now - provider.quiet)
        found = PayoutAttempt.objects.filter(old & quiet, idem_key__in=missing)
        return list(found.order_by("pk").values_list("idem_key", flat=True))


def _send_again(missing: list[str], *, now: dt.datetime) -> None:
    """The provider has never seen these keys: the same keys are sent again."""
    attempts = PayoutAttempt.objects.filter(idem_key__in=missing, finished_at=None)
    rows = payouts.locked(attempts.values_list("payout_id", flat=True), now=now)
    unknown = [payout for payout in rows if _is_unknown(payout)]
    for payout in unknown:
        sending.send_again(payout, at=now)
    if unknown:
        wake_after_commit("payments.send_payouts")


def _apply(provider: str, movements: dict[str, Movement], *, now: dt.datetime) -> int:
    """Move payouts to where the provider's books have them; returns how many moved."""
    later = PayoutAttempt.objects.filter(payout=OuterRef("payout"), n__gt=OuterRef("n"))
    attempts = PayoutAttempt.objects.filter(~Exists(later), idem_key__in=movements, payout__provider=provider)
    by_payout = {attempt.payout_id: attempt for attempt in attempts.order_by("pk")}
    moved = set()
    for payout in payouts.locked(by_payout, now=now):
        attempt = by_payout[payout.pk]
        movement, before = movements[attempt.idem_key], payout.status
        if (movement.amount_minor, movement.currency) not in {(payout.amount_minor, payout.currency), (0, "")}:
            log.error("amount_differs_at_provider", payout=payout.public_id, key=movement.key)
            continue
        _follow(payout, attempt, movement, now=now)
        if payout.status != before:
            moved.add(payout.run_id)
    note_progress(run_ids=moved, now=now)
    return len(moved)


def _is_unknown(payout: Payout) -> bool:
    return payout.status == Payout.Status.UNKNOWN


def _follow(payout: Payout, attempt: PayoutAttempt, movement: Movement, *, now: dt.datetime) -> None:
    standing = movement.standing
    if payout.status == Payout.Status.ON_HOLD and standing in {Standing.REJECTED, Standing.CANCELLED}:
        attempt.outcome, attempt.code = PayoutAttempt.Outcome.REJECTED, movement.code[:40]
        attempt.finished_at = attempt.finished_at or now
        attempt.save()
    elif payout.status == Payout.Status.UNKNOWN or (payout.status == Payout.Status.ON_HOLD and not attempt.finished_at):
        refused = standing in {Standing.REJECTED, Standing.CANCELLED}
        verdict = Verdict.REJECTED if refused else Verdict.ACCEPTED
        word = Answer(movement.key, verdict, movement_id=movement.movement_id, code=movement.code)
        sending.apply(payout, attempt, word, now=now)
    if payout.status in {Payout.Status.SUBMITTED, Payout.Status.IN_TRANSIT}:
        _settle(payout, attempt, movement, now=now)
    if payout.status == Payout.Status.PAID and standing in {Standing.RETURNED, Standing.FAILED}:
        payouts.returned(payout, code=movement.code, now=now)


def _settle(payout: Payout, attempt: PayoutAttempt, movement: Movement, *, now: dt.datetime) -> None:
    if movement.standing in {Standing.PAID, Standing.RETURNED}:
        payouts.settled(payout, now=now)
    elif movement.standing is Standing.FAILED:
        payouts.failed(payout, code=movement.code, now=now)
    elif movement.standing in {Standing.ACCEPTED, Standing.IN_TRANSIT}:
        payouts.in_transit(payout, ask_again=now + _wait(attempt, now))


def _wait(attempt: PayoutAttempt, now: dt.datetime) -> dt.timedelta:
    return min(max((now - attempt.first_sent_at) / PATIENCE, ASK_AGAIN), LONGEST_WAIT)


def _current_keys(rows: list[Payout]) -> dict[str, int]:
    """The last attempt's key of each payout, and the payout's, in their order."""
    last = PayoutAttempt.objects.filter(payout__in=rows).order_by("payout_id", "-n").distinct("payout_id")
    keys = dict(last.values_list("payout_id", "idem_key"))
    return {keys[payout.pk]: payout.pk for payout in rows if payout.pk in keys}
