"""Remember breaks of contracts, and make those that a new conflict asks for."""

from __future__ import annotations

import datetime as dt

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from marketplace.models import Contract, ContractPause


def begin(*, contract: Contract, cause: str, now: dt.datetime) -> ContractPause:
    """Note that a locked contract stands still from now on."""
    return ContractPause.objects.create(
        tenant_id=contract.tenant_id, contract=contract, cause=cause, period=DateTimeTZRange(now, None)
    )


def end(*, contract: Contract, now: dt.datetime) -> None:
    """Note that the break of a locked contract is over, if there is one."""
    running = ContractPause.objects.filter(contract=contract, period__upper_inf=True).first()
    if running is not None:
        start = running.period.lower
        running.period = DateTimeTZRange(start, max(now, start))  # empty where it was taken back in the same instant
        running.save(update_fields=["period"])


def is_by_the_wall(*, contract: Contract) -> bool:
    """Whether the break that runs is one of the wall between competitors."""
    return ContractPause.objects.filter(
        contract=contract, period__upper_inf=True, cause=ContractPause.Cause.CONFLICT_WALL
    ).exists()
