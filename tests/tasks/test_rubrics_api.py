"""Rubrics over REST: write, import, lint, score, version."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tasks.models import CriterionGrade, Rubric, RubricCriterion
from tests.marketplace.world import platform
from tests.shared_data import shared_json
from tests.tasks.world import CRITERIA, LAB, grades, grading, make_batch, make_desk, make_rubric, make_worker

pytestmark = pytest.mark.django_db


def test_what_is_written_comes_back() -> None:
    desk = make_desk()
    rich = {
        "id": "c5",
        "text": "Cites a guideline.",
        "points": 2.5,
        "kind": "ordinal",
        "choices": ["no", "partly", "yes"],
        "importance": "important",
        "needs_grounding": True,
        "depends_on": ["c1"],
        "tags": ["axis:accuracy"],
        "sources": ["https://example.org"],
        "justification": "Because.",
        "examples": {"met": ["ESC 2022"], "not_met": ["trust me"]},
    }
    body = {"criteria": [*CRITERIA, rich], "title": "Aspirin", "external_id": "r-1", "project": desk.project.public_id}
    made = desk.call("POST", f"{LAB}/rubrics", body)
    assert made.status_code == 201, made.content
    shown = desk.call("GET", f"{LAB}/rubrics/{made.json()['id']}").json()
    assert shown["criteria"] == body["criteria"]
    assert (shown["version"], shown["status"], shown["title"]) == (1, "draft", "Aspirin")
    listed = desk.call("GET", f"{LAB}/rubrics?external_id=r-1&project={desk.project.public_id}").json()["results"]
    assert [row["id"] for row in listed] == [shown["id"]]
    assert "criteria" not in listed[0]


def test_a_change_is_the_next_version() -> None:
    desk = make_desk()
    first = make_rubric(desk)
    second = desk.call("POST", f"{LAB}/rubrics", {"criteria": CRITERIA[:2], "replaces": first}).json()
    assert (second["version"], second["replaces"]) == (2, first)
    again = desk.call("POST", f"{LAB}/rubrics", {"criteria": CRITERIA[:3], "replaces": first})
    assert (again.status_code, again.json()["code"]) == (409, "rubric_replaced")


def test_defects_are_refused_by_pointer() -> None:
    desk = make_desk()
    twice = [{"id": "c1", "text": "One.", "points": 1}, {"id": "c1", "text": "Two.", "points": 0}]
    answer = desk.call("POST", f"{LAB}/rubrics", {"criteria": twice})
    assert answer.json()["code"] == "rubric_unusable"
    assert {error["code"] for error in answer.json()["errors"]} == {"duplicate_id", "zero_points"}
    shapeless = desk.call("POST", f"{LAB}/rubrics", {"criteria": [{"id": 5, "colour": "red"}]})
    assert {error["pointer"] for error in shapeless.json()["errors"]} == {
        "/criteria/0/id",
        "/criteria/0/text",
        "/criteria/0/colour",
    }
    with platform():
        assert not Rubric.objects.exists()


def test_the_known_healthbench_score() -> None:
    desk = make_desk()
    rubric_id = make_rubric(desk)
    verdicts = zip(CRITERIA, (True, False, True, True), strict=True)
    body = {"grades": [{"criterion": criterion["id"], "verdict": verdict} for criterion, verdict in verdicts]}
    scored = desk.call("POST", f"{LAB}/rubrics/{rubric_id}/score", body).json()
    assert scored["score"] == 0.5
    missing = desk.call("POST", f"{LAB}/rubrics/{rubric_id}/score", {"grades": body["grades"][:3]})
    assert missing.json()["errors"][0]["code"] == "missing"
    odd = {"grades": [{"criterion": "c1", "verdict": [1]}]}
    assert desk.call("POST", f"{LAB}/rubrics/{rubric_id}/score", odd).status_code == 400


def test_the_linter_takes_either_form_and_stores_nothing() -> None:
    desk = make_desk()
    native = desk.call("POST", f"{LAB}/rubrics/lint", {"criteria": CRITERIA[:1]}).json()["findings"]
    assert {finding["code"] for finding in native} >= {"no_negative"}
    foreign = {"format": "healthbench", "rubric": [{"criterion": "", "points": 0, "tags": []}]}
    found = desk.call("POST", f"{LAB}/rubrics/lint", foreign).json()["findings"]
    assert found[0]["level"] == "blocking"
    assert desk.call("POST", f"{LAB}/rubrics/lint", {}).status_code == 400
    with platform():
        assert not Rubric.objects.exists()


def test_frozen_rubrics_take_no_criteria() -> None:
    desk = make_desk()
    rubric_id = make_rubric(desk)
    make_batch(desk, [grading(rubric_id)])
    with platform(), pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        rubric = Rubric.objects.get(public_id=rubric_id)
        RubricCriterion.objects.create(tenant_id=rubric.tenant_id, rubric=rubric, position=9, key="c9", text="x")


@pytest.mark.parametrize("name", ["rubric_semantic-self-consistency.json", "graded_semantic-self-consistency.json"])
def test_a_published_tree_comes_in(name: str) -> None:
    desk = make_desk()
    document = shared_json("rubrics", name)
    tree: Any = document if "sub_tasks" in document else document.get("graded_task_tree", document)
    made = desk.call("POST", f"{LAB}/rubrics/import", {"format": "paperbench", "rubric": tree})
    assert made.status_code == 201, made.content[:500]
    assert made.json()["score_policy"] == "tree"
    assert len(made.json()["criteria"]) > 50


def test_a_published_tree_with_double_ids_is_refused_by_name() -> None:
    desk = make_desk()
    document = shared_json("rubrics", "rubric_bridging-data-gaps.json")
    answer = desk.call("POST", f"{LAB}/rubrics/import", {"format": "paperbench", "rubric": document})
    assert answer.json()["code"] == "rubric_unusable"
    assert "duplicate_id" in {error["code"] for error in answer.json()["errors"]}


def test_grades_point_to_the_version_they_were_given_by() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    first = make_rubric(desk)
    make_batch(desk, [grading(first)])
    desk.call("POST", f"{LAB}/rubrics", {"criteria": CRITERIA[:2], "replaces": first})
    worker.do(grades(True, True, True, True))
    with platform():
        found = set(CriterionGrade.objects.values_list("criterion__rubric__public_id", flat=True))
    assert found == {first}
