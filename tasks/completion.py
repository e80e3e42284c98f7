"""This floor's answer to the marketplace's question: what is still open in a project that winds down?"""

from __future__ import annotations

from django.utils.translation import ngettext

from marketplace.public import Project
from tasks.models import Claim, Task


class OpenWork:
    """Work in hand or under review holds a project open; tasks that nobody began do not."""

    def blockers(self, *, project: Project) -> list[str]:
        """One sentence for claims, one for tasks to be decided."""
        held = Claim.objects.active().filter(task__project=project).count()
        undecided = [Task.Status.IN_REVIEW, Task.Status.CONFLICT, Task.Status.IN_REWORK]
        waiting = Task.objects.filter(project=project, status__in=undecided).count()
        sentences = []
        if held:
            sentences.append(ngettext("%(n)d claim is active.", "%(n)d claims are active.", held) % {"n": held})
        if waiting:
            sentences.append(
                ngettext("%(n)d task is not decided.", "%(n)d tasks are not decided.", waiting) % {"n": waiting}
            )
        return sentences
