"""Which hours of a project are not settled yet: it is not completed before. Answers `marketplace.ports.completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import ngettext

from core import scope
from payments.models import Dispute, Overage, Timesheet

if TYPE_CHECKING:
    from marketplace.public import Project


def blockers(*, project: Project) -> list[str]:
    """One sentence for each kind of hours that waits for somebody."""
    with scope.as_platform():
        weeks = Timesheet.objects.filter(contract__project=project, status__in=("open", "submitted")).with_time()
        overages = Overage.objects.filter(entry__contract__project=project).undecided()
        disputes = Dispute.objects.filter(entry__contract__project=project).undecided()
        counts = weeks.count(), overages.count(), disputes.count()
    sentences = (
        ngettext("%(n)d week of hours is not approved yet.", "%(n)d weeks of hours are not approved yet.", counts[0]),
        ngettext("%(n)d stretch over a cap is undecided.", "%(n)d stretches over caps are undecided.", counts[1]),
        ngettext("%(n)d dispute is undecided.", "%(n)d disputes are undecided.", counts[2]),
    )
    return [sentence % {"n": n} for sentence, n in zip(sentences, counts, strict=True) if n]
