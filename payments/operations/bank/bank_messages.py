"""What the bank sends: kept whatever it is, read once, and laid on the transfers and the account it speaks of.

Files may come in any order, twice, late or never. A status report moves transfers; a statement or a notification says
which money moved; the payouts follow through the port, as with every provider.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import ids, states
from core.problems import Conflict, DomainError
from core.public import Principal, unit_of_work
from core.wake import wake_after_commit
from payments.models import BankFile, BankMessage, BankTransfer
from payments.operations.bank import bank_files, reconciliation
from payments.providers import bank_channel, iso20022
from payments.providers.iso20022 import Message, StatusReport, Unreadable
from payments.vault import CannotOpen

COLLECTOR: Final = Principal.system("payments.collect_bank_files")
_DUPLICATE: Final = frozenset({"DUPL", "AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})
log = structlog.get_logger(__name__)


class RefusedByUs(Conflict):
    """The file was not applied: it cannot be read, is not about our account, or came before. It is kept, with the reason."""

    code = "bank_message_refused"
    title = gettext_lazy("This file was refused")


def collect(*, provider: str, now: dt.datetime) -> int:
    """Take what the bank left in the channel, apply it and put it away; how many files."""
    channel = bank_channel.channel()
    count = 0
    for file in channel.collect(most_bytes=settings.BANK_FILE_MOST_BYTES):
        with unit_of_work(COLLECTOR):
            message = receive(
                provider=provider,
                name=file.name,
                content=file.content,
                size=file.size,
                brought_by=COLLECTOR.label,
                now=now,
            )
        channel.put_away(file.name, refused=message.status == BankMessage.Status.REFUSED)
        count += 1
    return count + apply_received(now=now)


def receive(
    *, provider: str, name: str, content: bytes | None, size: int, brought_by: str, now: dt.datetime
) -> BankMessage:
    """Keep a file; one that cannot be used is refused at once. ``content`` is None when it was too large to read."""
    public_id = ids.new_id("bkm")
    row = BankMessage(
        public_id=public_id,
        provider=provider,
        name=name[:200],
        size=size,
        sha256=hashlib.sha256(content or b"").hexdigest(),
        sealed_content=bank_files.sealed(content or b"", owner=public_id),
        brought_by=brought_by,
        created_at=now,
    )
    if content is None:
        return _refuse(row, "too_large", _("The file has %(size)s bytes.") % {"size": size})
    try:
        message = iso20022.read(content)
    except Unreadable as error:
        return _refuse(row, error.code, str(error))
    row.kind, row.message_id = message.kind, message.message_id[:60]
    if message.reports and not any(_is_ours(report.account) for report in message.reports):
        return _refuse(row, "wrong_account", _("It is about another account than ours."))
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        again = _read_before(row)
        if again is not None:
            return again
        return _refuse_again(row)
    wake_after_commit("payments.collect_bank_files")
    return row


def apply_received(*, now: dt.datetime) -> int:
    """Apply every file that waits, each in a transaction of its own; one that fails waits, and alarms."""
    with unit_of_work(COLLECTOR):
        due = BankMessage.objects.filter(status=BankMessage.Status.RECEIVED).order_by("pk")
        pks = list(due.values_list("pk", flat=True))
    done = 0
    for pk in pks:
        try:
            with unit_of_work(COLLECTOR):
                done += apply(pk=pk, now=now)
        except Exception as error:  # a defect of ours must not stop the bank's other files
            log.exception("bank_message_failed", message=pk)
            _remember(pk, cause_of(error))
    return done


def cause_of(error: Exception) -> str:
    """Why a file could not be applied, in words that name nobody's account: other errors may quote what they read."""
    return str(error) if isinstance(error, DomainError | CannotOpen | Unreadable) else type(error).__name__


def _remember(pk: int, cause: str) -> None:
    with unit_of_work(COLLECTOR):
        row = BankMessage.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
        told = (BankMessage.CANNOT_APPLY, cause[:300])
        if row.status == BankMessage.Status.RECEIVED and (row.problem, row.detail) != told:
            row.problem, row.detail = told
            row.save(update_fields=["problem", "detail"])


def apply(*, pk: int, now: dt.datetime) -> bool:
    """Lay one message on our books; False when somebody else did."""
    rows = BankMessage.objects.select_for_update(no_key=True, of=("self",))
    row = rows.get(pk=pk)
    if row.status != BankMessage.Status.RECEIVED:
        return False
    message = iso20022.read(bank_files.opened(row))
    row.detail = _PARTS[message.kind](row, message, now)[:300] if message.kind in _PARTS else _("For information.")
    unknown = message.status is not None and row.detail == UNKNOWN_FILE
    if message.status is not None and unknown:
        row.detail = _("It answers the file %(file)s.") % {"file": message.status.original_message_id[:60]}
    states.move(row, BankMessage.Status.REFUSED if unknown else BankMessage.Status.APPLIED)
    row.problem = UNKNOWN_FILE if unknown else ""
    row.applied_at = now
    row.save()
    return True


UNKNOWN_FILE: Final = "unknown_file"


def _status_report(row: BankMessage, message: Message, now: dt.datetime) -> str:
    report = message.status
    if report is None:
        return ""
    files = BankFile.objects.select_for_update(no_key=True, of=("self",))
    file = files.filter(provider=row.provider, message_id=report.original_message_id).first()
    if file is None:
        return UNKNOWN_FILE
    if report.status == "RJCT" and report.reason in _DUPLICATE:
        # The bank knows the file already: the first copy stands, whatever becomes of it.
        log.info("bank_file_duplicate", file=file.message_id)
        bank_files.arrived(file=file, now=now)
        return _("The bank knew the file already: %(reason)s.") % {"reason": report.reason}
    return _answer(row, file, report, now)


def _answer(row: BankMessage, file: BankFile, report: StatusReport, now: dt.datetime) -> str:
    all_refused = report.status == "RJCT" and not any(tx.status != "RJCT" for tx in report.transfers)
    told = {tx.end_to_end_id: tx for tx in report.transfers}
    refused = 0
    for transfer in bank_files.locked_of_file(file):
        word = told.get(transfer.end_to_end_id)
        status = word.status if word else report.status
        code = word.reason if word and word.reason else report.reason
        if status == "RJCT" and code in _DUPLICATE:
            bank_files.accepted(transfer, now=now)  # only the second copy is refused: that proves nothing of the first
        elif status == "RJCT":
            refused += 1
            _reject(row, transfer, code, now)
        elif status and status not in {"PDNG", "RCVD", "CANC"}:
            bank_files.accepted(transfer, now=now)
    if report.status:
        bank_files.answered(
            file=file, accepted=not all_refused, code=report.reason if all_refused else report.status, now=now
        )
    return _("%(status)s: %(refused)d of %(orders)d refused.") % {
        "status": report.status or "–",
        "refused": refused,
        "orders": file.orders,
    }


def _reject(row: BankMessage, transfer: BankTransfer, code: str, now: dt.datetime) -> None:
    if not bank_files.rejected(transfer, code=code, now=now):
        reconciliation.conflict(
            transfer=transfer,
            day=now.date(),
            detail=_("%(message)s refuses it (%(code)s), but it was booked.") % {"message": row, "code": code},
        )


def _account_report(row: BankMessage, message: Message, now: dt.datetime) -> str:
    ours = [report for report in message.reports if _is_ours(report.account)]
    counts = [reconciliation.take_report(message=row, report=report, now=now) for report in ours]
    others = len(message.reports) - len(ours)
    text = _("%(count)d new movements.") % {"count": sum(counts)}
    return text + (_(" %(others)d other accounts left out.") % {"others": others} if others else "")


_PARTS: Final[dict[str, Callable[[BankMessage, Message, dt.datetime], str]]] = {
    iso20022.STATUS_REPORT: _status_report,
    iso20022.STATEMENT: _account_report,
    iso20022.NOTIFICATION: _account_report,
}


def _is_ours(account: str) -> bool:
    return bool(account) and account.replace(" ", "") == settings.BANK_ACCOUNT_IBAN


def _read_before(row: BankMessage) -> BankMessage | None:
    """The same file of the channel, which somebody read and did not live to put away (or reads right now)."""
    kept = BankMessage.objects.exclude(status=BankMessage.Status.REFUSED)
    same = kept.filter(provider=row.provider, sha256=row.sha256, name=row.name, brought_by=COLLECTOR.label)
    return same.first() if row.brought_by == COLLECTOR.label else None


def _refuse_again(row: BankMessage) -> BankMessage:
    kept = BankMessage.objects.exclude(status=BankMessage.Status.REFUSED).filter(provider=row.provider)
    if kept.filter(sha256=row.sha256).exists():
        return _refuse(row, BankMessage.SAME_BYTES, _("The same file came before."))
    return _refuse(row, "id_reused", _("Another file with its message id came before."))


def _refuse(row: BankMessage, problem: str, detail: str) -> BankMessage:
    row.status, row.problem, row.detail = BankMessage.Status.REFUSED, problem, detail[:300]
    row.save()
    log.error("bank_message_refused", provider=row.provider, name=row.name, problem=problem)
    return row
