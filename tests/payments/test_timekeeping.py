"""Days of 23, 24 and 25 hours, weeks, caps and forgotten timers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from core.zones import UnknownZone
from payments import timekeeping
from payments.timekeeping import (
    day_start,
    iso_week,
    local_day,
    split,
    stop_by_hand,
    stop_by_silence,
    week_bounds,
)

PARIS = "Europe/Paris"
HOUR = 3_600


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def length(day: date, zone: str) -> int:
    elapsed = day_start(day + timedelta(days=1), zone) - day_start(day, zone)
    return int(elapsed.total_seconds())


def test_paris_has_a_day_of_23_and_one_of_25_hours() -> None:
    assert length(date(2026, 3, 29), PARIS) == 23 * HOUR
    assert length(date(2026, 3, 30), PARIS) == 24 * HOUR
    assert length(date(2026, 10, 25), PARIS) == 25 * HOUR


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Africa/Cairo", date(2026, 4, 24), 23),  # the clocks skip midnight itself
        ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
        ("Asia/Kathmandu", date(2026, 11, 1), 24),  # +05:45
        ("Pacific/Apia", date(2011, 12, 30), 0),  # a day that never was
    ],
)
def test_days_of_unusual_zones(zone: str, day: date, hours: int) -> None:
    assert length(day, zone) == hours * HOUR


def test_a_night_shift_is_cut_at_the_local_midnight() -> None:
    first, second = split(utc("2026-10-24T21:00"), utc("2026-10-25T00:30"), PARIS)
    assert (first.day, first.seconds) == (date(2026, 10, 24), HOUR)
    assert (second.day, second.seconds) == (date(2026, 10, 25), 2 * HOUR + 1_800)
    assert first.end == second.start == utc("2026-10-24T22:00")


def test_the_week_ends_with_the_local_sunday() -> None:
    sunday, monday = split(utc("2026-11-22T22:00"), utc("2026-11-23T00:00"), PARIS)
    assert (sunday.week, monday.week) == ("2026-W47", "2026-W48")
    assert monday.start == week_bounds("2026-W48", PARIS)[0] == utc("2026-11-22T23:00")


def test_work_is_cut_where_the_rate_changes() -> None:
    change = utc("2026-11-23T10:15")
    segments = split(
        utc("2026-11-23T10:00"),
        utc("2026-11-23T11:00"),
        PARIS,
        rate_changes=[change, utc("2026-11-23T11:00"), utc("2027-01-01T00:00")],
    )
    assert [s.seconds for s in segments] == [900, 2_700]
    assert segments[1].start == change


def test_nothing_is_split_into_nothing() -> None:
    assert split(utc("2026-11-23T10:00"), utc("2026-11-23T10:00"), PARIS) == []


def test_an_interval_runs_forward_between_aware_instants_of_a_real_zone() -> None:
    with pytest.raises(ValueError, match="ends after"):
        split(utc("2026-11-23T10:00"), utc("2026-11-23T09:00"), PARIS)
    with pytest.raises(ValueError, match="time zone"):
        split(utc("2026-11-23").replace(tzinfo=None), utc("2026-11-24"), PARIS)
    for name in ("Europe/Atlantis", "europe/paris", "../etc/passwd", "Europe", ""):
        with pytest.raises(UnknownZone):
            local_day(utc("2026-11-23T10:00"), name)


def test_fractions_of_a_second_neither_appear_nor_vanish() -> None:
    start = utc("2026-11-22T22:59:59.750")
    end = utc("2026-11-22T23:00:01.500")
    assert [s.seconds for s in split(start, end, PARIS)] == [1, 1]
    assert timekeeping.seconds_between(start, end) == 2


def test_the_iso_week_of_new_year() -> None:
    assert iso_week(utc("2026-12-31T12:00"), PARIS) == "2026-W53"
    assert iso_week(utc("2027-01-03T22:59"), PARIS) == "2026-W53"
    assert iso_week(utc("2027-01-03T23:00"), PARIS) == "2027-W01"
    assert iso_week(utc("2026-01-04T23:30"), "America/New_York") == "2026-W01"


def test_the_week_of_the_clock_change_has_167_hours() -> None:
    start, end = week_bounds("2026-W13", PARIS)
    assert end - start == timedelta(hours=167)


@pytest.mark.parametrize("week", ["2026-W54", "2025-W53", "2026-W00", "2026W47", "2026-W7", "x"])
def test_a_week_the_year_has_not_is_refused(week: str) -> None:
    with pytest.raises(ValueError, match=r"[Ww]eek"):
        week_bounds(week, PARIS)


START = utc("2026-11-23T10:00")
GRACE = timedelta(minutes=5)


def test_a_stop_soon_after_the_heartbeat_confirms_everything() -> None:
    stop = stop_by_hand(
        started_at=START,
        last_heartbeat_at=START + timedelta(minutes=58),
        stopped_at=START + timedelta(hours=1),
        grace=GRACE,
    )
    assert (stop.confirmed_seconds, stop.unconfirmed_seconds) == (HOUR, 0)


def test_a_late_stop_keeps_the_silent_minutes_apart() -> None:
    stop = stop_by_hand(
        started_at=START,
        last_heartbeat_at=START + timedelta(minutes=30),
        stopped_at=START + timedelta(hours=1),
        grace=GRACE,
    )
    assert stop.confirmed_until == START + timedelta(minutes=30)
    assert (stop.confirmed_seconds, stop.unconfirmed_seconds) == (1_800, 1_800)


def test_a_forgotten_timer_ends_at_the_last_heartbeat_plus_grace() -> None:
    heartbeat = START + timedelta(minutes=30)
    stop = stop_by_silence(started_at=START, last_heartbeat_at=heartbeat, grace=GRACE)
    assert stop.ended_at == heartbeat + GRACE
    assert (stop.confirmed_seconds, stop.unconfirmed_seconds) == (1_800, 300)


def test_a_timer_is_silent_only_after_the_grace() -> None:
    at = START + GRACE
    assert not timekeeping.is_silent(last_heartbeat_at=START, grace=GRACE, now=at)
    later = at + timedelta(seconds=1)
    assert timekeeping.is_silent(last_heartbeat_at=START, grace=GRACE, now=later)
