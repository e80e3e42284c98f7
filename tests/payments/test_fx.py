"""Exchange: quotes that never change, conversions that lose no unit, and books that balance in each currency."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock, tokens
from core.money import Money, exponent_of
from core.problems import InvalidInput
from core.public import Tenant
from payments import accounts, exchange
from payments.models import BankCharge, FxConversion, FxQuote, JournalEntry, Posting
from payments.operations.bank import bank_charges
from payments.operations.bank.bank_charges import ChargeRecorded
from payments.operations.exchange import fx, quotes
from payments.queries import fx_results, ledger_findings
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _the_books_hold(transactional_db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


def make_quote(rate: str = "0.92", *, sell: str = "USD", buy: str = "EUR", spread_bp: int = 50) -> FxQuote:
    with platform():
        until = NOW + dt.timedelta(hours=1)
        return story.quoted(rate, sell=sell, buy=buy, spread_bp=spread_bp, valid_until=until)


def caller_of(lab: Tenant) -> Caller:
    key = tokens.mint_lab_key(tenant=lab, name="tests", scopes=["funding:write", "balance:read"])
    return Caller(Authorization=f"Bearer {key.secret}")


def convert(caller: Caller, quote: FxQuote, amount: str, currency: str = "USD", key: str = "k1") -> Any:
    body = {"quote": quote.public_id, "amount": {"amount": amount, "currency": currency}}
    with clock.frozen(NOW):
        return caller("POST", "/api/v1/balance/conversions", body, Idempotency_Key=key)


def test_a_lab_turns_dollars_into_euros() -> None:
    lab, quote = story.new_lab(funded=100_000), make_quote()
    caller = caller_of(lab)
    with clock.frozen(NOW):
        (listed,) = caller("GET", "/api/v1/fx-quotes?sell=USD").json()["results"]
    assert (listed["id"], listed["rate"], listed["spread_bp"]) == (quote.public_id, "0.920000000000", 50)
    answer = convert(caller, quote, "500.00")
    assert answer.status_code == 201, answer.content
    assert answer.json()["bought"] == {"amount": "457.70", "currency": "EUR"}
    assert convert(caller, quote, "500.00").json() == answer.json()
    assert (story.prepaid(lab), story.prepaid(lab, "EUR")) == (50_000, 45_770)
    assert caller("GET", "/api/v1/balance/conversions").json()["results"] == [answer.json()]
    assert caller("GET", f"/api/v1/balance/conversions/{answer.json()['id']}").json() == answer.json()
    with platform():
        assert fx_results.results() == [
            fx_results.FxResult("EUR", -45_770, 230),
            fx_results.FxResult("USD", 50_000, 0),
        ]


def test_covering_at_a_bank_leaves_the_realised_difference() -> None:
    lab, quote = story.new_lab(funded=100_000), make_quote()
    convert(caller_of(lab), quote, "1000.00")
    with platform():
        bank_charges.exchanged(
            provider="sandbox", reference="T-1", sold=Money(100_000, "USD"), got=Money(91_900, "EUR"), now=NOW
        )
        (euro, dollar) = fx_results.results()
        with pytest.raises(ChargeRecorded):  # the same reference, and the bank gave something else
            bank_charges.exchanged(
                provider="sandbox", reference="T-1", sold=Money(100_000, "USD"), got=Money(91_901, "EUR"), now=NOW
            )
    assert (dollar.position, euro.position) == (0, 91_900 - 91_540)


def test_an_expired_or_foreign_quote_moves_nothing() -> None:
    lab, quote = story.new_lab(funded=100_000), make_quote()
    caller = caller_of(lab)
    body = {"quote": quote.public_id, "amount": {"amount": "1.00", "currency": "USD"}}
    with clock.frozen(NOW + dt.timedelta(hours=1)):
        late = caller("POST", "/api/v1/balance/conversions", body, Idempotency_Key="k2")
        assert caller("GET", "/api/v1/fx-quotes").json()["results"] == []
    assert (late.status_code, late.json()["code"]) == (409, "quote_expired")
    wrong = convert(caller, quote, "1.00", "EUR", key="k3")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid")
    unknown = caller("POST", "/api/v1/balance/conversions", {**body, "quote": "fxq_x"}, Idempotency_Key="k4")
    assert unknown.status_code == 404
    assert not FxConversion.objects.exists()


def test_only_what_is_prepaid_is_exchanged() -> None:
    answer = convert(caller_of(story.new_lab(funded=100)), make_quote(), "1.01")
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
    assert answer.json()["available"] == {"amount": "1.00", "currency": "USD"}
    assert not FxConversion.objects.exists()


def test_an_amount_that_buys_nothing_is_refused() -> None:
    answer = convert(caller_of(story.new_lab(funded=100)), make_quote("0.004"), "0.01")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_little_to_exchange")


def test_one_lab_sees_nothing_of_another_s_conversions() -> None:
    made = convert(caller_of(story.new_lab(funded=1_000)), make_quote(), "1.00").json()
    other = caller_of(story.new_lab())
    assert other("GET", "/api/v1/balance/conversions").json()["results"] == []
    assert other("GET", f"/api/v1/balance/conversions/{made['id']}").status_code == 404


def test_what_is_bought_pays_the_debt_in_its_currency_first() -> None:
    lab, expert = story.new_lab(funded=100_000), story.new_expert(ready=False)
    story.earn(expert, 20_000, lab=lab, currency="EUR")
    convert(caller_of(lab), make_quote("1", spread_bp=0), "300.00")
    assert (story.prepaid(lab), story.prepaid(lab, "EUR")) == (70_000, 10_000)


def test_a_quote_never_changes() -> None:
    quote = make_quote()
    with pytest.raises(ProgrammingError), platform(), transaction.atomic():
        FxQuote.objects.filter(pk=quote.pk).update(rate=Decimal(1))


@pytest.mark.parametrize(
    "wrong", [{"sell": "EUR"}, {"rate": Decimal(0)}, {"spread_bp": 10_000}, {"sell": "XXX"}, {"valid_until": NOW}]
)
def test_senseless_quotes_are_refused(wrong: dict[str, Any]) -> None:
    offered = quotes.Offered("USD", "EUR", Decimal(1), 0, NOW + dt.timedelta(hours=1), "tests")
    with platform(), pytest.raises(InvalidInput):
        quotes.quote(offered=replace(offered, **wrong), reason="x", by=story.new_user(), now=NOW)


def test_finance_quotes_at_the_desk_and_by_command() -> None:
    desk = Desk("quote_fx")
    make_quote("150", buy="JPY")
    make_quote("0.92")
    with clock.frozen(NOW):
        desk.post(
            "fxquote/quote/", sell="USD", buy="JPY", rate="151.2", spread_bp="30", hours="24", source="the bank's list",
            reason="Today's list.",
        )  # fmt: skip
        call_command("quote_fx", "USD", "EUR", "0.9213", "--source", "ECB", stdout=StringIO())
    assert {(row.buy, row.rate) for row in FxQuote.objects.filter(proposal=None)} == {
        ("JPY", Decimal("151.2")),
        ("EUR", Decimal("0.9213")),
    }
    assert Desk().post("fxquote/quote/", sell="USD").status_code == 403


def test_a_bank_s_fee_is_an_expense_once() -> None:
    story.new_lab(funded=1_000)
    for _ in range(2):
        with platform():
            bank_charges.fee(provider="sandbox", reference="F-1", amount=Money(250, "USD"), now=NOW)
    with platform():
        legs = Posting.objects.filter(entry__kind="provider_fee").values_list("account__key", "amount")
        assert sorted(legs) == [("cash:sandbox:USD", 250), ("expense:provider_fee:USD", -250)]
        with pytest.raises(bank_charges.ChargeRecorded), transaction.atomic():
            bank_charges.fee(provider="sandbox", reference="F-1", amount=Money(251, "USD"), now=NOW)


def test_finance_records_a_fee_and_an_exchange_at_the_desk() -> None:
    desk = Desk("record_charge")
    why = {"provider": "bank", "currency": "USD", "reason": "On the bank's paper."}
    desk.post("bankcharge/fee/", **why, reference="F-1", amount="2.50")
    desk.post(
        "bankcharge/exchange/",
        **why, reference="T-1", amount="100.00", bought_amount="92.10", bought_currency="EUR",
    )  # fmt: skip
    assert set(BankCharge.objects.values_list("type", "amount_minor", "bought_minor")) == {
        ("fee", 250, None),
        ("exchange", 10_000, 9_210),
    }
    refused = desk.post("bankcharge/fee/", **why, reference="F-2", amount="2.5")
    assert "exactly 2 decimals" in refused.content.decode()
    with platform():
        assert JournalEntry.objects.count() == 2


CURRENCIES = st.sampled_from(["JPY", "USD", "EUR", "KWD", "CLP", "BHD"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    minor=st.integers(1, 2**60),
    sell=CURRENCIES,
    buy=CURRENCIES,
    rate=st.decimals(min_value="0.000000000001", max_value="100000", places=12),
    spread=st.integers(0, 9_999),
)
def test_an_exchange_is_exact_to_half_a_unit(minor: int, sell: str, buy: str, rate: Decimal, spread: int) -> None:
    from decimal import ROUND_HALF_UP, localcontext

    with localcontext(prec=120):
        unit = Decimal(10) ** (exponent_of(buy) - exponent_of(sell))
        exact = Decimal(minor) * rate * (10_000 - spread) / 10_000 * unit
        wanted = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        if wanted >= 2**63:
            return
        got = exchange.exchanged(Money(minor, sell), buy=buy, rate=rate, spread_bp=spread)
    assert got == Money(wanted, buy)


@given(minor=st.integers(1, 10**12), got=st.integers(1, 10**12), sell=CURRENCIES, buy=CURRENCIES)
def test_the_legs_of_an_exchange_balance_in_each_currency(minor: int, got: int, sell: str, buy: str) -> None:
    legs = fx.exchange_legs(
        giver=accounts.lab_prepaid(1, sell),
        taker=accounts.lab_prepaid(1, buy),
        sold=Money(minor, sell),
        got=Money(got, buy),
    )
    sums: dict[str, int] = {}
    for key, amount in legs:
        sums[key.currency] = sums.get(key.currency, 0) + amount
    assert set(sums.values()) == {0}
