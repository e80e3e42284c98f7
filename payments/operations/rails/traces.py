"""What finance says to an expert whose payout did not arrive, after it asked the bank or the provider."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext_lazy

from core.problems import Conflict
from core.public import User
from experts.public import Appeal, decide_appeal
from payments.models import Payout, PayoutDecision
from payments.operations.pay.four_eyes import StepUpRequired
from payments.operations.rails import payout_decisions, payouts
from payments.queries import payout_contests

ANSWERS: Final = {
    Appeal.Status.UPHELD.value: gettext_lazy("It arrived: say by which reference of the bank (the appeal is lost)"),
    Appeal.Status.OVERTURNED.value: gettext_lazy(
        "It did not arrive (the appeal is won; one that is paid is proposed as lost)"
    ),
}
"""What a trace finds, by what it means for the appeal."""


class NoOpenAppeal(Conflict):
    """No appeal about this payout waits for an answer: it was decided, withdrawn, or never filed.

    Where it was won, propose what the trace found instead.
    """

    code = "no_open_appeal"
    title = gettext_lazy("Nobody waits for an answer")


def answer(
    *, payout: Payout, found: str, reason: str, recently_authenticated: bool, by: User, now: dt.datetime
) -> PayoutDecision | None:
    """Decide the open appeal about a payout; what was found lost is proposed, for another person to book it back.

    Raises StepUpRequired, NoOpenAppeal, SameDecider, OwnWork, ReasonMissing, DecisionPending.
    """
    if not recently_authenticated:
        raise StepUpRequired
    payout = payouts.locked([payout.pk], now=now)[0]
    about = payout_contests.open_appeal(payout)
    if about is None or not payout_contests.contested().filter(pk=payout.pk).exists():
        raise NoOpenAppeal
    decide_appeal(appeal=about, outcome=found, note=reason, by=by, now=now)
    if found != Appeal.Status.OVERTURNED or payout.status != Payout.Status.PAID:
        return None
    if not payout_contests.taken_as_lost().filter(pk=payout.pk).exists():  # filed before it was paid
        return None
    return payout_decisions.propose(
        payout=payout, act=PayoutDecision.Act.LOST, reason=reason, recently_authenticated=True, by=by, now=now
    )
