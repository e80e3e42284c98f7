"""A batch made from published tasks: the prompt is the task, the published criteria the reference to compare with.

The tasks are a sample of ACE by Mercor (apex-evals, CC-BY-4.0); they lie outside the repository.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.models import Task
from tests.marketplace.world import platform
from tests.shared_data import shared_json
from tests.tasks.world import (
    LAB,
    make_batch,
    make_desk,
    make_worker,
    tasks_in,
)

pytestmark = pytest.mark.django_db


def published() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shared_json("rubrics", "ace_tasks_sample.json")
    return found


def test_published_tasks_become_a_batch_and_published_criteria_a_rubric() -> None:
    rows = published()
    desk = make_desk()
    worker = make_worker(desk)
    items = [
        {
            "type": "rubric_authoring",
            "payload": {"prompt": row["prompt"], "provenance": {"data_set": "ACE", "domain": row["domain"]}},
            "external_id": f"ace-{row['domain']}-{row['task_id']}",
            "reference": {"criteria": row["criteria"]},
        }
        for row in rows
    ]
    batch = make_batch(desk, items)
    assert len(tasks_in(batch)) == len(rows) == 10
    held = worker.claim()
    assert held["payload"]["prompt"] in {row["prompt"] for row in rows}
    assert "ACE" not in json.dumps(held)
    for row in rows:
        made = desk.call("POST", f"{LAB}/rubrics/import", {"format": "ace", "rubric": row["criteria"]})
        assert made.status_code == 201, made.content
        assert made.json()["score_policy"] == "gated"
        assert len(made.json()["criteria"]) == len(row["criteria"])
    with platform():
        task = Task.objects.get(public_id=held["task"])
    body = {"score_policy": "points", "criteria": [_own(each) for each in (task.reference or {})["criteria"]]}
    assert worker.submit(held["id"], body).status_code == 200


def _own(criterion: dict[str, Any]) -> dict[str, Any]:
    return {"id": criterion["criterion_id"], "text": criterion["text"], "points": 5 if criterion["hurdle"] else 2}
