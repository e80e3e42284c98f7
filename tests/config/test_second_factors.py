"""One-time codes: a copy of the database makes none, and those from before go on working."""

from __future__ import annotations

import base64
import json
from importlib import import_module
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.apps import apps
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from core.models import User

PASSWORD = "correct horse battery"
EMAIL = "ada@example.org"
MIGRATION = import_module("core.migrations.0003_seal_second_factors")

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    user = User.objects.create_user(EMAIL, PASSWORD)
    EmailAddress.objects.create(user=user, email=EMAIL, verified=True, primary=True)
    return user


def code_of(secret: str) -> str:
    """The code of this half minute."""
    code: str = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))
    return code


def opens(secret: str) -> bool:
    """Whether codes of this secret open the account; each counts once, and one may be of a minute that just ended."""
    for _attempt in range(2):
        code = code_of(secret)
        for row in Authenticator.objects.filter(type="totp"):
            cache.delete(f"allauth.mfa.totp.used?user={row.user_id}&code={code}")
        if gets_in(code):
            return True
    return False


def stored() -> str:
    return json.dumps(list(Authenticator.objects.values_list("data", flat=True)))


def gets_in(code: str) -> bool:
    """Whether password and code open the account's pages."""
    client = Client()
    client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": code})
    return client.get("/accounts/2fa/").status_code == 200


def enrol() -> tuple[str, list[str]]:
    """Turn on one-time codes by the site's pages: the secret that the app keeps, and the recovery codes."""
    client = Client()
    client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    secret: str = client.session[SECRET_SESSION_KEY]
    answers = (client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}) for _attempt in range(2))
    assert any(answer.status_code == 302 for answer in answers)
    codes = client.get("/accounts/2fa/recovery-codes/download/").content.decode().split()
    return secret, codes


def test_a_copy_of_the_database_makes_no_codes(ada: User) -> None:
    secret, codes = enrol()
    assert codes
    assert secret not in stored()
    rows = dict(Authenticator.objects.values_list("type", "data"))
    assert rows["totp"]["secret"].startswith("sealed:")
    assert rows["recovery_codes"]["seed"].startswith("sealed:")
    assert secret.encode() not in base64.b64decode(rows["totp"]["secret"].removeprefix("sealed:"))
    assert opens(secret)
    assert gets_in(codes[0])
    assert not gets_in(codes[0])
    assert not gets_in("000000")


def test_what_was_stored_as_it_was_is_sealed_and_still_works(ada: User) -> None:
    """The migration, both ways and twice; the code before wrote the secret itself."""
    secret, seed = generate_totp_secret(), "ab" * 40
    Authenticator.objects.create(user=ada, type="totp", data={"secret": secret})
    Authenticator.objects.create(user=ada, type="recovery_codes", data={"seed": seed, "used_mask": 5})
    before = stored()
    assert opens(secret)
    MIGRATION.seal(apps, None)
    sealed = stored()
    assert secret not in sealed
    assert seed not in sealed
    assert Authenticator.objects.get(type="recovery_codes").data["used_mask"] == 5
    assert opens(secret)
    MIGRATION.seal(apps, None)
    assert opens(secret)
    MIGRATION.unseal(apps, None)
    assert json.loads(stored()) == json.loads(before)


def test_recovery_codes_of_an_older_library_are_sealed_too(ada: User) -> None:
    Authenticator.objects.create(user=ada, type="totp", data={"secret": generate_totp_secret()})
    Authenticator.objects.create(user=ada, type="recovery_codes", data={"migrated_codes": ["11112222", "33334444"]})
    MIGRATION.seal(apps, None)
    assert "33334444" not in stored()
    assert gets_in("33334444")
    assert not gets_in("33334444")


def test_keys_rotate_under_second_factors(ada: User, settings: Settings) -> None:
    """A new key in front seals from now on; what the former one sealed opens while it is in the list."""
    secret = generate_totp_secret()
    TOTP.activate(ada, secret)
    new = base64.b64encode(b"another key of thirty-two bytes!").decode()
    settings.VAULT_KEYS = [new, *settings.VAULT_KEYS]
    assert opens(secret)
    other: Any = User.objects.create_user("eve@example.org", PASSWORD)
    TOTP.activate(other, secret)
    rows = dict(Authenticator.objects.values_list("user__email", "data"))
    assert rows[EMAIL]["secret"][:14] != rows["eve@example.org"]["secret"][:14]
