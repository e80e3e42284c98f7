"""kill -9 during a pay run: whoever dies, whenever, every payout arrives exactly once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from core.wake import wake
from payments.models import Payout, ProviderMovement
from tests.faults import doomed, pay_day
from tests.faults.pay_day import PAYEES, SWIFT, app, movements
from tests.faults.workers import wait_until, worker
from tests.invariants import assert_money_is_whole

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds pool processes through /proc"),
]


def test_workers_killed_twice_in_the_middle_of_a_run() -> None:
    assert app.conf.task_acks_late
    pay_day.released()
    with worker(env=SWIFT) as first:
        for _ in range(3):  # delivered three times at once, while the first copy runs
            wake("payments.send_payouts")
        wait_until(lambda: movements() > 3)
        first.kill()
    done = movements()
    assert 3 < done < PAYEES
    assert Payout.objects.filter(status="sending").exists()
    assert_money_is_whole()
    with worker(env=SWIFT) as second:
        wait_until(lambda: movements() > min(done + 8, PAYEES - 10), meanwhile=pay_day.sweep)
        assert second.kill_a_child()
        pay_day.arrive()
    pay_day.everybody_was_paid_once()


def test_a_pool_child_dies_at_each_point_around_the_provider_and_the_worker_goes_on(tmp_path: Path) -> None:
    """kill -9 before the call, between the provider's acceptance and our commit, and inside our transaction."""
    for point in doomed.POINTS:
        (tmp_path / point).touch()
    pay_day.released()
    environment = {**SWIFT, "SANDBOX_PROVIDER_LATENCY": "0.01", "DOOM": str(tmp_path), "DOOM_VICTIM": "child"}
    with worker("tests.faults.doomed", env=environment) as living:
        pay_day.arrive()
        assert living.is_running
    assert list(tmp_path.iterdir()) == []
    pay_day.everybody_was_paid_once()


@pytest.mark.parametrize(
    ("point", "moved"), [("before_the_provider", 0), ("after_the_provider", 25), ("before_the_commit", 25)]
)
def test_the_whole_worker_dies_at_each_point_around_the_provider(tmp_path: Path, point: str, moved: int) -> None:
    (tmp_path / point).touch()
    pay_day.released()
    environment = {"PAYOUT_LEASE_SECONDS": "2", "DOOM": str(tmp_path), "DOOM_VICTIM": "worker"}
    with worker("tests.faults.doomed", pool=1, env=environment) as doomed_one:
        wake("payments.send_payouts")
        wait_until(lambda: not doomed_one.is_running, what="the worker is dead")
    assert movements() == moved
    assert Payout.objects.filter(status="sending").count() == 25
    assert not Payout.objects.filter(status__in=("submitted", "paid")).exists()
    assert_money_is_whole()
    with worker(env=SWIFT | {"SANDBOX_PROVIDER_LATENCY": "0"}):
        pay_day.arrive()
    pay_day.everybody_was_paid_once()
    assert ProviderMovement.objects.filter(deliveries=1).count() == PAYEES


@pytest.mark.parametrize("point", ["before_asking", "after_asking"])
def test_whoever_asks_what_became_of_payouts_dies(tmp_path: Path, point: str) -> None:
    """They were pushed away so that nobody else asks meanwhile: for the time of a lease, not until the next poll."""
    (tmp_path / point).touch()
    pay_day.released()
    environment = {**SWIFT, "DOOM": str(tmp_path), "DOOM_VICTIM": "worker"}
    with worker("tests.faults.doomed", pool=1, env=environment) as doomed_one:
        wait_until(lambda: not doomed_one.is_running, meanwhile=pay_day.sweep, what="the worker is dead")
    assert Payout.objects.filter(status="submitted").exists()
    assert_money_is_whole()
    with worker(env=SWIFT):
        pay_day.arrive()
    pay_day.everybody_was_paid_once()


def test_the_broker_forgets_everything_in_the_middle_of_a_run() -> None:
    pay_day.released()
    with worker(env=SWIFT):
        wake("payments.send_payouts")
        wait_until(lambda: movements() > 3)
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
            broker.flushdb()  # all that is ours; other tests use the same server
        pay_day.arrive()
    pay_day.everybody_was_paid_once()
