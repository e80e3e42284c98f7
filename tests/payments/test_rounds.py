"""The rounds through what a provider settled: through any number of accounts, whoever hangs, breaks, dies or is cut off."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from structlog.testing import capture_logs

from core.public import unit_of_work
from payments.models import BankCharge, ProviderEntry, SendingLatch, SettlementRound
from payments.operations.rails import rounds, tracking
from payments.providers import stripe_connect, stripe_movements
from payments.providers.port import Movement
from payments.providers.sandbox import SandboxProvider
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM
from tests.payments.rounds_world import (
    ACCOUNT,
    STRIPE,
    all_paid,
    asked_about,
    days,
    go_on,
    hurried,
    in_order,
    morning,
    reconcile,
    tick,
    while_asked,
    woken,
)
from tests.payments.stripe_world import (
    AMOUNT,
    DAY,
    HOUR,
    assert_the_books_hold,
    break_once,
    fake,
    onboarded,
    work,
)
from tests.payments.test_asking_providers import statuses
from tests.stripe_fake.books import Thing
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["fake", "hurried", "woken"]

WEEK = 7 * DAY


class TestAnyNumber:
    def test_each_run_takes_some_and_the_next_goes_on_behind_them(
        self, fake: Fake, woken: list[tuple[str, Any]], hurried: Callable[[], None]
    ) -> None:
        paid = all_paid(fake, 5, fee=25)
        back = list(fake.books.payouts)[1]
        fake.books.fail_payout(back, "no_account")
        hurried()
        woken.clear()
        later = paid + DAY
        tick(later)
        assert (asked_about(fake), woken) == (in_order(fake)[:1], [(tracking.ROUNDS, (STRIPE,))])
        assert go_on(woken, later) == 5  # the last one finds the end of the list
        assert asked_about(fake) == in_order(fake)
        assert Counter(statuses()) == {"paid": 4, "returned": 1}
        assert list(BankCharge.objects.values_list("amount_minor", flat=True)) == [25] * 5
        tick(later + HOUR)
        go_on(woken, later + HOUR)
        returned = fake.books.owners[back]  # the list itself says that this transfer was reversed
        assert asked_about(fake)[5:] == [account for account in in_order(fake) if account != returned]
        assert (BankCharge.objects.count(), Counter(statuses())["returned"]) == (5, 1)
        kinds = Counter(ProviderEntry.objects.values_list("kind", flat=True))
        assert kinds == {"payout": 5, "fee": 5, "return": 1}
        assert_the_books_hold()

    def test_no_day_closes_before_all_of_its_accounts_were_heard_since_it_was_over(
        self, fake: Fake, woken: list[tuple[str, Any]], hurried: Callable[[], None]
    ) -> None:
        paid = all_paid(fake, 3)
        reconcile(paid)
        hurried()
        woken.clear()
        fake.asked.clear()
        reconcile(paid + DAY)
        assert (days(), len(asked_about(fake))) == ([], 1)
        go_on(woken, paid + DAY)
        assert (days(), asked_about(fake)) == ([], in_order(fake))
        reconcile(paid + DAY + HOUR)  # begins the next round, and closes what the one before has heard
        assert {status for status, _why in days()} == {"closed"}
        assert_the_books_hold()

    def test_what_is_written_and_asked_for_each_account_does_not_grow_with_their_number(self, fake: Fake) -> None:
        paid = all_paid(fake, 4)
        counted = []
        for lines in (2, 4):
            with unit_of_work(SYSTEM):
                SettlementRound.objects.all().delete()
                ProviderEntry.objects.all().delete()
            keep, fake.books.lines = fake.books.lines, fake.books.lines[:lines]
            with CaptureQueriesContext(connection) as queries:
                tracking.follow_settlements(now=paid + DAY, only=STRIPE)
            fake.books.lines = keep
            counted.append(len(queries))
        assert counted[1] - counted[0] <= 2 * 25, "statements for each account, with units of work and their scopes"
        assert sorted(Counter(asked_about(fake)).values()) == [1, 1, 2, 2]

    def test_one_walks_at_a_time_and_whoever_comes_meanwhile_leaves_it_to_him(
        self, fake: Fake, woken: list[tuple[str, Any]]
    ) -> None:
        paid = all_paid(fake, 2)
        woken.clear()
        first, _second = in_order(fake)
        whose, other = [f"payments.rounds:{STRIPE}"], connection.copy()

        def come_too() -> None:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", whose)
                assert cursor.fetchone() == (False,)

        while_asked(fake, first, come_too)
        tick(paid + DAY)
        fake.asked.clear()
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", whose)
                tick(paid + 2 * DAY)
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", whose)
        finally:
            other.close()
        assert (fake.asked, woken) == ([], [])


class TestTrouble:
    def test_an_account_that_hangs_keeps_its_own_day_open_and_nobody_else_s(self, fake: Fake) -> None:
        fake.books.balances["", "usd"] = 10 * AMOUNT
        lab = story.new_lab(funded=2 * AMOUNT)
        first, second = onboarded(fake, "Ada"), onboarded(fake, "Bob")
        now = morning(fake)
        for expert, at in ((first, now), (second, now + WEEK)):
            story.earn(expert, AMOUNT, lab=lab)
            story.released_run(now=at)
            work(at)
            fake.books.settle()
            work(at + HOUR)
            if expert is first:
                reconcile(at + HOUR)
        break_once(fake, "timeout_not_executed", match=f"GET {ACCOUNT}")  # the newest one, Bob's
        reconcile(now + WEEK + DAY)
        assert days() == [*[("closed", "")] * 7, ("open", "The provider has not told of 1 payout yet.")]
        reconcile(now + WEEK + DAY + HOUR)
        assert {status for status, _why in days()} == {"closed"}
        assert_the_books_hold()

    def test_an_account_that_is_gone_keeps_no_money_of_others_from_coming_back(self, fake: Fake) -> None:
        paid = all_paid(fake, 3)
        gone, _middle, last = in_order(fake)
        (payout_id,) = [payout for payout, owner in fake.books.owners.items() if owner == last]
        fake.books.fail_payout(payout_id, "no_account")
        del fake.books.accounts[gone]
        tick(paid + DAY)
        assert Counter(statuses()) == {"returned": 1, "paid": 2}

    def test_the_end_of_a_worker_s_time_in_the_middle_of_a_question_leaves_that_account_behind(
        self, fake: Fake, woken: list[tuple[str, Any]]
    ) -> None:
        """Told by a real signal, as a worker is: Stripe's client must not take it for a broken connection."""
        paid = all_paid(fake, 4)
        woken.clear()
        _first, slow, *_others = in_order(fake)
        main = threading.main_thread().ident
        assert main is not None
        while_asked(fake, slow, lambda: signal.pthread_kill(main, signal.SIGUSR1))

        def over(_number: int, _frame: object) -> None:
            raise SoftTimeLimitExceeded

        former = signal.signal(signal.SIGUSR1, over)
        try:
            with pytest.raises(SoftTimeLimitExceeded):
                tick(paid + DAY)
        finally:
            signal.signal(signal.SIGUSR1, former)
        assert asked_about(fake) == in_order(fake)[:2]
        assert woken == [(tracking.ROUNDS, (STRIPE,))]
        with capture_logs() as logs:
            assert go_on(woken, paid + DAY) == 1
        assert asked_about(fake) == in_order(fake)
        (alarm,) = [line for line in logs if line["log_level"] == "error"]
        assert (alarm["event"], alarm["provider"]) == ("settlement_too_slow", STRIPE)
        assert ProviderEntry.objects.count() == 3
        tick(paid + DAY + HOUR)
        assert (ProviderEntry.objects.count(), asked_about(fake)[4:]) == (4, in_order(fake))

    def test_a_provider_that_takes_all_the_time_there_is_costs_the_others_behind_it_nothing(
        self, fake: Fake, woken: list[tuple[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paid = all_paid(fake, 2)
        settings.PAYOUT_RAILS |= {"sandbox:*:*": "sandbox"}
        story.new_expert(account="acct-0")  # whom the sandbox pays
        woken.clear()

        def too_much(*_args: object, **_options: object) -> None:
            raise SoftTimeLimitExceeded

        monkeypatch.setattr(SandboxProvider, "settlements", too_much)
        with pytest.raises(SoftTimeLimitExceeded):
            tick(paid + DAY)
        assert (asked_about(fake), woken) == ([], [(tracking.ROUNDS, (STRIPE,))])
        assert go_on(woken, paid + DAY) == 1
        assert (asked_about(fake), rounds.heard_at(provider=STRIPE)) == (in_order(fake), paid + DAY)

    def test_the_day_of_the_one_who_took_all_the_time_stays_open_until_he_is_heard(self, fake: Fake) -> None:
        paid = all_paid(fake, 2)
        deadly, _other = in_order(fake)
        real = stripe_movements.advance

        def dying(transfer: Thing, **options: Any) -> Movement:
            if transfer["destination"] == deadly:
                raise KeyboardInterrupt
            return real(transfer, **options)

        with pytest.MonkeyPatch.context() as death:
            death.setattr(stripe_connect, "advance", dying)
            for at in (paid, paid + DAY):
                with pytest.raises(KeyboardInterrupt):
                    reconcile(at)
                assert days() == []
                reconcile(at + HOUR)
            assert days() == [("open", "The provider has not told of 1 payout yet.")]
        reconcile(paid + DAY + 2 * HOUR)
        assert {status for status, _why in days()} == {"closed"}
        assert_the_books_hold()

    def test_a_key_that_is_not_here_closes_the_latch_while_a_round_is_under_way(
        self, fake: Fake, woken: list[tuple[str, Any]], hurried: Callable[[], None]
    ) -> None:
        paid = all_paid(fake, 3)
        hurried()
        fake.books.advance(paid.timestamp() + 3600 - fake.books.now())
        tick(paid + HOUR)
        stranger = {"cadre_key": "pay_01k9w3v6z8f2qr5t4h7xnm0ceg-1"}
        fake.books.advance(60)
        params = {"amount": 100, "currency": "usd", "destination": in_order(fake)[0], "metadata": stranger}
        fake.books.create_transfer(params)
        assert not SendingLatch.objects.filter(is_open=False).exists()
        tick(paid + 2 * HOUR)
        assert SendingLatch.objects.filter(is_open=False).exists()
        assert SettlementRound.objects.get(provider=STRIPE).is_open
