"""Payouts whose experts say that they did not arrive: from when, until when, and which of them finance has to trace."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from experts.public import Appeal
from payments.models import Payout, PayoutDecision
from payments.queries.pay_calendar import arrival_of

CONTEST_WITHIN: Final = dt.timedelta(days=90)
"""So long after a payment its expert may say that it did not arrive.

A wrong decision is seen at once, missing money at the next look at the account: so it is longer than for decisions. It
ends while banks and providers still trace: reconciliation asks them about so many days, and European law gives a payer
thirteen months to name a payment that was not executed, which leaves us the time to ask.
"""
WON: Final = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})
UNDER_WAY: Final = tuple(status for status in Payout.UNDER_WAY if status != Payout.Status.ON_HOLD)
PREFIX: Final = "pay_"


@dataclass(frozen=True, slots=True)
class Window:
    """When it can be said that a payout did not arrive; ``until`` is None while the provider still has it."""

    since: dt.datetime
    until: dt.datetime | None = None


def window(payout: Payout) -> Window | None:
    """From the day after it should have arrived; one under way, from when the desk's alarm goes. None in other states."""
    if payout.status == Payout.Status.PAID and payout.paid_at is not None:
        return paid(payout.currency, at=payout.paid_at)
    if payout.status in UNDER_WAY:
        return Window(payout.created_at + dt.timedelta(hours=settings.PAYOUT_STUCK_HOURS))
    return None


def paid(currency: str, *, at: dt.datetime) -> Window:
    """The window of a payout that a provider says it paid at ``at``."""
    after = arrival_of(currency, at.date()) + dt.timedelta(days=1)
    return Window(dt.datetime.combine(after, dt.time(), tzinfo=dt.UTC), at + CONTEST_WITHIN)


def contested() -> QuerySet[Payout]:
    """Payouts, paid or under way, about which an appeal waits for its decision."""
    about = Appeal.objects.undecided().filter(subject__startswith=PREFIX)
    return Payout.objects.filter(public_id__in=about.values("subject"), status__in=(Payout.Status.PAID, *UNDER_WAY))


def taken_as_lost() -> QuerySet[Payout]:
    """Paid ones whose expert won his appeal, a person or the clock deciding, and to whom two people owe the outcome.

    It ends when the money comes back, when they book it back, or when they say that it arrived after all.
    """
    proven = PayoutDecision.objects.filter(
        payout__public_id=OuterRef("subject"),
        act=PayoutDecision.Act.ARRIVED,
        status=PayoutDecision.Status.APPROVED,
        decided_at__gte=OuterRef("decided_at"),
    )
    won = Appeal.objects.filter(~Exists(proven), status__in=WON, subject__startswith=PREFIX)
    since_paid = won.filter(subject=OuterRef("public_id"), created_at__gte=OuterRef("paid_at"))
    named = Payout.objects.filter(public_id__in=won.values("subject"), status=Payout.Status.PAID)
    return named.filter(Exists(since_paid))


def open_appeal(payout: Payout) -> Appeal | None:
    """The one that waits for its decision, if there is one."""
    return Appeal.objects.undecided().filter(subject=payout.public_id, expert=payout.expert_id).first()


def appeals_of(payout: Payout) -> QuerySet[Appeal]:
    """Everything that was said against it, the newest first."""
    return Appeal.objects.filter(subject=payout.public_id, expert=payout.expert_id)
