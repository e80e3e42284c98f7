"""A key that is one member's own: it decides in his name alone, makes no key for anybody else, and ends with him."""

from __future__ import annotations

from typing import Any

import pytest

from core import clock
from core.public import AccessToken
from marketplace.models import Amendment, LabMember
from marketplace.operations import labs
from tests.core.api.conftest import Caller, pointers, problem
from tests.marketplace.test_amendments import World
from tests.marketplace.test_journey import ok
from tests.marketplace.world import NOW, platform

pytestmark = pytest.mark.django_db

V1 = "/api/v1"
KEYS = f"{V1}/api-keys"
EVE = "eve@acme.example"
ALL = ["keys:write", "contracts:write"]


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def world() -> World:
    made = World()
    with platform():
        labs.add_member(lab=made.lab, email=EVE, role=LabMember.Role.MANAGER, now=NOW)
    return made


def member(email: str = EVE) -> LabMember:
    with platform():
        return LabMember.objects.get(user__email=email)


def own_key(world: World, who: str = EVE, **more: Any) -> tuple[str, Caller]:
    made = ok(world.api("POST", KEYS, {"name": "own", "scopes": ALL, "member": who, **more}), 201)
    assert made["member"] == EVE
    return made["id"], Caller(Authorization=f"Bearer {made['secret']}")


def propose(world: World, caller: Caller, who: str, key: str) -> Any:
    return caller("POST", f"{world.path}/amendments", {**world.body(), "decided_by": who}, Idempotency_Key=key)


def test_it_decides_in_nobody_elses_name(world: World) -> None:
    _id, eve = own_key(world)
    refused = problem(propose(world, eve, world.admin, "his"), 403, "permission_denied")
    assert "one member's own" in refused["detail"]
    with platform():
        assert not Amendment.objects.exists()
    assert ok(propose(world, eve, member().public_id, "mine"), 201)["status"] == "proposed"


def test_a_key_of_nobody_names_whom_it_wants(world: World) -> None:
    (first,) = ok(world.api("GET", KEYS))["results"]
    assert first["member"] is None
    assert ok(propose(world, world.api, EVE, "hers"), 201)["status"] == "proposed"


def test_it_makes_and_rotates_no_key_but_his(world: World) -> None:
    mine, eve = own_key(world, member().public_id)
    (other,) = [row["id"] for row in ok(eve("GET", KEYS))["results"] if row["id"] != mine]
    for body in ({}, {"member": world.admin}):
        problem(eve("POST", KEYS, {"name": "x", "scopes": ALL, **body}), 403, "permission_denied")
    problem(eve("POST", f"{KEYS}/{other}/rotate"), 403, "permission_denied")
    problem(world.api("POST", f"{KEYS}/{mine}/rotate"), 403, "permission_denied")
    unknown = world.api("POST", KEYS, {"name": "x", "scopes": ALL, "member": "nobody@acme.example"})
    assert pointers(problem(unknown, 400, "invalid")) == {"/member": "unknown_member"}
    assert AccessToken.objects.filter(kind="lab").count() == 2
    assert ok(eve("POST", KEYS, {"name": "second", "scopes": ALL, "member": EVE}), 201)["member"] == EVE
    fresh = ok(eve("POST", f"{KEYS}/{mine}/rotate"), 201)
    assert fresh["member"] == EVE
    again = Caller(Authorization=f"Bearer {fresh['secret']}")
    problem(propose(world, again, world.admin, "rotated"), 403, "permission_denied")


def test_it_ends_with_the_membership_in_the_sandbox_too(world: World) -> None:
    _id, eve = own_key(world)
    _test, eve_there = own_key(world, sandbox=True)
    assert eve("GET", KEYS).status_code == eve_there("GET", KEYS).status_code == 200
    with platform():
        labs.remove_member(member=member(), now=NOW)
    assert eve("GET", KEYS).status_code == eve_there("GET", KEYS).status_code == 401
    assert world.api("GET", KEYS).status_code == 200
