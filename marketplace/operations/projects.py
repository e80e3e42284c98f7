"""Projects: from a draft to work, and to an orderly end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import long_work, outbox, states
from core.money import Money
from core.problems import Conflict, FieldError, InvalidInput, map_constraint
from core.public import Operation, Principal, unit_of_work
from core.sweeps import sweep
from marketplace import pay_policy, ports
from marketplace.models import Contract, Opening, Project
from marketplace.operations import board, budgets, closing, contracts

COMPLETER = Principal.system("marketplace.complete_projects")


class ProjectInUse(Conflict):
    """Somebody is engaged in the project, so it cannot be cancelled.

    Wind it down instead: no new work begins, work in flight is finished and paid. `contracts` tells how many contracts
    live.
    """

    code = "project_in_use"
    title = gettext_lazy("The project has living contracts")
    example_members: ClassVar[Mapping[str, Any]] = {"contracts": 3}


class ExternalIdTaken(Conflict):
    """Another of your things of this kind has this external id. Read it, or choose another one."""

    code = "external_id_taken"
    title = gettext_lazy("The external id is taken")


map_constraint("marketplace_project_external_id", ExternalIdTaken)
map_constraint("marketplace_opening_external_id", ExternalIdTaken)


@transaction.atomic
def create(*, tenant_id: int, now: dt.datetime, **fields: Any) -> Project:
    """A draft. ``fields`` are those of the model, ``pay_policy`` as far as it differs from all paid.

    Raises InvalidInput for a type of task that nobody knows.
    """
    project = Project(tenant_id=tenant_id, **_prepared(fields))
    project.alias = project.alias or project.name
    project.save(force_insert=True)
    _tell(project, "created", now=now)
    return project


@transaction.atomic
def update(*, project: Project, now: dt.datetime, **fields: Any) -> Project:
    """Change a project. What experts have been promised binds in their snapshots and is not touched by this.

    Raises InvalidInput for the currency of a project that has openings, and for a type of task that nobody knows.
    """
    locked = lock(project)
    if fields.get("currency", locked.currency) != locked.currency and locked.openings.exists():
        detail = _("The currency is fixed once there are openings.")
        raise InvalidInput(errors=[FieldError("/currency", "fixed", detail)])
    for name, value in _prepared(fields).items():
        setattr(locked, name, value)
    _require_room(locked, now=now)
    locked.save(update_fields=list(fields))
    board.refresh_project(project=locked, now=now)
    _tell(locked, "updated", now=now)
    return locked


def _require_room(project: Project, *, now: dt.datetime) -> None:
    """A budget cannot be cut below what contracts were promised."""
    committed = budgets.committed(project=project, now=now)
    if project.weekly_budget_minor is not None and project.weekly_budget_minor < committed:
        amount = Money(committed, project.currency)
        detail = _("Living contracts may cost %(amount)s a week, with the fee.") % {"amount": amount}
        raise InvalidInput(detail, errors=[FieldError("/weekly_budget/amount", "too_small", detail)])


def _prepared(fields: Mapping[str, Any]) -> dict[str, Any]:
    _require_known_types(fields.get("task_types", ()))
    prepared = dict(fields)
    if "pay_policy" in prepared:
        try:
            prepared["pay_policy"] = pay_policy.complete(prepared["pay_policy"])
        except pay_policy.InvalidPolicy as error:
            raise InvalidInput(
                errors=[FieldError(f"/pay_policy/{error.activity}", "invalid_policy", error.rule)]
            ) from None
    return prepared


def _require_known_types(codes: Sequence[str]) -> None:
    known = ports.task_types.get().known()
    detail = _("There is no such type. These are known: %(types)s.") % {"types": ", ".join(sorted(known))}
    errors = [
        FieldError(f"/task_types/{index}", "unknown_type", detail)
        for index, code in enumerate(codes)
        if code not in known
    ]
    if errors:
        raise InvalidInput(errors=errors)


@transaction.atomic
def launch(*, project: Project, now: dt.datetime, calibration: bool = False) -> Project:
    """Let work begin; with ``calibration``, only that of calibration first. Raises InvalidTransition."""
    return _move(project, Project.Status.CALIBRATION if calibration else Project.Status.ACTIVE, "launched", now=now)


@transaction.atomic
def pause(*, project: Project, now: dt.datetime) -> Project:
    """Stop new work for a while; openings and contracts stay. Raises InvalidTransition."""
    return _move(project, Project.Status.PAUSED, "paused", now=now)


@transaction.atomic
def resume(*, project: Project, now: dt.datetime) -> Project:
    """Let work go on. Raises InvalidTransition."""
    locked = lock(project)
    if locked.status != Project.Status.PAUSED:
        raise states.InvalidTransition(
            _("Only a paused project can be resumed."),
            current_state=str(locked.status),
            allowed_transitions=states.allowed(locked),
        )
    return _move(locked, Project.Status.ACTIVE, "resumed", now=now)


@transaction.atomic
def cancel(*, project: Project, now: dt.datetime) -> Project:
    """End a project in which nobody is engaged; its openings close and offers are withdrawn. Raises ProjectInUse."""
    locked = lock(project)
    living = Contract.objects.filter(project=locked).living().count()
    if living:
        raise ProjectInUse(contracts=living)
    closing.stop_hiring(project=locked, now=now)
    return _move(locked, Project.Status.CANCELLED, "cancelled", now=now)


@transaction.atomic
def wind_down(*, project: Project, by: Principal, now: dt.datetime) -> Operation:
    """Begin the orderly end: no new claims from this moment; openings, offers and contracts follow as long work."""
    locked = _move(project, Project.Status.WINDING_DOWN, "winding_down", now=now)
    return long_work.start(kind=WIND_DOWN, params={"project": locked.public_id}, principal=by, now=now)


WIND_DOWN = "marketplace.wind_down"
AT_ONCE: Final = 100
"""So many contracts get their notice in one transaction."""


@long_work.runner(WIND_DOWN)
def _run_wind_down(operation: Operation, now: dt.datetime) -> None:
    """Close openings, withdraw offers and give every contract its notice. May run again after a crash."""
    by = Principal.system(WIND_DOWN)
    with unit_of_work(by):
        project = Project.objects.get(public_id=operation.params["project"])
    with unit_of_work(by, reason=operation.public_id):
        _stop_hiring(project, now=now)
    batch = AT_ONCE
    while batch == AT_ONCE:  # each is kept, whatever comes after it
        with unit_of_work(by, reason=operation.public_id):
            batch = _end_some(project, now=now)
    with unit_of_work(by):
        mine = Contract.objects.filter(project=project, end_reason=Contract.EndReason.PROJECT_ENDED).order_by("pk")
        results = [{"index": index, "id": one} for index, one in enumerate(mine.values_list("public_id", flat=True))]
    long_work.finish(operation, now=now, results=results)


def _stop_hiring(project: Project, *, now: dt.datetime) -> bool:
    """Hire nobody any more; whether anybody could be.

    In a transaction before those of the contracts: whoever leaves locks his contract first, and its opening then.
    """
    locked = lock(project)
    was_hiring = Opening.objects.filter(project=locked).exclude(status=Opening.Status.CLOSED).exists()
    closing.stop_hiring(project=locked, now=now)
    return was_hiring


def _end_some(project: Project, *, now: dt.datetime) -> int:
    """Give notice to some of the contracts; how many were looked at."""
    locked = lock(project)
    return len([contracts.end_with_project(contract=one, now=now) for one in _to_end(locked)[:AT_ONCE]])


def _to_end(project: Project) -> QuerySet[Contract]:
    return Contract.objects.filter(project=project).living().exclude(status=Contract.Status.ENDING).order_by("pk")


def complete_due(*, now: dt.datetime, after: int = 0) -> int:
    """Complete the projects whose end has come: no contract lives and nobody above has anything open.

    Where the work that gives notice failed, it is gone on with: nobody can ask for it a second time.
    """
    ending = Project.objects.filter(status=Project.Status.WINDING_DOWN)

    def complete(pk: int) -> bool:
        project = Project.objects.get(pk=pk)
        at_it = Operation.objects.filter(kind=WIND_DOWN, finished_at=None, params__project=project.public_id)
        if _to_end(project).exists() and not at_it.exists():
            return _stop_hiring(project, now=now) or bool(_end_some(project, now=now))
        if blockers(project=project):
            return False
        _move(project, Project.Status.COMPLETED, "completed", now=now)
        return True

    return sweep(by=COMPLETER, due=ending, step=complete, after=after)


def blockers(*, project: Project) -> list[str]:
    """What still holds a project open, in sentences."""
    living = Contract.objects.filter(project=project).living().count()
    own = [_("%(count)d contracts are in their notice.") % {"count": living}] if living else []
    return own + ports.completion.get().blockers(project=project)


def lock(project: Project) -> Project:
    """The project's row, locked: first of all locks of the marketplace, before offers, openings and contracts."""
    return Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)


def _move(project: Project, to: str, news: str, *, now: dt.datetime) -> Project:
    locked = lock(project)
    states.move(locked, to)
    locked.save(update_fields=["status"])
    _tell(locked, news, now=now)
    return locked


def _tell(project: Project, news: str, *, now: dt.datetime) -> None:
    outbox.publish(f"project.{news}", subject=project.public_id, tenant_id=project.tenant_id, now=now)
