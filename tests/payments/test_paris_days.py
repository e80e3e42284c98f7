"""Days of 23 and 25 hours in Paris, over HTTP: cut, capped and paid by the time that really passed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from experts.public import Expert
from payments.models import ProviderMovement
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import HOUR, Caller, World, platform

pytestmark = pytest.mark.django_db(transaction=True)

RATE = 11_003  # so that the hours do not come out even


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def log(call: Caller, world: World, start: str, end: str) -> Any:
    """Time by hand, UTC."""
    body = {
        "contract": world.contract.public_id,
        "activity": "task",
        "started_at": f"{start}:00Z",
        "ended_at": f"{end}:00Z",
        "reason": "offline",
    }
    return call("POST", "/expert/time-entries", body, at=utc(end))


@pytest.mark.parametrize(
    ("night", "day", "late", "next_day", "hours_of_day"),
    [
        # The clocks go back at 01:00 UTC: 25 October has 25 hours, from 22:00 to 23:00 UTC.
        (("2026-10-24T21:00", "2026-10-24T22:30"), ("2026-10-24T22:30", "2026-10-25T06:00"), "2026-10-25T22:58",
         "2026-10-25T23:00", 25),
        # They go forward at 01:00 UTC: 28 March has 23 hours, from 23:00 to 22:00 UTC.
        (("2027-03-27T22:00", "2027-03-27T23:30"), ("2027-03-27T23:30", "2027-03-28T07:00"), "2027-03-28T21:58",
         "2027-03-28T22:00", 23),
    ],
)  # fmt: skip
def test_a_day_of_23_and_one_of_25_hours_are_cut_capped_and_paid_over_http(
    night: tuple[str, str], day: tuple[str, str], late: str, next_day: str, hours_of_day: int
) -> None:
    with platform():
        ProviderMovement.objects.all().delete()  # the provider's books outlive a rolled-back test
        world = hours.build(zone="Europe/Paris", rate_minor=RATE, day_cap=8 * HOUR, week_cap=60 * HOUR)
        Expert.objects.update(country="US", zone="Europe/Paris")  # no country's working time is in the way
    expert, lab = hours.expert_caller(world), hours.lab_caller(world)
    cut = log(expert, world, *night).json()["entries"]
    assert [entry["time"]["billable"] for entry in cut] == ["PT1H", "PT30M"]  # at the local midnight
    whole = log(expert, world, *day)
    assert [entry["time"]["billable"] for entry in whole.json()["entries"]] == [
        "PT7H30M"
    ]  # what passed, not what clocks show
    minute_later = f"{utc(late) + dt.timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    refused = log(expert, world, late, minute_later)  # the last minutes of the same day, however long it is
    assert (refused.status_code, refused.json()["code"]) == (409, "cap_exceeded")
    after = f"{utc(next_day) + dt.timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    assert log(expert, world, next_day, after).status_code == 201
    assert utc(next_day) - utc(night[1]).replace(minute=0) == dt.timedelta(hours=hours_of_day)

    sheet, decided = cut[0]["timesheet"], utc(next_day) + dt.timedelta(days=1)
    assert expert("POST", f"/expert/timesheets/{sheet}/submit", at=decided).status_code == 200
    approval = {"decided_by": world.member.email}
    assert lab("POST", f"/timesheets/{sheet}/approve", approval, at=decided).status_code == 200
    # 1 h, 30 min and 7 h 30 min at 110.03, each rounded half up for itself
    assert story.owed(world.expert) == 11_003 + 5_502 + 82_523
    assert_money_is_whole()
