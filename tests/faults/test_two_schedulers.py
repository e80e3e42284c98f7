"""Two beats at once, and no broker at the moment of the release: clocks strike once, and late rather than never."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import kombu.pools
import pytest

from config.embedded import start_valkey
from core import clock
from payments.models import Dispute, JournalEntry, Overage, Payout, TimeEntry, Timesheet
from payments.operations.hours import disputes, time_entries, timers, timesheets
from tests.faults import pay_day
from tests.faults.pay_day import SWIFT, app
from tests.faults.workers import Beat, running, wait_until, worker
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, PLATFORM, World, platform

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds pool processes through /proc"),
]
DAY = dt.timedelta(days=1)
CLOCKS = (
    "payments.stop_silent_timers",
    "payments.submit_forgotten_weeks",
    "payments.approve_silent_weeks",
    "payments.approve_silent_overages",
    "payments.resolve_silent_disputes",
    "payments.send_payouts",
    "payments.track_payouts",
    "core.drain_outbox",
)
"""Whose striking is waited for."""


def log(world: World, start: dt.datetime) -> TimeEntry:
    (entry,) = time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=start,
        ended_at=start + HOUR * dt.timedelta(seconds=1),
        reason="no timer at hand",
        now=start + DAY / 4,
    )
    return entry


def clocks_that_have_run_out() -> World:
    """A week, an overage, a dispute, a timer and a holdback that nobody has decided about in time."""
    monday = (clock.now() - 40 * DAY).replace(hour=9, minute=0, second=0, microsecond=0)
    monday -= monday.weekday() * DAY
    with platform():
        world = hours.build(day_cap=HOUR, holdback_bp=1000, zone="UTC")
        contested = log(world, monday)
        log(world, monday + DAY)
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=monday + 2 * DAY)
        TimeEntry.objects.filter(pk=timer.pk).update(
            last_heartbeat_at=monday + 2 * DAY + HOUR * dt.timedelta(seconds=2)
        )
        timers.stop(entry=timer, now=monday + 2 * DAY + HOUR * dt.timedelta(seconds=2))
        timesheets.submit(timesheet=contested.timesheet, by=PLATFORM, now=monday + 5 * DAY)
        disputes.open_against(
            entry=contested,
            reason="-",
            proposed_seconds=0,
            decided_by=world.member,
            by=PLATFORM,
            now=monday + 5 * DAY,
        )
        timers.start(contract=world.contract, activity="task", claim=None, now=monday + 8 * DAY)
    return world


def open_clocks() -> list[str]:
    """What still waits. The forgotten timer's week has been handed in just now, so that its lab has three days."""
    with platform():
        return [
            *Timesheet.objects.filter(status="open").values_list("public_id", flat=True),
            *Timesheet.objects.overdue(now=clock.now()).values_list("public_id", flat=True),
            *Dispute.objects.undecided().values_list("public_id", flat=True),
            *Overage.objects.filter(status="open").values_list("public_id", flat=True),
            *TimeEntry.objects.running().values_list("public_id", flat=True),
        ]


def test_two_beats_strike_each_clock_once(tmp_path: Path) -> None:
    world = clocks_that_have_run_out()
    pay_day.released(20)
    with ExitStack() as stack:
        hurried = {"HASTY": " ".join(CLOCKS), "HASTY_EXPIRES": "0"}
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            stack.enter_context(running(Beat(tmp_path / name, "tests.faults.hasty", env=hurried)))
        stack.enter_context(worker("tests.faults.hasty", env=SWIFT))
        wait_until(lambda: pay_day.all_paid() and not open_clocks(), what="every clock has struck")
    with platform():
        counted = TimeEntry.objects.exclude(gross_minor=None)
        posted = JournalEntry.objects.filter(kind="time_approved", source_id__startswith="tme_0")
        assert set(counted.values_list("public_id", flat=True)) == set(posted.values_list("source_id", flat=True))
        assert counted.filter(seconds=HOUR).count() == 4  # the contested one too: silence pays the expert
        assert Dispute.objects.get().status == "resolved_by_timeout"
        assert world.expert.notices.filter(kind="dispute.resolved").count() == 1
    assert_money_is_whole(now=clock.now())


@contextmanager
def no_broker() -> Iterator[None]:
    """Nobody listens where our messages go."""
    former = app.conf.broker_write_url
    _leave_broker("redis://127.0.0.1:1/0")
    try:
        yield
    finally:
        _leave_broker(former)


def _leave_broker(url: str) -> None:
    celery: Any = app  # what follows are its caches, for which there is no public word
    celery.conf.broker_write_url = url
    celery.pool.force_close_all()
    celery._pool = celery.amqp._producer_pool = None
    kombu.pools.reset()


def test_a_release_without_a_broker_is_sent_when_the_next_sweep_comes(tmp_path: Path) -> None:
    with no_broker():
        pay_day.released()
    assert set(Payout.objects.values_list("status", flat=True)) == {"ready"}
    assert_money_is_whole(now=clock.now())
    valkey = start_valkey(tmp_path)  # the broker comes back, and knows nothing
    try:
        with running(Beat(tmp_path, "tests.faults.hasty", env={"REDIS_URL": valkey.url})):
            with worker("tests.faults.hasty", env=SWIFT | {"REDIS_URL": valkey.url}):
                wait_until(pay_day.all_paid, what="everybody is paid")
    finally:
        valkey.stop()
    pay_day.everybody_was_paid_once()
