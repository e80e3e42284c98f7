"""How far experts are on the way to milestones. Few queries, however many milestones there are or experts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from django.db.models import Count, Sum

from payments.models import Adjustment, Milestone, MilestoneAward, TimeEntry
from tasks.public import Submission

Basis = Milestone.Basis
Place = tuple[int, int, int]
"""An expert, a project and an opening of it."""


def of_expert(milestones: Sequence[Milestone], *, expert_id: int) -> dict[int, int]:
    """By milestone: one expert's accepted submissions, or approved seconds as corrected since, in project or opening."""
    done: Counter[int] = Counter()
    for basis in {row.basis for row in milestones}:
        promised = [row for row in milestones if row.basis == basis]
        work = _work(basis, {row.project_id for row in promised}, expert=expert_id)
        for row in promised:
            done[row.pk] = sum(count for place, count in work.items() if _counts(place, row))
    return done


def reached_by(milestones: Sequence[Milestone], *, expert_id: int) -> dict[int, str]:
    """By milestone that one expert has reached: `paid`, or `waiting` for the lab's money."""
    awards = MilestoneAward.objects.filter(expert=expert_id, milestone__in=[row.pk for row in milestones])
    return dict(awards.values_list("milestone", "status"))


def of_all(milestone: Milestone) -> dict[int, int]:
    """By expert: the same for everybody who works towards one milestone."""
    done: Counter[int] = Counter()
    for place, count in _work(milestone.basis, {milestone.project_id}).items():
        if _counts(place, milestone):
            done[place[0]] += count
    return done


def _counts(place: Place, milestone: Milestone) -> bool:
    """Whether work done there counts: in the milestone's opening, or in any opening of its project."""
    _expert, project, opening = place
    return project == milestone.project_id and milestone.opening_id in {None, opening}


def _work(basis: str, projects: Collection[int], **whose: int) -> Counter[Place]:
    """Submissions or seconds by where they were done; of ``whose`` alone where that is given."""
    return _submissions(projects, **whose) if basis == Basis.ACCEPTED_SUBMISSIONS else _seconds(projects, **whose)


def _submissions(projects: Collection[int], **whose: int) -> Counter[Place]:
    accepted = Submission.objects.filter(status=Submission.Status.ACCEPTED, task__project__in=projects, **whose)
    sums = accepted.order_by().values_list("expert", "task__project", "claim__contract__opening")
    return Counter({(expert, project, opening): n for expert, project, opening, n in sums.annotate(Count("pk"))})


def _seconds(projects: Collection[int], **whose: int) -> Counter[Place]:
    """Settled seconds with their posted corrections."""
    entries = TimeEntry.objects.settled().filter(contract__project__in=projects, **whose)
    corrected = Adjustment.objects.filter(entry__in=entries, status=Adjustment.Status.POSTED)
    done: Counter[Place] = Counter()
    for rows, contract in ((entries, "contract"), (corrected, "entry__contract")):
        sums = rows.order_by().values_list("expert", f"{contract}__project", f"{contract}__opening")
        for expert, project, opening, seconds in sums.annotate(Sum("seconds")):
            done[expert, project, opening] += seconds
    return done
