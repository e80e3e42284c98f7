"""Payouts against the sandbox provider: its faults, its silence, its second thoughts."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from unittest.mock import patch

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from pytest_django import Settings

from core.problems import DomainError
from core.public import unit_of_work
from core.states import InvalidTransition
from experts.public import Expert, Notice
from payments.models import Payout, PayoutAttempt, PayoutMethod, PayRun, ProviderFault, ProviderMovement
from payments.operations.payee import payees
from payments.operations.rails import payouts, sending, tracking
from payments.operations.rails.payouts import ExpertBlocked, NoLongerOwed, NoUsableMethod, OutcomeOpen
from payments.operations.runs import pay_runs
from payments.providers.port import Answer, ProviderUnavailable, Verdict
from payments.providers.sandbox import SandboxProvider
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ada() -> Expert:
    """Ada is owed 200.00 USD, and the run that pays her is released."""
    lab = story.new_lab(funded=100_000)
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=lab, fee=6_000)
    story.released_run()
    return expert


def fault(kind: str, *, code: str = "", times: int = 1, account: str = "acct-ada") -> None:
    ProviderFault.objects.create(account=account, type=kind, code=code, remaining=times)


def the_payout() -> Payout:
    return Payout.objects.get()


def movements() -> list[tuple[str, int]]:
    return list(ProviderMovement.objects.order_by("id").values_list("state", "amount_minor"))


def assert_the_books_hold() -> None:
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_a_payout_arrives_and_is_settled(ada: Expert) -> None:
    story.send_and_track()
    payout = the_payout()
    assert (payout.status, payout.run.status, payout.paid_at) == ("paid", "completed", NOW)
    assert movements() == [("paid", 20_000)]
    assert list(Notice.objects.filter(kind="payout.paid").values_list("title", flat=True)) == [
        "You were paid 200.00 USD"
    ]
    assert_the_books_hold()


def test_sending_twice_moves_money_once(ada: Expert) -> None:
    for _ in range(3):
        story.send_and_track()
    assert movements() == [("paid", 20_000)]
    assert PayoutAttempt.objects.get().sends == 1


def test_the_attempt_is_committed_before_the_provider_hears_of_it(ada: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, int]] = []

    def die(*_args: object, **_kwargs: object) -> list[Answer]:
        connection_in_transaction = transaction.get_connection().in_atomic_block
        seen.append((connection_in_transaction, PayoutAttempt.objects.count()))
        raise KeyboardInterrupt

    monkeypatch.setattr(SandboxProvider, "submit", die)
    with pytest.raises(KeyboardInterrupt):
        sending.send_due(now=NOW)
    assert seen == [(False, 1)]
    assert the_payout().status == "sending"
    monkeypatch.undo()
    story.send_and_track(NOW + MINUTE / 2)
    assert the_payout().status == "sending"  # leased: somebody may still be at it
    story.send_and_track(NOW + 2 * MINUTE)
    story.send_and_track(NOW + 10 * MINUTE)
    assert (the_payout().status, PayoutAttempt.objects.count()) == ("paid", 1)
    assert movements() == [("paid", 20_000)]


def test_a_death_after_the_provider_accepted_is_looked_up(ada: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "record", die)
    with pytest.raises(KeyboardInterrupt):
        sending.send_due(now=NOW)
    monkeypatch.undo()
    story.send_and_track(NOW + 2 * MINUTE)
    assert the_payout().status == "paid"
    assert ProviderMovement.objects.get().deliveries == 1
    assert_the_books_hold()


def test_what_the_provider_did_survives_our_rollback(ada: Expert) -> None:
    with pytest.raises(DatabaseError), unit_of_work(SYSTEM):
        batch, _ = sending.take(now=NOW)
        SandboxProvider().submit(batch.orders, now=NOW)
        raise DatabaseError
    assert the_payout().status == "ready"
    assert movements() == [("accepted", 20_000)]
    story.send_and_track()
    assert movements() == [("paid", 20_000)]


@pytest.mark.parametrize(
    ("kind", "deliveries"), [("timeout_executed", 1), ("timeout_not_executed", 1), ("server_error", 1)]
)
def test_silence_is_looked_up_and_never_paid_twice(ada: Expert, kind: str, deliveries: int) -> None:
    fault(kind)
    story.send_and_track()
    assert the_payout().status == "unknown"
    story.send_and_track(NOW + MINUTE)
    story.send_and_track(NOW + 10 * MINUTE)
    assert the_payout().status == "paid"
    assert movements() == [("paid", 20_000)]
    assert (PayoutAttempt.objects.count(), ProviderMovement.objects.get().deliveries) == (1, deliveries)
    assert_the_books_hold()


def test_a_busy_provider_is_asked_again_with_the_same_key(ada: Expert) -> None:
    fault("rate_limited", times=2)
    story.send_and_track()
    assert the_payout().status == "ready"
    story.send_and_track(NOW + HOUR)
    story.send_and_track(NOW + 2 * HOUR)
    assert (the_payout().status, PayoutAttempt.objects.get().sends) == ("paid", 3)


def test_a_key_past_half_the_provider_s_memory_is_barred_before_a_new_one_is_used(ada: Expert) -> None:
    fault("timeout_not_executed")
    story.send_and_track()
    late = NOW + dt.timedelta(hours=13)
    story.send_and_track(late)
    story.send_and_track(late + HOUR)
    assert the_payout().status == "paid"
    assert movements() == [("cancelled", 0), ("paid", 20_000)]
    assert [attempt.n for attempt in PayoutAttempt.objects.order_by("n")] == [1, 2]


def test_a_barred_key_is_never_executed(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        batch, _ = sending.take(now=NOW)
    provider = SandboxProvider()
    provider.cancel(batch.orders[0].key, now=NOW)
    assert [answer.verdict for answer in provider.submit(batch.orders, now=NOW)] == [Verdict.REJECTED]
    assert movements() == [("cancelled", 0)]


def test_the_same_key_with_another_amount_is_not_executed(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        batch, _ = sending.take(now=NOW)
    order = batch.orders[0]
    provider = SandboxProvider()
    provider.submit([order], now=NOW)
    other = type(order)(
        order.key, order.reference, 1, order.currency, order.holder, order.method_type, order.details, "other"
    )
    (answer,) = provider.submit([other], now=NOW)
    assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "key_mismatch")
    assert movements() == [("accepted", 20_000)]


def test_a_refusal_gives_the_money_back_and_tells_the_expert(ada: Expert) -> None:
    fault("reject", code="AC04")
    story.send_and_track()
    payout = the_payout()
    assert (payout.status, payout.reason_code, payout.run.status) == ("failed", "AC04", "completed_with_failures")
    assert story.owed(ada) == 20_000
    assert Notice.objects.filter(kind="payout.failed", expert=ada).count() == 1
    story.send_and_track(NOW + HOUR)
    assert movements() == [("rejected", 20_000)]
    assert_the_books_hold()


def test_a_failed_payout_is_paid_when_finance_retries(ada: Expert) -> None:
    fault("reject", code="AC04")
    story.send_and_track()
    story.act(payouts.retry, payout=the_payout())
    assert story.owed(ada) == 0
    story.send_and_track()
    payout = the_payout()
    assert (payout.status, payout.run.status) == ("paid", "completed")
    assert movements() == [("rejected", 20_000), ("paid", 20_000)]
    assert_the_books_hold()


def test_a_temporary_refusal_is_tried_again_by_itself(ada: Expert) -> None:
    fault("reject", code="AM21")
    story.send_and_track()
    assert (the_payout().status, story.owed(ada)) == ("ready", 0)
    story.send_and_track(NOW + HOUR)
    assert the_payout().status == "paid"


def test_a_retry_is_refused_when_the_next_run_paid_it(ada: Expert) -> None:
    fault("reject", code="AC04")
    story.send_and_track()
    failed = the_payout()
    later = NOW + dt.timedelta(days=7)
    story.released_run(now=later)
    with pytest.raises(NoLongerOwed):
        story.act(payouts.retry, payout=failed, now=later)
    story.send_and_track(later)
    failed.refresh_from_db()
    assert (failed.status, ProviderMovement.objects.filter(state="paid").count()) == ("failed", 1)
    story.act(payouts.cancel, payout=failed, now=later)
    assert_the_books_hold()


def test_a_retry_needs_a_method_to_send_it_to(ada: Expert) -> None:
    fault("reject", code="AC04")
    story.send_and_track()
    story.add_method(ada, account="acct-new", now=NOW)
    with pytest.raises(NoUsableMethod):
        story.act(payouts.retry, payout=the_payout())
    story.act(payouts.retry, payout=the_payout(), now=NOW + dt.timedelta(days=4))
    story.send_and_track(NOW + dt.timedelta(days=4))
    assert list(ProviderMovement.objects.values_list("account", "state")) == [
        ("acct-ada", "rejected"),
        ("acct-new", "paid"),
    ]


def test_paid_money_may_come_back(ada: Expert) -> None:
    fault("return", code="AC06")
    story.send_and_track()
    assert the_payout().status == "paid"
    later = NOW + dt.timedelta(days=4)
    tracking.follow_settlements(now=later)
    tracking.follow_settlements(now=later)
    payout = the_payout()
    assert (payout.status, payout.reason_code, payout.run.status) == ("returned", "AC06", "completed_with_failures")
    assert story.owed(ada) == 20_000
    assert_the_books_hold()


def test_an_accepted_payout_may_fail_later(ada: Expert) -> None:
    fault("late_failure", code="AC01")
    story.send_and_track()
    assert (the_payout().status, story.owed(ada)) == ("failed", 20_000)
    story.act(payouts.retry, payout=the_payout())
    story.send_and_track()
    tracking.follow_settlements(now=NOW)  # the old key's failure says nothing about the new one
    assert the_payout().status == "paid"
    assert_the_books_hold()


def test_a_payout_on_its_way_is_in_transit_until_it_arrives(ada: Expert, settings: Settings) -> None:
    settings.SANDBOX_PROVIDER_SETTLES_AFTER = 86_400
    story.send_and_track()
    assert the_payout().status == "in_transit"
    assert PayRun.objects.get().status == "executing"
    story.send_and_track(NOW + dt.timedelta(days=2))
    assert the_payout().status == "paid"


def test_who_dies_while_asking_costs_a_lease_and_silence_costs_a_poll(ada: Expert) -> None:
    sending.send_due(now=NOW)
    for at, failure, again in (
        (NOW, KeyboardInterrupt(), NOW + MINUTE),
        (NOW + MINUTE, SoftTimeLimitExceeded(), NOW + 2 * MINUTE),
        (NOW + 2 * MINUTE, ProviderUnavailable("down"), NOW + 7 * MINUTE),
    ):
        with (
            patch.object(SandboxProvider, "lookup", side_effect=failure),
            suppress(KeyboardInterrupt, SoftTimeLimitExceeded),
        ):
            tracking.track_due(now=at)
        assert (the_payout().status, the_payout().next_attempt_at) == ("submitted", again)
    tracking.track_due(now=NOW + 7 * MINUTE)
    assert the_payout().status == "paid"


def test_an_answer_that_comes_late_changes_nothing(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        batch, _ = sending.take(now=NOW)
    answers = SandboxProvider().submit(batch.orders, now=NOW)
    tracking.track_due(now=NOW + 2 * MINUTE)
    assert the_payout().status == "paid"
    late = [*answers, Answer(answers[0].key, Verdict.REJECTED, code="AC04"), Answer("unknown-key", Verdict.ACCEPTED)]
    for answer in late:
        with unit_of_work(SYSTEM):
            sending.record([answer], sends=batch.sends, now=NOW + HOUR)
    assert (the_payout().status, story.owed(ada)) == ("paid", 0)


def test_a_method_that_was_replaced_after_the_release_gets_nothing(ada: Expert) -> None:
    story.add_method(ada, account="thief-0001", now=NOW)
    story.send_and_track()
    payout = the_payout()
    assert (payout.status, payout.reason_code, movements()) == ("cancelled", "method_changed", [])
    assert (story.owed(ada), payout.run.status) == (20_000, "completed_with_failures")
    assert_the_books_hold()


def test_an_expert_blocked_after_the_release_gets_nothing_until_somebody_decided(ada: Expert) -> None:
    story.block(ada, by=story.new_user())
    story.send_and_track()
    assert (the_payout().status, the_payout().reason_code, movements()) == ("on_hold", "blocked", [])
    with pytest.raises(ExpertBlocked):
        story.act(payouts.resume, payout=the_payout(), now=NOW + HOUR)
    story.send_and_track(NOW + HOUR)
    assert (the_payout().status, movements()) == ("on_hold", [])
    story.unblock(ada)
    story.act(payouts.resume, payout=the_payout(), now=NOW + HOUR)
    story.send_and_track(NOW + HOUR)
    assert len(movements()) == 1


def test_nobody_retries_his_own_pay(ada: Expert) -> None:
    fault("reject", code="AC04")
    story.send_and_track()
    with pytest.raises(DomainError) as refused, unit_of_work(SYSTEM):
        payouts.retry(payout=the_payout(), by=ada.user, now=NOW)
    assert refused.value.code == "own_work"


def test_a_paid_payout_can_neither_be_retried_nor_cancelled(ada: Expert) -> None:
    story.send_and_track()
    for step in (payouts.retry, payouts.cancel, payouts.resume):
        with pytest.raises(InvalidTransition):
            story.act(step, payout=the_payout())
    assert movements() == [("paid", 20_000)]


def test_a_third_of_errors_still_pays_everybody_once() -> None:
    lab = story.new_lab(funded=1_000_000)
    experts = [story.new_expert(f"E{n}", account=f"acct-many-{n}") for n in range(30)]
    for n, expert in enumerate(experts):
        story.earn(expert, 1_000 + n, lab=lab)
    for n, kind in enumerate(["timeout_executed", "timeout_not_executed", "server_error", "rate_limited"] * 3):
        fault(kind, account=f"acct-many-{n}", times=1)
    story.released_run()
    for minutes in (0, 2, 8, 20, 40):
        story.send_and_track(NOW + minutes * MINUTE)
    assert set(Payout.objects.values_list("status", flat=True)) == {"paid"}
    paid = ProviderMovement.objects.filter(state="paid")
    assert sorted(paid.values_list("amount_minor", flat=True)) == [1_000 + n for n in range(30)]
    assert_the_books_hold()


def test_a_refused_run_pays_nobody() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
        pay_runs.cancel(run=run, reason="test", by=story.new_user(), now=NOW)
    story.send_and_track()
    assert (Payout.objects.count(), ProviderMovement.objects.count()) == (0, 0)


def test_a_method_removed_is_not_paid_and_the_expert_is_told(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        payees.remove_method(method=the_payout().payout_method, now=NOW)
    story.send_and_track()
    assert (the_payout().status, story.owed(ada), movements()) == ("cancelled", 20_000, [])
    assert Notice.objects.filter(kind="payout_method.removed", expert=ada).exists()


def test_details_that_cannot_be_read_hold_one_payout_and_not_the_others(ada: Expert) -> None:
    bob = story.new_expert("Bob", account="acct-bob")
    story.earn(bob, 5_000, lab=story.new_lab(funded=10_000), at=NOW + dt.timedelta(days=1))
    later = NOW + dt.timedelta(days=7)
    story.released_run(now=later)
    PayoutMethod.objects.filter(expert=ada).update(sealed_details=b"\x01 sealed under a key that was lost")
    story.send_and_track(later)
    outcome = dict(Payout.objects.values_list("expert__legal_name", "status"))
    assert outcome == {"Ada": "on_hold", "Bob": "paid"}
    assert Payout.objects.get(expert=ada).reason_code == "details_unreadable"


def test_payouts_of_a_provider_that_is_gone_wait_and_the_others_go_on(ada: Expert) -> None:
    Payout.objects.update(provider="gone")
    story.send_and_track()
    story.send_and_track(NOW + HOUR)
    assert the_payout().status == "unknown"
    assert (movements(), story.owed(ada)) == ([], 0)


def test_whatever_is_given_to_a_provider_is_never_sent_with_other_contents(ada: Expert) -> None:
    fault("timeout_not_executed")
    story.send_and_track()
    PayoutMethod.objects.filter(expert=ada).update(holder="Somebody else")
    story.send_and_track(NOW + MINUTE)
    story.send_and_track(NOW + 10 * MINUTE)
    assert (the_payout().status, the_payout().reason_code) == ("on_hold", "request_changed")
    assert movements() == [("cancelled", 0)]  # barred, so that it can be given up


def test_what_is_under_way_is_neither_failed_nor_finished() -> None:
    ended = {"paid", "returned", "failed", "cancelled"}
    assert set(Payout.UNDER_WAY) == set(Payout.Status.values) - ended


@pytest.mark.parametrize("executed", [False, True])
def test_a_held_payout_that_was_asked_for_once_is_proven_before_it_is_given_up(ada: Expert, executed: bool) -> None:
    fault("rate_limited")
    story.send_and_track()
    if executed:  # the provider did it although it said that it would not
        with unit_of_work(SYSTEM):
            batch, _seen = sending.take(now=NOW + MINUTE)
            attempt = PayoutAttempt.objects.get()
            sending.send_again(payouts.locked([attempt.payout_id], now=NOW)[0], at=NOW + MINUTE)
        SandboxProvider().submit(batch.orders, now=NOW + MINUTE)
    with unit_of_work(SYSTEM):
        payees.remove_method(method=the_payout().payout_method, now=NOW + MINUTE)
    sending.send_due(now=NOW + HOUR)
    assert the_payout().status == "on_hold"
    with pytest.raises(OutcomeOpen):
        story.act(payouts.cancel, payout=the_payout(), now=NOW + HOUR)
    tracking.track_due(now=NOW + HOUR)
    if executed:
        assert (the_payout().status, story.owed(ada)) == ("paid", 0)
    else:
        story.act(payouts.cancel, payout=the_payout(), now=NOW + HOUR)
        assert (the_payout().status, story.owed(ada)) == ("cancelled", 20_000)
    assert_the_books_hold()
