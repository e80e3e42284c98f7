"""Exchanges under concurrency: what is owed is exchanged, paid or taken back once, and the books hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from core.money import Money
from core.public import Principal, unit_of_work
from experts.public import Expert
from payments.models import FxExchange, FxQuote, Payout, PayRun
from payments.operations.exchange import exchanges
from payments.operations.exchange.exchanges import MoreThanOwed, PayInRun
from payments.operations.runs import pay_runs
from payments.operations.runs.pay_run_calculation import PayRunChanged
from tests.concurrency.test_money_races import assert_the_books_hold
from tests.concurrency.together import together
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)


def quoted() -> FxQuote:
    with unit_of_work(SYSTEM):
        return story.quoted("0.9", valid_until=NOW + dt.timedelta(hours=1))


def owed_dollars(minor: int, *, account: str = "acct-euro") -> Expert:
    ada = story.new_expert(account=account, currency="EUR")
    story.earn(ada, minor, lab=story.new_lab(funded=minor))
    return ada


def exchanging(expert: Expert, quote: FxQuote, minor: int) -> Callable[[], None]:
    def run() -> None:
        with unit_of_work(SYSTEM):
            exchanges.exchange(
                expert=expert, quote=quote, sold=Money(minor, "USD"), by=Principal.system("tests"), now=NOW
            )

    return run


def releasing(run: PayRun) -> Callable[[], None]:
    by = story.new_user("Rel")

    def release() -> None:
        with unit_of_work(SYSTEM):
            pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=by, now=NOW)

    return release


def test_twelve_exchanges_at_once_sell_no_more_than_is_owed() -> None:
    ada, quote = owed_dollars(1_000), quoted()
    results = together([exchanging(ada, quote, 300)] * 12)
    assert sum(result is None for result in results) == 3
    assert sum(isinstance(result, MoreThanOwed) for result in results) == 9
    assert (story.owed(ada), story.owed(ada, "EUR")) == (100, 810)
    assert_the_books_hold()


def test_exchanges_in_both_directions_at_once_do_not_deadlock() -> None:
    ada, there = owed_dollars(10_000), quoted()
    story.add_method(ada, account="acct-dollars")
    story.earn(ada, 10_000, lab=story.new_lab(), currency="EUR")
    with unit_of_work(SYSTEM):
        back = story.quoted("1", sell="EUR", buy="USD", valid_until=there.valid_until)

    def other_way() -> None:
        with unit_of_work(SYSTEM):
            exchanges.exchange(expert=ada, quote=back, sold=Money(100, "EUR"), by=Principal.system("tests"), now=NOW)

    assert together([exchanging(ada, there, 100), other_way] * 5) == [None] * 10
    assert (story.owed(ada), story.owed(ada, "EUR")) == (10_000, 10_000 + 5 * (90 - 100))
    assert_the_books_hold()


def test_an_exchange_and_a_release_at_once_move_the_money_once() -> None:
    """His line is looked at, so the exchange waits for nothing: it is refused, or finds nothing left."""
    ada, quote = owed_dollars(20_000), quoted()
    story.add_method(ada, account="acct-dollars")
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    released, *refused = together([releasing(run), *[exchanging(ada, quote, 20_000)] * 3])
    assert released is None
    assert {type(error) for error in refused} <= {PayInRun, MoreThanOwed}
    assert (Payout.objects.count(), story.owed(ada), story.owed(ada, "EUR")) == (1, 0, 0)
    assert_the_books_hold()


def test_an_exchange_and_a_calculation_at_once_never_pay_twice() -> None:
    """Whoever is first wins: exchanged and not in the run, in the run and refused, or the release sees that it changed."""
    ada, quote = owed_dollars(20_000), quoted()
    story.add_method(ada, account="acct-dollars")
    preparer, runs = story.new_user(), list[PayRun]()

    def prepare() -> None:
        with unit_of_work(SYSTEM):
            runs.append(pay_runs.prepare(currency="USD", by=preparer, now=NOW))

    prepared, exchanged = together([prepare, exchanging(ada, quote, 20_000)])
    assert prepared is None
    assert exchanged is None or isinstance(exchanged, PayInRun)
    (run,) = runs
    lines = run.lines.count()
    (released,) = together([releasing(run)])
    if exchanged is None:
        assert isinstance(released, PayRunChanged if lines else pay_runs.NothingToPay)
        assert (Payout.objects.count(), story.owed(ada), story.owed(ada, "EUR")) == (0, 0, 18_000)
    else:
        assert released is None
        assert (Payout.objects.count(), story.owed(ada), story.owed(ada, "EUR")) == (1, 0, 0)
    assert_the_books_hold()


def test_an_exchange_and_pay_taken_back_at_once_both_count() -> None:
    ada, quote, lab = owed_dollars(10_000), quoted(), story.new_lab()

    def taken() -> None:
        story.claw_back(ada, 6_000, lab=lab)

    outcomes: list[Any] = together([taken, exchanging(ada, quote, 10_000), partial(story.owed, ada)])
    assert outcomes[0] is None
    sold = FxExchange.objects.count() * 10_000
    assert isinstance(outcomes[1], MoreThanOwed) if not sold else outcomes[1] is None
    assert (story.owed(ada), story.owed(ada, "EUR")) == (4_000 - sold, sold * 9 // 10)
    assert outcomes[2] in {10_000, 4_000, 0, -6_000}
    assert_the_books_hold()
