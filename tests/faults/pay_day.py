"""A day on which sixty people are paid, for the tests that disturb it."""

from __future__ import annotations

import datetime as dt

from django.db.models import Sum

from config.celery import app  # creates the application that `wake` sends to
from core import clock
from core.public import unit_of_work
from core.wake import wake
from payments.models import Payout, PayRun, ProviderMovement
from payments.operations.runs import pay_runs
from tests.faults.workers import wait_until
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM

__all__ = ["PAYEES", "SWIFT", "app", "arrive", "everybody_was_paid_once", "movements", "released", "sweep"]

PAYEES = 60
SWIFT = {"PAYOUT_LEASE_SECONDS": "2", "SANDBOX_PROVIDER_LATENCY": "0.04"}


def earned(payees: int = PAYEES) -> None:
    """Somebody owes so many people 100.00 USD and up."""
    now = clock.now()
    lab = story.new_lab(funded=1_000_000 * payees)
    for n in range(payees):
        expert = story.new_expert(f"E{n}", account=f"acct-{n}")
        story.earn(expert, 10_000 + n, lab=lab, at=now - dt.timedelta(days=8))


def released(payees: int = PAYEES) -> PayRun:
    """A released run that pays them."""
    earned(payees)
    return story.released_run(now=clock.now())


def sweep() -> None:
    """Wake the jobs, as beat does every minute."""
    wake("payments.track_payouts")
    wake("payments.send_payouts")


def movements() -> int:
    """How many orders the provider has in its books."""
    return ProviderMovement.objects.count()


def all_paid() -> bool:
    """Whether every payout is paid."""
    return not Payout.objects.exclude(status="paid").exists()


def arrive() -> None:
    """Sweep until everybody is paid."""
    wait_until(all_paid, meanwhile=sweep, what="everybody is paid")


def everybody_was_paid_once(payees: int = PAYEES) -> None:
    """The end of the day: one movement each, both books agree, the run is complete."""
    paid = ProviderMovement.objects.filter(state="paid")
    assert ProviderMovement.objects.count() == payees
    assert sorted(paid.values_list("reference", flat=True)) == sorted(
        Payout.objects.values_list("public_id", flat=True)
    )
    assert paid.aggregate(total=Sum("amount_minor"))["total"] == sum(10_000 + n for n in range(payees))
    with unit_of_work(SYSTEM):
        pay_runs.note_progress(run_ids=[PayRun.objects.get().pk], now=clock.now())
    assert PayRun.objects.get().status == "completed"
    assert_money_is_whole(now=clock.now(), at_rest=True)
