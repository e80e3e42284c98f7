"""Answers about work that are not a queryset chain."""

from __future__ import annotations

import datetime as dt

from django.db.models import Count

from experts.ports import Contestable
from tasks.models import Batch, Claim, Submission, Task


def claim_for_contract(*, public_id: str, contract_id: int) -> Claim | None:
    """The claim with this public id under this contract, or None: somebody else's is as unknown as a random one."""
    return Claim.objects.filter(public_id=public_id, contract_id=contract_id).select_related("task").first()


def submitted_items(*, contract_id: int, start: dt.datetime, end: dt.datetime) -> int:
    """How many items were handed in under a contract in ``[start, end)``, whatever was decided about them later."""
    return Claim.objects.filter(
        contract_id=contract_id, status=Claim.Status.SUBMITTED, ended_at__gte=start, ended_at__lt=end
    ).count()


def task_counts(*, batch: Batch) -> dict[str, int]:
    """How many tasks of a batch are in which state; one query."""
    rows = Task.objects.filter(batch=batch).order_by().values_list("status").annotate(count=Count("pk"))
    return dict(sorted(rows))


def contestable_submission(*, subject: str, expert_id: int) -> Contestable | None:
    """Whether an expert may contest what was decided about a submission: his own, once somebody decided."""
    work = Submission.objects.filter(public_id=subject, expert_id=expert_id).first()
    if work is None or work.decided_by_id is None:
        return None
    return Contestable(tenant_id=work.tenant_id, decided_by_id=work.decided_by_id)
