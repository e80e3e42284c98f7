"""What members of a lab pay alone is added up over everybody they pay, every request, every one of them, for a week."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core.public import User, unit_of_work
from experts.public import Notice
from marketplace.public import Contract, LabMember
from payments.models import Adjustment, AdjustmentProposal, LoneAct, Milestone
from tests.concurrency.together import together
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, LATER, assert_the_books_hold
from tests.payments.hours_world import World, platform

pytestmark = pytest.mark.django_db(transaction=True)
CFO = "cfo@aurora.example"
WEEK = 7 * DAY


@pytest.fixture
def world() -> World:
    with platform():
        made = hours.build()
        LabMember.objects.create(tenant=made.tenant, user=User.objects.create_user(CFO), role=LabMember.Role.ADMIN)
    return made


def contracts(world: World, count: int) -> list[str]:
    """Contracts of so many experts with the lab."""
    with platform():
        made = [world.contract]
        for n in range(1, count):
            contract = hours.contract_of(world, hours.make_expert(f"expert{n}@example.org"))
            terms = type(world.snapshot).objects.get(pk=world.snapshot.pk)
            terms.pk, terms.contract = None, contract
            terms.save(force_insert=True)
            made.append(contract)
        return [contract.public_id for contract in made]


def bonus(contract: str, amount: str, by: str, currency: str = "USD") -> dict[str, Any]:
    money = {"amount": amount, "currency": currency}
    return {"contract": contract, "amount": money, "reason": "Well done.", "decided_by": by}


def milestone(world: World, budget: str, by: str) -> dict[str, Any]:
    with platform():
        project = Contract.objects.select_related("project").get(pk=world.contract.pk).project.public_id
    return {
        "project": project,
        "title": "Ten tasks",
        "basis": "accepted_submissions",
        "count": 10,
        "amount": {"amount": "50.00", "currency": "USD"},
        "budget": {"amount": budget, "currency": "USD"},
        "decided_by": by,
    }


def paid() -> list[int]:
    with platform():
        return list(Adjustment.objects.order_by("pk").values_list("amount_minor", flat=True))


def test_many_small_bonuses_to_many_people_are_one_act_on_the_labs_money(world: World) -> None:
    """Eleven requests of 100.00 to eleven experts: the eleventh waits for a second member."""
    caller, payees = hours.lab_caller(world), contracts(world, 11)
    made = [
        caller("POST", "/bonuses", bonus(payee, "100.00", world.member.email), at=LATER + n * dt.timedelta(hours=1))
        for n, payee in enumerate(payees)
    ]
    assert [answer.json()["status"] for answer in made] == ["paid"] * 10 + ["proposed"]
    assert made[-1].json()["counted_with"] == {"amount": "1000.00", "currency": "USD"}
    assert paid() == [10_000] * 10
    with platform():
        assert Notice.objects.filter(kind="bonus.paid").count() == 10
    assert_the_books_hold()


def test_members_who_take_turns_are_added_up(world: World) -> None:
    caller, payees = hours.lab_caller(world), contracts(world, 2)
    one, other = world.member.email, CFO
    assert caller("POST", "/bonuses", bonus(payees[0], "600.00", one), at=LATER).json()["status"] == "paid"
    waits = caller("POST", "/bonuses", bonus(payees[1], "400.01", other), at=LATER + DAY).json()
    assert (waits["status"], waits["counted_with"]["amount"]) == ("proposed", "600.00")
    fits = caller("POST", "/bonuses", bonus(payees[1], "400.00", other), at=LATER + DAY).json()
    assert fits["status"] == "paid"
    over = LATER + WEEK
    assert caller("POST", "/bonuses", bonus(payees[1], "600.00", one), at=over).json()["status"] == "paid"
    assert caller("POST", "/bonuses", bonus(payees[1], "0.01", one), at=over).json()["status"] == "proposed"
    assert paid() == [60_000, 40_000, 60_000]


def test_bonuses_bulks_and_milestones_count_together(world: World) -> None:
    caller, payees = hours.lab_caller(world), contracts(world, 2)
    one = world.member.email
    caller("POST", "/bonuses", bonus(payees[0], "300.00", one), at=LATER)
    rows = [{key: row[key] for key in ("contract", "amount", "reason")} for row in (bonus(payees[1], "300.00", one),)]
    many = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": CFO}, at=LATER + DAY).json()
    assert many["status"] == "paid"
    waits = caller("POST", "/milestones", milestone(world, "450.00", CFO), at=LATER + DAY)
    assert waits.json()["status"] == "proposed", waits.content
    (proposal,) = caller("GET", "/bonuses/proposals?status=proposed", at=LATER + DAY).json()["results"]
    assert (proposal["act"], proposal["counted_with"]["amount"]) == ("milestone", "600.00")
    fits = caller("POST", "/milestones", milestone(world, "400.00", CFO), at=LATER + DAY, key="fits")
    assert fits.json()["status"] == "active"
    more = caller("POST", "/bonuses/bulk", {"bonuses": rows, "decided_by": one}, at=LATER + 2 * DAY).json()
    assert (more["status"], more["proposal"]["counted_with"]["amount"]) == ("proposed", "1000.00")
    with platform():
        assert Milestone.objects.count() == 1


def test_each_lab_and_each_currency_has_its_own_sum(world: World) -> None:
    with platform():
        euros = hours.build(name="Borealis", currency="EUR", expert=world.expert)
        LabMember.objects.create(tenant=euros.tenant, user=world.member, role=LabMember.Role.MANAGER)
    for there, currency in ((world, "USD"), (euros, "EUR")):
        body = bonus(there.contract.public_id, "900.00", world.member.email, currency)
        assert hours.lab_caller(there)("POST", "/bonuses", body, at=LATER).json()["status"] == "paid"
    with platform():
        sums = LoneAct.objects.filter(sort="lab_pay").order_by("pk")
        assert list(sums.values_list("tenant", "currency", "amount_minor")) == [
            (world.tenant.pk, "USD", 90_000),
            (euros.tenant.pk, "EUR", 90_000),
        ]


def test_two_requests_at_once_do_not_slip_past(world: World) -> None:
    """By two members, to two people, at the same instant: one is paid, the other waits."""
    payees = contracts(world, 2)
    secret = hours.lab_caller(world).secret
    deciders = (world.member.email, CFO)

    def send(n: int, at: dt.datetime) -> str:
        body = bonus(payees[n], "600.00", deciders[n])
        return str(hours.Caller(secret)("POST", "/bonuses", body, at=at, key=f"{n}-{at:%d}").json()["status"])

    for round_ in range(3):
        at = LATER + round_ * 10 * DAY
        assert sorted(together([partial(send, n, at) for n in range(2)])) == ["paid", "proposed"]
    assert paid() == [60_000] * 3
    with platform():
        assert AdjustmentProposal.objects.filter(status="proposed", before_minor=60_000).count() == 3
    assert_the_books_hold()


def test_postgresql_keeps_the_sum_of_a_lab(world: World) -> None:
    people = [story.new_user(f"Manager {n}") for n in range(4)]
    row = {
        "sort": "lab_pay", "amount_minor": 60_000, "currency": "USD", "threshold_minor": 100_000,
        "since": LATER - DAY, "done_at": LATER, "created_at": LATER,
    }  # fmt: skip

    def write(by: User) -> str:
        try:
            with unit_of_work(story.SYSTEM):
                LoneAct.objects.create(actor=by, tenant=world.tenant, **row)
        except IntegrityError as error:
            return str(error).partition("\n")[0]
        return "done"

    refused = "so much takes a second person"
    assert sorted(together([partial(write, by) for by in people])) == ["done", *[refused] * 3]
    with platform(), pytest.raises(IntegrityError, match="payments_loneact_whose_money"), transaction.atomic():
        LoneAct.objects.create(actor=people[0], **row)
