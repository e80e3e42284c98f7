"""Euros by file: one pain.001 per batch is written down, handed over, and answered by pain.002 and statements.

``ACCEPTED`` means here that the file was handed over: the bank may execute it from now on, and nothing but the bank's
own refusal may make a second attempt. What became of it the bank's files say, whenever they come; a refusal that comes
later reads as ``failed``. A channel that provably failed answers ``LATER``; one that fell silent ``UNKNOWN``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, connection

from core.public import unit_of_work
from payments.models import BankFile, BankTransfer
from payments.operations.bank import bank_files
from payments.providers import pain001
from payments.providers.pain001 import Unwritable
from payments.providers.port import (
    Answer,
    Capability,
    InvalidSignature,
    Movement,
    Order,
    ProviderEvent,
    ProviderUnavailable,
    Settled,
    Standing,
    Verdict,
)

NAME: Final = "sepa_file"
PAGE: Final = 500
_STANDINGS: Final = {
    BankTransfer.Status.FILED: Standing.ACCEPTED,
    BankTransfer.Status.ACCEPTED: Standing.IN_TRANSIT,
    BankTransfer.Status.REJECTED: Standing.FAILED,
    BankTransfer.Status.BOOKED: Standing.PAID,
    BankTransfer.Status.RETURNED: Standing.RETURNED,
    BankTransfer.Status.BARRED: Standing.CANCELLED,
}
log = structlog.get_logger(__name__)


class SepaFileProvider:
    """See the module."""

    name: ClassVar[str] = NAME
    method_types: ClassVar[frozenset[str]] = frozenset({"iban"})
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    key_window: ClassVar[dt.timedelta] = dt.timedelta(days=3650)
    """Keys are remembered in our own table, for ever: sending one again never makes a second transfer."""
    quiet: ClassVar[dt.timedelta] = dt.timedelta(minutes=5)
    asked_together: ClassVar[int] = 100

    def takes(self, currency: str) -> bool:
        """Euros."""
        return currency == pain001.CURRENCY

    def submit(self, orders: Sequence[Order], *, now: dt.datetime) -> list[Answer]:
        """File what is in no file yet, hand over what was not, and say what became of each order."""
        _outside_a_transaction()
        refused = {order.key: answer for order in orders if (answer := _refusal(order)) is not None}
        good = [order for order in orders if order.key not in refused]
        try:
            bank_files.file_orders(provider=self.name, orders=good, now=now)
        except IntegrityError as error:
            raise ProviderUnavailable("Somebody else files the same orders.") from error
        for pk in _to_hand_over(good):
            _hand_over(pk, now)
        return [*refused.values(), *_answers(good)]

    def lookup(self, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        """What the bank said about keys; those that nobody can have handed over are missing."""
        with unit_of_work(bank_files.CLERK):
            rows = BankTransfer.objects.filter(provider=self.name, key__in=list(keys)).select_related("file")
            return {row.key: _movement(row) for row in rows if _is_out(row) or row.status == row.Status.BARRED}

    def cancel(self, key: str, *, now: dt.datetime) -> Movement:
        """Bar the key where its file was provably not handed over; else it stands where it stands."""
        _outside_a_transaction()
        return _movement(bank_files.bar(provider=self.name, key=key, now=now))

    def settlements(self, *, since: dt.datetime, now: dt.datetime, after: str = "") -> list[Settled]:
        """Transfers that were booked, refused or sent back since then."""
        decided = (BankTransfer.Status.BOOKED, BankTransfer.Status.RETURNED, BankTransfer.Status.REJECTED)
        with unit_of_work(bank_files.CLERK):
            rows = BankTransfer.objects.filter(provider=self.name, changed_at__gte=since, status__in=decided)
            return [_settled(row) for row in rows.filter(pk__gt=int(after or 0)).order_by("pk")[:PAGE]]

    def parse_event(self, raw: bytes, headers: Mapping[str, str], *, now: dt.datetime) -> list[ProviderEvent]:
        """Banks leave files in the channel; whoever knocks over HTTP is not the bank."""
        raise InvalidSignature("The bank sends no events over HTTP.")


def _outside_a_transaction() -> None:
    """Whoever calls from a transaction could roll back what the bank already has."""
    if connection.in_atomic_block:
        raise RuntimeError("The bank is called in no transaction.")


def _refusal(order: Order) -> Answer | None:
    try:
        pain001.check(order)
    except Unwritable as error:
        return Answer(order.key, Verdict.REJECTED, code=error.code, detail=str(error))
    return None


def _to_hand_over(orders: Sequence[Order]) -> list[int]:
    with unit_of_work(bank_files.CLERK):
        waiting = (BankFile.Status.WRITTEN, BankFile.Status.SENDING)
        mine = BankFile.objects.filter(status__in=waiting, transfers__key__in=[order.key for order in orders])
        return list(mine.order_by("pk").distinct().values_list("pk", flat=True))


def _hand_over(pk: int, now: dt.datetime) -> None:
    try:
        bank_files.hand_over(file_id=pk, now=now)
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # whatever a channel raises, the file may have arrived: it stays as being handed over
        log.exception("bank_channel_failed", file=pk)


def _answers(orders: Sequence[Order]) -> list[Answer]:
    with unit_of_work(bank_files.CLERK):
        rows = BankTransfer.objects.filter(key__in=[order.key for order in orders]).select_related("file")
        by_key = {row.key: row for row in rows}
    return [_answer(order, by_key[order.key]) for order in orders]


def _answer(order: Order, row: BankTransfer) -> Answer:
    if row.status in {BankTransfer.Status.BARRED, BankTransfer.Status.REJECTED}:
        return Answer(order.key, Verdict.REJECTED, code=row.code, detail=f"The bank does not execute it ({row.code}).")
    if row.request_hash != order.request_hash:
        return Answer(order.key, Verdict.UNKNOWN, code="key_mismatch", detail="The key was used for another request.")
    if not _is_out(row):
        return Answer(order.key, Verdict.LATER, code="not_handed_over")
    if row.file is not None and row.file.status == BankFile.Status.SENDING:
        return Answer(order.key, Verdict.UNKNOWN, code="handing_over", detail="The hand-over gave no answer.")
    return Answer(order.key, Verdict.ACCEPTED, movement_id=row.end_to_end_id)


def _is_out(row: BankTransfer) -> bool:
    """Whether the bank may have it."""
    if row.status == BankTransfer.Status.FILED:
        return row.file is not None and row.file.status in BankFile.MAY_BE_EXECUTED
    return row.status not in {BankTransfer.Status.WAITING, BankTransfer.Status.BARRED}


def _settled(row: BankTransfer) -> Settled:
    movement = _movement(row)
    return Settled(str(row.pk), row.key, lambda: movement)


def _movement(row: BankTransfer) -> Movement:
    shows_code = row.status in {row.Status.REJECTED, row.Status.RETURNED, row.Status.BARRED}
    return Movement(
        key=row.key,
        standing=_STANDINGS[BankTransfer.Status(row.status)],
        movement_id=row.end_to_end_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        code=row.code if shows_code else "",
    )
