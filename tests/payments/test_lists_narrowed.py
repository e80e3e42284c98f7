"""Lists that bookkeepers read, narrowed to what they are looking for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core import clock
from core.money import Money
from payments.models import Funding, Invoice, Milestone
from payments.operations.labs import credit_notes, funding, invoices, refunds
from payments.operations.pay import bonuses, milestones
from payments.operations.pay.bonuses import Bonus
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import LATER, approved
from tests.payments.hours_world import HOUR, PLATFORM, SIGNED, Caller, World, platform
from tests.payments.test_query_budgets import KNOWN

pytestmark = pytest.mark.django_db
DECEMBER = dt.datetime(2026, 12, 2, 12, tzinfo=dt.UTC)
NOBODYS = "01k9w3v6z8f2qr5t4h7xnm0ceg"
BY_OTHER_TIMES = {"/time-entries", "/timesheets", "/expert/time-entries", "/expert/timesheets"}
SHORT = {
    "/expert/milestones",
    "/expert/exchange-instructions",
    "/expert/payout-methods",
    "/projects/<str:project_id>/effective-rates",
    "/fx-quotes",
}
"""As many as an expert has offers, methods or currencies; or as there are now."""


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


@pytest.fixture
def caller(world: World) -> Caller:
    return hours.lab_caller(world, "bonuses:read", "funding:read", "balance:read", "invoices:read")


def ids(caller: Caller, path: str) -> list[str]:
    answer = caller("GET", path, at=DECEMBER)
    assert answer.status_code == 200, (path, answer.content)
    return [row["id"] for row in answer.json()["results"]]


def test_every_list_that_grows_says_when() -> None:
    silent = {path for path, known in KNOWN.items() if "created_after" not in known}
    assert silent == BY_OTHER_TIMES | SHORT
    for path in BY_OTHER_TIMES:
        assert KNOWN[path] & {"started_after", "week"}


def test_bonuses_by_project_and_their_proposals_by_currency(world: World, caller: Caller) -> None:
    with platform():
        for minor in (100, 200_000):
            bonus = Bonus(world.contract, Money(minor, "USD"), "Good.")
            bonuses.pay(bonus=bonus, decided_by=world.member, by=PLATFORM, now=LATER)
    (paid,) = ids(caller, "/bonuses")
    assert ids(caller, f"/bonuses?project={world.contract.project.public_id}&currency=USD") == [paid]
    assert ids(caller, f"/bonuses?project=prj_{NOBODYS}") == []
    assert ids(caller, "/bonuses?currency=EUR") == []
    assert len(ids(caller, "/bonuses/proposals?currency=USD&status=proposed")) == 1
    assert ids(caller, "/bonuses/proposals?currency=EUR") == []


def test_milestones_by_status_and_project(world: World, caller: Caller) -> None:
    terms: dict[str, Any] = {"basis": "approved_hours", "threshold": HOUR, "decided_by": world.member, "now": LATER}
    amount, budget = Money(100, "USD"), Money(1000, "USD")
    with platform():
        made = [
            milestones.define(
                project=world.contract.project, opening=None, title=title, amount=amount, budget=budget, **terms
            )
            for title in ("First", "Second")
        ]
        ending = made[0]
        assert isinstance(ending, Milestone)
        milestones.end(milestone=ending, reason="Enough.", decided_by=world.member, now=LATER)
    assert ids(caller, "/milestones?status=ending") == [ending.public_id]
    assert ids(caller, "/milestones?status=active") == [made[1].public_id]
    assert len(ids(caller, f"/milestones?project={world.contract.project.public_id}")) == 2
    assert ids(caller, f"/milestones?project=prj_{NOBODYS}") == []
    assert ids(caller, f"/milestones?opening=opn_{NOBODYS}") == []


def test_invoices_by_month_and_credit_notes_by_invoice(world: World, caller: Caller) -> None:
    with platform():
        approved(world)
    with clock.frozen(DECEMBER):
        invoices.issue_due(now=DECEMBER)
    with platform(DECEMBER + dt.timedelta(hours=1)):
        invoice = Invoice.objects.get()
        note = credit_notes.credit(
            invoice=invoice, part="fee", reason="Late.", by=story.new_user(), now=DECEMBER + dt.timedelta(hours=1)
        )
    assert ids(caller, "/invoices?period=2026-11&currency=USD") == [invoice.public_id]
    assert ids(caller, "/invoices?period=2026-10") == []
    assert ids(caller, f"/credit-notes?invoice={invoice.public_id}") == [note.public_id]
    assert ids(caller, f"/credit-notes?invoice=inv_{NOBODYS}") == []
    hour = f"{DECEMBER:%Y-%m-%dT%H}"
    assert ids(caller, f"/credit-notes?created_after={hour}:30:00Z") == [note.public_id]
    assert ids(caller, f"/credit-notes?created_before={hour}:30:00Z") == []
    assert ids(caller, f"/invoices?created_before={hour}:30:00Z") == [invoice.public_id]
    for wrong in ("2026-13", "2026", "2026-11-01", "9999-01"):
        refused = caller("GET", f"/invoices?period={wrong}", at=DECEMBER)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "?period"), wrong


def test_refunds_by_status_and_by_what_was_paid_in(world: World, caller: Caller) -> None:
    with platform():
        came = Funding.objects.create(
            tenant=world.tenant, amount_minor=500, currency="USD", provider="tests", reference="CDR-1", requested_by="-"
        )
        funding.confirm(funding=came, by=story.new_user(), now=SIGNED)
        back = refunds.refund(funding=came, reason="Not needed.", by=story.new_user(), now=LATER)
    assert ids(caller, f"/refunds?funding={came.public_id}&status=paid&currency=USD") == [back.public_id]
    assert ids(caller, "/refunds?status=refused") == []
    assert ids(caller, f"/refunds?funding=fnd_{NOBODYS}") == []
    assert came.public_id in ids(caller, "/funding?currency=USD&status=settled")
    assert ids(caller, "/funding?currency=EUR") == []


@pytest.mark.parametrize(
    "query", ["currency=usd", "currency=XXX", "created_after=today", "created_before=2026-11-16", "colour=red"]
)
def test_a_filter_that_makes_no_sense_is_refused(caller: Caller, query: str) -> None:
    for path in ("/funding", "/refunds", "/invoices", "/credit-notes", "/bonuses", "/milestones"):
        refused = caller("GET", f"{path}?{query}", at=DECEMBER)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid"), path
