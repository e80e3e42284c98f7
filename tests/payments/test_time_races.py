"""Hours under concurrency, with real threads and real commits: caps, overlaps, one decision, one posting."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from django.db import connection
from django.db.models import Sum

from core.problems import DomainError
from payments.models import Dispute, JournalEntry, Overage, TimeEntry, Timesheet
from payments.operations.hours import disputes, overages, time_entries, timers, timesheets
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db(transaction=True)

SUBMITTED = MONDAY + dt.timedelta(days=5)


def race(acts: Sequence[Callable[[], object]]) -> Counter[str]:
    """Run all acts at once, each in a transaction of its own; how often each outcome came."""
    outcomes: list[str] = []
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait(timeout=30)
            with platform():
                act()
            outcomes.append("done")
        except DomainError as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(outcomes) == len(acts)
    return Counter(outcomes)


def world_of(*, day_cap: int | None = None, week_cap: int = 10 * HOUR) -> World:
    """A committed world."""
    with platform():
        return hours.build(day_cap=day_cap, week_cap=week_cap)


def by_hand(world: World, start: dt.datetime, minutes: int) -> Callable[[], object]:
    """An act that enters time."""
    return lambda: time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=start,
        ended_at=start + dt.timedelta(minutes=minutes),
        reason="-",
        now=SUBMITTED,
    )


def submitted_week(world: World) -> tuple[Timesheet, TimeEntry]:
    """A submitted week with one hour."""
    with platform():
        by_hand(world, MONDAY, 60)()
        sheet = timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=SUBMITTED)
        return sheet, TimeEntry.objects.get()


def test_one_of_many_timers_starts() -> None:
    world = world_of()
    acts = [lambda: timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY) for _ in range(8)]
    assert race(acts) == {"done": 1, "overlap": 7}
    with platform():
        assert TimeEntry.objects.running().count() == 1


def test_timers_of_two_labs_race_for_one_expert() -> None:
    world = world_of()
    with platform():
        rival = hours.build(name="Borealis", expert=world.expert)
    acts = [
        lambda contract=contract: timers.start(contract=contract, activity="task", claim=None, now=MONDAY)
        for contract in (world.contract, rival.contract) * 3
    ]
    assert race(acts) == {"done": 1, "overlap": 5}


def test_entries_that_together_break_the_day_cap() -> None:
    world = world_of(day_cap=2 * HOUR)
    acts = [by_hand(world, MONDAY + dt.timedelta(minutes=35 * n), 30) for n in range(8)]
    assert race(acts) == {"done": 4, "cap_exceeded": 4}
    with platform():
        assert TimeEntry.objects.aggregate(n=Sum("seconds"))["n"] == 2 * HOUR


def test_entries_that_together_break_the_week_cap() -> None:
    world = world_of(week_cap=3 * HOUR)
    acts = [by_hand(world, MONDAY + dt.timedelta(hours=12 * n), 60) for n in range(6)]
    assert race(acts) == {"done": 3, "cap_exceeded": 3}


def test_the_same_time_entered_at_once() -> None:
    world = world_of()
    assert race([by_hand(world, MONDAY, 60)] * 6) == {"done": 1, "overlap": 5}


def test_a_week_is_approved_once_whoever_comes_first() -> None:
    world = world_of()
    sheet, entry = submitted_week(world)
    deadline = SUBMITTED + dt.timedelta(hours=72)

    def approve() -> object:
        return timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=deadline)

    def silence() -> None:
        timesheets.approve_by_silence(timesheet_id=sheet.pk, by=PLATFORM, now=deadline)

    def dispute() -> object:
        return disputes.open_against(
            entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=deadline
        )

    outcomes = race([approve, silence, dispute] * 3)
    with platform():
        sheet.refresh_from_db()
        entry.refresh_from_db()
        posted = JournalEntry.objects.filter(kind="time_approved").count()
        contested = Dispute.objects.count()
    assert sheet.status in {"approved", "auto_approved"}
    # What silence approved may still be contested, and stays posted meanwhile.
    paid = {("approved", 1, 0), ("auto_approved", 1, 0), ("auto_approved", 1, 1)}
    assert (entry.status, posted, contested) in {*paid, ("disputed", 0, 1)}
    # One approval and one dispute at most are done; silence is never refused, it just does nothing any more.
    assert outcomes.total() - outcomes["done"] >= 4


def test_a_dispute_is_decided_once() -> None:
    world = world_of()
    _, entry = submitted_week(world)
    with platform():
        dispute = disputes.open_against(
            entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=SUBMITTED
        )
        judge = hours.make_expert("judge@cadre.example").user
    late = dispute.decide_by

    def overturn() -> object:
        return disputes.decide(dispute=dispute, outcome="overturned", note="-", decided_by=judge, now=late)

    def uphold() -> object:
        return disputes.decide(dispute=dispute, outcome="upheld", note="-", decided_by=judge, now=late)

    def silence() -> None:
        disputes.resolve_by_silence(dispute_id=dispute.pk, now=late)

    race([overturn, uphold, silence] * 2)
    with platform():
        entry.refresh_from_db()
        dispute.refresh_from_db()
        assert JournalEntry.objects.filter(kind="time_approved").count() == (1 if entry.gross_minor else 0)
    assert entry.seconds == dispute.decided_seconds
    assert entry.seconds + entry.disallowed_seconds == HOUR


def test_an_overage_and_its_week_are_decided_at_once() -> None:
    world = world_of(day_cap=HOUR)
    with platform():
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
        TimeEntry.objects.update(last_heartbeat_at=MONDAY + dt.timedelta(hours=2))
        timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=2))
        sheet = timesheets.submit(timesheet=timer.timesheet, by=PLATFORM, now=SUBMITTED)
        overage = Overage.objects.get()
    acts: list[Callable[[], object]] = [
        lambda: timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED),
        lambda: overages.approve(overage=overage, decided_by=world.member, now=SUBMITTED),
    ]
    assert race(acts) == {"done": 2}
    with platform():
        assert set(TimeEntry.objects.values_list("status", flat=True)) == {"approved"}
        assert JournalEntry.objects.filter(kind="time_approved").count() == 2
