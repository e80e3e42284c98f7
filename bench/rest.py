"""A page of a list, and the creation of many tasks, against stock DRF."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from django.test import override_settings

from bench.measure import Result, compare
from core import clock, long_work
from core.public import Operation
from tests.core.api.conftest import Caller
from tests.tasks import world

PAGE = 50
BULK = 1000


def run() -> list[Result]:
    """Both measurements; the database must be migrated and empty."""
    with override_settings(ROOT_URLCONF="bench.stock", RATE_LIMITS_ENABLED=False), clock.frozen(world.NOW):
        desk = world.make_desk("Bench")
        batch = world.make_batch(desk, [world.authoring() for _ in range(BULK)]).public_id
        return [
            compare(
                f"list page, {PAGE} rows",
                ours=_get(desk.call, f"/api/v1/tasks?limit={PAGE}"),
                other=_get(desk.call, "/stock/tasks"),
                other_name="stock DRF list",
                unit="request, CPU of the web process",
                repeat=40,
                clock=time.process_time,
            ),
            compare(
                f"bulk creation, {BULK} tasks",
                ours=lambda: _create(desk),
                other=lambda: _create_stock(desk.call, batch),
                other_name="stock DRF many=True",
                units=BULK,
                unit="task",
            ),
        ]


def _get(call: Caller, path: str) -> Callable[[], None]:
    def get() -> None:
        answer = call("GET", path)
        assert answer.status_code == 200, answer.content[:500]
        assert len(answer.json()["results"]) == PAGE

    return get


def _create(desk: world.Desk) -> None:
    """The request and the operation behind it, validation of each payload by its JSON Schema included."""
    path = f"/api/v1/projects/{desk.project.public_id}/batches"
    batch = desk.call("POST", path, {"name": str(uuid.uuid4())}).json()["id"]
    items = [world.authoring() for _ in range(BULK)]
    accepted = desk.call("POST", f"/api/v1/batches/{batch}/tasks", {"tasks": items}, Idempotency_Key=str(uuid.uuid4()))
    assert accepted.status_code == 202, accepted.content
    operation = Operation.objects.get(public_id=accepted.json()["id"])
    long_work.run(operation.pk, now=world.NOW)
    operation.refresh_from_db()
    assert operation.done == BULK, operation.errors


def _create_stock(call: Caller, batch: str) -> None:
    items: list[dict[str, Any]] = [world.authoring() for _ in range(BULK)]
    answer = call("POST", f"/stock/batches/{batch}/tasks", items)
    assert answer.status_code == 201, answer.content[:500]
