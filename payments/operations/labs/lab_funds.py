"""What a lab can spend by choice: first what it has prepaid, then its credit, never more. Locked, then split into legs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from core import scope
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg


@dataclass(slots=True)
class LabFunds:
    """A lab's money in one currency under lock, in minor units; ``owed`` and ``credit`` are positive."""

    tenant_id: int
    currency: str
    prepaid: int
    owed: int
    credit: int

    @property
    def headroom(self) -> int:
        """Credit that is not used yet."""
        return max(0, self.credit - self.owed)

    @property
    def available(self) -> int:
        """What reservations and bonuses may draw."""
        return self.prepaid + self.headroom

    def draw(self, minor: int) -> list[Leg]:
        """Legs that take ``minor`` from the lab, at most ``available``; they are counted here at once."""
        from_prepaid = min(max(self.prepaid, 0), minor)
        from_credit = minor - from_prepaid
        self.prepaid -= from_prepaid
        self.owed += from_credit
        prepaid, owing = keys(self.tenant_id, self.currency)
        return [(prepaid, -from_prepaid), (owing, -from_credit)]


def keys(tenant_id: int, currency: str) -> tuple[AccountKey, AccountKey]:
    """The accounts of what the lab has prepaid and of what it owes."""
    return accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)


def locked(*, tenant_id: int, currency: str, now: dt.datetime, also: list[AccountKey] | None = None) -> LabFunds:
    """Lock what the lab has and owes, with every account in ``also``, and read it."""
    prepaid, owing = keys(tenant_id, currency)
    with scope.as_platform():
        left = ledger.lock(keys=[prepaid, owing, *(also or [])], now=now)
    return LabFunds(tenant_id, currency, left[prepaid], -left[owing], ledger.credit_of(owing))
