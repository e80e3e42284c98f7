"""A contract that was paused or has ended measures no more work, whatever its timer says."""

from __future__ import annotations

import datetime as dt

import pytest

from core import outbox
from marketplace.operations import contracts
from marketplace.public import Contract
from payments.models import TimeEntry
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, World, expert_caller, platform

pytestmark = pytest.mark.django_db

LATER = MONDAY + dt.timedelta(minutes=5)


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


def start(world: World, activity: str) -> str:
    """A running timer's id."""
    body = {"contract": world.contract.public_id, "activity": activity}
    answer = expert_caller(world)("POST", "/expert/time-entries/start", body)
    assert answer.status_code == 201, answer.content
    found: str = answer.json()["id"]
    return found


def entry() -> TimeEntry:
    """The only entry."""
    with platform():
        return TimeEntry.objects.get()


def stop_contract(world: World, status: str) -> None:
    """The contract is paused or ended, and everybody hears of it two minutes later."""
    with platform():
        ended = {"ended_at": LATER, "end_reason": "policy_violation"} if status == "ended" else {}
        Contract.objects.filter(pk=world.contract.pk).update(status=status, **ended)
        contracts.tell(world.contract, status, now=LATER)
    outbox.drain(now=LATER + dt.timedelta(minutes=2))


@pytest.mark.parametrize("status", ["paused", "ended"])
def test_the_timer_stops_at_that_very_instant(world: World, status: str) -> None:
    timer = start(world, "task")
    stop_contract(world, status)
    stopped = entry()
    assert (stopped.status, stopped.ended_at, stopped.seconds) == ("stopped", LATER, 300)
    beat = expert_caller(world)("POST", f"/expert/time-entries/{timer}/heartbeat", at=LATER + dt.timedelta(minutes=3))
    assert beat.status_code == 409
    assert entry().seconds == 300
    kinds = [row["kind"] for row in expert_caller(world)("GET", "/expert/notices").json()["results"]]
    assert "time_entry.stopped_with_contract" in kinds


def test_standby_goes_on_through_a_pause_and_not_beyond_the_end(world: World) -> None:
    start(world, "standby")
    stop_contract(world, "paused")
    assert entry().status == "running"
    stop_contract(world, "ended")
    assert entry().ended_at == LATER


def test_the_timer_of_another_contract_runs_on(world: World) -> None:
    start(world, "task")
    with platform():
        other = hours.build(name="Borealis", expert=world.expert)
    stop_contract(other, "ended")
    assert entry().status == "running"


def test_before_the_onboarding_is_done_no_work_is_entered_by_hand_either(world: World) -> None:
    with platform():
        Contract.objects.filter(pk=world.contract.pk).update(status="onboarding", activated_at=None)
    body = {
        "contract": world.contract.public_id,
        "activity": "task",
        "started_at": (MONDAY - dt.timedelta(seconds=HOUR)).isoformat(),
        "ended_at": MONDAY.isoformat(),
        "reason": "The timer did not start.",
    }
    refused = expert_caller(world)("POST", "/expert/time-entries", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_billable_now")
    assert expert_caller(world)("POST", "/expert/time-entries", {**body, "activity": "instructions"}).status_code == 201
    assert entry().activity == "instructions"
