"""Act 4: the platform's reviewer decides at the desk, the lab over REST; rework, a rejection, and an appeal."""

from __future__ import annotations

from typing import Any

from config.demo import cast, material
from config.demo.acts import work
from config.demo.api import Json, wait_for
from config.demo.cast import HELIOS, NORTHWIND, ExpertRole
from config.demo.desk import Desk
from config.demo.stage import Stage

SUBMISSIONS = "/admin/tasks/submission/"
APPEALS = "/admin/experts/appeal/"


def review_at_the_desk(stage: Stage) -> None:
    """One authoring task is sent back, one rejected; the rest is accepted, the grading too."""
    desk = stage.desk(cast.REVIEWER)
    authored = _under_review(stage, "authoring")
    for number, task in enumerate(authored):
        if number == 1:
            _send_back(stage, desk, task)
        elif number == 2:
            _reject(stage, desk, task)
        else:
            _accept(desk, task)
    for task in _under_review(stage, "grading"):
        _accept(desk, task)
    stage.step(f"{cast.REVIEWER.name} reviewed {len(authored)} rubrics at the desk: one sent back, one rejected")


def rework(stage: Stage) -> None:
    """The author revises, a second expert tries the new version, the reviewer accepts."""
    for role in work.CREWS[NORTHWIND.name]:
        work.revise(stage, role)
    work.empty_the_queue(stage, work.CREWS[NORTHWIND.name])
    task = stage.ids["task reworked"]
    _accept(stage.desk(cast.REVIEWER), stage.lab(NORTHWIND).get(f"/tasks/{task}"))
    stage.check("the revised task is completed", "completed", stage.lab(NORTHWIND).get(f"/tasks/{task}")["status"])
    stage.step("The revision was tried by a second expert again, and accepted")


def appeal(stage: Stage) -> None:
    """The author contests the rejection; another reviewer overturns it; the work counts as accepted."""
    role, submission = _author_of(stage, stage.ids["submission rejected"])
    api = stage.expert(role)
    decision = next(row for row in api.pages("/decisions") if row["subject"] == submission)
    stage.check("the rejection names its reason", "rubric_incomplete", decision["reason_code"])
    reason = "Every danger sign that the prompt names has a criterion. Please compare c1 to c3 with the prompt."
    filed = api.post("/appeals", {"subject": decision["id"], "reason": reason})
    note = "The rubric covers the case; the missing point was not asked for. The rejection is overturned."
    stage.desk(cast.SECOND_REVIEWER).on(APPEALS, "decide", filed["id"], reason=note, choice="overturned")
    stage.check("the appeal", "overturned", api.get(f"/appeals/{filed['id']}")["status"])
    wait_for(
        "the overturned rejection",
        lambda: stage.lab(NORTHWIND).get(f"/submissions/{submission}")["status"] == "accepted",
    )
    stage.step(f"{role.name} appealed; {cast.SECOND_REVIEWER.name} overturned the rejection")


def review_by_the_lab(stage: Stage) -> None:
    """The lab accepts its contract rubrics over REST, by a named person."""
    api = stage.lab(HELIOS)
    found = _under_review(stage, "contracts")
    for task in found:
        api.post(f"/submissions/{task['candidate']}/accept", {"decided_by": HELIOS.address("reviewer")})
    stage.check("contract rubrics accepted", len(material.CONTRACTS), len(found))
    stage.step(f"{HELIOS.name} accepted {len(found)} rubrics over REST")


def consensus_and_conflict(stage: Stage) -> None:
    """Two graders agreed on one response; on the other a third person decided."""
    api = stage.lab(NORTHWIND)
    for response in material.RESPONSES:
        task = next(iter(api.pages("/tasks", external_id=response.name)))
        disputed = task["rater_agreement"]["disputed"]
        stage.check(f"{response.name} is contested", response.is_contested, bool(disputed))
        by_whom = "adjudication" if response.is_contested else "attempt"
        found = api.get(f"/submissions/{task['candidate']}")["role"]
        stage.check(f"{response.name}: whose verdicts count", by_whom, found)
    stage.step("Two blind graders agreed on one response; on the other a third expert decided")


def _under_review(stage: Stage, batch: str) -> list[Any]:
    lab = HELIOS if batch == "contracts" else NORTHWIND
    api = stage.lab(lab)
    tasks = list(api.pages("/tasks", batch=stage.ids[f"batch {batch}"]))
    stage.check(f"all of {batch} is under review", {"in_review"}, {task["status"] for task in tasks})
    return sorted(tasks, key=lambda task: task["external_id"] or task["id"])


def _accept(desk: Desk, task: Json) -> None:
    desk.on(SUBMISSIONS, "accept", task["candidate"])


def _send_back(stage: Stage, desk: Desk, task: Json) -> None:
    comment = "Please add what is still missing for a safe answer, as a criterion of its own."
    desk.on(SUBMISSIONS, "request_rework", task["candidate"], reason=comment, choice="rubric_incomplete")
    stage.ids["task reworked"] = task["id"]


def _reject(stage: Stage, desk: Desk, task: Json) -> None:
    comment = "A criterion about the patient's other medicines is missing."
    desk.on(SUBMISSIONS, "reject", task["candidate"], reason=comment, choice="rubric_incomplete")
    stage.ids["submission rejected"] = task["candidate"]


def _author_of(stage: Stage, submission: str) -> tuple[ExpertRole, str]:
    for role in work.CREWS[NORTHWIND.name]:
        if any(row["id"] == submission for row in stage.expert(role).pages("/submissions", status="rejected")):
            return role, submission
    raise LookupError(f"Nobody wrote {submission}.")
