"""Credit of labs: proposed by one, approved by another, in force until replaced or over."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext as _

from core import outbox, scope, states
from core.money import Money
from core.problems import InvalidInput, map_constraint
from core.public import Principal, Tenant, User
from core.sweeps import sweep
from marketplace.ports import InsufficientFunds
from payments import ledger, turns
from payments.models import CreditLimit
from payments.operations.labs import lab_funds
from payments.operations.pay.four_eyes import OwnProposal

ENDER: Final = Principal.system("payments.end_credit_limits")
map_constraint("payments_within_credit", InsufficientFunds)
map_constraint("payments_credit_two_people", OwnProposal)


def propose(
    *, tenant: Tenant, limit: Money, reason: str, by: User, now: dt.datetime, last_day: dt.date | None = None
) -> CreditLimit:
    """Somebody of finance asks for a limit; nothing changes before another one approves. Raises InvalidInput."""
    if limit.minor < 0:
        raise InvalidInput(_("A limit is not negative; zero takes credit away."))
    if last_day is not None and last_day < now.date():
        raise InvalidInput(_("Its last day is over already."))
    if not reason.strip():
        raise InvalidInput(_("Say why."))
    return CreditLimit.objects.create(
        tenant=tenant,
        currency=limit.currency,
        limit_minor=limit.minor,
        last_day=last_day,
        reason=reason.strip(),
        proposed_by=by,
    )


def approve(*, limit: CreditLimit, by: User, now: dt.datetime) -> CreditLimit:
    """It is in force from now on, in the place of the former one. Raises OwnProposal."""
    turns.take(f"credit.{limit.currency}", limit.tenant_id)
    limit = _locked(limit)
    states.move(limit, CreditLimit.Status.ACTIVE)
    if limit.proposed_by_id == by.pk:
        raise OwnProposal(_("You proposed this limit: somebody else has to approve it."))
    if limit.last_day is not None and limit.last_day < now.date():
        raise InvalidInput(_("Its last day is over already."))
    with scope.as_platform():
        active = CreditLimit.objects.filter(
            tenant=limit.tenant_id, currency=limit.currency, status=CreditLimit.Status.ACTIVE
        )
        # Rows before accounts, as everywhere: the end of a limit takes the same locks.
        former = list(active.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        ledger.lock(keys=lab_funds.keys(limit.tenant_id, limit.currency), now=now)
        for row in former:
            _end(row, now=now)
        limit.decided_by, limit.starts_at = by, now
        limit.save()
    outbox.publish("credit_limit.changed", subject=limit.public_id, tenant_id=limit.tenant_id, now=now)
    return limit


def refuse(*, limit: CreditLimit, reason: str, by: User, now: dt.datetime) -> CreditLimit:
    """The proposal is dropped, by whoever decides or by the proposer himself."""
    limit = _locked(limit)
    states.move(limit, CreditLimit.Status.REFUSED)
    limit.note, limit.decided_by, limit.ended_at = reason, by, now
    limit.save()
    return limit


def end_expired(*, now: dt.datetime, after: int = 0) -> int:
    """Take away limits whose last day is over; returns how many. What labs owe then is owed without credit."""
    over = CreditLimit.objects.filter(status=CreditLimit.Status.ACTIVE, last_day__lt=now.date())

    def end(pk: int) -> bool:
        row = over.filter(pk=pk).select_for_update(no_key=True, of=("self",)).first()
        if row is None:  # replaced in the meantime
            return False
        ledger.lock(keys=lab_funds.keys(row.tenant_id, row.currency), now=now)
        _end(row, now=now)
        outbox.publish("credit_limit.changed", subject=row.public_id, tenant_id=row.tenant_id, now=now)
        return True

    return sweep(by=ENDER, due=over, step=end, after=after)


def _end(row: CreditLimit, *, now: dt.datetime) -> None:
    states.move(row, CreditLimit.Status.ENDED)
    row.ended_at = now
    row.save()


def _locked(limit: CreditLimit) -> CreditLimit:
    return CreditLimit.objects.select_for_update(no_key=True, of=("self",)).get(pk=limit.pk)
