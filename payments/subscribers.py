"""What payments does on news from the floors below."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from experts.public import Appeal
from payments.operations import contests


@outbox.subscribe("appeal.decided", name="payments.apply_appeal")
def apply_appeal(event: Event, now: dt.datetime) -> None:
    """Pay what a decision about hours had taken, when the appeal was won."""
    appeal = Appeal.objects.select_related("decided_by").filter(public_id=event.subject).first()
    if appeal is not None:
        contests.apply_outcome(subject=appeal.subject, outcome=appeal.status, decided_by=appeal.decided_by, now=now)
