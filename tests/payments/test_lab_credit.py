"""Postpaid labs: a dated limit by two people, drawn by reservations and bonuses, held by PostgreSQL, passed by hours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, transaction

from core import tokens
from core.money import Money
from core.problems import DomainError, InvalidInput, constraint_name
from core.public import Tenant
from marketplace.ports import BalanceView, InsufficientFunds
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import CreditLimit, JournalEntry
from payments.operations.labs import credit, funding, reservations
from payments.operations.pay import beside_postings, postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.four_eyes import OwnProposal
from payments.operations.pay.postings import ApprovedTime
from payments.queries import ledger_findings
from tests.core.api.conftest import Caller
from tests.payments import hours_world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db
RESERVED = 286_000


@pytest.fixture(autouse=True)
def _the_books_hold(db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


def give_credit(lab: Tenant, minor: int, *, currency: str = "USD", last_day: dt.date | None = None) -> CreditLimit:
    with platform():
        row = credit.propose(
            tenant=lab,
            limit=Money(minor, currency),
            reason="signed master agreement",
            by=story.new_user("Prep"),
            now=NOW,
            last_day=last_day,
        )
        return credit.approve(limit=row, by=story.new_user("Boss"), now=NOW)


def view(lab: Tenant) -> BalanceView:
    with platform():
        (row,) = reservations.balances(tenant_id=lab.pk)
    return row


def pay_bonus(lab: Tenant, minor: int, *, source: str = "adj_1") -> None:
    expert = story.new_expert(ready=False)
    with platform():
        pay = ExpertPay(source, expert.pk, "USD", minor, NOW, tenant_id=lab.pk)
        beside_postings.bonuses_paid(bonuses=[pay], now=NOW)


def test_a_limit_counts_once_another_person_approved_it() -> None:
    lab, prep = story.new_lab(), story.new_user("Prep")
    with platform():
        row = credit.propose(tenant=lab, limit=Money(50_000, "USD"), reason="contract", by=prep, now=NOW)
        with pytest.raises(OwnProposal), transaction.atomic():
            credit.approve(limit=row, by=prep, now=NOW)
    with pytest.raises(InsufficientFunds):
        pay_bonus(lab, 100)
    with platform():
        credit.approve(limit=row, by=story.new_user("Boss"), now=NOW)
    assert (view(lab).available_minor, view(lab).credit_limit_minor) == (50_000, 50_000)


def test_the_database_refuses_one_person_for_both_steps() -> None:
    lab, prep = story.new_lab(), story.new_user("Prep")
    with platform(), pytest.raises(IntegrityError, match="payments_credit_two_people"), transaction.atomic():
        CreditLimit.objects.create(
            tenant=lab, currency="USD", limit_minor=5, status="active", proposed_by=prep, decided_by=prep, starts_at=NOW
        )


def test_a_bonus_draws_what_is_prepaid_and_then_on_credit() -> None:
    lab = story.new_lab(funded=300)
    give_credit(lab, 1_000)
    pay_bonus(lab, 800)
    now = view(lab)
    assert (now.prepaid_minor, now.receivable_minor, now.available_minor) == (0, 500, 500)
    with pytest.raises(InsufficientFunds) as refused:
        pay_bonus(lab, 501, source="adj_2")
    assert refused.value.extra["available"] == {"amount": "5.00", "currency": "USD"}
    with platform():
        assert reservations.may_claim(tenant_id=lab.pk)


def test_a_lab_without_prepaid_money_reserves_on_credit() -> None:
    with platform():
        world = hours_world.build(funded_minor=0)
    give_credit(world.tenant, RESERVED)
    with platform():
        reservations.reserve_contract(contract=world.contract, snapshot=world.snapshot, now=NOW)
    now = view(world.tenant)
    assert (now.reserved_minor, now.receivable_minor, now.available_minor) == (RESERVED, RESERVED, 0)


def test_approved_hours_post_beyond_the_limit_and_claims_pause() -> None:
    lab, expert = story.new_lab(), story.new_expert(ready=False)
    give_credit(lab, 1_000)
    story.earn(expert, 1_000, lab=lab)
    with platform():
        assert reservations.may_claim(tenant_id=lab.pk)
    story.earn(expert, 1, lab=lab)
    assert (story.owed(expert), view(lab).receivable_minor, view(lab).available_minor) == (1_001, 1_001, 0)
    with platform():
        assert not reservations.may_claim(tenant_id=lab.pk)
        funding.announce(tenant_id=lab.pk, amount=Money(1, "USD"), by=story.SYSTEM, now=NOW)
        assert reservations.may_claim(tenant_id=lab.pk)


def test_postgresql_holds_the_limit_whoever_posts() -> None:
    lab, expert = story.new_lab(), story.new_expert(ready=False)
    give_credit(lab, 100)
    owing, payable = accounts.lab_receivable(lab.pk, "USD"), accounts.payable(expert.pk, "USD")
    with platform(), pytest.raises(IntegrityError, match="credit of its lab") as refused, transaction.atomic():
        ledger.post(entries=[NewEntry("bonus", "adj_9", NOW, [(owing, -101), (payable, 101)])], now=NOW)
    assert constraint_name(refused.value) == "payments_within_credit"
    assert story.owed(expert) == 0


def test_a_new_limit_takes_the_place_of_the_former_and_both_stay_in_history() -> None:
    lab = story.new_lab()
    first = give_credit(lab, 500)
    give_credit(lab, 200)
    with platform():
        first.refresh_from_db()
        assert first.status == "ended"
        assert CreditLimit.objects.filter(tenant=lab).count() == 2
    assert view(lab).credit_limit_minor == 200


def test_a_lower_limit_than_what_is_owed_stops_new_debt_and_takes_nothing() -> None:
    lab = story.new_lab()
    give_credit(lab, 500)
    pay_bonus(lab, 400)
    give_credit(lab, 100)
    assert (view(lab).receivable_minor, view(lab).available_minor) == (400, 0)
    with platform():
        assert not reservations.may_claim(tenant_id=lab.pk)
    with pytest.raises(InsufficientFunds):
        pay_bonus(lab, 1, source="adj_2")


def test_a_limit_ends_after_its_last_day() -> None:
    lab = story.new_lab()
    give_credit(lab, 500, last_day=NOW.date())
    with platform():
        assert credit.end_expired(now=NOW) == 0
        assert credit.end_expired(now=NOW + dt.timedelta(days=1)) == 1
    assert (view(lab).credit_limit_minor, view(lab).available_minor) == (0, 0)


def test_a_refused_proposal_changes_nothing() -> None:
    lab = story.new_lab()
    with platform():
        row = credit.propose(tenant=lab, limit=Money(9, "USD"), reason="x", by=story.new_user(), now=NOW)
        refused = credit.refuse(limit=row, reason="no contract", by=story.new_user(), now=NOW)
        assert (refused.reason, refused.note, refused.ended_at) == ("x", "no contract", NOW)
        with pytest.raises(DomainError), transaction.atomic():
            credit.approve(limit=row, by=story.new_user(), now=NOW)
        assert not JournalEntry.objects.exists()


@pytest.mark.parametrize(("minor", "reason", "days"), [(-1, "x", 1), (1, " ", 1), (1, "x", -1)])
def test_senseless_limits_are_refused(minor: int, reason: str, days: int) -> None:
    last_day = NOW.date() + dt.timedelta(days=days)
    with platform(), pytest.raises(InvalidInput):
        credit.propose(
            tenant=story.new_lab(), limit=Money(minor, "USD"), reason=reason, by=story.new_user(), now=NOW,
            last_day=last_day,
        )  # fmt: skip


def test_what_was_reserved_on_credit_comes_back_to_the_debt() -> None:
    with platform():
        world = hours_world.build(funded_minor=0)
    give_credit(world.tenant, RESERVED)
    with platform():
        reservations.reserve_contract(contract=world.contract, snapshot=world.snapshot, now=NOW)
        worked = ApprovedTime(
            source_id="tme_1",
            tenant_id=world.tenant.pk,
            contract_id=world.contract.pk,
            expert_id=world.expert.pk,
            currency="USD",
            gross_minor=1_000,
            fee_minor=300,
            effective_at=NOW,
        )
        postings.time_approved(entries=[worked], now=NOW)
        reservations.release_contract(contract=world.contract, now=NOW)
    now = view(world.tenant)
    assert (now.prepaid_minor, now.reserved_minor, now.receivable_minor) == (0, 0, 1_300)


@pytest.mark.django_db(transaction=True)
def test_two_people_at_the_desk_give_credit_and_the_lab_sees_it() -> None:
    lab = story.new_lab()
    one, other = Desk("propose_credit", "approve_credit"), Desk("approve_credit")
    fields = {"lab": str(lab.pk), "amount": "750.00", "currency": "USD", "reason": "master agreement"}
    one.post("creditlimit/propose/", **fields)
    with platform():
        row = CreditLimit.objects.get()
    page = one.act("creditlimit", "approve", row.pk, confirmed="yes")
    assert "somebody else has to approve it" in page.content.decode()
    other.act("creditlimit", "approve", row.pk, confirmed="yes")
    assert Desk().post("creditlimit/propose/", **fields).status_code == 403
    key = tokens.mint_lab_key(tenant=lab, name="tests", scopes=["balance:read"])
    answer = Caller(Authorization=f"Bearer {key.secret}")("GET", "/api/v1/balance").json()
    (line,) = answer["balances"]
    assert (line["available"]["amount"], line["prepaid"]["amount"], line["credit_limit"]["amount"]) == (
        "750.00",
        "0.00",
        "750.00",
    )


@pytest.mark.django_db(transaction=True)
def test_an_old_proof_approves_no_credit() -> None:
    with platform():
        row = credit.propose(tenant=story.new_lab(), limit=Money(9, "USD"), reason="x", by=story.new_user(), now=NOW)
    desk = Desk("approve_credit")
    session = desk.client.session
    session["account_authentication_methods"] = []
    session.save()
    desk.prove(seconds_ago=601)
    page = desk.act("creditlimit", "approve", row.pk, confirmed="yes")
    assert page.redirect_chain[0][0].startswith("/accounts/reauthenticate/?next=")
    with platform():
        assert CreditLimit.objects.get().status == "proposed"
