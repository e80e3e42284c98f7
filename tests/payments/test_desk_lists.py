"""Lists that finance works with: by day, week and month, by lab and project, with amounts; without reading whole tables."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from payments.admin.periods import span_of
from payments.models import Funding, FxConversion, JournalEntry, TimeEntry, Timesheet
from payments.operations.hours import time_entries, timesheets
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import MONDAY, PLATFORM, platform
from tests.payments.ledger_story import LONG_AGO, NOW
from tests.payments.test_fx import caller_of, convert, make_quote
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.timedelta(days=1)
OVERFLOWING = (
    "funding/?created_at__year=99999999999",
    "funding/?created_at__year=9999&created_at__month=12&created_at__day=31",
    "payrun/?pays_on__year=9999&pays_on__month=12&pays_on__day=31",
    "invoice/?issued_at__year=99999999999999999999",
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def listed(desk: Desk, path: str) -> list[Any]:
    """The rows of a list."""
    with clock.frozen(NOW):
        page: Any = desk.client.get(f"/admin/payments/{path}")
    assert page.status_code == 200, (path, page.status_code)
    with platform():
        return list(page.context_data["cl"].result_list)


def refused(desk: Desk, path: str) -> bool:
    """Whether a filter is sent back to the list without it."""
    return "e=1" in desk.client.get(f"/admin/payments/{path}").get("Location", "")


@pytest.mark.parametrize("path", OVERFLOWING)
def test_a_date_that_no_calendar_has_is_a_bad_request(desk: Desk, path: str) -> None:
    assert desk.client.get(f"/admin/payments/{path}").status_code == 400


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026-11", dt.date(2026, 11, 1), dt.date(2026, 12, 1)),
        ("2026-12", dt.date(2026, 12, 1), dt.date(2027, 1, 1)),
        ("2024-02", dt.date(2024, 2, 1), dt.date(2024, 3, 1)),
        ("2026-11-16", dt.date(2026, 11, 16), dt.date(2026, 11, 17)),
        ("2026-W53", dt.date(2026, 12, 28), dt.date(2027, 1, 4)),
    ],
)
def test_periods_are_half_open(text: str, first: dt.date, after: dt.date) -> None:
    assert span_of(text) == (first, after)


def test_the_journal_is_read_by_day_with_amounts(desk: Desk) -> None:
    first, second = story.new_lab(funded=50_000), story.new_lab(funded=70_000, currency="EUR")
    day, month = f"{LONG_AGO:%Y-%m-%d}", f"{LONG_AGO:%Y-%m}"
    everything = listed(desk, "journalentry/")
    assert len(everything) == 2
    assert listed(desk, f"journalentry/?period={month}") == listed(desk, f"journalentry/?period={day}") == everything
    assert listed(desk, f"journalentry/?period={LONG_AGO + DAY:%Y-%m-%d}") == []
    assert listed(desk, f"journalentry/?period={LONG_AGO - 40 * DAY:%Y-%m}") == []
    with clock.frozen(NOW):
        page = desk.get(f"journalentry/?period={month}").content.decode()
    assert "500.00 USD" in page
    assert "700.00 EUR" in page
    assert f"?period={day}" in page
    assert [row.tenant for row in listed(desk, f"journalentry/?q={first.name}")] == [first]
    with platform():
        source = Funding.objects.get(tenant=second).public_id
    (found,) = listed(desk, f"journalentry/?q={source}")
    assert found.tenant == second
    assert listed(desk, f"journalentry/?q={source[:-1]}") == []


@pytest.mark.parametrize("wrong", ["x", "2026-13", "2026-02-30", "9999-12", "0000-01", "99999999999", "2026-W54"])
def test_a_period_that_is_none_is_left_out(desk: Desk, wrong: str) -> None:
    for path in ("journalentry/?period", "payout/?period", "timesheet/?week", "timeentry/?week", "timeentry/?period"):
        assert refused(desk, f"{path}={wrong}"), path


def test_hours_are_found_by_week_lab_and_project(desk: Desk) -> None:
    with platform():
        world = hours.build()
        end = MONDAY + dt.timedelta(hours=1)
        (entry,) = time_entries.log(
            contract=world.contract, activity="task", claim=None, started_at=MONDAY, ended_at=end, reason="-", now=end
        )
        sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=MONDAY + 5 * DAY)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + 6 * DAY)
        project = world.contract.project
        week, day = entry.iso_week, entry.local_day
    found = {
        f"timesheet/?week={week}": 1,
        "timesheet/?week=2020-W01": 0,
        f"timesheet/?period={MONDAY + 6 * DAY:%Y-%m-%d}": 1,
        f"timesheet/?period={MONDAY + 7 * DAY:%Y-%m-%d}": 0,
        f"timesheet/?q={world.tenant.name}": 1,
        f"timesheet/?q={project.public_id}": 1,
        f"timeentry/?week={week}": 1,
        "timeentry/?week=2020-W01": 0,
        f"timeentry/?period={day}": 1,
        f"timeentry/?period={day + DAY}": 0,
        f"timeentry/?q={project.name}": 1,
        "timeentry/?q=nobody": 0,
    }
    assert {path: len(listed(desk, path)) for path in found} == found
    assert project.name in desk.get("timesheet/").content.decode()


def test_what_there_is_to_choose_costs_no_look_at_the_tables(desk: Desk) -> None:
    story.new_lab(funded=100)
    for model, column in ((JournalEntry, "effective_at"), (TimeEntry, "local_day"), (Timesheet, "iso_week")):
        with CaptureQueriesContext(connection) as queries:
            listed(desk, f"{model._meta.model_name}/")
        scans = [query["sql"] for query in queries if f'"{column}"' in query["sql"].split(" FROM ")[0]]
        assert not [sql for sql in scans if "DISTINCT" in sql or "MIN(" in sql], column


def test_exchanges_are_filtered_by_currency_and_month(desk: Desk) -> None:
    lab, quote = story.new_lab(funded=100_000), make_quote()
    assert convert(caller_of(lab), quote, "500.00").status_code == 201
    with platform():
        made = FxConversion.objects.get()
    found = {
        "fxconversion/?quote__sell=USD&quote__buy=EUR": 1,
        "fxconversion/?quote__sell=EUR": 0,
        f"fxconversion/?period={made.made_at:%Y-%m}": 1,
        f"fxconversion/?period={made.made_at + DAY:%Y-%m-%d}": 0,
        "fxexchange/?quote__sell=USD&instruction__isempty=1": 0,
    }
    assert {path: len(listed(desk, path)) for path in found} == found
