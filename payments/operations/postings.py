"""Business events as journal entries. Every function is idempotent: its event is written once, however often it runs.

Amounts are minor units. What a lab pays comes first from the contract's reservation, then from its prepaid balance;
what neither covers becomes its debt (receivable), so that approved hours always post.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core import scope
from core.money import Money
from core.public import Tenant
from marketplace.ports import InsufficientFunds
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry
from payments.models import FundsReservation, JournalEntry
from payments.operations import lab_funds, reservations
from payments.operations.lab_funds import LabFunds

TIME_APPROVED = "time_approved"
BONUS = "bonus"
HOLDBACK_RELEASED = "holdback_released"
REFERRAL_BONUS = "referral_bonus"
CLAWBACK_REVERSED = "clawback_reversed"
WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True)
class ApprovedTime:
    """One approved time entry: ``source_id`` is its public id; the fee is on top of the gross.

    ``holdback_minor`` is the part of the gross that waits; ``effective_at`` the instant of the approval. ``seq`` counts
    the corrections of the same entry.
    """

    source_id: str
    tenant_id: int
    contract_id: int
    expert_id: int
    currency: str
    gross_minor: int
    fee_minor: int
    effective_at: dt.datetime
    holdback_minor: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Pay beside the hours, or pay taken back: ``source_id`` is the adjustment's (or dispute's) public id.

    All amounts are positive; ``fee_minor`` is the platform's, on top. Without ``tenant_id`` the platform pays itself.
    """

    source_id: str
    expert_id: int
    currency: str
    gross_minor: int
    effective_at: dt.datetime
    tenant_id: int | None = None
    fee_minor: int = 0


def time_approved(*, entries: Iterable[ApprovedTime], now: dt.datetime) -> None:
    """Pay approved hours: one journal entry each, then the reservations they drew on are filled up again."""
    with scope.as_platform():
        fresh = _unwritten(TIME_APPROVED, list(entries))
        if not fresh:
            return
        held = reservations.of_contracts({item.contract_id for item in fresh})
        sandboxes = _sandboxes({item.tenant_id for item in fresh})
        left = ledger.lock(keys=_touched(fresh, held, sandboxes), now=now)
        batch = [_approval(item, held.get(item.contract_id), item.tenant_id in sandboxes, left) for item in fresh]
        ledger.post(entries=batch, now=now)
        reservations.refill(reservations=held.values(), now=now)


def time_corrected(*, corrected: ApprovedTime, correction_id: str, now: dt.datetime) -> None:
    """Reverse an entry's last posting exactly and post it anew with ``corrected``'s amounts, in one transaction.

    ``corrected.seq`` must be one more than the posting it replaces; ``correction_id`` names the adjustment.
    """
    with scope.as_platform():
        undone = _undone_by(corrected, correction_id, now=now)
        held = reservations.of_contracts({corrected.contract_id})
        sandboxes = _sandboxes({corrected.tenant_id})
        legs = [leg for reversal in undone for leg in reversal.legs]
        keys = [*_touched([corrected], held, sandboxes), *(key for key, _minor in legs)]
        left = ledger.lock(keys=keys, now=now)
        for key, minor in legs:
            if key in left:
                left[key] += minor
        entry = _approval(corrected, held.get(corrected.contract_id), corrected.tenant_id in sandboxes, left)
        # One statement: a balance may not fall below zero between the reversal and what takes its place.
        ledger.post(entries=[*undone, entry], now=now)
        reservations.settle_debt(
            tenant_id=corrected.tenant_id, currency=corrected.currency, source_id=correction_id, now=now
        )
        reservations.refill(reservations=held.values(), now=now)


def is_holdback_released(source_id: str) -> bool:
    """Whether what was held back of this time entry has been released: later corrections hold nothing back."""
    return _is_written(HOLDBACK_RELEASED, source_id)


def _undone_by(corrected: ApprovedTime, correction_id: str, *, now: dt.datetime) -> list[NewEntry]:
    """Reversals of the entry's last posting and, when that is done already, of the release of its holdback."""
    standing = JournalEntry.objects.filter(source_id=corrected.source_id, reversed_by=None)
    former = standing.get(kind=TIME_APPROVED, seq=corrected.seq - 1)
    undone = [ledger.reversal(entry_id=former.pk, kind="time_reversed", source_id=correction_id, now=now)]
    released = standing.filter(kind=HOLDBACK_RELEASED).first()
    if released is not None:
        undone.append(ledger.reversal(entry_id=released.pk, kind="holdback_reversed", source_id=correction_id, now=now))
    return undone


def bonus_paid(*, bonus: Grant, now: dt.datetime) -> None:
    """Pay a bonus from the lab's balance and credit, or from the platform's pocket. Raises InsufficientFunds."""
    bonuses_paid(bonuses=[bonus], now=now)


def bonuses_paid(*, bonuses: Sequence[Grant], now: dt.datetime, kind: str = BONUS) -> None:
    """Pay bonuses of one lab or of the platform: all or none, in one write. Raises InsufficientFunds."""
    with scope.as_platform():
        fresh = _unpaid(kind, bonuses)
        payers = sorted({(bonus.tenant_id, bonus.currency) for bonus in fresh if bonus.tenant_id is not None})
        sandboxes = _sandboxes({tenant_id for tenant_id, _currency in payers})
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


def _require_covered(bonuses: Sequence[Grant], funds: dict[tuple[int, str], LabFunds]) -> None:
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


def _unpaid(kind: str, bonuses: Sequence[Grant]) -> list[Grant]:
    written = set(
        JournalEntry.objects.filter(kind=kind, source_id__in=[bonus.source_id for bonus in bonuses]).values_list(
            "source_id", flat=True
        )
    )
    return [bonus for bonus in bonuses if bonus.source_id not in written]


def clawback(*, grant: Grant, now: dt.datetime) -> None:
    """Take pay back for the lab: the payable may go below zero and is netted later, never collected."""
    _give_back("clawback", grant, taken_from=_payable(grant), now=now)


def clawback_reversed(*, grant: Grant, now: dt.datetime) -> None:
    """Give the expert back what a clawback took; the lab pays from its prepaid balance, and owes what is not there."""
    if grant.tenant_id is None:
        legs = [(_giver(grant), -grant.gross_minor), _to_payable(grant)]
        _post(CLAWBACK_REVERSED, grant, legs, now=now)
        return
    prepaid, owing = _giver(grant), accounts.lab_receivable(grant.tenant_id, grant.currency)
    total = grant.gross_minor + grant.fee_minor
    drawn = min(max(ledger.lock(keys=[prepaid, owing, _payable(grant)], now=now)[prepaid], 0), total)
    legs = [(prepaid, -drawn), (owing, drawn - total), _to_payable(grant), (_fees(grant), grant.fee_minor)]
    _post(CLAWBACK_REVERSED, grant, legs, now=now)


def written_off(*, debtor: AccountKey, source_id: str, minor: int, now: dt.datetime) -> None:
    """Give up ``minor`` of what an expert or a lab owes: the platform's loss."""
    ledger.lock(keys=[debtor], now=now)
    legs = [(accounts.expense("write_off", debtor.currency), -minor), (debtor, minor)]
    ledger.post(entries=[NewEntry(WRITE_OFF, source_id, now, legs, tenant_id=debtor.tenant_id)], now=now)


def dispute_opened(*, dispute: Grant, now: dt.datetime) -> None:
    """Set pay that was posted already aside while its entry is contested."""
    key = _payable(dispute)
    legs = [(key, -dispute.gross_minor), (_holdback(dispute), dispute.gross_minor)]
    _post("dispute_opened", dispute, legs, now=now)


def dispute_resolved(*, dispute: Grant, now: dt.datetime) -> None:
    """Give back what was set aside. What a decision takes from it is a correction of the entry, in the same breath."""
    ledger.lock(keys=[_holdback(dispute), _payable(dispute)], now=now)
    _post("dispute_resolved", dispute, [(_holdback(dispute), -dispute.gross_minor), _to_payable(dispute)], now=now)


def lock_pay(*, tenant_id: int, contract_id: int, expert_id: int, currency: str, now: dt.datetime) -> dict[str, int]:
    """Lock everything that the pay of one contract moves, all at once; balances by kind of account."""
    with scope.as_platform():
        held = reservations.of_contracts({contract_id})
        sandbox = _is_sandbox(tenant_id)
        keys = [
            accounts.lab_prepaid(tenant_id, currency),
            accounts.lab_receivable(tenant_id, currency),
            accounts.payable(expert_id, currency, sandbox=sandbox),
            accounts.holdback(expert_id, currency, sandbox=sandbox),
            *(reservations.account_of(row) for row in held.values() if row.currency == currency),
        ]
        return {key.kind: minor for key, minor in ledger.lock(keys=keys, now=now).items()}


def _give_back(kind: str, grant: Grant, *, taken_from: AccountKey, now: dt.datetime) -> None:
    """Return pay and fee to whoever gave them; what comes back to a lab pays its debt first."""
    total = grant.gross_minor + grant.fee_minor
    if grant.tenant_id is not None:
        owing = accounts.lab_receivable(grant.tenant_id, grant.currency)
        ledger.lock(keys=[taken_from, _giver(grant), owing], now=now)
    legs = [(taken_from, -grant.gross_minor), (_fees(grant), -grant.fee_minor), (_giver(grant), total)]
    _post(kind, grant, legs, now=now)
    if grant.tenant_id is not None:
        reservations.settle_debt(tenant_id=grant.tenant_id, currency=grant.currency, source_id=grant.source_id, now=now)


def _post(kind: str, grant: Grant, legs: Sequence[Leg], *, now: dt.datetime) -> None:
    entry = NewEntry(
        kind=kind,
        source_id=grant.source_id,
        effective_at=grant.effective_at,
        legs=legs,
        tenant_id=grant.tenant_id,
    )
    ledger.post(entries=[entry], now=now)


def _payable(grant: Grant) -> AccountKey:
    return accounts.payable(grant.expert_id, grant.currency, sandbox=_is_sandbox(grant.tenant_id))


def _holdback(grant: Grant) -> AccountKey:
    return accounts.holdback(grant.expert_id, grant.currency, sandbox=_is_sandbox(grant.tenant_id))


def _fees(grant: Grant) -> AccountKey:
    return accounts.fee_income(grant.currency, sandbox=_is_sandbox(grant.tenant_id))


def _to_payable(grant: Grant) -> Leg:
    return _payable(grant), grant.gross_minor


def _giver(grant: Grant) -> AccountKey:
    if grant.tenant_id is None:
        return accounts.expense("bonus", grant.currency)
    return accounts.lab_prepaid(grant.tenant_id, grant.currency)


def _approval(
    item: ApprovedTime, reservation: FundsReservation | None, sandbox: bool, left: dict[AccountKey, int]
) -> NewEntry:
    """The entry of one approved stretch; ``left`` is what the lab's accounts hold and is drawn down."""
    cost = item.gross_minor + item.fee_minor
    legs: list[Leg] = []
    for source in _sources(item, reservation):
        drawn = min(max(left[source], 0), cost)
        left[source] -= drawn
        cost -= drawn
        legs.append((source, -drawn))
    legs += [
        (accounts.lab_receivable(item.tenant_id, item.currency), -cost),
        (accounts.payable(item.expert_id, item.currency, sandbox=sandbox), item.gross_minor - item.holdback_minor),
        (accounts.holdback(item.expert_id, item.currency, sandbox=sandbox), item.holdback_minor),
        (accounts.fee_income(item.currency, sandbox=sandbox), item.fee_minor),
    ]
    return NewEntry(
        kind=TIME_APPROVED,
        source_id=item.source_id,
        seq=item.seq,
        effective_at=item.effective_at,
        legs=legs,
        tenant_id=item.tenant_id,
    )


def _sources(item: ApprovedTime, reservation: FundsReservation | None) -> list[AccountKey]:
    """The lab's accounts that pay, in order."""
    prepaid = accounts.lab_prepaid(item.tenant_id, item.currency)
    if reservation is None or reservation.currency != item.currency:
        return [prepaid]
    return [reservations.account_of(reservation), prepaid]


def _touched(items: Iterable[ApprovedTime], held: dict[int, FundsReservation], sandboxes: set[int]) -> list[AccountKey]:
    """Every account with a limit that approvals may move, for one ordered lock."""
    keys: list[AccountKey] = []
    for item in items:
        sandbox = item.tenant_id in sandboxes
        keys += [
            *_sources(item, held.get(item.contract_id)),
            accounts.lab_receivable(item.tenant_id, item.currency),
            accounts.payable(item.expert_id, item.currency, sandbox=sandbox),
            *([accounts.holdback(item.expert_id, item.currency, sandbox=sandbox)] if item.holdback_minor else []),
        ]
    return keys


def _unwritten(kind: str, items: list[ApprovedTime]) -> list[ApprovedTime]:
    written = set(
        JournalEntry.objects.filter(kind=kind, source_id__in=[item.source_id for item in items]).values_list(
            "source_id", "seq"
        )
    )
    return [item for item in items if (item.source_id, item.seq) not in written]


def _is_written(kind: str, source_id: str) -> bool:
    with scope.as_platform():
        return JournalEntry.objects.filter(kind=kind, source_id=source_id).exists()


def _sandboxes(tenant_ids: set[int]) -> set[int]:
    return set(Tenant.objects.filter(pk__in=tenant_ids, live__isnull=False).values_list("pk", flat=True))


def _is_sandbox(tenant_id: int | None) -> bool:
    return tenant_id is not None and bool(_sandboxes({tenant_id}))
