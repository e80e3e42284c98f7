"""The start page and the gate of the desk, as a browser meets them."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client
from pytest_django import Settings

from core.models import User

PASSWORD = "correct horse battery"


def member_of_staff(email: str = "ada@example.org", *, staff: bool = True) -> User:
    user = User.objects.create_user(email, PASSWORD, name="Ada", is_staff=staff, is_superuser=staff)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def log_in(client: Client, email: str = "ada@example.org", secret: str | None = None) -> None:
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    if secret:
        code = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))
        client.post("/accounts/2fa/authenticate/", {"code": code})


@pytest.mark.django_db
class TestStartPage:
    def test_a_guest_finds_a_door_for_every_role(self, client: Client, settings: Settings) -> None:
        settings.DEVELOPMENT = False
        page = client.get("/").content.decode()
        for words in ("Expert", "Lab", "Operations", "Finance", "/accounts/signup/", "/api/v1/docs/", "/admin/"):
            assert words in page
        assert "demo-credentials" not in page

    def test_its_policy_allows_no_foreign_code(self, client: Client) -> None:
        policy = client.get("/")["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy

    def test_log_in_and_sign_up_wear_the_sites_dress(self, client: Client) -> None:
        for path in ("/accounts/login/", "/accounts/signup/"):
            page = client.get(path).content.decode()
            assert "site/site.css" in page


@pytest.mark.django_db
class TestDesk:
    def test_guests_are_sent_to_the_sites_log_in(self, client: Client) -> None:
        response = client.get("/admin/", follow=True)
        assert response.redirect_chain[-1][0].startswith("/accounts/login/?next=")

    def test_a_password_alone_never_opens_it(self, client: Client) -> None:
        member_of_staff()
        log_in(client)
        assert client.get("/admin/").status_code == 302
        posted = client.post("/admin/login/", {"username": "ada@example.org", "password": PASSWORD})
        assert posted.status_code == 302
        assert posted["Location"] == "/accounts/2fa/"

    def test_a_second_factor_opens_it(self, client: Client) -> None:
        secret = generate_totp_secret()
        TOTP.activate(member_of_staff(), secret)
        log_in(client, secret=secret)
        response = client.get("/admin/")
        assert response.status_code == 200
        assert "What waits for you" in response.content.decode()
        assert "unsafe-eval" in response["Content-Security-Policy"]

    def test_somebody_who_is_no_staff_is_refused(self, client: Client) -> None:
        secret = generate_totp_secret()
        TOTP.activate(member_of_staff(staff=False), secret)
        log_in(client, secret=secret)
        assert client.get("/admin/", follow=True).status_code == 403

    def test_every_table_opens(self, client: Client) -> None:
        secret = generate_totp_secret()
        TOTP.activate(member_of_staff(), secret)
        log_in(client, secret=secret)
        from django.contrib import admin

        for model in admin.site._registry:
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert client.get(path).status_code == 200, path
