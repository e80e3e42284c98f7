"""What a declared endpoint lets through, and in which shape it answers."""

from __future__ import annotations

import pytest

from core.models import Event
from tests.core.api.conftest import NOTES, Caller, pointers, problem

pytestmark = pytest.mark.django_db


def test_a_write_answers_201_and_a_read_shows_it(lab: Caller) -> None:
    """The plain case, with the headers that every answer carries."""
    written = lab("POST", NOTES, {"text": "hello", "price": {"amount": "1275.00", "currency": "USD"}})
    assert written.status_code == 201, written.content
    note = written.json()
    assert note["price"] == {"amount": "1275.00", "currency": "USD"}
    assert note["created_at"].endswith("Z")
    assert written["Cache-Control"] == "no-store"
    assert len(written["X-Request-ID"]) == 32
    shown = lab("GET", f"{NOTES}/{note['id']}")
    assert shown.status_code == 200
    assert shown.json()["text"] == "hello"


def test_another_lab_gets_the_answer_of_a_random_id(lab: Caller, rival: Caller) -> None:
    """Only the instance and the request id differ; nothing is changed or dropped."""
    note = lab("POST", NOTES, {"text": "mine"}).json()["id"]
    foreign = f"{NOTES}/{note}"
    random = f"{NOTES}/evt_01k9w3v6z8f2qr5t4h7xnm0ceg"
    for method, body in (("GET", None), ("PATCH", {"text": "stolen"}), ("DELETE", None)):
        answers = [problem(rival(method, path, body), 404, "not_found") for path in (foreign, random)]
        for answer in answers:
            del answer["instance"], answer["request_id"]
        assert answers[0] == answers[1]
    assert Event.objects.get(public_id=note).subject == "mine"


@pytest.mark.parametrize(
    "impossible", ["x", "evt_", "evt_01K9W3V6Z8F2QJ5T4H7XNM0CEG", "%00", "%F0%9F%92%A9", "a" * 3000]
)
def test_a_text_that_cannot_be_an_id_is_not_found(lab: Caller, impossible: str) -> None:
    """Without asking the database."""
    problem(lab("GET", f"{NOTES}/{impossible}"), 404, "not_found")


def test_unknown_members_are_refused_with_their_pointers(lab: Caller) -> None:
    """At every depth, and nothing is written."""
    body = {"text": "x", "txet": "y", "lines": [{"text": "a"}, {"text": "b", "we/ight": 1}]}
    document = problem(lab("POST", NOTES, body), 400, "invalid")
    assert pointers(document) == {"/txet": "unknown_field", "/lines/1/we~1ight": "unknown_field"}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("text", 5),
        ("text", True),
        ("text", ["x"]),
        ("count", "5"),
        ("count", 5.0),
        ("count", True),
        ("urgent", "true"),
        ("urgent", 1),
        ("ratio", "0.5"),
        ("ratio", True),
        ("colour", 1),
        ("at", 1700000000),
        ("lines", {"text": "a"}),
        ("tags", "abc"),
        ("metadata", []),
        ("length", 60),
    ],
)
def test_no_type_is_coerced_into_another(lab: Caller, member: str, value: object) -> None:
    """A string is no number and a number is no text."""
    document = problem(lab("POST", NOTES, {"text": "x", member: value}), 400, "invalid")
    assert pointers(document) == {f"/{member}": "wrong_type"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/text": "required"}),
        ({"text": None}, {"/text": "null"}),
        ({"text": ""}, {"/text": "blank"}),
        ({"text": "x" * 51}, {"/text": "max_length"}),
        ({"text": "a\x07b"}, {"/text": "control_characters"}),
        ({"text": "x", "count": 10}, {"/count": "max_value"}),
        ({"text": "x", "count": 10**18}, {"/count": "max_value"}),
        ({"text": "x", "colour": "blue"}, {"/colour": "invalid_choice"}),
        ({"text": "x", "at": "2026-11-16"}, {"/at": "instant"}),
        ({"text": "x", "at": "2026-11-16T09:30:00"}, {"/at": "instant"}),
        ({"text": "x", "at": "1999-12-31T23:59:59Z"}, {"/at": "out_of_range"}),
        ({"text": "x", "at": "9999-12-31T23:59:59-23:59"}, {"/at": "out_of_range"}),
        ({"text": "x", "price": {"amount": 5, "currency": "USD"}}, {"/price": "shape"}),
        ({"text": "x", "price": {"amount": "5.0", "currency": "USD"}}, {"/price/amount": "amount"}),
        ({"text": "x", "price": {"amount": "0.00", "currency": "USD"}}, {"/price/amount": "too_small"}),
        ({"text": "x", "price": {"amount": "1.00", "currency": "XXX"}}, {"/price/currency": "currency"}),
        ({"text": "x", "length": "PT2H"}, {"/length": "too_long"}),
        ({"text": "x", "length": "two hours"}, {"/length": "duration"}),
        ({"text": "x", "lines": [{"text": "a"}, {"text": ""}]}, {"/lines/1/text": "blank"}),
        ({"text": "x", "tags": ["ok", "longer"]}, {"/tags/1": "max_length"}),
        ({"text": "x", "tags": list("abcd")}, {"/tags": "max_length"}),
        ({"text": "x", "metadata": {"a": 1}}, {"/metadata/a": "wrong_type"}),
        ({"text": "x", "metadata": {str(n): "" for n in range(21)}}, {"/metadata": "too_many"}),
        ([], {"": "wrong_type"}),
        ("text", {"": "wrong_type"}),
    ],
)
def test_broken_rules_are_named_with_their_pointers(lab: Caller, body: object, expected: dict[str, str]) -> None:
    """The pointer leads to the member, the code names the rule."""
    document = problem(lab("POST", NOTES, body), 400, "invalid")
    assert pointers(document) == expected
    assert not Event.objects.exists()


def test_a_patch_is_partial_and_as_strict(lab: Caller) -> None:
    """Absent members stay, unknown ones are refused."""
    path = f"{NOTES}/{lab('POST', NOTES, {'text': 'before'}).json()['id']}"
    assert lab("PATCH", path, {"count": 3}).json()["text"] == "before"
    assert lab("PATCH", path, {"text": "after"}).json()["text"] == "after"
    halved = problem(lab("PATCH", path, {"lines": [{"weight": 1}]}), 400, "invalid")
    assert pointers(halved) == {"/lines/0/text": "required"}
    assert pointers(problem(lab("PATCH", path, {"other": 1}), 400, "invalid")) == {"/other": "unknown_field"}


def test_a_delete_answers_204_without_a_body(lab: Caller) -> None:
    """And the thing is gone."""
    path = f"{NOTES}/{lab('POST', NOTES, {'text': 'x'}).json()['id']}"
    gone = lab("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    problem(lab("GET", path), 404, "not_found")


def test_an_action_without_a_body_takes_none(lab: Caller) -> None:
    """An empty object is as good as nothing; anything else is refused."""
    path = f"{NOTES}/n1/ring"
    assert lab("POST", path, Idempotency_Key="a").status_code == 200
    assert lab("POST", path, {}, Idempotency_Key="b").status_code == 200
    document = problem(lab("POST", path, {"loud": True}, Idempotency_Key="c"), 400, "invalid")
    assert pointers(document) == {"/loud": "unknown_field"}


@pytest.mark.parametrize("query", ["?subjct=x", "?subject=x&page=2", "?format=json"])
def test_unknown_parameters_are_refused(lab: Caller, query: str) -> None:
    """A misspelt filter must not return everything."""
    document = problem(lab("GET", NOTES + query), 400, "invalid")
    assert set(pointers(document).values()) == {"unknown_parameter"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?subject=a&subject=b", "repeated_parameter"),
        ("?subject=%00", "null_characters_not_allowed"),
        ("?limit_to=x", "invalid"),
        ("?limit_to=0", "min_value"),
        ("?subject=", "blank"),
    ],
)
def test_parameters_are_validated(lab: Caller, query: str, code: str) -> None:
    """With a pointer that begins with a question mark."""
    document = problem(lab("GET", NOTES + query), 400, "invalid")
    assert list(pointers(document).values()) == [code]
    assert next(iter(pointers(document))).startswith("?")


def test_a_body_parameter_on_a_write_is_unknown_too(lab: Caller) -> None:
    """Writes take no parameters unless they declare some."""
    problem(lab("POST", f"{NOTES}?dry_run=1", {"text": "x"}), 400, "invalid")
    assert not Event.objects.exists()


def test_a_reply_chooses_its_status_and_headers(lab: Caller) -> None:
    """From those that the endpoint declares."""
    again = lab("POST", NOTES, {"text": "again"})
    assert (again.status_code, again["X-Note"]) == (200, "again")


def test_long_work_answers_202_with_its_address(lab: Caller, rival: Caller) -> None:
    """The operation is found there by the lab that started it, and by no other."""
    started = lab("POST", "/api/v1/long-work")
    assert started.status_code == 202
    address = started["Location"]
    assert address == f"/api/v1/operations/{started.json()['id']}"
    shown = lab("GET", address).json()
    assert (shown["state"], shown["results"], shown["errors"]) == ("pending", [], [])
    problem(rival("GET", address), 404, "not_found")


def test_lines_are_a_list_in_another_dress(lab: Caller) -> None:
    """NDJSON becomes the declared member; a broken line is pointed at by its index."""
    lines = b'{"text":"a"}\n\n{"text":"b"}\n'
    document = problem(lab("POST", NOTES, lines, form="application/x-ndjson"), 400, "invalid")
    assert pointers(document) == {"/text": "required"}
    broken = problem(lab("POST", NOTES, lines + b"{oops}", form="application/x-ndjson"), 400, "malformed_body")
    assert pointers(broken) == {"/lines/2": "malformed_body"}


def test_files_come_as_forms(lab: Caller) -> None:
    """Fields and files together; unknown fields are refused, JSON is not read."""
    form = b"".join(
        [
            b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nhi\r\n',
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n12345\r\n--x--\r\n',
        ]
    )
    kind = "multipart/form-data; boundary=x"
    assert lab("POST", "/api/v1/uploads", form, form=kind).json()["text"] == "hi:5"
    document = problem(lab("POST", "/api/v1/uploads", form.replace(b'"title"', b'"tilte"'), form=kind), 400, "invalid")
    assert pointers(document) == {"/tilte": "unknown_field"}
    problem(lab("POST", "/api/v1/uploads", {"title": "x"}), 415, "unsupported_media_type")


def test_downloads_ignore_what_the_caller_accepts(lab: Caller) -> None:
    """A file is what it is."""
    answer = lab("GET", "/api/v1/uploads", Accept="text/csv")
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "text/csv", b"a,b\n")
