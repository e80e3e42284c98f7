"""Start and run operations: work that takes longer than a request may.

The floor that does the work registers a runner for its ``kind``. A runner works in units of work of its own, reports
with :func:`progress`, and may be started again after a crash: it must look at what is done already.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from core import states
from core.models.operation import Operation
from core.principal import Principal
from core.problems import DomainError
from core.unit_of_work import unit_of_work
from core.wake import wake, wake_after_commit

Runner = Callable[[Operation, dt.datetime], None]

LEASE = dt.timedelta(minutes=3)
PATIENCE = dt.timedelta(hours=1)
"""So long work that was cut short is taken up again; whoever waits for it hears of a failure then."""
log = structlog.get_logger(__name__)
_runners: dict[str, Runner] = {}


def runner(kind: str) -> Callable[[Runner], Runner]:
    """Register the function that does operations of ``kind`` (``<app>.<verb_noun>``)."""

    def decorate(function: Runner) -> Runner:
        _runners[kind] = function
        return function

    return decorate


def start(*, kind: str, params: dict[str, Any], principal: Principal, now: dt.datetime, total: int = 0) -> Operation:
    """Write the operation down and have a worker run it after the commit."""
    if kind not in _runners:
        raise LookupError(f"Nobody runs operations of the kind {kind}.")
    operation = Operation.objects.create(
        kind=kind,
        params=params,
        tenant_id=principal.tenant_id,
        user_id=principal.user_id,
        actor=principal.label,
        scopes=sorted(principal.scopes),
        total=total,
        lease_until=now,
    )
    wake_after_commit("core.run_operation", operation.pk)
    return operation


def run(operation_id: int, *, now: dt.datetime) -> None:
    """Do one operation, unless somebody else is at it or it is over."""
    with unit_of_work(Principal.system("core.run_operation")):
        operation = (
            Operation.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
            .filter(pk=operation_id)
            .first()
        )
        if operation is None or operation.finished_at or (operation.lease_until and operation.lease_until > now):
            return
        states.move(operation, Operation.State.RUNNING, field="state")
        operation.lease_until = now + LEASE
        operation.save(update_fields=["state", "lease_until"])
    try:
        _runners[operation.kind](operation, now)
    except Exception as error:  # whatever a runner raises is told to whoever waits for the operation
        if not ends(operation, error, now=now):
            log.warning("operation_cut_short", operation=operation.public_id, error=type(error).__name__)
            raise
        log.exception("operation_failed", operation=operation.public_id)
        detail = error.detail if isinstance(error, DomainError) else "The work failed; nothing of this step was kept."
        code = error.code if isinstance(error, DomainError) else "internal_error"
        finish(operation, now=now, errors=[{"code": code, "detail": detail}], crashed=True)


def ends(operation: Operation, error: Exception, *, now: dt.datetime) -> bool:
    """Whether an error ends the work. A database that went away and a worker's time that was over do not.

    Such work is taken up again after its lease, as after a death, until PATIENCE is over.
    """
    is_cut_short = isinstance(error, SoftTimeLimitExceeded | OperationalError | InterfaceError)
    return not is_cut_short or operation.created_at <= now - PATIENCE


def finish(
    operation: Operation,
    *,
    now: dt.datetime,
    results: list[dict[str, Any]] | None = None,
    errors: list[dict[str, Any]] | None = None,
    crashed: bool = False,
) -> None:
    """Close the operation: succeeded without errors, failed without results, else partially succeeded."""
    results, errors = results or [], errors or []
    with unit_of_work(Principal.system("core.run_operation")):
        locked = Operation.objects.select_for_update(no_key=True, of=("self",)).get(pk=operation.pk)
        if locked.finished_at:
            return
        if not errors:
            outcome = Operation.State.SUCCEEDED
        elif results and not crashed:
            outcome = Operation.State.PARTIALLY_SUCCEEDED
        else:
            outcome = Operation.State.FAILED
        states.move(locked, outcome, field="state")
        locked.results, locked.errors = results, errors
        locked.done, locked.failed = len(results), len(errors)
        locked.total = max(locked.total, locked.done + locked.failed)
        locked.finished_at, locked.lease_until = now, None
        locked.save()


def resume(*, now: dt.datetime) -> None:
    """Wake the jobs of operations that nobody works on: the broker forgot them or their worker died."""
    for operation_id in Operation.objects.filter(finished_at=None, lease_until__lte=now).values_list("pk", flat=True):
        wake("core.run_operation", operation_id)
