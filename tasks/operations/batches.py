"""Batches: make, launch, pause, resume, cancel; and notice when the last task is done."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, map_constraint
from core.public import Principal
from experts.public import send_notice
from marketplace.public import Project
from tasks import events
from tasks.models import Batch, Claim, Submission, Task
from tasks.models.batch import DEFAULT_LEASE_SECONDS
from tasks.operations.locks import lock_task

_WORKABLE = frozenset({Project.Status.CALIBRATION, Project.Status.ACTIVE})
_GIVES_WORK = frozenset({*_WORKABLE, Project.Status.DRAFT, Project.Status.PAUSED})
STILL_OPEN = frozenset(
    {
        Task.Status.PENDING,
        Task.Status.AVAILABLE,
        Task.Status.IN_WORK,
        Task.Status.CONFLICT,
        Task.Status.IN_REWORK,
    }
)


class BatchExternalIdTaken(Conflict):
    """Another batch of yours has this `external_id`."""

    code = "batch_external_id_taken"
    title = gettext_lazy("This external id is taken")


class BatchEmpty(Conflict):
    """The batch has no tasks yet. Post them to `/batches/{id}/tasks` and wait for the operation to succeed."""

    code = "batch_empty"
    title = gettext_lazy("The batch has no tasks")


class ProjectNotWorking(Conflict):
    """The project does not take or give work in its state. `project_status` tells which it is in; launch it first."""

    code = "project_not_working"
    title = gettext_lazy("The project is not at work")
    example_members = {"project_status": "draft"}


map_constraint("tasks_batch_external_id", BatchExternalIdTaken)


def create(
    *,
    project: Project,
    name: str,
    by: Principal,
    now: dt.datetime,
    overlap: int | None = None,
    lease_seconds: int = DEFAULT_LEASE_SECONDS,
    aht_cap_seconds: int | None = None,
    review_floor_percent: int = 100,
    external_id: str = "",
    metadata: dict[str, str] | None = None,
) -> Batch:
    """A batch in staging; ``overlap`` is the project's unless said. Raises ProjectNotWorking, BatchExternalIdTaken."""
    if project.status not in _GIVES_WORK:
        raise ProjectNotWorking(project_status=str(project.status))
    batch = Batch.objects.create(
        tenant_id=project.tenant_id,
        project=project,
        name=name,
        overlap=overlap or project.overlap,
        lease_seconds=lease_seconds,
        aht_cap_seconds=aht_cap_seconds,
        review_floor_percent=review_floor_percent,
        external_id=external_id,
        metadata=metadata or {},
    )
    events.batch("batch.created", batch, by=by, now=now)
    return batch


def launch(*, batch: Batch, by: Principal, now: dt.datetime) -> Batch:
    """Offer its tasks to contract holders. Raises BatchEmpty, ProjectNotWorking, InvalidTransition."""
    locked = lock(batch)
    if locked.project.status not in _WORKABLE:
        raise ProjectNotWorking(project_status=str(locked.project.status))
    states.move(locked, Batch.Status.IN_PROGRESS)
    if not Task.objects.filter(batch=locked).exists():
        raise BatchEmpty
    locked.launched_at = locked.launched_at or now
    offer(Task.objects.filter(batch=locked, status=Task.Status.PENDING))
    return _moved(locked, "batch.launched", by=by, now=now)


def pause(*, batch: Batch, by: Principal, now: dt.datetime) -> Batch:
    """Give out nothing more; claims in hand go on. Raises InvalidTransition."""
    locked = lock(batch)
    states.move(locked, Batch.Status.PAUSED)
    return _moved(locked, "batch.paused", by=by, now=now)


def resume(*, batch: Batch, by: Principal, now: dt.datetime) -> Batch:
    """Give out work again. Raises InvalidTransition, ProjectNotWorking."""
    locked = lock(batch)
    if locked.status != Batch.Status.PAUSED:
        states.move(locked, Batch.Status.PAUSED)  # refuses, and says what is possible
    if locked.project.status not in _WORKABLE:
        raise ProjectNotWorking(project_status=str(locked.project.status))
    states.move(locked, Batch.Status.IN_PROGRESS)
    return _moved(locked, "batch.resumed", by=by, now=now)


def cancel(*, batch: Batch, by: Principal, now: dt.datetime) -> Batch:
    """Cancel what is not handed in. Work in review is still decided, hours stay. Raises InvalidTransition."""
    open_tasks = Task.objects.filter(batch=batch, status__in=STILL_OPEN).order_by("pk")
    untouched = open_tasks.filter(status__in=[Task.Status.PENDING, Task.Status.AVAILABLE])
    for task_id in list(open_tasks.exclude(pk__in=untouched.values("pk")).values_list("pk", flat=True)):
        _cancel(task_id, by=by, now=now)
    locked = lock(batch)
    states.move(locked, Batch.Status.CANCELLED)
    untouched.update(status=Task.Status.CANCELLED, wanted_role="", finished_at=now)
    locked.finished_at = now
    return _moved(locked, "batch.cancelled", by=by, now=now)


def cancel_task(*, task: Task, by: Principal, now: dt.datetime) -> Task:
    """Cancel one task that is not handed in yet. Raises InvalidTransition."""
    return _cancel(task.pk, by=by, now=now)


def complete_if_done(*, batch: Batch, now: dt.datetime) -> bool:
    """Complete a running batch whose tasks are all finished; whether it was."""
    locked = lock(batch)
    is_running = locked.status in {Batch.Status.IN_PROGRESS, Batch.Status.PAUSED}
    if not is_running or Task.objects.filter(batch=locked).exclude(status__in=Task.FINISHED).exists():
        return False
    states.move(locked, Batch.Status.COMPLETED)
    locked.finished_at = now
    _moved(locked, "batch.completed", by=None, now=now)
    return True


def offer(tasks: Any) -> int:
    """Let the queue have waiting tasks, in one statement; how many they were."""
    offered: int = tasks.update(status=Task.Status.AVAILABLE, wanted_role=Claim.Role.ATTEMPT, wanted_slot=1)
    return offered


def lock(batch: Batch) -> Batch:
    """The batch, locked until the end of the transaction, with its project."""
    return Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=batch.pk)


def _moved(batch: Batch, event: str, *, by: Principal | None, now: dt.datetime) -> Batch:
    batch.save()
    events.batch(event, batch, by=by, now=now)
    return batch


def _cancel(task_id: int, *, by: Principal, now: dt.datetime) -> Task:
    task = lock_task(task_id)
    states.move(task, Task.Status.CANCELLED)
    task.wanted_role, task.finished_at = "", now
    task.save()
    for claim in Claim.objects.active().filter(task=task).select_related("expert").order_by("pk"):
        states.move(claim, Claim.Status.REVOKED)
        claim.ended_at = now
        claim.save(update_fields=["status", "ended_at"])
        _tell(claim, now=now)
    for work in Submission.objects.filter(task=task, status=Submission.Status.SUBMITTED).select_related("expert"):
        states.move(work, Submission.Status.ACCEPTED)  # handed in before: nothing was objected to
        work.decided_at = now
        work.save(update_fields=["status", "decided_at"])
        events.submission("submission.accepted", work, now=now)
    events.task("task.cancelled", task, by=by, now=now)
    return task


def _tell(claim: Claim, *, now: dt.datetime) -> None:
    send_notice(
        expert=claim.expert,
        kind="claim.revoked",
        subject=claim.public_id,
        title=_("A task you were working on was cancelled"),
        body=_("The time you logged for it stays and is paid."),
        link=f"/api/v1/expert/claims/{claim.public_id}",
        now=now,
    )
