"""From nothing to an expert with a token, over HTTP as a client without a browser does it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from core.public import User
from experts.models import Expert
from tests.experts.people import BASE

AUTH = "/_allauth/app/v1/auth"
PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


def _post(client: Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def _signed_up(client: Client, email: str = "new@example.org") -> str:
    """Sign up and verify the address; returns the session token."""
    answer = _post(client, f"{AUTH}/signup", {"email": email, "password": PASSWORD})
    assert answer.status_code == 401
    session = answer.json()["meta"]["session_token"]
    code = re.search(r"^([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})$", str(mail.outbox[-1].body), re.MULTILINE)
    assert code is not None, mail.outbox[-1].body
    verified = _post(client, f"{AUTH}/email/verify", {"key": code[1]}, **{"X-Session-Token": session})
    assert verified.status_code == 200
    assert verified.json()["data"]["user"]["id"] == User.objects.get(email=email).public_id
    return str(verified.json()["meta"].get("session_token", session))


def test_a_person_signs_up_verifies_the_address_becomes_an_expert_and_gets_a_token() -> None:
    client = Client()
    session = {"X-Session-Token": _signed_up(client)}
    assert Expert.objects.count() == 0

    early = client.get(f"{BASE}/credentials", headers=session)
    assert (early.status_code, early.json()["remedy"]["href"]) == (403, f"{BASE}/")

    profile = client.get(f"{BASE}/", headers=session)
    assert profile.status_code == 200
    assert profile.json()["email"] == "new@example.org"
    assert {todo["code"] for todo in profile.json()["to_do"]} >= {"legal_name_missing", "credential_missing"}
    assert client.get(f"{BASE}/", headers=session).json()["id"] == profile.json()["id"]
    assert Expert.objects.count() == 1

    made = _post(client, f"{BASE}/tokens", {"name": "laptop"}, **session)
    assert made.status_code == 201
    bearer = {"Authorization": f"Bearer {made.json()['secret']}"}
    fresh = Client()
    assert fresh.get(f"{BASE}/", headers=bearer).json()["id"] == profile.json()["id"]
    listed = fresh.get(f"{BASE}/tokens", headers=bearer).json()["results"]
    assert [row["name"] for row in listed] == ["laptop"]
    assert "secret" not in listed[0]


def test_an_unverified_address_opens_nothing() -> None:
    client = Client()
    answer = _post(client, f"{AUTH}/signup", {"email": "new@example.org", "password": PASSWORD})
    session = answer.json()["meta"]["session_token"]
    refused = client.get(f"{BASE}/", headers={"X-Session-Token": session})
    assert refused.status_code == 401
    assert Expert.objects.count() == 0


def test_a_token_cannot_make_or_revoke_tokens() -> None:
    client = Client()
    session = {"X-Session-Token": _signed_up(client)}
    made = _post(client, f"{BASE}/tokens", {"name": "laptop"}, **session).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    fresh = Client()
    refused = _post(fresh, f"{BASE}/tokens", {"name": "more"}, **bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "session_needed")
    assert _post(fresh, f"{BASE}/tokens/{made['id']}/revoke", {}, **bearer).status_code == 403

    revoked = _post(client, f"{BASE}/tokens/{made['id']}/revoke", {}, **session)
    assert revoked.status_code == 200
    assert fresh.get(f"{BASE}/", headers=bearer).status_code == 401


def test_a_replayed_request_makes_one_token_and_shows_no_secret_again() -> None:
    client = Client()
    session = {"X-Session-Token": _signed_up(client), "Idempotency-Key": "once"}
    first = _post(client, f"{BASE}/tokens", {"name": "laptop"}, **session)
    again = _post(client, f"{BASE}/tokens", {"name": "laptop"}, **session)
    assert again.status_code == 201
    assert again.json() == {**first.json(), "secret": None}
