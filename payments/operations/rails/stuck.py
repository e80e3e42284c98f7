"""Payouts that have been open for too long: the alarm about them, and the queue at the desk."""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog
from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from payments.models import Payout, PayoutAttempt
from payments.queries import payout_contests

SHOWN: Final = 100
log = structlog.get_logger(__name__)


def rows(*, now: dt.datetime) -> QuerySet[Payout]:
    """Payouts that are open long after a provider was given them, or after their release if none was: a person must act."""
    late = now - dt.timedelta(hours=settings.PAYOUT_STUCK_HOURS)
    dark = now - dt.timedelta(hours=settings.PAYOUT_UNKNOWN_HOURS)
    last = PayoutAttempt.objects.filter(payout=OuterRef("pk")).order_by("-n").values("first_sent_at")[:1]
    given = Payout.objects.annotate(given_at=Coalesce(Subquery(last), F("created_at")))
    unknown = Q(status=Payout.Status.UNKNOWN, given_at__lte=dark)
    return given.filter(unknown | Q(status__in=Payout.UNDER_WAY, given_at__lte=late))


def report(*, now: dt.datetime) -> int:
    """Log an error for each payout that is stuck, and their number when it is many; returns how many.

    The queue at the desk shows them all. So it does for those that did not arrive and that nobody has booked back or proven.
    """
    for payout in payout_contests.taken_as_lost().order_by("pk")[:SHOWN]:
        log.error("payout_taken_as_lost", payout=payout.public_id, provider=payout.provider)
    found = rows(now=now).order_by("pk")
    for payout in found[:SHOWN]:
        log.error("payout_stuck", payout=payout.public_id, status=payout.status, provider=payout.provider)
    if (count := found.count()) > SHOWN:
        log.error("payouts_stuck", count=count)
    return count
