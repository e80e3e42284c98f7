"""The round that keeps providers' books and ours together: read, follow, match, close, alarm."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import Exists, OuterRef

from core import sweeps
from core.public import unit_of_work
from core.wake import wake
from payments.models import (
    BankFile,
    BankMessage,
    BankStatement,
    BankTransfer,
    Payout,
    PayoutAttempt,
    ProviderEntry,
    ReconciliationItem,
)
from payments.operations.bank import bank_files, bank_matching, bank_messages, day_close, reconciliation
from payments.operations.bank.reconciliation import RECONCILER
from payments.operations.rails import rounds, tracking
from payments.operations.rails.rounds import LONGEST_LOOK_BACK, LOOK_BACK
from payments.operations.runs import statement_chain
from payments.providers.sepa_file import NAME as BANK

JOB: Final = "payments.reconcile"
log = structlog.get_logger(__name__)


def read_bank(*, now: dt.datetime) -> int:
    """Everything the bank left since the last time; how many files. Does nothing where no bank account is set up.

    Whoever reads files may die before the books follow: what they told and nobody followed is followed all the same.
    """
    if not settings.BANK_ACCOUNT_IBAN:
        return 0
    count = bank_messages.collect(provider=BANK, now=now)
    bank_files.hand_over_unfinished(now=now)  # afterwards: the bank may just have said that it has them
    _follow_bank(count, now=now)
    again = bank_messages.apply_received(now=now, again=True)
    if again:
        _follow_bank(again, now=now)
    return count + again


def _follow_bank(count: int, *, now: dt.datetime) -> None:
    if count or _is_behind(now=now):
        tracking.follow_settlements(now=now, only=BANK)
        reconcile(provider=BANK, now=now)


def _is_behind(*, now: dt.datetime) -> bool:
    """Whether the bank decided about a payout that does not say so, or told of money that nobody looked at."""
    lately = BankTransfer.objects.filter(provider=BANK, changed_at__gte=now - LOOK_BACK)
    decided = (BankTransfer.Status.BOOKED, BankTransfer.Status.REJECTED, BankTransfer.Status.RETURNED)
    told = Exists(lately.filter(status__in=decided, key=OuterRef("idem_key")))
    back = lately.filter(status=BankTransfer.Status.RETURNED).values("key")
    later = PayoutAttempt.objects.filter(payout=OuterRef("payout"), n__gt=OuterRef("n"))
    is_open = (Payout.Status.UNKNOWN, Payout.Status.SUBMITTED, Payout.Status.IN_TRANSIT)
    with unit_of_work(RECONCILER):
        last = PayoutAttempt.objects.filter(~Exists(later), payout__provider=BANK)
        return (
            last.filter(told, payout__status__in=is_open).exists()
            or last.filter(payout__status=Payout.Status.PAID, idem_key__in=back).exists()
            or ProviderEntry.objects.filter(provider=BANK, journal_entry=None, items=None).exists()
        )


def reconcile_all(*, now: dt.datetime) -> None:
    """Every provider that moved or holds our money, and the alarms about what nobody looks after."""
    with unit_of_work(RECONCILER):
        paid = Payout.objects.filter(created_at__gte=now - LONGEST_LOOK_BACK)
        names = {*paid.values_list("provider", flat=True).distinct()}
        names |= {*ProviderEntry.objects.values_list("provider", flat=True).distinct()}
    try:
        for name in sorted(names):
            try:
                reconcile(provider=name, now=now)
            except SoftTimeLimitExceeded:
                log.error("reconciliation_too_slow", provider=name)
                raise
            except Exception:  # the other providers' books must not wait for this one's
                log.exception("reconciliation_failed", provider=name)
    finally:  # nor the alarms
        with unit_of_work(RECONCILER):
            alarm(now=now)


def reconcile(*, provider: str, now: dt.datetime) -> None:
    """One provider: take down what it settled, match it, look for what is missing, close days.

    What is taken down and matched is kept, some at a time; where more is left than a job has time for, another run goes
    on, and days are closed by the one that comes to the end. Days that a provider which has to be asked was not asked
    about since they are over stay open: silence is not its word.
    """
    began, last, moved = time.monotonic(), 0, 0
    if provider != BANK:
        tracking.follow_settlements(now=now, only=provider, ends=began + sweeps.SECONDS / 2)
    heard = now if provider == BANK else rounds.heard_at(provider=provider)
    for key, some in _matched(provider, now):
        last, moved = key, moved + some
        if moved and time.monotonic() >= began + sweeps.SECONDS:
            wake(JOB)
            return
    with reconciliation.turn(provider=provider):
        bank_matching.match_some(provider=provider, after=last, now=now)  # what came since
        for currency in day_close.accounts_of(provider):
            statement_chain.check(provider=provider, currency=currency, now=now)
            if heard is not None:
                day_close.find_missing(provider=provider, currency=currency, heard=heard, now=now)
                day_close.close_days(provider=provider, currency=currency, heard=heard, now=now)


def _matched(provider: str, now: dt.datetime) -> Iterator[tuple[int, int]]:
    """Some after the others, each kept whatever comes after them: the key of the last that was looked at, how many."""
    last = 0
    while True:
        with reconciliation.turn(provider=provider):
            last, matched = bank_matching.match_some(provider=provider, after=last, now=now)
        if not last:
            return
        yield last, matched


def alarm(*, now: dt.datetime) -> list[str]:
    """Say loudly what waits for too long; the same things stand in the desk's queues. Returns what was said."""
    said = []
    silent = now - dt.timedelta(days=settings.BANK_ANSWER_DAYS)
    overdue = now - dt.timedelta(hours=settings.RECONCILE_ALARM_HOURS)
    waits = {
        "bank_file_without_answer": BankFile.objects.unanswered(handed_over_by=silent, written_by=overdue),
        "bank_message_not_applied": BankMessage.objects.filter(
            status=BankMessage.Status.RECEIVED, created_at__lte=now - dt.timedelta(hours=1)
        ),
        "bank_message_held": BankMessage.objects.held().filter(created_at__lte=overdue),
        "reconciliation_item_open": ReconciliationItem.objects.filter(
            status=ReconciliationItem.Status.OPEN, created_at__lte=overdue
        ),
    }
    for event, rows in waits.items():
        if count := rows.count():
            log.error(event, count=count)
            said.append(event)
    latest = BankStatement.objects.filter(provider=BANK).order_by("-day").first()
    if latest is not None and latest.day < silent.date() - dt.timedelta(days=2):  # a weekend has no statements
        log.error("bank_statement_missing", last=latest.day.isoformat())
        said.append("bank_statement_missing")
    return said
