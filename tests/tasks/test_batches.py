"""Batches and bulk creation, over REST."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tasks.models import Batch, Task
from tests.marketplace import world
from tests.marketplace.world import platform
from tests.tasks.world import (
    LAB,
    authoring,
    finish,
    grading,
    hear,
    make_batch,
    make_desk,
    make_rubric,
    make_worker,
    post_tasks,
    task_of,
    tasks_in,
)

pytestmark = pytest.mark.django_db


def staged(desk: Any, **fields: Any) -> str:
    answer = desk.call("POST", f"{LAB}/projects/{desk.project.public_id}/batches", {"name": "First", **fields})
    assert answer.status_code == 201, answer.content
    found: str = answer.json()["id"]
    return found


def test_a_batch_is_made_listed_and_shown() -> None:
    desk = make_desk()
    batch_id = staged(desk, overlap=2, lease="PT1H", item_cap="PT45M", external_id="b-1", metadata={"team": "x"})
    shown = desk.call("GET", f"{LAB}/batches/{batch_id}").json()
    assert shown["status"] == "staging"
    assert shown["overlap"] == 2
    assert shown["lease"] == "PT1H"
    assert shown["item_cap"] == "PT45M"
    assert shown["tasks"] == {}
    listed = desk.call("GET", f"{LAB}/projects/{desk.project.public_id}/batches?external_id=b-1").json()["results"]
    assert [row["id"] for row in listed] == [batch_id]
    again = desk.call(
        "POST", f"{LAB}/projects/{desk.project.public_id}/batches", {"name": "Second", "external_id": "b-1"}
    )
    assert again.status_code == 409
    assert again.json()["code"] == "batch_external_id_taken"


def test_unknown_and_wrong_fields_are_named() -> None:
    desk = make_desk()
    answer = desk.call(
        "POST", f"{LAB}/projects/{desk.project.public_id}/batches", {"name": "x", "overlap": "2", "colour": "red"}
    )
    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/overlap", "/colour"}
    with platform():
        assert not Batch.objects.exists()


def test_the_states_of_a_batch_both_ways() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    path = f"{LAB}/batches/{batch_id}"
    empty = desk.call("POST", f"{path}/launch")
    assert (empty.status_code, empty.json()["code"]) == (409, "batch_empty")
    early = desk.call("POST", f"{path}/pause").json()
    assert early["code"] == "invalid_transition"
    assert early["allowed_transitions"] == ["cancelled", "in_progress"]
    assert desk.call("POST", f"{path}/resume").status_code == 409
    post_tasks(desk, batch_id, [authoring()])
    assert desk.call("POST", f"{path}/launch").json()["tasks"] == {"available": 1}
    assert desk.call("POST", f"{path}/launch").status_code == 409
    assert desk.call("POST", f"{path}/pause").json()["status"] == "paused"
    assert desk.call("POST", f"{path}/resume").json()["status"] == "in_progress"
    cancelled = desk.call("POST", f"{path}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["tasks"] == {"cancelled": 1}
    assert desk.call("POST", f"{path}/resume").json()["allowed_transitions"] == []


def test_a_paused_batch_gives_nothing_out() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    desk.call("POST", f"{LAB}/batches/{batch.public_id}/pause")
    assert worker.next().status_code == 200
    desk.call("POST", f"{LAB}/batches/{batch.public_id}/resume")
    assert worker.next().status_code == 201


def test_a_project_that_is_not_launched_launches_no_batch() -> None:
    lab = world.make_lab()
    project = world.make_project(lab, launched=False)
    call = world.lab_caller(lab)
    batch = call("POST", f"{LAB}/projects/{project.public_id}/batches", {"name": "First"}).json()
    answer = call("POST", f"{LAB}/batches/{batch['id']}/launch")
    assert answer.json()["code"] == "project_not_working"
    assert answer.json()["project_status"] == "draft"


def test_every_bad_item_is_named_and_none_is_stored() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    operation = post_tasks(
        desk,
        batch_id,
        [
            authoring(),
            {"type": "rubric_authoring", "payload": {"prompt": ""}},
            {"type": "poem", "payload": {}},
            "nonsense",
            {
                "type": "rubric_grading",
                "payload": {"prompt": "x", "response": {"text": "y"}, "rubric": "rub_" + "0" * 26},
            },
            {**authoring(), "colour": "red"},
            authoring(domain="alchemy"),
        ],
    )
    assert operation["state"] == "failed"
    found = {(error.get("index"), error.get("pointer")) for error in operation["errors"]}
    assert found == {
        (1, "/tasks/1/payload/prompt"),
        (2, "/tasks/2/type"),
        (3, "/tasks/3"),
        (4, "/tasks/4/payload/rubric"),
        (5, "/tasks/5/colour"),
        (6, "/tasks/6/payload/domain"),
        (None, None),
    }
    with platform():
        assert not Task.objects.exists()


def test_valid_items_go_in_when_asked() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    items = [{**authoring(), "external_id": "a"}, {"type": "poem"}, {**authoring(), "external_id": "a"}]
    operation = post_tasks(desk, batch_id, items, skip_invalid_items=True)
    assert operation["state"] == "partially_succeeded"
    assert [(row["index"], row["external_id"]) for row in operation["results"]] == [(0, "a")]
    assert {error["index"] for error in operation["errors"]} == {1, 2}
    later = post_tasks(desk, batch_id, [{**authoring(), "external_id": "a"}])
    assert later["errors"][0]["code"] == "taken"
    with platform():
        assert Task.objects.count() == 1


def test_lines_are_read_like_items() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    raw = b'{"type":"rubric_authoring","payload":{"prompt":"one"}}\n\n{"type":"rubric_authoring","payload":{}}\n'
    answer = desk.call(
        "POST",
        f"{LAB}/batches/{batch_id}/tasks?skip_invalid_items=true",
        raw,
        form="application/x-ndjson",
        Idempotency_Key="k",
    )
    operation = finish(desk, answer)
    assert len(operation["results"]) == 1
    assert operation["errors"][0]["pointer"] == "/tasks/1/payload"


def test_bulk_creation_needs_a_key_and_replays_it() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    path, body = f"{LAB}/batches/{batch_id}/tasks", {"tasks": [authoring()]}
    assert desk.call("POST", path, body).json()["code"] == "idempotency_key_required"
    key = str(uuid.uuid4())
    first = desk.call("POST", path, body, Idempotency_Key=key)
    second = desk.call("POST", path, body, Idempotency_Key=key)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()
    finish(desk, first)
    finish(desk, second)
    with platform():
        assert Task.objects.count() == 1


def test_limits_of_bulk_creation() -> None:
    desk = make_desk()
    batch_id = staged(desk)
    path = f"{LAB}/batches/{batch_id}/tasks"
    assert desk.call("POST", path, {"tasks": []}, Idempotency_Key="a").status_code == 400
    many = {"tasks": [1] * 10_001}
    assert desk.call("POST", path, many, Idempotency_Key="b").json()["errors"][0]["pointer"] == "/tasks"


def test_ten_thousand_go_in_by_few_statements(django_assert_max_num_queries: Any) -> None:
    desk = make_desk()
    batch_id = staged(desk)
    answer = desk.call("POST", f"{LAB}/batches/{batch_id}/tasks", {"tasks": [authoring()] * 2000}, Idempotency_Key="a")
    with django_assert_max_num_queries(45):
        operation = finish(desk, answer)
    assert operation["done"] == 2000


def test_gold_is_an_expected_submission_of_its_type() -> None:
    desk = make_desk()
    rubric = make_rubric(desk)
    batch_id = staged(desk)
    operation = post_tasks(
        desk,
        batch_id,
        [
            grading(rubric, gold={"grades": [{"criterion": "c1", "verdict": True}]}),
            grading(rubric, gold={"grades": "all"}),
            {**authoring(), "gold": {"criteria": []}},
            {**authoring(), "reference": {"criteria": ["published"]}},
        ],
        skip_invalid_items=True,
    )
    assert [row["index"] for row in operation["results"]] == [0, 3]
    assert {error["pointer"] for error in operation["errors"]} == {"/tasks/1/gold/grades", "/tasks/2/gold"}
    frozen = desk.call("GET", f"{LAB}/rubrics/{rubric}").json()
    assert frozen["status"] == "frozen"


def test_gold_expects_only_verdicts_that_a_grader_can_give() -> None:
    desk = make_desk()
    rubric = make_rubric(desk)
    wrong = [
        [{"criterion": "c9", "verdict": True}],
        [{"criterion": "c1", "verdict": "excellent"}],
        [{"criterion": "c1", "verdict": True}, {"criterion": "c1", "verdict": False}],
    ]
    items = [grading(rubric, gold={"grades": grades}) for grades in wrong]
    operation = post_tasks(desk, staged(desk), items)
    assert operation["state"] == "failed"
    pointers = [error["pointer"] for error in operation["errors"] if "pointer" in error]
    assert pointers == [
        "/tasks/0/gold/grades/0/criterion",
        "/tasks/1/gold/grades/0/verdict",
        "/tasks/2/gold/grades/1/criterion",
    ]


def test_an_overlap_of_two_needs_samples_to_grade() -> None:
    desk = make_desk()
    operation = post_tasks(desk, staged(desk, overlap=2), [authoring()])
    assert operation["errors"][0]["pointer"] == "/tasks/0/payload/sample_responses"


def test_tasks_added_to_a_running_batch_are_offered_at_once() -> None:
    desk = make_desk()
    batch = make_batch(desk)
    post_tasks(desk, batch.public_id, [authoring()])
    assert [task.status for task in tasks_in(batch)] == ["available", "available"]
    desk.call("POST", f"{LAB}/batches/{batch.public_id}/cancel")
    closed = desk.call("POST", f"{LAB}/batches/{batch.public_id}/tasks", {"tasks": [1]}, Idempotency_Key="z")
    assert closed.json()["code"] == "batch_closed"


def test_cancelling_takes_work_back_and_tells_its_holder() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    held = worker.claim()
    answer = desk.call("POST", f"{LAB}/tasks/{task_of(batch).public_id}/cancel")
    assert answer.json()["status"] == "cancelled"
    assert worker.call("GET", f"/api/v1/expert/claims/{held['id']}").json()["status"] == "revoked"
    assert worker.submit(held["id"], {"criteria": []}).json()["code"] == "claim_over"
    hear()
    assert desk.call("GET", f"{LAB}/batches/{batch.public_id}").json()["status"] == "completed"
    assert desk.call("POST", f"{LAB}/tasks/{task_of(batch).public_id}/cancel").status_code == 409


def test_kinds_of_work_publish_their_schemas() -> None:
    desk = make_desk()
    kinds = desk.call("GET", f"{LAB}/task-types").json()["results"]
    assert [kind["type"] for kind in kinds] == ["rubric_authoring", "rubric_grading"]
    for kind in kinds:
        schema = desk.call("GET", kind["schema"]).json()
        assert schema["payload"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert desk.call("GET", f"{LAB}/task-types/poem/schema").status_code == 404
    assert desk.call("GET", f"{LAB}/task-types/rubric_grading/schema?version=9").status_code == 404
