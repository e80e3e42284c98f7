"""The whole API keeps the word of its OpenAPI document: as a lab, as an expert, as a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from core import clock, tokens
from core.api import docs
from core.principal import Principal
from core.unit_of_work import unit_of_work
from tests.contract import explore, operations
from tests.tasks import world
from tests.tasks.world import NOW

EXAMPLES = 12
# A fuzzed clock ends in the year 3000, and every key with it.
LEFT_OUT = {"/api/v1/sandbox/clock/advance"}
CREATES_FIRST = {"post": 0, "get": 1, "put": 2, "patch": 2, "delete": 3}


@pytest.fixture
def callers(transactional_db: None) -> Iterator[dict[str, dict[str, str]]]:
    """Headers of a lab that may do everything, of an expert at work for it, and of nobody; the clock stands still."""
    docs.document.cache_clear()
    scopes = sorted({operation.definition.raw.get("x-required-scope", "") for operation in operations()} - {""})
    with clock.frozen(NOW):
        desk = world.make_desk()
        worker, other = world.make_worker(desk), world.make_worker(desk, "bea@example.org")
        world.make_batch(desk, [world.authoring() for _ in range(6)])
        worker.do(world.rubric_body())
        worker.claim()
        other.do(world.rubric_body())
        spare = [tokens.mint_lab_key(tenant=desk.lab.tenant, name="spare", scopes=scopes) for _ in range(4)]
        yield {
            "lab": {"Authorization": f"Bearer {spare[-1].secret}"},
            "expert": worker.call.headers,
            "anonymous": {},
        }


def _known_ids() -> dict[str, list[str]]:
    """Path parameter → ids of things that exist by now: `version_id` names an AgreementVersion."""
    found: dict[str, list[str]] = {}
    with unit_of_work(Principal.system("tests.contract")):
        for model in apps.get_models():
            if any(field.name == "public_id" for field in model._meta.fields):
                words = re.sub("(?<!^)(?=[A-Z])", "_", model.__name__).lower().split("_")
                ids: list[Any] = list(model._default_manager.order_by("pk").values_list("public_id", flat=True)[:3])
                for start in range(len(words)):
                    found.setdefault("_".join(words[start:]) + "_id", []).extend(ids)
    # The oldest keys only: a caller that revokes his own learns nothing more.
    return found | {"key_id": found["access_token_id"]}


@pytest.mark.slow
@pytest.mark.parametrize("who", ["lab", "expert", "anonymous"])
def test_every_answer_is_a_documented_one(who: str, callers: dict[str, dict[str, str]]) -> None:
    """No crash, no undocumented status, no member that is not promised, no broken rule that is let through."""
    own = [operation for operation in operations() if operation.path not in LEFT_OUT]
    mine = [operation for operation in own if ("/expert" in operation.path) == (who == "expert") or who == "anonymous"]
    failures: list[str] = []
    seen: set[int] = set()
    for operation in sorted(mine, key=lambda operation: (CREATES_FIRST[operation.method.lower()], operation.path)):
        examples = 4 if who == "anonymous" else EXAMPLES
        try:
            seen |= explore(operation, headers=callers[who], ids=_known_ids(), examples=examples)
        except (Exception, BaseExceptionGroup) as failure:  # all of them are told at once, since one run takes a minute
            failures.append(f"{operation.label}: {_told(failure)}")
    assert failures == []
    # The run would prove little if nobody had come past the door.
    assert seen >= ({401} if who == "anonymous" else {200, 400, 404})


def _told(failure: BaseException) -> str:
    inner = getattr(failure, "exceptions", None)
    return "\n".join(_told(part) for part in inner) if inner else f"{type(failure).__name__}: {failure}"[:1500]


@pytest.mark.django_db
def test_every_lab_operation_names_its_scope(client: Client) -> None:
    """Except reading what every key may know: its own lab, its operations, and the catalogues."""
    docs.document.cache_clear()
    document = client.get("/api/v1/schema/").json()
    without = {
        (method, operation["tags"][0])
        for path in document["paths"].values()
        for method, operation in path.items()
        if operation["security"] == [{"labKey": []}] and "x-required-scope" not in operation
    }
    assert without <= {("get", tag) for tag in ("lab", "operations", "domains", "task_types", "rate_cards")}


@pytest.mark.django_db
def test_every_operation_is_described_and_exemplified(client: Client) -> None:
    """A summary, a description, and an example where there is a body."""
    docs.document.cache_clear()
    document = client.get("/api/v1/schema/").json()
    missing = []
    for path in document["paths"].values():
        for operation in path.values():
            bodies = operation.get("requestBody", {}).get("content", {})
            plain = [media for kind, media in bodies.items() if kind == "application/json"]
            if not operation["summary"] or not operation["description"] or any("example" not in m for m in plain):
                missing.append(operation["operationId"])
    assert missing == []
