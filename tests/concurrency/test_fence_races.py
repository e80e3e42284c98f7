"""The fence around the ledger, and days that close: who waits, who gives up, and who never notices."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
from django.db import connection, connections

from core import clock
from core.public import unit_of_work
from payments import accounts, ledger
from payments.ledger import LedgerBusy, NewEntry
from payments.models import Account, DayClose, JournalEntry, PayRun, ProviderEntry
from payments.operations.bank import provider_books
from payments.operations.runs import pay_run_release, pay_runs
from payments.queries.cash_position import Position, position
from tests.concurrency.at_once import DONE, Clerk
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = dt.timedelta(seconds=1)
MIDNIGHT = dt.datetime(2026, 11, 17, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _money_is_whole(transactional_db: None) -> Iterator[None]:
    yield
    assert_money_is_whole()


@contextmanager
def somebody_writes(act: Callable[[], object]) -> Iterator[None]:
    """Somebody has done ``act`` and does not commit before this ends."""
    written, leave = threading.Event(), threading.Event()

    def writer() -> None:
        try:
            with unit_of_work(SYSTEM):
                act()
                written.set()
                assert leave.wait(5)
        finally:
            connections.close_all()

    thread = threading.Thread(target=writer)
    thread.start()
    assert written.wait(30)
    try:
        yield
    finally:
        leave.set()
        thread.join(30)


def bonus(name: str, owner: int, minor: int = 100) -> None:
    """A small entry, within the caller's transaction."""
    legs = [(accounts.expense("bonus", "USD"), -minor), (accounts.payable(owner, "USD"), minor)]
    ledger.post(entries=[NewEntry("bonus", name, NOW, legs)], now=NOW)


def test_whoever_waits_for_writers_gives_up_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock and patience are given back at once, to the same transaction and to everybody else."""
    monkeypatch.setattr(ledger, "PATIENCE", "100ms")
    ada, eve = story.new_expert(), story.new_expert()
    with unit_of_work(SYSTEM):
        bonus("adj_first", eve.pk)  # whoever opens an account is waited for; from now on it is there
    with somebody_writes(partial(bonus, "adj_slow", ada.pk)):
        for again in range(2):
            with unit_of_work(SYSTEM), connection.cursor() as cursor:
                cursor.execute("SHOW lock_timeout")
                before = cursor.fetchone()
                with pytest.raises(LedgerBusy):
                    ledger.settled_watermark()
                cursor.execute("SHOW lock_timeout")
                assert cursor.fetchone() == before
                bonus(f"adj_same_{again}", eve.pk)
        assert together([partial(story.earn, eve, 50, lab=story.new_lab(funded=100), source="tme_1")]) == ["tme_1"]
        assert (story.owed(ada), story.owed(eve)) == (0, 350)
    assert (story.owed(ada), story.owed(eve)) == (100, 350)
    with unit_of_work(SYSTEM):
        assert ledger.settled_watermark() == JournalEntry.objects.latest("pk").pk


def test_at_the_desk_a_busy_ledger_is_told_and_nothing_is_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PATIENCE", "100ms")
    ada, clerk = story.new_expert(), Clerk()
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    with unit_of_work(SYSTEM):
        derived = Account.objects.filter(kind="cash").latest("pk")
    period = {"first_day": "2026-10-01", "last_day": "2026-11-30"}
    with somebody_writes(partial(bonus, "adj_slow", ada.pk)):
        assert clerk.click("payrun/prepare/", currency="USD") == "The ledger is busy"
        pages = (
            clerk.client.post("/admin/payments/journalentry/export/", period),
            clerk.client.get(f"/admin/payments/account/{derived.pk}/statement/"),
        )
        for answer in pages:
            assert (answer.status_code, "The ledger is busy" in answer.content.decode()) == (409, True)
    assert PayRun.objects.count() == 0
    assert clerk.client.post("/admin/payments/journalentry/export/", period).status_code == 200
    assert clerk.click("payrun/prepare/", currency="USD") == DONE
    assert PayRun.objects.get().total_minor == 20_000


def test_nothing_appears_at_or_below_a_watermark_whoever_writes() -> None:
    """Six writers, two who ask again and again: what was counted up to a watermark stays the count."""
    experts = [story.new_expert(f"E{n}", ready=False) for n in range(3)]
    seen: list[tuple[int, int]] = []

    def write(n: int) -> None:
        for i in range(12):
            with unit_of_work(SYSTEM):
                bonus(f"adj_{n}_{i}", experts[(n + i) % 3].pk)

    def ask() -> None:
        for _i in range(8):
            with unit_of_work(SYSTEM):
                last = ledger.settled_watermark()
                seen.append((last, JournalEntry.objects.filter(pk__lte=last).count()))

    assert together([*[partial(write, n) for n in range(6)], ask, ask]) == [None] * 8
    with unit_of_work(SYSTEM):
        assert [(last, JournalEntry.objects.filter(pk__lte=last).count()) for last, _n in seen] == seen
    assert sum(story.owed(expert) for expert in experts) == 6 * 12 * 100


def waiting_for_the_fence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(cursor.fetchone()[0])


def until_so_many_wait(wanted: int) -> None:
    for _try in range(500):
        if waiting_for_the_fence() >= wanted:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"Nobody waits: {waiting_for_the_fence()} of {wanted}")


def test_a_release_never_holds_up_the_writer_whom_a_calculation_waits_for() -> None:
    """The calculation waits for the writer, the release behind it; the writer needs a balance that is to be released."""
    ada, eve = story.new_expert(), story.new_expert()
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    asked, locked = threading.Event(), list[object]()

    def calculate() -> None:
        with unit_of_work(SYSTEM):
            ledger.settled_watermark()

    def release() -> None:
        until_so_many_wait(1)
        with unit_of_work(SYSTEM):
            pay_run_release.lock(run)
            pay_run_release.initiate(run, now=NOW)
            connection.set_rollback(True)  # only its locks are of interest

    def write() -> None:
        with unit_of_work(SYSTEM), connection.cursor() as cursor:
            bonus("adj_1", eve.pk)
            asked.set()
            until_so_many_wait(2)
            cursor.execute("SET LOCAL lock_timeout = '400ms'")  # less than PostgreSQL takes to look for a deadlock
            bonus("adj_2", ada.pk)
            locked.append(True)

    def calculate_after() -> None:
        assert asked.wait(30)
        calculate()

    assert together([write, calculate_after, release]) == [None] * 3
    assert locked == [True]
    assert story.owed(ada) == 20_100


def paid_out(n: int, at: dt.datetime) -> None:
    """One more payout that arrived."""
    ada = story.new_expert(account=f"acct-{n}")
    story.earn(ada, 10_000 + n, lab=story.new_lab(funded=100_000), at=at - dt.timedelta(hours=1))
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=at, off_cycle=True)
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=at)
    story.send_and_track(at)


def reconcile(at: dt.datetime) -> None:
    with clock.frozen(at):
        provider_books.reconcile(provider="sandbox", now=at)


def assert_days_are_a_chain() -> None:
    """Each day opens where the one before closed, and is the sum of what was booked until then."""
    days = list(DayClose.objects.filter(provider="sandbox").order_by("day"))
    assert {day.status for day in days} <= {"closed"}, [(day.day, day.obstacle) for day in days]
    for former, day in pairwise(days):
        assert day.opening_minor == former.closing_minor, (former.day, day.day)
    for day in days:
        booked = ProviderEntry.objects.filter(provider="sandbox", booked_on__lte=day.day)
        assert day.closing_minor == sum(booked.values_list("amount_minor", flat=True)), day.day


def test_a_movement_that_comes_after_its_day_was_closed_counts_on_the_next_one() -> None:
    """A worker that began before midnight hears of it when another one has closed the day."""
    before, after = MIDNIGHT - 2 * SECOND, MIDNIGHT + 2 * SECOND
    paid_out(1, NOW)
    reconcile(NOW + SECOND)
    reconcile(after)
    assert [(day.day, day.status) for day in DayClose.objects.all()] == [(MIDNIGHT.date() - SECOND * 86_400, "closed")]
    paid_out(2, after)
    reconcile(before)  # its clock is from before; what the provider tells it is not
    late = ProviderEntry.objects.latest("pk")
    assert (late.amount_minor, late.booked_on) == (-10_002, MIDNIGHT.date())
    for days in (1, 2):
        reconcile(MIDNIGHT + days * 86_400 * SECOND)
    assert DayClose.objects.count() == 3
    assert_days_are_a_chain()


def test_workers_on_both_sides_of_midnight_close_days_while_payouts_arrive() -> None:
    for n in range(3):
        night = MIDNIGHT + n * 86_400 * SECOND
        paid_out(10 * n, night - 3600 * SECOND)
        sides = [partial(reconcile, night + offset * SECOND) for offset in (-2, 2, -1, 1)]
        outcomes = together([*sides, partial(paid_out, 10 * n + 1, night - SECOND)])
        assert outcomes == [None] * 5
    end = MIDNIGHT + 3 * 86_400 * SECOND
    for days in range(2):
        reconcile(end + days * 86_400 * SECOND)
    assert_days_are_a_chain()
    with unit_of_work(SYSTEM):
        last = DayClose.objects.latest("day")
        stands: Position = position(
            provider="sandbox", currency="USD", day=last.day, first=dt.date(2026, 11, 1), has_statements=False
        )
    assert (stands.outstanding_minor, stands.book_minor) == (0, last.closing_minor)
    assert stands.book_minor == -(6 * 10_000 + 0 + 1 + 10 + 11 + 20 + 21)
