"""Bonuses from a lab's balance: one, or many at once; a second member approves what is above the threshold."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from core.money import BIGINT_MAX, Money, fee_for
from core.problems import FieldError, InvalidInput
from core.public import Principal, User
from experts.public import require_other
from marketplace import public as marketplace
from marketplace.public import Contract, RateSnapshot
from payments.models import Adjustment, AdjustmentProposal
from payments.operations.pay import adjustment_news, beside_postings, four_eyes, lone_acts
from payments.operations.pay.lone_acts import Part

MOST: Final = 1000
Act = AdjustmentProposal.Act


@dataclass(frozen=True, slots=True)
class Bonus:
    """Who gets how much, and why. The contract's expert is joined."""

    contract: Contract
    amount: Money
    reason: str


def pay(*, bonus: Bonus, decided_by: User, by: Principal, now: dt.datetime) -> Adjustment | AdjustmentProposal:
    """Pay an expert something on top of his hours, from the lab's prepaid balance, with the contract's fee.

    Above the threshold it is proposed, and another member approves. Raises OwnWork, InvalidInput for another currency
    than the contract's, InsufficientFunds.
    """
    require_other(bonus.contract.expert, decided_by)
    terms = marketplace.snapshot_at(contract_id=bonus.contract.pk, at=now)
    errors = _errors_of("", bonus, terms, decided_by)
    if errors:
        raise InvalidInput(errors=errors)
    if not lone_acts.alone(
        act=Act.BONUS,
        amount=bonus.amount,
        by=decided_by,
        expert=bonus.contract.expert,
        lab_id=bonus.contract.tenant_id,
        now=now,
    ):
        return _propose(Act.BONUS, [bonus], decided_by, now=now)
    (paid,) = _pay([bonus], {bonus.contract.pk: terms}, decided_by=decided_by, actor=by.label, now=now)
    return paid


def pay_many(
    *, bonuses: Sequence[Bonus], decided_by: User, by: Principal, now: dt.datetime
) -> list[Adjustment] | AdjustmentProposal:
    """Pay up to MOST bonuses, all of them or none, with one write of the ledger.

    What they come to is compared with the threshold as a whole, in each currency, together with what members of the lab
    paid alone lately. Raises InvalidInput naming every row that is wrong, InsufficientFunds.
    """
    terms = _terms_of(bonuses, now=now)
    errors = [
        error
        for n, bonus in enumerate(bonuses)
        for error in _errors_of(f"/bonuses/{n}", bonus, terms[bonus.contract.pk], decided_by)
    ]
    errors += _repeated(bonuses) + _too_much(bonuses, terms)
    if errors:
        raise InvalidInput(errors=errors)
    totals = _totals(bonuses)
    if any(lone_acts.too_much(total) for total in totals) or not lone_acts.all_alone(
        act=Act.BONUS_BULK, parts=_parts(bonuses), by=decided_by, lab_id=bonuses[0].contract.tenant_id, now=now
    ):
        if len(totals) > 1:
            detail = _("Above the threshold, bonuses of one currency are proposed together.")
            raise InvalidInput(detail, errors=[FieldError("/bonuses", "several_currencies", detail)])
        return _propose(Act.BONUS_BULK, bonuses, decided_by, now=now)
    return _pay(bonuses, terms, decided_by=decided_by, actor=by.label, now=now)


@four_eyes.carries_out(Act.BONUS)
@four_eyes.carries_out(Act.BONUS_BULK)
def _pay_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    rows = proposal.terms["bonuses"]
    found = Contract.objects.filter(tenant=proposal.tenant_id).select_related("expert", "lab_expert")
    contracts = {row.public_id: row for row in found.filter(public_id__in=[row["contract"] for row in rows])}
    bonuses = [
        Bonus(contracts[row["contract"]], Money(row["amount_minor"], proposal.currency), row["reason"]) for row in rows
    ]
    for bonus in bonuses:
        for person in (proposal.proposed_by, proposal.decided_by):
            if person is not None:
                require_other(bonus.contract.expert, person)
    paid = _pay(
        bonuses,
        _terms_of(bonuses, now=now),
        decided_by=proposal.proposed_by,
        actor=f"user:{proposal.proposed_by.public_id}",
        proposal=proposal,
        now=now,
    )
    return paid[0].public_id if proposal.act == Act.BONUS else proposal.public_id


def pay_from_lab(
    *, contract: Contract, amount: Money, reason: str, decided_by: User, now: dt.datetime, actor: str
) -> Adjustment:
    """Pay one bonus that was decided elsewhere. Raises InsufficientFunds."""
    terms = {contract.pk: marketplace.snapshot_at(contract_id=contract.pk, at=now)}
    (paid,) = _pay([Bonus(contract, amount, reason)], terms, decided_by=decided_by, actor=actor, now=now)
    return paid


def _pay(
    bonuses: Sequence[Bonus],
    terms: dict[int, RateSnapshot],
    *,
    decided_by: User,
    actor: str,
    now: dt.datetime,
    proposal: AdjustmentProposal | None = None,
) -> list[Adjustment]:
    rows = [
        Adjustment(
            tenant_id=bonus.contract.tenant_id,
            expert=bonus.contract.expert,
            contract=bonus.contract,
            kind=Adjustment.Kind.BONUS,
            status=Adjustment.Status.POSTED,
            amount_minor=bonus.amount.minor,
            fee_minor=fee_for(bonus.amount.minor, terms[bonus.contract.pk].fee_bp),
            currency=bonus.amount.currency,
            reason=bonus.reason,
            proposal=proposal,
            decided_by=decided_by,
            decided_at=now,
            created_at=now,
        )
        for bonus in bonuses
    ]
    Adjustment.objects.bulk_create(rows)
    beside_postings.bonuses_paid(bonuses=[adjustment_news.pay_of(row) for row in rows], now=now)
    adjustment_news.tell_all("bonus.paid", rows, actor=actor, now=now)
    return rows


def _propose(act: str, bonuses: Sequence[Bonus], proposed_by: User, *, now: dt.datetime) -> AdjustmentProposal:
    (total,) = _totals(bonuses)
    only, lab_id = bonuses[0].contract if len(bonuses) == 1 else None, bonuses[0].contract.tenant_id
    return four_eyes.propose(
        act=act,
        side=AdjustmentProposal.Side.LAB,
        amount=total,
        reason=bonuses[0].reason if only else _("%(n)d bonuses") % {"n": len(bonuses)},
        terms={
            "bonuses": [
                {"contract": row.contract.public_id, "amount_minor": row.amount.minor, "reason": row.reason}
                for row in bonuses
            ]
        },
        proposed_by=proposed_by,
        tenant_id=lab_id,
        expert=only.expert if only else None,
        before=lone_acts.done_before(act=act, by=proposed_by, parts=_parts(bonuses), lab_id=lab_id, now=now),
        now=now,
    )


def _parts(bonuses: Iterable[Bonus]) -> list[Part]:
    return [Part.of(bonus.amount, expert=bonus.contract.expert, tenant_id=None) for bonus in bonuses]


def _terms_of(bonuses: Iterable[Bonus], *, now: dt.datetime) -> dict[int, RateSnapshot]:
    """The terms of each contract now, in one query; contracts whose terms have ended are asked alone."""
    wanted = {bonus.contract.pk for bonus in bonuses}
    rows = RateSnapshot.objects.filter(contract_id__in=wanted, valid__contains=now)
    found = {row.contract_id: row for row in rows}
    for contract_id in wanted - found.keys():
        found[contract_id] = marketplace.snapshot_at(contract_id=contract_id, at=now)
    return found


def _errors_of(where: str, bonus: Bonus, terms: RateSnapshot, decided_by: User) -> list[FieldError]:
    errors = []
    if bonus.amount.currency != terms.currency:
        detail = _("The contract pays in %(currency)s.") % {"currency": terms.currency}
        errors.append(FieldError(f"{where}/amount/currency", "wrong_currency", detail))
    if bonus.contract.expert.user_id == decided_by.pk:
        errors.append(FieldError(f"{where}/contract", "own_work", _("Nobody decides about his own pay.")))
    return errors


def _repeated(bonuses: Sequence[Bonus]) -> list[FieldError]:
    """A row that says the same as an earlier one was sent twice by mistake."""
    seen: dict[tuple[int, Money, str], int] = {}
    errors = []
    for n, bonus in enumerate(bonuses):
        first = seen.setdefault((bonus.contract.pk, bonus.amount, bonus.reason), n)
        if first != n:
            detail = _("The same as row %(n)d.") % {"n": first}
            errors.append(FieldError(f"/bonuses/{n}", "repeated", detail))
    return errors


def _too_much(bonuses: Iterable[Bonus], terms: dict[int, RateSnapshot]) -> list[FieldError]:
    total = sum(row.amount.minor + fee_for(row.amount.minor, terms[row.contract.pk].fee_bp) for row in bonuses)
    detail = _("Together this is more than can be booked.")
    return [FieldError("/bonuses", "too_large", detail)] if total > BIGINT_MAX else []


def _totals(bonuses: Iterable[Bonus]) -> list[Money]:
    sums: dict[str, int] = defaultdict(int)
    for bonus in bonuses:
        sums[bonus.amount.currency] += bonus.amount.minor
    return [Money(minor, currency) for currency, minor in sums.items()]
