"""What this floor does about news."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from experts.models import Appeal, Credential, IdentityVerification, Restriction
from experts.operations import restrictions, verifications


@outbox.subscribe("appeal.decided", name="experts.apply_overturned_decision")
def apply_overturned_decision(event: Event, now: dt.datetime) -> None:
    """A won appeal about something of this floor's own: reinstate the claim, lift the restriction."""
    appeal = Appeal.objects.get(public_id=event.subject)
    by_clock = appeal.status == Appeal.Status.RESOLVED_BY_TIMEOUT
    if not by_clock and appeal.status != Appeal.Status.OVERTURNED:
        return
    prefix = appeal.subject.partition("_")[0]
    if prefix == "res":
        restrictions.lift(restriction=Restriction.objects.get(public_id=appeal.subject), now=now)
    elif prefix == "crd":
        credential = Credential.objects.get(public_id=appeal.subject)
        verifications.reinstate(claim=credential, by_clock=by_clock, now=now)
    elif prefix == "idv":
        identity = IdentityVerification.objects.get(public_id=appeal.subject)
        verifications.reinstate(claim=identity, by_clock=by_clock, now=now)
