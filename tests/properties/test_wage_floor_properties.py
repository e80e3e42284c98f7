"""Laws of the wage floor for all weeks: kept exactly, by the smallest amount, in any order, and never taken back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from payments.wage_floors import FLOORS, Day, Floor, floor_on, measure, read

MONDAY = dt.date(2026, 11, 16)
DAYS = st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 10**7)), max_size=7).map(
    lambda week: {MONDAY + dt.timedelta(days=n): Day(*what) for n, what in enumerate(week)}
)
TABLES = st.lists(
    st.tuples(
        st.sampled_from(["DE", "US"]), st.sampled_from(["EUR", "USD"]), st.integers(-9, 6), st.integers(0, 10**5)
    ),
    max_size=4,
).map(lambda rows: [Floor(row[0], row[1], MONDAY + dt.timedelta(days=row[2]), row[3]) for row in rows])


@given(DAYS, TABLES)
def test_with_what_is_added_no_hour_is_below_the_floor_and_one_unit_less_would_be(
    days: dict[dt.date, Day], floors: list[Floor]
) -> None:
    found = measure(days, country="DE", currency="EUR", floors=floors)
    bound = {day: floor for day in days if (floor := floor_on("DE", "EUR", day, floors)) is not None}
    if found is None:
        assert bound == {}
        return
    exact = sum((Decimal(days[day].worked_seconds) * floor / 3600 for day, floor in bound.items()), Decimal(0))
    paid = sum(days[day].gross_minor for day in bound)
    added = found.shortfall()
    assert paid + added >= exact - Decimal("1e-9")
    assert added >= 0
    if added:
        assert paid + added - 1 < exact


@given(DAYS, TABLES, st.lists(st.integers(0, 10**6), max_size=5))
def test_whatever_a_week_becomes_the_sum_added_is_the_most_it_ever_lacked(
    days: dict[dt.date, Day], floors: list[Floor], cuts: list[int]
) -> None:
    """Looked at again after each cut of pay: only differences are added, and nothing comes back."""
    given_minor, most = 0, 0
    for cut in [0, *cuts]:
        now = {day: Day(what.worked_seconds, max(0, what.gross_minor - cut)) for day, what in days.items()}
        found = measure(now, country="DE", currency="EUR", floors=floors)
        if found is None:
            return
        step = found.shortfall(given_minor=given_minor)
        assert step >= 0
        assert found.shortfall(given_minor=given_minor + step) == 0
        given_minor += step
        most = max(most, found.shortfall())
    assert given_minor == most


@given(DAYS, TABLES, st.integers(1, 10_000))
def test_more_pay_never_adds_more(days: dict[dt.date, Day], floors: list[Floor], more: int) -> None:
    found = measure(days, country="DE", currency="EUR", floors=floors)
    raised = {day: Day(what.worked_seconds, what.gross_minor + more) for day, what in days.items()}
    better = measure(raised, country="DE", currency="EUR", floors=floors)
    if found is not None and better is not None:
        assert better.shortfall() <= found.shortfall()


def test_floors_are_dated_and_later_rows_win() -> None:
    rows = [*FLOORS, read("DE:EUR:2026-01-01:1500"), read("DE:EUR:2027-01-01:0")]
    assert floor_on("DE", "EUR", dt.date(2025, 12, 31), rows) == 1_282
    assert floor_on("DE", "EUR", dt.date(2026, 1, 1), FLOORS) == 1_390
    assert floor_on("DE", "EUR", dt.date(2026, 1, 1), rows) == 1_500
    assert floor_on("DE", "EUR", dt.date(2027, 1, 1), rows) is None
    assert floor_on("DE", "USD", dt.date(2026, 1, 1), FLOORS) is None
    assert floor_on("DE", "EUR", dt.date(2024, 1, 1), FLOORS) is None


def test_a_week_over_a_change_of_the_law_is_weighed_by_its_days() -> None:
    days = {dt.date(2025, 12, 31): Day(3600, 0), dt.date(2026, 1, 1): Day(7200, 0)}
    found = measure(days, country="DE", currency="EUR", floors=FLOORS)
    assert found is not None
    assert (found.due_minor, found.floor_minor) == (1_282 + 2 * 1_390, 1_390)
