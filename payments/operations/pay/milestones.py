"""Milestones: promised by a lab, reached by work, paid by themselves, once per expert."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from core import outbox, states
from core.money import Money
from core.problems import FieldError, InvalidInput
from core.public import User
from experts import public as experts
from experts.public import Expert, ReasonMissing
from marketplace.ports import InsufficientFunds
from marketplace.public import Contract, Opening, Project
from payments.models import AdjustmentProposal, Milestone, MilestoneAward
from payments.operations.pay import bonuses, four_eyes, lone_acts, pay_notices
from payments.operations.pay.pay_notices import PayNews
from payments.queries import milestone_progress

NOTICE: Final = dt.timedelta(days=7)
"""How long a milestone can still be reached after its lab has ended it."""
Act = AdjustmentProposal.Act


def define(
    *,
    project: Project,
    opening: Opening | None,
    title: str,
    basis: str,
    threshold: int,
    amount: Money,
    budget: Money,
    decided_by: User,
    now: dt.datetime,
) -> Milestone | AdjustmentProposal:
    """Promise ``amount`` to everybody who reaches ``threshold`` (submissions, or seconds), until the budget is used up.

    Where the budget is above the threshold of four eyes it is proposed. Raises InvalidInput.
    """
    _require_sound(project, opening, amount, budget)
    terms = {
        "project": project.public_id,
        "opening": opening.public_id if opening else "",
        "title": title,
        "basis": basis,
        "threshold": threshold,
        "amount_minor": amount.minor,
    }
    lab_id = project.tenant_id
    if not lone_acts.alone(act=Act.MILESTONE, amount=budget, by=decided_by, tenant_id=lab_id, lab_id=lab_id, now=now):
        return four_eyes.propose(
            act=Act.MILESTONE,
            side=AdjustmentProposal.Side.LAB,
            amount=budget,
            reason=title,
            terms=terms,
            proposed_by=decided_by,
            tenant_id=lab_id,
            now=now,
        )
    return _create(project, opening, terms, budget, decided_by=decided_by, proposal=None, now=now)


@four_eyes.carries_out(Act.MILESTONE)
def _create_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    project = Project.objects.get(public_id=proposal.terms["project"])
    opening = Opening.objects.filter(public_id=proposal.terms["opening"]).first()
    budget = Money(proposal.amount_minor, proposal.currency)
    made = _create(
        project, opening, proposal.terms, budget, decided_by=proposal.proposed_by, proposal=proposal, now=now
    )
    return made.public_id


def end(*, milestone: Milestone, reason: str, decided_by: User, now: dt.datetime) -> Milestone:
    """Let it end in a week, and tell everybody who works towards it why. Raises InvalidTransition, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing
    locked = _locked(milestone.pk)
    states.move(locked, Milestone.Status.ENDING)
    locked.ends_at = now + NOTICE
    locked.ended_by, locked.end_reason = decided_by, reason.strip()[:300]
    locked.save(update_fields=["status", "ends_at", "ended_by", "end_reason"])
    body = _("%(reason)s\n\nIt can be reached until %(at)s UTC.") % {
        "reason": locked.end_reason,
        "at": f"{locked.ends_at:%Y-%m-%d %H:%M}",
    }
    pay_notices.tell_all([_news_of_end(locked, expert, body) for expert in _still_on_the_way(locked)], now=now)
    return locked


def _news_of_end(milestone: Milestone, expert: Expert, body: str) -> PayNews:
    return PayNews(
        expert=expert,
        kind="milestone.ending",
        subject=milestone.public_id,
        title=_("Milestone: %(title)s") % {"title": milestone.title},
        body=body,
        link="/api/v1/expert/milestones",
    )


def check(*, contract: Contract, now: dt.datetime) -> int:
    """Award every open milestone that the contract's expert has reached; how many. Harmless when run twice."""
    had = set(MilestoneAward.objects.filter(expert=contract.expert_id).values_list("milestone", flat=True))
    promised = [row for row in _open_for(contract) if row.created_by_id != contract.expert.user_id]
    candidates = [row for row in promised if row.pk not in had]
    done = milestone_progress.of_expert(candidates, expert_id=contract.expert_id)
    there = [row for row in candidates if done[row.pk] >= row.threshold]
    return sum(_award(milestone, contract, now=now) for milestone in there)


def reached(*, milestone: Milestone) -> list[int]:
    """Contracts, one for each expert who has reached it and has no award yet; a few queries however many work there."""
    experts_there = [pk for pk, done in milestone_progress.of_all(milestone).items() if done >= milestone.threshold]
    rows = Contract.objects.filter(project=milestone.project_id, expert__in=experts_there)
    if milestone.opening_id:
        rows = rows.filter(opening=milestone.opening_id)
    rows = rows.exclude(expert__in=milestone.awards.values("expert")).exclude(expert__user=milestone.created_by_id)
    return list(rows.order_by("expert_id", "pk").distinct("expert_id").values_list("pk", flat=True))


def check_one(*, contract_id: int, now: dt.datetime) -> None:
    """Award what one contract's expert has reached."""
    check(contract=Contract.objects.select_related("expert", "lab_expert").get(pk=contract_id), now=now)


def end_if_over(*, milestone_id: int, now: dt.datetime) -> None:
    """End one whose time is over, once everybody who reached it has his award; harmless when run twice."""
    locked = _locked(milestone_id)
    is_over = locked.status == Milestone.Status.ENDING and locked.ends_at is not None and locked.ends_at <= now
    if is_over and not reached(milestone=locked):
        states.move(locked, Milestone.Status.ENDED)
        locked.save(update_fields=["status"])


def pay_waiting(*, tenant_id: int, now: dt.datetime) -> int:
    """Try again to pay what waits for one lab's money, the oldest of each currency first, as far as it goes.

    Returns how many were paid. What is short in one currency leaves the others alone.
    """
    rows = MilestoneAward.objects.filter(tenant=tenant_id, status=MilestoneAward.Status.WAITING).order_by("pk")
    waiting = rows.select_for_update(no_key=True, of=("self",), skip_locked=True).select_related(
        "milestone__created_by", "contract__expert"
    )
    paid, dry = 0, set[str]()
    for award in waiting:
        if award.milestone.currency in dry:
            continue
        if _pay(award, now=now):
            paid += 1
        else:
            dry.add(award.milestone.currency)
    return paid


def _award(milestone: Milestone, contract: Contract, *, now: dt.datetime) -> bool:
    """Note that it was reached, within the budget, and pay it; one row per expert however many events tell of it."""
    locked = _locked(milestone.pk)
    if locked.status == Milestone.Status.ENDED or locked.awards.filter(expert=contract.expert_id).exists():
        return False
    locked.awarded_minor += locked.amount_minor
    award = MilestoneAward.objects.create(
        tenant_id=contract.tenant_id,
        milestone=locked,
        contract=contract,
        expert_id=contract.expert_id,
        reached_at=now,
        created_at=now,
    )
    locked.save(update_fields=["awarded_minor"])
    if locked.awarded_minor + locked.amount_minor > locked.budget_minor:
        states.move(locked, Milestone.Status.ENDED)
        locked.save(update_fields=["status"])
        _announce(locked, _("Its budget is used up."), now=now)
    if not _pay(award, now=now):
        _tell_of_waiting(award, now=now)
    return True


def _pay(award: MilestoneAward, *, now: dt.datetime) -> bool:
    milestone = award.milestone
    try:
        with transaction.atomic():
            bonus = bonuses.pay_from_lab(
                contract=award.contract,
                amount=Money(milestone.amount_minor, milestone.currency),
                reason=_("Milestone reached: %(title)s") % {"title": milestone.title},
                decided_by=milestone.created_by,
                actor=f"user:{milestone.created_by.public_id}",
                now=now,
            )
    except InsufficientFunds:
        return False
    states.move(award, MilestoneAward.Status.PAID)
    award.adjustment = bonus
    award.save(update_fields=["status", "adjustment"])
    return True


def _tell_of_waiting(award: MilestoneAward, *, now: dt.datetime) -> None:
    outbox.publish(
        "milestone.unfunded",
        subject=award.milestone.public_id,
        tenant_id=award.tenant_id,
        user_id=award.contract.expert.user_id,
        payload={"milestone": award.milestone.public_id, "award": award.public_id},
        now=now,
    )
    news = PayNews(
        expert=award.contract.expert,
        kind="milestone.unfunded",
        subject=award.public_id,
        title=_("Milestone reached: %(title)s") % {"title": award.milestone.title},
        body=_("%(amount)s are yours. The lab's balance does not cover them yet; they are paid as soon as it does.")
        % {"amount": Money(award.milestone.amount_minor, award.milestone.currency)},
        link="/api/v1/expert/milestones",
    )
    pay_notices.tell(news, now=now)


def _announce(milestone: Milestone, text: str, *, now: dt.datetime) -> None:
    """Tell everybody who works there and has not reached it."""
    experts.send_notices(
        notices=[
            experts.Notice(
                expert=expert,
                kind=f"milestone.{milestone.status}",
                subject=milestone.public_id,
                title=_("Milestone: %(title)s") % {"title": milestone.title},
                body=text,
                link="/api/v1/expert/milestones",
                sent_at=now,
            )
            for expert in _still_on_the_way(milestone)
        ],
        now=now,
    )


def _still_on_the_way(milestone: Milestone) -> list[Expert]:
    """Everybody with a contract there who has not reached it."""
    there: dict[int, Expert] = {row.expert_id: row.expert for row in _contracts_of(milestone)}
    for expert_id in milestone.awards.values_list("expert_id", flat=True):
        there.pop(expert_id, None)
    return list(there.values())


def _create(
    project: Project,
    opening: Opening | None,
    terms: dict[str, Any],
    budget: Money,
    *,
    decided_by: User,
    proposal: AdjustmentProposal | None,
    now: dt.datetime,
) -> Milestone:
    milestone = Milestone.objects.create(
        tenant_id=project.tenant_id,
        project=project,
        opening=opening,
        title=terms["title"],
        basis=terms["basis"],
        threshold=terms["threshold"],
        amount_minor=terms["amount_minor"],
        budget_minor=budget.minor,
        currency=budget.currency,
        created_by=decided_by,
        proposal=proposal,
        created_at=now,
    )
    outbox.publish(
        "milestone.defined",
        subject=milestone.public_id,
        tenant_id=milestone.tenant_id,
        payload={"milestone": milestone.public_id},
        now=now,
    )
    amount = Money(milestone.amount_minor, milestone.currency)
    _announce(milestone, _("The lab promises %(amount)s.") % {"amount": amount}, now=now)
    return milestone


def _require_sound(project: Project, opening: Opening | None, amount: Money, budget: Money) -> None:
    errors = [
        FieldError(f"/{name}/currency", "wrong_currency", _("The project pays in %(c)s.") % {"c": project.currency})
        for name, money in (("amount", amount), ("budget", budget))
        if money.currency != project.currency
    ]
    if opening is not None and opening.project_id != project.pk:
        errors.append(FieldError("/opening", "unknown_opening", _("The opening belongs to another project.")))
    if not errors and budget.minor < amount.minor:
        errors.append(FieldError("/budget/amount", "too_small", _("The budget pays for at least one expert.")))
    if errors:
        raise InvalidInput(errors=errors)


def _open_for(contract: Contract) -> list[Milestone]:
    rows = Milestone.objects.open().filter(project=contract.project_id).order_by("pk")
    return [row for row in rows if row.opening_id in {None, contract.opening_id}]


def _contracts_of(milestone: Milestone) -> list[Contract]:
    rows = Contract.objects.filter(project=milestone.project_id).select_related("expert", "lab_expert").order_by("pk")
    return list(rows.filter(opening=milestone.opening_id) if milestone.opening_id else rows)


def _locked(pk: int) -> Milestone:
    rows = Milestone.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("created_by").get(pk=pk)
