"""kill -9 during a pay run: whoever dies, whenever, every payout arrives exactly once."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.db.models import Sum

from config.celery import app  # creates the application that `wake` sends to
from core import clock
from core.public import unit_of_work
from core.wake import wake
from payments.models import Payout, PayRun, ProviderMovement
from payments.operations import pay_runs
from payments.queries import ledger_findings
from tests.faults.workers import worker
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds pool processes through /proc"),
]
PAYEES = 60
SWIFT = {"PAYOUT_LEASE_SECONDS": "2", "SANDBOX_PROVIDER_LATENCY": "0.04"}
PATIENCE = 240  # seconds; a busy machine starts workers slowly


@pytest.fixture
def released() -> PayRun:
    """A released run that pays sixty people."""
    now = clock.now()
    lab = story.new_lab(funded=10_000_000)
    for n in range(PAYEES):
        expert = story.new_expert(f"E{n}", account=f"acct-{n}")
        story.earn(expert, 10_000 + n, lab=lab, at=now - dt.timedelta(days=8))
    return story.released_run(now=now)


def wait_until(holds: Callable[[], bool], *, sweep: bool = True) -> None:
    """Wake the jobs every half second, as the sweepers do, until something holds."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"still not: {Payout.objects.values_list('status', flat=True)}"
        if sweep:
            wake("payments.track_payouts")
            wake("payments.send_payouts")
        time.sleep(0.5)


def movements() -> int:
    return ProviderMovement.objects.count()


def all_paid() -> bool:
    return not Payout.objects.exclude(status="paid").exists()


def assert_everybody_was_paid_once() -> None:
    paid = ProviderMovement.objects.filter(state="paid")
    assert ProviderMovement.objects.count() == PAYEES
    assert sorted(paid.values_list("reference", flat=True)) == sorted(
        Payout.objects.values_list("public_id", flat=True)
    )
    assert paid.aggregate(total=Sum("amount_minor"))["total"] == sum(10_000 + n for n in range(PAYEES))
    with unit_of_work(SYSTEM):
        pay_runs.note_progress(run_ids=[PayRun.objects.get().pk], now=clock.now())
        assert ledger_findings.findings() == []
    assert PayRun.objects.get().status == "completed"


def test_workers_killed_twice_in_the_middle_of_a_run(released: PayRun) -> None:
    assert app.conf.task_acks_late
    with worker(**SWIFT) as first:
        for _ in range(3):  # delivered three times at once, while the first copy runs
            wake("payments.send_payouts")
        wait_until(lambda: movements() > 3, sweep=False)
        first.kill()
    done = movements()
    assert 3 < done < PAYEES
    assert Payout.objects.filter(status="sending").exists()
    with worker(**SWIFT) as second:
        wait_until(lambda: movements() > min(done + 8, PAYEES - 10))
        assert second.kill_a_child()
        wait_until(all_paid)
    assert_everybody_was_paid_once()


def test_the_broker_forgets_everything_in_the_middle_of_a_run(released: PayRun) -> None:
    with worker(**SWIFT):
        wake("payments.send_payouts")
        wait_until(lambda: movements() > 3, sweep=False)
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
            broker.flushdb()
        wait_until(all_paid)
    assert_everybody_was_paid_once()
