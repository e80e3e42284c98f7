"""The independent computation: its own arithmetic, and that it notices what changes an amount."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.demo import oracle, report
from config.demo.credentials import Credentials
from config.demo.oracle import Books, Check, Stretch, Terms
from config.demo.stage import Stage
from config.demo.transport import HttpTransport
from core.money import fee_for, pay_for

MONDAY = dt.datetime(2026, 11, 23, 13, 0, tzinfo=dt.UTC)
PAID = {"task": {"pay": "paid", "cap_seconds": None}}


def terms(**changes: Any) -> Terms:
    given: dict[str, Any] = {
        "contract": "ctr_1",
        "expert": "ada",
        "lab": "Northwind",
        "currency": "USD",
        "rate": Decimal("78.00"),
        "fee_bp": 3000,
        "holdback_bp": 0,
        "weekly_cap_seconds": 36_000,
        "pay_policy": PAID,
    }
    return Terms(**(given | changes))


def stretch(entry: str, *, start: float = 0, seconds: float = 3600, activity: str = "task") -> Stretch:
    began = MONDAY + dt.timedelta(seconds=start)
    return Stretch(entry, "ctr_1", "2026-W48", activity, began, began + dt.timedelta(seconds=seconds))


def books(*stretches: Stretch, **changes: object) -> Books:
    found = Books()
    found.signed(terms(**changes))
    found.funded_by("Northwind", Decimal("10000.00"), "USD")
    found.worked(stretches)
    return found


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [(3600, "78.00", "78.00"), (1, "18.00", "0.01"), (2999, "22.75", "18.95"), (0, "500.00", "0.00")],
)
def test_pay_is_rounded_half_up_to_the_cent(seconds: int, rate: str, expected: str) -> None:
    assert oracle.pay(seconds, Decimal(rate)) == Decimal(expected)


@given(seconds=st.integers(0, 10**6), rate=st.integers(1, 10**7), bp=st.integers(0, 100_000))
def test_the_product_rounds_as_the_oracle_does(seconds: int, rate: int, bp: int) -> None:
    gross = pay_for(seconds, rate)
    assert oracle.pay(seconds, Decimal(rate) / 100) == Decimal(gross) / 100
    assert oracle.share(Decimal(gross) / 100, bp) == Decimal(fee_for(gross, bp)) / 100


def test_only_approved_weeks_are_money() -> None:
    found = books(stretch("tme_1"))
    assert found.payable("ada", "USD") == Decimal("0.00")
    found.week_approved("ctr_1", "2026-W48")
    assert found.payable("ada", "USD") == Decimal("78.00")
    assert found.payable("ada", "EUR") == Decimal("0.00")
    assert found.spent("Northwind", "USD") == Decimal("101.40")


def test_a_contested_entry_is_held_until_somebody_decides_how_long_counts() -> None:
    found = books(stretch("tme_1"), stretch("tme_2", start=7200, seconds=1800))
    found.week_approved("ctr_1", "2026-W48")
    found.disputed("tme_2")
    assert found.payable("ada", "USD") == Decimal("78.00")
    assert [line.gross for line in found.held()] == [Decimal("39.00")]
    found.dispute_decided("tme_2", 600)
    assert found.payable("ada", "USD") == Decimal("91.00")
    assert found.held() == []


def test_reading_the_entries_again_keeps_what_was_decided() -> None:
    found = books(stretch("tme_1"))
    found.dispute_decided("tme_1", 60)
    found.worked([stretch("tme_1", seconds=3700)])
    assert found.stretches["tme_1"].counted == 60


def test_seconds_are_cut_at_both_ends() -> None:
    assert stretch("tme_1", start=0.9, seconds=1.2).seconds == 2
    assert stretch("tme_1", start=0.1, seconds=1.2).seconds == 1


def test_unpaid_activities_earn_nothing_and_capped_ones_up_to_their_cap() -> None:
    policy = {"meeting": {"pay": "unpaid", "cap_seconds": None}, "instructions": {"pay": "capped", "cap_seconds": 1800}}
    found = books(
        stretch("tme_1", activity="meeting"),
        stretch("tme_2", start=4000, seconds=1200, activity="instructions"),
        stretch("tme_3", start=6000, seconds=1200, activity="instructions"),
        pay_policy=policy,
    )
    assert [line.seconds for line in found.earned()] == [0, 1200, 600]


def test_a_holdback_is_not_payable_but_spent() -> None:
    found = books(stretch("tme_1"), holdback_bp=1000)
    found.week_approved("ctr_1", "2026-W48")
    assert found.payable("ada", "USD") == Decimal("70.20")
    assert found.spent("Northwind", "USD") == Decimal("101.40")


def test_a_bonus_costs_the_lab_its_fee_too() -> None:
    found = books()
    found.bonus("ctr_1", Decimal("75.00"))
    assert found.payable("ada", "USD") == Decimal("75.00")
    assert found.spent("Northwind", "USD") == Decimal("97.50")
    assert found.fees("USD") == Decimal("22.50")


def test_what_a_lab_has_left_is_what_it_neither_spent_nor_set_aside() -> None:
    found = books(stretch("tme_1"))
    found.week_approved("ctr_1", "2026-W48")
    assert found.reserved("Northwind", "USD") == Decimal("2028.00")
    assert found.available("Northwind", "USD") == Decimal("10000.00") - Decimal("2028.00") - Decimal("101.40")


def test_a_cent_too_much_is_a_difference() -> None:
    assert Check("paid", Decimal("78.00"), Decimal("78.00")).holds
    assert not Check("paid", Decimal("78.00"), Decimal("78.01")).holds


def test_the_report_names_what_differs() -> None:
    stage = Stage(connect=lambda: HttpTransport("http://127.0.0.1:9"), credentials=Credentials(), say=lambda text: None)
    stage.check("payout of Ada", Decimal("78.00"), Decimal("78.00"))
    stage.check("payout of Bea", Decimal("13.00"), Decimal("13.01"))
    assert "DIFFERS  payout of Bea: expected 13.00, found 13.01" in report.table(stage)
    assert "1 of 2 checks hold." in report.table(stage)
    document = report.document(stage)
    assert not document["ok"]
    assert [check["holds"] for check in document["checks"]] == [True, False]
