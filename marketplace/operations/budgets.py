"""A project's weekly budget: full weeks of every living contract, with the fee, never cost more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext_lazy

from core.problems import Conflict
from marketplace import rates
from marketplace.models import Contract, Project, RateSnapshot


class WeeklyBudgetExceeded(Conflict):
    """The project's weekly budget has no room for this.

    The budget covers a full week, at its cap and with the fee, of every contract that lives; so no hour within the caps
    can exceed it. The lab can raise the budget (`PATCH /api/v1/projects/{id}`) or end another contract. Nothing was
    signed or changed.
    """

    code = "weekly_budget_exceeded"
    title = gettext_lazy("The project's weekly budget has no room for this")
    example_members: ClassVar[Mapping[str, Any]] = {"project": "prj_01k9w3v6z8f2qr5t4h7xnm0ceg"}


def require_room(*, project: Project, now: dt.datetime) -> None:
    """Raise WeeklyBudgetExceeded when what is agreed costs more than the budget; ``project`` is locked by the caller."""
    if project.weekly_budget_minor is not None and committed(project=project, now=now) > project.weekly_budget_minor:
        # Experts hear this too, so it names no amounts of the lab.
        raise WeeklyBudgetExceeded(project=project.public_id)


def committed(*, project: Project, now: dt.datetime) -> int:
    """Minor units that a full week of all living contracts costs at most, by their terms from now on."""
    dearest: dict[int, int] = {}
    snapshots = RateSnapshot.objects.filter(
        contract__in=Contract.objects.filter(project=project).living(), valid__overlap=DateTimeTZRange(now, None)
    )
    for row in snapshots:
        week = rates.reservation_for(
            weekly_cap_seconds=row.week_cap_seconds, rate_minor=row.rate_minor, fee_bp=row.fee_bp, weeks=1
        )
        dearest[row.contract_id] = max(week, dearest.get(row.contract_id, 0))
    return sum(dearest.values())
