"""What banks and providers take from our own accounts: fees, and exchanges that cover what others exchanged with us."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money
from core.problems import Conflict, InvalidInput, map_constraint
from core.public import User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import BankCharge
from payments.operations import fx


class ChargeRecorded(Conflict):
    """A charge with this reference of the bank is in the books already; nothing was posted."""

    code = "charge_recorded"
    title = gettext_lazy("This charge is recorded already")


map_constraint("payments_charge_once", ChargeRecorded)


def fee(*, provider: str, reference: str, amount: Money, now: dt.datetime, by: User | None = None) -> BankCharge:
    """A provider charged us: expense against cash. The same reference twice is one fee; another amount is refused."""
    return _record(BankCharge.Type.FEE, provider, reference, amount, None, by=by, now=now)


def exchanged(
    *, provider: str, reference: str, sold: Money, got: Money, now: dt.datetime, by: User | None = None
) -> BankCharge:
    """We exchanged our own money at a bank: cash against cash through the trading accounts, which it closes."""
    if sold.currency == got.currency or got.minor <= 0:
        raise InvalidInput(_("An exchange has two currencies and two positive amounts."))
    return _record(BankCharge.Type.EXCHANGE, provider, reference, sold, got, by=by, now=now)


def _record(
    kind: str, provider: str, reference: str, amount: Money, got: Money | None, *, by: User | None, now: dt.datetime
) -> BankCharge:
    if amount.minor <= 0 or not provider.strip() or not reference.strip():
        raise InvalidInput(_("A charge has a provider, a reference and a positive amount."))
    with scope.as_platform():
        row, is_new = BankCharge.objects.get_or_create(
            provider=provider,
            reference=reference,
            defaults={
                "type": kind,
                "amount_minor": amount.minor,
                "currency": amount.currency,
                "bought_minor": got.minor if got else None,
                "bought_currency": got.currency if got else "",
                "recorded_by": by,
                "booked_at": now,
            },
        )
        bought = (got.minor, got.currency) if got else (None, "")
        asked = (kind, amount.minor, amount.currency, *bought)
        if (row.type, row.amount_minor, row.currency, row.bought_minor, row.bought_currency) != asked:
            raise ChargeRecorded(_("This reference is in the books with another amount."))
        if is_new:
            ledger.post(entries=[_entry(row, amount, got)], now=now)
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
