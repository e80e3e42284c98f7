"""A project at work, for the tests of this floor: a lab with a key, contract holders with tokens, batches of tasks."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from core import clock, long_work, outbox
from core.public import Operation, User
from experts.models import Expert
from experts.operations.quality import grant_qualification
from marketplace.models import Contract, Lab, Opening, Project
from tasks.models import Batch, Claim, Review, Submission, Task
from tasks.operations import reviews
from tests.core.api.conftest import Caller
from tests.marketplace import world
from tests.marketplace.world import platform

NOW = world.NOW + dt.timedelta(days=1)
LAB = "/api/v1"
EXPERT = "/api/v1/expert"
TYPES = ["rubric_authoring", "rubric_grading"]

CRITERIA: list[dict[str, Any]] = [
    {"id": "c1", "text": "Tells to keep taking aspirin until the surgeon decides.", "points": 7},
    {"id": "c2", "text": "Names the risk of bleeding as the reason to ask.", "points": 5},
    {"id": "c3", "text": "States the usual number of days before an operation.", "points": 10},
    {"id": "c4", "text": "Gives a dose without being asked for one.", "points": -6},
]
SAMPLES: list[dict[str, Any]] = [
    {"id": "s1", "text": "Ask your surgeon.", "provenance": {"model": "secret-model-1"}},
    {"id": "s2", "text": "Stop it seven days before, since it thins the blood."},
]
PROMPT = "A patient of 54 asks whether to stop taking aspirin before surgery."


@dataclass
class Desk:
    """A lab's project at work, and the lab's client."""

    lab: Lab
    call: Caller
    project: Project
    opening: Opening

    @property
    def decider(self) -> str:
        """The address of a member who may decide."""
        return world.admin_of(self.lab).email


@dataclass
class Worker:
    """A contract holder and his client."""

    expert: Expert
    call: Caller
    contract: Contract

    def next(self) -> Any:
        """Ask for work."""
        return self.call("POST", f"{EXPERT}/claims", {"contract": self.contract.public_id})

    def claim(self) -> dict[str, Any]:
        """Get work; there must be some."""
        answer = self.next()
        assert answer.status_code == 201, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def submit(self, claim_id: str, body: Any) -> Any:
        """Hand it in."""
        return self.call("POST", f"{EXPERT}/claims/{claim_id}/submit", {"submission": body})

    def do(self, body: Any) -> str:
        """Get work and hand it in; the submission's id."""
        claim = self.claim()
        answer = self.submit(claim["id"], body)
        assert answer.status_code == 200, answer.content
        return work_of(claim["id"])


def make_desk(name: str = "Acme", **fields: Any) -> Desk:
    """A lab with an active project and an opening of ten seats."""
    lab = world.make_lab(name)
    project = world.make_project(lab, **{"task_types": TYPES, **fields})
    return Desk(lab, world.lab_caller(lab), project, world.make_opening(project, seats=10))


def make_worker(desk: Desk, email: str = "ada@example.org") -> Worker:
    """Somebody with an active contract."""
    expert = world.make_expert(email)
    contract = world.make_contract(desk.opening, expert)
    assert contract.status == Contract.Status.ACTIVE
    return Worker(expert, world.expert_caller(expert), contract)


def make_reviewer(desk: Desk, email: str = "rita@example.org") -> Worker:
    """A contract holder who may review."""
    worker = make_worker(desk, email)
    with platform():
        grant_qualification(expert=worker.expert, code="reviewer", now=NOW)
    return worker


def make_staff(email: str = "staff@example.org") -> User:
    """A member of the platform's staff."""
    return User.objects.create_user(email, is_staff=True)


def authoring(*, samples: bool = False, **fields: Any) -> dict[str, Any]:
    """A task to write a rubric."""
    payload = {"prompt": PROMPT, **({"sample_responses": SAMPLES} if samples else {}), **fields}
    return {"type": "rubric_authoring", "payload": payload}


def make_batch(desk: Desk, items: list[dict[str, Any]] | None = None, **fields: Any) -> Batch:
    """A launched batch."""
    made = desk.call("POST", f"{LAB}/projects/{desk.project.public_id}/batches", {"name": "First", **fields})
    assert made.status_code == 201, made.content
    batch_id = made.json()["id"]
    operation = post_tasks(desk, batch_id, items or [authoring()])
    assert operation["state"] == "succeeded", operation
    launched = desk.call("POST", f"{LAB}/batches/{batch_id}/launch")
    assert launched.status_code == 200, launched.content
    with platform():
        return Batch.objects.get(public_id=batch_id)


def post_tasks(desk: Desk, batch_id: str, items: Any, **body: Any) -> dict[str, Any]:
    """Bulk creation with its operation done."""
    answer = desk.call(
        "POST", f"{LAB}/batches/{batch_id}/tasks", {"tasks": items, **body}, Idempotency_Key=str(uuid.uuid4())
    )
    assert answer.status_code == 202, answer.content
    return finish(desk, answer)


def finish(desk: Desk, accepted: Any, *, now: dt.datetime | None = None) -> dict[str, Any]:
    """Do the work of an accepted operation, as a worker would, and read it."""
    operation_id = accepted.json()["id"]
    long_work.run(Operation.objects.get(public_id=operation_id).pk, now=now or clock.now())
    found: dict[str, Any] = desk.call("GET", f"{LAB}/operations/{operation_id}").json()
    return found


def make_rubric(desk: Desk, criteria: Any = None) -> str:
    """A rubric of the lab."""
    answer = desk.call("POST", f"{LAB}/rubrics", {"criteria": criteria or CRITERIA})
    assert answer.status_code == 201, answer.content
    found: str = answer.json()["id"]
    return found


def grading(rubric_id: str, **fields: Any) -> dict[str, Any]:
    """A task to grade a response."""
    payload = {"prompt": PROMPT, "response": {"text": "Ask your surgeon."}, "rubric": rubric_id}
    return {"type": "rubric_grading", "payload": payload, **fields}


def rubric_body(*, samples: bool = False, verdict: bool = True, criteria: Any = None) -> dict[str, Any]:
    """What an author hands in."""
    criteria = criteria or CRITERIA
    body: dict[str, Any] = {"criteria": criteria}
    if samples:
        body["self_check"] = trial_grades(verdict, criteria)
    return body


def trial_grades(verdict: bool = True, criteria: Any = None) -> list[dict[str, Any]]:
    """Grades of every sample."""
    return [
        {"sample": sample["id"], "criterion": criterion["id"], "verdict": verdict}
        for sample in SAMPLES
        for criterion in criteria or CRITERIA
    ]


def grades(*verdicts: bool) -> dict[str, Any]:
    """What a grader hands in: verdicts in the order of the criteria."""
    return {
        "grades": [
            {"criterion": criterion["id"], "verdict": verdict}
            for criterion, verdict in zip(CRITERIA, verdicts, strict=True)
        ]
    }


def work_of(claim_id: str) -> str:
    """The submission that a claim made, or an empty string."""
    with platform():
        found = Submission.objects.filter(claim__public_id=claim_id).first()
        return found.public_id if found else ""


def task_of(batch: Batch) -> Task:
    """The only task of a batch."""
    with platform():
        return Task.objects.get(batch=batch)


def agreement_on(batch: Batch) -> dict[str, Any]:
    """What the graders of the only task of a batch had in common."""
    found: dict[str, Any] = task_of(batch).rater_agreement or {}
    return found


def tasks_in(batch: Batch) -> list[Task]:
    """All tasks of a batch."""
    with platform():
        return list(Task.objects.filter(batch=batch).order_by("pk"))


def submission(public_id: str) -> Submission:
    """A submission as it is now."""
    with platform():
        return Submission.objects.select_related("task").get(public_id=public_id)


def claim(public_id: str) -> Claim:
    """A claim as it is now."""
    with platform():
        return Claim.objects.get(public_id=public_id)


def hear(now: dt.datetime = NOW) -> None:
    """Deliver the news."""
    outbox.drain(now=now)


def decide(work_id: str, outcome: str, *, by: User, **fields: Any) -> Review:
    """As a member of staff in the admin."""
    with platform():
        return reviews.decide(
            submission=submission(work_id), outcome=outcome, side="platform", decided_by=by, now=NOW, **fields
        )
