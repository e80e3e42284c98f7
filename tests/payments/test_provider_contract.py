"""What every payout provider must keep, whatever it is made of: the promises that sending and tracking live by.

A provider joins by a `Bench`: how to make an order that it pays or refuses, and how to let it work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from pytest_django import Settings

from core import ids
from payments.models import ProviderFault
from payments.models.sandbox_provider import ProviderMovement
from payments.operations.bank import bank_messages
from payments.providers.port import InvalidSignature, Order, Payee, Provider, Standing, Verdict
from payments.providers.sandbox import SandboxProvider
from payments.providers.sepa_file import SepaFileProvider
from payments.providers.stripe_connect import StripeConnectProvider
from tests.payments import bank_world as world
from tests.payments.ledger_story import NOW
from tests.payments.stripe_world import all_settled, fake
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["fake"]

REFUSED = {Standing.REJECTED, Standing.FAILED}
_accounts = count(1)


@dataclass
class Bench:
    """A provider with what it pays from."""

    provider: Provider
    order: Callable[[int], Order]
    refused_order: Callable[[int], Order]
    work: Callable[[], None]
    """Let the provider execute what it has, and tell us."""
    executed: Callable[[], list[tuple[str, int]]]
    """Key and amount of every movement in the provider's own books."""
    refusal: str = "AC04"
    """Its code for a refused order."""


def _order(method_type: str, details: dict[str, str], currency: str, minor: int) -> Order:
    payout = ids.new_id("pay")
    return Order(f"{payout}-1", payout, minor, currency, "Ada Lovelace", method_type, details, f"hash-{payout}-{minor}")


def _sandbox() -> Bench:
    def order(minor: int) -> Order:
        return _order("sandbox", {"account": f"acct-{next(_accounts)}"}, "USD", minor)

    def refused(minor: int) -> Order:
        made = order(minor)
        ProviderFault.objects.create(account=made.details["account"], type="reject", code="AC04", remaining=1)
        return made

    def executed() -> list[tuple[str, int]]:
        rows = ProviderMovement.objects.exclude(state__in=("rejected", "cancelled"))
        return sorted(rows.values_list("idem_key", "amount_minor"))

    return Bench(SandboxProvider(), order, refused, lambda: None, executed)


def _sepa_file(settings: Settings, folder: Path) -> tuple[Bench, world.Bank]:
    bank = world.open_bank(settings, folder)

    def work() -> None:
        bank.read_our_files()
        bank_messages.collect(provider="sepa_file", now=NOW)

    def executed() -> list[tuple[str, int]]:
        return sorted((e2e.replace(".", "_"), minor) for e2e, minor in bank.movements())

    def order_to(iban: str) -> Callable[[int], Order]:
        return lambda minor: _order("iban", {"iban": iban}, "EUR", minor)

    return Bench(SepaFileProvider(), order_to(world.GOOD), order_to(world.CLOSED), work, executed), bank


def _stripe(fake: Fake) -> Bench:
    fake.books.advance(NOW.timestamp() - fake.books.now())
    provider = StripeConnectProvider()

    def order(minor: int, *, takes: bool = True) -> Order:
        account = provider.open_account(Payee(ids.new_id("pac"), "ada@example.org", "US", "USD"))
        if takes:
            fake.books.finish_onboarding(account)
        return _order("stripe_account", {"account": account}, "USD", minor)

    def transfers() -> list[tuple[str, int]]:
        found = fake.books.transfers.values()
        return sorted((each["transfer_group"], each["amount"]) for each in found if not each["reversed"])

    def work() -> None:
        provider.lookup([key for key, _minor in transfers()], now=NOW)
        fake.books.settle()

    refusal = "insufficient_capabilities_for_transfer"
    return Bench(provider, order, lambda minor: order(minor, takes=False), work, transfers, refusal)


@pytest.fixture(params=["sandbox", "sepa_file", "stripe_connect"])
def bench(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sandbox":
        yield _sandbox()
        return
    if request.param == "stripe_connect":
        yield _stripe(request.getfixturevalue("fake"))
        return
    made, bank = _sepa_file(settings, tmp_path)
    yield made
    bank.close()


def test_every_order_is_answered_once(bench: Bench) -> None:
    orders = [bench.order(100), bench.order(200), bench.refused_order(300)]
    answers = bench.provider.submit(orders, now=NOW)
    assert sorted(answer.key for answer in answers) == sorted(order.key for order in orders)
    bench.work()
    found = bench.provider.lookup([order.key for order in orders], now=NOW)
    assert [found[order.key].standing for order in orders[:2]] == [Standing.PAID, Standing.PAID]
    if orders[2].key in found:  # what was refused at once may be forgotten: the answer was the proof
        assert found[orders[2].key].standing in REFUSED
        assert found[orders[2].key].code == bench.refusal
    else:
        (refusal,) = [answer for answer in answers if answer.key == orders[2].key]
        assert (refusal.verdict, refusal.code) == (Verdict.REJECTED, bench.refusal)
    assert bench.executed() == sorted((order.key, order.amount_minor) for order in orders[:2])


def test_the_same_key_again_moves_money_once(bench: Bench) -> None:
    order = bench.order(100)
    for _ in range(3):
        (answer,) = bench.provider.submit([order], now=NOW)
        assert answer.verdict is Verdict.ACCEPTED
        bench.work()
    assert bench.executed() == [(order.key, 100)]


def test_a_key_in_another_company_moves_money_once(bench: Bench) -> None:
    first, second = bench.order(100), bench.order(200)
    bench.provider.submit([first], now=NOW)
    bench.provider.submit([first, second], now=NOW)
    bench.work()
    bench.provider.submit([second, first], now=NOW)
    bench.work()
    assert bench.executed() == sorted([(first.key, 100), (second.key, 200)])


def test_another_request_under_the_same_key_is_not_executed(bench: Bench) -> None:
    order = bench.order(100)
    bench.provider.submit([order], now=NOW)
    other = replace(order, amount_minor=99_900, request_hash="other")
    (answer,) = bench.provider.submit([other], now=NOW)
    assert answer.verdict in {Verdict.UNKNOWN, Verdict.REJECTED}
    bench.work()
    assert bench.executed() == [(order.key, 100)]


def test_a_key_that_was_never_sent_is_missing(bench: Bench) -> None:
    assert bench.provider.lookup(["pay_never-1"], now=NOW) == {}


def test_a_key_that_was_barred_before_it_was_sent_is_never_executed(bench: Bench) -> None:
    order = bench.order(100)
    assert bench.provider.cancel(order.key, now=NOW).standing is Standing.CANCELLED
    (answer,) = bench.provider.submit([order], now=NOW)
    assert answer.verdict in {Verdict.REJECTED, Verdict.UNKNOWN}
    bench.work()
    assert bench.executed() == []
    assert bench.provider.cancel(order.key, now=NOW).standing is Standing.CANCELLED


def test_a_key_that_was_sent_is_not_said_to_be_barred(bench: Bench) -> None:
    order = bench.order(100)
    bench.provider.submit([order], now=NOW)
    told = bench.provider.cancel(order.key, now=NOW)
    assert told.standing not in {Standing.CANCELLED, Standing.REJECTED}
    assert (told.amount_minor, told.currency) == (order.amount_minor, order.currency)
    bench.work()
    assert bench.executed() == [(order.key, 100)]


def test_a_refusal_stays_one_under_the_same_key(bench: Bench) -> None:
    order = bench.refused_order(100)
    bench.provider.submit([order], now=NOW)
    bench.work()
    (answer,) = bench.provider.submit([order], now=NOW)
    assert (answer.verdict, answer.code) == (Verdict.REJECTED, bench.refusal)
    bench.work()
    assert bench.executed() == []


def test_settlements_say_what_changed_and_only_since_then(bench: Bench) -> None:
    orders = [bench.order(100), bench.order(200)]
    bench.provider.submit(orders, now=NOW)
    bench.work()
    since = NOW - dt.timedelta(days=1)
    movements = {movement.key: movement for movement in all_settled(bench.provider, since=since, now=NOW)}
    assert {key: (one.standing, one.amount_minor) for key, one in movements.items()} == {
        orders[0].key: (Standing.PAID, 100),
        orders[1].key: (Standing.PAID, 200),
    }
    assert len({one.movement_id for one in movements.values()}) == 2
    assert bench.provider.settlements(since=NOW + dt.timedelta(days=1), now=NOW) == []


def test_settlements_go_on_behind_any_line_while_others_come(bench: Bench) -> None:
    orders = [bench.order(minor) for minor in (100, 200, 300)]
    bench.provider.submit(orders, now=NOW)
    bench.work()
    since = NOW - dt.timedelta(days=1)
    lines = bench.provider.settlements(since=since, now=NOW)
    assert sorted(line.key for line in lines) == sorted(order.key for order in orders)
    assert [line.hear().key for line in lines] == [line.key for line in lines]
    bench.provider.submit([bench.order(400)], now=NOW)
    bench.work()
    for n, line in enumerate(lines, 1):
        behind = bench.provider.settlements(since=since, now=NOW, after=line.position)
        assert [other.key for other in behind][: len(lines) - n] == [other.key for other in lines[n:]]


def test_nobody_knocks_with_a_forged_event(bench: Bench) -> None:
    if bench.provider.capabilities:
        pytest.skip("It sends events; their signatures have tests of their own.")
    with pytest.raises(InvalidSignature):
        bench.provider.parse_event(b"{}", {}, now=NOW)
