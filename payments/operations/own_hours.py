"""Nobody decides his own hours."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.problems import PermissionDenied, map_constraint
from core.public import User
from experts.public import Expert
from payments.models.own_work import OWN_WORK


class OwnHours(PermissionDenied):
    """The person named in `decided_by` is the one who worked these hours.

    Hours, overages, disputes and bonuses are decided by somebody else. The database refuses it as well, whatever road
    the attempt takes.
    """

    code = "own_hours"
    title = _("Nobody decides his own hours")


map_constraint(OWN_WORK, OwnHours)


def refuse(*, expert: Expert, decided_by: User) -> None:
    """Raise OwnHours when the decider is the worker."""
    if expert.user_id == decided_by.pk:
        raise OwnHours
