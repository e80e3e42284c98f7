"""Pay beside the hours, and pay taken back or set aside, as journal entries. Every event is written once.

Amounts are minor units. A lab pays from what it has prepaid and then from its credit, the platform from its own pocket.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core import scope
from core.money import Money
from core.public import Tenant
from marketplace.ports import InsufficientFunds
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry
from payments.models import JournalEntry
from payments.operations.labs import lab_funds, reservations
from payments.operations.labs.lab_funds import LabFunds

BONUS = "bonus"
REFERRAL_BONUS = "referral_bonus"
CLAWBACK_REVERSED = "clawback_reversed"
WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True)
class ExpertPay:
    """So much of one expert's pay that is given, taken back or set aside: the verb says which, so amounts are positive.

    ``source_id`` is the public id of the adjustment or dispute; ``fee_minor`` is the platform's, on top. Without
    ``tenant_id`` the platform pays itself.
    """

    source_id: str
    expert_id: int
    currency: str
    gross_minor: int
    effective_at: dt.datetime
    tenant_id: int | None = None
    fee_minor: int = 0


def bonuses_paid(*, bonuses: Sequence[ExpertPay], now: dt.datetime, kind: str = BONUS) -> None:
    """Pay bonuses of one lab or of the platform: all or none, in one write. Raises InsufficientFunds."""
    with scope.as_platform():
        fresh = _unpaid(kind, bonuses)
        payers = sorted({(bonus.tenant_id, bonus.currency) for bonus in fresh if bonus.tenant_id is not None})
        sandboxes = Tenant.objects.sandboxes_among({tenant_id for tenant_id, _currency in payers})
        payables = [
            accounts.payable(bonus.expert_id, bonus.currency, sandbox=bonus.tenant_id in sandboxes) for bonus in fresh
        ]
        ledger.lock(keys=[*payables, *(key for payer in payers for key in lab_funds.keys(*payer))], now=now)
        funds = {payer: lab_funds.locked(tenant_id=payer[0], currency=payer[1], now=now) for payer in payers}
        _require_covered(fresh, funds)
        entries = []
        for bonus, payable in zip(fresh, payables, strict=True):
            cost = bonus.gross_minor + bonus.fee_minor
            payer = None if bonus.tenant_id is None else funds[bonus.tenant_id, bonus.currency]
            legs = [
                *(payer.draw(cost) if payer else [(_giver(bonus), -cost)]),
                (payable, bonus.gross_minor),
                (accounts.fee_income(bonus.currency, sandbox=bonus.tenant_id in sandboxes), bonus.fee_minor),
            ]
            entries.append(NewEntry(kind, bonus.source_id, bonus.effective_at, legs, tenant_id=bonus.tenant_id))
        ledger.post(entries=entries, now=now)


def _require_covered(bonuses: Sequence[ExpertPay], funds: dict[tuple[int, str], LabFunds]) -> None:
    """Raise InsufficientFunds unless each lab can pay what is drawn on it, altogether."""
    for (tenant_id, currency), held in funds.items():
        mine = [bonus for bonus in bonuses if (bonus.tenant_id, bonus.currency) == (tenant_id, currency)]
        cost = sum(bonus.gross_minor + bonus.fee_minor for bonus in mine)
        if cost > held.available:
            raise InsufficientFunds(
                _("The balance does not cover the bonus and its fee."),
                required=dict(Money(cost, currency).as_json()),
                available=dict(Money(held.available, currency).as_json()),
            )


def _unpaid(kind: str, bonuses: Sequence[ExpertPay]) -> list[ExpertPay]:
    written = set(
        JournalEntry.objects.filter(kind=kind, source_id__in=[bonus.source_id for bonus in bonuses]).values_list(
            "source_id", flat=True
        )
    )
    return [bonus for bonus in bonuses if bonus.source_id not in written]


def clawback(*, pay: ExpertPay, now: dt.datetime) -> None:
    """Take pay back for the lab: the payable may go below zero and is netted later, never collected."""
    _give_back("clawback", pay, taken_from=_payable(pay), now=now)


def clawback_reversed(*, pay: ExpertPay, now: dt.datetime) -> None:
    """Give the expert back what a clawback took; the lab pays from its prepaid balance, and owes what is not there."""
    if pay.tenant_id is None:
        legs = [(_giver(pay), -pay.gross_minor), _to_payable(pay)]
        _post(CLAWBACK_REVERSED, pay, legs, now=now)
        return
    prepaid, owing = _giver(pay), accounts.lab_receivable(pay.tenant_id, pay.currency)
    total = pay.gross_minor + pay.fee_minor
    drawn = min(max(ledger.lock(keys=[prepaid, owing, _payable(pay)], now=now)[prepaid], 0), total)
    legs = [(prepaid, -drawn), (owing, drawn - total), _to_payable(pay), (_fees(pay), pay.fee_minor)]
    _post(CLAWBACK_REVERSED, pay, legs, now=now)


def written_off(*, debtor: AccountKey, source_id: str, minor: int, now: dt.datetime) -> None:
    """Give up ``minor`` of what an expert or a lab owes: the platform's loss."""
    ledger.lock(keys=[debtor], now=now)
    legs = [(accounts.expense("write_off", debtor.currency), -minor), (debtor, minor)]
    ledger.post(entries=[NewEntry(WRITE_OFF, source_id, now, legs, tenant_id=debtor.tenant_id)], now=now)


def dispute_opened(*, dispute: ExpertPay, now: dt.datetime) -> None:
    """Set pay that was posted already aside while its entry is contested."""
    key = _payable(dispute)
    legs = [(key, -dispute.gross_minor), (_holdback(dispute), dispute.gross_minor)]
    _post("dispute_opened", dispute, legs, now=now)


def dispute_resolved(*, dispute: ExpertPay, now: dt.datetime) -> None:
    """Give back what was set aside. What a decision takes from it is a correction of the entry, in the same breath."""
    ledger.lock(keys=[_holdback(dispute), _payable(dispute)], now=now)
    _post("dispute_resolved", dispute, [(_holdback(dispute), -dispute.gross_minor), _to_payable(dispute)], now=now)


def _give_back(kind: str, pay: ExpertPay, *, taken_from: AccountKey, now: dt.datetime) -> None:
    """Return pay and fee to whoever gave them; what comes back to a lab pays its debt first."""
    total = pay.gross_minor + pay.fee_minor
    if pay.tenant_id is not None:
        owing = accounts.lab_receivable(pay.tenant_id, pay.currency)
        ledger.lock(keys=[taken_from, _giver(pay), owing], now=now)
    legs = [(taken_from, -pay.gross_minor), (_fees(pay), -pay.fee_minor), (_giver(pay), total)]
    _post(kind, pay, legs, now=now)
    if pay.tenant_id is not None:
        reservations.settle_debt(tenant_id=pay.tenant_id, currency=pay.currency, source_id=pay.source_id, now=now)


def _post(kind: str, pay: ExpertPay, legs: Sequence[Leg], *, now: dt.datetime) -> None:
    entry = NewEntry(
        kind=kind,
        source_id=pay.source_id,
        effective_at=pay.effective_at,
        legs=legs,
        tenant_id=pay.tenant_id,
    )
    ledger.post(entries=[entry], now=now)


def _payable(pay: ExpertPay) -> AccountKey:
    return accounts.payable(pay.expert_id, pay.currency, sandbox=_plays_in(pay.tenant_id))


def _holdback(pay: ExpertPay) -> AccountKey:
    return accounts.holdback(pay.expert_id, pay.currency, sandbox=_plays_in(pay.tenant_id))


def _fees(pay: ExpertPay) -> AccountKey:
    return accounts.fee_income(pay.currency, sandbox=_plays_in(pay.tenant_id))


def _to_payable(pay: ExpertPay) -> Leg:
    return _payable(pay), pay.gross_minor


def _giver(pay: ExpertPay) -> AccountKey:
    if pay.tenant_id is None:
        return accounts.expense("bonus", pay.currency)
    return accounts.lab_prepaid(pay.tenant_id, pay.currency)


def _plays_in(tenant_id: int | None) -> bool:
    """Whether this is a sandbox's play money, which has accounts of its own."""
    return tenant_id is not None and bool(Tenant.objects.sandboxes_among({tenant_id}))
