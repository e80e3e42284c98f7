"""The OpenAPI document says what the endpoints do, and the pages around it call nobody else."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from django.test import Client
from drf_spectacular.plumbing import ComponentRegistry
from jsonschema import Draft202012Validator
from schemathesis.openapi import from_dict

from core import clock
from core.api import docs
from core.api.schema import EndpointSchema
from core.api.typed import example_of, schema_of
from core.api.types import IdOf, MoneyOut, RateOut
from tests.core.api.conftest import NOTES, Caller, pointers, problem


@pytest.fixture
def document(client: Client, db: None) -> Iterator[dict[str, Any]]:
    """The document of the tests' own API."""
    docs.document.cache_clear()
    answer = client.get("/api/v1/schema/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/vnd.oai.openapi+json"
    yield answer.json()
    docs.document.cache_clear()


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()}


def test_names_are_stable_and_readable(document: dict[str, Any]) -> None:
    """Clients are generated from them."""
    assert document["openapi"] == "3.1.1"
    assert set(_operations(document)) == {
        "expert_me_create",
        "expert_me_retrieve",
        "expert_operations_retrieve",
        "long_work_create",
        "notes_create",
        "notes_delete",
        "notes_list",
        "notes_retrieve",
        "notes_ring",
        "notes_update",
        "operations_retrieve",
        "ping_create",
        "ping_retrieve",
        "sandbox_clock_advance",
        "secrets_create",
        "uploads_create",
        "uploads_retrieve",
    }


def test_scopes_and_credentials_are_told(document: dict[str, Any]) -> None:
    """For people and for machines."""
    operations = _operations(document)
    assert operations["notes_create"]["x-required-scope"] == "notes:write"
    assert "`notes:write`" in operations["notes_create"]["description"]
    assert operations["notes_create"]["security"] == [{"labKey": []}]
    assert {"expertToken": []} in operations["expert_me_retrieve"]["security"]
    assert operations["ping_retrieve"]["security"] == []


def test_parameters_are_told(document: dict[str, Any]) -> None:
    """Filters, pages, keys."""

    def names(operation: str) -> set[str]:
        parameters = _operations(document)[operation]["parameters"]
        return {parameter.get("name") or parameter["$ref"].rsplit("/", 1)[1] for parameter in parameters}

    assert names("notes_list") == {"subject", "limit_to", "Limit", "Cursor", "RequestId"}
    assert names("ping_create") == {"RequestId"}
    assert names("notes_create") == {"IdempotencyKey", "RequestId"}
    assert names("notes_ring") == {"note_id", "RequiredIdempotencyKey", "RequestId"}


def test_refusals_are_told_with_examples(document: dict[str, Any]) -> None:
    """By status, each code with an example."""
    responses = _operations(document)["notes_create"]["responses"]
    assert set(responses) == {"200", "201", "400", "401", "403", "404", "406", "409", "413", "415", "422", "429", "503"}
    examples = responses["409"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"conflict", "idempotency_in_flight", "note_too_loud"}
    example = document["components"]["examples"]["note_too_loud"]["value"]
    assert example["loudness"] == 3
    assert "404" in _operations(document)["notes_retrieve"]["responses"]
    assert "401" not in _operations(document)["ping_retrieve"]["responses"]


def test_bodies_are_strict_in_the_document_too(document: dict[str, Any]) -> None:
    """Own fields are components, unknown members are excluded, files are binary, patches have nothing required."""
    schemas = document["components"]["schemas"]
    note = schemas["NoteIn"]
    assert note["additionalProperties"] is False
    assert note["properties"]["price"] == {"$ref": "#/components/schemas/MoneyIn"}
    assert note["properties"]["at"]["format"] == "date-time"
    assert note["properties"]["length"]["format"] == "duration"
    assert "required" not in schemas["PatchedNoteIn"]
    assert schemas["FileIn"]["properties"]["file"]["format"] == "binary"
    body = _operations(document)["notes_create"]["requestBody"]["content"]
    assert body["application/json"]["example"] == {"text": "hello"}
    assert "application/x-ndjson" in body
    assert set(_operations(document)["uploads_create"]["requestBody"]["content"]) == {"multipart/form-data"}


def test_answers_have_examples_that_fit_their_schemas(document: dict[str, Any]) -> None:
    """Every generated example is valid against what the document says."""
    checked = 0
    for operation in _operations(document).values():
        for response in operation["responses"].values():
            for media in response.get("content", {}).values():
                if "example" in media:
                    schema = {**media["schema"], "components": document["components"]}
                    Draft202012Validator(schema).validate(media["example"])
                    checked += 1
    assert checked >= 12


def test_problem_examples_fit_the_problem_schema(document: dict[str, Any]) -> None:
    """All of them."""
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for example in document["components"]["examples"].values():
        Draft202012Validator(schema).validate(example["value"])


def test_the_document_is_valid_and_every_reference_resolves(document: dict[str, Any]) -> None:
    """Schemathesis can read it; no oneOf has an empty branch."""
    assert len(list(from_dict(document).get_all_operations())) == 17
    for reference in re.findall(r'"\$ref": ?"#/components/(\w+)/([\w-]+)"', str(document).replace("'", '"')):
        assert reference[1] in document["components"][reference[0]], reference

    def walk(node: Any) -> None:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        if isinstance(node, dict):
            assert {} not in node.get("oneOf", ())
        for child in children:
            walk(child)

    walk(document)


def test_one_name_is_one_type() -> None:
    """Two TypedDicts of the same name would silently share a component."""
    schema = EndpointSchema()
    schema.registry = ComponentRegistry()
    schema._register("Money", MoneyOut, {})
    schema._register("Money", MoneyOut, {})
    with pytest.raises(TypeError, match="rename one"):
        schema._register("Money", RateOut, {})


def test_an_id_may_be_of_several_nouns() -> None:
    """Where an answer stands for a thing or for its proposal, both prefixes are told, and no third."""
    schema = schema_of(Annotated[str, IdOf("adj", "prp")], lambda _name, _hint, _schema: None)
    assert schema["description"] == "Public id `adj_…` or `prp_…`."
    kinds = {kind: re.match(schema["pattern"], f"{kind}_01k9w3v6z8f2qr5t4h7xnm0ceg") for kind in ("adj", "prp", "mst")}
    assert [kind for kind, found in kinds.items() if found] == ["adj", "prp"]
    assert re.match(schema["pattern"], example_of(Annotated[str, IdOf("adj", "prp")]))


def test_the_docs_page_calls_nobody_else(client: Client) -> None:
    """Scripts and styles are ours, and the policy allows no other."""
    page = client.get("/api/v1/docs/")
    text = page.content.decode()
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(links) >= 4
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert "<script>" not in text
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "cdn" not in text


@pytest.mark.django_db
def test_health_is_told(client: Client, settings: Any) -> None:
    """Alive, ready, and which part is down."""
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok", "database": "ok", "broker": "ok"}
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    down = client.get("/readyz")
    assert (down.status_code, down.json()["broker"], down.json()["database"]) == (503, "down", "ok")


@pytest.mark.django_db
def test_measurements_name_routes_and_not_ids(client: Client, lab: Caller, settings: Any) -> None:
    """And ask for a token where one is set."""
    lab("GET", f"{NOTES}/evt_01k9w3v6z8f2qr5t4h7xnm0ceg")
    text = client.get("/metrics").content.decode()
    assert 'cadre_http_requests_total{method="GET",route="api/v1/notes/<str:note_id>",status="404"}' in text
    assert "01k9w3v6z8f2qr5t4h7xnm0ceg" not in text
    assert "cadre_operations_open 0.0" in text
    assert "cadre_outbox_due " in text
    settings.METRICS_TOKEN = "t0ken"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).status_code == 200


@pytest.mark.parametrize(
    ("mode", "token", "expected"),
    [
        ("production", "", (404, 404)),
        ("production", "t0ken", (401, 200)),
        ("development", "", (200, 200)),
    ],
)
def test_without_a_token_measurements_are_closed_in_production(
    mode: str, token: str, expected: tuple[int, int]
) -> None:
    """A process of its own, with the settings of that mode; the second request shows the token."""
    ask = (
        "import django; django.setup(); from django.test import Client; c = Client();"
        "print(*(c.get('/metrics', headers=h).status_code for h in ({}, {'Authorization': 'Bearer t0ken'})))"
    )
    environ = {
        **os.environ, "CADRE_MODE": mode, "METRICS_TOKEN": token, "CLOCK_MOVABLE": "false", "SECRET_KEY": "s" * 60,
        "VAULT_KEYS": "Y2FkcmUgZGV2ZWxvcG1lbnQgb25seSB2YXVsdCBrZXk=", "BASE_URL": "https://testserver",
        "DATABASE_URL": "postgres://cadre_app@127.0.0.1:1/none", "DJANGO_SETTINGS_MODULE": "config.settings",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ask], env=environ, capture_output=True, text=True, check=True
    )
    assert tuple(map(int, done.stdout.split())) == expected


@pytest.mark.django_db(transaction=True)
def test_the_clock_moves_in_development(anonymous: Caller) -> None:
    """Forward only, and at most a year at a time."""
    before = clock.now()
    moved = anonymous("POST", "/api/v1/sandbox/clock/advance", {"by": "P7D"})
    assert moved.status_code == 200, moved.content
    assert clock.now() - before >= dt.timedelta(days=7)
    assert "core.drain_outbox" in moved.json()["jobs"]
    for wrong in ("PT0S", "-P7D", "P2000D", "soon"):
        document = problem(anonymous("POST", "/api/v1/sandbox/clock/advance", {"by": wrong}), 400, "invalid")
        assert list(pointers(document)) == ["/by"]
