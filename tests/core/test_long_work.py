"""Operations: every arrow, crashes, and nothing done twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from core import long_work, states
from core.models import Operation
from core.principal import Principal
from core.problems import InvalidInput

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
State = Operation.State
Register = Callable[[Callable[..., None]], Operation]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Register a runner and start one operation for it."""

    def register(function: Callable[..., None]) -> Operation:
        runners: dict[str, Any] = {"tests.work": function}
        monkeypatch.setattr(long_work, "_runners", runners)
        with transaction.atomic():
            return long_work.start(kind="tests.work", params={}, principal=Principal.system("tests"), now=NOW)

    return register


@pytest.mark.django_db(transaction=True)
class TestOperation:
    @pytest.mark.parametrize(
        ("results", "errors", "outcome"),
        [
            ([{"id": "a"}], [], State.SUCCEEDED),
            ([], [], State.SUCCEEDED),
            ([{"id": "a"}], [{"index": 1}], State.PARTIALLY_SUCCEEDED),
            ([], [{"index": 1}], State.FAILED),
        ],
    )
    def test_the_outcome_follows_from_results_and_errors(
        self, start: Register, results: list[Any], errors: list[Any], outcome: str
    ) -> None:
        operation = start(lambda op, now: long_work.finish(op, now=now, results=results, errors=errors))
        long_work.run(operation.pk, now=NOW)
        operation.refresh_from_db()
        assert operation.state == outcome
        assert (operation.done, operation.failed) == (len(results), len(errors))
        assert operation.finished_at == NOW

    def test_a_refusal_of_the_domain_is_told(self, start: Register) -> None:
        def refuse(operation: Operation, now: dt.datetime) -> None:
            raise InvalidInput("The batch is closed.")

        operation = start(refuse)
        long_work.run(operation.pk, now=NOW)
        operation.refresh_from_db()
        assert operation.state == State.FAILED
        assert operation.errors == [{"code": "invalid", "detail": "The batch is closed."}]

    def test_an_accident_is_not_told_in_detail(self, start: Register) -> None:
        def stumble(operation: Operation, now: dt.datetime) -> None:
            raise RuntimeError("password=secret")

        operation = start(stumble)
        long_work.run(operation.pk, now=NOW)
        operation.refresh_from_db()
        assert operation.errors[0]["code"] == "internal_error"
        assert "secret" not in str(operation.errors)

    def test_a_finished_operation_is_not_run_again(self, start: Register) -> None:
        runs: list[int] = []

        def work(operation: Operation, now: dt.datetime) -> None:
            runs.append(operation.pk)
            long_work.finish(operation, now=now)

        operation = start(work)
        long_work.run(operation.pk, now=NOW)
        long_work.run(operation.pk, now=NOW + dt.timedelta(days=1))
        assert runs == [operation.pk]

    def test_a_dead_workers_operation_is_taken_over_after_its_lease(self, start: Register) -> None:
        """The first runner returns without finishing, as a killed one would."""
        runs: list[dt.datetime] = []
        operation = start(lambda op, now: runs.append(now))
        long_work.run(operation.pk, now=NOW)
        long_work.run(operation.pk, now=NOW + dt.timedelta(seconds=1))
        later = NOW + long_work.LEASE + dt.timedelta(seconds=1)
        long_work.run(operation.pk, now=later)
        assert runs == [NOW, later]

    @pytest.mark.parametrize("to", [State.SUCCEEDED, State.PARTIALLY_SUCCEEDED, State.PENDING])
    def test_pending_work_cannot_end_without_running(self, to: str) -> None:
        with pytest.raises(states.InvalidTransition):
            states.move(Operation(state=State.PENDING), to, field="state")
