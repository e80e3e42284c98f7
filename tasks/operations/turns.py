"""Whose turn it is when there is less work than people: whoever has been without it longest, never the fastest finger.

Somebody who asked in vain keeps his turn for a little longer than he was told to wait. Work that turns up meanwhile is
set aside for those who come before the one who asks, as far as they may do it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max

from marketplace.public import Contract
from tasks.models import Claim, QueueTicket

LOOK_AGAIN = dt.timedelta(minutes=1)
KEPT_FOR = dt.timedelta(seconds=90)
MOST_WAITING = 50
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """Sorts people: whoever got work longest ago first, then who has waited longest."""

    served_at: dt.datetime
    waiting_since: dt.datetime
    expert_id: int


def before(*, contract: Contract, now: dt.datetime) -> list[Turn]:
    """The people of the same project who wait and come before the holder of ``contract``, in order."""
    tickets = QueueTicket.objects.filter(contract__project_id=contract.project_id, asked_at__gt=now - KEPT_FOR)
    rows = tickets.annotate(served_at=Max("contract__claims__claimed_at")).values_list(
        "contract_id", "served_at", "waiting_since", "contract__expert_id"
    )
    turns = {contract_id: Turn(served_at or _NEVER, since, expert) for contract_id, served_at, since, expert in rows}
    mine = turns.pop(contract.pk, None) or Turn(_last_served(contract), now, contract.expert_id)
    return sorted(turn for turn in turns.values() if turn < mine)[:MOST_WAITING]


def not_set_aside(task_ids: Sequence[int], waiting: Sequence[Turn]) -> list[int]:
    """The tasks that are left when everybody who comes before has been given the first one he may do."""
    if not waiting:
        return list(task_ids)
    touched = set(
        Claim.objects.filter(task_id__in=task_ids, expert_id__in=[turn.expert_id for turn in waiting]).values_list(
            "task_id", "expert_id"
        )
    )
    left, queue = [], list(waiting)
    for task_id in task_ids:
        first = next((turn for turn in queue if (task_id, turn.expert_id) not in touched), None)
        if first is None:
            left.append(task_id)
        else:
            queue.remove(first)
    return left


def wait(*, contract: Contract, now: dt.datetime) -> None:
    """Note that the holder asked in vain."""
    QueueTicket.objects.update_or_create(
        contract=contract,
        defaults={"asked_at": now},
        create_defaults={"tenant_id": contract.tenant_id, "asked_at": now, "waiting_since": now},
    )


def served(*, contract: Contract) -> None:
    """He has work; his waiting is over."""
    QueueTicket.objects.filter(contract=contract).delete()


def _last_served(contract: Contract) -> dt.datetime:
    last: dt.datetime | None = Claim.objects.filter(contract=contract).aggregate(last=Max("claimed_at"))["last"]
    return last or _NEVER
