"""A payout that counts as paid and is not on the account: who may say so, and what follows from it.

Whatever is decided about the appeal, no money moves by it, since the money may have arrived, or come back yet. An appeal
that was won, by silence too, makes the expert's word count: then two people book the payout back as lost, unless its
provider returns it before, or they show that it arrived, which he may contest anew.
"""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import Money
from core.problems import Conflict
from core.public import User
from experts.ports import Contestable
from experts.public import require_other, send_notice
from payments.models import Payout, PayoutDecision
from payments.operations.pay.pay_notices import PayNews, tell_decision
from payments.queries import payout_contests

TRACED = frozenset({PayoutDecision.Act.LOST, PayoutDecision.Act.ARRIVED})
"""What two people may say after a trace."""


class ArrivalNotContested(Conflict):
    """Nobody's word is against this payout: its expert filed no appeal about it, did not win it, or was answered since.

    Whoever says that money is missing says it at the door of appeals first, so that nothing is paid a second time unasked.
    """

    code = "arrival_not_contested"
    title = gettext_lazy("Its arrival is not contested")


def contestable(payout: Payout) -> Contestable | None:
    """A payout that is paid, or under way for too long, and when that can be contested; who said that it arrived, if two did."""
    window = payout_contests.window(payout)
    if window is None:
        return None
    said = payout.decisions.filter(act=PayoutDecision.Act.ARRIVED, status=PayoutDecision.Status.APPROVED)
    arrived_by = said.order_by("pk").last()
    return Contestable(
        None,
        arrived_by.proposed_by_id if arrived_by else None,
        approved_by_id=arrived_by.decided_by_id if arrived_by else None,
        since=window.since,
        until=window.until,
        happened_at=payout.paid_at,
        in_part=False,
    )


def require_contested(payout: Payout, act: str) -> None:
    """Raises ArrivalNotContested where the act says what a trace found, and nobody asked for one."""
    if act in TRACED and not payout_contests.taken_as_lost().filter(pk=payout.pk).exists():
        raise ArrivalNotContested


def follow(payout: Payout, *, now: dt.datetime) -> None:
    """The appeal was won: tell its expert what happens now, and what does not."""
    if payout.status == Payout.Status.PAID and not payout_contests.taken_as_lost().filter(pk=payout.pk).exists():
        body = _paid_since(payout)
    elif payout.status == Payout.Status.PAID:
        body = _(
            "Your word counts: it is taken as not arrived. Two people of finance book it back, and the next pay run then"
            " pays it, or show you the proof that it arrived. Should the bank send it back before, it is yours at once."
        )
    elif payout.status in payout_contests.UNDER_WAY:
        body = _(
            "It is still under way, and may still be executed: nobody can pay it a second time meanwhile. Finance presses"
            " for an answer; you hear as soon as it is paid or failed."
        )
    else:
        return
    _tell(payout, body, now=now)


def _paid_since(payout: Payout) -> str:
    """What was said while it was under way says nothing of whether it arrived."""
    window = payout_contests.window(payout)
    until = window.until if window else None
    return _(
        "Its provider has paid it since you filed this. Should it not be on your account, appeal again until %(day)s."
    ) % {"day": f"{until:%Y-%m-%d}" if until else "–"}


def arrived(*, payout: Payout, by: User, now: dt.datetime) -> Payout:  # noqa: ARG001  # called like the other acts
    """Two people say that what counts as paid did arrive: nothing moves. Raises OwnWork."""
    require_other(payout.expert, by)
    return payout


def tell_arrived(payout: Payout, reason: str, *, by: User, now: dt.datetime) -> None:
    """A Decision of whoever traced it, and the one message about it: the money does not come a second time."""
    amount = Money(payout.amount_minor, payout.currency)
    tell_decision(
        PayNews(
            expert=payout.expert,
            kind="payout.arrived",
            subject=payout.public_id,
            title=_("Your payout of %(amount)s arrived, says its trace") % {"amount": amount},
            body=_("%(reason)s\n\nIt went to %(account)s, and is not paid again.")
            % {"reason": reason, "account": payout.payout_method.masked},
            link=f"/api/v1/expert/payouts/{payout.public_id}",
        ),
        act="pay.payout_arrived",
        reason_code="traced",
        explanation=reason,
        evidence={"amount": dict(amount.as_json()), "movement": payout.provider_reference},
        decided_by=by,
        now=now,
    )


def _tell(payout: Payout, body: str, *, now: dt.datetime) -> None:
    send_notice(
        expert=payout.expert,
        kind="payout.traced",
        subject=payout.public_id,
        title=_("Your payout of %(amount)s is traced") % {"amount": Money(payout.amount_minor, payout.currency)},
        body=body,
        link=f"/api/v1/expert/payouts/{payout.public_id}",
        now=now,
    )
