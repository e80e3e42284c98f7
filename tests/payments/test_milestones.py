"""Bonuses that a lab promises beforehand: seen before signing, reached once, paid by themselves, or waiting visibly."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import outbox
from core.money import Money
from core.public import User, unit_of_work
from experts.public import Appeal, Notice
from marketplace.public import LabMember, RateSnapshot
from payments.models import Adjustment, Milestone, MilestoneAward
from payments.operations.hours import clocks
from payments.operations.labs import funding
from payments.operations.pay import milestones
from tests.concurrency.together import together
from tests.payments import hours_world as hours
from tests.payments.beside import DAY, DECIDED, LATER, approved, assert_the_books_hold, lab, pay
from tests.payments.hours_world import MONDAY, PLATFORM, Caller, World, platform

pytestmark = pytest.mark.django_db
CFO = "cfo@aurora.example"


@pytest.fixture
def world() -> World:
    with platform():
        world = hours.build()
        LabMember.objects.create(tenant=world.tenant, user=User.objects.create_user(CFO), role="admin")
    return world


@pytest.fixture
def caller(world: World) -> Caller:
    return hours.lab_caller(world)


def body(world: World, **more: Any) -> dict[str, Any]:
    usual = {
        "project": world.contract.project.public_id,
        "title": "One good hour",
        "basis": "approved_hours",
        "count": 1,
        "amount": {"amount": "50.00", "currency": "USD"},
        "budget": {"amount": "100.00", "currency": "USD"},
        "decided_by": world.member.email,
    }
    return {**usual, **more}


def test_it_is_seen_before_signing_and_paid_by_itself_once(world: World, caller: Caller) -> None:
    made = caller("POST", "/milestones", body(world))
    assert (made.status_code, made.json()["status"]) == (201, "active"), made.content
    expert = hours.expert_caller(world)
    offers = expert("GET", "/expert/offers").json()["results"]
    (seen,) = expert("GET", offers[0]["milestones"].removeprefix("/api/v1")).json()["results"]
    assert (seen["done"], seen["count"], seen["amount"]["amount"], seen["reached"]) == (0, 1, "50.00", None)
    with platform():
        approved(world)
    for _again in range(2):
        outbox.drain(now=DECIDED)
        clocks.check_milestones(by=PLATFORM, now=LATER)
    assert pay(world) == (11_000 + 5_000, 0)
    (seen,) = expert("GET", "/expert/milestones").json()["results"]
    assert (seen["done"], seen["reached"]) == (1, "paid")
    with platform():
        bonus = Adjustment.objects.get()
        assert (bonus.kind, bonus.fee_minor, bonus.decided_by) == ("bonus", 1_500, world.member)
    shown = caller("GET", f"/milestones/{made.json()['id']}").json()
    assert (shown["awarded"]["amount"], shown["waiting"], shown["status"]) == ("50.00", 0, "active")
    assert_the_books_hold()


def test_too_little_is_not_enough(world: World, caller: Caller) -> None:
    caller("POST", "/milestones", body(world, count=2))
    with platform():
        approved(world)
    outbox.drain(now=DECIDED)
    clocks.check_milestones(by=PLATFORM, now=LATER)
    assert pay(world) == (11_000, 0)


def test_it_ends_with_its_budget(world: World, caller: Caller) -> None:
    caller("POST", "/milestones", body(world, budget={"amount": "99.99", "currency": "USD"}))
    with platform():
        approved(world)
    outbox.drain(now=DECIDED)
    with platform():
        milestone = Milestone.objects.get()
        assert (milestone.status, milestone.awarded_minor) == ("ended", 5_000)


def test_without_money_it_waits_visibly_and_is_paid_when_there_is_some(caller: Caller) -> None:
    with platform():
        world = hours.build(name="Poor", funded_minor=0)
    poor = hours.lab_caller(world, "bonuses:write", "events:read")
    made = poor("POST", "/milestones", body(world)).json()
    with platform():
        approved(world)
    outbox.drain(now=DECIDED)
    clocks.check_milestones(by=PLATFORM, now=LATER)
    assert pay(world) == (11_000, 0)
    assert poor("GET", f"/milestones/{made['id']}").json()["waiting"] == 1
    assert "milestone.unfunded" in [row["type"] for row in poor("GET", "/events").json()["results"]]
    expert = hours.expert_caller(world)
    assert "milestone_unfunded" in [row["code"] for row in expert("GET", "/expert/earnings").json()["blockers"]]
    with platform():
        funding.announce(tenant_id=world.tenant.pk, amount=Money(100_000, "USD"), by=PLATFORM, now=LATER)
    clocks.pay_waiting_milestones(by=PLATFORM, now=LATER)
    clocks.pay_waiting_milestones(by=PLATFORM, now=LATER)
    assert pay(world) == (16_000, 0)
    assert "milestone_unfunded" not in [row["code"] for row in expert("GET", "/expert/earnings").json()["blockers"]]
    assert lab(world)[1] == 0
    assert_the_books_hold()


def test_what_is_short_in_one_currency_leaves_the_others_alone() -> None:
    """The dollars that nobody brings are owed for longer than the euros, which arrive."""
    with platform():
        dollars = hours.build(name="Poor", funded_minor=0)
        bob = hours.make_expert("bob@example.org")
        contract = hours.contract_of(dollars, bob, currency="EUR")
        snapshot = RateSnapshot.objects.get(pk=dollars.snapshot.pk)
        snapshot.pk, snapshot.contract, snapshot.currency = None, contract, "EUR"
        snapshot.save(force_insert=True)
        euros = replace(dollars, expert=bob, contract=contract, snapshot=snapshot)
    poor = hours.lab_caller(dollars, "bonuses:write")
    for n, world in enumerate((dollars, euros)):
        code = world.snapshot.currency
        money = {
            name: {"amount": amount, "currency": code} for name, amount in (("amount", "50.00"), ("budget", "100.00"))
        }
        assert poor("POST", "/milestones", body(world, **money), key=f"m{n}").status_code == 201
        with platform():
            approved(world)
        outbox.drain(now=DECIDED)
    with platform():
        found = MilestoneAward.objects.order_by("pk").values_list("milestone__currency", "status")
        assert list(found) == [("USD", "waiting"), ("EUR", "waiting")]
        funding.announce(tenant_id=dollars.tenant.pk, amount=Money(100_000, "EUR"), by=PLATFORM, now=LATER)
    clocks.pay_waiting_milestones(by=PLATFORM, now=LATER)
    with platform():
        assert list(found.all()) == [("USD", "waiting"), ("EUR", "paid")]
        assert Adjustment.objects.get().expert == bob
    assert pay(dollars) == (11_000, 0)
    assert_the_books_hold()


def test_it_can_be_reached_for_a_week_after_its_lab_ended_it(world: World, caller: Caller) -> None:
    made = caller("POST", "/milestones", body(world)).json()
    path = f"/milestones/{made['id']}/end"
    why = {"decided_by": world.member.email, "reason": "No more rubrics of this kind are needed."}
    ended = caller("POST", path, why, at=MONDAY).json()
    assert (ended["status"], ended["ends_at"]) == ("ending", "2026-11-23T09:00:00Z")
    assert ended["end_reason"] == why["reason"]
    again = caller("POST", path, why, at=MONDAY + DAY)
    assert again.json()["code"] == "invalid_transition"
    (mine,) = hours.expert_caller(world)("GET", "/expert/milestones", at=MONDAY).json()["results"]
    assert mine["end_reason"] == why["reason"]
    with platform():
        assert Milestone.objects.get().ended_by == world.member
        (told,) = Notice.objects.filter(kind="milestone.ending", expert=world.expert)
        assert why["reason"] in told.body
        assert "until 2026-11-23 09:00 UTC" in told.body
    with platform():
        approved(world)
    outbox.drain(now=DECIDED)
    assert pay(world) == (16_000, 0)
    clocks.end_milestones(by=PLATFORM, now=MONDAY + 7 * DAY)
    with platform():
        assert Milestone.objects.get().status == "ended"


def test_its_end_needs_a_reason_and_can_be_contested_by_whoever_works_there(world: World, caller: Caller) -> None:
    made = caller("POST", "/milestones", body(world)).json()
    path, expert = f"/milestones/{made['id']}/end", hours.expert_caller(world)
    contest = {"subject": made["id"], "reason": "I was nearly there."}
    assert expert("POST", "/expert/appeals", contest, at=MONDAY).status_code == 400  # nobody ended it
    for broken in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 301}, {"reason": 1}):
        refused = caller("POST", path, {"decided_by": world.member.email, **broken}, at=MONDAY)
        assert refused.status_code == 400, broken
    assert caller("GET", f"/milestones/{made['id']}").json()["status"] == "active"
    why = {"decided_by": world.member.email, "reason": "Not needed."}
    assert caller("POST", path, why, at=MONDAY).status_code == 200
    with platform():
        stranger = replace(world, expert=hours.make_expert("eve@example.org"))
    assert hours.expert_caller(stranger)("POST", "/expert/appeals", contest, at=MONDAY).status_code == 400
    assert expert("POST", "/expert/appeals", contest, at=MONDAY).status_code == 201
    with platform():
        filed = Appeal.objects.get()
        assert (filed.tenant_id, filed.first_decider) == (world.tenant.pk, world.member)


def test_a_large_budget_takes_two_members(world: World, caller: Caller) -> None:
    made = caller("POST", "/milestones", body(world, budget={"amount": "5000.00", "currency": "USD"})).json()
    assert (made["status"], made["id"][:4]) == ("proposed", "prp_")
    with platform():
        assert not Milestone.objects.exists()
    cfo = hours.member_caller(world, CFO)
    done = cfo("POST", f"/bonuses/{made['id']}/approve", {"decided_by": CFO}).json()
    assert done["outcome"].startswith("mst_")
    assert caller("GET", f"/milestones/{done['outcome']}").json()["budget"]["amount"] == "5000.00"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"count": 0}, "/count"),
        ({"count": 10**9}, "/count"),
        ({"amount": {"amount": "-1.00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "5.00", "currency": "EUR"}}, "/amount/currency"),
        ({"budget": {"amount": "49.99", "currency": "USD"}}, "/budget/amount"),
        ({"project": "prj_01k9w3v6z8f2qr5t4h7xnm0ceg"}, "/project"),
        ({"opening": "opn_01k9w3v6z8f2qr5t4h7xnm0ceg"}, "/opening"),
        ({"basis": "smiles"}, "/basis"),
    ],
)
def test_bad_promises_are_told_by_field(world: World, caller: Caller, change: Any, pointer: str) -> None:
    answer = caller("POST", "/milestones", body(world, **change))
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    with platform():
        assert not Milestone.objects.exists()


def test_another_lab_s_milestone_is_not_there(world: World, caller: Caller) -> None:
    with platform():
        other = hours.build(name="Borealis")
    made = caller("POST", "/milestones", body(world)).json()
    theirs = hours.lab_caller(other)
    assert theirs("GET", f"/milestones/{made['id']}").status_code == 404
    foreign = theirs("POST", "/milestones", body(world, decided_by=other.member.email))
    assert foreign.json()["errors"][0]["pointer"] == "/project"
    assert hours.expert_caller(other)("GET", "/expert/milestones").json()["results"] == []


def test_the_sweep_finds_who_reached_it_in_few_queries(world: World, caller: Caller) -> None:
    caller("POST", "/milestones", body(world))
    with platform():
        approved(world)
        milestone = Milestone.objects.get()
        with CaptureQueriesContext(connection) as one:
            assert milestones.reached(milestone=milestone) == [world.contract.pk]
        assert len(one) <= 4
    clocks.check_milestones(by=PLATFORM, now=LATER)
    with platform():
        assert milestones.reached(milestone=milestone) == []


@pytest.mark.django_db(transaction=True)
def test_two_events_at_once_award_it_once() -> None:
    with platform():
        world = hours.build()
        approved(world)
    hours.lab_caller(world)("POST", "/milestones", body(world))

    def look(_n: int) -> int:
        with unit_of_work(PLATFORM):
            return milestones.check(contract=world.contract, now=LATER)

    results = together([partial(look, n) for n in range(6)])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert pay(world) == (16_000, 0)
    with platform():
        assert MilestoneAward.objects.count() == Adjustment.objects.count() == 1
    assert_the_books_hold()
