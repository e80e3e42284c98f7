"""What the rival and the stranger get: the same nothing that a random id gets."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.public import unit_of_work
from tasks.models import Batch, Claim, Rubric, RubricCriterion, Submission, Task
from tests.marketplace.world import expert_principal, lab_caller, platform
from tests.tasks.world import (
    EXPERT,
    LAB,
    Desk,
    authoring,
    finish,
    grades,
    grading,
    make_batch,
    make_desk,
    make_reviewer,
    make_rubric,
    make_worker,
    rubric_body,
    task_of,
)

pytestmark = pytest.mark.django_db
NOBODY = "0" * 25 + "8"


@pytest.fixture
def acme() -> Desk:
    return make_desk()


@pytest.fixture
def rival() -> Desk:
    return make_desk("Rival")


def test_a_rivals_ids_answer_like_random_ones(acme: Desk, rival: Desk) -> None:
    worker = make_worker(acme)
    batch = make_batch(acme)
    work_id = worker.do(rubric_body())
    rubric_id = make_rubric(acme)
    accepted = acme.call("POST", f"{LAB}/projects/{acme.project.public_id}/deliveries", {"format": "native"})
    delivery_id = finish(acme, accepted)["results"][0]["id"]
    paths = [
        ("GET", f"batches/{batch.public_id}"),
        ("POST", f"batches/{batch.public_id}/pause"),
        ("POST", f"batches/{batch.public_id}/cancel"),
        ("GET", f"tasks/{task_of(batch).public_id}"),
        ("POST", f"tasks/{task_of(batch).public_id}/cancel"),
        ("GET", f"submissions/{work_id}"),
        ("GET", f"rubrics/{rubric_id}"),
        ("GET", f"deliveries/{delivery_id}"),
        ("GET", f"deliveries/{delivery_id}/download"),
        ("GET", f"projects/{acme.project.public_id}/batches"),
        ("GET", f"projects/{acme.project.public_id}/deliveries"),
    ]
    for method, path in paths:
        found = rival.call(method, f"{LAB}/{path}")
        noun, _, rest = path.partition("/")
        prefix = rest.split("_")[0]
        random = rival.call(method, f"{LAB}/{noun}/{prefix}_{NOBODY}{rest[len(prefix) + 27 :]}")
        assert found.status_code == random.status_code == 404, path
        own = {"instance", "request_id"}
        assert {k: v for k, v in found.json().items() if k not in own} == {
            k: v for k, v in random.json().items() if k not in own
        }
    for noun in ("tasks", "submissions", "rubrics", "files"):
        assert rival.call("GET", f"{LAB}/{noun}").json()["results"] == []
    assert task_of(batch).status == "in_review"


def test_a_rivals_things_cannot_be_named_in_a_body(acme: Desk, rival: Desk) -> None:
    rubric_id = make_rubric(acme)
    refused = rival.call(
        "POST", f"{LAB}/rubrics", {"criteria": [{"id": "a", "text": "A.", "points": 1}], "replaces": rubric_id}
    )
    assert refused.json()["errors"][0]["pointer"] == "/replaces"
    batch = make_batch(rival)
    answer = rival.call(
        "POST", f"{LAB}/batches/{batch.public_id}/tasks", {"tasks": [grading(rubric_id)]}, Idempotency_Key="k"
    )
    assert finish(rival, answer)["errors"][0]["code"] == "unknown_rubric"
    body = {"format": "native", "batch": make_batch(acme).public_id}
    wrong = rival.call("POST", f"{LAB}/projects/{rival.project.public_id}/deliveries", body)
    assert wrong.json()["errors"][0]["pointer"] == "/batch"


def test_an_expert_sees_his_own_and_works_under_his_own_contract(acme: Desk, rival: Desk) -> None:
    ada, eve = make_worker(acme), make_worker(rival, "eve@example.org")
    make_batch(acme)
    held = ada.claim()
    assert eve.call("GET", f"{EXPERT}/claims/{held['id']}").status_code == 404
    assert eve.submit(held["id"], rubric_body()).status_code == 404
    assert eve.call("POST", f"{EXPERT}/claims", {"contract": ada.contract.public_id}).status_code == 404
    assert ada.call("GET", f"{LAB}/tasks").status_code in {401, 403}
    assert acme.call("GET", f"{EXPERT}/claims").status_code in {401, 403}


def test_the_database_itself_hides_a_rivals_rows(acme: Desk, rival: Desk) -> None:
    worker = make_worker(acme)
    make_batch(acme)
    worker.do(rubric_body())
    stranger = make_worker(rival, "eve@example.org")
    models = (Batch, Task, Claim, Submission, Rubric, RubricCriterion)
    with unit_of_work(expert_principal(stranger.expert, rival.lab)):
        assert [model._default_manager.count() for model in models] == [0] * len(models)
    with unit_of_work(expert_principal(worker.expert, acme.lab)):
        assert all(model._default_manager.exists() for model in models)
    with platform(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tasks_task")
        assert cursor.fetchone() == (1,)


def test_scopes_are_asked_for(acme: Desk) -> None:
    reader = lab_caller(acme.lab, "batches:read", "tasks:read")
    path = f"{LAB}/projects/{acme.project.public_id}/batches"
    assert reader("GET", path).status_code == 200
    refused = reader("POST", path, {"name": "x"})
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "batches:write")
    assert reader("GET", f"{LAB}/submissions").status_code == 403


def test_lists_ask_the_same_number_of_queries_however_long(acme: Desk) -> None:
    worker = make_worker(acme)
    make_batch(acme)
    worker.do(rubric_body())
    counts: dict[str, list[int]] = {}
    paths = ["tasks", "submissions", "rubrics", "files", f"projects/{acme.project.public_id}/batches"]
    expert_paths = ["claims", "submissions"]
    for _round in range(2):
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                assert acme.call("GET", f"{LAB}/{path}").status_code == 200
            counts.setdefault(path, []).append(len(queries))
        for path in expert_paths:
            with CaptureQueriesContext(connection) as queries:
                assert worker.call("GET", f"{EXPERT}/{path}").status_code == 200
            counts.setdefault(f"expert {path}", []).append(len(queries))
        make_batch(acme, [authoring() for _ in range(4)])
        for _ in range(4):
            worker.do(rubric_body())
    assert all(first == second for first, second in counts.values()), counts
    assert max(second for _first, second in counts.values()) <= 12


def test_who_reviews_gold_cannot_tell_it_either(acme: Desk) -> None:
    worker, reviewer = make_worker(acme), make_reviewer(acme)
    expected = {"grades": [{"criterion": "c1", "verdict": True}]}
    rubric = make_rubric(acme)
    make_batch(acme, [grading(rubric, gold=expected), grading(rubric)])
    for _ in range(2):
        worker.do(grades(True, False, False, False))
    shown = [reviewer.claim(), reviewer.claim()]
    assert [claim["role"] for claim in shown] == ["review", "review"]
    assert [claim["material"]["reference"] for claim in shown] == [None, None]
    assert shown[0].keys() == shown[1].keys()
    assert shown[0]["material"].keys() == shown[1]["material"].keys()
