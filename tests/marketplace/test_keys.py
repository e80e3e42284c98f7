"""No key gives what it does not have: not by making, not by rotating, not beyond its own end."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.mail import EmailMessage

from core import clock, outbox
from core.public import AccessToken, User
from marketplace.operations import labs
from tests.core.api.conftest import Caller, pointers, problem
from tests.marketplace.test_desk import Desk
from tests.marketplace.world import NOW, lab_caller, make_lab, platform

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


class TestSupport:
    """Support helps a lab in without getting in unseen itself."""

    def test_a_lab_without_keys_gets_one_and_every_admin_is_told(self, mailoutbox: list[EmailMessage]) -> None:
        lab, desk = make_lab(), Desk("view_lab", "issue_key")
        with platform():
            for email, role in (("second@acme.example", "admin"), ("viewer@acme.example", "viewer")):
                labs.add_member(lab=lab, email=email, role=role, now=NOW)
        with clock.frozen(NOW):
            page = desk.act(lab, "issue_key", reason="They lost the last one: ticket 17.")
            (secret,) = set(re.findall(r"cadre_live_\w+", page))
            outbox.drain(now=NOW)
            outbox.drain(now=NOW)
            key = Caller(Authorization=f"Bearer {secret}")
            (listed,) = key("GET", KEYS).json()["results"]
        assert {mail.to[0] for mail in mailoutbox} == {"admin@acme.example", "second@acme.example"}
        assert len(mailoutbox) == 2
        for mail in mailoutbox:
            assert "olga@example.org" in mail.body
            assert "ticket 17" in mail.body
            assert listed["id"] in mail.body
            assert secret not in mail.body
        assert listed["name"] == "support (olga@example.org): They lost the last one: ticket 17."

    def test_a_lab_that_can_make_its_own_gets_none(self, mailoutbox: list[EmailMessage]) -> None:
        lab, desk = make_lab(), Desk("view_lab", "issue_key")
        lab_caller(lab)
        with clock.frozen(NOW):
            assert "The lab makes its own keys" in desk.act(lab, "issue_key", reason="I want in.")
        assert AccessToken.objects.count() == 1
        AccessToken.objects.update(expires_at=NOW)
        with clock.frozen(NOW):
            assert "cadre_live_" in desk.act(lab, "issue_key", reason="Theirs has expired.")

    def test_a_lab_with_nobody_to_tell_gets_none(self) -> None:
        lab, desk = make_lab(), Desk("view_lab", "issue_key")
        User.objects.filter(email="admin@acme.example").update(is_active=False)
        with clock.frozen(NOW):
            assert "nobody to tell" in desk.act(lab, "issue_key", reason="Nobody looks.")
        assert not AccessToken.objects.exists()
