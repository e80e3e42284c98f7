"""Labs pay in: announce, settle, fail, reverse. What goes back to them is in `refunds`."""

from __future__ import annotations

import datetime as dt
import secrets

from django.conf import settings
from django.utils.translation import gettext as _

from core import outbox, scope, states
from core.money import Money
from core.problems import InvalidInput
from core.public import Principal, Tenant, User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import Funding
from payments.operations.labs import lab_funds, refunds, reservations

_REFERENCE_SYMBOLS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


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


def confirm(
    *, funding: Funding, by: User, now: dt.datetime, received: Money | None = None, reason: str = ""
) -> Funding:
    """Finance saw the transfer with this reference on the bank account; ``received`` when it was another amount.

    At the desk `funding_by_hand` asks first whether one person may. What arrived is the lab's, be it less or more than was announced. Raises InvalidInput for another currency.
    """
    funding = locked(funding)
    if received is not None:
        if received.currency != funding.currency or received.minor <= 0:
            raise InvalidInput(_("What arrived is a positive amount in the currency that was announced."))
        funding.received_minor = received.minor
    funding.decided_by, funding.reason = by, reason[:300]
    _settle(funding, now=now)
    return funding


def arrived(*, funding: Funding, now: dt.datetime) -> Funding:
    """A bank statement shows the transfer, with this reference and exactly this amount."""
    funding = locked(funding)
    _settle(funding, now=now)
    return funding


def fail(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Funding:
    """The announced money will not come."""
    funding = locked(funding)
    states.move(funding, Funding.Status.FAILED)
    funding.decided_by, funding.reason, funding.closed_at = by, reason, now
    funding.save()
    tell(funding, "funding.failed", now=now)
    return funding


def reverse(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Funding:
    """The bank took settled money back: what the lab has not left of it becomes its debt."""
    funding = locked(funding)
    states.move(funding, Funding.Status.REVERSED)
    funding.decided_by, funding.reason, funding.closed_at = by, reason, now
    funding.save()
    prepaid, receivable = lab_funds.keys(funding.tenant_id, funding.currency)
    with scope.as_platform():
        available = max(0, ledger.lock(keys=[prepaid, receivable], now=now)[prepaid])
        taken = funding.arrived_minor - refunds.given_back(funding)
        drawn = min(available, taken)
        legs = [
            (prepaid, -drawn),
            (receivable, drawn - taken),
            (accounts.cash(funding.provider, funding.currency), taken),
        ]
        ledger.post(
            entries=[NewEntry("funding_reversed", funding.public_id, now, legs, tenant_id=funding.tenant_id)], now=now
        )
    tell(funding, "funding.reversed", now=now)
    return funding


def _settle(funding: Funding, *, now: dt.datetime) -> None:
    """The money is there: it pays the lab's debt first, then fills its reservations; the rest is prepaid."""
    states.move(funding, Funding.Status.SETTLED)
    funding.settled_at = now
    funding.received_minor = funding.arrived_minor
    funding.save()
    prepaid, receivable = lab_funds.keys(funding.tenant_id, funding.currency)
    with scope.as_platform():
        held = reservations.held_by(tenant_id=funding.tenant_id, currency=funding.currency)
        keys = [prepaid, receivable, *map(reservations.account_of, held)]
        debt = -ledger.lock(keys=keys, now=now)[receivable]
        paid_off = min(max(debt, 0), funding.arrived_minor)
        source, tenant_id = funding.public_id, funding.tenant_id
        cash = accounts.cash(funding.provider, funding.currency)
        came_in = [(cash, -funding.arrived_minor), (prepaid, funding.arrived_minor)]
        debt_paid = [(prepaid, -paid_off), (receivable, paid_off)]
        ledger.post(entries=[NewEntry("lab_funded", source, now, came_in, tenant_id=tenant_id)], now=now)
        ledger.post(entries=[NewEntry("receivable_settled", source, now, debt_paid, tenant_id=tenant_id)], now=now)
        reservations.refill(reservations=held, now=now)
    tell(funding, "funding.settled", now=now)


def locked(funding: Funding) -> Funding:
    """The payment, locked until the transaction ends."""
    return Funding.objects.select_for_update(no_key=True, of=("self",)).get(pk=funding.pk)


def tell(funding: Funding, event: str, *, now: dt.datetime) -> None:
    """News of the payment for its lab."""
    outbox.publish(event, subject=funding.public_id, tenant_id=funding.tenant_id, now=now)


def _new_reference() -> str:
    """What the lab writes on its transfer: no symbols that are mistaken for each other, 60 bits."""
    return "CDR-" + "".join(secrets.choice(_REFERENCE_SYMBOLS) for _ in range(12))
