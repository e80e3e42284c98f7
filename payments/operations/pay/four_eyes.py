"""Four eyes: above a threshold one person proposes and another approves; the clock lets a proposal lapse.

Whoever has an act to put before two people registers how it is carried out with :func:`carries_out`, asks
``lone_acts.alone`` before acting, and calls :func:`propose` instead of acting.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.money import Money
from core.problems import Conflict, DomainError, map_constraint
from core.public import Principal, User
from experts import public as experts
from experts.public import Expert, require_other
from payments.models import AdjustmentProposal
from payments.operations.pay import lone_acts, pay_notices
from payments.operations.pay.pay_notices import PayNews

CarryOut = Callable[[AdjustmentProposal, dt.datetime], str]
"""Does what was approved and returns the public id of what it became."""

_acts: dict[str, CarryOut] = {}


class OwnProposal(DomainError):
    """Above a threshold two people decide about pay: whoever proposed something does not approve or refuse it.

    Another person of the same side has to. Its proposer may withdraw it.
    """

    code = "own_proposal"
    status = 403
    title = gettext_lazy("Another person approves a proposal")


class OtherSide(DomainError):
    """The other side's people decide about this proposal: the lab's about what the lab pays, else the platform's."""

    code = "other_side"
    status = 403
    title = gettext_lazy("The other side decides this")


class OwnKeyNeeded(Conflict):
    """A key of nobody in particular can give any member's name, and so be both of the two who decide about a lab's money.

    Whoever approves what another member proposed therefore sends his own key, one that was made for him (`member` of
    `POST /api-keys`): it decides in nobody else's name. Refusing and withdrawing takes no such key.
    """

    code = "own_key_needed"
    title = gettext_lazy("A second member approves with his own key")


class ProposalLapsed(Conflict):
    """Nobody decided about this proposal in time. Propose it again; `expires_at` tells when it ended."""

    code = "proposal_lapsed"
    title = gettext_lazy("The proposal has lapsed")
    example_members: ClassVar[Mapping[str, Any]] = {"expires_at": "2026-11-30T09:30:00Z"}


class SamePerson(DomainError):
    """Sending money takes two people: who prepared a pay run or proposed something about a payout does not decide it.

    Nor does anybody release a run that pays himself. The database refuses it as well: ask a colleague who holds the right.
    """

    code = "same_person"
    status = 403
    title = gettext_lazy("Somebody else has to decide this")


class StepUpRequired(DomainError):
    """What moves money needs a proof of who you are that is not older than ten minutes. Authenticate again."""

    code = "step_up_required"
    status = 403
    title = gettext_lazy("Prove again who you are")


map_constraint("payments_proposal_two_people", OwnProposal)
map_constraint("payments_proposal_own_key", OwnKeyNeeded)


def carries_out(act: str) -> Callable[[CarryOut], CarryOut]:
    """Register the function that does ``act`` once it is approved."""

    def decorate(function: CarryOut) -> CarryOut:
        _acts[act] = function
        return function

    return decorate


def propose(
    *,
    act: str,
    amount: Money,
    reason: str,
    terms: dict[str, Any],
    proposed_by: User,
    now: dt.datetime,
    tenant_id: int | None = None,
    expert: Expert | None = None,
    side: str = AdjustmentProposal.Side.PLATFORM,
    before: Money | None = None,
) -> AdjustmentProposal:
    """Write down what would be done; nothing happens before another person approves. Raises OwnWork.

    ``before`` is what was done alone lately and counts with it; found by act and expert, or else lab.
    """
    if expert is not None:
        require_other(expert, proposed_by)
    if before is None:
        part = lone_acts.Part.of(amount, expert=expert, tenant_id=tenant_id)
        lab_id = tenant_id if side == AdjustmentProposal.Side.LAB else None
        before = lone_acts.done_before(act=act, by=proposed_by, parts=[part], lab_id=lab_id, now=now)
    proposal = AdjustmentProposal.objects.create(
        act=act,
        side=side,
        tenant_id=tenant_id,
        expert=expert,
        amount_minor=abs(amount.minor),
        before_minor=before.minor,
        currency=amount.currency,
        terms=terms,
        reason=reason,
        proposed_by=proposed_by,
        expires_at=now + dt.timedelta(days=settings.PROPOSAL_EXPIRES_DAYS),
        created_at=now,
    )
    _publish("proposal.made", proposal, actor=proposed_by, now=now)
    return proposal


def approve(
    *,
    proposal: AdjustmentProposal,
    decided_by: User,
    side: str,
    now: dt.datetime,
    note: str = "",
    by: Principal | None = None,
) -> AdjustmentProposal:
    """Carry out what another person proposed, in this transaction.

    ``by`` is the caller of a lab, whose key has to be that person's own. Everything that could refuse the act when it was
    proposed is asked again; when it refuses, the proposal still stands. Raises OwnProposal, OtherSide, OwnWork,
    ProposalLapsed, OwnKeyNeeded, InvalidTransition, and what the act raises.
    """
    locked = _judged(proposal, decided_by, side)
    if locked.is_proposed and locked.expires_at <= now:
        raise ProposalLapsed(expires_at=f"{locked.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if locked.is_proposed and side == AdjustmentProposal.Side.LAB:
        if by is None or by.only_member_id != decided_by.pk:
            raise OwnKeyNeeded
        locked.decided_key_id = by.token_id
    _close(locked, AdjustmentProposal.Status.APPROVED, decided_by=decided_by, note=note, now=now)
    locked.outcome = _acts[locked.act](locked, now)
    locked.save(update_fields=["outcome"])
    _publish("proposal.approved", locked, actor=decided_by, now=now)
    return locked


def refuse(
    *, proposal: AdjustmentProposal, decided_by: User, side: str, note: str, now: dt.datetime
) -> AdjustmentProposal:
    """Let it not happen, with a reason. An expert whose hours would have gained hears of it and may contest it.

    Raises OwnProposal, OtherSide, OwnWork, InvalidTransition.
    """
    locked = _judged(proposal, decided_by, side)
    _close(locked, AdjustmentProposal.Status.REFUSED, decided_by=decided_by, note=note, now=now)
    if locked.expert is not None and gains(locked):
        experts.record_decision(
            expert=locked.expert,
            act="pay.correction_refused",
            subject=locked.public_id,
            reason_code="refused",
            explanation=note,
            evidence={"proposed": locked.reason, "amount": dict(Money(locked.amount_minor, locked.currency).as_json())},
            decided_by=decided_by,
            now=now,
            tenant_id=locked.tenant_id,
        )
    _publish("proposal.refused", locked, actor=decided_by, now=now)
    return locked


def withdraw(*, proposal: AdjustmentProposal, by: User, side: str, now: dt.datetime) -> AdjustmentProposal:
    """Take one's own proposal back. Raises OwnProposal for anybody else's, OtherSide, InvalidTransition."""
    locked = _locked(proposal.pk)
    if locked.side != side:
        raise OtherSide
    if locked.proposed_by_id != by.pk:
        raise OwnProposal(_("Only its proposer withdraws a proposal."))
    _close(locked, AdjustmentProposal.Status.WITHDRAWN, decided_by=by, note="", now=now)
    _publish("proposal.withdrawn", locked, actor=by, now=now)
    return locked


def let_lapse(*, proposal_id: int, now: dt.datetime) -> None:
    """End a proposal that nobody decided in time; harmless when somebody did in the meantime."""
    locked = _locked(proposal_id)
    if not locked.is_proposed or locked.expires_at > now:
        return
    _close(locked, AdjustmentProposal.Status.EXPIRED, decided_by=None, note="", now=now)
    if locked.expert is not None and gains(locked):
        news = PayNews(
            expert=locked.expert,
            kind="proposal.expired",
            subject=locked.public_id,
            title=_("A correction in your favour was not decided in time"),
            body=locked.reason,
            link=experts.APPEAL_DOOR,
        )
        pay_notices.tell(news, now=now)
    _publish("proposal.expired", locked, actor=None, now=now)


def gains(proposal: AdjustmentProposal) -> bool:
    """Whether the expert's hours would have gained: then its refusal is an act on his pay."""
    return proposal.act == AdjustmentProposal.Act.CORRECTION and bool(proposal.terms.get("gains"))


def _judged(proposal: AdjustmentProposal, decided_by: User, side: str) -> AdjustmentProposal:
    locked = _locked(proposal.pk)
    if locked.side != side:
        raise OtherSide
    if locked.proposed_by_id == decided_by.pk:
        raise OwnProposal
    if locked.expert is not None:
        require_other(locked.expert, decided_by)
    return locked


def _locked(pk: int) -> AdjustmentProposal:
    rows = AdjustmentProposal.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("expert", "proposed_by").get(pk=pk)


def _close(proposal: AdjustmentProposal, to: str, *, decided_by: User | None, note: str, now: dt.datetime) -> None:
    states.move(proposal, to)
    proposal.decided_by, proposal.decided_at, proposal.note = decided_by, now, note
    proposal.save(update_fields=["status", "decided_by", "decided_key", "decided_at", "note"])


def _publish(event: str, proposal: AdjustmentProposal, *, actor: User | None, now: dt.datetime) -> None:
    outbox.publish(
        event,
        subject=proposal.public_id,
        tenant_id=proposal.tenant_id,
        for_lab=proposal.side == AdjustmentProposal.Side.LAB,
        actor=f"user:{actor.public_id}" if actor else "",
        payload={"proposal": proposal.public_id, "act": proposal.act, "outcome": proposal.outcome},
        now=now,
    )
