"""Where a batch caps the time per item, nobody logs time on items without saying on which."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from payments.models import TimeEntry
from tasks.public import Batch
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, World, expert_caller, platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


def make_batch(world: World, *, status: str, item_cap: int | None = 600) -> None:
    """A batch of the contract's project."""
    Batch.objects.create(
        tenant=world.tenant, project=world.contract.project, name="B", status=status, aht_cap_seconds=item_cap
    )


def by_hand(world: World, activity: str) -> Any:
    """An hour without a claim."""
    body = {
        "contract": world.contract.public_id,
        "activity": activity,
        "started_at": (MONDAY - dt.timedelta(seconds=HOUR)).isoformat(),
        "ended_at": MONDAY.isoformat(),
        "reason": "The timer did not start.",
    }
    return expert_caller(world)("POST", "/expert/time-entries", body)


def timer(world: World, activity: str) -> Any:
    """A timer without a claim."""
    body = {"contract": world.contract.public_id, "activity": activity}
    return expert_caller(world)("POST", "/expert/time-entries/start", body)


@pytest.mark.parametrize("begin", [timer, by_hand])
@pytest.mark.parametrize("activity", ["task", "rework"])
def test_time_on_capped_items_names_its_claim(world: World, begin: Any, activity: str) -> None:
    with platform():
        make_batch(world, status="in_progress")
    refused = begin(world, activity)
    assert refused.status_code == 400
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [("/claim", "required")]
    with platform():
        assert not TimeEntry.objects.exists()


def test_an_entry_does_not_become_work_on_items_later(world: World) -> None:
    with platform():
        make_batch(world, status="completed")
    (entry,) = by_hand(world, "meeting").json()["entries"]
    refused = expert_caller(world)("PATCH", f"/expert/time-entries/{entry['id']}", {"activity": "task"})
    assert refused.status_code == 400
    with platform():
        assert TimeEntry.objects.get().activity == "meeting"


@pytest.mark.parametrize(("status", "item_cap", "activity"), [
    ("in_progress", None, "task"), ("staging", 600, "task"), ("in_progress", 600, "meeting"),
])  # fmt: skip
def test_elsewhere_no_claim_is_needed(world: World, status: str, item_cap: int | None, activity: str) -> None:
    with platform():
        make_batch(world, status=status, item_cap=item_cap)
    assert timer(world, activity).status_code == 201
