"""How long a claim lasts: signs of life renew it, silence ends it."""

from __future__ import annotations

import datetime as dt

from django.db.models import F
from django.db.models.functions import Greatest

from tasks.models import Claim


def renew_lease(*, claim_id: int, now: dt.datetime) -> bool:
    """A sign of life (a saved draft, a timer's heartbeat): the lease runs anew from ``now``; never shorter.

    Returns False when the claim is not active any more: time may still be logged for it, but it cannot be submitted.
    """
    claim = Claim.objects.active().filter(pk=claim_id).only("lease_seconds").first()
    if claim is None:
        return False
    until = now + dt.timedelta(seconds=claim.lease_seconds)
    return bool(Claim.objects.active().filter(pk=claim_id).update(lease_until=Greatest(F("lease_until"), until)))


def record_active_time(*, claim_id: int, seconds: int) -> None:
    """Add ``seconds`` that a timer measured on the claim; ended claims take them too, since hours never vanish."""
    if seconds < 0:
        raise ValueError("Measured time only grows.")
    Claim.objects.filter(pk=claim_id).update(active_seconds=F("active_seconds") + seconds)
