"""What becomes of a task when somebody hands in his part, or gives it up. Callers hold the task's lock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from core import states
from tasks import agreement_metrics, consensus, task_types
from tasks.models import Adjudication, Claim, Submission, Task
from tasks.operations import places, reviews
from tasks.rubric_scoring import Verdict
from tasks.task_types import grading

FEWEST_FOR_METRICS = 5
"""Below this many verdicts a coefficient says nothing and is not shown."""

Verdicts = dict[str, Verdict]


def handed_in(*, task: Task, work: Submission, now: dt.datetime) -> None:
    """Go on after ``work``: the next part waits, or the parts are compared, or review begins."""
    if work.role == Claim.Role.ADJUDICATION:
        _adjudicated(task, work, now=now)
        return
    if task.status == Task.Status.IN_REWORK:
        _move(task, Task.Status.IN_WORK)
    if work.role == Claim.Role.ATTEMPT:
        task.candidate = work
    now_taken = places.of(task)
    if now_taken.held or list(places.free(task, now_taken)):
        places.refresh(task)
        task.save()
        return
    _compare(task, now_taken, now=now)


def given_up(*, task: Task, claim: Claim) -> None:
    """The part of ``claim`` waits for somebody again."""
    if task.status in {Task.Status.IN_WORK, Task.Status.IN_REWORK}:
        places.give_up(task=task, role=claim.role)
        return
    places.refresh(task)
    task.save()


def _adjudicated(task: Task, work: Submission, *, now: dt.datetime) -> None:
    rivals = places.of(task).graders
    Adjudication.objects.create(
        tenant_id=task.tenant_id,
        task=task,
        submission=work,
        between=[rival.public_id for rival in rivals],
        disputed=disputed(task, rivals),
        decided_at=now,
    )
    if task.status == Task.Status.CONFLICT:
        _move(task, Task.Status.ADJUDICATED)
    task.candidate = work
    reviews.begin(task=task, now=now)


def _compare(task: Task, done: places.Places, *, now: dt.datetime) -> None:
    works = done.graders
    if len(works) > 1:
        task.rater_agreement = rater_agreement(task, works)
        if not task_types.get(task.type).seconds_wait:
            found = disputed(task, works)
            _move(task, Task.Status.CONFLICT if found else Task.Status.CONSENSUS)
            if found:
                places.refresh(task)
                task.save()
                return
    reviews.begin(task=task, now=now)


def _move(task: Task, status: str) -> None:
    """Take one step that leaves its own row of history, though more follow at once."""
    states.move(task, status)
    task.save(update_fields=["status"])


def disputed(task: Task, works: Sequence[Submission]) -> list[str]:
    """The criteria (with the sample before them, where there are several) on which any two graders differ."""
    read = [_verdicts(task, work) for work in works]
    return sorted({key for one, other in combinations(read, 2) for key in consensus.compare(one, other).conflicts})


def rater_agreement(task: Task, works: Sequence[Submission]) -> dict[str, Any]:
    """What the graders had in common; coefficients only from five verdicts on."""
    read = [_verdicts(task, work) for work in works]
    keys = sorted(set().union(*read))
    pairs = [(str(one.get(key)), str(other.get(key))) for one, other in combinations(read, 2) for key in keys]
    units = [[_label(verdicts, key) for verdicts in read] for key in keys]
    labels = sorted({label for unit in units for label in unit if label is not None})
    enough = len(keys) >= FEWEST_FOR_METRICS
    return {
        "raters": len(works),
        "verdicts": len(keys),
        "raw": agreement_metrics.raw_agreement(pairs) if pairs else None,
        "gwet_ac1": agreement_metrics.gwet_ac1(units, labels) if enough and len(labels) > 1 else None,
        "krippendorff_alpha": agreement_metrics.krippendorff_alpha(units) if enough else None,
        "disputed": disputed(task, works),
    }


def _verdicts(task: Task, work: Submission) -> Verdicts:
    given = task_types.get(task.type).grades_in(work.body, is_second=work.role == Claim.Role.SECOND)
    return grading.by_criterion(given)


def _label(verdicts: Verdicts, key: str) -> str | None:
    return str(verdicts[key]) if key in verdicts else None
