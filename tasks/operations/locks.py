"""The order of locks in this floor: the task first, then its claims and submissions. A task's lock guards them all."""

from __future__ import annotations

from django.db import connection

from tasks.models import Claim, Task


def take_external_ids(tenant_id: int) -> None:
    """Wait for whoever else gives tasks of this tenant external ids, until the end of the transaction.

    There is no row to lock yet for an id that nobody has, and PostgreSQL would tell which id is taken only by refusing
    all ten thousand. Taken after the batch's lock.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tasks.external_ids', %s))", [tenant_id])


def lock_task(task_id: int) -> Task:
    """The task, locked until the end of the transaction, with its batch and project."""
    locked = Task.objects.select_for_update(no_key=True, of=("self",))
    return locked.select_related("batch", "project", "rubric", "candidate").get(pk=task_id)


def lock_claim(claim: Claim) -> tuple[Task, Claim]:
    """The claim and its task as they are now, both locked."""
    task = lock_task(claim.task_id)
    locked = Claim.objects.select_for_update(no_key=True, of=("self",)).select_related("contract", "expert")
    return task, locked.get(pk=claim.pk)
