"""Contracts: active, paused, at their end; whoever takes somebody's access away does it by name and with a reason."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict
from core.public import Principal, User
from core.sweeps import sweep
from experts.public import Decision, record_decision, send_notice
from marketplace import ports, rivals
from marketplace.models import Contract, ContractPause, LabMember
from marketplace.operations import openings, pauses, permits

FINISHER = Principal.system("marketplace.finish_contracts")
ENDS_AT_ONCE = frozenset({Contract.EndReason.POLICY_VIOLATION, Contract.EndReason.EXPERT_LEFT})


class EndReasonReserved(Conflict):
    """Only an expert can leave, and only the end of a project ends its contracts with that reason."""

    code = "end_reason_reserved"
    title = gettext_lazy("A lab cannot give this reason")


class StoppedByPlatform(Conflict):
    """The platform paused this contract or gave it notice, so the lab cannot give access back.

    Why is between the platform and the expert, who can contest it; the lab can ask the platform.
    """

    code = "stopped_by_platform"
    title = gettext_lazy("The platform has stopped this contract")


@transaction.atomic
def activate_if_ready(*, contract: Contract, now: dt.datetime) -> Contract:
    """Let work begin once everything is signed and the instructions are acknowledged; otherwise change nothing."""
    locked = lock(contract)
    if locked.status != Contract.Status.ONBOARDING:
        return locked
    try:
        permits.require_signatures(contract=locked)
        permits.require_instructions(contract=locked)
    except (permits.AgreementRequired, permits.InstructionsRequired):
        return locked
    states.move(locked, Contract.Status.ACTIVE)
    locked.activated_at = now
    locked.save(update_fields=["status", "activated_at"])
    tell(locked, "activated", now=now)
    return locked


@transaction.atomic
def pause(*, contract: Contract, decided_by: User, reason_code: str, explanation: str, now: dt.datetime) -> Contract:
    """Take the expert's access away for a while, by a named person with a reason. Raises InvalidTransition."""
    locked = _stand_still(lock(contract), ContractPause.Cause.DECISION, now=now)
    _decide(locked, "pause_contract", decided_by, reason_code, explanation, now=now)
    tell(locked, "paused", now=now)
    return locked


@transaction.atomic
def pause_for_wall(*, contract: Contract, decided_by: User | None, now: dt.datetime) -> Contract:
    """Let a contract stand still because its lab competes, from now on, with one whose work the expert has seen.

    It is nobody's fault: standby is logged and paid meanwhile, as the contract promised. ``decided_by`` is whoever
    declared the competition; the decision can be contested. Raises InvalidTransition.
    """
    locked = _stand_still(lock(contract), ContractPause.Cause.CONFLICT_WALL, now=now)
    if decided_by is not None:
        explanation = _("This lab competes with another one whose work you have seen.")
        _decide(locked, "pause_contract", decided_by, "conflict_wall", explanation, now=now)
    send_notice(
        expert=locked.expert,
        kind="contract.paused_by_wall",
        subject=locked.public_id,
        title=_("Your contract stands still: %(title)s") % {"title": locked.opening.title},
        body=_(
            "Its lab now competes with another one whose work you have seen, so no new work can be shown to you there."
            " That is not your fault: log the time you keep free as standby; it is paid as your contract says. You can"
            " contest this by an appeal that names the contract."
        ),
        link=f"/api/v1/expert/contracts/{locked.public_id}",
        now=now,
    )
    tell(locked, "paused", now=now)
    return locked


def _stand_still(contract: Contract, cause: str, *, now: dt.datetime) -> Contract:
    states.move(contract, Contract.Status.PAUSED)
    contract.save(update_fields=["status"])
    pauses.begin(contract=contract, cause=cause, now=now)
    return contract


@transaction.atomic
def resume(*, contract: Contract, now: dt.datetime) -> Contract:
    """Give access back: after a pause, or when an end was taken back in its notice. Raises InvalidTransition."""
    locked = lock(contract)
    if locked.status == Contract.Status.ONBOARDING:
        raise states.InvalidTransition(
            _("The contract becomes active by itself once its onboarding is done."),
            current_state=str(locked.status),
            allowed_transitions=states.allowed(locked),
        )
    states.move(locked, Contract.Status.ACTIVE)
    pauses.end(contract=locked, now=now)
    locked.end_reason, locked.notice_ends_at = "", None
    locked.save(update_fields=["status", "end_reason", "notice_ends_at"])
    _notify(locked, "contract.resumed", _("You can work again: %(title)s"), now=now)
    tell(locked, "resumed", now=now)
    return locked


@transaction.atomic
def resume_for_lab(*, contract: Contract, now: dt.datetime) -> Contract:
    """Give access back where the lab itself had taken it away. Raises StoppedByPlatform, InvalidTransition."""
    locked = lock(contract)
    decision = Decision.objects.filter(subject=locked.public_id).select_related("decided_by").order_by("-pk").first()
    by_platform = decision is not None and _is_platforms(decision, tenant_id=locked.tenant_id)
    if pauses.is_by_the_wall(contract=locked) or by_platform:
        raise StoppedByPlatform  # the same words for both: a wall would tell what the expert does for a rival
    if locked.end_reason == Contract.EndReason.PROJECT_ENDED:
        raise states.InvalidTransition(
            _("It ends with its project."), current_state=str(locked.status), allowed_transitions=[]
        )
    return resume(contract=locked, now=now)


def _is_platforms(decision: Decision, *, tenant_id: int) -> bool:
    """Whether somebody of the platform decided, who does not act for the lab as well."""
    members = LabMember.objects.filter(tenant_id=tenant_id, user=decision.decided_by)
    return decision.decided_by.is_staff and not members.exists()


@transaction.atomic
def end(*, contract: Contract, reason: str, decided_by: User, explanation: str, now: dt.datetime) -> Contract:
    """End it by a named person with a reason; the notice that was promised runs first, except for a violation.

    Raises EndReasonReserved, InvalidTransition.
    """
    if reason in {Contract.EndReason.EXPERT_LEFT, Contract.EndReason.PROJECT_ENDED}:
        raise EndReasonReserved
    locked = _give_notice(lock(contract), reason, now=now)
    _decide(locked, "end_contract", decided_by, reason, explanation, now=now)
    return _finish_if_due(locked, now=now)


@transaction.atomic
def end_with_project(*, contract: Contract, now: dt.datetime) -> Contract:
    """End it because its project winds down; the notice runs first. Who left meanwhile, or had his notice, stays so."""
    locked = lock(contract)
    if not states.can_move(locked, Contract.Status.ENDING):
        return locked
    locked = _give_notice(locked, Contract.EndReason.PROJECT_ENDED, now=now)
    _notify(locked, "contract.ending", _("The project ends: %(title)s"), now=now)
    return _finish_if_due(locked, now=now)


@transaction.atomic
def leave(*, contract: Contract, now: dt.datetime) -> Contract:
    """The expert goes, at once and without a reason; what he worked is paid. Raises InvalidTransition."""
    locked = lock(contract)
    if locked.status == Contract.Status.ENDING:
        locked.end_reason = Contract.EndReason.EXPERT_LEFT
        locked.notice_ends_at = now
        return _finish(locked, now=now)
    return _finish_if_due(_give_notice(locked, Contract.EndReason.EXPERT_LEFT, now=now), now=now)


def finish_due(*, now: dt.datetime, after: int = 0) -> int:
    """End the contracts whose notice is over."""
    due = Contract.objects.filter(status=Contract.Status.ENDING, notice_ends_at__lte=now)

    def finish(pk: int) -> bool:
        free = due.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True)
        contract = free.select_related(*_READ).first()
        if contract is None:
            return False
        _finish(contract, now=now)
        return True

    return sweep(by=FINISHER, due=due, step=finish, after=after)


def _give_notice(contract: Contract, reason: str, *, now: dt.datetime) -> Contract:
    states.move(contract, Contract.Status.ENDING)
    pauses.end(contract=contract, now=now)
    days = 0 if reason in ENDS_AT_ONCE else contract.offer.notice_days
    contract.end_reason = reason
    contract.notice_ends_at = now + dt.timedelta(days=days)
    contract.save(update_fields=["status", "end_reason", "notice_ends_at"])
    tell(contract, "ending", now=now)
    return contract


def _finish_if_due(contract: Contract, *, now: dt.datetime) -> Contract:
    is_due = contract.notice_ends_at is not None and contract.notice_ends_at <= now
    return _finish(contract, now=now) if is_due else contract


def _finish(contract: Contract, *, now: dt.datetime) -> Contract:
    """The end itself: the seat is free, the cooling-off begins, the unused reserve goes back."""
    states.move(contract, Contract.Status.ENDED)
    contract.ended_at = now
    contract.save(update_fields=["status", "ended_at", "end_reason", "notice_ends_at"])
    openings.free_seat(opening=contract.opening, now=now)
    rivals.end_exposure(subject=contract.public_id, now=now)
    ports.funds.get().release_contract(contract=contract, now=now)
    tell(contract, "ended", now=now)
    return contract


def _decide(
    contract: Contract, act: str, decided_by: User, reason_code: str, explanation: str, *, now: dt.datetime
) -> None:
    record_decision(
        expert=contract.expert,
        act=act,
        subject=contract.public_id,
        reason_code=reason_code,
        explanation=explanation,
        evidence={"status": str(contract.status)},
        decided_by=decided_by,
        now=now,
        tenant_id=contract.tenant_id,
    )


def _notify(contract: Contract, kind: str, title: str, *, now: dt.datetime) -> None:
    send_notice(
        expert=contract.expert,
        kind=kind,
        subject=contract.public_id,
        title=title % {"title": contract.opening.title},
        link=f"/api/v1/expert/contracts/{contract.public_id}",
        now=now,
    )


_READ = ("expert", "offer", "project", "opening__project", "opening__tenant", "lab_expert")


def lock(contract: Contract) -> Contract:
    """The contract's row, locked; before its opening."""
    return Contract.objects.select_for_update(no_key=True, of=("self",)).select_related(*_READ).get(pk=contract.pk)


def tell(contract: Contract, news: str, *, now: dt.datetime) -> None:
    """Publish what became of a contract, to the lab and the expert."""
    outbox.publish(
        f"contract.{news}",
        subject=contract.public_id,
        tenant_id=contract.tenant_id,
        user_id=contract.expert.user_id,
        payload={"project": contract.project.public_id, "opening": contract.opening.public_id},
        now=now,
    )
