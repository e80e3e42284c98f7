"""What a lab reads of changes to its bill: each with its reason, and what the hours come to since."""

from __future__ import annotations

from typing import Any

import pytest

from core.money import Money
from payments.models import Adjustment, Funding, TimeEntry
from payments.operations.labs import funding
from payments.operations.pay import adjustments, bonuses, clawbacks
from payments.operations.pay.bonuses import Bonus
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, LATER, approved
from tests.payments.hours_world import PLATFORM, Caller, World, platform

pytestmark = pytest.mark.django_db
DOLLAR = 100
ASKED = LATER + 10 * DAY


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


@pytest.fixture
def entry(world: World) -> TimeEntry:
    with platform():
        return approved(world)


def reader(world: World, *scopes: str) -> Caller:
    return hours.lab_caller(world, *(scopes or ("timesheets:read",)))


def corrected(world: World, entry: TimeEntry, *, minutes: int) -> str:
    with platform():
        made = adjustments.correct(
            entry=entry, counted=minutes * 60, reason="Idle.", decided_by=world.member, now=LATER
        )
    assert made is not None
    return made.public_id


def taken(world: World, entry: TimeEntry, minor: int) -> str:
    with platform():
        made = clawbacks.claw_back(
            source=entry, amount=Money(minor, "USD"), reason="Twice.", decided_by=world.member, now=LATER + DAY
        )
    assert isinstance(made, Adjustment)
    return made.public_id


def given_back(clawback: str) -> str:
    with platform():
        row = Adjustment.objects.select_related("expert").get(public_id=clawback)
        made = clawbacks.reinstate(clawback=row, reason="It was not.", decided_by=None, now=LATER + 2 * DAY)
    assert made is not None
    return made.public_id


def money(answer: dict[str, Any], *names: str) -> list[str]:
    return [answer[name]["amount"] for name in names]


def test_a_lab_reads_what_hours_come_to_after_every_change(world: World, entry: TimeEntry) -> None:
    """An hour at 110 with a fee of 30 %: half of it is corrected away, then ten dollars are taken and given back."""
    caller, path = reader(world), f"/time-entries/{entry.public_id}"
    four = ("amount", "fee", "net_amount", "net_fee")
    before = caller("GET", path, at=ASKED).json()
    assert (before["adjustments"], money(before, *four)) == ([], ["110.00", "33.00", "110.00", "33.00"])
    correction = corrected(world, entry, minutes=30)
    assert money(caller("GET", path, at=ASKED).json(), *four) == ["110.00", "33.00", "55.00", "16.50"]
    clawback = taken(world, entry, 10 * DOLLAR)
    assert money(caller("GET", path, at=ASKED).json(), *four) == ["110.00", "33.00", "45.00", "13.50"]
    reinstatement = given_back(clawback)
    after = caller("GET", path, at=ASKED).json()
    assert money(after, *four) == ["110.00", "33.00", "55.00", "16.50"]
    assert after["adjustments"] == [correction, clawback, reinstatement]
    week = caller("GET", f"/timesheets/{after['timesheet']}", at=ASKED).json()
    assert week["entries"] == [after]
    assert caller("GET", "/time-entries", at=ASKED).json()["results"] == [after]


def test_each_change_says_why_and_what_it_undoes(world: World, entry: TimeEntry) -> None:
    caller = reader(world)
    correction = corrected(world, entry, minutes=30)
    clawback = taken(world, entry, 10 * DOLLAR)
    reinstatement = given_back(clawback)
    listed = caller("GET", "/adjustments", at=ASKED).json()["results"]
    assert [row["id"] for row in listed] == [reinstatement, clawback, correction]
    given, took, cut = listed
    assert (cut["kind"], cut["seconds"], cut["reason"], cut["takes_back"]) == ("correction", -1800, "Idle.", None)
    assert money(cut, "amount", "fee") == ["-55.00", "-16.50"]
    assert (took["kind"], took["takes_back"], *money(took, "amount", "fee")) == (
        "clawback", entry.public_id, "-10.00", "-3.00",
    )  # fmt: skip
    assert (given["kind"], given["takes_back"], *money(given, "amount", "fee")) == (
        "reinstatement", clawback, "10.00", "3.00",
    )  # fmt: skip
    for row in listed:
        assert row["time_entry"] == entry.public_id
        assert caller("GET", f"/adjustments/{row['id']}", at=ASKED).json() == row


def test_the_event_of_a_change_leads_to_the_change(world: World, entry: TimeEntry) -> None:
    caller = reader(world, "timesheets:read", "events:read")
    made = corrected(world, entry, minutes=30)
    (event,) = caller("GET", "/events?type=adjustment.made", at=ASKED).json()["results"]
    assert event["subject"] == made
    assert caller("GET", f"/adjustments/{event['subject']}", at=ASKED).status_code == 200


def test_adjustments_are_narrowed(world: World, entry: TimeEntry) -> None:
    caller = reader(world)
    correction = corrected(world, entry, minutes=30)
    clawback = taken(world, entry, 10 * DOLLAR)
    reinstatement = given_back(clawback)
    with platform():
        bonus = Bonus(world.contract, Money(5 * DOLLAR, "USD"), "Thanks.")
        paid = bonuses.pay(bonus=bonus, decided_by=world.member, by=PLATFORM, now=LATER + 3 * DAY)

    def found(query: str) -> list[str]:
        answer = caller("GET", f"/adjustments?{query}", at=ASKED)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert found("kind=bonus") == [paid.public_id]
    assert found("kind=correction") == [correction]
    assert found(f"time_entry={entry.public_id}") == [reinstatement, clawback, correction]
    assert len(found(f"contract={world.contract.public_id}")) == 4
    assert found(f"created_after={LATER + 2 * DAY:%Y-%m-%dT%H:%M:%SZ}") == [paid.public_id, reinstatement]
    assert found(f"created_before={LATER + DAY:%Y-%m-%dT%H:%M:%SZ}") == [correction]
    for wrong in ("kind=gift", "time_entry=adj_x", "created_after=yesterday", "currency=dollars"):
        assert caller("GET", f"/adjustments?{wrong}", at=ASKED).status_code == 400


def test_another_lab_finds_none_of_it_and_nobody_learns_who_the_expert_is(world: World, entry: TimeEntry) -> None:
    made = corrected(world, entry, minutes=30)
    shown = reader(world)("GET", f"/adjustments/{made}", at=ASKED)
    with platform():
        pseudonym = world.contract.lab_expert.public_id
        stranger = hours.build(name="Borealis", expert=world.expert)
    assert shown.json()["expert"] == pseudonym
    for secret in (world.expert.public_id, world.user.public_id, world.user.email, world.member.email):
        assert secret not in shown.content.decode()
    foreign = reader(stranger)
    assert foreign("GET", f"/adjustments/{made}", at=ASKED).status_code == 404
    assert foreign("GET", "/adjustments", at=ASKED).json()["results"] == []
    assert foreign("GET", f"/adjustments?time_entry={entry.public_id}", at=ASKED).json()["results"] == []
    assert reader(world, "bonuses:read")("GET", f"/adjustments/{made}", at=ASKED).status_code == 403
    assert hours.expert_caller(world)("GET", f"/adjustments/{made}", at=ASKED).status_code in {401, 403}


def test_a_lab_reads_why_its_payment_failed_or_was_taken_back(world: World) -> None:
    caller = reader(world, "funding:read")
    with platform():
        lost = Funding.objects.create(
            tenant=world.tenant, amount_minor=500, currency="USD", provider="tests", reference="CDR-1", requested_by="-"
        )
        funding.fail(funding=lost, reason="The bank sent it back.", by=story.new_user(), now=LATER)
        arrived = Funding.objects.get(status=Funding.Status.SETTLED)
    shown = caller("GET", f"/funding/{lost.public_id}", at=ASKED).json()
    assert (shown["status"], shown["reason"]) == ("failed", "The bank sent it back.")
    assert shown["closed_at"] == f"{LATER:%Y-%m-%dT%H:%M:%SZ}"
    kept = caller("GET", f"/funding/{arrived.public_id}", at=ASKED).json()
    assert (kept["status"], kept["reason"], kept["closed_at"]) == ("settled", None, None)
    with platform():
        funding.reverse(funding=arrived, reason="Direct debit returned.", by=story.new_user(), now=LATER)
    kept = caller("GET", f"/funding/{arrived.public_id}", at=ASKED).json()
    assert (kept["status"], kept["reason"]) == ("reversed", "Direct debit returned.")
