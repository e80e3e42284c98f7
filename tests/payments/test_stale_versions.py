"""Who says what he has looked at decides about nothing else: an `If-Match` that is old is refused, and nothing happens."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest

from payments.models import JournalEntry, Timesheet
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments.hours_world import MONDAY, Caller, World, platform
from tests.payments.test_time_weeks import log

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)
TUESDAY = MONDAY + dt.timedelta(days=1)


@pytest.fixture
def world() -> World:
    """A week with one hour in it."""
    with platform():
        made = hours.build()
        log(made, MONDAY + 8 * HOUR, 60)
    return made


def tag_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return str(answer["ETag"])


def refused(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")


def test_a_lab_approves_the_hours_that_it_looked_at_and_no_others(world: World) -> None:
    me, lab = hours.expert_caller(world), hours.lab_caller(world)
    with platform():
        week = Timesheet.objects.get()
        entry = week.entries.get().public_id
    me("POST", f"/expert/timesheets/{week.public_id}/submit", at=TUESDAY)
    path, body = f"/timesheets/{week.public_id}", {"decided_by": world.member.email}
    looked_at = tag_of(lab("GET", path, at=TUESDAY))
    assert tag_of(lab("GET", path, at=TUESDAY + 200 * HOUR)) == looked_at  # later, other paydays, and the same hours
    dispute = {"decided_by": world.member.email, "reason": "Not agreed.", "proposed": "PT0S"}
    assert lab("POST", f"/time-entries/{entry}/dispute", dispute, at=TUESDAY).status_code == 201
    refused(lab("POST", f"{path}/approve", body, at=TUESDAY, match=looked_at))
    refused(lab("POST", f"{path}/approve", body, at=TUESDAY, match=f'W/{looked_at}, "abc"'))
    with platform():
        assert Timesheet.objects.get().status == "submitted"
        assert not JournalEntry.objects.filter(kind="time_approved").exists()
    now = tag_of(lab("GET", path, at=TUESDAY))
    first = lab("POST", f"{path}/approve", body, at=TUESDAY, match=f"{looked_at}, {now}", key="approve")
    assert first.status_code == 200, first.content
    again = lab("POST", f"{path}/approve", body, at=TUESDAY, match=f"{looked_at}, {now}", key="approve")
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert_money_is_whole()


def test_of_two_who_change_the_same_state_of_hours_one_is_told(world: World) -> None:
    me = hours.expert_caller(world)
    with platform():
        path = f"/expert/time-entries/{Timesheet.objects.get().entries.get().public_id}"
    seen = tag_of(me("GET", path))

    def change(n: int) -> int:
        answer = Caller(me.secret)("PATCH", path, {"reason": f"Number {n}"}, at=TUESDAY, match=seen)
        return int(answer.status_code)

    codes: list[int] = []
    together([partial(lambda n: codes.append(change(n)), n) for n in range(4)])
    assert sorted(codes) == [200, 412, 412, 412]


def test_the_expert_changes_and_takes_back_what_he_sees(world: World) -> None:
    me = hours.expert_caller(world)
    with platform():
        path = f"/expert/time-entries/{Timesheet.objects.get().entries.get().public_id}"
    seen = tag_of(me("GET", path, at=TUESDAY))
    assert me("PATCH", path, {"reason": "Without a tag it is changed anyway"}, at=TUESDAY).status_code == 200
    refused(me("PATCH", path, {"reason": "Mine"}, at=TUESDAY, match=seen))
    refused(me("DELETE", path, at=TUESDAY, match=seen))
    with platform():
        kept = Timesheet.objects.get().entries.get()
    assert (kept.reason, kept.status) == ("Without a tag it is changed anyway", "stopped")
    assert me("DELETE", path, at=TUESDAY, match="*").status_code == 204


def test_two_who_edit_one_billing_address_do_not_overwrite_each_other(world: World) -> None:
    lab = hours.lab_caller(world, "invoices:read", "invoices:write")
    seen = tag_of(lab("GET", "/lab/billing"))
    assert lab("PATCH", "/lab/billing", {"city": "Berlin"}, match=seen).status_code == 200
    refused(lab("PATCH", "/lab/billing", {"city": "Paris"}, match=seen))
    assert lab("GET", "/lab/billing").json()["city"] == "Berlin"
