"""Whoever moves money is counted, and waits while nobody can count; looking goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.urls import URLPattern

from core.api.endpoint import spec_of
from payments.api.urls import expert_urlpatterns, lab_urlpatterns
from tests.payments import hours_world as hours
from tests.payments.hours_world import lab_caller, platform

MOVES_MONEY = {
    "funding",
    "balance/conversions",
    "bonuses",
    "bonuses/bulk",
    "bonuses/<str:proposal_id>/approve",
    "milestones",
    "referrals",
    "exchanges",
    "timesheets/<str:timesheet_id>/approve",
    "overages/<str:overage_id>/approve",
    "overages/<str:overage_id>/decline",
    "payout-methods",
    "payout-methods/<str:method_id>/remove",
    "payout-methods/<str:method_id>/onboarding",
}


def posting_at_the_rate_of_money(patterns: list[URLPattern]) -> set[str]:
    """Paths whose POST is counted as money."""
    found = set()
    for pattern in patterns:
        view: Any = pattern.callback
        spec = spec_of(view.view_class, "POST")
        if spec is not None and spec.rate == "money":
            found.add(str(pattern.pattern))
    return found


def test_every_way_to_move_money_is_counted_as_such() -> None:
    assert posting_at_the_rate_of_money([*lab_urlpatterns, *expert_urlpatterns]) == MOVES_MONEY


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
