"""What payments does on news from the floors below."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from experts.public import Appeal
from marketplace.public import Contract
from payments.operations import backup_withholding, contests, timers


@outbox.subscribe("appeal.decided", name="payments.apply_appeal")
def apply_appeal(event: Event, now: dt.datetime) -> None:
    """Pay what a decision about hours had taken, when the appeal was won."""
    appeal = Appeal.objects.select_related("decided_by").filter(public_id=event.subject).first()
    if appeal is not None:
        for apply in (contests.apply_outcome, backup_withholding.apply_outcome):
            apply(subject=appeal.subject, outcome=appeal.status, decided_by=appeal.decided_by, now=now)


@outbox.subscribe("contract.*", name="payments.stop_timers")
def stop_timers(event: Event, now: dt.datetime) -> None:
    """A contract that was paused or has ended measures no more work from that instant on."""
    if event.name not in {"contract.paused", "contract.ended"}:
        return
    stopped = (Contract.Status.PAUSED, Contract.Status.ENDED)
    contract = Contract.objects.filter(public_id=event.subject, status__in=stopped).first()
    if contract is not None:
        timers.stop_with_contract(contract=contract, at=event.occurred_at, now=now)
