"""A project whose end was begun ends, whoever dies over it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from core import clock, long_work
from core.models import Operation
from core.principal import Principal
from marketplace import jobs
from marketplace.models import Contract, Project
from marketplace.operations import contracts, projects
from tests.marketplace.world import (
    NOW,
    again,
    make_contract,
    make_expert,
    make_lab,
    make_opening,
    make_project,
    platform,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """One with three contracts, which get their notice one by one."""
    monkeypatch.setattr(projects, "AT_ONCE", 1)
    made = make_project(make_lab())
    for n in range(3):
        make_contract(make_opening(made), make_expert(f"expert{n}@example.org"))
    return made


def failing_at(monkeypatch: pytest.MonkeyPatch, call: int, error: Exception) -> None:
    """Let the notice of this number fail, once."""
    real, calls = contracts.end_with_project, []

    def give(**kwargs: Any) -> Contract:
        calls.append(kwargs)
        if len(calls) == call:
            raise error
        return real(**kwargs)

    monkeypatch.setattr(contracts, "end_with_project", give)


def wind_down(project: Project) -> Operation:
    with platform():
        operation = projects.wind_down(project=project, by=Principal.system("tests"), now=NOW)
    Operation.objects.update(created_at=NOW)
    return operation


def living(project: Project) -> list[str]:
    with platform():
        return list(Contract.objects.filter(project=project).order_by("pk").values_list("status", flat=True))


def test_the_database_goes_away_in_the_middle(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_at(monkeypatch, 2, OperationalError("the connection is lost"))
    operation = wind_down(project)
    with pytest.raises(OperationalError):
        long_work.run(operation.pk, now=NOW)
    assert living(project) == ["ending", "active", "active"], "what was done is kept"
    long_work.run(operation.pk, now=NOW + long_work.LEASE)
    assert living(project) == ["ending"] * 3
    done = again(operation)
    assert (done.state, len(done.results)) == ("succeeded", 3)


def test_work_that_failed_is_gone_on_with_by_the_clock(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can ask a second time: the project is winding down already."""
    failing_at(monkeypatch, 2, RuntimeError("a defect"))
    operation = wind_down(project)
    with clock.frozen(NOW):
        jobs.complete_projects()
    assert living(project) == ["active"] * 3, "the work itself is still to come"
    long_work.run(operation.pk, now=NOW)
    assert again(operation).state == "failed"
    assert living(project) == ["ending", "active", "active"]
    with clock.frozen(NOW):
        for _tick in range(3):
            jobs.complete_projects()
    assert living(project) == ["ending"] * 3
    assert again(project).status == Project.Status.WINDING_DOWN
