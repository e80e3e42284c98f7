"""What labs set aside for contracts: two rolling weeks at the cap, with the fee. Answers the port `marketplace.ports.funds`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from core import scope, states
from marketplace.ports import BalanceView, InsufficientFunds
from marketplace.public import reservation_for
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import NewEntry
from payments.models import AccountBalance, FundsReservation

if TYPE_CHECKING:
    from marketplace.public import Contract, RateSnapshot

_LAB_KINDS = ("lab_prepaid", "lab_reserved", "lab_receivable")


def reserve_contract(*, contract: Contract, snapshot: RateSnapshot, now: dt.datetime) -> None:
    """Set aside two weeks at the cap, in the caller's transaction. Raises InsufficientFunds; running it again is harmless."""
    target = reservation_for(
        weekly_cap_seconds=snapshot.week_cap_seconds, rate_minor=snapshot.rate_minor, fee_bp=snapshot.fee_bp
    )
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


def refill(*, reservations: Iterable[FundsReservation], now: dt.datetime) -> None:
    """Fill locked reservations up to their target from what is prepaid, as far as that goes; empty released ones."""
    held = sorted(reservations, key=lambda reservation: reservation.pk)
    keys = [key for reservation in held for key in (account_of(reservation), _prepaid_of(reservation))]
    left = ledger.lock(keys=keys, now=now)
    for reservation in held:
        prepaid, inside = _prepaid_of(reservation), left[account_of(reservation)]
        if reservation.status == FundsReservation.Status.RELEASED:
            minor = -inside
        else:
            minor = max(0, min(reservation.target_minor - inside, left[prepaid]))
        left[prepaid] -= minor
        _move(reservation, minor, now=now)


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


def _prepaid_of(reservation: FundsReservation) -> AccountKey:
    return accounts.lab_prepaid(reservation.tenant_id, reservation.currency)


def _move(reservation: FundsReservation, minor: int, *, now: dt.datetime) -> None:
    """Fill the reservation with ``minor`` from what is prepaid, or empty it when that is negative."""
    if not minor:
        return
    entry = NewEntry(
        kind="budget_reserved" if minor > 0 else "reservation_released",
        source_id=reservation.public_id,
        seq=reservation.movements,
        effective_at=now,
        legs=[(_prepaid_of(reservation), -minor), (account_of(reservation), minor)],
        tenant_id=reservation.tenant_id,
    )
    ledger.post(entries=[entry], now=now)
    reservation.movements += 1
    reservation.save(update_fields=["movements"])
