"""Four eyes of a lab are two people with two keys: one key that gives two names approves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core import tokens
from core.public import User
from marketplace.public import LabMember
from payments.models import AdjustmentProposal
from tests.payments import hours_world as hours
from tests.payments.beside import LATER, assert_the_books_hold, pay
from tests.payments.hours_world import World, platform
from tests.payments.test_bonuses import bonus

pytestmark = pytest.mark.django_db
CFO = "cfo@aurora.example"


@pytest.fixture
def world() -> World:
    with platform():
        made = hours.build()
        LabMember.objects.create(tenant=made.tenant, user=User.objects.create_user(CFO), role=LabMember.Role.ADMIN)
    return made


def proposed(caller: Any, world: World) -> str:
    made = caller("POST", "/bonuses", bonus(world, "2000.00")).json()
    assert made["status"] == "proposed"
    return f"/bonuses/{made['id']}"


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", answer.json().get("status"))


def test_one_key_that_gives_two_names_approves_nothing(world: World) -> None:
    one, other = hours.lab_caller(world), hours.lab_caller(world)
    path = proposed(one, world)
    for caller in (one, other):  # another key of nobody is no other person either
        assert told(caller("POST", f"{path}/approve", {"decided_by": CFO}, key=caller.secret[-9:])) == (
            409,
            "own_key_needed",
        )
    mine = hours.member_caller(world, world.member.email)
    assert told(mine("POST", f"{path}/approve", {"decided_by": CFO})) == (403, "permission_denied")
    assert told(mine("POST", f"{path}/approve", {"decided_by": world.member.email})) == (403, "own_proposal")
    with platform():
        proposal = AdjustmentProposal.objects.get()
        assert (proposal.status, proposal.decided_key, pay(world)) == ("proposed", None, (0, 0))
    cfo = hours.member_caller(world, CFO)
    assert told(cfo("POST", f"{path}/approve", {"decided_by": CFO}, at=LATER)) == (200, "approved")
    with platform():
        proposal.refresh_from_db()
        assert proposal.decided_key is not None
        assert proposal.decided_key.user == proposal.decided_by == User.objects.get(email=CFO)
    assert pay(world) == (200_000, 0)
    assert_the_books_hold()


def test_two_members_with_two_own_keys(world: World) -> None:
    one, cfo = hours.member_caller(world, world.member.email), hours.member_caller(world, CFO)
    path = proposed(one, world)
    assert told(cfo("POST", f"{path}/approve", {"decided_by": CFO})) == (200, "approved")


@pytest.mark.parametrize("way", ["refuse", "withdraw"])
def test_what_moves_nothing_takes_no_key_of_ones_own(world: World, way: str) -> None:
    caller = hours.lab_caller(world)
    path = proposed(caller, world)
    body = {"decided_by": CFO, "reason": "No."} if way == "refuse" else {"decided_by": world.member.email}
    assert caller("POST", f"{path}/{way}", body).status_code == 200
    assert pay(world) == (0, 0)


def test_postgresql_refuses_an_approval_without_the_approvers_own_key(world: World) -> None:
    proposed(hours.lab_caller(world), world)
    with platform():
        cfo, elsewhere = User.objects.get(email=CFO), hours.build(name="Borealis")
        keys = [
            tokens.mint_lab_key(tenant=world.tenant, name="nobody's", scopes=[]).token,
            tokens.mint_lab_key(tenant=world.tenant, name="another's", scopes=[], user=world.member).token,
            tokens.mint_lab_key(tenant=elsewhere.tenant, name="of another lab", scopes=[], user=cfo).token,
        ]
        rows = AdjustmentProposal.objects.all()
        for key in (None, *keys):
            with pytest.raises(IntegrityError, match="own key"), transaction.atomic():
                rows.update(status="approved", decided_by=cfo, decided_at=LATER, decided_key=key)
        own = tokens.mint_lab_key(tenant=world.tenant, name="his", scopes=[], user=cfo).token
        assert rows.update(status="approved", decided_by=cfo, decided_at=LATER, decided_key=own, outcome="x") == 1
