"""Laws of hours for all inputs: no second is lost, caps hold, rounding agrees with Decimal and PostgreSQL."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.money import fee_for, pay_for
from payments import allowance, timekeeping
from payments.allowance import Room

SECONDS = st.integers(min_value=0, max_value=90_000)
RATES = st.integers(min_value=0, max_value=10**9)
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
INSTANTS = st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=3650)).map(lambda later: EPOCH + later)


@given(SECONDS, st.one_of(st.none(), st.builds(Room, st.just("day"), SECONDS)))
def test_a_cap_loses_no_second(seconds: int, room: Room | None) -> None:
    share = allowance.share_out(seconds, room)
    assert share.billable + share.over == seconds
    assert share.billable >= 0
    assert share.over >= 0
    if room is not None:
        assert share.billable <= room.seconds
    assert bool(share.cap) == bool(share.over)


@given(INSTANTS, st.integers(min_value=2, max_value=90_000), st.data())
def test_a_cut_keeps_both_parts_exact(start: dt.datetime, length: int, data: st.DataObject) -> None:
    end = start + dt.timedelta(seconds=length)
    total = timekeeping.seconds_between(start, end)
    keep = data.draw(st.integers(min_value=1, max_value=total - 1))
    at = allowance.cut_at(start, keep)
    assert start < at < end
    assert timekeeping.seconds_between(start, at) == keep
    assert timekeeping.seconds_between(at, end) == total - keep


@given(st.lists(st.tuples(st.sampled_from(["day", "week", "activity"]), SECONDS), max_size=4))
def test_the_narrowest_room_binds(limits: list[tuple[str, int]]) -> None:
    rooms = [Room(cap, seconds) for cap, seconds in limits]
    found = allowance.narrowest([None, *rooms])
    assert (found is None) == (not rooms)
    if found is not None:
        assert all(found.seconds <= room.seconds for room in rooms)


@given(SECONDS, RATES, st.integers(min_value=0, max_value=100_000))
def test_pay_and_fee_agree_with_decimal(seconds: int, rate: int, bp: int) -> None:
    gross = (Decimal(seconds) * rate / 3600).quantize(Decimal(1), ROUND_HALF_UP)
    fee = (gross * bp / 10_000).quantize(Decimal(1), ROUND_HALF_UP)
    assert pay_for(seconds, rate) == int(gross)
    assert fee_for(int(gross), bp) == int(fee)


@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(SECONDS, RATES, st.integers(min_value=0, max_value=100_000)), min_size=1, max_size=200))
def test_postgresql_rounds_the_same(rows: list[tuple[int, int, int]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pay, round((pay::numeric * bp) / 10000)::bigint FROM ("
            "SELECT n, round((seconds::numeric * rate) / 3600)::bigint AS pay, bp"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) WITH ORDINALITY AS r (seconds, rate, bp, n)"
            ") priced ORDER BY n",
            columns,
        )
        found = cursor.fetchall()
    expected = [(pay_for(seconds, rate), fee_for(pay_for(seconds, rate), bp)) for seconds, rate, bp in rows]
    assert found == expected
