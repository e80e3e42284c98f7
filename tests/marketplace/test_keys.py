"""No key gives what it does not have: not by making, not by rotating, not beyond its own end."""

from __future__ import annotations

import datetime as dt

import pytest

from core import clock
from core.public import AccessToken
from tests.core.api.conftest import Caller, pointers, problem
from tests.marketplace.world import lab_caller, make_lab

KEYS = "/api/v1/api-keys"
NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db


def test_a_key_cannot_rotate_a_stronger_one_into_its_own_hands() -> None:
    lab = make_lab()
    lab_caller(lab, "funding:write")
    strong = AccessToken.objects.get()
    keeper = lab_caller(lab, "keys:write")
    refused = problem(keeper("POST", f"{KEYS}/{strong.public_id}/rotate"), 403, "permission_denied")
    assert refused["required_scope"] == "funding:write"
    assert AccessToken.objects.count() == 2
    strong.refresh_from_db()
    assert strong.revoked_at is None
    assert keeper("POST", f"{KEYS}/{strong.public_id}/revoke").status_code == 200  # taking rights away is no gain


def test_what_a_key_makes_ends_with_it_at_the_latest() -> None:
    maker = lab_caller(make_lab(), "keys:write")
    AccessToken.objects.update(expires_at=NOON + DAY)
    with clock.frozen(NOON):
        for later in (None, (NOON + 2 * DAY).isoformat()):
            body = {"name": "for ever", "scopes": ["keys:read"], **({"expires_at": later} if later else {})}
            refused = problem(maker("POST", KEYS, body), 400, "invalid")
            assert pointers(refused) == {"/expires_at": "outlives_maker"}
        made = maker("POST", KEYS, {"name": "today", "scopes": ["keys:read"], "expires_at": (NOON + DAY).isoformat()})
    assert made.status_code == 201
    assert AccessToken.objects.count() == 2


def test_a_rotated_key_makes_nothing_that_survives_its_overlap() -> None:
    old = lab_caller(make_lab(), "keys:write")
    key = AccessToken.objects.get()
    with clock.frozen(NOON):
        fresh = old("POST", f"{KEYS}/{key.public_id}/rotate")
        assert fresh.status_code == 201
        problem(old("POST", f"{KEYS}/{key.public_id}/rotate"), 409, "token_revoked")
        problem(old("POST", KEYS, {"name": "a way back", "scopes": ["keys:write"]}), 400, "invalid")
        problem(old("POST", f"{KEYS}/{fresh.json()['id']}/rotate"), 403, "permission_denied")
        new = Caller(Authorization=f"Bearer {fresh.json()['secret']}")
        assert new("POST", KEYS, {"name": "next", "scopes": ["keys:write"]}).status_code == 201
    with clock.frozen(NOON + 2 * DAY):
        assert old("GET", KEYS).status_code == 401
        assert new("GET", KEYS).status_code == 200
