"""Where two rules of money meet: corrections and holdbacks, debts and money given back, caps that bind twice."""

from __future__ import annotations

import datetime as dt

import pytest

from core.money import Money
from core.public import User
from marketplace.public import Contract
from payments import accounts, ledger
from payments.models import Overage, TimeEntry, Timesheet
from payments.operations.hours import overages, time_entries, timers, timesheets
from payments.operations.hours.entry_rules import NotBillableNow
from payments.operations.labs import funding, reservations
from payments.operations.pay import adjustments, clawbacks, contests, holdbacks
from payments.operations.runs import pay_run_calculation
from payments.queries import ledger_findings
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
DECIDED = MONDAY + 5 * DAY
RATE = 11_000


def approved(world: World, minutes: int = 60) -> TimeEntry:
    """One entry of an approved week."""
    (entry,) = log(world, minutes=minutes)
    sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=DECIDED)
    timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=DECIDED)
    entry.refresh_from_db()
    return entry


def log(world: World, *, minutes: int, start: dt.datetime = MONDAY) -> list[TimeEntry]:
    """Time by hand."""
    return time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=start,
        ended_at=start + dt.timedelta(minutes=minutes),
        reason="no timer at hand",
        now=start + dt.timedelta(minutes=minutes),
    )


def correct(entry: TimeEntry, seconds: int, *, now: dt.datetime) -> None:
    """A person of the platform corrects approved hours."""
    name = f"grace-{seconds}-{now:%m%d}@cadre.example"
    adjustments.correct(
        entry=entry,
        counted=seconds,
        reason="Two entries were swapped.",
        decided_by=User.objects.create_user(name),
        now=now,
    )


def pay(world: World) -> tuple[int, int]:
    """(payable, held back) of the expert, in minor units."""
    payable, held = accounts.payable(world.expert.pk, "USD"), accounts.holdback(world.expert.pk, "USD")
    found = ledger.balances(keys=[payable, held])
    return found[payable], found[held]


def lab(world: World) -> tuple[int, int]:
    """(prepaid, receivable) of the lab, in minor units."""
    prepaid, owed = accounts.lab_prepaid(world.tenant.pk, "USD"), accounts.lab_receivable(world.tenant.pk, "USD")
    found = ledger.balances(keys=[prepaid, owed])
    return found[prepaid], found[owed]


def test_a_holdback_is_released_as_it_was_corrected() -> None:
    with platform():
        world = hours.build(holdback_bp=1000)
        entry = approved(world)
        assert pay(world) == (9_900, 1_100)
        correct(entry, HOUR // 2, now=DECIDED + DAY)
        assert pay(world) == (4_950, 550)
        assert holdbacks.release_due(now=DECIDED + 31 * DAY) == 1
        assert pay(world) == (5_500, 0)
        assert holdbacks.release_due(now=DECIDED + 32 * DAY) == 0


def test_a_correction_after_the_holdback_s_days_holds_nothing_back() -> None:
    with platform():
        world = hours.build(holdback_bp=1000)
        entry = approved(world)
        holdbacks.release_due(now=DECIDED + 31 * DAY)
        for seconds, owed in ((HOUR // 2, 5_500), (0, 0), (HOUR, 11_000)):
            correct(entry, seconds, now=DECIDED + 32 * DAY)
            assert pay(world) == (owed, 0)
        assert holdbacks.release_due(now=DECIDED + 90 * DAY) == 0
        assert ledger_findings.findings() == []


def test_hours_corrected_to_nothing_leave_no_holdback_to_release() -> None:
    with platform():
        world = hours.build(holdback_bp=1000)
        correct(approved(world), 0, now=DECIDED + DAY)
        assert holdbacks.release_due(now=DECIDED + 31 * DAY) == 0
        assert pay(world) == (0, 0)


def test_what_a_lab_gets_back_pays_its_debt_first() -> None:
    """The bank took the lab's money back: what is set aside for the contract pays that when the contract ends."""
    with platform():
        world = hours.build(funded_minor=0)
        paid_in = funding.announce(tenant_id=world.tenant.pk, amount=Money(300_000, "USD"), by=PLATFORM, now=MONDAY)
        reservations.reserve_contract(contract=world.contract, snapshot=world.snapshot, now=MONDAY)
        funding.reverse(funding=paid_in, reason="Charged back.", by=world.member, now=MONDAY)
        assert lab(world) == (0, -286_000)
        reservations.release_contract(contract=world.contract, now=MONDAY)
        assert lab(world) == (0, 0)
        assert reservations.may_claim(tenant_id=world.tenant.pk)


def test_pay_taken_back_for_a_lab_in_debt_reduces_the_debt() -> None:
    with platform():
        world = hours.build(funded_minor=0)
        entry = approved(world)
        assert lab(world) == (0, -14_300)
        clawbacks.claw_back(
            source=entry,
            amount=Money(1_000, "USD"),
            reason="Paid twice.",
            decided_by=User.objects.create_user("grace@cadre.example"),
            now=DECIDED + DAY,
        )
        assert lab(world) == (0, -13_000)


def test_a_correction_of_hours_that_a_lab_paid_later_comes_back_to_its_balance() -> None:
    with platform():
        world = hours.build(funded_minor=0)
        entry = approved(world)
        funding.announce(tenant_id=world.tenant.pk, amount=Money(14_300, "USD"), by=PLATFORM, now=DECIDED)
        assert lab(world) == (0, 0)
        correct(entry, HOUR // 2, now=DECIDED + DAY)
        assert lab(world) == (7_150, 0)


def test_an_approved_overage_meets_the_handling_cap_without_a_second_decision() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        claim = hours.make_claim(world, aht_cap=HOUR // 2)
        timer = timers.start(contract=world.contract, activity="task", claim=claim, now=MONDAY)
        TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=MONDAY + dt.timedelta(hours=2))
        timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=2))
        overages.approve(overage=Overage.objects.get(), decided_by=world.member, now=MONDAY + DAY)
        sheet = timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=DECIDED)
        assert sheet.status == "submitted"
        assert Overage.objects.get(cap="day").status == "approved"


@pytest.mark.parametrize("overturned", [False, True])
def test_declined_time_cannot_be_made_to_count_by_changing_it(overturned: bool) -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
        TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=MONDAY + dt.timedelta(hours=2))
        kept, over = timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=2))
        overages.decline(overage=over.overage, decided_by=world.member, note="Too long.", now=MONDAY + DAY)
        if overturned:
            time_entries.void(entry=over, now=MONDAY + DAY)
            contests.apply_outcome(subject=over.overage.public_id, outcome="overturned", decided_by=None, now=DECIDED)
            over.refresh_from_db()
            assert (over.status, over.seconds) == ("void", 0)
            return
        time_entries.void(entry=kept, now=MONDAY + DAY)  # so that the cap has room again
        with pytest.raises(NotBillableNow):
            time_entries.amend(entry=over, reason="It was needed.", now=MONDAY + DAY)
        over.refresh_from_db()
        assert (over.seconds, over.disallowed_seconds) == (0, HOUR)


def test_a_timer_does_not_outlive_its_contract() -> None:
    with platform():
        world = hours.build()
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY - dt.timedelta(minutes=8))
        timers.heartbeat(entry=timer, now=MONDAY - dt.timedelta(minutes=1))
        hours.force_status(world.contract, Contract.Status.ENDED)  # at MONDAY
        stopped = timers.heartbeat(entry=timer, now=MONDAY + dt.timedelta(minutes=5))
        assert (stopped.status, stopped.ended_at, stopped.seconds) == ("stopped", MONDAY, 8 * 60)


def test_a_correction_does_not_put_off_pay_that_was_due() -> None:
    """The cutoff lies between the approval and its correction: the corrected pay is still of that run."""
    with platform():
        world = hours.build()
        entry = approved(world)
        correct(entry, HOUR // 2, now=DECIDED + 7 * DAY)
        found = pay_run_calculation.outlook(
            expert_id=world.expert.pk, currency="USD", cutoff=DECIDED + DAY, now=DECIDED + 8 * DAY
        )
        assert found.amount_minor == 5_500
