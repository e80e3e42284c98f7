"""What of a project is not paid yet: it is not completed before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import ngettext

from core import scope
from payments.models import FundsReservation

if TYPE_CHECKING:
    from marketplace.public import Project


def blockers(*, project: Project) -> list[str]:
    """One sentence for each kind of money that is still open."""
    with scope.as_platform():
        held = FundsReservation.objects.filter(contract__project=project, status=FundsReservation.Status.HELD).count()
    if not held:
        return []
    return [
        ngettext("Money is reserved for %(n)d contract.", "Money is reserved for %(n)d contracts.", held) % {"n": held}
    ]
