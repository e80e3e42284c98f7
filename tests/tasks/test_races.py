"""Two at once: one decides, one hands in, one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from core import clock
from core.problems import DomainError
from core.public import unit_of_work
from tasks.models import Claim, Review, Submission, Task
from tasks.operations import claims, reviews, work
from tests.marketplace.world import expert_principal, platform
from tests.tasks.world import (
    LAB,
    NOW,
    Desk,
    authoring,
    claim,
    finish,
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


def wait_before_a_lock(thread: threading.Thread) -> None:
    """Until it stands before a lock; whoever holds that goes on only then."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        while thread.is_alive():
            cursor.execute(waiting)
            if cursor.fetchone() is not None:
                return


@pytest.mark.parametrize("skip", [False, True])
def test_of_two_bulk_creations_with_one_external_id_the_later_is_told_which_item(skip: bool) -> None:
    """In two batches of one lab, the later one looked up its ids while the earlier was not committed yet."""
    desk = make_desk()
    first, second = (staged(desk, name) for name in ("First", "Second"))
    accepted = [
        desk.call(
            "POST",
            f"{LAB}/batches/{batch}/tasks",
            {"tasks": [{**authoring(), "external_id": name} for name in names], "skip_invalid_items": skip},
            Idempotency_Key=batch,
        )
        for batch, names in ((first, ["a", "b"]), (second, ["c", "b", "a"]))
    ]

    def later() -> None:
        try:
            finish(desk, accepted[1])
        finally:
            connection.close()

    thread = threading.Thread(target=later)
    with transaction.atomic():
        earlier = finish(desk, accepted[0])
        thread.start()
        wait_before_a_lock(thread)
    thread.join()
    told = finish(desk, accepted[1])
    assert earlier["state"] == "succeeded"
    taken = [(error["index"], error["pointer"], error["code"]) for error in told["errors"] if "pointer" in error]
    assert taken == [(1, "/tasks/1/external_id", "taken"), (2, "/tasks/2/external_id", "taken")]
    assert told["state"] == ("partially_succeeded" if skip else "failed")
    assert [error["code"] for error in told["errors"][2:]] == ([] if skip else ["invalid_items"])
    with platform():
        stored = Task.objects.order_by("pk").values_list("batch__public_id", "external_id")
        assert list(stored) == [(first, "a"), (first, "b"), *([(second, "c")] if skip else [])]


def staged(desk: Desk, name: str) -> str:
    """A batch that is not launched."""
    made = desk.call("POST", f"{LAB}/projects/{desk.project.public_id}/batches", {"name": name})
    batch_id: str = made.json()["id"]
    return batch_id


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
