"""What labs pay on top of hours: one, many, and what takes a second member."""

from __future__ import annotations

from typing import Any

import pytest

from core.public import User
from marketplace.public import LabMember
from payments.models import Adjustment, AdjustmentProposal, JournalEntry
from tests.payments import hours_world as hours
from tests.payments.beside import DAY, LATER, assert_the_books_hold, pay, told
from tests.payments.hours_world import MONDAY, Caller, World, platform

pytestmark = pytest.mark.django_db
CFO = "cfo@aurora.example"


@pytest.fixture
def world() -> World:
    with platform():
        world = hours.build()
        cfo = User.objects.create_user(CFO)
        LabMember.objects.create(tenant=world.tenant, user=cfo, role=LabMember.Role.ADMIN)
    return world


@pytest.fixture
def caller(world: World) -> Caller:
    return hours.lab_caller(world)


def row(world: World, amount: str = "150.00", **more: Any) -> dict[str, Any]:
    money = {"amount": amount, "currency": more.pop("currency", "USD")}
    return {"contract": world.contract.public_id, "amount": money, "reason": "Found a mistake.", **more}


def bonus(world: World, amount: str = "150.00", **more: Any) -> dict[str, Any]:
    return {**row(world, amount), "decided_by": world.member.email, **more}


def test_a_bonus_is_owed_at_once_and_says_how_to_contest_it(world: World, caller: Caller) -> None:
    answer = caller("POST", "/bonuses", bonus(world))
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["status"], made["fee"]["amount"]) == ("paid", "45.00")
    assert pay(world) == (15_000, 0)
    (body,) = told(world, made["id"])
    assert "/api/v1/expert/appeals" in body
    assert made["id"] in body
    line = hours.expert_caller(world)("GET", f"/expert/earnings/{made['id']}/explain").json()
    assert line["amount"] == {"amount": "150.00", "currency": "USD"}
    assert_the_books_hold()


def test_above_the_threshold_another_member_approves(world: World, caller: Caller) -> None:
    made = caller("POST", "/bonuses", bonus(world, "1000.01")).json()
    assert (made["status"], made["fee"], made["id"][:4]) == ("proposed", None, "prp_")
    assert pay(world) == (0, 0)
    shown = f"/bonuses/proposals/{made['id']}"
    waiting = caller("GET", shown).json()
    assert (waiting["id"], waiting["status"], waiting["amount"]) == (made["id"], "proposed", made["amount"])
    path = f"/bonuses/{made['id']}/approve"
    refused = caller("POST", path, {"decided_by": world.member.email})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_proposal")
    assert pay(world) == (0, 0)
    done = hours.member_caller(world, CFO)("POST", path, {"decided_by": CFO}, at=LATER)
    assert (done.status_code, done.json()["status"]) == (200, "approved")
    assert done.json()["outcome"].startswith("adj_")
    assert caller("GET", shown, at=LATER).json() == done.json()
    assert pay(world) == (100_001, 0)
    again = caller("POST", path, {"decided_by": CFO}, at=LATER + DAY)
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    assert pay(world) == (100_001, 0)
    with platform():
        paid = Adjustment.objects.get()
        assert paid.proposal is not None
        assert (paid.decided_by, paid.proposal.decided_by) == (world.member, User.objects.get(email=CFO))
    assert_the_books_hold()


def test_exactly_the_threshold_takes_one_person(world: World, caller: Caller) -> None:
    assert caller("POST", "/bonuses", bonus(world, "1000.00")).json()["status"] == "paid"


@pytest.mark.parametrize("way", ["refuse", "withdraw", "lapse"])
def test_what_is_not_approved_is_not_paid(world: World, caller: Caller, way: str) -> None:
    made = caller("POST", "/bonuses", bonus(world, "2000.00")).json()
    if way == "refuse":
        body = {"decided_by": CFO, "reason": "The budget is spent."}
        assert caller("POST", f"/bonuses/{made['id']}/refuse", body).json()["status"] == "refused"
    elif way == "withdraw":
        others = caller("POST", f"/bonuses/{made['id']}/withdraw", {"decided_by": CFO})
        assert others.json()["code"] == "own_proposal"
        mine = caller("POST", f"/bonuses/{made['id']}/withdraw", {"decided_by": world.member.email})
        assert mine.json()["status"] == "withdrawn"
    else:
        from payments.operations.hours import clocks

        clocks.let_proposals_lapse(by=hours.PLATFORM, now=MONDAY + 14 * DAY)
    late = caller("POST", f"/bonuses/{made['id']}/approve", {"decided_by": CFO}, at=MONDAY + 15 * DAY)
    assert late.status_code == 409
    assert pay(world) == (0, 0)
    with platform():
        assert not Adjustment.objects.exists()


def test_a_proposal_past_its_clock_is_not_approved_even_before_the_sweep(world: World, caller: Caller) -> None:
    made = caller("POST", "/bonuses", bonus(world, "2000.00")).json()
    late = caller("POST", f"/bonuses/{made['id']}/approve", {"decided_by": CFO}, at=MONDAY + 14 * DAY)
    assert (late.status_code, late.json()["code"]) == (409, "proposal_lapsed")
    assert pay(world) == (0, 0)


def test_the_beneficiary_neither_proposes_nor_approves(world: World, caller: Caller) -> None:
    with platform():
        hours.make_member(world, world.user)
    made = caller("POST", "/bonuses", bonus(world, "2000.00")).json()
    refused = caller("POST", f"/bonuses/{made['id']}/approve", {"decided_by": world.user.email})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")
    own = caller("POST", "/bonuses", bonus(world, "5.00", decided_by=world.user.email))
    assert own.json()["code"] == "own_work"
    rows = [row(world, "2000.00"), row(world, "3000.00")]
    bulk = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": world.member.email}).json()
    own = hours.member_caller(world, world.user.email)
    refused = own("POST", f"/bonuses/{bulk['proposal']['id']}/approve", {"decided_by": world.user.email})
    assert refused.json()["code"] == "own_work"
    assert pay(world) == (0, 0)
    with platform():
        assert set(AdjustmentProposal.objects.values_list("status", flat=True)) == {"proposed"}


def test_a_reviewer_does_not_decide_about_money(world: World, caller: Caller) -> None:
    with platform():
        reviewer = User.objects.create_user("rev@aurora.example")
        LabMember.objects.create(tenant=world.tenant, user=reviewer, role=LabMember.Role.REVIEWER)
    answer = caller("POST", "/bonuses", bonus(world, decided_by=reviewer.email))
    assert answer.status_code == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/decided_by", "may_not_pay")]
    assert pay(world) == (0, 0)


def test_money_that_is_gone_when_it_is_approved_leaves_the_proposal(world: World, caller: Caller) -> None:
    made = caller("POST", "/bonuses", bonus(world, "75000.00")).json()
    assert caller("POST", "/bonuses", bonus(world, "1000.00")).json()["status"] == "paid"
    cfo = hours.member_caller(world, CFO)
    refused = cfo("POST", f"/bonuses/{made['id']}/approve", {"decided_by": CFO})
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_funds")
    assert [row["id"] for row in caller("GET", "/bonuses/proposals?status=proposed").json()["results"]] == [made["id"]]
    assert pay(world) == (100_000, 0)


def test_many_bonuses_are_one_write(world: World, caller: Caller) -> None:
    rows = [row(world, f"{n}.50", reason=f"Row {n}") for n in range(1, 41)]
    body = {"bonuses": rows, "decided_by": world.member.email}
    answer = caller("POST", "/bonuses/bulk", body, key="bulk-1")
    assert answer.status_code == 201, answer.content
    assert [item["reason"] for item in answer.json()["paid"]] == [f"Row {n}" for n in range(1, 41)]
    assert pay(world) == (sum(n * 100 + 50 for n in range(1, 41)), 0)
    again = caller("POST", "/bonuses/bulk", body, key="bulk-1")
    assert again.json() == answer.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    with platform():
        assert JournalEntry.objects.filter(kind="bonus").count() == 40
    assert_the_books_hold()


def test_every_wrong_row_is_named_and_nothing_is_paid(world: World, caller: Caller) -> None:
    with platform():
        other = hours.build(name="Borealis")
    rows = [
        row(world),
        row(world, "5.00", currency="EUR"),
        row(world),
        row(other, "7.00"),
    ]
    answer = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": world.member.email})
    assert answer.status_code == 400
    found = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert found == [("/bonuses/3/contract", "unknown_contract")]
    answer = caller("POST", "/bonuses/bulk", {"bonuses": rows[:3], "decided_by": world.member.email})
    found = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert found == [("/bonuses/1/amount/currency", "wrong_currency"), ("/bonuses/2", "repeated")]
    assert pay(world) == (0, 0)
    assert pay(other) == (0, 0)


def test_what_many_come_to_is_what_the_threshold_sees(world: World, caller: Caller) -> None:
    rows = [row(world, "400.00", reason=f"Row {n}") for n in range(3)]
    made = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": world.member.email}).json()
    assert (made["status"], made["paid"], made["proposal"]["bonuses"]) == ("proposed", [], 3)
    assert pay(world) == (0, 0)
    cfo = hours.member_caller(world, CFO)
    done = cfo("POST", f"/bonuses/{made['proposal']['id']}/approve", {"decided_by": CFO})
    assert done.json()["status"] == "approved"
    assert pay(world) == (120_000, 0)
    assert_the_books_hold()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": {"amount": "-1.00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "0.00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "1.000", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "9" * 30 + ".00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "5.00", "currency": "EUR"}}, "/amount/currency"),
        ({"amount": {"amount": "5.00", "currency": "XXX"}}, "/amount/currency"),
        ({"amount": "5.00"}, "/amount"),
        ({"reason": ""}, "/reason"),
        ({"decided_by": "nobody@aurora.example"}, "/decided_by"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_bad_bonuses_are_told_by_field(world: World, caller: Caller, change: Any, pointer: str) -> None:
    answer = caller("POST", "/bonuses", {**bonus(world), **change})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert pay(world) == (0, 0)


def test_another_lab_s_proposal_and_contract_are_not_there(world: World, caller: Caller) -> None:
    with platform():
        other = hours.build(name="Borealis")
    made = caller("POST", "/bonuses", bonus(world, "2000.00")).json()
    theirs = hours.lab_caller(other)
    answer = theirs("POST", f"/bonuses/{made['id']}/approve", {"decided_by": other.member.email})
    assert answer.status_code == 404
    assert theirs("POST", "/bonuses", bonus(world, decided_by=other.member.email)).status_code == 404
    assert theirs("GET", "/bonuses/proposals").json()["results"] == []
    assert caller("POST", "/bonuses/bulk", {"bonuses": [], "decided_by": CFO}).status_code == 400
    too_many = {"bonuses": [row(world)] * 1001, "decided_by": CFO}
    assert caller("POST", "/bonuses/bulk", too_many, key="many").status_code == 400
