"""What labs pay in, get back and are billed, and what experts exchange, when two things happen at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

import pytest
from pytest_django import Settings

from core import clock, tokens
from core.money import Money
from core.public import Tenant, unit_of_work
from marketplace.public import Contract
from payments import jobs
from payments.models import (
    CreditLimit,
    DocumentSeries,
    Funding,
    FxExchange,
    Invoice,
    Payout,
    ProviderMovement,
    Refund,
    SelfBillingInvoice,
)
from payments.operations.hours import clocks
from payments.operations.labs import credit, funding, reservations
from payments.operations.rails import payouts
from tests.concurrency.at_once import DONE, PROPOSED, Clerk, asked, doing
from tests.concurrency.test_exchange_races import owed_dollars, quoted
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.marketplace import world as market
from tests.payments import ledger_story as story
from tests.payments import test_self_billing as self_billed
from tests.payments.hours_world import Caller
from tests.payments.ledger_story import NOW, SYSTEM, platform

pytestmark = pytest.mark.django_db(transaction=True)
RIGHTS = ("confirm_funding", "refund_lab", "approve_refund")
ROUNDS = 3
WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def _money_is_whole(transactional_db: None) -> Iterator[None]:
    yield
    assert_money_is_whole()


@pytest.fixture
def clerks() -> list[Clerk]:
    return [Clerk(*RIGHTS) for _ in range(3)]


def announced(lab: Tenant, minor: int) -> Funding:
    with unit_of_work(SYSTEM):
        return funding.announce(tenant_id=lab.pk, amount=Money(minor, "USD"), by=SYSTEM, now=NOW)


def fresh(row: Funding) -> Funding:
    with unit_of_work(SYSTEM):
        return Funding.objects.get(pk=row.pk)


def test_a_payment_is_confirmed_once_or_closed(clerks: list[Clerk], settings: Settings) -> None:
    """Two people, one of whom saw another amount, a third who closes it, and the bank's own statement."""
    settings.FUNDING_SETTLES_AT_ONCE = False
    one, other, third = clerks
    for _round in range(ROUNDS):
        lab = story.new_lab()
        row = announced(lab, 50_000)
        people = [
            partial(one.button, "funding", "confirm", row.pk),
            partial(other.click, f"funding/{row.pk}/arrived/", amount="499.00", currency="USD", reason="Seen."),
            partial(third.button, "funding", "fail", row.pk),
        ]
        outcomes = together([*people, doing(partial(funding.arrived, funding=row, now=NOW))])
        assert outcomes.count(DONE) == 1, outcomes
        arrived = (50_000, 49_900, 0, 50_000)[outcomes.index(DONE)]
        after = fresh(row)
        assert (after.status, story.prepaid(lab)) == ("settled" if arrived else "failed", arrived)


def test_money_that_the_bank_takes_back_while_it_is_refunded_leaves_once(clerks: list[Clerk]) -> None:
    one, other, third = clerks
    for _round in range(ROUNDS):
        lab = story.new_lab(funded=50_000)
        with platform():
            row = Funding.objects.get(tenant=lab)
        acts = [
            partial(clerk.button, "funding", act, row.pk)
            for clerk, act in ((one, "refund"), (other, "reverse"), (third, "refund"))
        ]
        refunded, reversed_, again = together(acts)
        assert reversed_ == DONE
        assert [refunded, again].count(DONE) <= 1
        with platform():
            assert Refund.objects.filter(funding=row, status="paid").count() == [refunded, again].count(DONE)
        assert story.prepaid(lab) == 0


def test_a_refund_that_takes_two_people_is_decided_once(clerks: list[Clerk], settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 10_000}
    for _round in range(ROUNDS):
        lab = story.new_lab(funded=50_000)
        with platform():
            row = Funding.objects.get(tenant=lab)
        proposed = together([partial(clerk.button, "funding", "refund", row.pk) for clerk in clerks])
        assert proposed.count(PROPOSED) == 1, proposed
        with platform():
            refund = Refund.objects.get(funding=row)
        proposer = clerks[proposed.index(PROPOSED)]
        others = [clerk for clerk in clerks if clerk is not proposer]
        approvals = [partial(clerk.button, "refund", "approve", refund.pk) for clerk in (proposer, *others)]
        own, *approved, refused = together([*approvals, partial(others[0].button, "refund", "refuse", refund.pk)])
        assert own != DONE
        assert [*approved, refused].count(DONE) == 1, approved
        assert story.prepaid(lab) == (50_000 if refused == DONE else 0)


def test_prepaid_money_goes_back_or_is_reserved_by_the_offer_that_is_accepted(
    clerks: list[Clerk], settings: Settings
) -> None:
    """It is enough for one of the two; the lab cannot have it back and spend it."""
    settings.REFUND_ALONE_MINOR = {"*": 10**9}
    for n in range(ROUNDS):
        lab = market.make_lab(f"Lab{n}", funds=371_800)
        ada = market.make_expert(f"ada{n}@example.org")
        offer = market.make_offer(market.make_opening(market.make_project(lab)), ada)
        signed = [asdict(name) for name in market.signatures_for(offer)]
        me = Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
        with platform():
            row = Funding.objects.get(tenant=lab.tenant)
        accept = partial(
            asked, me, f"/expert/offers/{offer.public_id}/accept", {"signatures": signed}, at=market.NOW, key=f"a{n}"
        )
        outcomes = together([accept, *[partial(clerk.button, "funding", "refund", row.pk) for clerk in clerks[:2]]])
        accepted = outcomes[0] == DONE
        assert outcomes.count(DONE) == 1, outcomes
        assert accepted or outcomes[0] == "insufficient_funds"
        view = market.balance(lab)
        assert (view.prepaid_minor, view.reserved_minor) == (0, 371_800 if accepted else 0)
        with platform():
            assert Contract.objects.filter(tenant=lab.tenant).count() == accepted


def test_eight_billing_jobs_at_once_bill_each_month_once_without_a_hole() -> None:
    """Six labs and two closed months: twelve papers, numbered from one."""
    ada, ends = story.new_expert(), dt.datetime(2026, 12, 1, 0, 5, tzinfo=dt.UTC)
    october, november = dt.datetime(2026, 10, 20, tzinfo=dt.UTC), dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    labs = [story.new_lab(funded=100_000) for _ in range(6)]
    for lab in labs:
        for at in (october, november):
            story.earn(ada, 1_000, lab=lab, fee=300, at=at)

    def bill() -> None:
        with clock.frozen(ends):
            jobs.issue_invoices()

    assert together([bill] * 8) == [None] * 8
    bill()
    with platform():
        rows = list(Invoice.objects.order_by("number"))
        assert [row.number for row in rows] == list(range(1, 13))
        assert DocumentSeries.objects.get(kind="invoice").last_number == 12
        assert sorted((row.tenant_id, row.period_start.month) for row in rows) == [
            (lab.pk, month) for lab in labs for month in (10, 11)
        ]
        assert {row.total_minor for row in rows} == {1_300}


def test_eight_jobs_write_one_expert_s_own_invoices_without_a_hole(settings: Settings) -> None:
    """Four payouts, one of which came back: five papers of one series."""
    settings.ISSUER = self_billed.FRENCH
    ada = self_billed.business()
    for week in range(4):
        self_billed.pay(ada, at=NOW + week * WEEK)
    at = NOW + 4 * WEEK
    write = partial(clocks.write_self_billing, by=SYSTEM, now=at)
    together([write] * 8)
    with platform():
        assert list(SelfBillingInvoice.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4]
    with unit_of_work(SYSTEM):
        first = Payout.objects.order_by("pk")[0]
        payouts.returned(payouts.locked([first.pk], now=at)[0], code="AC04", now=at)
        ProviderMovement.objects.filter(reference=first.public_id).update(state="returned")
    together([write] * 8)
    with platform():
        papers = SelfBillingInvoice.objects.order_by("number").values_list("number", "type", "payout_id")
        assert [number for number, _type, _payout in papers] == [1, 2, 3, 4, 5]
        assert [row for row in papers if row[1] == "credit_note"] == [(5, "credit_note", first.pk)]


def test_an_exchange_under_one_key_eight_times_at_once_happens_once() -> None:
    """Then under different keys: no more than is owed, each whole."""
    ada, quote = owed_dollars(100_000), quoted()
    me = Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
    body = {"quote": quote.public_id, "amount": {"amount": "300.00", "currency": "USD"}}
    send = partial(asked, me, "/expert/exchanges", body, at=NOW)
    outcomes = together([partial(send, key="the-same")] * 8)
    assert DONE in outcomes
    assert set(outcomes) <= {DONE, "idempotency_in_flight"}
    assert (story.owed(ada), story.owed(ada, "EUR")) == (70_000, 27_000)
    outcomes = together([partial(send, key=f"key-{n}") for n in range(8)])
    assert sorted(outcomes) == [DONE] * 2 + ["more_than_owed"] * 6
    assert (story.owed(ada), story.owed(ada, "EUR")) == (10_000, 81_000)
    with platform():
        assert FxExchange.objects.count() == 3


def test_two_credit_limits_approved_at_once_follow_each_other() -> None:
    """Neither is lost in silence: the later one is in force, the earlier one has ended."""
    clerks = [Clerk("approve_credit"), Clerk("approve_credit")]
    lab, proposer = story.new_lab(), story.new_user("Prop")
    for n in range(ROUNDS):
        with unit_of_work(SYSTEM):
            limits = [
                credit.propose(tenant=lab, limit=Money(minor, "USD"), reason="-", by=proposer, now=NOW)
                for minor in (1_000 + n, 2_000 + n)
            ]
        assert together(
            [
                partial(clerk.button, "creditlimit", "approve", limit.pk)
                for clerk, limit in zip(clerks, limits, strict=True)
            ]
        ) == [DONE, DONE]
        with platform():
            (active,) = CreditLimit.objects.filter(tenant=lab, status="active")
            assert CreditLimit.objects.filter(tenant=lab, status="ended").count() == 2 * n + 1
            (view,) = reservations.balances(tenant_id=lab.pk)
        assert active.limit_minor in {1_000 + n, 2_000 + n}
        assert view.credit_limit_minor == active.limit_minor
