"""Approved hours as journal entries. Every function is idempotent: its event is written once, however often it runs.

Amounts are minor units. What a lab pays comes first from the contract's reservation, then from its prepaid balance;
what neither covers becomes its debt (receivable), so that approved hours always post.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from core import scope
from core.public import Tenant
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry
from payments.models import FundsReservation, JournalEntry
from payments.operations.labs import reservations

TIME_APPROVED = "time_approved"
HOLDBACK_RELEASED = "holdback_released"


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


def time_approved(*, entries: Iterable[ApprovedTime], now: dt.datetime) -> None:
    """Pay approved hours: one journal entry each, then the reservations they drew on are filled up again."""
    with scope.as_platform():
        fresh = _unwritten(TIME_APPROVED, list(entries))
        if not fresh:
            return
        held = reservations.of_contracts({item.contract_id for item in fresh})
        sandboxes = Tenant.objects.sandboxes_among({item.tenant_id for item in fresh})
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
        sandboxes = Tenant.objects.sandboxes_among({corrected.tenant_id})
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
    with scope.as_platform():
        return JournalEntry.objects.filter(kind=HOLDBACK_RELEASED, source_id=source_id).exists()


def _undone_by(corrected: ApprovedTime, correction_id: str, *, now: dt.datetime) -> list[NewEntry]:
    """Reversals of the entry's last posting and, when that is done already, of the release of its holdback."""
    standing = JournalEntry.objects.filter(source_id=corrected.source_id, reversed_by=None)
    former = standing.get(kind=TIME_APPROVED, seq=corrected.seq - 1)
    undone = [ledger.reversal(entry_id=former.pk, kind="time_reversed", source_id=correction_id, now=now)]
    released = standing.filter(kind=HOLDBACK_RELEASED).first()
    if released is not None:
        undone.append(ledger.reversal(entry_id=released.pk, kind="holdback_reversed", source_id=correction_id, now=now))
    return undone


def lock_pay(*, tenant_id: int, contract_id: int, expert_id: int, currency: str, now: dt.datetime) -> dict[str, int]:
    """Lock everything that the pay of one contract moves, all at once; balances by kind of account."""
    with scope.as_platform():
        held = reservations.of_contracts({contract_id})
        sandbox = bool(Tenant.objects.sandboxes_among({tenant_id}))
        keys = [
            accounts.lab_prepaid(tenant_id, currency),
            accounts.lab_receivable(tenant_id, currency),
            accounts.payable(expert_id, currency, sandbox=sandbox),
            accounts.holdback(expert_id, currency, sandbox=sandbox),
            *(reservations.account_of(row) for row in held.values() if row.currency == currency),
        ]
        return {key.kind: minor for key, minor in ledger.lock(keys=keys, now=now).items()}


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
