"""What labs set aside for contracts: two rolling weeks at the cap, with the fee. Answers `marketplace.ports.funds`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from core import scope, states
from core.public import Principal
from core.sweeps import sweep
from marketplace.ports import BalanceView, InsufficientFunds
from marketplace.public import reservation_for, snapshots_from
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry
from payments.models import AccountBalance, FundsReservation
from payments.operations.labs import lab_funds
from payments.operations.labs.lab_funds import LabFunds

if TYPE_CHECKING:
    from marketplace.public import Contract, RateSnapshot

FOLLOWER: Final = Principal.system("payments.follow_terms")
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
        funds = lab_funds.locked(
            tenant_id=contract.tenant_id, currency=snapshot.currency, now=now, also=[account_of(reservation)]
        )
        if funds.available < target:
            # It is the expert who hears this, so it names no amounts of the lab.
            raise InsufficientFunds(_("The lab's balance does not cover two weeks at the weekly cap."))
        _fill(reservation, target, funds, now=now)


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
        if reservation is None or reservation.status != FundsReservation.Status.HELD:
            return
        target = _target_of(reservation, now=now)
        if target != reservation.target_minor:
            _resize(reservation, target, now=now)


def follow_terms_due(*, now: dt.datetime, after: int = 0) -> int:
    """Follow the terms of every contract that has other ones now than when it was signed; returns how many were asked.

    Each is a transaction of its own, so that nobody waits for two labs' money at once, and one whose lab cannot cover
    its terms stops no other. What is right already is not even locked.
    """
    amended = FundsReservation.objects.filter(
        status=FundsReservation.Status.HELD, contract__snapshots__valid__endswith__lte=now
    ).distinct()

    def follow(pk: int) -> None:
        reservation = FundsReservation.objects.select_related("contract").get(pk=pk)
        if _target_of(reservation, now=now) != reservation.target_minor:
            follow_terms(contract=reservation.contract, now=now)

    return sweep(by=FOLLOWER, due=amended, step=follow, after=after)


def refill(*, reservations: Iterable[FundsReservation], now: dt.datetime) -> None:
    """Give back what locked reservations hold too much, pay the lab's debt, and fill them from prepaid and credit.

    A released one holds nothing; one that is held may have got back what a correction reversed.
    """
    held = sorted(reservations, key=lambda reservation: reservation.pk)
    keys = [key for reservation in held for key in (account_of(reservation), *_own_of(reservation))]
    left = ledger.lock(keys=keys, now=now)
    purses: dict[tuple[int, str], LabFunds] = {}
    for reservation in held:
        prepaid, owing = _own_of(reservation)
        whose = (reservation.tenant_id, reservation.currency)
        funds = purses.setdefault(whose, LabFunds(*whose, left[prepaid], -left[owing], ledger.credit_of(owing)))
        inside = left[account_of(reservation)]
        wanted = reservation.target_minor if reservation.status == FundsReservation.Status.HELD else 0
        excess = max(0, inside - wanted)
        _empty(reservation, excess, now=now)
        funds.prepaid += excess
        _settle_own_debt(reservation, funds, now=now)
        _fill(reservation, max(0, min(wanted - inside, funds.available)), funds, now=now)


def settle_debt(*, tenant_id: int, currency: str, source_id: str, now: dt.datetime) -> None:
    """Pay what a lab owes from what it has prepaid, and give back what it paid beyond its debt.

    ``source_id`` is what gave the lab the money; it does so once. Both accounts are locked by the caller.
    """
    prepaid, owing = lab_funds.keys(tenant_id, currency)
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
            .values_list("account__currency", "account__kind", "balance", "credit_minor")
        )
    sums: dict[str, dict[str, int]] = {}
    credit: dict[str, int] = {}
    for currency, kind, balance, credit_minor in rows:
        by_kind = sums.setdefault(currency, dict.fromkeys(_LAB_KINDS, 0))
        by_kind[kind] += balance
        credit[currency] = credit.get(currency, 0) + (credit_minor or 0)
    return [_view(currency, by_kind, credit.get(currency, 0)) for currency, by_kind in sums.items()]


def may_claim(*, tenant_id: int) -> bool:
    """Whether the lab owes no more than its credit (mostly: nothing): beyond it, new claims wait until it funds."""
    with scope.as_platform():
        owing = AccountBalance.objects.filter(account__tenant=tenant_id, account__kind="lab_receivable")
        return not owing.filter(balance__lt=-Coalesce("credit_minor", 0)).exists()


def of_contracts(contract_ids: set[int]) -> dict[int, FundsReservation]:
    """Reservations by their contract, locked until the transaction ends."""
    found = (
        FundsReservation.objects.select_for_update(no_key=True, of=("self",))
        .filter(contract_id__in=contract_ids)
        .order_by("pk")
    )
    return {reservation.contract_id: reservation for reservation in found}


def held_by(*, tenant_id: int, currency: str) -> list[FundsReservation]:
    """What a lab holds reserved in one currency, locked until the transaction ends."""
    rows = FundsReservation.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    return list(rows.filter(tenant=tenant_id, currency=currency, status=FundsReservation.Status.HELD))


def account_of(reservation: FundsReservation) -> AccountKey:
    """The account that holds what is reserved."""
    return accounts.lab_reserved(reservation.tenant_id, reservation.public_id, reservation.currency)


def _own_of(reservation: FundsReservation) -> tuple[AccountKey, AccountKey]:
    """The lab's own accounts: what it has prepaid, what it owes."""
    return lab_funds.keys(reservation.tenant_id, reservation.currency)


def _two_weeks(snapshot: RateSnapshot) -> int:
    return reservation_for(
        weekly_cap_seconds=snapshot.week_cap_seconds, rate_minor=snapshot.rate_minor, fee_bp=snapshot.fee_bp
    )


def _target_of(reservation: FundsReservation, *, now: dt.datetime) -> int:
    """The most that terms in force or agreed for later ask for; what it is already where there are none."""
    terms = snapshots_from(reservation.contract_id, now)
    return max(map(_two_weeks, terms), default=reservation.target_minor)


def _resize(reservation: FundsReservation, target: int, *, now: dt.datetime) -> None:
    """Give a locked reservation another size."""
    inside = account_of(reservation)
    funds = lab_funds.locked(tenant_id=reservation.tenant_id, currency=reservation.currency, now=now, also=[inside])
    if funds.available < target - reservation.target_minor:
        raise InsufficientFunds(_("The lab's balance does not cover two weeks of these terms."))
    reservation.target_minor = target
    reservation.save(update_fields=["target_minor"])
    refill(reservations=[reservation], now=now)


def _view(currency: str, by_kind: dict[str, int], credit: int) -> BalanceView:
    prepaid, owed = by_kind["lab_prepaid"], -by_kind["lab_receivable"]
    return BalanceView(
        currency=currency,
        available_minor=prepaid + max(0, credit - owed),
        reserved_minor=by_kind["lab_reserved"],
        receivable_minor=owed,
        prepaid_minor=prepaid,
        credit_limit_minor=credit,
    )


def _settle_own_debt(reservation: FundsReservation, funds: LabFunds, *, now: dt.datetime) -> None:
    """Debt and money never stand side by side, and what was paid beyond the debt comes back."""
    prepaid, owing = _own_of(reservation)
    minor = min(funds.prepaid, funds.owed)
    if minor:
        funds.prepaid -= minor
        funds.owed -= minor
        _post(reservation, "receivable_settled", [(prepaid, -minor), (owing, minor)], now=now)


def _fill(reservation: FundsReservation, minor: int, funds: LabFunds, *, now: dt.datetime) -> None:
    """Put ``minor`` into the reservation, from what is prepaid and then from credit."""
    if minor:
        _post(reservation, "budget_reserved", [*funds.draw(minor), (account_of(reservation), minor)], now=now)


def _empty(reservation: FundsReservation, minor: int, *, now: dt.datetime) -> None:
    """Give ``minor`` back to what is prepaid."""
    if minor:
        legs = [(account_of(reservation), -minor), (_own_of(reservation)[0], minor)]
        _post(reservation, "reservation_released", legs, now=now)


def _post(reservation: FundsReservation, kind: str, legs: list[Leg], *, now: dt.datetime) -> None:
    """One entry of the reservation; ``movements`` tells it from all others."""
    entry = NewEntry(kind, reservation.public_id, now, legs, seq=reservation.movements, tenant_id=reservation.tenant_id)
    ledger.post(entries=[entry], now=now)
    reservation.movements += 1
    reservation.save(update_fields=["movements"])
