"""Sweeps go through all that is due, whichever row cannot move, and leave no more behind than they must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from structlog.testing import capture_logs

from core import sweeps
from core.principal import Principal
from core.public import User
from core.sweeps import sweep, sweep_together

pytestmark = pytest.mark.django_db
BY = Principal.system("tests.sweep")


class Trouble(Exception):
    """What a poisoned row does."""


@pytest.fixture(autouse=True)
def _in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 2)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Jobs that were left to workers, with their arguments."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args=(), **_options: found.append((name, tuple(args))))
    return found


@pytest.fixture
def users() -> list[int]:
    """Five rows by their keys, and one that is not due."""
    made = [User.objects.create_user(f"due{n}@example.org", is_staff=True).pk for n in range(5)]
    User.objects.create_user("other@example.org")
    return made


def renaming(*poisoned: int) -> Callable[[int], None]:
    def step(pk: int) -> None:
        User.objects.filter(pk=pk).update(is_staff=False)
        if pk in poisoned:
            raise Trouble

    return step


def left() -> list[int]:
    return list(User.objects.filter(is_staff=True).order_by("pk").values_list("pk", flat=True))


def test_all_that_is_due_is_taken_whatever_fits_into_a_batch(users: list[int]) -> None:
    # In the opposite order: the sweep has its own.
    assert sweep(by=BY, due=User.objects.filter(is_staff=True).order_by("-pk"), step=renaming()) == 5
    assert left() == []


def test_poisoned_rows_in_front_cost_themselves_alone_and_are_told(users: list[int]) -> None:
    with capture_logs() as logs:
        moved = sweep(by=BY, due=User.objects.filter(is_staff=True), step=renaming(*users[:3]))
    assert (moved, left()) == (2, users[:3])
    failed = [line["row"] for line in logs if line["event"] == "sweep_row_failed"]
    assert failed == users[:3]
    (alarm,) = [line for line in logs if line["event"] == "sweep_failed"]
    assert (alarm["log_level"], alarm["job"], alarm["failed"], alarm["moved"]) == ("error", "tests.sweep", 3, 2)


def test_many_failures_are_counted_and_only_some_told_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "SHOWN", 2)
    with capture_logs() as logs:
        assert sweep(by=BY, due=range(1, 8), step=renaming(*range(1, 8))) == 0
    assert [line["event"] for line in logs] == ["sweep_row_failed"] * 2 + ["sweep_failed"]
    assert logs[-1]["failed"] == 7


def test_what_answers_false_has_not_moved() -> None:
    assert sweep(by=BY, due=[3, 1, 2], step=lambda key: key != 2) == 2


def test_what_is_done_together_and_fails_is_done_one_by_one(users: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 5)
    sizes = []

    def step(keys: list[int]) -> int:
        sizes.append(len(keys))
        for key in keys:
            renaming(users[0])(key)
        return len(keys)

    assert sweep_together(by=BY, due=User.objects.filter(is_staff=True), step=step, size=3) == 4
    assert sizes == [3, 1, 1, 1, 2]
    assert left() == users[:1]


def test_a_sweep_whose_time_is_over_goes_on_in_another_run_where_it_stopped(
    users: list[int], monkeypatch: pytest.MonkeyPatch, woken: list[tuple[str, Any]]
) -> None:
    monkeypatch.setattr(sweeps, "SECONDS", 0.0)
    due = User.objects.filter(is_staff=True)
    poisoned = renaming(users[0])
    assert sweep(by=BY, due=due, step=poisoned) == 0
    assert woken == [("tests.sweep", (users[0],))]
    for n in range(1, 5):
        (_job, (after,)) = woken[-1]
        assert sweep(by=BY, due=due, step=poisoned, after=after) == 1
        assert left() == [users[0], *users[n + 1 :]]
    monkeypatch.setattr(sweeps, "SECONDS", 45.0)
    former = list(woken)
    assert sweep(by=BY, due=due, step=poisoned, after=users[-1]) == 0
    assert woken == former


def test_later_runs_of_a_job_go_one_at_a_time(users: list[int]) -> None:
    due = User.objects.filter(is_staff=True)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('core.sweep:tests.sweep', 0))")
        assert sweep(by=BY, due=due, step=renaming(), after=users[0]) == 0
        assert left() == users
        assert sweep(by=Principal.system("tests.other"), due=due, step=renaming(), after=users[3]) == 1
        assert sweep(by=BY, due=due, step=renaming()) == 4, "a tick's own run waits for nobody"
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
    finally:
        other.close()
    User.objects.filter(pk__in=users).update(is_staff=True)
    for _again in range(2):
        sweep(by=BY, due=due, step=renaming(), after=users[1])
    assert left() == users[:2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)
