"""Which provider pays which currency into which country, as experts see it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from payments.models import PayoutMethod
from payments.providers import registry
from tests.payments import ledger_story as story
from tests.payments.test_money_api import IBAN, expert_caller, get, post

pytestmark = pytest.mark.django_db(transaction=True)


def options(currency: str, country: str) -> Any:
    where = f"currency={currency}&country={country}"
    return get(expert_caller(story.new_expert(ready=False)), f"expert/payout-methods/options?{where}")


def test_the_ways_to_be_paid_follow_the_configuration(settings: Settings) -> None:
    settings.PAYOUT_RAILS = {"iban:EUR:*": "sandbox", "us_bank:USD:US": "sandbox"}
    found = options("EUR", "DE").json()
    assert found == [
        {
            "type": "iban",
            "currency": "EUR",
            "country": "DE",
            "provider": "sandbox",
            "details": ["iban"],
            "onboarding": False,
        }
    ]
    assert [rail["details"] for rail in options("USD", "US").json()] == [["routing_number", "account_number"]]
    assert options("USD", "DE").json() == []


def test_the_question_must_be_whole() -> None:
    caller = expert_caller(story.new_expert(ready=False))
    for query in ("", "?currency=EUR", "?currency=EUR&country=DEU", "?currency=EUR&country=DE&type=iban"):
        assert get(caller, f"expert/payout-methods/options{query}").status_code == 400


def test_the_currency_counts_more_than_the_country(settings: Settings) -> None:
    settings.PAYOUT_RAILS = {"iban:*:DE": "country", "iban:EUR:*": "currency", "iban:*:*": "any", "iban:EUR:AT": "both"}
    chosen = {
        (currency, country): registry.route(method_type="iban", currency=currency, country=country)
        for currency, country in (("EUR", "DE"), ("EUR", "AT"), ("CHF", "DE"), ("CHF", "AT"))
    }
    assert chosen == {
        ("EUR", "DE"): "currency",
        ("EUR", "AT"): "both",
        ("CHF", "DE"): "country",
        ("CHF", "AT"): "any",
    }


def test_a_method_keeps_the_rail_it_was_added_for(settings: Settings) -> None:
    ada = story.new_expert(ready=False)
    assert post(expert_caller(ada), "expert/payout-methods", IBAN).status_code == 201
    settings.PAYOUT_RAILS = {"iban:*:*": "elsewhere"}
    assert PayoutMethod.objects.get().provider == "sandbox"
