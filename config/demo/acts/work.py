"""Act 3: batches of tasks; experts claim what the queue gives them, work by the timer, and hand in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from config.demo import answers, cast, material
from config.demo.api import Json
from config.demo.cast import HELIOS, NORTHWIND, ExpertRole, LabRole
from config.demo.shift import Sitting, work
from config.demo.stage import Stage

MOST_TASKS = 24
MOST_ROUNDS = 40
CREWS = {
    NORTHWIND.name: (cast.CARDIOLOGIST, cast.PHARMACIST, cast.NURSE),
    HELIOS.name: (cast.LAWYER, cast.BANKER),
}
EVERYBODY = (*CREWS[NORTHWIND.name], *CREWS[HELIOS.name])


def post_batches(stage: Stage) -> None:
    """The labs post tasks by NDJSON: authoring with a blind second, grading with two blind graders."""
    authoring = _authoring_tasks(stage)
    overlap = 2 if all(_has_samples(task) for task in authoring) else 1
    stage.set_pace(len(authoring) * overlap)
    _batch(stage, NORTHWIND, "authoring", authoring, overlap=overlap)
    _batch(stage, NORTHWIND, "grading", _grading_tasks(stage), overlap=2)
    _batch(stage, HELIOS, "contracts", [assignment.task() for assignment in material.CONTRACTS], overlap=1)


def post_second_round(stage: Stage) -> None:
    """Two more tasks for the cardiologist, so that the next week has something in it too."""
    _batch(stage, NORTHWIND, "second round", [assignment.task() for assignment in material.SECOND_ROUND], overlap=1)


def read_and_meet(stage: Stage) -> None:
    """The first half hour goes into the instructions; it is paid as the contract says."""
    work(stage, [_sitting(stage, role, 20, activity="instructions") for role in EVERYBODY])
    stage.step("Everybody read the instructions on the clock")


def empty_the_queue(stage: Stage, crew: Sequence[ExpertRole] = EVERYBODY) -> None:
    """Round by round, side by side: claim, work, hand in, until nobody finds anything."""
    for _round in range(MOST_ROUNDS):
        if not one_round(stage, crew):
            return
    raise RuntimeError("The queue does not come to an end.")


def one_round(stage: Stage, crew: Sequence[ExpertRole]) -> bool:
    """Everybody claims what comes next, works on it and hands it in; whether anybody found anything."""
    taken = [(role, claim) for role in crew if (claim := _next_claim(stage, role))]
    if taken:
        _do(stage, taken, stage.minutes)
    return bool(taken)


def revise(stage: Stage, role: ExpertRole) -> None:
    """Do the rework that was asked of an expert: it waits for him as an active claim."""
    api = stage.expert(role)
    waiting = [api.get(f"/claims/{row['id']}") for row in api.pages("/claims", status="active")]
    if revisions := [(role, claim) for claim in waiting if claim["rework"]]:
        _do(stage, revisions, cycle([18]), activity="rework")


def _do(stage: Stage, taken: Sequence[tuple[ExpertRole, Any]], minutes: Iterator[int], activity: str = "task") -> None:
    work(
        stage,
        [_sitting(stage, role, next(minutes), activity=activity, claim=claim["id"]) for role, claim in taken],
    )
    for role, claim in taken:
        api = stage.expert(role)
        if claim["role"] == "second":
            stage.check(f"{role.name} tries a rubric blind", False, "self_check" in json.dumps(claim))
        body = answers.submission(role, claim)
        api.put(f"/claims/{claim['id']}/draft", {"submission": body})
        api.post(f"/claims/{claim['id']}/submit", {"submission": body})
    done = ", ".join(f"{role.name.split()[0]} ({claim['role']}, {claim['type']})" for role, claim in taken)
    stage.step(f"Handed in: {done}")


def _next_claim(stage: Stage, role: ExpertRole) -> Any:
    """The next piece of work, or None."""
    answer = stage.expert(role).post("/claims", {"contract": stage.ids[f"contract {role.email}"]})
    return answer if answer.get("id") else None


def _sitting(stage: Stage, role: ExpertRole, minutes: int, *, activity: str, claim: str = "") -> Sitting:
    contract = stage.ids[f"contract {role.email}"]
    return Sitting(role=role, contract=contract, minutes=minutes, activity=activity, claim=claim)


def _batch(stage: Stage, lab: LabRole, name: str, tasks: Sequence[Json], *, overlap: int) -> None:
    api = stage.lab(lab)
    project = stage.ids[f"project {lab.name}"]
    body = {
        "name": name.capitalize(),
        "overlap": overlap,
        "lease": "PT4H",
        "external_id": f"demo-{name.replace(' ', '-')}",
    }
    batch = api.post(f"/projects/{project}/batches", body)["id"]
    done = api.operation(api.post_lines(f"/batches/{batch}/tasks", list(tasks)))
    stage.check(f"tasks stored in {name}", len(tasks), done["done"])
    api.post(f"/batches/{batch}/launch")
    stage.ids[f"batch {name}"] = batch
    stage.step(f"{lab.name} launched {len(tasks)} tasks of “{name}”, overlap {overlap}")


def _authoring_tasks(stage: Stage) -> list[Json]:
    """The lab's own tasks where there are some, with ours beside them up to the three that the story needs."""
    ours = [assignment.task() for assignment in material.CARDIOLOGY]
    own = stage.tasks or []
    if len(own) > MOST_TASKS:
        stage.step(f"Of {len(own)} tasks the first {MOST_TASKS} are played")
    return [*own[:MOST_TASKS], *ours[: max(len(ours) - len(own), 0)]]


def _has_samples(task: Json) -> bool:
    payload = task.get("payload")
    return isinstance(payload, dict) and bool(payload.get("sample_responses"))


def _grading_tasks(stage: Stage) -> list[Json]:
    criteria = [criterion.as_json() for criterion in material.TRIAGE]
    body = {"score_policy": "points", "criteria": criteria, "external_id": "demo-triage"}
    rubric = stage.lab(NORTHWIND).post("/rubrics", body)["id"]
    stage.ids["rubric triage"] = rubric
    return [
        {
            "type": "rubric_grading",
            "external_id": response.name,
            "payload": {"prompt": response.prompt, "response": {"text": response.text}, "rubric": rubric},
        }
        for response in material.RESPONSES
    ]
