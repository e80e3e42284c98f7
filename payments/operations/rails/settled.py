"""What is new in movements that a provider settled: payouts that do not stand there yet, and fees."""

from __future__ import annotations

import datetime as dt

import structlog
from django.db.models import Exists, OuterRef

from core.money import Money
from payments.models import Payout, PayoutAttempt
from payments.operations.bank import bank_charges
from payments.providers.port import Movement, Standing

_GIVEN = frozenset({Payout.Status.SUBMITTED, Payout.Status.IN_TRANSIT, Payout.Status.PAID})
"""States in which the movement that the provider took is known."""
log = structlog.get_logger(__name__)


def news(name: str, movements: list[Movement]) -> dict[str, Movement]:
    """Movements whose payouts do not stand there yet, by key: two weeks of the others need no lock."""
    told = {(movement.key, movement.movement_id): movement for movement in movements}
    keys = {movement.key for movement in movements}
    later = PayoutAttempt.objects.filter(payout=OuterRef("payout"), n__gt=OuterRef("n"))
    current = PayoutAttempt.objects.filter(~Exists(later), idem_key__in=keys, payout__provider=name)
    ours = {one.idem_key: one.payout for one in current.select_related("payout")}
    fresh = [one for one in told.values() if one.key in ours and not _is_followed(ours[one.key], one)]
    return {one.key: one for one in fresh if not _is_another(ours[one.key], one)}


def _is_another(payout: Payout, movement: Movement) -> bool:
    """Whether it is a second movement under the key: what becomes of that says nothing of the one that paid."""
    known = payout.provider_reference if payout.status in _GIVEN else ""
    if known in {"", movement.movement_id}:
        return False
    log.error("payout_moved_twice", payout=payout.public_id, known=known, movement=movement.movement_id)
    return True


def _is_followed(payout: Payout, movement: Movement) -> bool:
    if (movement.amount_minor, movement.currency) != (payout.amount_minor, payout.currency):
        return False
    if payout.status == Payout.Status.PAID:
        return movement.standing not in {Standing.RETURNED, Standing.FAILED}
    return payout.status in {Payout.Status.RETURNED, Payout.Status.FAILED, Payout.Status.CANCELLED}


def book_fees(name: str, movements: list[Movement], *, now: dt.datetime) -> None:
    """What a provider took for our movements, each once: the movement's id is the fee's reference."""
    charged = {movement.key: movement for movement in movements if movement.fee_minor > 0}
    ours = PayoutAttempt.objects.filter(idem_key__in=charged, payout__provider=name).order_by("pk")
    for key in ours.values_list("idem_key", flat=True):
        movement = charged[key]
        amount = Money(movement.fee_minor, movement.currency)
        try:
            bank_charges.fee(provider=name, reference=movement.movement_id, amount=amount, now=now)
        except bank_charges.ChargeRecorded:  # must not keep returned money from its owners
            log.error("provider_fee_differs", provider=name, reference=movement.movement_id)
