"""Workers that die or run out of time over one account: the rounds go on behind it, and nobody is heard twice or missed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import pytest

from core.public import unit_of_work
from core.wake import wake
from payments.models import BankCharge, ProviderEntry, SettlementRound
from payments.operations.rails import tracking
from tests.faults.pay_day import app
from tests.faults.workers import wait_until, worker
from tests.payments.ledger_story import SYSTEM
from tests.payments.rounds_world import STRIPE, all_paid, asked_about, in_order, while_asked
from tests.payments.stripe_world import assert_the_books_hold, fake
from tests.payments.test_asking_providers import statuses
from tests.stripe_fake.server import Fake

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults, pytest.mark.slow]

__all__ = ["fake"]

PAYEES = 5


def environment(fake: Fake, **more: str) -> dict[str, str]:
    """What a worker needs to speak with this Stripe."""
    return {
        "STRIPE_API_KEY": "sk_test_cadre",
        "STRIPE_API_BASE": fake.base,
        "STRIPE_WEBHOOK_SECRETS": fake.secret,
        "PAYOUT_RAILS": "stripe_account:*:*=stripe_connect",
        **more,
    }


def go_round() -> None:
    """As the beat does every hour."""
    wake(tracking.ROUNDS)


def one_came_back(fake: Fake) -> list[str]:
    """All were paid, and the bank of the one that is listed last sent it back; the accounts as they are listed."""
    all_paid(fake, PAYEES, fee=25)
    accounts = in_order(fake)
    (payout_id,) = [payout for payout, owner in fake.books.owners.items() if owner == accounts[-1]]
    fake.books.fail_payout(payout_id, "no_account")
    return accounts


def is_over() -> bool:
    """Whether a round came to its end."""
    return SettlementRound.objects.filter(provider=STRIPE, is_open=False).exists()


def entries() -> Counter[str]:
    with unit_of_work(SYSTEM):
        return Counter(ProviderEntry.objects.values_list("kind", flat=True))


def assert_all_were_heard_once() -> None:
    assert entries() == {"payout": PAYEES, "return": 1, "fee": PAYEES}
    assert BankCharge.objects.count() == PAYEES
    assert Counter(statuses()) == {"paid": PAYEES - 1, "returned": 1}
    assert_the_books_hold()


def test_a_worker_that_is_killed_in_the_middle_of_a_round(fake: Fake) -> None:
    assert app.conf.task_acks_late
    accounts = one_came_back(fake)
    with worker(env=environment(fake)) as victim:
        while_asked(fake, accounts[2], victim.kill)
        go_round()
        wait_until(lambda: not victim.is_running, what="the worker is dead")
    assert (asked_about(fake), entries()["payout"]) == (accounts[:3], 2)
    assert not is_over()
    with worker(env=environment(fake)):
        wait_until(is_over, meanwhile=go_round, what="the round is over")
        assert asked_about(fake)[:5] == accounts  # whoever was heard is not asked again before the others
        wait_until(lambda: entries()["payout"] == PAYEES, meanwhile=go_round, what="he is heard by the next round")
    assert_all_were_heard_once()


@pytest.mark.parametrize("limits", [{"SOFT": "3", "HARD": "60"}, {"HARD": "3"}], ids=["told", "killed"])
def test_an_account_that_takes_all_the_time_there_is(fake: Fake, limits: Mapping[str, str]) -> None:
    accounts = one_came_back(fake)
    end = threading.Event()
    while_asked(fake, accounts[1], lambda: end.wait(60))
    try:
        with worker("tests.faults.short_of_time", env=environment(fake, **limits)):
            wait_until(lambda: "returned" in statuses(), meanwhile=go_round, what="the money behind it came back")
            assert not end.is_set()
            wait_until(lambda: entries()["payout"] == PAYEES, meanwhile=go_round, what="all were heard")
    finally:
        end.set()
    assert_all_were_heard_once()
