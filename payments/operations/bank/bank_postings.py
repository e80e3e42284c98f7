"""Journal entries for what only the bank knows: money of unknown owners, and the balance it began with."""

from __future__ import annotations

import datetime as dt

from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import NewEntry
from payments.models import JournalEntry, ProviderEntry

OPENING_BALANCE = "opening_balance"
PROVIDER_CREDIT = "provider_credit"
PROVIDER_DEBIT = "provider_debit"


def balance_taken_over(*, entry: ProviderEntry, now: dt.datetime) -> JournalEntry:
    """What was on the account before the first statement belongs to the platform."""
    return _post(OPENING_BALANCE, entry, accounts.capital(entry.currency), now=now)


def booked_by_hand(*, entry: ProviderEntry, against: AccountKey, now: dt.datetime) -> JournalEntry:
    """A person says which account a movement belongs to."""
    kind = PROVIDER_CREDIT if entry.amount_minor > 0 else PROVIDER_DEBIT
    return _post(kind, entry, against, now=now)


def _post(kind: str, entry: ProviderEntry, against: AccountKey, *, now: dt.datetime) -> JournalEntry:
    cash = accounts.cash(entry.provider, entry.currency)
    legs = [(cash, -entry.amount_minor), (against, entry.amount_minor)]
    ledger.post(entries=[NewEntry(kind, entry.public_id, now, legs)], now=now)
    return JournalEntry.objects.get(kind=kind, source_id=entry.public_id)
