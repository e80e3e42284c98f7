"""What labs set aside for contracts: two rolling weeks at the cap, with the fee. Answers the port `marketplace.ports.funds`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from core import scope, states
from marketplace.ports import BalanceView, InsufficientFunds
from marketplace.public import reservation_for, snapshots_from
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry
from payments.models import AccountBalance, FundsReservation

if TYPE_CHECKING:
    from marketplace.public import Contract, RateSnapshot

_LAB_KINDS = ("lab_prepaid", "lab_reserved", "lab_receivable")


def reserve_contract(*, contract: Contract, snapshot: RateSnapshot, now: dt.datetime) -> None:
    """Set aside two weeks at the cap, in the caller's transaction. Raises InsufficientFunds; running it again is harmless."""
    target = _two_weeks(snapshot)
    with scope.as_platform():
        reservation, is_new = FundsReservation.objects.get_or_create(
            contract_id=contract.pk,
            defaults={"tenant_id": contract.tenant_id, "currency": snapshot.currency, "target_minor": target},
        )
        if not is_new:
            return
        prepaid = accounts.lab_prepaid(contract.tenant_id, snapshot.currency)
        available = ledger.lock(keys=[prepaid, account_of(reservation)], now=now)[prepaid]
        if available < target:
            # It is the expert who hears this, so it names no amounts of the lab.
            raise InsufficientFunds(_("The lab's balance does not cover two weeks at the weekly cap."))
        _move(reservation, target, now=now)


def release_contract(*, contract: Contract, now: dt.datetime) -> None:
    """Give back what an ended contract has not used; later approvals of it draw on the prepaid balance."""
    with scope.as_platform():
        reservation = (
            FundsReservation.objects.select_for_update(no_key=True, of=("self",))
            .filter(contract_id=contract.pk, status=FundsReservation.Status.HELD)
            .first()
        )
        if reservation is None:
            return
        states.move(reservation, FundsReservation.Status.RELEASED)
        reservation.released_at = now
        reservation.save(update_fields=["status", "released_at"])
        refill(reservations=[reservation], now=now)


def follow_terms(*, contract: Contract, now: dt.datetime) -> None:
    """Bring a reservation to the most that terms in force or agreed for later ask for; what is too much goes back.

    So a raise is covered from the day it is agreed on, and a cut frees money once it is in force. Raises
    InsufficientFunds, and nothing has changed then; running it again is harmless.
    """
    with scope.as_platform():
        reservation = of_contracts({contract.pk}).get(contract.pk)
        terms = snapshots_from(contract.pk, now)
        if reservation is None or reservation.status != FundsReservation.Status.HELD or not terms:
            return
        target = max(_two_weeks(snapshot) for snapshot in terms)
        if target != reservation.target_minor:
            _resize(reservation, target, now=now)


def follow_terms_due(*, now: dt.datetime) -> int:
    """Follow the terms of every contract that has other ones now than when it was signed; returns how many moved."""
    moved = 0
    amended = FundsReservation.objects.filter(
        status=FundsReservation.Status.HELD, contract__snapshots__valid__endswith__lte=now
    )
    for reservation in amended.select_related("contract").distinct().order_by("pk"):
        with transaction.atomic():
            follow_terms(contract=reservation.contract, now=now)
        moved += 1
    return moved


def refill(*, reservations: Iterable[FundsReservation], now: dt.datetime) -> None:
    """Empty locked reservations that are released, pay the lab's debt, and fill the others from what is prepaid."""
    held = sorted(reservations, key=lambda reservation: reservation.pk)
    keys = [key for reservation in held for key in (account_of(reservation), *_own_of(reservation))]
    left = ledger.lock(keys=keys, now=now)
    for reservation in held:
        prepaid, inside = _own_of(reservation)[0], left[account_of(reservation)]
        if reservation.status == FundsReservation.Status.RELEASED:
            _move(reservation, -inside, now=now)
            left[prepaid] += inside
        _settle_own_debt(reservation, left, now=now)
        if reservation.status == FundsReservation.Status.HELD:
            minor = max(0, min(reservation.target_minor - inside, left[prepaid]))
            left[prepaid] -= minor
            _move(reservation, minor, now=now)


def settle_debt(*, tenant_id: int, currency: str, source_id: str, now: dt.datetime) -> None:
    """Pay what a lab owes from what it has prepaid, and give back what it paid beyond its debt.

    ``source_id`` is what gave the lab the money; it does so once. Both accounts are locked by the caller.
    """
    prepaid, owing = accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)
    left = ledger.lock(keys=[prepaid, owing], now=now)
    minor = min(left[prepaid], -left[owing])
    legs = [(prepaid, -minor), (owing, minor)]
    ledger.post(entries=[NewEntry("receivable_settled", source_id, now, legs, tenant_id=tenant_id)], now=now)


def balances(*, tenant_id: int) -> list[BalanceView]:
    """What the lab has in each currency it ever had."""
    with scope.as_platform():
        rows = list(
            AccountBalance.objects.filter(account__tenant=tenant_id, account__kind__in=_LAB_KINDS)
            .order_by("account__currency")
            .values_list("account__currency", "account__kind", "balance")
        )
    sums: dict[str, dict[str, int]] = {}
    for currency, kind, balance in rows:
        by_kind = sums.setdefault(currency, dict.fromkeys(_LAB_KINDS, 0))
        by_kind[kind] += balance
    return [
        BalanceView(
            currency=currency,
            available_minor=by_kind["lab_prepaid"],
            reserved_minor=by_kind["lab_reserved"],
            receivable_minor=-by_kind["lab_receivable"],
        )
        for currency, by_kind in sums.items()
    ]


def may_claim(*, tenant_id: int) -> bool:
    """Whether the lab owes nothing: with a debt, new claims wait until it funds."""
    with scope.as_platform():
        owing = AccountBalance.objects.filter(account__tenant=tenant_id, account__kind="lab_receivable", balance__lt=0)
        return not owing.exists()


def of_contracts(contract_ids: set[int]) -> dict[int, FundsReservation]:
    """Reservations by their contract, locked until the transaction ends."""
    found = (
        FundsReservation.objects.select_for_update(no_key=True, of=("self",))
        .filter(contract_id__in=contract_ids)
        .order_by("pk")
    )
    return {reservation.contract_id: reservation for reservation in found}


def account_of(reservation: FundsReservation) -> AccountKey:
    """The account that holds what is reserved."""
    return accounts.lab_reserved(reservation.tenant_id, reservation.public_id, reservation.currency)


def _own_of(reservation: FundsReservation) -> tuple[AccountKey, AccountKey]:
    """The lab's own accounts: what it has prepaid, what it owes."""
    tenant_id, currency = reservation.tenant_id, reservation.currency
    return accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)


def _two_weeks(snapshot: RateSnapshot) -> int:
    return reservation_for(
        weekly_cap_seconds=snapshot.week_cap_seconds, rate_minor=snapshot.rate_minor, fee_bp=snapshot.fee_bp
    )


def _resize(reservation: FundsReservation, target: int, *, now: dt.datetime) -> None:
    """Give a locked reservation another size."""
    (prepaid, owing), inside = _own_of(reservation), account_of(reservation)
    left = ledger.lock(keys=[prepaid, owing, inside], now=now)
    if left[prepaid] < target - reservation.target_minor:
        raise InsufficientFunds(_("The lab's balance does not cover two weeks of these terms."))
    reservation.target_minor = target
    reservation.save(update_fields=["target_minor"])
    _move(reservation, min(0, target - left[inside]), now=now)
    refill(reservations=[reservation], now=now)


def _settle_own_debt(reservation: FundsReservation, left: dict[AccountKey, int], *, now: dt.datetime) -> None:
    """Debt and money never stand side by side, and what was paid beyond the debt comes back."""
    prepaid, owing = _own_of(reservation)
    minor = min(left[prepaid], -left[owing])
    if minor:
        left[prepaid] -= minor
        left[owing] += minor
        _post(reservation, "receivable_settled", [(prepaid, -minor), (owing, minor)], now=now)


def _move(reservation: FundsReservation, minor: int, *, now: dt.datetime) -> None:
    """Fill the reservation with ``minor`` from what is prepaid, or empty it when that is negative."""
    if not minor:
        return
    kind = "budget_reserved" if minor > 0 else "reservation_released"
    _post(reservation, kind, [(_own_of(reservation)[0], -minor), (account_of(reservation), minor)], now=now)


def _post(reservation: FundsReservation, kind: str, legs: list[Leg], *, now: dt.datetime) -> None:
    """One entry of the reservation; ``movements`` tells it from all others."""
    entry = NewEntry(kind, reservation.public_id, now, legs, seq=reservation.movements, tenant_id=reservation.tenant_id)
    ledger.post(entries=[entry], now=now)
    reservation.movements += 1
    reservation.save(update_fields=["movements"])
