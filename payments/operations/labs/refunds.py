"""Money given back to labs: unused, never more than came by the same funding, above a threshold by two people."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope, states
from core.money import Money
from core.problems import Conflict, map_constraint
from core.public import User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import Funding, Refund
from payments.operations.pay import lone_acts
from payments.operations.pay.four_eyes import OwnProposal
from payments.operations.pay.lone_acts import Part

map_constraint("payments_refund_two_people", OwnProposal)


class NothingToRefund(Conflict):
    """Nothing is left of this funding that is neither used nor reserved nor given back already."""

    code = "nothing_to_refund"
    title = gettext_lazy("There is nothing to give back")


def refund(*, funding: Funding, reason: str, by: User, now: dt.datetime) -> Refund:
    """Give back what a lab neither used nor reserved, up to what it paid in by this funding. Raises NothingToRefund.

    Above the threshold of the currency (REFUND_ALONE_MINOR), with what the same person gave back to this lab alone
    lately, it is only proposed: somebody else approves it.
    """
    lone_acts.take_turn(act=lone_acts.REFUND, by=by)
    funding = _locked(funding)
    with scope.as_platform():
        amount = _left_of(funding, now=now)
        if amount <= 0 or funding.refunds.filter(status=Refund.Status.PROPOSED).exists():
            raise NothingToRefund
        part = Part(Money(amount, funding.currency), tenant_id=funding.tenant_id)
        alone = lone_acts.all_alone(
            act=lone_acts.REFUND, parts=[part], by=by, now=now, thresholds=settings.REFUND_ALONE_MINOR
        )
        made = Refund.objects.create(
            tenant_id=funding.tenant_id,
            funding=funding,
            amount_minor=amount,
            currency=funding.currency,
            reason=reason,
            status=Refund.Status.PROPOSED,
            needs_two=not alone,
            proposed_by=by,
        )
        if not made.needs_two:
            _pay(made, by=by, now=now)
    return made


def approve(*, refund: Refund, by: User, now: dt.datetime) -> Refund:
    """Somebody else than the proposer lets the money go. Raises OwnProposal, NothingToRefund when it was used since."""
    funding = _locked(refund.funding)
    refund = _lock(refund)
    if refund.proposed_by_id == by.pk:
        raise OwnProposal(_("You proposed this refund: somebody else has to approve it."))
    with scope.as_platform():
        if refund.status == Refund.Status.PROPOSED and _left_of(funding, now=now) < refund.amount_minor:
            raise NothingToRefund(_("The lab has used some of it since: refuse this and propose it anew."))
        _pay(refund, by=by, now=now)
    return refund


def refuse(*, refund: Refund, reason: str, by: User, now: dt.datetime) -> Refund:
    """The money stays where it is. The lab reads why, and not who decided."""
    refund = _lock(refund)
    states.move(refund, Refund.Status.REFUSED)
    refund.note, refund.decided_by, refund.decided_at = reason, by, now
    refund.save()
    return refund


def given_back(funding: Funding) -> int:
    """What of a funding went back already, in minor units."""
    paid = funding.refunds.filter(status=Refund.Status.PAID)
    return int(paid.aggregate(total=Sum("amount_minor"))["total"] or 0)


def _left_of(funding: Funding, *, now: dt.datetime) -> int:
    """What may go back, with the lab's balance locked."""
    if funding.status != Funding.Status.SETTLED:
        raise NothingToRefund(_("Only money that has arrived can be given back."))
    prepaid = accounts.lab_prepaid(funding.tenant_id, funding.currency)
    unused = ledger.lock(keys=[prepaid], now=now)[prepaid]
    return min(unused, funding.arrived_minor - given_back(funding))


def _pay(refund: Refund, *, by: User, now: dt.datetime) -> None:
    states.move(refund, Refund.Status.PAID)
    refund.decided_by, refund.decided_at, refund.refunded_at = by, now, now
    refund.save()
    minor, funding = refund.amount_minor, refund.funding
    legs = [
        (accounts.lab_prepaid(refund.tenant_id, refund.currency), -minor),
        (accounts.cash(funding.provider, refund.currency), minor),
    ]
    ledger.post(entries=[NewEntry("lab_refunded", refund.public_id, now, legs, tenant_id=refund.tenant_id)], now=now)
    outbox.publish("funding.refunded", subject=funding.public_id, tenant_id=funding.tenant_id, now=now)


def _locked(funding: Funding) -> Funding:
    return Funding.objects.select_for_update(no_key=True, of=("self",)).get(pk=funding.pk)


def _lock(refund: Refund) -> Refund:
    return Refund.objects.select_for_update(no_key=True, of=("self",)).select_related("funding").get(pk=refund.pk)
