"""Paydays are known in advance, and move over days when banks are closed; everybody sees how he stood in a run."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from core import clock, tokens
from core.public import unit_of_work
from experts.public import Expert
from payments import bank_holidays
from payments.operations.runs import pay_run_holds, pay_runs
from payments.paydays import payday_of
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db


def of_expert(expert: Expert, path: str) -> Any:
    secret = tokens.mint_expert_token(user=expert.user, name="tests").secret
    with clock.frozen(NOW):
        return Caller(Authorization=f"Bearer {secret}")("GET", f"/api/v1/expert/{path}")


def test_the_rules_of_the_payment_systems() -> None:
    easters = {2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2027: (3, 28), 2038: (4, 25)}
    for year, (month, day) in easters.items():
        assert bank_holidays.easter_sunday(year) == dt.date(year, month, day)
    assert set(bank_holidays.target(2026)) == {
        dt.date(2026, 1, 1), dt.date(2026, 4, 3), dt.date(2026, 4, 6), dt.date(2026, 5, 1), dt.date(2026, 12, 25),
        dt.date(2026, 12, 26),
    }  # fmt: skip
    assert set(bank_holidays.fedwire(2027)) == {
        dt.date(2027, 1, 1), dt.date(2027, 1, 18), dt.date(2027, 2, 15), dt.date(2027, 5, 31), dt.date(2027, 6, 19),
        dt.date(2027, 7, 5), dt.date(2027, 9, 6), dt.date(2027, 10, 11), dt.date(2027, 11, 11), dt.date(2027, 11, 25),
        dt.date(2027, 12, 25),
    }  # fmt: skip


def test_a_payday_moves_to_the_next_day_on_which_banks_work(settings: Settings) -> None:
    settings.PAY_SCHEDULES = {"*": (0, 0, 4)}
    good_friday_week = dt.datetime(2026, 3, 30, tzinfo=dt.UTC)
    assert payday_of("EUR", good_friday_week) == dt.date(2026, 4, 7)
    assert payday_of("USD", good_friday_week) == dt.date(2026, 4, 3)
    settings.PAY_CLOSED_DAYS = ["2026-04-03"]
    assert payday_of("USD", good_friday_week) == dt.date(2026, 4, 6)


def test_an_expert_reads_the_calendar(settings: Settings) -> None:
    ada = story.new_expert()
    settings.PAY_CLOSED_DAYS = ["2026-11-25"]
    dates = of_expert(ada, "pay-calendar?count=2").json()["dates"]
    assert [tuple(date[name] for name in ("currency", "pays_on", "arrives_by", "moved_from")) for date in dates] == [
        ("USD", "2026-11-27", "2026-12-01", "2026-11-25"),
        ("USD", "2026-12-02", "2026-12-04", None),
    ]
    moved = "closed by the platform's calendar, Thanksgiving Day"
    assert [date["moved_because"] for date in dates] == [moved, None]
    assert of_expert(ada, "pay-calendar?currency=EUR&count=1").json()["dates"][0]["currency"] == "EUR"
    for wrong in ("currency=XYZ", "count=0", "count=54", "colour=red"):
        assert of_expert(ada, f"pay-calendar?{wrong}").status_code == 400, wrong


def test_a_lab_reads_it_too() -> None:
    secret = tokens.mint_lab_key(tenant=story.new_lab(), name="tests", scopes=["timesheets:read"]).secret
    with clock.frozen(NOW):
        answer = Caller(Authorization=f"Bearer {secret}")("GET", "/api/v1/pay-calendar")
    assert (answer.status_code, len(answer.json()["dates"])) == (200, 8)


def test_everybody_sees_how_he_stood_and_nobody_else_s() -> None:
    lab = story.new_lab(funded=1_000_000)
    ada, bare, held = story.new_expert("Ada"), story.new_expert("Bare", ready=False), story.new_expert("Held")
    for expert in (ada, bare, held):
        story.earn(expert, 10_000, lab=lab)
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
        pay_run_holds.hold(line=run.lines.get(expert=held), reason="Unusual hours.", by=story.new_user(), now=NOW)
    (mine,) = of_expert(ada, "pay-runs").json()["runs"]
    assert (mine["run"], mine["outcome"], mine["amount"]["amount"]) == (run.public_id, "scheduled", "100.00")
    (left_out,) = of_expert(bare, "pay-runs").json()["runs"]
    assert (left_out["outcome"], left_out["reason_code"]) == ("left_out", "no_payout_method")
    assert left_out["remedy"]["href"] == "/api/v1/expert/payout-methods"
    (kept,) = of_expert(held, "pay-runs").json()["runs"]
    assert (kept["outcome"], kept["reason"]) == ("held", "Unusual hours.")
    assert kept["remedy"]["href"] == "/api/v1/expert/appeals"
    assert of_expert(story.new_expert("Nobody"), "pay-runs").json() == {"runs": []}
