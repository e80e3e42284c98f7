"""Nobody decides his own hours: the friendly answer before the database's refusal."""

from __future__ import annotations

from core.problems import map_constraint
from core.public import User
from experts.public import Expert, OwnWork
from payments.models.own_work import OWN_WORK

map_constraint(OWN_WORK, OwnWork)


def refuse(*, expert: Expert, decided_by: User) -> None:
    """Raise OwnWork when the decider is the worker."""
    if expert.user_id == decided_by.pk:
        raise OwnWork
