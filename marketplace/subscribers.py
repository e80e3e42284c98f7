"""News the marketplace listens to."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from marketplace.models import Application, Contract
from marketplace.operations import applications, contracts

OVERTURNED = frozenset({"overturned", "resolved_by_timeout"})


@outbox.subscribe("appeal.decided", name="marketplace.apply_appeals")
def apply_appeals(event: Event, now: dt.datetime) -> None:
    """Undo what an appeal overturned: a rejected application is in review again, a contract active."""
    if event.payload.get("outcome") not in OVERTURNED:
        return
    subject = str(event.payload.get("subject", ""))
    application = Application.objects.filter(public_id=subject, status=Application.Status.REJECTED).first()
    if application is not None:
        applications.reinstate(application=application, now=now)
    stopped = (Contract.Status.PAUSED, Contract.Status.ENDING)
    contract = Contract.objects.filter(public_id=subject, status__in=stopped).first()
    if contract is not None:
        contracts.resume(contract=contract, now=now)
