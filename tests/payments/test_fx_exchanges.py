"""An expert who is owed dollars and can be paid in euros alone exchanges what he is owed, and the run in euros pays it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from core import clock, tokens
from core.money import Money
from core.public import unit_of_work
from experts.public import Expert, Notice
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import FxExchange, FxQuote, JournalEntry, PayRun
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime
from payments.operations.runs import pay_run_holds, pay_runs
from payments.queries import fx_results, ledger_findings
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = MONDAY - dt.timedelta(hours=1)
CENT = Decimal("0.01")


@pytest.fixture(autouse=True)
def _the_books_hold(transactional_db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


def quoted(rate: str = "0.9213", *, sell: str = "USD", buy: str = "EUR", spread_bp: int = 50) -> FxQuote:
    """From an hour before the cutoff until two days after."""
    with platform():
        until = MONDAY + dt.timedelta(days=2)
        return story.quoted(rate, sell=sell, buy=buy, spread_bp=spread_bp, valid_until=until, now=BEFORE)


def caller_of(expert: Expert) -> Caller:
    return Caller(Authorization=f"Bearer {tokens.mint_expert_token(user=expert.user, name='tests').secret}")


def ask(caller: Caller, path: str, *, at: dt.datetime = BEFORE) -> Any:
    with clock.frozen(at):
        answer = caller("GET", f"/api/v1/expert/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def exchange(
    caller: Caller,
    quote: FxQuote | str,
    amount: str,
    *,
    currency: str = "USD",
    key: str = "k1",
    at: dt.datetime = BEFORE,
) -> Any:
    body = {
        "quote": quote if isinstance(quote, str) else quote.public_id,
        "amount": {"amount": amount, "currency": currency},
    }
    with clock.frozen(at):
        return caller("POST", "/api/v1/expert/exchanges", body, Idempotency_Key=key)


def in_euros(minor: int = 123_456) -> tuple[Expert, Caller]:
    """Ada is owed dollars and has a payout method in euros."""
    ada = story.new_expert(currency="EUR")
    if minor:
        story.earn(ada, minor, lab=story.new_lab(funded=10 * minor))
    return ada, caller_of(ada)


def left_out_run() -> PayRun:
    with platform():
        return pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)


def the_offer_that_unblocks(caller: Caller) -> Any:
    """From the blocker on the earnings page, by its remedy's link, to the one offer there."""
    (blocker,) = ask(caller, "earnings")["blockers"]
    assert (blocker["code"], blocker["remedy"]["text"]) == (
        "no_payout_method",
        "Exchange it into EUR, or add a payout method.",
    )
    (offer,) = ask(caller, blocker["remedy"]["href"].removeprefix("/api/v1/expert/"))
    return offer


def test_from_a_blocked_payout_to_euros_on_the_account() -> None:
    (ada, caller), quote = in_euros(), quoted()
    offer = the_offer_that_unblocks(caller)
    assert (offer["id"], offer["rate"], offer["spread_bp"]) == (quote.public_id, "0.9213", 50)
    assert (offer["all_in_rate"], offer["owed"]["amount"], offer["buys"]["amount"]) == (
        "0.9166935",
        "1234.56",
        "1131.71",
    )
    answer = exchange(caller, quote, offer["owed"]["amount"])
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["sold"]["amount"], made["bought"], made["at"]) == (
        "1234.56",
        {"amount": "1131.71", "currency": "EUR"},
        "2026-11-15T23:00:00Z",
    )
    assert exchange(caller, quote, "1234.56").json() == made
    assert ask(caller, "exchanges")["results"] == [made]
    assert ask(caller, f"exchanges/{made['id']}") == made
    assert (story.owed(ada), story.owed(ada, "EUR")) == (0, 113_171)
    assert ask(caller, "earnings")["blockers"] == []

    story.released_run(currency="EUR")
    story.send_and_track()
    (payout,) = ask(caller, "payouts", at=NOW)["results"]
    assert (payout["status"], payout["amount"]) == ("paid", {"amount": "1131.71", "currency": "EUR"})
    (statement,) = ask(caller, "statements", at=NOW)["results"]
    lines = ask(caller, f"statements/{statement['id']}", at=NOW)["lines"]
    assert [(line["kind"], line["subject"], line["amount"]["amount"]) for line in lines] == [
        ("fx_exchanged", made["id"], "1131.71"),
        ("payout_initiated", payout["id"], "-1131.71"),
    ]
    assert lines[0]["text"] == (
        "Exchanged into another currency: 1234.56 USD for 1131.71 EUR, one USD at 0.9166935 EUR (0.9213 less 50 bp)"
    )
    euros, dollars = fx_results.FxResult("EUR", -113_171, 569), fx_results.FxResult("USD", 123_456, 0)
    with platform():
        assert fx_results.results() == [euros, dollars]


def test_an_exchange_is_explained_and_stands_on_both_statements() -> None:
    (ada, caller), quote = in_euros(), quoted()
    story.add_method(ada, account="dollars")
    made = exchange(caller, quote, "1000.01").json()
    for currency in ("USD", "EUR"):
        story.released_run(currency=currency)
    story.send_and_track()
    for statement in ask(caller, "statements", at=NOW)["results"]:
        lines = ask(caller, f"statements/{statement['id']}", at=NOW)["lines"]
        (line,) = (line for line in lines if line["kind"] == "fx_exchanged")
        assert line["subject"] == made["id"]
        assert "one USD at 0.9166935 EUR" in line["text"]
        assert line["amount"] in ({"amount": "-1000.01", "currency": "USD"}, made["bought"])
    told = ask(caller, f"earnings/{made['id']}/explain", at=NOW)
    by_hand = told["exchanged"]
    rate, spread = Decimal(by_hand["rate"]), by_hand["spread_bp"]
    exact = Decimal(by_hand["sold"]["amount"]) * rate * (10_000 - spread) / 10_000
    assert Decimal(by_hand["exact"]) == (exact * 100).quantize(Decimal("0.000001"))
    assert Decimal(told["amount"]["amount"]) == exact.quantize(CENT, ROUND_HALF_UP) == Decimal("916.70")
    assert (told["kind"], told["bucket"], told["is_estimate"]) == ("exchange", "paid", False)
    assert [(row["account"], row["amount"]["amount"]) for row in told["movements"]] == [
        ("payable", "-1000.01"),
        ("payable", "916.70"),
    ]
    shown = [line for line in ask(caller, "earnings", at=NOW)["lines"] if line["kind"] == "exchange"]
    assert sorted((line["id"], line["amount"]["amount"], line["bucket"]) for line in shown) == [
        (made["id"], "-1000.01", "paid"),
        (made["id"], "916.70", "paid"),
    ]
    (notice,) = Notice.objects.filter(expert=ada, kind="pay.exchanged")
    assert (notice.subject, notice.title) == (made["id"], "1000.01 USD became 916.70 EUR")


def test_who_is_left_out_of_a_run_reads_that_he_can_exchange() -> None:
    _ada, caller = in_euros()
    left_out_run()
    plain = ask(caller, "pay-runs", at=NOW)["runs"][0]
    assert (plain["reason_code"], plain["remedy"]["href"]) == ("no_payout_method", "/api/v1/expert/payout-methods")
    quoted()
    quoted(buy="GBP")
    (told,) = ask(caller, "pay-runs", at=NOW)["runs"]
    assert told["remedy"]["href"] == "/api/v1/expert/exchange-quotes?sell=USD&buy=EUR"


def test_who_is_left_out_of_a_run_that_is_looked_at_exchanges_and_the_run_goes_on() -> None:
    (ada, caller), quote = in_euros(), quoted()
    story.earn(story.new_expert("Bob"), 5_000, lab=story.new_lab(funded=5_000))
    run = left_out_run()
    assert exchange(caller, quote, "1234.56", at=NOW).status_code == 201
    with platform():
        released = pay_runs.release(
            run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=NOW
        )
    assert (released.line_count, story.owed(ada), story.owed(ada, "EUR")) == (1, 0, 113_171)


def test_a_line_that_is_being_looked_at_is_left_alone() -> None:
    (ada, caller), quote = in_euros(), quoted()
    story.add_method(ada, account="dollars")
    run = left_out_run()
    refused = exchange(caller, quote, "1.00", at=NOW)
    assert (refused.status_code, refused.json()["code"], refused.json()["run"]) == (409, "pay_in_run", run.public_id)
    assert refused.json()["remedy"]["href"] == "/api/v1/expert/pay-runs"
    (offer,) = ask(caller, "exchange-quotes", at=NOW)
    assert (offer["owed"]["amount"], offer["buys"]["amount"]) == ("0.00", "0.00")
    with platform():
        pay_run_holds.hold(line=run.lines.get(), reason="Unusual hours.", by=story.new_user(), now=NOW)
    assert exchange(caller, quote, "1.00", at=NOW).json()["code"] == "pay_in_run"
    with platform():
        pay_runs.cancel(run=run, reason="wrong day", by=story.new_user(), now=NOW)
    assert exchange(caller, quote, "1.00", at=NOW).status_code == 201
    assert FxExchange.objects.count() == 1


def test_nothing_but_what_is_owed_is_exchanged() -> None:
    (ada, caller), quote = in_euros(100), quoted()
    for amount in ("1.01", "9999999999999.00"):
        refused = exchange(caller, quote, amount)
        assert (refused.status_code, refused.json()["code"]) == (409, "more_than_owed")
        assert refused.json()["available"] == {"amount": "1.00", "currency": "USD"}
    story.claw_back(ada, 150, lab=story.new_lab(), now=BEFORE)
    below = exchange(caller, quote, "0.01").json()
    assert (below["code"], below["available"]["amount"]) == ("more_than_owed", "0.00")
    assert not FxExchange.objects.exists()
    assert (story.owed(ada), story.owed(ada, "EUR")) == (-50, 0)


def test_money_of_a_sandbox_and_money_held_back_are_not_exchanged() -> None:
    (ada, caller), quote = in_euros(0), quoted()
    with unit_of_work(SYSTEM):
        legs = [(accounts.expense("bonus", "USD"), -5_000), (accounts.payable(ada.pk, "USD", sandbox=True), 5_000)]
        ledger.post(entries=[NewEntry("bonus", "adj_of_a_sandbox", BEFORE, legs)], now=BEFORE)
        held = ApprovedTime("tme_held", story.new_lab().pk, 0, ada.pk, "USD", 5_000, 0, BEFORE, holdback_minor=5_000)
        postings.time_approved(entries=[held], now=BEFORE)
    (offer,) = ask(caller, "exchange-quotes?sell=USD&buy=EUR")
    assert (offer["owed"]["amount"], offer["buys"]["amount"]) == ("0.00", "0.00")
    assert exchange(caller, quote, "0.01").json()["code"] == "more_than_owed"


def test_nobody_exchanges_while_a_decision_holds_his_payouts() -> None:
    (ada, caller), quote = in_euros(), quoted()
    story.block(ada, by=story.new_user(), now=BEFORE)
    refused = exchange(caller, quote, "1.00")
    assert (refused.status_code, refused.json()["code"]) == (409, "payouts_blocked")
    assert refused.json()["remedy"]["href"] == "/api/v1/expert/decisions"


def test_only_what_can_be_paid_out_is_bought() -> None:
    (_ada, caller), pounds = in_euros(), quoted(buy="GBP")
    refused = exchange(caller, pounds, "1.00")
    assert (refused.status_code, refused.json()["code"]) == (409, "nowhere_to_pay")
    assert not FxExchange.objects.exists()


def test_a_quote_of_the_past_or_of_the_future_is_not_used() -> None:
    (_ada, caller), quote = in_euros(), quoted()
    early = BEFORE - dt.timedelta(seconds=1)
    for at in (early, quote.valid_until):
        refused = exchange(caller, quote, "1.00", at=at)
        assert (refused.status_code, refused.json()["code"]) == (409, "quote_expired")
        assert ask(caller, "exchange-quotes", at=at) == []
    tiny = quoted("0.004")
    assert exchange(caller, tiny, "0.01").json()["code"] == "too_little_to_exchange"
    assert exchange(caller, quote, "1.00", at=quote.valid_until - dt.timedelta(seconds=1)).status_code == 201


GOOD = {"amount": "1.00", "currency": "USD"}


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"amount": GOOD}, "/quote"),
        ({"quote": "@"}, "/amount"),
        ({"quote": 7, "amount": GOOD}, "/quote"),
        ({"quote": "@", "amount": "1.00"}, "/amount"),
        ({"quote": "@", "amount": {"amount": 1, "currency": "USD"}}, "/amount"),
        ({"quote": "@", "amount": {"amount": "1.0", "currency": "USD"}}, "/amount/amount"),
        ({"quote": "@", "amount": {"amount": "-1.00", "currency": "USD"}}, "/amount/amount"),
        ({"quote": "@", "amount": {"amount": "0.00", "currency": "USD"}}, "/amount/amount"),
        ({"quote": "@", "amount": {"amount": "NaN", "currency": "USD"}}, "/amount/amount"),
        ({"quote": "@", "amount": {"amount": "99999999999999999999.00", "currency": "USD"}}, "/amount/amount"),
        ({"quote": "@", "amount": {"amount": "1.00", "currency": "EUR"}}, "/amount/currency"),
        ({"quote": "@", "amount": {"amount": "1.00", "currency": "XXX"}}, "/amount/currency"),
        ({"quote": "@", "amount": GOOD, "rate": "2"}, "/rate"),
    ],
)
def test_senseless_requests_move_nothing(wrong: dict[str, Any], pointer: str) -> None:
    (ada, caller), quote = in_euros(1_000), quoted()
    body = {**wrong, **({"quote": quote.public_id} if wrong.get("quote") == "@" else {})}
    with clock.frozen(BEFORE):
        answer = caller("POST", "/api/v1/expert/exchanges", body, Idempotency_Key="k1")
    assert answer.status_code == 400, answer.content
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert (story.owed(ada), FxExchange.objects.count()) == (1_000, 0)


def test_a_key_is_needed_and_quotes_and_exchanges_of_nobody_are_not_found() -> None:
    (_ada, caller), quote = in_euros(), quoted()
    body = {"quote": quote.public_id, "amount": GOOD}
    with clock.frozen(BEFORE):
        assert caller("POST", "/api/v1/expert/exchanges", body).json()["code"] == "idempotency_key_required"
        assert caller("GET", "/api/v1/expert/exchange-quotes?sell=XXX").status_code == 400
        assert caller("GET", "/api/v1/expert/exchange-quotes?colour=red").status_code == 400
    for unknown in ("fxq_x", "fxq_01m80neg09e0nt9th0cpkhb0m0", ""):
        assert exchange(caller, unknown, "1.00", key=f"k{unknown}").status_code in {400, 404}
    made = exchange(caller, quote, "1.00").json()["id"]
    _bob, stranger = in_euros()
    with clock.frozen(BEFORE):
        for path in (f"exchanges/{made}", f"earnings/{made}/explain", "exchanges/fxe_01m80neg09e0nt9th0cpkhb0m0"):
            assert stranger("GET", f"/api/v1/expert/{path}").status_code == 404
        assert stranger("GET", "/api/v1/expert/exchanges").json()["results"] == []
        key = tokens.mint_lab_key(tenant=story.new_lab(), name="tests", scopes=["funding:write"]).secret
        lab = Caller(Authorization=f"Bearer {key}")
        assert lab("GET", "/api/v1/expert/exchanges").status_code in {401, 403}
        assert lab("POST", "/api/v1/expert/exchanges", body, Idempotency_Key="k9").status_code in {401, 403}
    assert exchange(caller, quote, "2.00").status_code == 422


def test_finance_sees_what_experts_exchanged() -> None:
    (ada, caller), quote = in_euros(), quoted()
    made = exchange(caller, quote, "100.00").json()
    page = Desk("view_fxexchange").get("fxexchange/").content.decode()
    assert made["id"] in page
    assert ada.legal_name in page
    assert "91.67 EUR" in page


def test_an_exchange_has_one_entry_and_no_lab() -> None:
    (_ada, caller), quote = in_euros(), quoted()
    made = exchange(caller, quote, "12.34").json()
    with platform():
        (entry,) = JournalEntry.objects.filter(source_id=made["id"])
        legs = dict(entry.postings.values_list("account__key", "amount"))
        assert (entry.kind, entry.tenant_id, entry.legs) == ("fx_exchanged", None, 4)
    assert sorted(legs.values()) == [-1_234, -1_131, 1_131, 1_234]
    assert Money(legs["fx:USD"], "USD") == Money(1_234, "USD")
