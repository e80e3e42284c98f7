"""Laws of time that hold in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.durations import LONGEST_SECONDS, format_duration, parse_duration
from core.zones import zone_names
from payments.timekeeping import (
    day_start,
    iso_week,
    local_day,
    seconds_between,
    split,
    stop_by_hand,
    week_bounds,
)

zones = st.sampled_from(sorted(zone_names()))
# 1990 to 2036: all the rules for changing clocks that zones follow or followed lately.
FIRST = datetime(1990, 1, 1, tzinfo=UTC)
instants = st.timedeltas(timedelta(0), timedelta(days=17_000)).map(lambda elapsed: FIRST + elapsed)
spans = st.timedeltas(timedelta(0), timedelta(days=20))
seconds = st.integers(0, 10**6)


@given(start=instants, span=spans, zone=zones, changes=st.lists(instants, max_size=3))
def test_segments_cover_the_interval_within_one_day_and_rate(
    start: datetime, span: timedelta, zone: str, changes: list[datetime]
) -> None:
    end = start + span
    changes = [*changes, start + span / 3]
    segments = split(start, end, zone, rate_changes=changes)
    assert sum(s.seconds for s in segments) == seconds_between(start, end)
    edges = [start, *(s.end for s in segments)]
    assert edges[:-1] == [s.start for s in segments]
    assert edges[-1] == end
    for segment in segments:
        last_instant = segment.end - timedelta(microseconds=1)
        assert segment.start < segment.end
        assert local_day(segment.start, zone) == local_day(last_instant, zone) == segment.day
        assert iso_week(segment.start, zone) == segment.week
        assert not any(segment.start < change < segment.end for change in changes)


@given(instant=instants, zone=zones)
def test_an_instant_lies_in_its_day_and_week(instant: datetime, zone: str) -> None:
    day = local_day(instant, zone)
    assert day_start(day, zone) <= instant < day_start(day + timedelta(days=1), zone)
    monday, next_monday = week_bounds(iso_week(instant, zone), zone)
    assert monday <= instant < next_monday


@given(
    started=instants,
    beat=spans,
    stop=spans,
    grace=st.timedeltas(timedelta(0), timedelta(1)),
)
def test_a_stop_loses_no_time(started: datetime, beat: timedelta, stop: timedelta, grace: timedelta) -> None:
    result = stop_by_hand(
        started_at=started,
        last_heartbeat_at=started + beat,
        stopped_at=started + stop,
        grace=grace,
    )
    total = result.confirmed_seconds + result.unconfirmed_seconds
    assert total == seconds_between(started, started + stop)
    assert started <= result.confirmed_until <= result.ended_at


@given(count=st.integers(0, LONGEST_SECONDS))
def test_durations_round_trip(count: int) -> None:
    assert parse_duration(format_duration(count)) == count
