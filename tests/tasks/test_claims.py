"""The queue over REST: who gets what, for how long, and what everybody must not see."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.public import unit_of_work
from marketplace.operations import contracts, instructions
from payments import accounts, ledger
from payments.ledger import NewEntry
from tasks import public
from tasks.models import Batch, Claim, Draft, Task, TaskReport
from tasks.operations import claims
from tests.marketplace.world import admin_of, again, expert_principal, make_contract, make_expert, platform
from tests.tasks.world import (
    EXPERT,
    LAB,
    NOW,
    SAMPLES,
    Desk,
    authoring,
    claim,
    grades,
    grading,
    make_batch,
    make_desk,
    make_rubric,
    make_worker,
    post_tasks,
    rubric_body,
    task_of,
)

pytestmark = pytest.mark.django_db


def make_running(desk: Desk, batch: Batch) -> str:
    """The batch goes on: a task in review does not end it."""
    assert desk.call("GET", f"{LAB}/batches/{batch.public_id}").json()["status"] == "in_progress"
    return batch.public_id


def test_the_next_task_comes_with_its_payload_and_without_the_models_name() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk, [authoring(samples=True, provenance={"model": "secret-model-1"})], item_cap="PT45M")
    answer = worker.next()
    held = answer.json()
    assert answer.status_code == 201
    assert held["role"] == "attempt"
    assert held["item_cap"] == "PT45M"
    assert [sample["id"] for sample in held["payload"]["sample_responses"]] == [sample["id"] for sample in SAMPLES]
    assert "secret-model-1" not in answer.content.decode()
    assert task_of(batch).status == "in_work"
    listed = worker.call("GET", f"{EXPERT}/claims?status=active").json()["results"]
    assert [row["id"] for row in listed] == [held["id"]]


def test_an_empty_queue_tells_what_may_come() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    make_batch(desk)
    held = ada.claim()
    answer = bob.next()
    assert answer.status_code == 200
    assert answer.json()["claim"] is None
    forecast = answer.json()["forecast"]
    assert forecast["held_by_others"] == 1
    assert forecast["next_lease_ends_at"] == held["lease_until"]


def test_work_needs_the_newest_instructions_read() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    with platform():
        instructions.publish(project=desk.project, body="Read me.", now=NOW)
    refused = worker.next()
    assert refused.status_code == 403
    assert refused.json()["code"] == "instructions_required"
    assert refused.json()["remedy"]["href"].endswith("/instructions")
    assert task_of(batch).status == "available"


def test_a_paused_contract_gets_no_work() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    with platform():
        admin = admin_of(desk.lab)
        contracts.pause(contract=worker.contract, decided_by=admin, reason_code="quality", explanation="Wait.", now=NOW)
    assert worker.next().json()["code"] == "contract_not_active"
    with platform():
        contracts.resume(contract=worker.contract, now=NOW)
    assert worker.next().status_code == 201


def test_a_lab_that_owes_gives_no_new_work_until_it_pays() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    owe(desk, -100)
    refused = worker.next()
    assert (refused.status_code, refused.json()["code"]) == (409, "claims_paused_for_funds")
    assert task_of(batch).status == "available"
    owe(desk, 100)
    assert worker.next().status_code == 201


def owe(desk: Desk, minor: int) -> None:
    """Move the lab's debt by so many cents."""
    tenant_id = desk.lab.tenant_id
    legs = [(accounts.lab_receivable(tenant_id, "USD"), minor), (accounts.fee_income("USD"), -minor)]
    entry = NewEntry(kind="correction", source_id=f"tests{minor}", effective_at=NOW, legs=legs, tenant_id=tenant_id)
    with platform():
        assert ledger.post(entries=[entry], now=NOW)


def test_nobody_holds_more_than_his_share() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring() for _ in range(claims.CONCURRENT_CLAIMS + 1)])
    held = [worker.claim()["id"] for _ in range(claims.CONCURRENT_CLAIMS)]
    refused = worker.next()
    assert refused.json()["code"] == "too_many_claims"
    assert refused.json()["claims"] == held
    worker.call("POST", f"{EXPERT}/claims/{held[0]}/release")
    assert worker.next().status_code == 201


def test_a_silent_claim_is_taken_back_and_a_draft_keeps_it() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk, lease="PT1H")
    held = ada.claim()
    later = NOW + dt.timedelta(minutes=50)
    with clock.frozen(later):
        saved = ada.call("PUT", f"{EXPERT}/claims/{held['id']}/draft", {"submission": {"criteria": [1]}})
        assert saved.status_code == 200
        assert saved.json()["lease_until"] == "2026-11-03T10:50:00Z"
    with platform():
        assert claims.expire_lapsed(now=NOW + dt.timedelta(minutes=70)) == 0
        assert claims.expire_lapsed(now=NOW + dt.timedelta(minutes=110)) == 1
        assert claims.expire_lapsed(now=NOW + dt.timedelta(minutes=110)) == 0
    assert claim(held["id"]).status == Claim.Status.EXPIRED
    assert task_of(batch).status == Task.Status.AVAILABLE
    shown = ada.call("GET", f"{EXPERT}/claims/{held['id']}").json()
    assert shown["draft"] == {"criteria": [1]}
    late = ada.submit(held["id"], rubric_body())
    assert (late.status_code, late.json()["claim_status"]) == (409, "expired")
    assert ada.call("PUT", f"{EXPERT}/claims/{held['id']}/draft", {"submission": {}}).json()["code"] == "claim_over"
    assert bob.claim()["task"] == held["task"]


def test_who_came_back_too_late_may_take_it_again() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, lease="PT1H")
    held = worker.claim()
    with platform():
        claims.expire_lapsed(now=NOW + dt.timedelta(hours=2))
    assert worker.claim()["task"] == held["task"]


def test_what_was_given_back_is_offered_to_others_only() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    make_batch(desk)
    held = ada.claim()
    assert ada.call("POST", f"{EXPERT}/claims/{held['id']}/release").json()["status"] == "released"
    assert ada.call("POST", f"{EXPERT}/claims/{held['id']}/release").json()["code"] == "claim_over"
    assert ada.next().status_code == 200
    assert bob.claim()["task"] == held["task"]


def test_a_report_gives_the_task_back_and_tells_the_lab() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    batch = make_batch(desk)
    held = worker.claim()
    body = {"reason": "infeasible_prompt", "comment": "The file is empty."}
    assert worker.call("POST", f"{EXPERT}/claims/{held['id']}/report", body).json()["status"] == "released"
    shown = desk.call("GET", f"{LAB}/tasks/{task_of(batch).public_id}").json()
    assert (shown["status"], shown["reports"]) == ("available", 1)
    with platform():
        assert TaskReport.objects.get().comment == "The file is empty."


def test_the_second_grader_sees_exactly_what_the_first_saw() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    make_batch(desk, [grading(make_rubric(desk))], overlap=2)
    first, second = ada.claim(), bob.claim()
    own = {"id", "contract"}
    assert first["task"] == second["task"]
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}
    ada.submit(first["id"], grades(True, True, False, False))
    seen = bob.call("GET", f"{EXPERT}/claims/{second['id']}")
    assert seen.json() == second
    assert bob.call("GET", f"{EXPERT}/submissions").json()["results"] == []
    assert bob.call("GET", f"{EXPERT}/claims/{first['id']}").status_code == 404


def test_gold_looks_like_any_task() -> None:
    desk = make_desk()
    ada = make_worker(desk)
    rubric = make_rubric(desk)
    expected = {"grades": [{"criterion": "c1", "verdict": True}]}
    batch = make_batch(desk, [grading(rubric, gold=expected, external_id="gold-1"), grading(rubric)])
    held = [ada.claim(), ada.claim()]
    own = {"id", "task"}
    plain = [{k: v for k, v in row.items() if k not in own} for row in held]
    assert plain[0] == plain[1]
    assert "gold" not in json.dumps(held)
    for row in held:
        assert ada.submit(row["id"], grades(True, False, False, False)).status_code == 200
    rows = ada.call("GET", f"{EXPERT}/submissions").json()["results"]
    assert [row["status"] for row in rows] == ["submitted", "submitted"]
    assert rows[0].keys() == rows[1].keys()
    with platform():
        scored = public.Submission.objects.filter(gold_ppm__isnull=False)
        assert [row.gold_ppm for row in scored] == [1_000_000]
        assert scored.get().task.batch_id == batch.pk


def test_the_order_of_a_batch_is_drawn_by_lot() -> None:
    desk = make_desk()
    batch = make_batch(desk, [authoring() for _ in range(40)])
    with platform():
        drawn = list(Task.objects.filter(batch=batch).order_by("position").values_list("pk", flat=True))
    assert drawn != sorted(drawn)


def test_work_of_ones_own_field_comes_first() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring(domain="law"), authoring(), authoring(domain="medicine.cardiology")])
    assert [worker.claim()["payload"].get("domain") for _ in range(3)] == ["medicine.cardiology", None, "law"]


def test_the_queue_is_read_in_the_order_of_an_index() -> None:
    """However much waits: nothing is sorted to find the first piece of work, of whatever domain."""
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring(domain="law"), authoring(domain="medicine.cardiology"), authoring()])
    for _ in range(3):
        with CaptureQueriesContext(connection) as asked:
            worker.claim()
    looked = [
        query["sql"] for query in asked if "SKIP LOCKED" in query["sql"] and "wanted_role\" = 'attempt'" in query["sql"]
    ]
    assert len(looked) == 3  # his own field, work without one, the rest
    with platform(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        for sql in looked:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "tasks_task_queue" in plan
            assert "->  Sort  (" not in plan, plan  # an incremental sort breaks ties only


def test_scarce_work_goes_to_whoever_was_without_it_longest() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    ada.do(rubric_body())
    later = NOW + dt.timedelta(minutes=10)
    with clock.frozen(later):
        assert bob.next().status_code == 200
        post_tasks(desk, make_running(desk, batch), [authoring()])
        told = ada.next()
        assert (told.status_code, told.json()["forecast"]["before_you"]) == (200, 1)
        held = bob.claim()
        assert ada.next().json()["forecast"]["before_you"] == 0
        bob.call("POST", f"{EXPERT}/claims/{held['id']}/release")
    with clock.frozen(later + dt.timedelta(seconds=30)):
        assert ada.claim()["task"] == held["task"]


def test_a_turn_that_is_not_taken_is_lost() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    ada.do(rubric_body())
    assert bob.next().status_code == 200
    post_tasks(desk, make_running(desk, batch), [authoring()])
    with clock.frozen(NOW + dt.timedelta(seconds=89)):
        assert ada.next().status_code == 200
    with clock.frozen(NOW + dt.timedelta(seconds=91)):
        assert ada.next().status_code == 201


def test_plenty_is_for_everybody() -> None:
    desk = make_desk()
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    batch = make_batch(desk)
    ada.do(rubric_body())
    assert bob.next().status_code == 200
    post_tasks(desk, make_running(desk, batch), [authoring(), authoring()])
    assert ada.next().status_code == 201
    assert bob.next().status_code == 201


def test_nobody_has_two_parts_in_one_task() -> None:
    desk = make_desk()
    ada = make_worker(desk)
    batch = make_batch(desk, [grading(make_rubric(desk))], overlap=2)
    held = ada.claim()
    assert ada.next().status_code == 200
    ada.submit(held["id"], grades(True, True, True, True))
    assert ada.next().status_code == 200
    with platform(), pytest.raises(IntegrityError, match="tasks_claim_one_role"), transaction.atomic():
        Claim.objects.create(
            tenant_id=batch.tenant_id,
            task=task_of(batch),
            contract=ada.contract,
            expert=ada.expert,
            role=Claim.Role.REVIEW,
            submission_under_review=public.Submission.objects.get(),
            claimed_at=NOW,
            lease_seconds=60,
            lease_until=NOW,
        )


def test_heartbeats_renew_the_lease_and_time_is_kept_after_the_end() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, lease="PT1H")
    held = claim(worker.claim()["id"])
    with platform():
        assert public.renew_lease(claim_id=held.pk, now=NOW + dt.timedelta(minutes=30))
        public.record_active_time(claim_id=held.pk, seconds=90)
        assert again(held).lease_until == NOW + dt.timedelta(minutes=90)
        found = public.claim_for_contract(public_id=held.public_id, contract_id=worker.contract.pk)
        assert found == held
        assert public.claim_for_contract(public_id=held.public_id, contract_id=worker.contract.pk + 1) is None
        claims.end(claim=held, status=Claim.Status.RELEASED, now=NOW)
        assert not public.renew_lease(claim_id=held.pk, now=NOW)
        public.record_active_time(claim_id=held.pk, seconds=10)
        assert again(held).active_seconds == 100
        assert public.submitted_items(contract_id=worker.contract.pk, start=NOW, end=NOW + dt.timedelta(days=1)) == 0


def test_handed_in_items_are_counted_whatever_is_decided() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    worker.do(rubric_body())
    with platform():
        count = public.submitted_items(contract_id=worker.contract.pk, start=NOW, end=NOW + dt.timedelta(days=1))
        assert count == 1
        assert not Draft.objects.exists()


def test_bad_work_is_refused_with_pointers_and_the_claim_goes_on() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring(samples=True)])
    held = worker.claim()
    shapeless = worker.submit(held["id"], {"criteria": [{"id": "c1"}], "colour": "red"})
    assert shapeless.json()["code"] == "submission_invalid"
    assert {e["pointer"] for e in shapeless.json()["errors"]} == {"/submission", "/submission/criteria/0"}
    twice = [{"id": "c1", "text": "One.", "points": 1}, {"id": "c1", "text": "Two.", "points": 2}]
    assert worker.submit(held["id"], {"criteria": twice}).json()["errors"][0]["code"] == "duplicate_id"
    ungraded = worker.submit(held["id"], rubric_body())
    assert {e["pointer"] for e in ungraded.json()["errors"]} == {"/submission/self_check"}
    helped = {**rubric_body(samples=True), "ai_assistance": {"used": True}}
    assert worker.submit(held["id"], helped).json()["errors"][0]["pointer"] == "/submission/ai_assistance/used"
    assert worker.submit(held["id"], "text").status_code == 400
    assert claim(held["id"]).status == Claim.Status.ACTIVE
    with platform():
        assert not public.Submission.objects.exists()
    assert worker.submit(held["id"], rubric_body(samples=True)).status_code == 200


def test_grades_answer_the_rubric_one_to_one() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [grading(make_rubric(desk))])
    held = worker.claim()
    body = grades(True, True, True, True)
    body["grades"][1] = {"criterion": "c9", "verdict": True}
    body["grades"][2]["verdict"] = "maybe"
    body["grades"][3]["evidence_span"] = [5, 5000]
    refused = worker.submit(held["id"], body).json()["errors"]
    assert {(e["pointer"], e["code"]) for e in refused} == {
        ("/submission/grades/1/criterion", "unknown_criterion"),
        ("/submission/grades/2/verdict", "invalid_verdict"),
        ("/submission/grades", "missing"),
        ("/submission/grades/3/evidence_span", "out_of_range"),
    }


@pytest.mark.django_db(transaction=True)
def test_twelve_at_once_get_twelve_different_places() -> None:
    desk = make_desk()
    batch = make_batch(desk, [authoring() for _ in range(5)])
    experts = [make_expert(f"expert{n}@example.org") for n in range(9)]
    held = [make_contract(desk.opening, expert) for expert in experts]
    answers: list[Any] = []

    def take(contract: Any) -> None:
        try:
            with clock.frozen(NOW), unit_of_work(expert_principal(contract.expert, desk.lab)):
                answers.append(claims.take(contract=contract, by=expert_principal(contract.expert, desk.lab), now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(contract,)) for contract in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [answer for answer in answers if isinstance(answer, Claim)]
    assert len(answers) == 9
    assert len(taken) == len({answer.task_id for answer in taken}) == 5
    with platform():
        assert Claim.objects.filter(task__batch=batch).count() == 5
