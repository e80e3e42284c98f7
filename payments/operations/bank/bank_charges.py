"""What banks and providers take from our own accounts: fees, and exchanges that cover what others exchanged with us.

Statements and providers' books bring them by themselves; what a person records has a reason, and above the threshold of
four eyes (`lone_acts`) another person approves it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money
from core.problems import Conflict, InvalidInput, map_constraint
from core.public import User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import AdjustmentProposal, BankCharge
from payments.operations.exchange import fx
from payments.operations.pay import four_eyes, lone_acts
from payments.operations.pay.lone_acts import Part

ACT: Final = AdjustmentProposal.Act.CHARGE


class ChargeRecorded(Conflict):
    """A charge with this reference of the bank is in the books already; nothing was posted."""

    code = "charge_recorded"
    title = gettext_lazy("This charge is recorded already")


map_constraint("payments_charge_once", ChargeRecorded)


@dataclass(frozen=True, slots=True)
class Charge:
    """``amount`` went; where it was exchanged, ``got`` came. ``reference`` is the bank's."""

    provider: str
    reference: str
    amount: Money
    got: Money | None = None

    @property
    def kind(self) -> str:
        """A fee, or an exchange."""
        return BankCharge.Type.FEE if self.got is None else BankCharge.Type.EXCHANGE

    @property
    def sides(self) -> list[Money]:
        """What moved, in each currency."""
        return [side for side in (self.amount, self.got) if side is not None]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}: {' → '.join(map(str, self.sides))}"


@dataclass(frozen=True, slots=True)
class Author:
    """The person who records a charge, why, and what another approved."""

    by: User
    reason: str
    proposal: AdjustmentProposal | None = None


def fee(*, provider: str, reference: str, amount: Money, now: dt.datetime) -> BankCharge:
    """A provider charged us: expense against cash. The same reference twice is one fee; another amount is refused."""
    return _record(Charge(provider, reference, amount), None, now=now)


def exchanged(*, provider: str, reference: str, sold: Money, got: Money, now: dt.datetime) -> BankCharge:
    """We exchanged our own money at a bank: cash against cash through the trading accounts, which it closes."""
    return _record(Charge(provider, reference, sold, got), None, now=now)


def by_hand(*, charge: Charge, reason: str, by: User, now: dt.datetime) -> BankCharge | AdjustmentProposal:
    """A person records a charge at once, or proposes it where either side is too much for one person.

    Raises InvalidInput, ChargeRecorded.
    """
    _require_sense(charge)
    if not reason.strip():
        raise InvalidInput(_("Say why."))
    lone_acts.take_turn(act=ACT, by=by)
    if BankCharge.objects.filter(provider=charge.provider, reference=charge.reference).exists():
        raise ChargeRecorded
    author = Author(by, reason.strip()[:300])
    if lone_acts.all_alone(act=ACT, parts=[Part(side) for side in charge.sides], by=by, now=now):
        return _record(charge, author, now=now)
    return four_eyes.propose(
        act=ACT,
        amount=charge.amount,
        reason=f"{charge}: {author.reason}",
        terms={
            "provider": charge.provider,
            "reference": charge.reference,
            "sides": [[side.minor, side.currency] for side in charge.sides],
            "reason": author.reason,
        },
        proposed_by=by,
        now=now,
    )


@four_eyes.carries_out(ACT)
def _record_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    terms: dict[str, Any] = proposal.terms
    amount, *others = [Money(minor, currency) for minor, currency in terms["sides"]]
    charge = Charge(terms["provider"], terms["reference"], amount, others[0] if others else None)
    if BankCharge.objects.filter(provider=charge.provider, reference=charge.reference).exists():
        raise ChargeRecorded
    return _record(charge, Author(proposal.proposed_by, terms["reason"], proposal), now=now).public_id


def _require_sense(charge: Charge) -> None:
    if charge.amount.minor <= 0 or not charge.provider.strip() or not charge.reference.strip():
        raise InvalidInput(_("A charge has a provider, a reference and a positive amount."))
    if charge.got is not None and (charge.got.currency == charge.amount.currency or charge.got.minor <= 0):
        raise InvalidInput(_("An exchange has two currencies and two positive amounts."))


def _record(charge: Charge, author: Author | None, *, now: dt.datetime) -> BankCharge:
    _require_sense(charge)
    bought = (charge.got.minor, charge.got.currency) if charge.got else (None, "")
    with scope.as_platform():
        row, is_new = BankCharge.objects.get_or_create(
            provider=charge.provider,
            reference=charge.reference,
            defaults={
                "type": charge.kind,
                "amount_minor": charge.amount.minor,
                "currency": charge.amount.currency,
                "bought_minor": bought[0],
                "bought_currency": bought[1],
                "recorded_by": author.by if author else None,
                "reason": author.reason if author else "",
                "proposal": author.proposal if author else None,
                "booked_at": now,
            },
        )
        asked = (charge.kind, charge.amount.minor, charge.amount.currency, *bought)
        if (row.type, row.amount_minor, row.currency, row.bought_minor, row.bought_currency) != asked:
            raise ChargeRecorded(_("This reference is in the books with another amount."))
        if is_new:
            ledger.post(entries=[_entry(row, charge.amount, charge.got)], now=now)
    return row


def _entry(row: BankCharge, amount: Money, got: Money | None) -> NewEntry:
    cash = accounts.cash(row.provider, amount.currency)
    if got is None:
        legs = [(accounts.expense("provider_fee", amount.currency), -amount.minor), (cash, amount.minor)]
        return NewEntry("provider_fee", row.public_id, row.booked_at, legs)
    # Money we own is negative: selling it is a credit, what was bought a debit, and the trading accounts mirror both.
    legs = [(leg, -minor) for leg, minor in fx.exchange_legs(
        giver=cash, taker=accounts.cash(row.provider, got.currency), sold=amount, got=got
    )]  # fmt: skip
    return NewEntry("fx_covered", row.public_id, row.booked_at, legs)
