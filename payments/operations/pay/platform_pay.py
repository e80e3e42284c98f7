"""What the platform pays an expert from its own pocket, and takes back of it."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from core import outbox
from core.money import Money
from core.problems import FieldError, InvalidInput
from core.public import User
from experts.public import Expert, require_other
from payments.models import AdjustmentProposal, PlatformPay
from payments.operations.hours import hours_lock
from payments.operations.pay import beside_postings, four_eyes, lone_acts, pay_notices
from payments.operations.pay.beside_postings import BONUS, REFERRAL_BONUS, ExpertPay
from payments.operations.pay.pay_notices import PayNews
from payments.queries.statement_lines import headline

Act = AdjustmentProposal.Act
Kind = PlatformPay.Kind


def pay_bonus(
    *, expert: Expert, amount: Money, reason: str, decided_by: User, now: dt.datetime
) -> PlatformPay | AdjustmentProposal:
    """Pay a bonus, or propose it where it takes a second person. Raises OwnWork, InvalidInput."""
    require_other(expert, decided_by)
    if amount.minor <= 0:
        detail = _("The amount must be larger than zero.")
        raise InvalidInput(detail, errors=[FieldError("/amount", "too_small", detail)])
    if not lone_acts.alone(act=Act.PLATFORM_BONUS, amount=amount, by=decided_by, expert=expert, now=now):
        return four_eyes.propose(
            act=Act.PLATFORM_BONUS,
            amount=amount,
            reason=reason,
            terms={},
            proposed_by=decided_by,
            expert=expert,
            now=now,
        )
    return _pay(Kind.BONUS, expert, amount, reason=reason, decided_by=decided_by, proposal=None, now=now)


@four_eyes.carries_out(Act.PLATFORM_BONUS)
def _pay_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    if proposal.expert is None:
        raise LookupError("A bonus has a receiver.")
    amount = Money(proposal.amount_minor, proposal.currency)
    return _pay(
        Kind.BONUS, proposal.expert, amount, reason=proposal.reason, decided_by=proposal.proposed_by, proposal=proposal,
        now=now,
    ).public_id  # fmt: skip


def pay_referral(*, expert: Expert, amount: Money, reason: str, now: dt.datetime) -> PlatformPay:
    """Pay what the referral programme promised; no person decides it."""
    return _pay(Kind.REFERRAL, expert, amount, reason=reason, decided_by=None, proposal=None, now=now)


def take_back(*, pay: PlatformPay, reason: str, decided_by: User, now: dt.datetime) -> PlatformPay | AdjustmentProposal:
    """Take a whole bonus or referral back, once, or propose it where it takes a second person.

    Netted later, never collected. Raises OwnWork, InvalidInput.
    """
    require_other(pay.expert, decided_by)
    lone_acts.take_turn(act=Act.PLATFORM_CLAWBACK, by=decided_by)
    hours_lock.take(pay.expert_id)
    _require_takeable(pay)
    amount = Money(pay.amount_minor, pay.currency)
    if lone_acts.alone(act=Act.PLATFORM_CLAWBACK, amount=amount, by=decided_by, expert=pay.expert, now=now):
        return _take(pay, reason=reason, decided_by=decided_by, proposal=None, now=now)
    return four_eyes.propose(
        act=Act.PLATFORM_CLAWBACK,
        amount=amount,
        reason=reason,
        terms={"pay": pay.public_id},
        proposed_by=decided_by,
        expert=pay.expert,
        now=now,
    )


@four_eyes.carries_out(Act.PLATFORM_CLAWBACK)
def _take_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    pay = PlatformPay.objects.select_related("expert").get(public_id=proposal.terms["pay"])
    hours_lock.take(pay.expert_id)
    _require_takeable(pay)
    taken = _take(pay, reason=proposal.reason, decided_by=proposal.proposed_by, proposal=proposal, now=now)
    return taken.public_id


def _require_takeable(pay: PlatformPay) -> None:
    if pay.amount_minor <= 0 or pay.taken_by.exists() or pay.kind == Kind.REINSTATEMENT:
        detail = _("Only a bonus is taken back, and only once.")
        raise InvalidInput(detail, errors=[FieldError("/source", "not_takeable", detail)])


def _take(
    pay: PlatformPay, *, reason: str, decided_by: User, proposal: AdjustmentProposal | None, now: dt.datetime
) -> PlatformPay:
    taken = _write(
        Kind.CLAWBACK, pay.expert, -pay.amount_minor, pay.currency, reason, decided_by, takes_back=pay,
        proposal=proposal, now=now,
    )  # fmt: skip
    beside_postings.clawback(pay=_as_posted(taken), now=now)
    _publish(taken, now=now)
    pay_notices.tell_decision(
        _news(taken),
        act="pay.clawed_back",
        reason_code="clawback",
        explanation=reason,
        evidence={"of": pay.public_id, "amount": dict(Money(pay.amount_minor, pay.currency).as_json())},
        decided_by=decided_by,
        now=now,
    )
    return taken


def reinstate(*, clawback: PlatformPay, reason: str, decided_by: User | None, now: dt.datetime) -> PlatformPay | None:
    """Give back what was taken back; None when that was done already."""
    hours_lock.take(clawback.expert_id)
    if clawback.taken_by.exists():
        return None
    given = _write(
        Kind.REINSTATEMENT, clawback.expert, -clawback.amount_minor, clawback.currency, reason, decided_by,
        takes_back=clawback, now=now,
    )  # fmt: skip
    beside_postings.clawback_reversed(pay=_as_posted(given), now=now)
    _tell(given, now=now)
    return given


def _pay(
    kind: str,
    expert: Expert,
    amount: Money,
    *,
    reason: str,
    decided_by: User | None,
    proposal: AdjustmentProposal | None,
    now: dt.datetime,
) -> PlatformPay:
    paid = _write(kind, expert, amount.minor, amount.currency, reason, decided_by, proposal=proposal, now=now)
    event = REFERRAL_BONUS if kind == Kind.REFERRAL else BONUS
    beside_postings.bonuses_paid(bonuses=[_as_posted(paid)], kind=event, now=now)
    _tell(paid, now=now)
    return paid


def _write(
    kind: str,
    expert: Expert,
    amount_minor: int,
    currency: str,
    reason: str,
    decided_by: User | None,
    *,
    now: dt.datetime,
    takes_back: PlatformPay | None = None,
    proposal: AdjustmentProposal | None = None,
) -> PlatformPay:
    return PlatformPay.objects.create(
        expert=expert,
        kind=kind,
        amount_minor=amount_minor,
        currency=currency,
        reason=reason,
        takes_back=takes_back,
        proposal=proposal,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )


def _as_posted(pay: PlatformPay) -> ExpertPay:
    return ExpertPay(
        source_id=pay.public_id,
        expert_id=pay.expert_id,
        currency=pay.currency,
        gross_minor=abs(pay.amount_minor),
        effective_at=pay.decided_at,
    )


def _tell(pay: PlatformPay, *, now: dt.datetime) -> None:
    _publish(pay, now=now)
    pay_notices.tell(_news(pay), now=now)


def _publish(pay: PlatformPay, *, now: dt.datetime) -> None:
    outbox.publish(
        "platform_pay.made",
        subject=pay.public_id,
        user_id=pay.expert.user_id,
        for_lab=False,
        actor=f"user:{pay.decided_by.public_id}" if pay.decided_by else "",
        payload={"platform_pay": pay.public_id},
        now=now,
    )


def _news(pay: PlatformPay) -> PayNews:
    return PayNews(
        expert=pay.expert,
        kind="platform_pay.made",
        subject=pay.public_id,
        title=headline(pay.kind, Money(pay.amount_minor, pay.currency)),
        body=pay.reason,
    )
