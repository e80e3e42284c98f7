"""Timers: one at a time, cut where days, weeks, rates and caps end, stopped by hand or by silence."""

from __future__ import annotations

import datetime as dt

import pytest

from core.problems import InvalidTransition
from experts.public import Notice
from payments.models import Overage, TimeEntry
from payments.operations.hours import entry_rules, timers
from payments.operations.hours.caps import CapExceeded
from tasks.public import Claim
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, World, platform

pytestmark = pytest.mark.django_db


def minutes(count: float) -> dt.timedelta:
    """So many minutes."""
    return dt.timedelta(minutes=count)


def start(world: World, at: dt.datetime = MONDAY, *, activity: str = "task", claim: Claim | None = None) -> TimeEntry:
    """A timer of the expert."""
    return timers.start(contract=world.contract, activity=activity, claim=claim, now=at)


def run(world: World, begin: dt.datetime, end: dt.datetime, *, activity: str = "task") -> list[TimeEntry]:
    """A timer with heartbeats up to its end."""
    entry = start(world, begin, activity=activity)
    TimeEntry.objects.filter(pk=entry.pk).update(last_heartbeat_at=end)
    return timers.stop(entry=entry, now=end)


def test_a_timer_measures_seconds() -> None:
    with platform():
        world = hours.build()
        (entry,) = run(world, MONDAY, MONDAY + minutes(30))
        assert (entry.status, entry.seconds, entry.iso_week) == ("stopped", 1800, "2026-W47")
        assert entry.timesheet.iso_week == "2026-W47"
        assert not Overage.objects.exists()


def test_a_second_timer_is_refused() -> None:
    with platform():
        world = hours.build()
        first = start(world)
        with pytest.raises(entry_rules.Overlap) as refusal:
            start(world, MONDAY + minutes(5))
        assert refusal.value.extra["time_entry"] == first.public_id
        assert TimeEntry.objects.count() == 1


def test_a_timer_in_another_lab_is_refused_too() -> None:
    with platform():
        world = hours.build()
        rival = hours.build(name="Borealis", expert=world.expert)
        start(world)
        with pytest.raises(entry_rules.Overlap):
            start(rival, MONDAY + minutes(5))


def test_midnight_and_week_end_cut_by_the_experts_calendar() -> None:
    sunday_evening = dt.datetime(2026, 11, 22, 22, tzinfo=dt.UTC)  # 23:00 in Berlin
    with platform():
        world = hours.build()
        before, after = run(world, sunday_evening, sunday_evening + minutes(150))
        assert (before.seconds, before.iso_week, before.local_day) == (3600, "2026-W47", dt.date(2026, 11, 22))
        assert (after.seconds, after.iso_week, after.local_day) == (5400, "2026-W48", dt.date(2026, 11, 23))
        assert before.timesheet_id != after.timesheet_id
        assert before.ended_at == after.started_at


def test_a_day_of_25_hours_is_one_day() -> None:
    midnight = dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)  # Sunday 25 October 2026, 00:00 CEST in Berlin
    with platform():
        world = hours.build(week_cap=40 * HOUR, day_cap=25 * HOUR)
        (entry,) = run(world, midnight, midnight + minutes(25 * 60))
        assert (entry.seconds, entry.local_day) == (25 * HOUR, dt.date(2026, 10, 25))


def test_a_day_of_23_hours_ends_after_23_hours() -> None:
    midnight = dt.datetime(2027, 3, 27, 23, tzinfo=dt.UTC)  # Sunday 28 March 2027, 00:00 CET in Berlin
    with platform():
        world = hours.build(week_cap=40 * HOUR)
        first, second = run(world, midnight, midnight + minutes(24 * 60))
        assert (first.seconds, second.seconds) == (23 * HOUR, HOUR)


def test_a_stop_over_the_day_cap_splits_off_an_overage() -> None:
    with platform():
        world = hours.build(day_cap=int(3.5 * HOUR))
        counted, over = run(world, MONDAY, MONDAY + minutes(240))
        assert (counted.seconds, over.seconds, over.overage_seconds) == (int(3.5 * HOUR), 0, HOUR // 2)
        overage = Overage.objects.get()
        assert (overage.entry_id, overage.cap, overage.seconds) == (over.pk, "day", HOUR // 2)
        assert overage.decide_by == MONDAY + minutes(240) + dt.timedelta(hours=72)
        with pytest.raises(CapExceeded) as refusal:
            start(world, MONDAY + minutes(300))
        assert refusal.value.extra == {"cap": "day", "available": "PT0S"}
        assert start(world, MONDAY + dt.timedelta(days=1)).is_running


def test_the_week_cap_counts_all_days() -> None:
    with platform():
        world = hours.build(week_cap=2 * HOUR)
        run(world, MONDAY, MONDAY + minutes(90))
        counted, over = run(world, MONDAY + dt.timedelta(days=1), MONDAY + dt.timedelta(days=1, hours=1))
        assert (counted.seconds, over.overage_seconds) == (HOUR // 2, HOUR // 2)
        assert Overage.objects.get().cap == "week"


def test_an_activity_cap_and_an_unpaid_activity() -> None:
    with platform():
        world = hours.build()
        counted, over = run(world, MONDAY, MONDAY + minutes(75), activity="instructions")
        assert (counted.seconds, over.overage_seconds) == (HOUR, 900)
        assert Overage.objects.get().cap == "activity"
        (unpaid,) = run(world, MONDAY + minutes(80), MONDAY + minutes(90), activity="assessment")
        assert (unpaid.seconds, unpaid.unpaid_seconds) == (0, 600)


def test_a_late_stop_leaves_unconfirmed_minutes() -> None:
    with platform():
        world = hours.build()
        timer = start(world)
        timers.heartbeat(entry=timer, now=MONDAY + minutes(8))
        seen, unseen = timers.stop(entry=timer, now=MONDAY + minutes(60))
        assert (seen.seconds, unseen.seconds, unseen.unconfirmed_seconds) == (480, 0, 52 * 60)


def test_silence_stops_a_timer_and_tells_the_expert() -> None:
    with platform():
        world = hours.build()
        timer = start(world)
        timers.stop_silent(entry_id=timer.pk, now=MONDAY + minutes(9))
        assert TimeEntry.objects.get().is_running
        timers.stop_silent(entry_id=timer.pk, now=MONDAY + minutes(11))
        entry = TimeEntry.objects.get()
        assert (entry.status, entry.seconds, entry.unconfirmed_seconds) == ("stopped", 0, 600)
        assert Notice.objects.filter(expert=world.expert, kind="time_entry.stopped_by_silence").count() == 1


def test_a_heartbeat_after_the_grace_cannot_vouch_for_the_silence() -> None:
    with platform():
        world = hours.build()
        timer = start(world)
        late = timers.heartbeat(entry=timer, now=MONDAY + minutes(45))
        assert (late.status, late.seconds, late.unconfirmed_seconds) == ("stopped", 0, 600)
        with pytest.raises(InvalidTransition):
            timers.heartbeat(entry=timer, now=MONDAY + minutes(46))


def test_a_timer_keeps_its_claim_alive() -> None:
    with platform():
        world = hours.build()
        claim = hours.make_claim(world)
        timer = start(world, claim=claim)
        timers.heartbeat(entry=timer, now=MONDAY + minutes(9))
        claim.refresh_from_db()
        assert claim.lease_until == MONDAY + minutes(69)
        timers.stop(entry=timer, now=MONDAY + minutes(15))
        claim.refresh_from_db()
        assert claim.active_seconds == 900


def test_less_than_a_second_is_void() -> None:
    with platform():
        world = hours.build()
        timer = start(world)
        (entry,) = timers.stop(entry=timer, now=MONDAY)
        assert entry.status == "void"
        assert start(world, MONDAY + minutes(1)).is_running


def test_a_rate_change_cuts() -> None:
    change = MONDAY + minutes(60)
    with platform():
        world = hours.build()
        hours.raise_rate(world, rate_minor=20_000, at=change)
        before, after = run(world, MONDAY, MONDAY + minutes(90))
        assert (before.snapshot.rate_minor, before.seconds) == (11_000, 3600)
        assert (after.snapshot.rate_minor, after.seconds) == (20_000, 1800)


@pytest.mark.parametrize("status", ["paused", "ending", "ended", "onboarding"])
def test_a_contract_that_is_not_active_takes_no_new_work(status: str) -> None:
    with platform():
        world = hours.build()
        hours.force_status(world.contract, status)
        with pytest.raises(Exception, match="contract"):
            start(world)
        assert not TimeEntry.objects.exists()
