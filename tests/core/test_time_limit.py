"""A job whose time is over stops, and what it was at stands in nobody's way: not in the way of the others, not of itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import current_app
from django.db import InterfaceError, OperationalError, connection, transaction
from structlog.testing import capture_logs

from core import long_work, outbox, sweeps
from core.models import Event, EventHandling, Operation
from core.principal import Principal
from core.sweeps import sweep, sweep_together

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
BY = Principal.system("tests.sweep")


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Jobs that were left to workers, with their arguments."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args=(), **_options: found.append((name, tuple(args))))
    return found


@pytest.mark.django_db
class TestSweep:
    def test_a_row_that_takes_all_the_time_there_is_keeps_none_behind_it_waiting(
        self, woken: list[tuple[str, Any]]
    ) -> None:
        done: list[int] = []

        def step(key: int) -> None:
            if key == 2:
                raise SoftTimeLimitExceeded
            done.append(key)

        with capture_logs() as logs, pytest.raises(SoftTimeLimitExceeded):
            sweep(by=BY, due=[1, 2, 3, 4], step=step)
        assert (done, woken) == ([1], [("tests.sweep", (2,))])
        (alarm,) = [line for line in logs if line["log_level"] == "error"]
        assert (alarm["event"], alarm["job"], alarm["row"]) == ("sweep_row_too_slow", "tests.sweep", 2)
        sweep(by=BY, due=[1, 2, 3, 4], step=step, after=2)
        assert done == [1, 3, 4]
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            assert cursor.fetchone() == (0,)

    def test_a_run_that_came_to_no_row_wakes_nobody(self, woken: list[tuple[str, Any]]) -> None:
        """It would be woken for ever, and each tick's own run would begin another such row of runs."""

        class Locked(list[int]):
            def __iter__(self) -> Any:
                raise SoftTimeLimitExceeded

        for after in (0, 7):
            with pytest.raises(SoftTimeLimitExceeded):
                sweep(by=BY, due=Locked(), step=lambda _key: None, after=after)
        assert woken == []

    def test_rows_that_are_taken_together_are_left_behind_together(self, woken: list[tuple[str, Any]]) -> None:
        def step(keys: list[int]) -> int:
            raise SoftTimeLimitExceeded

        with pytest.raises(SoftTimeLimitExceeded):
            sweep_together(by=BY, due=range(1, 10), step=step, size=3)
        assert woken == [("tests.sweep", (3,))]

    def test_rounds_end_when_nothing_is_left_or_the_time_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        left = [3, 2, 1, 0, 9]
        assert not sweeps.rounds(lambda: left.pop(0))
        assert left == [9]
        monkeypatch.setattr(sweeps, "SECONDS", 0.0)
        assert sweeps.rounds(lambda: left.pop(0))


@pytest.mark.django_db(transaction=True)
class TestOutbox:
    @pytest.fixture
    def heard(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What a subscriber heard that never gets done with "tests.slow"."""
        names: list[str] = []

        def listen(event: Event, now: dt.datetime) -> None:
            names.append(event.name)
            if event.name == "tests.slow":
                raise SoftTimeLimitExceeded

        registry: dict[str, Any] = {"tests.listen": ("tests.*", listen)}
        monkeypatch.setattr(outbox, "_subscribers", registry)
        return names

    def publish(self, *names: str) -> None:
        with transaction.atomic():
            for name in names:
                outbox.publish(name, subject="ten_1", now=NOW)

    def test_the_others_are_left_to_the_next_worker_and_do_not_wait_for_the_slow_one(self, heard: list[str]) -> None:
        self.publish("tests.slow", "tests.happened")
        with pytest.raises(SoftTimeLimitExceeded):
            outbox.drain(now=NOW)
        assert heard == ["tests.slow"]
        assert "all the time" in EventHandling.objects.get(event__name="tests.slow").last_error
        assert outbox.drain(now=NOW) == 1
        assert heard == ["tests.slow", "tests.happened"]

    def test_a_debt_is_not_paid_by_two_at_once_however_long_it_takes(self, heard: list[str]) -> None:
        """What pushed it away is over long before the handler is."""
        self.publish("tests.happened")
        other = connection.copy()
        try:
            with other.cursor() as cursor, connection.cursor() as mine:
                mine.execute("SET lock_timeout = '2s'")  # whoever waited for the other would wait for himself
                cursor.execute("BEGIN")
                cursor.execute("SELECT id FROM core_eventhandling FOR NO KEY UPDATE")  # as the one who is at it does
                taken = EventHandling.objects.get()
                outbox._attempt(taken.pk, now=NOW)
                cursor.execute("UPDATE core_eventhandling SET done_at = now()")
                cursor.execute("COMMIT")
                mine.execute("RESET lock_timeout")
        finally:
            other.close()
        outbox._attempt(taken.pk, now=NOW)
        assert heard == []


@pytest.mark.django_db(transaction=True)
class TestLongWork:
    def start(self, monkeypatch: pytest.MonkeyPatch, failures: list[Exception]) -> Operation:
        """Work that fails so many times and then succeeds."""

        def run(operation: Operation, now: dt.datetime) -> None:
            if failures:
                raise failures.pop(0)
            long_work.finish(operation, now=now)

        runners: dict[str, Any] = {"tests.work": run}
        monkeypatch.setattr(long_work, "_runners", runners)
        with transaction.atomic():
            operation = long_work.start(kind="tests.work", params={}, principal=Principal.system("tests"), now=NOW)
        Operation.objects.update(created_at=NOW)
        return operation

    @pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), OperationalError("gone"), InterfaceError("closed")])
    def test_work_that_was_cut_short_is_taken_up_again(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, woken: list[tuple[str, Any]]
    ) -> None:
        operation = self.start(monkeypatch, [error])
        woken.clear()
        with pytest.raises(type(error)):
            long_work.run(operation.pk, now=NOW)
        operation.refresh_from_db()
        assert (operation.state, operation.errors) == ("running", [])
        later = NOW + long_work.LEASE
        long_work.resume(now=later)
        assert woken == [("core.run_operation", (operation.pk,))]
        long_work.run(operation.pk, now=later)
        operation.refresh_from_db()
        assert operation.state == "succeeded"

    def test_whoever_waits_hears_of_it_when_it_was_cut_short_for_too_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operation = self.start(monkeypatch, [SoftTimeLimitExceeded()])
        long_work.run(operation.pk, now=NOW + long_work.PATIENCE)
        operation.refresh_from_db()
        assert (operation.state, operation.errors[0]["code"]) == ("failed", "internal_error")
