"""Answers about work that are not a queryset chain."""

from __future__ import annotations

import datetime as dt

from tasks.models import Claim


def claim_for_contract(*, public_id: str, contract_id: int) -> Claim | None:
    """The claim with this public id under this contract, or None: somebody else's is as unknown as a random one."""
    return Claim.objects.filter(public_id=public_id, contract_id=contract_id).select_related("task").first()


def submitted_items(*, contract_id: int, start: dt.datetime, end: dt.datetime) -> int:
    """How many items were handed in under a contract in ``[start, end)``, whatever was decided about them later."""
    return Claim.objects.filter(
        contract_id=contract_id, status=Claim.Status.SUBMITTED, ended_at__gte=start, ended_at__lt=end
    ).count()
