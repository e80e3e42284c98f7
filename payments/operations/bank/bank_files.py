"""Payment files on their way to a bank, and what the bank said about each transfer in them.

Everything is committed before the channel sees it. A key is in one file that may be handed over; what was perhaps
handed over is handed over again as the same bytes, which the bank knows by their message id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils.translation import gettext_lazy

from core import ids, states, vault
from core.problems import Conflict
from core.public import Principal, User, unit_of_work
from payments import payout_details
from payments.models import BankFile, BankMessage, BankTransfer
from payments.providers import bank_channel, pain001
from payments.providers.bank_channel import NotDelivered
from payments.providers.pain001 import Debtor
from payments.providers.port import Order

CLERK: Final = Principal.system("payments.bank_files")
BANK_DAY: Final = ZoneInfo("Europe/Berlin")
_SATURDAY: Final = 5
log = structlog.get_logger(__name__)


class AlreadyBooked(Conflict):
    """The bank has booked transfers of this file: it was executed, whatever anybody says."""

    code = "bank_file_booked"
    title = gettext_lazy("Transfers of this file were booked")


def debtor() -> Debtor:
    """Whose account pays, from the settings."""
    return Debtor(settings.BANK_ACCOUNT_NAME, settings.BANK_ACCOUNT_IBAN, settings.BANK_ACCOUNT_BIC)


def sealed(content: bytes, *, owner: str) -> bytes:
    """A file as it is kept: it names accounts in full."""
    return vault.seal({"file": content.decode("latin-1")}, owner=owner)


def opened(row: BankFile | BankMessage) -> bytes:
    """The bytes of a file, as they were handed over or came."""
    return vault.open_sealed(bytes(row.sealed_content), owner=row.public_id)["file"].encode("latin-1")


def file_orders(*, provider: str, orders: Sequence[Order], now: dt.datetime) -> None:
    """Put orders that are in no file into a new one, and commit it; orders that are in one stay where they are."""
    if not orders:
        return
    with unit_of_work(CLERK):
        rows = {row.key: row for row in _locked_transfers([order.key for order in orders])}
        fresh = [order for order in orders if order.key not in rows or _waits(rows[order.key], order)]
        if not fresh:
            return
        file = _write(provider, fresh, now)
        BankTransfer.objects.bulk_create(
            [_transfer(provider, order, file, now) for order in fresh if order.key not in rows]
        )
        for row in (rows[order.key] for order in fresh if order.key in rows):
            row.file = file
            _move(row, BankTransfer.Status.FILED, now=now)


def hand_over(*, file_id: int, now: dt.datetime) -> None:
    """Give a file to the channel, in no transaction. What cannot be proven to have failed may have arrived."""
    with unit_of_work(CLERK):
        file = _locked_file(file_id)
        if file.status not in {BankFile.Status.WRITTEN, BankFile.Status.SENDING}:
            return
        if file.transfers.exclude(status=BankTransfer.Status.FILED).exists():
            arrived(file=file, now=now)  # the bank spoke of its transfers: never give it a chance to execute them again
            return
        was_written = file.status == BankFile.Status.WRITTEN
        if not was_written and file.created_at < now - dt.timedelta(days=settings.BANK_KNOWS_FILES_DAYS):
            return  # the bank might take it for a new one: a person decides
        if was_written:
            states.move(file, BankFile.Status.SENDING)
        file.deliveries += 1
        mine = file.deliveries
        file.save()
    failed = _delivered(file)
    with unit_of_work(CLERK):
        file = _locked_file(file_id)
        if file.status != BankFile.Status.SENDING:
            return  # the bank has answered meanwhile
        if not failed:
            states.move(file, BankFile.Status.HANDED_OVER)
            file.handed_over_at = now
        elif was_written and file.deliveries == mine:  # nobody else tried: it is proven that nobody has it
            states.move(file, BankFile.Status.WRITTEN)
        file.save()


def hand_over_unfinished(*, now: dt.datetime) -> int:
    """Hand over again what somebody died over, as long as the bank would know it again; how many files.

    What was tried least comes first: one that takes all the time that a job has must not stand before the others.
    The same bytes under the same message id: a bank that has them answers DUPL and executes nothing.
    """
    lease = dt.timedelta(seconds=settings.PAYOUT_LEASE_SECONDS)
    with unit_of_work(CLERK):
        due = BankFile.objects.filter(status=BankFile.Status.SENDING, created_at__lte=now - lease)
        pks = list(due.order_by("deliveries", "pk").values_list("pk", flat=True))
    for pk in pks:
        try:
            hand_over(file_id=pk, now=now)
        except SoftTimeLimitExceeded:
            raise
        except Exception:  # a seal that cannot be opened, a channel that fails: that must not stop the other files
            log.exception("bank_file_not_handed_over", file=pk)
    return len(pks)


def bar(*, provider: str, key: str, now: dt.datetime) -> BankTransfer:
    """Make sure that a key is never executed, where that can be proven; the transfer as it stands then.

    A file that nobody handed over is withdrawn for it; its other transfers wait for the next file.
    """
    with unit_of_work(CLERK):
        row = BankTransfer.objects.filter(key=key).first()
        if row is None:
            return BankTransfer.objects.create(
                provider=provider,
                key=key,
                end_to_end_id=pain001.end_to_end_id(key),
                amount_minor=0,
                status=BankTransfer.Status.BARRED,
                code="cancelled",
                changed_at=now,
            )
        file = _locked_file(row.file_id) if row.file_id else None
        (row,) = _locked_transfers([key])
        if row.status == BankTransfer.Status.FILED and file and file.status == BankFile.Status.WRITTEN:
            _withdraw(file, now=now)
            row.refresh_from_db()
        if row.status == BankTransfer.Status.WAITING:
            row.code = "cancelled"
            _move(row, BankTransfer.Status.BARRED, now=now)
        return row


def arrived(*, file: BankFile, now: dt.datetime) -> None:
    """The bank has the file, though it did not answer for it."""
    if file.status == BankFile.Status.SENDING:
        states.move(file, BankFile.Status.HANDED_OVER)
        file.handed_over_at = now
        file.save()


def answered(*, file: BankFile, accepted: bool, code: str, now: dt.datetime) -> None:
    """The bank's word about a whole file. One that was handed over in silence has evidently arrived."""
    to = BankFile.Status.ACCEPTED if accepted else BankFile.Status.REJECTED
    if file.status != to and states.can_move(file, to):
        states.move(file, to)
    file.handed_over_at = file.handed_over_at or now
    file.answered_at = file.answered_at or now
    file.code = code[:40]
    file.save()


def accepted(row: BankTransfer, *, now: dt.datetime) -> None:
    """The bank will execute it. News that comes late changes nothing."""
    if row.status == BankTransfer.Status.FILED:
        _move(row, BankTransfer.Status.ACCEPTED, now=now)


def rejected(row: BankTransfer, *, code: str, now: dt.datetime) -> bool:
    """The bank refuses it; False when it was executed all the same, which a person has to look at."""
    if row.status in {BankTransfer.Status.FILED, BankTransfer.Status.ACCEPTED}:
        row.code = (code or "RJCT")[:40]
        _move(row, BankTransfer.Status.REJECTED, now=now)
    return row.status == BankTransfer.Status.REJECTED


def booked(row: BankTransfer, *, now: dt.datetime) -> None:
    """The money left our account."""
    if row.status in {BankTransfer.Status.FILED, BankTransfer.Status.ACCEPTED}:
        _move(row, BankTransfer.Status.BOOKED, now=now)


def returned(row: BankTransfer, *, code: str, now: dt.datetime) -> None:
    """The money came back; a return that overtakes its debit proves it."""
    booked(row, now=now)
    if row.status == BankTransfer.Status.BOOKED:
        row.code = (code or "returned")[:40]
        _move(row, BankTransfer.Status.RETURNED, now=now)


def require_unbooked(file: BankFile) -> BankFile:
    """The file, locked, when it may still be said that the bank refuses it. Raises AlreadyBooked, InvalidTransition."""
    file = _locked_file(file.pk)
    was_executed = (BankTransfer.Status.BOOKED, BankTransfer.Status.RETURNED)
    if any(row.status in was_executed for row in locked_of_file(file)):
        raise AlreadyBooked
    if not states.can_move(file, BankFile.Status.REJECTED):
        states.move(file, BankFile.Status.REJECTED)  # says why
    return file


def never_arrived(*, file: BankFile, reason: str, by: User, now: dt.datetime) -> BankFile:
    """A person has it in writing that the bank does not execute this file: its transfers are refused.

    Above the threshold of four eyes two people have (`silent_files`). Raises AlreadyBooked, InvalidTransition.
    """
    file = require_unbooked(file)
    states.move(file, BankFile.Status.REJECTED)
    file.code, file.reason, file.answered_at = "not_executed", f"{by}: {reason}"[:300], now
    file.save()
    for row in locked_of_file(file):
        rejected(row, code="not_executed", now=now)
    log.warning("bank_file_given_up", file=file.message_id, by=by.public_id)
    return file


def locked_of_file(file: BankFile) -> list[BankTransfer]:
    """Its transfers, locked."""
    return _locked_transfers(file.transfers.values_list("key", flat=True))


def _locked_file(pk: int) -> BankFile:
    return BankFile.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)


def _locked_transfers(keys: Iterable[str]) -> list[BankTransfer]:
    rows = BankTransfer.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    return list(rows.filter(key__in=list(keys)))


def _waits(row: BankTransfer, order: Order) -> bool:
    return row.status == BankTransfer.Status.WAITING and row.request_hash == order.request_hash


def _write(provider: str, orders: Sequence[Order], now: dt.datetime) -> BankFile:
    day = execution_day(now)
    version = settings.BANK_PAIN001_VERSION
    message_id, content = pain001.write(orders, debtor=debtor(), version=version, execute_on=day, now=now)
    public_id = ids.new_id("bkf")
    return BankFile.objects.create(
        public_id=public_id,
        provider=provider,
        message_id=message_id,
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        sealed_content=sealed(content, owner=public_id),
        orders=len(orders),
        total_minor=sum(order.amount_minor for order in orders),
        currency=pain001.CURRENCY,
        execute_on=day,
        created_at=now,
    )


def execution_day(now: dt.datetime) -> dt.date:
    """Today where the bank is, or the Monday after a weekend; holidays the bank rolls on by itself."""
    day = now.astimezone(BANK_DAY).date()
    return day + dt.timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= _SATURDAY else 0)


def _transfer(provider: str, order: Order, file: BankFile, now: dt.datetime) -> BankTransfer:
    return BankTransfer(
        file=file,
        provider=provider,
        key=order.key,
        end_to_end_id=pain001.end_to_end_id(order.key),
        payout_id=order.reference,
        request_hash=order.request_hash,
        account=payout_details.masked(order.method_type, order.details),
        amount_minor=order.amount_minor,
        currency=order.currency,
        status=BankTransfer.Status.FILED,
        changed_at=now,
    )


def _delivered(file: BankFile) -> bool:
    """Whether it is proven that the hand-over failed."""
    try:
        bank_channel.channel().deliver(f"{file.message_id}.xml", opened(file))
    except NotDelivered as error:
        log.warning("bank_file_not_delivered", file=file.message_id, error=str(error))
        return True
    return False


def _withdraw(file: BankFile, *, now: dt.datetime) -> None:
    states.move(file, BankFile.Status.WITHDRAWN)
    file.save()
    for row in locked_of_file(file):
        _move(row, BankTransfer.Status.WAITING, now=now)


def _move(row: BankTransfer, to: str, *, now: dt.datetime) -> None:
    states.move(row, to)
    row.changed_at = now
    row.save()
