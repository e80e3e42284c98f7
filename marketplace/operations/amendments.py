"""Amendments: a lab proposes later terms, and they bind from their day on if the expert agrees. Silence is a no."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, map_constraint
from core.public import Principal, User
from core.sweeps import sweep
from experts.public import require_other, send_notice
from marketplace import ports
from marketplace.models import Amendment, Contract, RateSnapshot
from marketplace.operations import budgets, contracts, later_terms, projects
from marketplace.operations.later_terms import Change

EXPIRER: Final = Principal.system("marketplace.expire_amendments")
STANDS_FOR: Final = dt.timedelta(days=7)
AMENDABLE: Final = frozenset({Contract.Status.ONBOARDING, Contract.Status.ACTIVE, Contract.Status.PAUSED})


class AmendmentStands(Conflict):
    """An amendment of this contract waits for the expert's answer. Withdraw it first, or wait: it expires by itself."""

    code = "amendment_stands"
    title = gettext_lazy("There is a proposal already")


class AmendmentExpired(Conflict):
    """The time to answer is over, and with it the proposal: the contract stays as it was.

    Terms change only from a later instant on, never for time that has passed. The lab may propose them again.
    """

    code = "amendment_expired"
    title = gettext_lazy("The proposal has expired")


class ContractNotAmendable(Conflict):
    """Terms are changed while a contract goes on: not once its notice runs, and not after its end.

    `contract_status` tells where it is.
    """

    code = "contract_not_amendable"
    title = gettext_lazy("The terms of this contract do not change any more")
    example_members: ClassVar[Mapping[str, Any]] = {"contract_status": "ending"}


map_constraint("marketplace_amendment_once", AmendmentStands)


@transaction.atomic
def propose(
    *,
    contract: Contract,
    change: Change,
    effective_at: dt.datetime,
    reason: str,
    proposed_by: User,
    now: dt.datetime,
) -> Amendment:
    """Put later terms before the expert; nothing changes until he accepts.

    Whatever would take something from him needs the notice period between proposal and effect. Raises OwnWork,
    AmendmentStands, ContractNotAmendable, InvalidInput for terms that change nothing, are impossible, or come too early.
    """
    locked = contracts.lock(contract)
    _require_proposable(locked, proposed_by)
    former = _latest(locked)
    later = later_terms.complete(former, change)
    effective = effective_at.replace(microsecond=0)
    later_terms.require_time(locked, former, later, effective, now=now)
    amendment = Amendment.objects.create(
        tenant_id=locked.tenant_id,
        contract=locked,
        former=former,
        rate_minor=later.rate_minor,
        currency=former.currency,
        pay_policy=later.pay_policy,
        day_cap_seconds=later.day_cap_seconds,
        week_cap_seconds=later.week_cap_seconds,
        reason=reason,
        proposed_by=proposed_by,
        proposed_at=now,
        effective_at=effective,
        expires_at=min(now + STANDS_FOR, effective),
    )
    _notify(amendment, _("New terms are proposed: %(title)s"), _("%(reason)s Nothing changes unless you accept."), now)
    _tell(amendment, "proposed", now=now)
    return amendment


@transaction.atomic
def accept(*, amendment: Amendment, now: dt.datetime) -> Amendment:
    """The expert agrees: later terms are frozen from their instant on, and the lab's money is set aside for them.

    Locks: project, contract, amendment. Raises InvalidTransition, AmendmentExpired, ContractNotAmendable,
    WeeklyBudgetExceeded, InsufficientFunds; nothing has changed then.
    """
    project = projects.lock(amendment.contract.project)
    contract = contracts.lock(amendment.contract)
    locked = _lock(amendment)
    states.move(locked, Amendment.Status.ACCEPTED)
    if locked.expires_at <= now:
        raise AmendmentExpired
    _require_amendable(contract)
    locked.snapshot = _freeze(locked)
    locked.decided_at = now
    locked.save(update_fields=["status", "snapshot", "decided_at"])
    budgets.require_room(project=project, now=now)
    ports.funds.get().follow_terms(contract=contract, now=now)
    _notify(locked, _("You agreed to new terms: %(title)s"), _("They are in force from %(day)s on."), now)
    _tell(locked, "accepted", now=now)
    contracts.tell(contract, "amended", now=now)
    return locked


@transaction.atomic
def decline(*, amendment: Amendment, now: dt.datetime) -> Amendment:
    """The expert does not want it; the contract goes on as it is. Raises InvalidTransition."""
    contracts.lock(amendment.contract)
    return _settle(_lock(amendment), Amendment.Status.DECLINED, now=now)


@transaction.atomic
def withdraw(*, amendment: Amendment, now: dt.datetime) -> Amendment:
    """The lab takes its proposal back before it is answered. Raises InvalidTransition."""
    contracts.lock(amendment.contract)
    locked = _settle(_lock(amendment), Amendment.Status.WITHDRAWN, now=now)
    _notify(locked, _("A proposal was withdrawn: %(title)s"), _("Your contract stays as it is."), now)
    return locked


def withdraw_with_contract(*, contract: Contract, now: dt.datetime) -> None:
    """Take back what waits for an answer when a contract gets its notice or ends."""
    for amendment in Amendment.objects.filter(contract=contract).standing():
        withdraw(amendment=amendment, now=now)


def expire_due(*, now: dt.datetime, after: int = 0) -> int:
    """Expire what nobody answered in time; what somebody answers this moment is left to him."""
    due = Amendment.objects.standing().filter(expires_at__lte=now)

    def expire(pk: int) -> bool:
        free = due.filter(pk=pk).select_for_update(no_key=True, of=("self",), skip_locked=True)
        amendment = free.select_related(*_READ).first()
        if amendment is None:
            return False
        _settle(amendment, Amendment.Status.EXPIRED, now=now)
        _notify(amendment, _("A proposal has expired: %(title)s"), _("Your contract stays as it is."), now)
        return True

    return sweep(by=EXPIRER, due=due, step=expire, after=after)


def _require_proposable(contract: Contract, proposed_by: User) -> None:
    _require_amendable(contract)
    require_other(contract.expert, proposed_by)
    if Amendment.objects.filter(contract=contract).standing().exists():
        raise AmendmentStands


def _require_amendable(contract: Contract) -> None:
    if contract.status not in AMENDABLE:
        raise ContractNotAmendable(contract_status=str(contract.status))


def _latest(contract: Contract) -> RateSnapshot:
    """The terms agreed for the furthest time."""
    return RateSnapshot.objects.get(contract=contract, valid__upper_inf=True)


def _freeze(amendment: Amendment) -> RateSnapshot:
    """Close the former terms at the instant of the change and copy everything else of them into the later ones."""
    former = RateSnapshot.objects.select_for_update(no_key=True, of=("self",)).get(pk=amendment.former_id)
    former.valid = DateTimeTZRange(former.valid.lower, amendment.effective_at)
    former.save(update_fields=["valid"])
    is_carded = amendment.rate_minor == former.rate_minor
    return RateSnapshot.objects.create(
        tenant_id=amendment.tenant_id,
        contract_id=amendment.contract_id,
        valid=DateTimeTZRange(amendment.effective_at, None),
        rate_minor=amendment.rate_minor,
        currency=former.currency,
        fee_bp=former.fee_bp,
        pay_policy=amendment.pay_policy,
        approval_window_seconds=former.approval_window_seconds,
        holdback_bp=former.holdback_bp,
        holdback_days=former.holdback_days,
        card_version=former.card_version if is_carded else amendment.public_id,
        aht_cap_seconds=former.aht_cap_seconds,
        day_cap_seconds=amendment.day_cap_seconds,
        week_cap_seconds=amendment.week_cap_seconds,
        reason=f"amendment {amendment.public_id} accepted",
    )


def _settle(amendment: Amendment, to: str, *, now: dt.datetime) -> Amendment:
    states.move(amendment, to)
    amendment.decided_at = now
    amendment.save(update_fields=["status", "decided_at"])
    _tell(amendment, str(to), now=now)
    return amendment


_READ = ("contract__expert", "contract__opening", "contract__project", "former")


def _lock(amendment: Amendment) -> Amendment:
    """The amendment's row, locked; after its contract."""
    return Amendment.objects.select_for_update(no_key=True, of=("self",)).select_related(*_READ).get(pk=amendment.pk)


def _notify(amendment: Amendment, title: str, body: str, now: dt.datetime) -> None:
    contract = amendment.contract
    send_notice(
        expert=contract.expert,
        kind=f"amendment.{amendment.status}",
        subject=amendment.public_id,
        title=title % {"title": contract.opening.title},
        body=body % {"reason": amendment.reason, "day": f"{amendment.effective_at:%Y-%m-%d %H:%M} UTC"},
        link=f"/api/v1/expert/amendments/{amendment.public_id}",
        now=now,
    )


def _tell(amendment: Amendment, news: str, *, now: dt.datetime) -> None:
    outbox.publish(
        f"amendment.{news}",
        subject=amendment.public_id,
        tenant_id=amendment.tenant_id,
        user_id=amendment.contract.expert.user_id,
        payload={"contract": amendment.contract.public_id},
        now=now,
    )
