"""Funding that a person confirms or reverses without a bank's statement that settles it by itself.

One person does it up to the threshold of four eyes (`lone_acts`), or where the bank's own entry shows exactly this
amount for this funding; otherwise he proposes it and another approves.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import Money
from core.problems import Conflict, InvalidInput
from core.public import User
from payments.models import AdjustmentProposal, Funding, ProviderEntry
from payments.operations.labs import funding, refunds
from payments.operations.pay import four_eyes, lone_acts

ARRIVED: Final = AdjustmentProposal.Act.FUNDING
TAKEN_BACK: Final = AdjustmentProposal.Act.FUNDING_REVERSAL


class FundingProposed(Conflict):
    """Somebody proposed already what became of this funding. Approve, refuse or withdraw that first."""

    code = "funding_already_proposed"
    title = gettext_lazy("A proposal about this funding is open")


def confirm(
    *, row: Funding, received: Money | None, reason: str, by: User, now: dt.datetime
) -> Funding | AdjustmentProposal:
    """The transfer has arrived; ``received`` when it was another amount than announced.

    Raises InvalidInput for another currency, FundingProposed, InvalidTransition.
    """
    lone_acts.take_turn(act=ARRIVED, by=by)
    row = funding.locked(row)
    amount = received or Money(row.amount_minor, row.currency)
    if amount.currency != row.currency or amount.minor <= 0:
        raise InvalidInput(_("What arrived is a positive amount in the currency that was announced."))
    if _is_decided_by_one(ARRIVED, row, Funding.Status.PENDING, amount, by, now=now):
        return funding.confirm(funding=row, received=received, reason=reason, by=by, now=now)
    return _propose(ARRIVED, row, amount, reason, by, now=now)


def reverse(*, row: Funding, reason: str, by: User, now: dt.datetime) -> Funding | AdjustmentProposal:
    """The bank took settled money back. Raises FundingProposed, InvalidTransition."""
    lone_acts.take_turn(act=TAKEN_BACK, by=by)
    row = funding.locked(row)
    amount = Money(row.arrived_minor - refunds.given_back(row), row.currency)
    if _is_decided_by_one(TAKEN_BACK, row, Funding.Status.SETTLED, -amount, by, now=now):
        return funding.reverse(funding=row, reason=reason, by=by, now=now)
    return _propose(TAKEN_BACK, row, amount, reason, by, now=now)


def is_shown_by_bank(row: Funding, moved: Money) -> bool:
    """Whether an entry of the bank that has no posting yet moved exactly this, under the funding's reference."""
    entries = ProviderEntry.objects.filter(
        provider=row.provider,
        currency=moved.currency,
        amount_minor=moved.minor,
        kind=ProviderEntry.Kind.CREDIT if moved.minor > 0 else ProviderEntry.Kind.DEBIT,
        journal_entry=None,
    )
    return any(is_named(row, entry) for entry in entries.only("text"))


def is_named(row: Funding, entry: ProviderEntry) -> bool:
    """Whether the bank's text of a movement has the funding's reference: then nobody here chooses whose money it is."""
    return row.reference in re.sub(r"\s", "", entry.text.upper())


def _is_decided_by_one(act: str, row: Funding, needed: str, moved: Money, by: User, *, now: dt.datetime) -> bool:
    if row.status != needed:
        return True  # the state machine refuses it in its own words, and nothing is counted
    if is_shown_by_bank(row, moved) or not moved.minor:
        return True
    if AdjustmentProposal.objects.waiting().filter(act=act, terms__funding=row.public_id).exists():
        raise FundingProposed
    return lone_acts.alone(act=act, amount=moved, by=by, tenant_id=row.tenant_id, now=now)


def _propose(act: str, row: Funding, amount: Money, reason: str, by: User, *, now: dt.datetime) -> AdjustmentProposal:
    return four_eyes.propose(
        act=act,
        amount=amount,
        reason=f"{row.reference}: {reason}",
        terms={"funding": row.public_id, "minor": amount.minor, "reason": reason},
        proposed_by=by,
        tenant_id=row.tenant_id,
        now=now,
    )


@four_eyes.carries_out(ARRIVED)
def _confirm_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    row = Funding.objects.get(public_id=proposal.terms["funding"])
    received = Money(proposal.terms["minor"], proposal.currency)
    by, reason = proposal.proposed_by, proposal.terms["reason"]
    return funding.confirm(funding=row, received=received, reason=reason, by=by, now=now).public_id


@four_eyes.carries_out(TAKEN_BACK)
def _reverse_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    row = funding.locked(Funding.objects.get(public_id=proposal.terms["funding"]))
    if row.arrived_minor - refunds.given_back(row) != proposal.terms["minor"]:
        raise FundingProposed(_("Some of it was refunded since: refuse this and propose it anew."))
    return funding.reverse(funding=row, reason=proposal.terms["reason"], by=proposal.proposed_by, now=now).public_id
