"""The edge's own small API keeps its OpenAPI document's word, whoever calls and whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.api import docs
from tests.contract import explore, operations
from tests.core.api.conftest import NOTES, Caller


@pytest.fixture
def _own_document() -> Iterator[None]:
    docs.document.cache_clear()
    yield
    docs.document.cache_clear()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_own_document")
@pytest.mark.parametrize("who", ["lab", "expert", "anonymous"])
def test_every_answer_is_a_documented_one(who: str, request: pytest.FixtureRequest) -> None:
    """Nothing crashes, no status and no member is a surprise."""
    caller: Caller = request.getfixturevalue(who)
    lab: Caller = request.getfixturevalue("lab")
    ids = [lab("POST", NOTES, {"text": f"note {n}"}).json()["id"] for n in range(3)]
    seen: dict[str, set[int]] = {}
    for operation in operations():
        if "clock" not in operation.path:  # a fuzzed clock ends in the year 3000, and every key with it
            seen[operation.label] = explore(operation, headers=caller.headers, ids={"note_id": ids}, examples=25)
    assert not [label for label, statuses in seen.items() if max(statuses) >= 500]
    if who == "lab":
        assert {201, 400} <= seen["POST /api/v1/notes"]
        assert 200 in seen["GET /api/v1/notes/{note_id}"]
