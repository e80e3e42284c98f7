"""Disputes about hours that were approved already: what is here waits, what has left stays, silence pays."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from core.public import User
from experts.public import Decision
from payments.models import Adjustment, Dispute, Payout, TimeEntry
from payments.operations.hours import clocks
from payments.operations.pay import holdbacks
from payments.operations.payee import tax_profiles
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import (
    DAY,
    DECIDED,
    LATER,
    Desk,
    approved,
    assert_the_books_hold,
    decide_appeal,
    lab,
    pay,
    told,
)
from tests.payments.hours_world import HOUR, Caller, World, platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build(holdback_bp=1000)


@pytest.fixture
def entry(world: World) -> TimeEntry:
    with platform():
        return approved(world, by_silence=True)


@pytest.fixture
def caller(world: World) -> Caller:
    return hours.lab_caller(world)


def body(world: World, **more: Any) -> dict[str, Any]:
    given = {"decided_by": world.member.email, "reason": "Half of it was a break.", "proposed": "PT30M"}
    return {**given, **more}


def opened(world: World, entry: TimeEntry, caller: Caller, **more: Any) -> Any:
    answer = caller("POST", f"/time-entries/{entry.public_id}/dispute", body(world, **more), at=LATER)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_contested_pay_waits_in_the_holdback(world: World, entry: TimeEntry, caller: Caller) -> None:
    assert pay(world) == (9_900, 1_100)
    made = opened(world, entry, caller)
    assert (made["after_approval"], made["set_aside"]["amount"], made["claimed"]) == (True, "49.50", "PT1H")
    assert pay(world) == (4_950, 6_050)
    (message,) = told(world, made["id"])
    assert "/api/v1/expert/appeals" in message
    with platform():
        entry.refresh_from_db()
        assert (entry.status, entry.gross_minor) == ("auto_approved", 11_000)
        assert holdbacks.release_due(now=DECIDED + 31 * DAY) == 0
    assert_the_books_hold()


def earned(world: World) -> tuple[dict[str, str], set[tuple[str, str, str]]]:
    """What is in each bucket, and the lines beside the hours."""
    shown = hours.expert_caller(world)("GET", "/expert/earnings", at=LATER).json()
    sums = {name: amounts[0]["amount"] for name, amounts in shown["buckets"].items()}
    lines = {(row["kind"], row["amount"]["amount"], row["bucket"]) for row in shown["lines"]}
    return {name: amount for name, amount in sums.items() if amount != "0.00"}, lines - {
        ("time_entry", "110.00", "approved")
    }


def test_an_expert_sees_what_is_set_aside_as_contested(world: World, entry: TimeEntry, caller: Caller) -> None:
    """Not as held back by his contract; and once it is decided, the lines still add up to the buckets."""
    assert earned(world) == ({"approved": "99.00", "on_hold": "11.00"}, set())
    made = opened(world, entry, caller)
    sums, lines = earned(world)
    assert sums == {"approved": "49.50", "on_hold": "11.00", "disputed": "49.50"}
    assert lines == {("dispute", "-49.50", "approved"), ("dispute", "49.50", "disputed")}
    assert caller("POST", f"/disputes/{made['id']}/withdraw", {"decided_by": world.member.email}, at=LATER)
    sums, lines = earned(world)
    assert sums == {"approved": "99.00", "on_hold": "11.00"}
    assert lines == {("dispute", "-49.50", "approved"), ("dispute", "49.50", "approved")}


def test_silence_pays_the_expert(world: World, entry: TimeEntry, caller: Caller) -> None:
    made = opened(world, entry, caller)
    before = lab(world)
    clocks.resolve_silent_disputes(by=hours.PLATFORM, now=LATER + 7 * DAY)
    clocks.resolve_silent_disputes(by=hours.PLATFORM, now=LATER + 8 * DAY)
    assert pay(world) == (9_900, 1_100)
    assert lab(world) == before
    shown = hours.expert_caller(world)("GET", f"/expert/disputes/{made['id']}").json()
    assert (shown["status"], shown["counted"]) == ("resolved_by_timeout", "PT1H")
    with platform():
        assert not Adjustment.objects.exists()
        assert holdbacks.release_due(now=DECIDED + 31 * DAY) == 1
    assert_the_books_hold()


def test_withdrawn_by_the_lab_pays_the_expert(world: World, entry: TimeEntry, caller: Caller) -> None:
    made = opened(world, entry, caller)
    answer = caller("POST", f"/disputes/{made['id']}/withdraw", {"decided_by": world.member.email}, at=LATER)
    assert answer.json()["status"] == "withdrawn"
    assert pay(world) == (9_900, 1_100)


@pytest.mark.parametrize(
    ("action", "given", "status", "counted", "rest"),
    [
        ("uphold", "", "upheld", "PT30M", (4_950, 550)),
        ("uphold_partly", "0:45", "partly_upheld", "PT45M", (7_425, 825)),
        ("overturn", "", "overturned", "PT1H", (9_900, 1_100)),
    ],
)
def test_a_person_decides_at_the_desk(
    world: World, entry: TimeEntry, caller: Caller, action: str, given: str, status: str, counted: str, rest: Any
) -> None:
    before = sum(lab(world))
    made = opened(world, entry, caller)
    desk = Desk("decide_dispute")
    with platform():
        dispute = Dispute.objects.get()
    fields = {"reason": "I read both sides."} | ({"given": given} if given else {})
    if action != "overturn":
        assert "may still answer" in desk.act("dispute", action, dispute.pk, LATER + DAY, **fields)
        assert pay(world) == (4_950, 6_050)
    expert = hours.expert_caller(world)
    answer = {"answer": "It was the revision you asked for."}
    assert expert("POST", f"/expert/disputes/{made['id']}/answer", answer, at=LATER).status_code == 200
    desk.act("dispute", action, dispute.pk, LATER + DAY, **fields)
    shown = expert("GET", f"/expert/disputes/{made['id']}").json()
    assert (shown["status"], shown["counted"]) == (status, counted)
    words = {"PT30M": "30 min", "PT45M": "45 min", "PT1H": "1 h"}[counted]
    assert told(world, made["id"])[0].startswith(f"{words} of the entry count. I read both sides.")
    assert pay(world) == rest
    cost_back = (11_000 - sum(rest)) * 13 // 10
    assert sum(lab(world)) <= before + cost_back
    assert_the_books_hold()


def test_an_appeal_that_is_won_pays_by_a_new_adjustment(world: World, entry: TimeEntry, caller: Caller) -> None:
    made = opened(world, entry, caller)
    desk = Desk("decide_dispute")
    with platform():
        dispute = Dispute.objects.get()
    desk.act("dispute", "uphold", dispute.pk, at=LATER + 4 * DAY, reason="No answer came.")
    assert pay(world) == (4_950, 550)
    expert = hours.expert_caller(world)
    filed = expert("POST", "/expert/appeals", {"subject": made["id"], "reason": "I was ill."}, at=LATER + 5 * DAY)
    assert filed.status_code == 201, filed.content
    from experts.operations.appeals import SameDecider

    with pytest.raises(SameDecider):
        decide_appeal(filed.json()["id"], "overturned", by=desk.user, at=LATER + 6 * DAY)
    decide_appeal(filed.json()["id"], "overturned", by=User.objects.create_user("x@cadre.example"), at=LATER + 6 * DAY)
    assert pay(world) == (9_900, 1_100)
    with platform():
        assert list(Adjustment.objects.order_by("pk").values_list("seconds", flat=True)) == [-HOUR // 2, HOUR // 2]
    assert_the_books_hold()


def test_pay_that_has_left_stays_and_is_netted_later(world: World, entry: TimeEntry, caller: Caller) -> None:
    """The dispute comes while the payout is under way: another week's pay is not taken for it."""
    with platform():
        story.add_method(world.expert, account="acct-gone", now=DECIDED - 30 * DAY)
        tax_profiles.declare(
            expert=world.expert,
            form="w9",
            legal_name="A",
            country="US",
            tax_id="123-45-6780",
            signed_name="A",
            now=DECIDED - 30 * DAY,
        )
    paid_at = DECIDED + 4 * DAY
    story.released_run(now=paid_at)
    assert pay(world) == (0, 1_100)
    answer = caller("POST", f"/time-entries/{entry.public_id}/dispute", body(world), at=paid_at)
    assert answer.status_code == 201, answer.content
    assert answer.json()["set_aside"]["amount"] == "0.00"
    assert pay(world) == (0, 1_100)
    story.send_and_track(paid_at)
    assert Payout.objects.get().status == "paid"
    desk = Desk("decide_dispute")
    with platform():
        dispute = Dispute.objects.get()
    desk.act("dispute", "uphold", dispute.pk, at=paid_at + 4 * DAY, reason="No answer came.")
    assert pay(world) == (-4_950, 550)
    assert_the_books_hold()


def test_the_lab_s_own_approval_binds_unless_something_changed(world: World, caller: Caller) -> None:
    with platform():
        entry = approved(world)
    path = f"/time-entries/{entry.public_id}/dispute"
    refused = caller("POST", path, body(world), at=LATER)
    assert (refused.status_code, refused.json()["code"]) == (409, "approved_by_the_lab")
    assert pay(world) == (9_900, 1_100)
    made = caller("POST", path, body(world, what_changed="The recording shows a break."), at=LATER)
    assert made.status_code == 201


def test_what_cannot_be_disputed_is_told(world: World, entry: TimeEntry, caller: Caller) -> None:
    path = f"/time-entries/{entry.public_id}/dispute"
    late = caller("POST", path, body(world), at=DECIDED + 30 * DAY)
    assert (late.status_code, late.json()["code"]) == (409, "dispute_window_over")
    more = caller("POST", path, body(world, proposed="PT1H"), at=LATER)
    assert (more.status_code, more.json()["errors"][0]["pointer"]) == (400, "/proposed")
    with platform():
        other = hours.build(name="Borealis")
    foreign = hours.lab_caller(other)("POST", path, body(other), at=LATER)
    assert foreign.status_code == 404
    made = opened(world, entry, caller)
    twice = caller("POST", path, body(world), at=LATER + DAY)
    assert (twice.status_code, twice.json()["code"], twice.json()["dispute"]) == (409, "already_disputed", made["id"])
    assert pay(world) == (4_950, 6_050)


def test_contested_pay_is_neither_corrected_nor_taken_back(world: World, entry: TimeEntry, caller: Caller) -> None:
    opened(world, entry, caller)
    desk = Desk("correct_hours", "adjust_pay")
    assert "being contested" in desk.act("timeentry", "correct", entry.pk, given="none", reason="Wrong.")
    assert "being contested" in desk.act("timeentry", "take_back", entry.pk, given="10.00", reason="Wrong.")
    assert pay(world) == (4_950, 6_050)
    with platform(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM payments_adjustment")
        assert cursor.fetchone() == (0,)
        assert not Decision.objects.exists()
