"""From the first claim to the decision: overlap, consensus, adjudication, trial, review, rework, rejection, appeal."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Model

from core import clock
from core.public import Event
from experts.models import Appeal, Decision, Notice, QualityScore
from experts.operations import appeals
from experts.public import OwnWork
from tasks.models import Adjudication, CriterionGrade, Review, Rubric, RubricCriterion, Submission, Task
from tasks.operations import reviews
from tasks.operations.reviews import NotUnderReview
from tests.marketplace.world import admin_of, platform
from tests.tasks.world import (
    CRITERIA,
    EXPERT,
    LAB,
    NOW,
    Desk,
    Worker,
    agreement_on,
    authoring,
    claim,
    decide,
    grades,
    grading,
    hear,
    make_batch,
    make_desk,
    make_reviewer,
    make_rubric,
    make_staff,
    make_worker,
    rubric_body,
    submission,
    task_of,
    trial_grades,
    work_of,
)

pytestmark = pytest.mark.django_db


REFUSAL = {"reason": "rubric_not_atomic", "comment": "Criterion c4 asks two things."}


def lab_decides(desk: Desk, work_id: str, verb: str, **fields: Any) -> Any:
    return desk.call("POST", f"{LAB}/submissions/{work_id}/{verb}", {"decided_by": desk.decider, **fields})


def test_accepted_work_is_final_and_its_rubric_frozen() -> None:
    desk = make_desk()
    worker, staff = make_worker(desk), make_staff()
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    assert task_of(batch).status == Task.Status.IN_REVIEW
    with platform():
        assert Rubric.objects.get().status == Rubric.Status.DRAFT
    decide(work_id, "accept", by=staff)
    task = task_of(batch)
    assert (task.status, task.review_side) == (Task.Status.COMPLETED, "")
    final = submission(work_id)
    assert (final.status, final.is_final, final.decided_by_id) == ("accepted", True, staff.pk)
    with platform():
        rubric = Rubric.objects.get()
        assert (rubric.status, rubric.criteria.count()) == (Rubric.Status.FROZEN, len(CRITERIA))
    hear()
    assert desk.call("GET", f"{LAB}/batches/{batch.public_id}").json()["status"] == "completed"
    names = {row["id"] for row in desk.call("GET", f"{LAB}/submissions?is_final=true").json()["results"]}
    assert names == {work_id}
    with platform():
        score = QualityScore.objects.get(expert=worker.expert)
        assert (score.score_ppm, score.observations) == (1_000_000, 1)
        told = set(Event.objects.values_list("name", flat=True))
    assert {"submission.submitted", "submission.accepted", "task.completed", "review.completed"} <= told


def test_rework_is_a_new_row_by_the_same_person() -> None:
    desk = make_desk()
    worker, staff = make_worker(desk), make_staff()
    other = make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    first = worker.do(rubric_body())
    decide(first, "request_rework", by=staff, reason_code="rubric_not_atomic", comment="Split c4.")
    assert task_of(batch).status == Task.Status.IN_REWORK
    assert other.next().status_code == 200
    (held,) = worker.call("GET", f"{EXPERT}/claims?status=active").json()["results"]
    shown = worker.call("GET", f"{EXPERT}/claims/{held['id']}").json()
    assert shown["rework"] == {
        "submission": first,
        "body": rubric_body(),
        "reason": "rubric_not_atomic",
        "comment": "Split c4.",
    }
    better = [*CRITERIA[:3], {"id": "c4", "text": "Gives a dose.", "points": -6}]
    assert worker.submit(held["id"], rubric_body(criteria=better)).status_code == 200
    second = work_of(held["id"])
    assert submission(first).status == Submission.Status.SUPERSEDED
    assert (submission(second).revision, submission(second).body) == (2, rubric_body(criteria=better))
    assert task_of(batch).status == Task.Status.IN_REVIEW
    decide(second, "accept", by=staff)
    with platform():
        assert [rubric.version for rubric in Rubric.objects.order_by("pk")] == [1, 2]
    rows = worker.call("GET", f"{EXPERT}/submissions").json()["results"]
    assert [row["status"] for row in rows] == ["accepted", "superseded"]
    assert rows[1]["reviews"][0]["comment"] == "Split c4."
    assert staff.email not in str(rows)


def test_rework_that_is_given_back_goes_to_somebody_else() -> None:
    desk = make_desk()
    ada, bob, staff = make_worker(desk), make_worker(desk, "bob@example.org"), make_staff()
    batch = make_batch(desk)
    first = ada.do(rubric_body())
    decide(first, "request_rework", by=staff, reason_code="incomplete", comment="More.")
    (held,) = ada.call("GET", f"{EXPERT}/claims?status=active").json()["results"]
    ada.call("POST", f"{EXPERT}/claims/{held['id']}/release")
    assert task_of(batch).status == Task.Status.AVAILABLE
    assert ada.next().status_code == 200
    second = bob.do(rubric_body())
    decide(second, "accept", by=staff)
    assert submission(first).status == Submission.Status.REWORK_REQUESTED


def test_a_rejection_is_a_decision_that_can_be_overturned() -> None:
    desk = make_desk()
    worker, staff = make_worker(desk), make_staff()
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    decide(work_id, "reject", by=staff, reason_code="low_effort", comment="Four lines.")
    assert (task_of(batch).status, submission(work_id).status) == ("rejected", "rejected")
    with platform():
        decision = Decision.objects.get()
        assert (decision.act, decision.subject) == ("submission_rejected", work_id)
        assert (decision.reason_code, decision.decided_by) == ("low_effort", staff)
        assert Notice.objects.filter(expert=worker.expert, subject=decision.public_id).exists()
        appeal = appeals.file_appeal(expert=worker.expert, subject=work_id, reason="It answers all.", now=NOW)
        judge = make_staff("judge@example.org")
        appeals.decide(appeal=appeal, outcome=Appeal.Status.OVERTURNED, note="It does.", by=judge, now=NOW)
    hear()
    hear()
    assert (task_of(batch).status, submission(work_id).status) == ("completed", "accepted")
    assert submission(work_id).is_final
    with platform():
        assert QualityScore.objects.get(expert=worker.expert).score_ppm == 1_000_000


def test_an_upheld_rejection_stays() -> None:
    desk = make_desk()
    worker, staff = make_worker(desk), make_staff()
    make_batch(desk)
    work_id = worker.do(rubric_body())
    decide(work_id, "reject", by=staff, reason_code="low_effort", comment="Four lines.")
    with platform():
        appeal = appeals.file_appeal(expert=worker.expert, subject=work_id, reason="It answers all.", now=NOW)
        judge = make_staff("judge@example.org")
        appeals.decide(appeal=appeal, outcome=Appeal.Status.UPHELD, note="It does not.", by=judge, now=NOW)
    hear()
    assert submission(work_id).status == Submission.Status.REJECTED


def test_two_equal_graders_are_consensus() -> None:
    desk = make_desk()
    ada, bob, staff = make_worker(desk), make_worker(desk, "bob@example.org"), make_staff()
    batch = make_batch(desk, [grading(make_rubric(desk))], overlap=2)
    first = ada.do(grades(True, False, True, True))
    assert task_of(batch).status == Task.Status.IN_WORK
    second = bob.do(grades(True, False, True, True))
    task = task_of(batch)
    assert (task.status, task.candidate_id) == (Task.Status.IN_REVIEW, submission(first).pk)
    assert agreement_on(batch)["raw"] == 1.0
    assert agreement_on(batch)["gwet_ac1"] is None  # four verdicts say nothing
    decide(first, "accept", by=staff)
    assert [submission(key).status for key in (first, second)] == ["accepted", "accepted"]
    assert [submission(key).is_final for key in (first, second)] == [True, False]
    with platform():
        assert CriterionGrade.objects.count() == 8
        states = list(
            Task.pgh_event_model.objects.filter(pgh_obj_id=task.pk).order_by("pgh_id").values_list("status", flat=True)  # type: ignore[attr-defined]  # made by pghistory
        )
    assert "consensus" in states


def test_a_conflict_goes_to_a_third_whose_answer_stands_beside() -> None:
    desk = make_desk()
    people = [make_worker(desk, f"{name}@example.org") for name in ("ada", "bob", "eve")]
    staff = make_staff()
    batch = make_batch(desk, [grading(make_rubric(desk))], overlap=2)
    first = people[0].do(grades(True, False, True, True))
    second = people[1].do(grades(True, True, True, False))
    assert task_of(batch).status == Task.Status.CONFLICT
    assert people[0].next().status_code == 200
    assert people[1].next().status_code == 200
    held = people[2].claim()
    assert held["role"] == "adjudication"
    assert held["material"] == {
        "disputed": [{"criterion": "c2", "verdicts": [False, True]}, {"criterion": "c4", "verdicts": [False, True]}]
    }
    people[2].submit(held["id"], grades(True, True, True, True))
    third = work_of(held["id"])
    task = task_of(batch)
    assert (task.status, task.candidate_id) == (Task.Status.IN_REVIEW, submission(third).pk)
    with platform():
        assert set(Adjudication.objects.get().between) == {first, second}
    decide(third, "accept", by=staff)
    assert [submission(key).status for key in (first, second, third)] == ["accepted"] * 3
    assert submission(third).is_final
    assert submission(first).body == grades(True, False, True, True)


def test_an_adjudication_can_be_sent_back_too() -> None:
    desk = make_desk()
    people = [make_worker(desk, f"{name}@example.org") for name in ("ada", "bob", "eve")]
    batch = make_batch(desk, [grading(make_rubric(desk))], overlap=2)
    people[0].do(grades(True, False, True, True))
    people[1].do(grades(True, True, True, False))
    third = people[2].do(grades(True, True, True, True))
    decide(third, "request_rework", by=make_staff(), reason_code="factual_error", comment="Look at c1 again.")
    (held,) = people[2].call("GET", f"{EXPERT}/claims?status=active").json()["results"]
    assert held["role"] == "adjudication"
    assert people[2].call("GET", f"{EXPERT}/claims/{held['id']}").json()["material"]["disputed"]
    assert people[2].submit(held["id"], grades(False, True, True, True)).status_code == 200
    assert task_of(batch).candidate_id == submission(work_of(held["id"])).pk


def test_a_second_person_tries_the_rubric_blind() -> None:
    desk = make_desk()
    ada, bob, staff = make_worker(desk), make_worker(desk, "bob@example.org"), make_staff()
    batch = make_batch(desk, [authoring(samples=True)], overlap=2)
    held = ada.claim()
    assert bob.next().status_code == 200, "the trial waits for the rubric"
    ada.submit(held["id"], rubric_body(samples=True))
    assert task_of(batch).status == Task.Status.IN_WORK
    trial = bob.claim()
    assert trial["role"] == "second"
    assert [criterion["id"] for criterion in trial["rubric"]["criteria"]] == ["c1", "c2", "c3", "c4"]
    assert trial["material"] is None
    assert "self_check" not in str(trial)
    assert "verdict" not in str(trial)
    graded = trial_grades()
    graded[0]["verdict"] = False
    assert bob.submit(trial["id"], {"grades": graded[1:]}).json()["errors"][0]["code"] == "missing"
    bob.submit(trial["id"], {"grades": graded})
    task = task_of(batch)
    assert task.status == Task.Status.IN_REVIEW
    found = agreement_on(batch)
    assert (found["raters"], found["verdicts"], found["raw"], found["disputed"]) == (2, 8, 0.875, ["s1/c1"])
    assert 0 < found["gwet_ac1"] < 1
    shown = desk.call("GET", f"{LAB}/tasks/{task.public_id}").json()
    assert shown["rater_agreement"]["raw"] == 0.875
    decide(work_of(held["id"]), "accept", by=staff)
    with platform():
        grade = CriterionGrade.objects.filter(submission__role="second").first()
        assert grade is not None
        assert grade.criterion.rubric.submission == submission(work_of(held["id"]))


def test_a_revised_rubric_is_tried_again() -> None:
    desk = make_desk()
    ada, bob, staff = make_worker(desk), make_worker(desk, "bob@example.org"), make_staff()
    batch = make_batch(desk, [authoring(samples=True)], overlap=2)
    first = ada.do(rubric_body(samples=True))
    bob.do({"grades": trial_grades(verdict=False)})
    assert agreement_on(batch)["raw"] == 0.0
    decide(first, "request_rework", by=staff, reason_code="rubric_not_atomic", comment="Nobody agrees.")
    (held,) = ada.call("GET", f"{EXPERT}/claims?status=active").json()["results"]
    ada.submit(held["id"], rubric_body(samples=True))
    assert task_of(batch).status == Task.Status.IN_WORK
    trial = bob.claim()
    assert trial["rubric"]["version"] == 2
    bob.submit(trial["id"], {"grades": trial_grades()})
    assert (task_of(batch).status, agreement_on(batch)["raw"]) == (Task.Status.IN_REVIEW, 1.0)


def test_an_expert_with_the_qualification_reviews() -> None:
    desk = make_desk()
    ada, rita = make_worker(desk), make_reviewer(desk)
    plain = make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    work_id = ada.do(rubric_body())
    assert plain.next().status_code == 200
    held = rita.claim()
    assert held["role"] == "review"
    assert held["material"]["body"] == rubric_body()
    assert "ada" not in str(held).lower().replace("canada", "")
    assert rita.submit(held["id"], {"outcome": "reject"}).json()["code"] == "submission_invalid"
    assert rita.submit(held["id"], {"outcome": "maybe"}).json()["errors"][0]["pointer"] == "/submission/outcome"
    assert claim(held["id"]).status == "active"
    answer = rita.submit(held["id"], {"outcome": "request_rework", **REFUSAL})
    assert answer.status_code == 200, answer.content
    assert submission(work_id).status == Submission.Status.REWORK_REQUESTED
    assert task_of(batch).status == Task.Status.IN_REWORK
    with platform():
        assert Review.objects.get().claim == claim(held["id"])


def test_a_decision_in_the_admin_takes_the_review_from_its_holder() -> None:
    desk = make_desk()
    ada, rita = make_worker(desk), make_reviewer(desk)
    make_batch(desk)
    work_id = ada.do(rubric_body())
    held = rita.claim()
    decide(work_id, "accept", by=make_staff())
    assert claim(held["id"]).status == "revoked"
    assert rita.submit(held["id"], {"outcome": "accept"}).json()["code"] == "claim_over"


def test_the_lab_decides_where_its_policy_says_so() -> None:
    desk = make_desk(review_policy="lab")
    worker = make_worker(desk)
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    with pytest.raises(NotUnderReview):
        decide(work_id, "accept", by=make_staff())
    nobody = desk.call("POST", f"{LAB}/submissions/{work_id}/accept", {"decided_by": "who@example.org"})
    assert nobody.json()["errors"][0]["code"] == "unknown_member"
    bare = lab_decides(desk, work_id, "reject")
    assert {error["pointer"] for error in bare.json()["errors"]} == {"/reason", "/comment"}
    done = lab_decides(desk, work_id, "accept")
    assert (done.json()["status"], done.json()["is_final"]) == ("accepted", True)
    assert submission(work_id).decided_by_id == admin_of(desk.lab).pk
    again = lab_decides(desk, work_id, "reject", **REFUSAL)
    assert (again.status_code, again.json()["code"]) == (409, "not_under_review")
    assert task_of(batch).status == Task.Status.COMPLETED


def test_with_both_the_platform_decides_first_and_the_lab_last() -> None:
    desk = make_desk(review_policy="both")
    worker = make_worker(desk)
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    early = lab_decides(desk, work_id, "accept")
    assert (early.json()["code"], early.json()["review_side"]) == ("not_under_review", "platform")
    decide(work_id, "accept", by=make_staff())
    assert (task_of(batch).status, task_of(batch).review_side) == ("in_review", "lab")
    assert lab_decides(desk, work_id, "request-rework", **REFUSAL).json()["status"] == "rework_requested"
    with platform():
        assert sorted(Review.objects.values_list("side", flat=True)) == ["lab", "platform"]


def test_silence_past_the_window_accepts() -> None:
    desk = make_desk(review_policy="both")
    worker = make_worker(desk)
    batch = make_batch(desk)
    work_id = worker.do(rubric_body())
    three_days = dt.timedelta(days=3)
    with platform():
        assert reviews.accept_by_silence(now=NOW + three_days - dt.timedelta(seconds=1)) == 0
        assert reviews.accept_by_silence(now=NOW + three_days) == 0
    assert task_of(batch).review_side == "lab"
    with platform():
        assert reviews.accept_by_silence(now=NOW + 2 * three_days) == 1
        assert reviews.accept_by_silence(now=NOW + 2 * three_days) == 0
    assert (submission(work_id).status, submission(work_id).decided_by) == ("accepted", None)


def test_what_the_sampling_leaves_out_is_accepted_at_once() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk, review_floor_percent=0)
    work_id = worker.do(rubric_body())
    assert (task_of(batch).status, submission(work_id).is_final) == ("completed", True)


def test_the_sampling_can_be_drawn_again() -> None:
    desk = make_desk()
    batch = make_batch(desk, [authoring() for _ in range(300)], review_floor_percent=10)
    with platform():
        tasks = list(Task.objects.filter(batch=batch).select_related("batch"))
    drawn = [reviews.is_sampled(task) for task in tasks]
    assert drawn == [reviews.is_sampled(task) for task in tasks]
    assert 10 <= sum(drawn) <= 60


@pytest.mark.parametrize("role", ["author", "second"])
def test_nobody_decides_about_a_task_he_worked_on(role: str) -> None:
    desk = make_desk()
    workers: dict[str, Worker] = {"author": make_worker(desk), "second": make_worker(desk, "bob@example.org")}
    make_batch(desk, [authoring(samples=True)], overlap=2)
    work_id = workers["author"].do(rubric_body(samples=True))
    workers["second"].do({"grades": trial_grades()})
    user = workers[role].expert.user
    with pytest.raises(OwnWork):
        decide(work_id, "accept", by=user)
    work = submission(work_id)
    with platform(), pytest.raises(IntegrityError, match="Nobody reviews"), transaction.atomic():
        Review.objects.create(
            tenant_id=work.tenant_id,
            submission=work,
            side="platform",
            outcome="accept",
            decided_by=user,
            decided_at=NOW,
        )
    author = workers["author"].expert.user
    with platform(), pytest.raises(IntegrityError, match="Nobody decides"), transaction.atomic():
        Submission.objects.filter(pk=work.pk).update(decided_by=author)
    assert submission(work_id).status == Submission.Status.SUBMITTED


def test_submitted_work_and_reviews_never_change() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    work_id = worker.do(rubric_body())
    decide(work_id, "accept", by=make_staff())
    changes: list[tuple[type[Model], dict[str, Any]]] = [
        (Submission, {"body": {}}),
        (Review, {"comment": "other"}),
        (Task, {"payload": {}}),
        (RubricCriterion, {"text": "other"}),
    ]
    for model, change in changes:
        with platform(), pytest.raises(DatabaseError, match=r"append-only|permission denied"), transaction.atomic():
            model._default_manager.update(**change)


def test_a_decision_needs_a_reason_in_words() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    work_id = worker.do(rubric_body())
    with pytest.raises(Exception, match="invalid"):
        decide(work_id, "reject", by=make_staff(), reason_code="low_effort", comment=" ")
    assert submission(work_id).status == Submission.Status.SUBMITTED


def test_history_names_who_did_it() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    with clock.frozen(NOW):
        worker.do(rubric_body())
    with platform():
        rows = Task.pgh_event_model.objects.filter(pgh_obj_id=task_of(batch).pk).order_by("pgh_id")  # type: ignore[attr-defined]  # made by pghistory
        actors = [row.pgh_context["actor"] for row in rows]
    assert actors[-1] == f"user:{worker.expert.user.public_id}"
    assert any(actor.startswith("key:") for actor in actors)
