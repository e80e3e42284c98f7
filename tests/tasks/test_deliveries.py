"""Deliveries over REST: what is in them, what is not, and that they are the same each time."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any

import pytest

from core import clock, long_work
from core.public import Operation
from tasks.models import Delivery, Task
from tasks.operations import reviews
from tests.marketplace.world import platform
from tests.tasks.world import (
    CRITERIA,
    LAB,
    NOW,
    PROMPT,
    Desk,
    authoring,
    finish,
    grades,
    grading,
    make_batch,
    make_desk,
    make_rubric,
    make_staff,
    make_worker,
    rubric_body,
    submission,
    trial_grades,
)

pytestmark = pytest.mark.django_db
LATER = NOW + dt.timedelta(hours=1)


def accept(work_id: str) -> None:
    with platform():
        staff = make_staff(f"{work_id}@example.org")
        reviews.decide(submission=submission(work_id), outcome="accept", side="platform", decided_by=staff, now=NOW)


def deliver(desk: Desk, *, at: dt.datetime = LATER, **body: Any) -> dict[str, Any]:
    with clock.frozen(at):
        path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
        accepted = desk.call("POST", path, {"format": "native", **body})
        assert accepted.status_code == 202, accepted.content
        operation = finish(desk, accepted, now=at)
        assert operation["state"] == "succeeded", operation
        found: dict[str, Any] = desk.call("GET", f"{LAB}/deliveries/{operation['results'][0]['id']}").json()
    return found


def content(desk: Desk, delivery: dict[str, Any]) -> bytes:
    answer = desk.call("GET", f"{LAB}/deliveries/{delivery['id']}/download")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_a_native_delivery_tells_everything_but_names() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    payload = {
        **authoring(samples=True, domain="medicine.cardiology"),
        "external_id": "q-1",
        "reference": {"of": "them"},
    }
    batch = make_batch(desk, [payload], overlap=2)
    work_id = ada.do({**rubric_body(samples=True), "ideal_response": "Ask first."})
    bob.do({"grades": trial_grades()})
    accept(work_id)
    delivery = deliver(desk)
    raw = content(desk, delivery)
    (item,) = [json.loads(line) for line in raw.splitlines()]
    assert item["task"]["external_id"] == "q-1"
    assert item["task"]["payload"] == payload["payload"]
    assert item["task"]["reference"] == {"of": "them"}
    assert item["submission"]["id"] == work_id
    assert item["submission"]["scores"] == {"s1": pytest.approx(16 / 22), "s2": pytest.approx(16 / 22)}
    assert [part["role"] for part in item["other_submissions"]] == ["second"]
    assert item["rubric"]["criteria"][0]["text"] == CRITERIA[0]["text"]
    assert item["rater_agreement"]["raw"] == 1.0
    assert item["task"]["batch"] == batch.public_id
    text = raw.decode()
    assert "example.org" not in text
    assert ada.expert.public_id not in text
    assert ada.contract.lab_expert.public_id not in text
    assert hashlib.sha256(raw).hexdigest() == delivery["sha256"] == delivery["manifest"]["sha256"]
    manifest = delivery["manifest"]
    assert (manifest["items"], manifest["raters"], manifest["left_out"]) == (1, 2, {})
    assert manifest["schemas"][0]["type"] == "rubric_authoring"
    sent = desk.call("GET", f"{LAB}/deliveries/{delivery['id']}/download?part=manifest")
    assert sent.json() == manifest


def test_the_same_data_gives_the_same_bytes() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring() for _ in range(4)])
    for _ in range(4):
        accept(worker.do(rubric_body()))
    first, second = deliver(desk), deliver(desk, at=LATER + dt.timedelta(hours=2))
    assert first["id"] != second["id"]
    assert first["sha256"] == second["sha256"]
    assert first["items"] == 4


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    rubric = make_rubric(desk)
    gold = grading(rubric, gold={"grades": [{"criterion": "c1", "verdict": True}]})
    batch = make_batch(desk, [gold, *(grading(rubric) for _ in range(3))])
    ids = [worker.do(grades(True, True, True, False)) for _ in range(3)]
    with platform():
        golden = Task.objects.get(is_gold=True)
    for work_id in ids[:2]:
        accept(work_id)
    delivery = deliver(desk, batch=batch.public_id)
    left_out = delivery["manifest"]["left_out"]
    assert left_out["gold"] == 1
    assert delivery["items"] + sum(left_out.values()) == 4
    assert golden.public_id not in content(desk, delivery).decode()
    later = deliver(desk, since=LATER.isoformat().replace("+00:00", "Z"), at=LATER + dt.timedelta(hours=1))
    assert later["items"] == 0
    assert later["manifest"]["left_out"]["finished_before_since"] == delivery["items"]


def test_healthbench_lines_are_as_its_own_tools_read_them() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [{**authoring(domain="medicine.cardiology"), "external_id": "q-1"}, grading(make_rubric(desk))])
    for _ in range(2):
        held = worker.claim()
        is_rubric = held["type"] == "rubric_authoring"
        body = {**rubric_body(), "ideal_response": "Ask first."} if is_rubric else grades(True, True, True, True)
        worker.submit(held["id"], body)
    with platform():
        for work in list(Task.objects.values_list("candidate__public_id", flat=True)):
            accept(str(work))
    delivery = deliver(desk, format="healthbench")
    (line,) = [json.loads(row) for row in content(desk, delivery).splitlines()]
    assert line["prompt"] == [{"role": "user", "content": PROMPT}]
    assert line["rubrics"][0] == {"criterion": CRITERIA[0]["text"], "points": 7, "tags": []}
    assert line["prompt_id"] == "q-1"
    assert line["example_tags"] == ["domain:medicine.cardiology"]
    assert line["ideal_completions_data"]["ideal_completion"] == "Ask first."
    assert delivery["manifest"]["left_out"] == {"not_a_rubric": 1}


def test_a_delivery_that_is_not_ready_says_so() -> None:
    desk = make_desk()
    make_worker(desk)
    make_batch(desk)
    path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
    assert desk.call("POST", path, {"format": "native"}).status_code == 202
    with platform():
        waiting = Delivery.objects.get()
    refused = desk.call("GET", f"{LAB}/deliveries/{waiting.public_id}/download")
    assert (refused.status_code, refused.json()["delivery_status"]) == (409, "preparing")
    assert desk.call("GET", f"{path}?status=preparing").json()["results"][0]["id"] == waiting.public_id
    assert desk.call("POST", path, {"format": "parquet"}).status_code == 400


def test_a_second_run_of_the_same_operation_changes_nothing() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    accept(worker.do(rubric_body()))
    delivery = deliver(desk)
    operation = Operation.objects.get(public_id=delivery["operation"])
    long_work.run(operation.pk, now=LATER)
    assert desk.call("GET", f"{LAB}/deliveries/{delivery['id']}").json() == delivery


def test_many_tasks_ask_no_more_queries(django_assert_max_num_queries: Any) -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring() for _ in range(12)])
    for _ in range(12):
        accept(worker.do(rubric_body()))
    with clock.frozen(LATER):
        path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
        accepted = desk.call("POST", path, {"format": "native"})
        with django_assert_max_num_queries(60):
            assert finish(desk, accepted, now=LATER)["done"] == 1


def test_a_delivery_of_which_only_the_failure_was_noted_ends() -> None:
    """Whoever noted it died before he told those who wait for the operation."""
    desk = make_desk()
    make_batch(desk, [authoring()])
    with clock.frozen(LATER):
        path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
        accepted = desk.call("POST", path, {"format": "native"})
    with platform():
        Delivery.objects.update(status=Delivery.Status.FAILED)
    assert finish(desk, accepted, now=LATER)["state"] == "failed"
