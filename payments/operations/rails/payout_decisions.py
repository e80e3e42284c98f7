"""What finance does with payouts: a fresh proof, and a second person where money could move twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.money import Money
from core.problems import Conflict, map_constraint
from core.public import User
from experts.ports import Contestable
from experts.public import Appeal, ReasonMissing, Restriction, require_other
from payments import payout_reasons
from payments.models import Payout, PayoutAttempt, PayoutDecision, PayoutMethod
from payments.operations.pay.four_eyes import SamePerson, StepUpRequired
from payments.operations.pay.pay_notices import PayNews, tell_decision
from payments.operations.rails import arrivals, payout_tax, payouts

PREFIX: Final = "pay"
WON: Final = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})
_DO: Final[dict[str, Callable[..., Payout]]] = {
    PayoutDecision.Act.RETRY: payouts.retry,
    PayoutDecision.Act.RESUME: payouts.resume,
    PayoutDecision.Act.CANCEL: payouts.cancel,
    PayoutDecision.Act.LOST: payouts.lost,
    PayoutDecision.Act.ARRIVED: arrivals.arrived,
}


class DecisionPending(Conflict):
    """Somebody proposed something about this payout already. Approve or refuse that first."""

    code = "payout_decision_pending"
    title = gettext_lazy("A proposal about this payout is open")


class DestinationChanged(Conflict):
    """The expert's payout method is not the one that was looked at. Refuse the proposal and make a new one."""

    code = "payout_destination_changed"
    title = gettext_lazy("The money would go somewhere else")


map_constraint("payments_payoutdecision_one_open", DecisionPending)
map_constraint("payments_payoutdecision_two_people", SamePerson)
map_constraint("payments_payout_decided", SamePerson)


def propose(
    *, payout: Payout, act: str, reason: str, recently_authenticated: bool, by: User, now: dt.datetime
) -> PayoutDecision | None:
    """Propose to retry, resume or cancel a payout, or what its trace found; None when it needs nobody else.

    That is the cancelling of a payout that no provider ever heard of, done at once: no money can move by it.
    Raises StepUpRequired, ReasonMissing, OwnWork, DecisionPending, InvalidTransition, ExpertBlocked, TaxChanged,
    ArrivalNotContested.
    """
    if not recently_authenticated:
        raise StepUpRequired
    if not reason.strip():
        raise ReasonMissing
    payout = payouts.locked([payout.pk], now=now)[0]
    require_other(payout.expert, by)
    payouts.require_fit(payout, act)
    payouts.require_unblocked(payout, act, now=now)
    payout_tax.require_unchanged(payout, act, now=now)
    arrivals.require_contested(payout, act)
    if payout.decisions.filter(status=PayoutDecision.Status.PROPOSED).exists():
        raise DecisionPending
    if act == PayoutDecision.Act.CANCEL and not payout.attempts.exists():
        _tell_cancelled(payouts.cancel(payout=payout, by=by, now=now), reason, by=by, now=now)
        return None
    decision = PayoutDecision.objects.create(
        payout=payout,
        act=act,
        payout_method=_destination(payout, act),
        reason=reason.strip()[:300],
        proposed_by=by,
        proposed_at=now,
    )
    outbox.publish("payout.decision_proposed", subject=decision.public_id, for_lab=False, now=now)
    return decision


def approve(*, decision: PayoutDecision, recently_authenticated: bool, by: User, now: dt.datetime) -> Payout:
    """Do what was proposed. Raises StepUpRequired, SamePerson, OwnWork, DestinationChanged, and what the act raises.

    A payout that its provider sent back meanwhile is not booked back a second time.
    """
    if not recently_authenticated:
        raise StepUpRequired
    decision = _locked(decision)
    states.move(decision, PayoutDecision.Status.APPROVED)
    if decision.proposed_by_id == by.pk:
        raise SamePerson(_("You proposed this: somebody else has to approve it."))
    destination = _destination(decision.payout, decision.act)
    if (destination and destination.pk) != decision.payout_method_id:
        raise DestinationChanged
    payouts.require_fit(payouts.locked([decision.payout_id], now=now)[0], decision.act)
    arrivals.require_contested(decision.payout, decision.act)
    decision.decided_by, decision.decided_at = by, now
    decision.save()
    payout = _DO[decision.act](payout=decision.payout, by=by, now=now)
    if decision.act == PayoutDecision.Act.CANCEL:
        _tell_cancelled(payout, decision.reason, by=decision.proposed_by, now=now)
    if decision.act == PayoutDecision.Act.ARRIVED:
        arrivals.tell_arrived(payout, decision.reason, by=decision.proposed_by, now=now)
    return payout


def refuse(*, decision: PayoutDecision, reason: str, by: User, now: dt.datetime) -> PayoutDecision:
    """Leave the payout as it is. Raises SamePerson, OwnWork, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing
    decision = _locked(decision)
    states.move(decision, PayoutDecision.Status.REFUSED)
    if decision.proposed_by_id == by.pk:
        raise SamePerson(_("You proposed this: somebody else decides about it."))
    require_other(decision.payout.expert, by)
    decision.decided_by, decision.decided_at, decision.note = by, now, reason.strip()[:300]
    decision.save()
    return decision


def _destination(payout: Payout, act: str) -> PayoutMethod | None:
    """Where the money would go: a retry follows the expert's current method, a resume keeps the payout's."""
    if act == PayoutDecision.Act.RETRY:
        current = PayoutMethod.objects.filter(expert=payout.expert_id, currency=payout.currency)
        return current.filter(status=PayoutMethod.Status.ACTIVE).first()
    return payout.payout_method if act == PayoutDecision.Act.RESUME else None


def _locked(decision: PayoutDecision) -> PayoutDecision:
    rows = PayoutDecision.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("payout__expert", "payout__payout_method", "proposed_by").get(pk=decision.pk)


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """A payout of this expert that waits, was given up or did not arrive, and who decided so, if people did."""
    payout = Payout.objects.filter(public_id=subject, expert=expert_id).first()
    if payout is None:
        return None
    if payout.status == Payout.Status.ON_HOLD:
        return Contestable(None, _who_blocked(payout))
    if payout.status != Payout.Status.CANCELLED:
        return arrivals.contestable(payout)
    wanted = {"act": PayoutDecision.Act.CANCEL, "status": PayoutDecision.Status.APPROVED}
    decision = payout.decisions.filter(**wanted).order_by("-pk").first()
    if decision is None:
        return Contestable(None, None)
    return Contestable(None, decision.proposed_by_id, approved_by_id=decision.decided_by_id)


def apply_outcome(*, subject: str, outcome: str, now: dt.datetime) -> None:
    """Let the next run pay what a held payout carried, when the appeal was won and no provider ever heard of it.

    Where one did, money could move twice: two people of finance decide, who find it among the payouts on hold, or
    among those that did not arrive.
    """
    if outcome not in WON or not subject.startswith(f"{PREFIX}_"):
        return
    found = Payout.objects.filter(public_id=subject).values_list("pk", flat=True)
    for payout in payouts.locked(found, now=now):
        if payout.status != Payout.Status.ON_HOLD:
            arrivals.follow(payout, now=now)
        elif not PayoutAttempt.objects.filter(payout=payout).exists():
            payouts.give_back_unsent([payout], code=payout.reason_code, now=now)


def _who_blocked(payout: Payout) -> int | None:
    """Whose decision holds it, where one does."""
    if payout.reason_code != payout_reasons.BLOCKED:
        return None
    imposed = Restriction.objects.filter(expert=payout.expert_id, kind=Restriction.Kind.NO_PAYOUTS, tenant=None)
    return imposed.order_by("-pk").values_list("decision__decided_by", flat=True).first()


def _tell_cancelled(payout: Payout, reason: str, *, by: User, now: dt.datetime) -> None:
    """A Decision of whoever wanted it, and the one message about it: the money comes later than it was promised."""
    amount = Money(payout.amount_minor, payout.currency)
    tell_decision(
        PayNews(
            expert=payout.expert,
            kind="payout.cancelled",
            subject=payout.public_id,
            title=_("Your payout of %(amount)s was cancelled") % {"amount": amount},
            body=_("%(reason)s\n\nThe money stays yours, and the next pay run pays it.") % {"reason": reason},
            link=f"/api/v1/expert/payouts/{payout.public_id}",
        ),
        act="pay.payout_cancelled",
        reason_code="cancelled_by_finance",
        explanation=reason,
        evidence={"amount": dict(amount.as_json())},
        decided_by=by,
        now=now,
    )
