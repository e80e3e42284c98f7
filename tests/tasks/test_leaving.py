"""What becomes of work when somebody leaves, a project is cancelled, or a rejection is overturned after delivery."""

from __future__ import annotations

import datetime as dt

import pytest

from core import clock
from core.public import Event
from experts.models import Appeal, Notice
from experts.operations import appeals
from marketplace.operations import contracts, projects
from tasks.completion import OpenWork
from tasks.models import Claim, Task
from tests.marketplace.world import platform
from tests.tasks.world import (
    LAB,
    NOW,
    claim,
    decide,
    finish,
    hear,
    make_batch,
    make_desk,
    make_staff,
    make_worker,
    rubric_body,
    submission,
    task_of,
)

pytestmark = pytest.mark.django_db


def test_work_of_somebody_who_left_goes_to_others() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    held = ada.claim()
    with platform():
        contracts.leave(contract=ada.contract, now=NOW)
    hear()
    assert claim(held["id"]).status == "revoked"
    assert task_of(batch).status == Task.Status.AVAILABLE
    assert bob.claim()["task"] == held["task"]


def test_rework_of_somebody_who_left_goes_to_others_at_once() -> None:
    """He is not asked, and nothing waits for him; his hours and what he handed in stay as they are."""
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    work_id = ada.do(rubric_body())
    with platform():
        contracts.leave(contract=ada.contract, now=NOW)
    hear()
    decide(work_id, "request_rework", by=make_staff(), reason_code="incomplete", comment="More.")
    assert submission(work_id).status == "rework_requested"
    assert task_of(batch).status == Task.Status.AVAILABLE
    with platform():
        assert not Claim.objects.active().exists()
        assert not Notice.objects.filter(kind="submission.rework_requested").exists()
    held = bob.claim()
    assert bob.submit(held["id"], rubric_body()).status_code == 200
    assert task_of(batch).status == Task.Status.IN_REVIEW


def test_whoever_works_out_his_notice_revises_his_own_work() -> None:
    desk = make_desk()
    ada = make_worker(desk)
    batch = make_batch(desk)
    work_id = ada.do(rubric_body())
    with platform():
        staff = make_staff()
        contracts.end(contract=ada.contract, reason="completed", decided_by=staff, explanation="Thanks.", now=NOW)
    decide(work_id, "request_rework", by=make_staff("rita@example.org"), reason_code="incomplete", comment="More.")
    assert task_of(batch).status == Task.Status.IN_REWORK
    with platform():
        revised = Claim.objects.active().get()
    assert ada.submit(revised.public_id, rubric_body()).status_code == 200


def test_a_cancelled_project_has_no_running_batch() -> None:
    desk = make_desk()
    batch = make_batch(desk)
    with platform():
        projects.cancel(project=desk.project, now=NOW)
    hear()
    hear()
    shown = desk.call("GET", f"{LAB}/batches/{batch.public_id}").json()
    assert (shown["status"], shown["tasks"]) == ("cancelled", {"cancelled": 1})


def test_open_work_holds_a_project_open() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    with platform():
        assert OpenWork().blockers(project=desk.project) == []
    held = worker.claim()
    with platform():
        assert OpenWork().blockers(project=desk.project) == ["1 claim is active."]
    worker.submit(held["id"], rubric_body())
    with platform():
        assert OpenWork().blockers(project=desk.project) == ["1 task is not decided."]


def test_a_delivery_that_lacks_an_overturned_item_is_corrected() -> None:
    desk = make_desk()
    worker, staff = make_worker(desk), make_staff()
    make_batch(desk)
    work_id = worker.do(rubric_body())
    decide(work_id, "reject", by=staff, reason_code="low_effort", comment="Four lines.")
    later = NOW + dt.timedelta(hours=1)
    with clock.frozen(later):
        path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
        made = finish(desk, desk.call("POST", path, {"format": "native"}))["results"][0]["id"]
    with platform():
        appeal = appeals.file_appeal(expert=worker.expert, subject=work_id, reason="It answers all.", now=later)
        judge = make_staff("judge@example.org")
        appeals.decide(appeal=appeal, outcome=Appeal.Status.OVERTURNED, note="It does.", by=judge, now=later)
    hear(later)
    with platform():
        told = Event.objects.get(name="delivery.corrected")
    assert (told.subject, told.payload["submission"]) == (made, work_id)
    with clock.frozen(later + dt.timedelta(hours=1)):
        again = finish(desk, desk.call("POST", path, {"format": "native"}))["results"][0]["id"]
        assert desk.call("GET", f"{LAB}/deliveries/{again}").json()["items"] == 1
