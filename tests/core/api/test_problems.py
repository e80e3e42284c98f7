"""Whatever goes wrong, the caller gets a problem document, and nothing half-done stays."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError
from django.test import Client

from core import problems
from core.api import errors, problem_pages
from core.models import Event
from core.problems import Conflict, DomainError
from tests.core.api.conftest import NOTES, Caller, problem


@pytest.fixture
def quiet(lab: Caller) -> Caller:
    """A lab whose client shows server errors as the outside world sees them."""
    lab.client = Client(raise_request_exception=False)
    return lab


@pytest.mark.django_db
def test_a_domain_error_carries_its_members_and_its_remedy(lab: Caller) -> None:
    """And what the handler wrote before is rolled back."""
    document = problem(lab("POST", NOTES, {"text": "LOUD"}), 409, "note_too_loud")
    assert document["detail"] == "Please whisper."
    assert document["loudness"] == 4
    assert document["remedy"] == {"text": "Use lower case.", "href": "/docs/whisper"}
    assert document["instance"] == NOTES


@pytest.mark.django_db(transaction=True)
def test_a_refused_write_leaves_nothing(lab: Caller) -> None:
    """Even though the handler had written already."""
    problem(lab("POST", NOTES, {"text": "LOUD"}), 409, "note_too_loud")
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "not_authenticated"),
        ({"Authorization": "Bearer nonsense"}, "not_authenticated"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "not_authenticated"),
        ({"Authorization": "Bearer"}, "not_authenticated"),
    ],
)
def test_without_credentials_401_asks_for_a_bearer(anonymous: Caller, headers: dict[str, str], code: str) -> None:
    """The challenge tells which scheme."""
    answer = anonymous("GET", NOTES, **headers)
    problem(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer realm="cadre"'


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_a_method_nobody_declared_is_405(lab: Caller, anonymous: Caller, method: str) -> None:
    """For everybody, with the list of those that work."""
    for caller in (lab, anonymous):
        answer = caller(method, NOTES)
        problem(answer, 405, "method_not_allowed")
        assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.django_db
def test_a_head_is_a_get_without_a_body(lab: Caller) -> None:
    """As HTTP wants it."""
    answer = lab("HEAD", NOTES)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0.5"])
def test_who_cannot_read_json_is_told_so(lab: Caller, accept: str) -> None:
    """406 rather than something else."""
    problem(lab("GET", NOTES, Accept=accept), 406, "not_acceptable")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "text/html, application/json;q=0.1", "application/problem+json"]
)
def test_who_can_read_json_is_served(lab: Caller, accept: str) -> None:
    """Whatever else he would like better."""
    assert lab("GET", NOTES, Accept=accept).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "multipart/form-data"],
)
def test_other_media_types_are_415(lab: Caller, kind: str) -> None:
    """And the body is not even read."""
    problem(lab("POST", NOTES, b'{"text": "x"}', form=kind), 415, "unsupported_media_type")
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nope",
        b'{"text": "x"} trailing',
        b'{"text": NaN}',
        b'{"text": Infinity}',
        b'{"count": 1e400}',
        b'{"count": 1' + b"0" * 400 + b"}",
        b'{"count": 9223372036854775808}',
        b'{"text": "a", "text": "b"}',
        b'{"payload": {"a": {"b": 1, "b": 2}}}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\u0000"}',
        b'{"payload": {"deep": ["a\\u0000b"]}}',
        b'{"text": "\xff"}',
        b'{"payload": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"payload": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"payload":' * 20000,
        b"\x00",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_unreadable_json_is_refused(lab: Caller, body: bytes) -> None:
    """Each in its own words, none by a crash."""
    answer = problem(lab("POST", NOTES, body[:99_000]), 400, "malformed_body")
    assert answer["detail"]
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "payload",
    [
        '"a:b {\\"c\\": 1}"',
        '"\\\\u0000 is text"',
        "9223372036854775807",
        "-9223372036854775808",
        "0.12345678901234567890",
        "[]",
    ],
)
def test_unusual_but_valid_json_is_read(lab: Caller, payload: str) -> None:
    """The checks do not refuse what they should let pass."""
    assert lab("POST", NOTES, b'{"text": "x", "payload": %s}' % payload.encode()).status_code == 201


@pytest.mark.django_db
def test_a_nul_is_pointed_at(lab: Caller) -> None:
    """The pointer leads to the text."""
    document = problem(lab("POST", NOTES, b'{"payload": {"a/b": ["x", "y\\u0000"]}}'), 400, "malformed_body")
    assert document["errors"][0]["pointer"] == "/payload/a~1b/1"


@pytest.mark.django_db
def test_a_large_body_is_refused_by_its_announced_length(lab: Caller) -> None:
    """Before it is read."""
    document = problem(lab("POST", NOTES, b'{"text": "' + b"x" * 200_000 + b'"}'), 413, "body_too_large")
    assert document["max_bytes"] == 100_000


@pytest.mark.django_db
def test_a_value_that_cannot_be_stored_is_a_400(lab: Caller) -> None:
    """Where no field has caught it."""
    problem(lab("POST", NOTES, {"text": "nul in the database"}), 400, "invalid")


@pytest.mark.django_db
def test_a_constraint_nobody_named_is_a_conflict(lab: Caller) -> None:
    """A named one is its own error."""
    lab("POST", NOTES, {"text": "first"})
    problem(lab("POST", NOTES, {"text": "broken constraint"}), 409, "conflict")


@pytest.mark.django_db
def test_a_named_constraint_is_its_own_error(lab: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered beside the model."""

    class NoteTwice(Conflict):
        """This note exists."""

        code = "note_twice"

    monkeypatch.setattr(problems, "_constraint_errors", {})
    problems.map_constraint("core_event_public_id_key", NoteTwice)
    lab("POST", NOTES, {"text": "first"})
    problem(lab("POST", NOTES, {"text": "broken constraint"}), 409, "note_twice")
    del problems._registry["note_twice"]


@pytest.mark.django_db(transaction=True)
def test_what_fails_at_the_commit_is_told_too(lab: Caller) -> None:
    """Deferred constraints speak after the view is over."""
    problem(lab("POST", NOTES, {"text": "late"}), 409, "conflict")
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_bug_is_a_500_without_details(quiet: Caller) -> None:
    """The traceback is for the log."""
    document = problem(quiet("POST", NOTES, {"text": "bug"}), 500, "internal_error")
    assert "ZeroDivision" not in str(document)


@pytest.mark.django_db
def test_a_database_that_is_down_is_a_503(quiet: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time to wait, on API paths and on pages."""

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("core.api.views.CadreView._authenticate", broken)
    answer = quiet("GET", NOTES)
    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "5"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v2/notes", "/api/v1/notes/", "/api/v1/notes//", "/api/"])
def test_paths_nobody_serves_are_404(lab: Caller, path: str) -> None:
    """As a problem document below /api/, whoever asks."""
    problem(lab("GET", path), 404, "not_found")


@pytest.mark.django_db
def test_a_foreign_host_is_a_400(anonymous: Caller) -> None:
    """Refused by Django before any view."""
    problem(anonymous("GET", NOTES, Host="evil.example"), 400, "invalid")


@pytest.mark.parametrize("given", ["my-request.42", "A" * 128])
@pytest.mark.django_db
def test_a_request_id_comes_back(anonymous: Caller, given: str) -> None:
    """The caller's own name for the request."""
    answer = anonymous("GET", "/api/v1/ping", X_Request_ID=given)
    assert answer["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["short", "A" * 129, "with space and more", "ünïcode-id", "a\tb\tc\td\te"])
@pytest.mark.django_db
def test_a_request_id_that_is_none_is_replaced(anonymous: Caller, given: str) -> None:
    """Nothing of it reaches the log."""
    assert re.fullmatch("[0-9a-f]{32}", anonymous("GET", "/api/v1/ping", X_Request_ID=given)["X-Request-ID"])


@pytest.mark.django_db
def test_every_error_has_a_page(client: Client) -> None:
    """Reachable from the index, self-contained, with the text of the docstring."""
    index = client.get("/problems/").content.decode()
    for error in problem_pages.all_errors():
        assert f"/problems/{error.code}" in index
        page = client.get(f"/problems/{error.code}")
        assert page.status_code == 200
        text = page.content.decode()
        assert error.code in text
        assert "<script" not in text
        assert "http://" not in text.replace("http://testserver", "")
        assert "https://" not in text
    assert client.get("/problems/no_such_code").status_code == 404


def test_the_written_page_is_compared(tmp_path: Any, settings: Any) -> None:
    """`problem_docs` writes docs/errors.md, `--check` notices that it is old."""
    settings.BASE_DIR = tmp_path
    with pytest.raises(CommandError):
        call_command("problem_docs", check=True)
    call_command("problem_docs")
    call_command("problem_docs", check=True)
    text = (tmp_path / "docs" / "errors.md").read_text()
    assert "## `idempotency_in_flight` (409)" in text


def test_an_error_without_a_docstring_is_refused() -> None:
    """The docstring is the help page."""
    with pytest.raises(TypeError, match="docstring"):
        type("Nameless", (DomainError,), {"code": "nameless"})
    assert "nameless" not in problems.registry()


def test_two_errors_may_not_share_a_code() -> None:
    """Callers decide by the code."""
    with pytest.raises(TypeError, match="share"):
        type("Other", (DomainError,), {"code": "conflict", "__doc__": "Text."})
    assert problems.registry()["conflict"] is Conflict


def test_an_error_may_not_override_the_document() -> None:
    """RFC 9457's names are taken."""
    with pytest.raises(TypeError, match="status"):
        Conflict("x", status=200)


def test_an_unknown_exception_is_nobodys_error() -> None:
    """It must reach the log as the bug it is."""
    assert errors.as_domain_error(ZeroDivisionError()) is None
