"""The order of locks in this floor: the task first, then its claims and submissions. A task's lock guards them all."""

from __future__ import annotations

from tasks.models import Claim, Task


def lock_task(task_id: int) -> Task:
    """The task, locked until the end of the transaction, with its batch and project."""
    locked = Task.objects.select_for_update(no_key=True, of=("self",))
    return locked.select_related("batch", "project", "rubric", "candidate").get(pk=task_id)


def lock_claim(claim: Claim) -> tuple[Task, Claim]:
    """The claim and its task as they are now, both locked."""
    task = lock_task(claim.task_id)
    locked = Claim.objects.select_for_update(no_key=True, of=("self",)).select_related("contract", "expert")
    return task, locked.get(pk=claim.pk)
