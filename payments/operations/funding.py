"""Labs pay in: announce, settle, fail, reverse; and money given back."""

from __future__ import annotations

import datetime as dt
import secrets

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope, states
from core.money import Money
from core.problems import Conflict
from core.public import Principal, Tenant, User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import Funding, FundsReservation, Refund
from payments.operations import reservations

_REFERENCE_SYMBOLS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class NothingToRefund(Conflict):
    """Nothing is left of this funding that is neither used nor reserved nor given back already."""

    code = "nothing_to_refund"
    title = gettext_lazy("There is nothing to give back")


def announce(*, tenant_id: int, amount: Money, by: Principal, now: dt.datetime) -> Funding:
    """A lab will pay in. In a sandbox (and in development) the money is there at once; else it waits for finance."""
    tenant = Tenant.objects.get(pk=tenant_id)
    sandbox = tenant.is_sandbox
    funding = Funding.objects.create(
        tenant=tenant,
        amount_minor=amount.minor,
        currency=amount.currency,
        provider=accounts.SANDBOX if sandbox else settings.FUNDING_PROVIDER,
        reference=_new_reference(),
        requested_by=by.label,
    )
    if sandbox or settings.FUNDING_SETTLES_AT_ONCE:
        _settle(funding, now=now)
    return funding


def confirm(*, funding: Funding, by: User, now: dt.datetime) -> Funding:
    """Finance saw the transfer with this reference on the bank account."""
    funding = _locked(funding)
    funding.decided_by = by
    _settle(funding, now=now)
    return funding


def fail(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Funding:
    """The announced money will not come."""
    funding = _locked(funding)
    states.move(funding, Funding.Status.FAILED)
    funding.decided_by, funding.reason, funding.closed_at = by, reason, now
    funding.save()
    _tell(funding, "funding.failed", now=now)
    return funding


def reverse(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Funding:
    """The bank took settled money back: what the lab has not left of it becomes its debt."""
    funding = _locked(funding)
    states.move(funding, Funding.Status.REVERSED)
    funding.decided_by, funding.reason, funding.closed_at = by, reason, now
    funding.save()
    prepaid, receivable = _accounts(funding)
    with scope.as_platform():
        available = max(0, ledger.lock(keys=[prepaid, receivable], now=now)[prepaid])
        drawn = min(available, funding.amount_minor)
        legs = [
            (prepaid, -drawn),
            (receivable, drawn - funding.amount_minor),
            (accounts.cash(funding.provider, funding.currency), funding.amount_minor),
        ]
        ledger.post(
            entries=[NewEntry("funding_reversed", funding.public_id, now, legs, tenant_id=funding.tenant_id)], now=now
        )
    _tell(funding, "funding.reversed", now=now)
    return funding


def refund(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Refund:
    """Give back what a lab neither used nor reserved, up to what it paid in by this funding. Raises NothingToRefund."""
    funding = _locked(funding)
    if funding.status != Funding.Status.SETTLED:
        raise NothingToRefund(_("Only money that has arrived can be given back."))
    prepaid, _receivable = _accounts(funding)
    with scope.as_platform():
        given = funding.refunds.aggregate(total=Sum("amount_minor"))["total"] or 0
        unused = ledger.lock(keys=[prepaid], now=now)[prepaid]
        amount = min(unused, funding.amount_minor - given)
        if amount <= 0:
            raise NothingToRefund
        made = Refund.objects.create(
            tenant_id=funding.tenant_id,
            funding=funding,
            amount_minor=amount,
            currency=funding.currency,
            reason=reason,
            decided_by=by,
            refunded_at=now,
        )
        legs = [(prepaid, -amount), (accounts.cash(funding.provider, funding.currency), amount)]
        ledger.post(entries=[NewEntry("lab_refunded", made.public_id, now, legs, tenant_id=funding.tenant_id)], now=now)
    _tell(funding, "funding.refunded", now=now)
    return made


def _settle(funding: Funding, *, now: dt.datetime) -> None:
    """The money is there: it pays the lab's debt first, then fills its reservations; the rest is prepaid."""
    states.move(funding, Funding.Status.SETTLED)
    funding.settled_at = now
    funding.save()
    prepaid, receivable = _accounts(funding)
    with scope.as_platform():
        held = list(
            FundsReservation.objects.select_for_update(no_key=True, of=("self",))
            .filter(tenant=funding.tenant_id, currency=funding.currency, status=FundsReservation.Status.HELD)
            .order_by("pk")
        )
        keys = [prepaid, receivable, *map(reservations.account_of, held)]
        debt = -ledger.lock(keys=keys, now=now)[receivable]
        paid_off = min(max(debt, 0), funding.amount_minor)
        source, tenant_id = funding.public_id, funding.tenant_id
        cash = accounts.cash(funding.provider, funding.currency)
        came_in = [(cash, -funding.amount_minor), (prepaid, funding.amount_minor)]
        debt_paid = [(prepaid, -paid_off), (receivable, paid_off)]
        ledger.post(entries=[NewEntry("lab_funded", source, now, came_in, tenant_id=tenant_id)], now=now)
        ledger.post(entries=[NewEntry("receivable_settled", source, now, debt_paid, tenant_id=tenant_id)], now=now)
        reservations.refill(reservations=held, now=now)
    _tell(funding, "funding.settled", now=now)


def _accounts(funding: Funding) -> tuple[accounts.AccountKey, accounts.AccountKey]:
    return (
        accounts.lab_prepaid(funding.tenant_id, funding.currency),
        accounts.lab_receivable(funding.tenant_id, funding.currency),
    )


def _locked(funding: Funding) -> Funding:
    return Funding.objects.select_for_update(no_key=True, of=("self",)).get(pk=funding.pk)


def _tell(funding: Funding, event: str, *, now: dt.datetime) -> None:
    outbox.publish(event, subject=funding.public_id, tenant_id=funding.tenant_id, now=now)


def _new_reference() -> str:
    """What the lab writes on its transfer: no symbols that are mistaken for each other, 60 bits."""
    return "CDR-" + "".join(secrets.choice(_REFERENCE_SYMBOLS) for _ in range(12))
