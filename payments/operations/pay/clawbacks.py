"""Taking pay back: never more than was paid, with exactly the fee of the pay it takes back, and never collected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money, divide_half_up
from core.problems import Conflict, FieldError, InvalidInput
from core.public import User
from experts.public import require_other
from payments.models import Adjustment, AdjustmentProposal, JournalEntry, Posting, TimeEntry
from payments.operations.hours import counted_hours, hours_lock
from payments.operations.labs import regained
from payments.operations.pay import adjustment_news, beside_postings, four_eyes, lone_acts, pay_notices, true_ups
from payments.operations.pay.beside_postings import BONUS
from payments.operations.pay.postings import TIME_APPROVED
from payments.queries.bills import Part

Source = TimeEntry | Adjustment
ACT = "pay.clawed_back"
Kind = Adjustment.Kind


class BelowWageFloor(Conflict):
    """Hours that count as worked keep at least the wage floor of their week, with everything that was taken back of it.

    `at_most` can still be taken. Hours that were not worked are corrected: then the floor asks for less as well.
    """

    code = "below_wage_floor"
    title = gettext_lazy("The week would pay less than its wage floor")
    example_members: ClassVar[Mapping[str, Any]] = {"at_most": {"amount": "12.20", "currency": "EUR"}}


@dataclass(frozen=True, slots=True)
class Paid:
    """What stands in the journal for one entry or bonus, less what was taken back of it, in minor units."""

    gross_minor: int
    fee_minor: int
    taken_minor: int
    fee_taken_minor: int

    @property
    def left_minor(self) -> int:
        """What can still be taken back of the expert's part."""
        return self.gross_minor - self.taken_minor

    def fee_of(self, minor: int) -> int:
        """The fee given back with so much: shares are rounded cumulatively, so taking all gives all of it back."""
        share = divide_half_up(self.fee_minor * (self.taken_minor + minor), self.gross_minor)
        return max(0, share - self.fee_taken_minor)


def claw_back(
    *, source: Source, amount: Money, reason: str, decided_by: User, now: dt.datetime
) -> Adjustment | AdjustmentProposal:
    """Take back pay of approved hours or of a bonus for the lab, or propose it where it takes a second person.

    The balance may fall below zero: it is netted against later pay and never collected. Raises OwnWork, InvalidInput
    for another currency or more than was paid, PayIsContested, BelowWageFloor.
    """
    require_other(source.expert, decided_by)
    act = AdjustmentProposal.Act.CLAWBACK
    lone_acts.take_turn(act=act, by=decided_by)
    hours_lock.take(source.expert_id)
    require_takeable(source, amount)
    if lone_acts.alone(act=act, amount=amount, by=decided_by, expert=source.expert, now=now):
        return _take(source, amount, reason=reason, decided_by=decided_by, proposal=None, now=now)
    return four_eyes.propose(
        act=act,
        amount=amount,
        reason=reason,
        terms={"source": source.public_id},
        proposed_by=decided_by,
        tenant_id=source.tenant_id,
        expert=source.expert,
        now=now,
    )


@four_eyes.carries_out(AdjustmentProposal.Act.CLAWBACK)
def _take_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    source = find(str(proposal.terms["source"]))
    hours_lock.take(source.expert_id)
    amount = Money(proposal.amount_minor, proposal.currency)
    require_takeable(source, amount)
    taken = _take(source, amount, reason=proposal.reason, decided_by=proposal.proposed_by, proposal=proposal, now=now)
    return taken.public_id


def reinstate(*, clawback: Adjustment, reason: str, decided_by: User | None, now: dt.datetime) -> Adjustment | None:
    """Give the expert back what a clawback took; None when that was done already."""
    hours_lock.take(clawback.expert_id)
    if clawback.taken_by.filter(kind=Kind.REINSTATEMENT).exists():
        return None
    given = Adjustment.objects.create(
        tenant_id=clawback.tenant_id,
        expert=clawback.expert,
        contract_id=clawback.contract_id,
        takes_back=clawback,
        kind=Kind.REINSTATEMENT,
        status=Adjustment.Status.POSTED,
        amount_minor=-clawback.amount_minor,
        fee_minor=-clawback.fee_minor,
        currency=clawback.currency,
        reason=reason,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )
    beside_postings.clawback_reversed(pay=adjustment_news.pay_of(given), now=now)
    _settle_with_lab(given, clawback.entry or clawback.takes_back, now=now)
    actor = f"user:{decided_by.public_id}" if decided_by else ""
    adjustment_news.tell_all("adjustment.made", [given], actor=actor, now=now)
    return given


def find(public_id: str) -> Source:
    """The approved hours or the bonus with this id, with what taking it back needs."""
    if public_id.startswith("tme_"):
        return TimeEntry.objects.settled().select_related("expert", "contract").get(public_id=public_id)
    return Adjustment.objects.select_related("expert", "contract").get(public_id=public_id, kind=Kind.BONUS)


def paid_for(source: Source) -> Paid:
    """What an entry or a bonus stands at in the journal, and what was taken back of it."""
    kind = TIME_APPROVED if isinstance(source, TimeEntry) else BONUS
    with scope.as_platform():
        standing = JournalEntry.objects.filter(kind=kind, source_id=source.public_id, reversed_by=None)
        legs = Posting.objects.filter(entry__in=standing).values_list("account__kind").annotate(minor=Sum("amount"))
        sums = dict(legs)
    own = Q(entry=source.pk) if isinstance(source, TimeEntry) else Q(takes_back=source.pk)
    given = Q(takes_back__entry=source.pk) if isinstance(source, TimeEntry) else Q(takes_back__takes_back=source.pk)
    changes = Adjustment.objects.filter(
        (own & Q(kind=Kind.CLAWBACK)) | (given & Q(kind=Kind.REINSTATEMENT)), expert=source.expert_id
    ).aggregate(amount=Sum("amount_minor"), fee=Sum("fee_minor"))
    return Paid(
        gross_minor=sums.get("expert_payable", 0) + sums.get("expert_holdback", 0),
        fee_minor=sums.get("fee_income", 0),
        taken_minor=-(changes["amount"] or 0),
        fee_taken_minor=-(changes["fee"] or 0),
    )


def require_takeable(source: Source, amount: Money) -> None:
    """Raise InvalidInput for another currency than was paid in or for more than is left, PayIsContested, BelowWageFloor."""
    if isinstance(source, TimeEntry):
        counted_hours.refuse_contested(source)
    elif source.kind != Kind.BONUS:
        raise _refused("source", "not_takeable", _("Only approved hours and bonuses are taken back."))
    if amount.currency != source.currency:
        detail = _("It was paid in %(currency)s.") % {"currency": source.currency}
        raise _refused("amount/currency", "wrong_currency", detail)
    left = Money(paid_for(source).left_minor, source.currency)
    if not 0 < amount.minor <= left.minor:
        detail = _("At most %(left)s of it can be taken back.") % {"left": left}
        raise _refused("amount", "more_than_paid", detail)
    if isinstance(source, TimeEntry):
        _require_above_floor(source, amount)


def _require_above_floor(entry: TimeEntry, amount: Money) -> None:
    """Nothing is topped up in the place of pay that a person took: it is not taken. Raises BelowWageFloor."""
    above = true_ups.above_floor(entry)
    if above is not None and amount.minor > above:
        most = Money(above, amount.currency)
        detail = _("At most %(most)s of this week is above the wage floor; correct hours that were not worked.")
        raise BelowWageFloor(detail % {"most": most}, at_most=most.as_json())


def _take(
    source: Source,
    amount: Money,
    *,
    reason: str,
    decided_by: User,
    proposal: AdjustmentProposal | None,
    now: dt.datetime,
) -> Adjustment:
    taken = Adjustment.objects.create(
        tenant_id=source.tenant_id,
        expert=source.expert,
        contract_id=source.contract_id,
        entry=source if isinstance(source, TimeEntry) else None,
        takes_back=source if isinstance(source, Adjustment) else None,
        kind=Kind.CLAWBACK,
        status=Adjustment.Status.POSTED,
        amount_minor=-amount.minor,
        fee_minor=-paid_for(source).fee_of(amount.minor),
        currency=amount.currency,
        reason=reason,
        proposal=proposal,
        decided_by=decided_by,
        decided_at=now,
        created_at=now,
    )
    beside_postings.clawback(pay=adjustment_news.pay_of(taken), now=now)
    _settle_with_lab(taken, source, now=now)
    adjustment_news.publish("adjustment.made", [taken], actor=f"user:{decided_by.public_id}", now=now)
    pay_notices.tell_decision(
        adjustment_news.news_of("adjustment.made", taken),
        act=ACT,
        reason_code="clawback",
        explanation=reason,
        evidence={"of": source.public_id, "amount": dict(amount.as_json())},
        decided_by=decided_by,
        now=now,
        tenant_id=source.tenant_id,
    )
    return taken


def _settle_with_lab(made: Adjustment, source: Source | None, *, now: dt.datetime) -> None:
    """What finance credited before is the platform's, not the lab's once more. Bonuses of the platform have no lab."""
    if made.tenant_id is not None and source is not None:
        regained.settle(
            subject=source.public_id,
            source_id=made.public_id,
            tenant_id=made.tenant_id,
            currency=made.currency,
            change=Part(made.amount_minor, made.fee_minor),
            now=now,
        )


def _refused(member: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(f"/{member}", code, detail)])
