"""What is played in a lab's sandbox says nothing about anybody."""

from __future__ import annotations

import pytest

from core import outbox
from core.public import User
from experts.models import QualityScore
from marketplace.operations import labs
from tasks.models import Submission
from tasks.operations import reviews
from tests.marketplace import world
from tests.marketplace.world import platform
from tests.tasks.world import LAB, NOW, Desk, Worker, make_batch, make_desk, make_staff, make_worker, rubric_body

pytestmark = pytest.mark.django_db


def play(desk: Desk, worker: Worker) -> None:
    """A rubric is written and praised, and everybody hears of it."""
    make_batch(desk)
    work_id = worker.do(rubric_body())
    with platform():
        work = Submission.objects.get(public_id=work_id)
        staff = User.objects.filter(is_staff=True).first() or make_staff()
        reviews.decide(submission=work, outcome="accept", side="platform", decided_by=staff, now=NOW)
    outbox.drain(now=NOW)


def test_praise_counts_in_earnest_and_not_in_the_own_sandbox() -> None:
    lab = world.make_lab()
    call = world.sandbox_caller(lab)
    money = {"amount": {"amount": "100000.00", "currency": "USD"}}
    assert call("POST", f"{LAB}/funding", money, Idempotency_Key="money").status_code == 201
    ada = world.make_expert()
    with platform():
        labs.add_member(lab=lab, email=User.objects.get(pk=ada.user_id).email, role="viewer", now=NOW)
    project = world.make_project(lab, tenant=lab.tenant.sandbox, task_types=["rubric_authoring"])
    desk = Desk(lab, call, project, world.make_opening(project))
    play(desk, Worker(ada, world.expert_caller(ada), world.make_contract(desk.opening, ada)))
    assert not QualityScore.objects.exists()

    real = make_desk("Real")
    play(real, make_worker(real, "eve@example.org"))
    assert QualityScore.objects.get().observations == 1
