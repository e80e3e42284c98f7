"""PostgreSQL dies at once and comes back, in the middle of calculating, releasing and sending."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connections

from core import clock
from core.wake import wake
from payments.models import Payout, PayRun, PayRunLine, Statement
from payments.operations.runs import pay_runs
from tests.faults import commit_proxy, pay_day
from tests.faults.own_cluster import OwnCluster
from tests.faults.pay_day import PAYEES, SWIFT, movements
from tests.faults.workers import wait_until, worker
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.xdist_group("crashes"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds pool processes through /proc"),
]


def crash_in_the_middle_of(act: Callable[[], Any], *, at: str, cluster: OwnCluster) -> None:
    """Let ``act`` run until it wants to write to the table ``at``; there the server crashes under it."""
    with ThreadPoolExecutor(1) as pool, cluster.locked(at):
        running: Future[Any] = pool.submit(_alone, act)
        cluster.crash_while_somebody_waits()
        assert isinstance(running.exception(timeout=60), DatabaseError)
    commit_proxy.reconnect()


def _alone(act: Callable[[], Any]) -> None:
    try:
        act()
    finally:
        connections.close_all()


def test_a_crash_inside_the_calculation_leaves_no_run(crashing: OwnCluster) -> None:
    pay_day.earned(5)
    by = story.new_user("Prep")

    def prepare() -> PayRun:
        with story.platform():
            return pay_runs.prepare(currency="USD", by=by, now=clock.now())

    crash_in_the_middle_of(prepare, at="payments_payrunexclusion", cluster=crashing)
    assert (PayRun.objects.count(), PayRunLine.objects.count()) == (0, 0)
    assert_money_is_whole()
    run = prepare()
    assert (run.status, run.line_count) == ("review", 5)
    assert_money_is_whole()


def test_a_crash_inside_the_release_pays_nobody_and_the_next_click_pays_everybody_once(crashing: OwnCluster) -> None:
    pay_day.earned(5)
    prep, releaser = story.new_user("Prep"), story.new_user("Rel")
    with story.platform():
        run = pay_runs.prepare(currency="USD", by=prep, now=clock.now())

    def release() -> None:
        with story.platform():
            pay_runs.release(
                run=run, digest=run.lines_digest, recently_authenticated=True, by=releaser, now=clock.now()
            )

    crash_in_the_middle_of(release, at="payments_statement", cluster=crashing)
    run.refresh_from_db()
    assert (run.status, run.released_by, Payout.objects.count(), Statement.objects.count()) == ("review", None, 0, 0)
    assert_money_is_whole()
    release()
    assert Payout.objects.count() == 5
    story.send_and_track(clock.now())
    pay_day.everybody_was_paid_once(5)


def have_moved(reached: int) -> bool:
    return movements() >= reached


def test_crashes_in_the_middle_of_sending(crashing: OwnCluster) -> None:
    pay_day.released()
    with worker(env=SWIFT) as living:
        wake("payments.send_payouts")
        for reached in (4, 30):
            wait_until(partial(have_moved, reached), meanwhile=pay_day.sweep)
            crashing.crash()
            commit_proxy.reconnect()
            assert_money_is_whole()
            assert movements() < PAYEES
        pay_day.arrive()
        assert living.is_running
    pay_day.everybody_was_paid_once()
