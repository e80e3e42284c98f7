"""Whoever moves money is counted, and waits while nobody can count; looking goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.urls import URLPattern

from core.api.endpoint import Endpoint, spec_of
from marketplace.api import urls as terms
from payments.api import urls as money
from tests.payments import hours_world as hours
from tests.payments.hours_world import lab_caller, platform

MOVES_MONEY = {
    "funding",
    "balance/conversions",
    "bonuses",
    "bonuses/bulk",
    "bonuses/<str:proposal_id>/approve",
    "milestones",
    "milestones/<str:milestone_id>/end",
    "time-entries/<str:entry_id>/dispute",
    "disputes/<str:dispute_id>/withdraw",
    "tax-profile",
    "offers/<str:offer_id>/accept",
    "amendments/<str:amendment_id>/accept",
    "referrals",
    "exchanges",
    "exchange-instructions",
    "timesheets/<str:timesheet_id>/approve",
    "overages/<str:overage_id>/approve",
    "overages/<str:overage_id>/decline",
    "payout-methods",
    "payout-methods/<str:method_id>/remove",
    "payout-methods/<str:method_id>/onboarding",
}


WORDS_ONLY = {
    "bonuses/<str:proposal_id>/refuse",
    "bonuses/<str:proposal_id>/withdraw",
    "disputes/<str:dispute_id>/answer",
    "exchange-instructions/<str:instruction_id>/revoke",
    "providers/<str:provider>/events",  # events have ids of their own
    "referrals/join",
    "time-entries/<str:entry_id>/heartbeat",
}
"""What moves nothing, and cannot happen twice because of the state it leaves."""
EVERYTHING = [
    *money.lab_urlpatterns,
    *money.expert_urlpatterns,
    *terms.lab_urlpatterns,
    *terms.expert_urlpatterns,
]


def posting_at_the_rate_of_money(patterns: list[URLPattern]) -> set[str]:
    """Paths whose POST is counted as money."""
    return {path for path, spec in posts(patterns).items() if spec.rate == "money"}


def posts(patterns: list[URLPattern]) -> dict[str, Endpoint]:
    """Path → what is declared for its POST."""
    found: dict[str, Endpoint] = {}
    for pattern in patterns:
        view: Any = pattern.callback
        spec = spec_of(view.view_class, "POST")
        if spec is not None:
            found[str(pattern.pattern)] = spec
    return found


def test_every_way_to_move_money_is_counted_as_such() -> None:
    assert posting_at_the_rate_of_money(EVERYTHING) == MOVES_MONEY


def test_whatever_moves_money_or_takes_time_down_asks_for_a_key() -> None:
    without = {path for path, spec in posts(EVERYTHING).items() if spec.idempotency != "required"}
    assert without & MOVES_MONEY == set()
    paid = [*money.lab_urlpatterns, *money.expert_urlpatterns]
    assert without & set(posts(paid)) == WORDS_ONLY


@pytest.mark.django_db
def test_without_the_counter_nothing_is_funded_and_everything_is_shown(settings: LazySettings) -> None:
    with platform():
        call = lab_caller(hours.build(funded_minor=0), "funding:write")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    refused = call("POST", "/funding", {"amount": {"amount": "5.00", "currency": "USD"}})
    assert refused.status_code == 503
    assert refused["Retry-After"]
    shown = call("GET", "/funding")
    assert (shown.status_code, shown.json()["results"]) == (200, [])
