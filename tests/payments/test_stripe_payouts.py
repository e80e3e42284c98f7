"""Payouts through Stripe: paid to the bank once, whatever breaks on the way. Every request is held to Stripe's own
description by the counterpart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experts.public import Notice
from payments.models import BankCharge, PayeeAccount, Payout, PayoutAttempt
from payments.operations.rails import payouts
from payments.providers import stripe_connect, stripe_movements
from payments.providers.port import Verdict
from payments.providers.stripe_connect import StripeConnectProvider
from tests.payments import ledger_story as story
from tests.payments.stripe_world import (
    AMOUNT,
    DAY,
    HOUR,
    MINUTE,
    ON_CONNECTED,
    alarms,
    all_settled,
    assert_the_books_hold,
    attempts,
    break_once,
    fake,
    moved,
    order_of,
    paid_once,
    send,
    start,
    the_payout,
    to_be_paid,
    work,
)
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["fake"]


def test_a_payout_is_a_transfer_and_then_a_payout_to_the_bank(fake: Fake) -> None:
    to_be_paid(fake)
    now = start()
    work(now)
    assert (the_payout().status, moved(fake)) == ("in_transit", (AMOUNT, 0, AMOUNT))
    fake.books.settle()
    work(now + 10 * MINUTE)
    payout = the_payout()
    assert (payout.status, payout.run.status, attempts()) == ("paid", "completed", [(1, "accepted", "")])
    (transfer,) = fake.posts("/v1/transfers")
    key = PayoutAttempt.objects.get().idem_key
    assert transfer.headers["Idempotency-Key"] == transfer.params["transfer_group"] == key
    assert transfer.params["metadata"]["cadre_payout"] == payout.public_id
    assert payout.provider_reference in fake.books.transfers
    (to_bank,) = fake.posts("/v1/payouts")
    assert to_bank.headers["Idempotency-Key"] == f"{key}-payout"
    assert to_bank.headers["Stripe-Account"] == transfer.params["destination"]
    assert [notice.kind for notice in Notice.objects.filter(kind__startswith="payout.")] == ["payout.paid"]
    assert_the_books_hold()


@pytest.mark.parametrize("kind", ["timeout_executed", "dropped_executed", "error_500_after"])
def test_a_transfer_without_an_answer_is_found_and_not_made_again(fake: Fake, kind: str) -> None:
    to_be_paid(fake)
    break_once(fake, kind)
    now = start()
    work(now)
    assert (the_payout().status, moved(fake)) == ("unknown", (AMOUNT, AMOUNT, 0))
    work(now + MINUTE)
    fake.books.settle()
    work(now + HOUR)
    assert (the_payout().status, len(fake.posts("/v1/transfers"))) == ("paid", 1)
    assert paid_once(fake)
    assert_the_books_hold()


def test_a_transfer_that_was_not_made_is_made_under_the_same_key(fake: Fake) -> None:
    to_be_paid(fake)
    break_once(fake, "timeout_not_executed")
    now = start()
    work(now)
    assert (the_payout().status, moved(fake)) == ("unknown", (0, 0, 0))
    work(now + MINUTE)
    work(now + 2 * MINUTE)
    assert {post.headers["Idempotency-Key"] for post in fake.posts("/v1/transfers")} == {
        PayoutAttempt.objects.get().idem_key
    }
    assert (the_payout().status, paid_once(fake)) == ("in_transit", True)


def test_a_cached_500_is_overcome_by_a_new_key_only_when_the_old_one_is_proven_dead(fake: Fake) -> None:
    to_be_paid(fake)
    break_once(fake, "error_500_before")
    now = start()
    for wait in (0 * HOUR, HOUR, 3 * HOUR, 6 * HOUR):
        work(now + wait)
        work(now + wait + 2 * MINUTE)
    replays = [post.is_replay for post in fake.posts("/v1/transfers")]
    assert (replays[0], set(replays[1:]), moved(fake)) == (False, {True}, (0, 0, 0))
    assert PayoutAttempt.objects.count() == 1
    for wait in (13 * HOUR, 14 * HOUR, 15 * HOUR):
        work(now + wait)
    assert attempts()[0] == (1, "rejected", "cancelled")
    assert [n for n, _outcome, _code in attempts()] == [1, 2]
    assert (the_payout().status, paid_once(fake)) == ("in_transit", True)


@pytest.mark.parametrize("kind", ["rate_limited", "lock_timeout"])
def test_a_busy_stripe_is_asked_again_later(fake: Fake, kind: str) -> None:
    to_be_paid(fake)
    break_once(fake, kind, times=2)
    now = start()
    work(now)
    assert (the_payout().status, len(fake.posts("/v1/transfers"))) == ("ready", 1)
    for minutes in (1, 2, 5):
        work(now + minutes * MINUTE)
    assert (attempts(), paid_once(fake)) == ([(1, "accepted", "")], True)


def test_nothing_is_retried_by_the_client_itself(fake: Fake) -> None:
    to_be_paid(fake)
    break_once(fake, "error_500_before", times=5)
    work(start())
    assert len(fake.posts("/v1/transfers")) == 1


def test_a_platform_without_money_waits_for_finance_and_the_expert_hears_no_alarm(fake: Fake) -> None:
    fake.books.balances["", "usd"] = 5_000
    to_be_paid(fake)
    now = start()
    work(now)
    payout = the_payout()
    assert (payout.status, payout.reason_code) == ("on_hold", "balance_insufficient")
    assert attempts() == [(1, "rejected", "balance_insufficient")]
    assert not Notice.objects.filter(kind="payout.failed").exists()
    assert "nothing is wrong with yours" in Notice.objects.get(kind="payout.on_hold").body
    fake.books.balances["", "usd"] = 50_000
    story.act(payouts.resume, payout=payout, now=now + HOUR)
    work(now + HOUR)
    assert (the_payout().status, attempts()[1:], paid_once(fake)) == ("in_transit", [(2, "accepted", "")], True)
    assert_the_books_hold()


def test_an_account_that_takes_no_transfers_fails_the_payout(fake: Fake) -> None:
    ada = to_be_paid(fake)
    for account in fake.books.accounts.values():
        account["capabilities"]["transfers"] = "inactive"
    send(start())
    assert (the_payout().status, the_payout().reason_code) == ("failed", "insufficient_capabilities_for_transfer")
    assert (story.owed(ada), moved(fake)) == (AMOUNT, (0, 0, 0))
    assert_the_books_hold()


@pytest.mark.parametrize("kind", ["timeout_executed", "timeout_not_executed", "error_500_after", "rate_limited"])
def test_the_second_step_is_taken_once_whatever_its_answer(fake: Fake, kind: str) -> None:
    to_be_paid(fake)
    break_once(fake, kind, match=ON_CONNECTED)
    now = start()
    work(now)
    assert the_payout().status == "in_transit"
    for minutes in (6, 12):
        work(now + minutes * MINUTE)
    fake.books.settle()
    work(now + HOUR)
    assert (the_payout().status, paid_once(fake), len(fake.books.payouts)) == ("paid", True, 1)


def test_a_refused_second_step_gives_the_money_back_before_it_fails(fake: Fake) -> None:
    ada = to_be_paid(fake)
    for account in fake.books.accounts.values():
        account["payouts_enabled"] = False
    send(start())
    assert (the_payout().status, the_payout().reason_code) == ("failed", "payouts_not_allowed")
    assert (story.owed(ada), moved(fake)) == (AMOUNT, (0, 0, 0))
    assert_the_books_hold()


def test_a_failure_is_not_told_before_the_transfer_is_reversed(fake: Fake) -> None:
    ada = to_be_paid(fake)
    now = start()
    work(now)
    (payout_id,) = fake.books.payouts
    fake.books.fail_payout(payout_id, "account_closed", keep_money=True)
    work(now + HOUR)
    assert (the_payout().status, story.owed(ada)) == ("in_transit", 0)
    fake.books.balances[next(iter(fake.books.accounts)), "usd"] += AMOUNT
    work(now + 3 * HOUR)
    assert (the_payout().status, the_payout().reason_code) == ("failed", "account_closed")
    assert (story.owed(ada), moved(fake)) == (AMOUNT, (0, 0, 0))
    assert_the_books_hold()


def test_paid_and_sent_back_three_days_later_without_a_word(fake: Fake) -> None:
    ada = to_be_paid(fake)
    now = start()
    work(now)
    fake.books.settle()
    work(now + HOUR)
    assert the_payout().status == "paid"
    (payout_id,) = fake.books.payouts
    fake.books.fail_payout(payout_id, "no_account")
    work(now + 3 * DAY, settle=True)
    assert (the_payout().status, the_payout().reason_code) == ("returned", "no_account")
    assert (story.owed(ada), moved(fake)) == (AMOUNT, (0, 0, 0))
    work(now + 4 * DAY, settle=True)
    assert story.owed(ada) == AMOUNT
    assert_the_books_hold()


def test_a_spent_key_moves_nothing_for_whoever_wakes_up_late(fake: Fake) -> None:
    """A worker that slept over its lease and sends the barred key after all."""
    to_be_paid(fake)
    now = start()
    provider = StripeConnectProvider()
    order = order_of(the_payout())
    assert provider.cancel(order.key, now=now).standing == "cancelled"
    assert provider.cancel(order.key, now=now).standing == "cancelled"
    (answer,) = provider.submit([order], now=now)
    assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "key_mismatch")
    assert (moved(fake), provider.lookup([order.key], now=now)) == ((0, 0, 0), {})


def test_a_key_that_has_moved_money_is_not_barred(fake: Fake) -> None:
    to_be_paid(fake)
    now = start()
    work(now)
    key = PayoutAttempt.objects.get().idem_key
    assert StripeConnectProvider().cancel(key, now=now).standing == "in_transit"
    assert fake.posts("/v1/tokens") == []


def test_a_key_used_for_another_amount_is_an_alarm_and_moves_nothing(fake: Fake) -> None:
    to_be_paid(fake)
    now = start()
    provider = StripeConnectProvider()
    order = order_of(the_payout())
    assert provider.submit([order], now=now)[0].verdict is Verdict.ACCEPTED
    (answer,) = provider.submit([replace(order, amount_minor=1)], now=now)
    assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "key_mismatch")
    assert moved(fake)[0] == AMOUNT


def test_what_stripe_takes_for_a_transfer_is_told(fake: Fake) -> None:
    fake.books.fee = 25
    to_be_paid(fake)
    now = start()
    work(now)
    (line,) = StripeConnectProvider().settlements(since=now - DAY, now=now)
    movement = line.hear()
    assert (movement.amount_minor, movement.currency, movement.fee_minor) == (AMOUNT, "USD", 25)
    for days in (1, 2):
        work(now + days * DAY, settle=True)
    (charge,) = BankCharge.objects.all()
    assert (charge.provider, charge.amount_minor, charge.reference) == ("stripe_connect", 25, movement.movement_id)
    assert_the_books_hold()


def test_a_payout_that_stays_open_raises_the_alarm_and_is_asked_about_ever_more_rarely(fake: Fake) -> None:
    to_be_paid(fake)
    now = start()
    work(now)
    waits = []
    for hours in (1, 24, 24 * 6):
        send(now + hours * HOUR)
        waits.append(the_payout().next_attempt_at - (now + hours * HOUR))
    assert waits == [5 * MINUTE, 2 * HOUR, 6 * HOUR]
    assert (alarms(now + 6 * DAY), alarms(now + 7 * DAY)) == (0, 1)
    fake.books.settle()
    send(now + 8 * DAY)
    assert (the_payout().status, alarms(now + 9 * DAY)) == ("paid", 0)


def test_an_outcome_that_stays_unknown_raises_the_alarm_sooner(fake: Fake) -> None:
    to_be_paid(fake)
    break_once(fake, "error_500_before")
    now = start()
    send(now)
    assert (the_payout().status, alarms(now + HOUR), alarms(now + 2 * HOUR)) == ("unknown", 0, 1)


def test_one_account_that_cannot_be_reached_does_not_hold_up_the_others(fake: Fake) -> None:
    to_be_paid(fake, "Ada", "Bob")
    now = start()
    work(now)
    ada, _bob = Payout.objects.order_by("pk")
    del fake.books.accounts[PayeeAccount.objects.get(expert=ada.expert).account]
    fake.books.settle()
    send(now + HOUR)
    assert list(Payout.objects.order_by("pk").values_list("status", flat=True)) == ["in_transit", "paid"]


def test_a_balance_that_is_read_by_pages_is_read_to_the_end(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_connect, "PAGE", 1)
    monkeypatch.setattr(stripe_movements, "PAGE", 1)
    to_be_paid(fake, "Ada", "Bob", "Eve")
    now = start()
    work(now)
    fake.books.settle()
    movements = all_settled(StripeConnectProvider(), since=now - DAY, now=now)
    assert {movement.standing for movement in movements} == {"paid"}
    assert len(movements) == 3
