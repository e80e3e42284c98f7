"""An expert takes his statements over HTTP and does every line again by his own arithmetic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from core.money import Money
from payments.models import Payout
from payments.operations import clawbacks, holdbacks, payouts
from payments.queries.statement_lines import KINDS
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import World, platform
from tests.payments.ledger_story import NOW

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = dt.timedelta(days=7)
CENT = Decimal("0.01")
# Told by their own tests; everything else is played here. A new event belongs into one of the two.
ELSEWHERE = {
    "clawback_reversed",
    "dispute_opened",
    "dispute_resolved",
    "fx_exchanged",
    "holdback_reversed",
    "payout_rejected",
    "referral_bonus",
    "true_up",
    "write_off",
}


@pytest.fixture
def world() -> World:
    """Two payouts: one that came back, and one with it, a released holdback and pay taken back."""
    world = papers.with_extras(papers.build())
    papers.paid(world)
    with platform():
        payouts.returned(Payout.objects.get(), code="AC04", now=NOW + WEEK)
        holdbacks.release_due(now=NOW + 5 * WEEK)
        taken = Money(1_234, "USD")
        when = NOW + 5 * WEEK
        entry = world.contract.time_entries.order_by("pk")[0]
        clawbacks.claw_back(source=entry, amount=taken, reason="Paid twice", decided_by=world.member, now=when)
    story.released_run(now=NOW + 6 * WEEK)
    story.send_and_track(NOW + 6 * WEEK)
    return world


def amount(money: dict[str, str]) -> Decimal:
    return Decimal(money["amount"])


def statements(expert: hours.Caller) -> list[Any]:
    listed = expert("GET", "/expert/statements").json()["results"][::-1]
    return [expert("GET", f"/expert/statements/{row['id']}").json() for row in listed]


def lines(expert: hours.Caller) -> Iterator[tuple[Any, Any]]:
    """Every line with what its explanation says."""
    for statement in statements(expert):
        for line in statement["lines"]:
            answer = expert("GET", f"/expert/earnings/{line['subject']}/explain")
            assert answer.status_code == 200, line
            yield line, answer.json()


def by_hand(seconds: int, rate: Decimal) -> Decimal:
    pay = (abs(seconds) * rate / 3600).quantize(CENT, ROUND_HALF_UP)
    return pay if seconds >= 0 else -pay


def test_every_line_can_be_done_again(world: World) -> None:
    expert = hours.expert_caller(world)
    seen = set()
    for line, explained in lines(expert):
        seen.add(line["kind"])
        same = [
            moved
            for moved in explained["movements"]
            if (moved["kind"], moved["account"], moved["amount"]) == (line["kind"], "payable", line["amount"])
        ]
        assert same, (line, explained["movements"])
        if line["seconds"] is not None:
            gross = by_hand(line["seconds"], amount(line["rate"]))
            assert amount(line["gross"]) == gross
            held = (abs(gross) * Decimal("0.1")).quantize(CENT, ROUND_HALF_UP)
            assert abs(amount(line["held_back"])) == held
            assert gross - amount(line["held_back"]) == amount(line["amount"])
        if line["kind"] == "holdback_released":
            waited = [amount(moved["amount"]) for moved in explained["movements"] if moved["account"] == "holdback"]
            assert sum(waited) == 0
            assert amount(line["amount"]) == -waited[-1]
        if line["kind"] in {"bonus", "clawback"}:
            assert amount(explained["adjustment"]["amount"]) == amount(line["amount"])
            assert explained["adjustment"]["reason"]
    assert seen == set(KINDS) - ELSEWHERE


def test_what_was_corrected_is_told_with_the_reason(world: World) -> None:
    expert = hours.expert_caller(world)
    (taken,) = (pair for pair in lines(expert) if pair[0]["kind"] == "time_reversed")
    line, explained = taken
    assert (line["seconds"], explained["adjustment"]["reason"]) == (-3660, "Idle")
    entry = expert("GET", f"/expert/earnings/{line['time_entry']}/explain").json()
    posted = [moved["seconds"] for moved in entry["movements"] if moved["account"] == "payable" and moved["seconds"]]
    assert posted == [3660, -3660, 2345]
    assert sum(posted) == entry["time"]["rounding"]["seconds"] + entry["time"]["adjustments"][0]["seconds"]


def test_payouts_are_the_sum_of_what_was_credited(world: World) -> None:
    expert = hours.expert_caller(world)
    made = statements(expert)
    assert [made[0]["closing"], len(made)] == [made[1]["opening"], 2]
    for statement in made:
        lines_sum = sum(amount(line["amount"]) for line in statement["lines"])
        assert amount(statement["opening"]) + lines_sum == amount(statement["closing"])
        told = expert("GET", f"/expert/earnings/{statement['payout']}/explain").json()["payout"]
        assert amount(told["opening"]) + amount(told["credited"]) == amount(told["gross"]) + amount(told["closing"])
        assert amount(told["gross"]) - amount(told["withheld"]) == amount(told["sent"]) == amount(statement["paid"])
        others = (line for line in statement["lines"] if line["kind"] != "payout_initiated")
        assert sum(amount(line["amount"]) for line in others) == amount(told["credited"])


def test_nobody_is_told_about_another_s_money(world: World) -> None:
    stranger = hours.expert_caller(papers.build("Bob"))
    for line, _explained in lines(hours.expert_caller(world)):
        assert stranger("GET", f"/expert/earnings/{line['subject']}/explain").status_code == 404
    for wrong in ("pay_01k9w3v6z8f2qj5t4h7xnm0ceg", "dsp_x", "xyz_01k9w3v6z8f2qj5t4h7xnm0ceg", "tme_"):
        assert stranger("GET", f"/expert/earnings/{wrong}/explain").status_code == 404
