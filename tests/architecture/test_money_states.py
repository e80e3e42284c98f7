"""The arrows of hours and money, written down a second time: a table that loses or gains one is noticed here.

`test_state_tables` walks whatever the models say. This page says what they ought to say, and `docs/domain.md` must
not promise anything else.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import pytest
from django.apps import apps

from core import states
from tests.architecture.source import ROOT

Arrows = set[tuple[str, str]]

EXPECTED: Final = {
    # Hours
    "TimeEntry": (
        "running → stopped → submitted → approved | auto_approved; submitted → disputed → approved | adjusted;"
        "running | stopped → void"
    ),
    "Timesheet": "open → submitted → approved | auto_approved",
    "Overage": "open → approved | auto_approved | declined | withdrawn",
    "Dispute": (
        "open → answered;open | answered → upheld | partly_upheld | overturned | withdrawn | resolved_by_timeout"
    ),
    # Pay beside the hours
    "Adjustment": "posted; recorded",
    "TrueUp": "posted",
    "AdjustmentProposal": "proposed → approved | refused | withdrawn | expired",
    "Milestone": "active → ending → ended; active → ended",
    "MilestoneAward": "waiting → paid",
    "Referral": "invited → joined → paid; invited | joined → expired; joined → refused; expired | refused → paid",
    "BackupWithholding": "in_force → ended",
    "ExchangeInstruction": "active → revoked",
    # A lab's money
    "Funding": "pending → settled → reversed; pending → failed",
    "Refund": "proposed → paid | refused",
    "FundsReservation": "held → released",
    "CreditLimit": "proposed → active → ended; proposed → refused",
    "Invoice": "issued → paid; issued | paid → credited",
    # An expert's money
    "PayoutMethod": "pending ⇄ active; pending | active → replaced | removed",
    "PayeeAccount": (
        "opening → onboarding → ready ⇄ restricted; opening | onboarding → refused → opening;"
        "onboarding | ready | restricted → closed"
    ),
    "PayRun": (
        "draft → calculating → review → approved → executing; calculating | review → draft;"
        "draft | calculating | review → cancelled; approved | executing → completed | completed_with_failures;"
        "completed ⇄ completed_with_failures"
    ),
    "Payout": (
        "ready → sending → submitted → in_transit → paid → returned; sending → unknown; submitted → paid;"
        "sending | unknown → ready | failed | on_hold; unknown → submitted; submitted | in_transit → failed;"
        "ready → on_hold | cancelled; failed → ready | cancelled; on_hold → ready | submitted | cancelled"
    ),
    "PayoutDecision": "proposed → approved | refused",
    "OwedInvoice": "due → waiting; due | waiting → written | void; waiting → received",
    # Banks and providers
    "InboundEvent": "received → handled | ignored | failed; failed → received",
    "BankFile": (
        "written ⇄ sending → handed_over; written → withdrawn; sending | handed_over → accepted | rejected;"
        "accepted → rejected"
    ),
    "BankTransfer": (
        "waiting ⇄ filed → accepted; waiting | filed → barred; filed | accepted → booked | rejected; booked → returned"
    ),
    "BankMessage": "held → received → applied | refused; held → refused",
    "ReconciliationItem": "open → matched | explained | written_off",
    "DayClose": "open → closed",
}
"""`a | b → c` is an arrow from each of a and b; `a ⇄ b` goes both ways; roads are told apart by `;`."""

NOUNS = sorted(EXPECTED)


def arrows_of(text: str) -> Arrows:
    """Every arrow that roads in this notation draw."""
    found: Arrows = set()
    for road in text.split(";"):
        steps = re.split(r"([→⇄])", road)
        for (left, _a), (right, way) in pairwise(zip(steps[::2], ["", *steps[1::2]], strict=True)):
            there = {(origin, target) for origin in words(left) for target in words(right)}
            found |= there | ({(target, origin) for origin, target in there} if way == "⇄" else set())
    return found


def words(text: str) -> set[str]:
    """The states that a text names."""
    return set(re.findall(r"[a-z_]+", text))


def documented() -> dict[str, str]:
    """What docs/domain.md says, by noun: the roads in backticks, without the words around them."""
    page = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")
    section = page.split("\n## States\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    roads = {names: ";".join(re.findall(r"`(.+?)`", text.replace("\\|", "|"))) for names, text in rows}
    return {noun: text for names, text in roads.items() for noun in re.findall(r"[A-Z][A-Za-z]+", names)}


def test_every_machine_of_money_is_told() -> None:
    machines = {
        model.__name__ for model in apps.get_app_config("payments").get_models() if "TRANSITIONS" in vars(model)
    }
    assert machines == set(EXPECTED)
    assert machines <= set(documented())


@pytest.mark.parametrize("noun", NOUNS)
def test_the_table_has_these_arrows_and_no_other(noun: str) -> None:
    table = states.table_of(apps.get_model("payments", noun))
    assert {str(state) for state in table} == words(EXPECTED[noun])
    assert {(str(a), str(b)) for a, following in table.items() for b in following} == arrows_of(EXPECTED[noun])


@pytest.mark.parametrize("noun", NOUNS)
def test_the_page_draws_no_arrow_that_is_not_there_and_names_every_state(noun: str) -> None:
    told = documented()[noun]
    assert arrows_of(told) - arrows_of(EXPECTED[noun]) == set()
    assert words(EXPECTED[noun]) - words(told) == set()
