"""Who is let in, with which rights."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock, tokens
from core.models import AccessToken, Event, Tenant, TenantAccess, User
from tests.core.api.conftest import NOTES, Caller, lab_caller, problem

pytestmark = pytest.mark.django_db
ME = "/api/v1/expert/me"
NOON = dt.datetime(2026, 11, 16, 12, tzinfo=dt.UTC)


def _bearer(secret: str) -> Caller:
    return Caller(Authorization=f"Bearer {secret}")


def test_a_key_says_whose_it_is() -> None:
    """Live, test and personal keys are told apart by their prefix; only the hash is stored."""
    live = Tenant.objects.create(name="Lab")
    sandbox = Tenant.objects.create(name="Lab (sandbox)", live=live)
    user = User.objects.create_user("a@example.org")
    minted = [
        tokens.mint_lab_key(tenant=live, name="live", scopes=["notes:read"]),
        tokens.mint_lab_key(tenant=sandbox, name="test", scopes=["notes:read"]),
        tokens.mint_expert_token(user=user, name="mine"),
    ]
    assert [m.secret[:11] for m in minted] == ["cadre_live_", "cadre_test_", "cadre_exp_" + minted[2].secret[10]]
    for m in minted:
        assert tokens.is_well_formed(m.secret)
        assert m.secret not in str(AccessToken.objects.filter(pk=m.token.pk).values().get())
        assert m.secret.startswith(m.token.prefix)


def test_a_mistyped_key_is_refused_without_a_query(lab: Caller) -> None:
    """The checksum tells."""
    secret = lab.headers["Authorization"].removeprefix("Bearer ")
    wrong = secret[:20] + ("a" if secret[20] != "a" else "b") + secret[21:]
    with CaptureQueriesContext(connection) as queries:
        problem(_bearer(wrong)("GET", NOTES), 401, "not_authenticated")
    assert not [query for query in queries if "accesstoken" in query["sql"]]


def test_an_invented_key_with_a_good_checksum_is_unknown(lab: Caller) -> None:
    """The same answer as for a mistyped one."""
    problem(_bearer(tokens._new_secret(tokens.LIVE))("GET", NOTES), 401, "not_authenticated")


def test_a_key_ends(lab: Caller) -> None:
    """Expired and revoked keys are unknown, a rotated one works until its overlap is over."""
    tenant = Tenant.objects.get(name="Lab")
    with clock.frozen(NOON):
        short = tokens.mint_lab_key(
            tenant=tenant, name="x", scopes=["notes:read"], expires_at=NOON + dt.timedelta(hours=1)
        )
        rotated = tokens.mint_lab_key(tenant=tenant, name="y", scopes=["notes:read"])
        fresh = tokens.rotate(token=rotated.token, now=NOON)
        for minted in (short, rotated, fresh):
            assert _bearer(minted.secret)("GET", NOTES).status_code == 200
    with clock.frozen(NOON + dt.timedelta(hours=25)):
        for minted in (short, rotated):
            problem(_bearer(minted.secret)("GET", NOTES), 401, "not_authenticated")
        assert _bearer(fresh.secret)("GET", NOTES).status_code == 200
        tokens.revoke(token=fresh.token, now=clock.now())
        problem(_bearer(fresh.secret)("GET", NOTES), 401, "not_authenticated")
        with pytest.raises(tokens.TokenRevoked):
            tokens.rotate(token=fresh.token, now=clock.now())


def test_an_inactive_person_has_no_token(expert: Caller) -> None:
    """Nor a session."""
    assert expert("GET", ME).status_code == 200
    User.objects.update(is_active=False)
    problem(expert("GET", ME), 401, "not_authenticated")


def test_a_scope_is_needed_and_write_includes_read() -> None:
    """The refusal names the scope."""
    reader, writer, other = (lab_caller(name, f"{name}") for name in ("notes:read", "notes:write", "tasks:write"))
    assert reader("GET", NOTES).status_code == 200
    assert writer("GET", NOTES).status_code == 200
    assert writer("POST", NOTES, {"text": "x"}).status_code == 201
    for caller, method in ((reader, "POST"), (other, "GET")):
        document = problem(caller(method, NOTES, {"text": "y"} if method == "POST" else None), 403, "permission_denied")
        assert document["required_scope"] == ("notes:write" if method == "POST" else "notes:read")
    assert Event.objects.count() == 1


def test_audiences_do_not_mix(lab: Caller, expert: Caller) -> None:
    """A lab's key opens no expert's path, an expert's token no lab's."""
    problem(lab("GET", ME), 403, "permission_denied")
    problem(expert("GET", NOTES), 403, "permission_denied")


def test_a_person_without_a_profile_is_no_expert() -> None:
    """A lab's member, for instance."""
    user = User.objects.create_user("member@example.org", name="Member")
    minted = tokens.mint_expert_token(user=user, name="x")
    problem(_bearer(minted.secret)("GET", ME), 403, "permission_denied")


def test_staff_have_no_rest(client: Client) -> None:
    """They have the admin; a session of theirs binds no platform role here."""
    client.force_login(User.objects.create_user("staff@example.org", is_staff=True))
    problem(client.get(ME), 403, "permission_denied")


def test_a_browser_needs_the_csrf_token_to_write(db: None) -> None:
    """Reading works with the session alone."""
    user = User.objects.create_user("expert@example.org", name="Expert")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get(ME).json()["label"] == f"user:{user.public_id}"
    problem(browser.post(ME), 403, "permission_denied")
    browser.cookies["csrftoken"] = token = "a" * 32
    said = browser.post(ME, {"words": "hi"}, content_type="application/json", headers={"X-CSRFToken": token})
    assert said.json() == {"label": f"user:{user.public_id}", "said": "hi"}


def test_an_app_brings_its_session_token() -> None:
    """From the headless log-in; a token that is over is a 401."""
    user = User.objects.create_user("expert@example.org", name="Expert")
    browser = Client()
    browser.force_login(user)
    app = Caller(X_Session_Token=str(browser.session.session_key))
    assert app("GET", ME).json()["label"] == f"user:{user.public_id}"
    problem(Caller(X_Session_Token="gone")("GET", ME), 401, "not_authenticated")


def test_an_expert_reaches_the_tenants_he_has_access_to(expert: Caller) -> None:
    """And the database is told so."""
    tenants = [Tenant.objects.create(name=name) for name in "AB"]
    for tenant in tenants:
        TenantAccess.objects.create(user=User.objects.get(), tenant=tenant)
    with CaptureQueriesContext(connection) as queries:
        expert("GET", ME)
    reach = ",".join(str(tenant.pk) for tenant in tenants)
    assert any("app.tenant_ids" in query["sql"] and reach in query["sql"] for query in queries)


def test_the_use_of_a_key_is_noted_once_a_minute(lab: Caller, django_capture_on_commit_callbacks: object) -> None:
    """After the commit, so that requests do not queue for the row."""
    capture = django_capture_on_commit_callbacks
    seen = []
    for minutes in (0, 0.5, 2):
        now = NOON + dt.timedelta(minutes=minutes)
        with clock.frozen(now), capture(execute=True):  # type: ignore[operator]  # pytest-django's fixture is a context manager factory
            lab("GET", NOTES)
        seen.append(AccessToken.objects.get().last_used_at)
    assert seen == [NOON, NOON, NOON + dt.timedelta(minutes=2)]


def test_history_knows_the_key_and_the_request(lab: Caller) -> None:
    """Who, where and in which request a row changed."""
    started = lab("POST", "/api/v1/long-work", X_Request_ID="request-4711")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pgh_context->>'actor', pgh_context->>'request_id', pgh_context->>'url' FROM core_operationhistoryrow"
        )
        rows = cursor.fetchall()
    key = AccessToken.objects.get().public_id
    assert started.status_code == 202
    assert rows == [(f"key:{key}", "request-4711", "/api/v1/long-work")]
