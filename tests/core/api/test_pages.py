"""Lists neither skip nor repeat, and cursors cannot be made up."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.api import pagination
from core.api.pagination import PageRequest
from tests.core.api.conftest import NOTES, Caller, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def notes(lab: Caller) -> list[str]:
    """Seven notes, the newest first."""
    return [lab("POST", NOTES, {"text": f"note {n}"}).json()["id"] for n in range(7)][::-1]


def _ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["results"]]


def test_pages_follow_each_other_both_ways(lab: Caller, notes: list[str]) -> None:
    """Forward to the end and back to the start."""
    first = lab("GET", f"{NOTES}?limit=3").json()
    second = lab("GET", first["next"]).json()
    third = lab("GET", second["next"]).json()
    assert _ids(first) + _ids(second) + _ids(third) == notes
    assert (first["previous"], third["next"]) == (None, None)
    assert _ids(lab("GET", third["previous"]).json()) == _ids(second)
    back = lab("GET", second["previous"]).json()
    assert _ids(back) == _ids(first)
    assert back["previous"] is None


def test_what_is_written_meanwhile_shifts_nothing(lab: Caller, notes: list[str]) -> None:
    """The second page goes on where the first one ended."""
    first = lab("GET", f"{NOTES}?limit=3").json()
    lab("POST", NOTES, {"text": "meanwhile"})
    lab("DELETE", f"{NOTES}/{notes[2]}")
    assert _ids(lab("GET", first["next"]).json()) == notes[3:6]


def test_filters_stay_on_the_next_page(lab: Caller, notes: list[str]) -> None:
    """The address keeps them."""
    for _ in range(2):
        lab("POST", NOTES, {"text": "twin"})
    first = lab("GET", f"{NOTES}?subject=twin&limit=1").json()
    second = lab("GET", first["next"]).json()
    assert [row["text"] for row in first["results"] + second["results"]] == ["twin", "twin"]
    assert second["next"] is None


def test_one_query_makes_a_page(lab: Caller, notes: list[str]) -> None:
    """There is no count."""
    with CaptureQueriesContext(connection) as queries:
        lab("GET", f"{NOTES}?limit=3")
    assert len([query for query in queries if 'FROM "core_event"' in query["sql"]]) == 1


def test_an_empty_list_is_a_page(lab: Caller) -> None:
    """Without neighbours."""
    assert lab("GET", NOTES).json() == {"next": None, "previous": None, "results": []}


def test_a_rival_sees_nothing_and_a_cursor_does_not_help(lab: Caller, rival: Caller, notes: list[str]) -> None:
    """A cursor is a position, no right."""
    assert rival("GET", NOTES).json()["results"] == []
    following = lab("GET", f"{NOTES}?limit=3").json()["next"]
    assert rival("GET", following).json()["results"] == []


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1000000000", "1" + "0" * 400, "ten", "1.5", "", "٣", " 5"])
def test_a_limit_is_1_to_200(lab: Caller, limit: str) -> None:
    """Anything else is refused, quickly."""
    document = problem(lab("GET", f"{NOTES}?limit={limit}"), 400, "invalid")
    assert document["errors"][0]["pointer"] == "?limit"


@pytest.mark.parametrize("cursor", ["", "x", "aGVsbG8", "%00", "é", "A" * 5000, "====", "eyJwIjogMX0"])
def test_an_invented_cursor_is_refused(lab: Caller, cursor: str) -> None:
    """It is encrypted and authenticated."""
    document = problem(lab("GET", f"{NOTES}?cursor={cursor}"), 400, "invalid")
    assert document["errors"][0]["pointer"] == "?cursor"


def test_a_cursor_belongs_to_its_list(lab: Caller, notes: list[str]) -> None:
    """Another path cannot use it."""
    cursor = pagination._encode("next", 5, "/api/v1/other")
    problem(lab("GET", f"{NOTES}?cursor={cursor}"), 400, "invalid")


def test_a_ranking_is_paged_by_position() -> None:
    """For answers that are no queryset."""
    rows = list(range(5))
    page = PageRequest(limit=2, direction="next", position=None, kept={})
    seen: list[int] = []
    while True:
        made = pagination.paginate(rows, page, order="-id", render=None, path="/p")
        seen += made["results"]
        if made["next"] is None:
            break
        _, position = pagination._decode(made["next"].split("cursor=")[1], "/p")
        page = PageRequest(limit=2, direction="next", position=position, kept={})
    assert seen == rows
