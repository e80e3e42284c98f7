"""Consent given beforehand: what an expert is owed is exchanged before each cutoff, never at a worse price than agreed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core import clock, ids
from core.principal import Principal
from experts.public import Expert, Notice
from payments.models import ExchangeInstruction, FxExchange, FxQuote
from payments.operations.exchange import exchange_instructions
from payments.operations.runs import pay_runs
from payments.queries import ledger_findings
from tests.concurrency.together import together
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, platform
from tests.payments.test_fx_exchanges import ask, caller_of, in_euros

pytestmark = pytest.mark.django_db(transaction=True)
JOB = Principal.system("payments.follow_exchange_instructions")
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
AGREED = MONDAY - 2 * DAY
LATE = MONDAY - 30 * MINUTE
"""Half an hour before the cutoff of euros, and of dollars."""
WISH = {"sell": "USD", "buy": "EUR", "most_spread_bp": 75, "consent": True}


@pytest.fixture(autouse=True)
def _the_books_hold(transactional_db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


def quoted(rate: str = "0.9213", *, spread_bp: int = 50, at: dt.datetime = AGREED, days: int = 20) -> FxQuote:
    with platform():
        return story.quoted(rate, spread_bp=spread_bp, valid_until=at + days * DAY, now=at)


def post(caller: Caller, path: str, body: Any = None, *, at: dt.datetime = AGREED) -> Any:
    with clock.frozen(at):
        return caller("POST", f"/api/v1/expert/{path}", body, Idempotency_Key=ids.new_id("key"))


def agreed(caller: Caller, **terms: Any) -> Any:
    answer = post(caller, "exchange-instructions", {**WISH, **terms})
    assert answer.status_code == 201, answer.content
    return answer.json()


def follow(at: dt.datetime = LATE) -> int:
    return exchange_instructions.follow_all(by=JOB, now=at)


def notices(expert: Expert, kind: str) -> list[str]:
    with platform():
        return list(Notice.objects.filter(expert=expert, kind=kind).order_by("pk").values_list("body", flat=True))


def count(model: Any) -> int:
    with platform():
        return int(model.objects.count())


def test_from_consent_to_euros_on_the_account_by_the_next_run() -> None:
    (ada, caller), quote = in_euros(), quoted()
    made = agreed(caller, least_rate="0.9")
    assert (made["status"], made["sell"], made["buy"], made["most_spread_bp"]) == ("active", "USD", "EUR", 75)
    assert "Before each cutoff of EUR all that is payable in USD is exchanged" in made["consent"]
    assert (made["quote_now"]["id"], made["quote_now"]["all_in_rate"]) == (quote.public_id, "0.9166935")
    assert (made["quote_now"]["spread_bp"], made["quote_now"]["refused_because"]) == (50, None)
    assert (made["exchanges_from"], made["next_payday"]["pays_on"]) == ("2026-11-15T23:00:00Z", "2026-11-18")
    (blocker,) = ask(caller, "earnings", at=AGREED)["blockers"]
    assert blocker["remedy"]["href"].endswith(made["id"])
    assert follow(MONDAY - 61 * MINUTE) == 0
    assert story.owed(ada) == 123_456
    assert [follow(), follow(LATE + 5 * MINUTE), follow(MONDAY)] == [1, 0, 0]
    assert (story.owed(ada), story.owed(ada, "EUR")) == (0, 113_171)
    (exchange,) = ask(caller, "exchanges", at=LATE)["results"]
    (body,) = notices(ada, "pay.exchanged")
    for said in (quote.public_id, "50 basis points", f"{made['id']}/revoke"):
        assert said in body
    explained = ask(caller, f"earnings/{exchange['id']}/explain", at=LATE)["exchanged"]
    assert (explained["instruction"], explained["quote"]) == (made["id"], quote.public_id)
    story.released_run(currency="EUR")
    story.send_and_track()
    (payout,) = ask(caller, "payouts", at=NOW)["results"]
    assert (payout["status"], payout["amount"]) == ("paid", {"amount": "1131.71", "currency": "EUR"})


def test_what_is_earned_later_is_exchanged_before_the_next_cutoff() -> None:
    (ada, caller), _quote = in_euros(10_000), quoted()
    agreed(caller)
    assert follow() == 1
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000), at=MONDAY + DAY)
    assert follow(LATE + 10 * MINUTE) == 0
    assert follow(LATE + 7 * DAY) == 1
    assert (story.owed(ada), count(FxExchange)) == (0, 2)


def test_a_revoked_one_exchanges_nothing_and_is_revoked_once() -> None:
    (ada, caller), _quote = in_euros(), quoted()
    made = agreed(caller)
    revoked = post(caller, f"exchange-instructions/{made['id']}/revoke")
    assert (revoked.status_code, revoked.json()["status"], revoked.json()["next_payday"]) == (200, "revoked", None)
    again = post(caller, f"exchange-instructions/{made['id']}/revoke", at=AGREED + MINUTE)
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    assert follow() == 0
    assert (story.owed(ada), notices(ada, "pay.exchanged")) == (123_456, [])
    assert agreed(caller, most_spread_bp=10)["id"] != made["id"]
    assert [row["status"] for row in ask(caller, "exchange-instructions", at=AGREED)["results"]] == [
        "active",
        "revoked",
    ]


@pytest.mark.parametrize(
    ("terms", "quote", "code", "said"),
    [
        ({"most_spread_bp": 49}, "0.9213", "spread_too_high", "the spread was higher"),
        ({"least_rate": "0.9167"}, "0.9213", "rate_too_low", "the rate was lower"),
        ({}, "", "quote_missing", "nobody quoted"),
    ],
)
def test_nothing_is_exchanged_at_a_worse_price_and_he_hears_why_after_the_cutoff(
    terms: dict[str, Any], quote: str, code: str, said: str
) -> None:
    ada, caller = in_euros()
    if quote:
        quoted(quote)
    made = agreed(caller, **terms)
    assert [follow(), follow(LATE + 10 * MINUTE)] == [0, 0]
    shown = ask(caller, f"exchange-instructions/{made['id']}", at=LATE)
    assert (shown["obstacle"], notices(ada, "pay.not_exchanged")) == (code, [])
    assert [follow(MONDAY), follow(MONDAY + 5 * MINUTE)] == [0, 0]
    (body,) = notices(ada, "pay.not_exchanged")
    assert said in body
    assert (story.owed(ada), count(FxExchange)) == (123_456, 0)
    quoted("1.1", spread_bp=0, at=MONDAY)
    assert follow(LATE + 7 * DAY) == 1
    assert ask(caller, f"exchange-instructions/{made['id']}", at=LATE + 7 * DAY)["obstacle"] is None


def test_a_quote_that_comes_within_the_hour_is_used_and_nobody_is_alarmed() -> None:
    ada, caller = in_euros()
    agreed(caller)
    assert follow() == 0
    quoted(at=LATE + MINUTE)
    assert follow(LATE + 5 * MINUTE) == 1
    assert follow(MONDAY + MINUTE) == 0
    assert notices(ada, "pay.not_exchanged") == []


def test_what_a_run_counts_is_left_alone_until_the_run_is_over() -> None:
    (ada, caller), _quote = in_euros(), quoted()
    story.add_method(ada, account="dollars")
    made = agreed(caller)
    with platform():
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
        assert run.line_count == 1
    assert follow(LATE + 7 * DAY) == 0
    assert ask(caller, f"exchange-instructions/{made['id']}", at=NOW)["obstacle"] == "pay_in_run"
    assert story.owed(ada) == 123_456
    with platform():
        pay_runs.cancel(run=run, reason="Anew.", by=story.new_user(), now=NOW)
    assert follow(LATE + 7 * DAY + MINUTE) == 1
    assert story.owed(ada) == 0


def test_two_workers_and_a_revocation_at_once_exchange_at_most_once() -> None:
    (ada, caller), _quote = in_euros(), quoted()
    made = agreed(caller)
    calls = [
        follow,
        follow,
        follow,
        lambda: post(caller_of(ada), f"exchange-instructions/{made['id']}/revoke", at=LATE),
    ]
    together(calls)
    assert count(FxExchange) <= 1
    assert story.owed(ada) in {0, 123_456}
    with platform():
        assert ExchangeInstruction.objects.get().status == "revoked"
    assert follow(LATE + 7 * DAY) == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"consent": False}, 400, "consent_needed"),
        ({"consent": None}, 400, "invalid"),
        ({"buy": "USD"}, 400, "invalid"),
        ({"buy": "GBP"}, 409, "nowhere_to_pay"),
        ({"most_spread_bp": 10_000}, 400, "invalid"),
        ({"most_spread_bp": "75"}, 400, "invalid"),
        ({"least_rate": "-1"}, 400, "invalid"),
        ({"least_rate": "1e3"}, 400, "invalid"),
        ({"least_rate": 0.9}, 400, "invalid"),
        ({"sell": "XXX"}, 400, "invalid"),
        ({"colour": "red"}, 400, "invalid"),
    ],
)
def test_terms_that_make_no_sense_are_refused(change: dict[str, Any], status: int, code: str) -> None:
    _ada, caller = in_euros(0)
    answer = post(caller, "exchange-instructions", {**WISH, **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert count(ExchangeInstruction) == 0


def test_one_at_a_time_and_nobody_else_s() -> None:
    _ada, caller = in_euros(0)
    made = agreed(caller)
    second = post(caller, "exchange-instructions", {**WISH, "most_spread_bp": 10})
    assert (second.status_code, second.json()["code"]) == (409, "instruction_exists")
    _eve, other = in_euros(0)
    with clock.frozen(AGREED):
        assert other("GET", f"/api/v1/expert/exchange-instructions/{made['id']}").status_code == 404
    assert post(other, f"exchange-instructions/{made['id']}/revoke").status_code == 404
    assert ask(other, "exchange-instructions", at=AGREED)["results"] == []
    with platform(), pytest.raises(IntegrityError), transaction.atomic():
        ExchangeInstruction.objects.update(revoked_at=NOW)
