"""Two at once: one decides, one hands in, one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection

from core import clock
from core.problems import DomainError
from core.public import unit_of_work
from tasks.models import Claim, Review, Submission
from tasks.operations import claims, reviews, work
from tests.marketplace.world import expert_principal, platform
from tests.tasks.world import (
    NOW,
    claim,
    make_batch,
    make_desk,
    make_staff,
    make_worker,
    rubric_body,
    submission,
    task_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run them together; their answers, or the names of their refusals."""
    answers: list[Any] = []
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> None:
        try:
            gate.wait()
            with clock.frozen(NOW):
                answers.append(call())
        except (DomainError, IntegrityError) as refusal:
            answers.append(type(refusal).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_two_reviewers_one_decides() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    people = [make_staff(f"staff{number}@example.org") for number in range(4)]
    row = submission(work_id)

    def decide(person: Any, outcome: str) -> Callable[[], Any]:
        def call() -> Any:
            with platform():
                return reviews.decide(
                    submission=row,
                    outcome=outcome,
                    side="platform",
                    decided_by=person,
                    reason_code="other",
                    comment="x",
                    now=NOW,
                )

        return call

    outcomes = ["accept", "reject", "accept", "request_rework"]
    answers = at_once(*(decide(person, outcome) for person, outcome in zip(people, outcomes, strict=True)))
    assert sum(isinstance(answer, Review) for answer in answers) == 1
    assert answers.count("NotUnderReview") == 3
    with platform():
        assert Review.objects.count() == 1
    assert task_of(batch).status in {"completed", "rejected", "in_rework"}


def test_the_same_work_is_handed_in_once() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    held = claim(worker.claim()["id"])
    principal = expert_principal(worker.expert, desk.lab)

    def submit() -> Any:
        with unit_of_work(principal):
            return work.submit(claim=held, body=rubric_body(), by=principal, now=NOW)

    answers = at_once(*[submit] * 4)
    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert answers.count("ClaimOver") == 3
    with platform():
        assert Submission.objects.count() == 1


def test_handing_in_and_expiring_do_not_both_happen() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk, lease="PT1H")
    held = claim(worker.claim()["id"])
    principal = expert_principal(worker.expert, desk.lab)
    late = held.lease_until

    def submit() -> Any:
        with unit_of_work(principal):
            return work.submit(claim=held, body=rubric_body(), by=principal, now=late)

    def expire() -> Any:
        with platform():
            return claims.expire_lapsed(now=late)

    answers = at_once(submit, expire)
    ended = claim(held.public_id).status
    if ended == Claim.Status.SUBMITTED:
        assert 0 in answers
        assert task_of(batch).status == "in_review"
    else:
        assert (ended, "ClaimOver" in answers) == (Claim.Status.EXPIRED, True)
        assert task_of(batch).status == "available"
