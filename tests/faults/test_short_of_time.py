"""Jobs that never have the time to finish what they took: each leaves what it did, and the next one goes on from there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from payments import jobs
from payments.models import PayoutAttempt
from tests.faults import pay_day
from tests.faults.pay_day import SWIFT
from tests.faults.workers import worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize("limits", [{"SOFT": "2", "HARD": "60"}, {"HARD": "2"}], ids=["told", "killed"])
def test_whoever_never_ends_a_batch_in_time_pays_everybody_once(limits: Mapping[str, str]) -> None:
    assert pay_day.app.tasks[jobs.send_payouts.name].time_limit  # so our messages bear the limits of every day
    pay_day.released()
    # A batch of 25 takes five seconds: longer than there is, and less than a lease, which nobody outlives otherwise.
    slow = {**SWIFT, "PAYOUT_LEASE_SECONDS": "6", "SANDBOX_PROVIDER_LATENCY": "0.2", **limits}
    with worker("tests.faults.short_of_time", env=slow):
        pay_day.arrive()
    assert PayoutAttempt.objects.filter(sends__gt=1).exists(), "nobody ran out of time"
    pay_day.everybody_was_paid_once()
