"""Which part of a task waits for somebody: the one place that decides what the queue offers next.

The answer is written onto the task (``wanted_role``, ``wanted_slot``) whenever one of its claims changes, so that the
queue is one index and whoever locks a task sees it as it is. Callers hold the task's lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core import states
from tasks import task_types
from tasks.models import Claim, Submission, Task

NOTHING = ("", 1)
_TAKES_ONE: dict[str, str] = {Task.Status.CONFLICT: Claim.Role.ADJUDICATION, Task.Status.IN_REVIEW: Claim.Role.REVIEW}
_OPEN = frozenset({Task.Status.AVAILABLE, Task.Status.IN_WORK})


@dataclass(frozen=True, slots=True)
class Places:
    """The claims of a task that count: held ones, and those whose work stands."""

    held: tuple[Claim, ...]
    handed_in: tuple[Submission, ...]

    @property
    def attempt(self) -> Submission | None:
        """The first person's work, when it is handed in and stands."""
        return next((work for work in self.handed_in if work.role == Claim.Role.ATTEMPT), None)

    @property
    def graders(self) -> list[Submission]:
        """The first person's work and the seconds' that goes with it, in the order of their places.

        Who tried a former version of the rubric stands for nothing any more.
        """
        attempt_id = self.attempt.pk if self.attempt else None
        graders = [
            work
            for work in self.handed_in
            if work.role == Claim.Role.ATTEMPT
            or (work.role == Claim.Role.SECOND and work.claim.submission_under_review_id in {None, attempt_id})
        ]
        return sorted(graders, key=lambda work: work.claim.slot)

    @property
    def taken(self) -> set[tuple[str, int]]:
        """Role and slot of every place that nobody else can have."""
        held = {(claim.role, claim.slot) for claim in self.held}
        return held | {(work.role, work.claim.slot) for work in self.graders}


def of(task: Task) -> Places:
    """The places of a task as they are now; two queries."""
    return Places(
        held=tuple(Claim.objects.active().filter(task=task)),
        handed_in=tuple(
            Submission.objects.filter(task=task, status=Submission.Status.SUBMITTED).select_related("claim")
        ),
    )


def refresh(task: Task) -> None:
    """Assign what the task wants next; the caller saves it."""
    task.wanted_role, task.wanted_slot = _wanted(task, of(task))


def give_up(*, task: Task, role: str) -> None:
    """Let a part of a task in work or in rework wait for somebody again."""
    target = _without(task, role)
    if target != task.status:
        states.move(task, target)
    refresh(task)
    task.save()


def _without(task: Task, role: str) -> str:
    if role == Claim.Role.ADJUDICATION:
        return Task.Status.CONFLICT
    wanted = list(free(task, of(task)))
    everything = 1 if task_types.get(task.type).seconds_wait else task.batch.overlap
    return Task.Status.AVAILABLE if len(wanted) >= everything and wanted[0][1] == 1 else Task.Status.IN_WORK


def _wanted(task: Task, places: Places) -> tuple[str, int]:
    held_roles = {claim.role for claim in places.held}
    if task.status in _OPEN:
        return next(iter(free(task, places)), NOTHING)
    role = _TAKES_ONE.get(task.status, "")
    awaits_platform = task.status != Task.Status.IN_REVIEW or task.review_side == Task.Side.PLATFORM
    return (role, 1) if role and role not in held_roles and awaits_platform else NOTHING


def free(task: Task, places: Places) -> Iterable[tuple[str, int]]:
    """The free places of the work itself, in the order in which they are given away."""
    wanted = [(str(Claim.Role.ATTEMPT), 1)]
    if places.attempt or not task_types.get(task.type).seconds_wait:
        wanted += [(str(Claim.Role.SECOND), slot) for slot in range(2, task.batch.overlap + 1)]
    return [place for place in wanted if place not in places.taken]
