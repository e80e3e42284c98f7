"""What the bank sends: kept whatever it is, read once, and laid on the transfers and the account it speaks of.

Files may come in any order, twice, late or never. A status report moves transfers; a statement or a notification says
which money moved; the payouts follow through the port, as with every provider.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import ids, states
from core.problems import Conflict, DomainError
from core.public import Principal, User, unit_of_work
from core.vault import CannotOpen
from core.wake import wake_after_commit
from payments.models import BankFile, BankMessage, BankTransfer
from payments.operations.bank import bank_files, reconciliation
from payments.providers import bank_channel, iso20022
from payments.providers.iso20022 import DUPLICATE, Message, StatusReport, Unreadable

COLLECTOR: Final = Principal.system("payments.collect_bank_files")
Trouble: TypeAlias = tuple[str, str | Promise]
"""A problem's code, and in words."""
log = structlog.get_logger(__name__)


class RefusedByUs(Conflict):
    """The file was not applied: it cannot be read, is not about our account, or came before. It is kept, with the reason."""

    code = "bank_message_refused"
    title = gettext_lazy("This file was refused")


def collect(*, provider: str, now: dt.datetime) -> int:
    """Take what the bank left in the channel, put it away and apply what never failed; how many files."""
    channel = bank_channel.channel()
    count = 0
    for file in channel.collect(most_bytes=settings.BANK_FILE_MOST_BYTES):
        try:
            with unit_of_work(COLLECTOR):
                message = receive(provider=provider, name=file.name, content=file.content, size=file.size, now=now)
            channel.put_away(file.name, refused=message.status == BankMessage.Status.REFUSED)
        except SoftTimeLimitExceeded:
            raise
        except Exception:  # it stays in the channel; what came with it must not stay there too
            log.exception("bank_message_not_taken", name=file.name)
        else:
            count += 1
    _let_go_of_overtaken()
    return count + apply_received(now=now, again=False)


def receive(
    *, provider: str, name: str, content: bytes | None, size: int, now: dt.datetime, bringer: User | None = None
) -> BankMessage:
    """Keep a file; one that cannot be used is refused at once. ``content`` is None when it was too large to read.

    ``bringer`` is who brought it by hand: then it is held, without any effect, until another person admits it.
    """
    public_id = ids.new_id("bkm")
    row = BankMessage(
        public_id=public_id,
        provider=provider,
        name=name[:200],
        size=size,
        sha256=hashlib.sha256(content or b"").hexdigest(),
        sealed_content=bank_files.sealed(content or b"", owner=public_id),
        status=BankMessage.Status.HELD if bringer else BankMessage.Status.RECEIVED,
        brought_by=f"user:{bringer.public_id}" if bringer else COLLECTOR.label,
        bringer=bringer,
        created_at=now,
    )
    if content is None:
        return refuse(row, "too_large", _("The file has %(size)s bytes.") % {"size": size})
    if trouble := look_into(row, content):
        return refuse(row, *trouble)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return _read_before(row) or refuse(row, *(came_before(row) or _SAME))
    wake_after_commit("payments.collect_bank_files")
    return row


def look_into(row: BankMessage, content: bytes) -> Trouble | None:
    """Read a file into its row; why it cannot be used, where it cannot. Nothing is saved.

    What a person brought is looked into further, so that nobody is asked to admit what would be refused.
    """
    try:
        message = iso20022.read(content)
    except Unreadable as error:
        return error.code, str(error)
    row.kind, row.message_id = message.kind, message.message_id[:60]
    if message.reports and not any(is_ours(report.account) for report in message.reports):
        return "wrong_account", _("It is about another account than ours.")
    if row.bringer_id is None:
        return None
    report = message.status
    if report and not BankFile.objects.filter(provider=row.provider, message_id=report.original_message_id).exists():
        return UNKNOWN_FILE, _answers(report)
    return came_before(row)


def came_before(row: BankMessage) -> Trouble | None:
    """Whether another file that counts has the same bytes, or the same message id."""
    uncounted = (BankMessage.Status.HELD, BankMessage.Status.REFUSED)
    others = BankMessage.objects.filter(provider=row.provider).exclude(public_id=row.public_id)
    kept = others.exclude(status__in=uncounted)
    if kept.filter(sha256=row.sha256).exists():
        return _SAME
    if kept.filter(message_id=row.message_id).exists():
        return "id_reused", _("Another file with its message id came before.")
    return None


def apply_received(*, now: dt.datetime, again: bool) -> int:
    """Apply every file that waits, each in a transaction of its own; one that fails waits, and alarms.

    ``again`` says whether those that failed before, which come last of all that is read and sent: one that takes all
    the time that a job has must not stand before anything else.
    """
    with unit_of_work(COLLECTOR):
        due = BankMessage.objects.filter(status=BankMessage.Status.RECEIVED).order_by("pk")
        failed = due.filter(problem=BankMessage.CANNOT_APPLY)
        pks = list((failed if again else due.exclude(pk__in=failed)).values_list("pk", flat=True))
    done = 0
    for pk in pks:
        try:
            with unit_of_work(COLLECTOR):
                done += apply(pk=pk, now=now)
        except SoftTimeLimitExceeded as error:
            log.error("bank_message_too_slow", message=pk)
            _remember(pk, cause_of(error))
            raise
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
    message = iso20022.read(_as_it_came(row))
    row.detail = _PARTS[message.kind](row, message, now)[:300] if message.kind in _PARTS else _("For information.")
    unknown = message.status is not None and row.detail == UNKNOWN_FILE
    if message.status is not None and unknown:
        row.detail = _answers(message.status)
    states.move(row, BankMessage.Status.REFUSED if unknown else BankMessage.Status.APPLIED)
    row.problem = UNKNOWN_FILE if unknown else ""
    row.applied_at = now
    row.save()
    return True


UNKNOWN_FILE: Final = "unknown_file"
_SAME: Final = (BankMessage.SAME_BYTES, gettext_lazy("The same file came before."))


def _answers(report: StatusReport) -> str:
    return _("It answers the file %(file)s.") % {"file": report.original_message_id[:60]}


def _as_it_came(row: BankMessage) -> bytes:
    content = bank_files.opened(row)
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise Unreadable("changed", _("Its content is not what came."))
    return content


def _let_go_of_overtaken() -> None:
    """What people brought and the bank's own road brought meanwhile, byte by byte, needs nobody any more."""
    counted = BankMessage.objects.exclude(status__in=(BankMessage.Status.HELD, BankMessage.Status.REFUSED))
    same = counted.filter(provider=OuterRef("provider"), sha256=OuterRef("sha256"))
    with unit_of_work(COLLECTOR):
        rows = BankMessage.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
        for row in rows.filter(Exists(same), status=BankMessage.Status.HELD):
            refuse(row, BankMessage.SAME_BYTES, _("The bank itself brought it meanwhile; nobody has to admit it."))


def _status_report(row: BankMessage, message: Message, now: dt.datetime) -> str:
    report = message.status
    if report is None:
        return ""
    files = BankFile.objects.select_for_update(no_key=True, of=("self",))
    file = files.filter(provider=row.provider, message_id=report.original_message_id).first()
    if file is None:
        return UNKNOWN_FILE
    if report.is_duplicate:
        # The bank knows the file already: the first copy stands, whatever becomes of it.
        log.info("bank_file_duplicate", file=file.message_id)
        bank_files.arrived(file=file, now=now)
        return _("The bank knew the file already: %(reason)s.") % {"reason": report.reason}
    return _answer(row, file, report, now)


def _answer(row: BankMessage, file: BankFile, report: StatusReport, now: dt.datetime) -> str:
    all_refused = report.status == "RJCT" and not any(tx.status != "RJCT" for tx in report.transfers)
    transfers = bank_files.locked_of_file(file)
    words = report.words(transfer.end_to_end_id for transfer in transfers)
    refused = 0
    for transfer in transfers:
        status, code = words[transfer.end_to_end_id]
        if status == "RJCT" and code in DUPLICATE:
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
    ours = [report for report in message.reports if is_ours(report.account)]
    counts = [reconciliation.take_report(message=row, report=report, now=now) for report in ours]
    others = len(message.reports) - len(ours)
    text = _("%(count)d new movements.") % {"count": sum(counts)}
    return text + (_(" %(others)d other accounts left out.") % {"others": others} if others else "")


_PARTS: Final[dict[str, Callable[[BankMessage, Message, dt.datetime], str]]] = {
    iso20022.STATUS_REPORT: _status_report,
    iso20022.STATEMENT: _account_report,
    iso20022.NOTIFICATION: _account_report,
}


def is_ours(account: str) -> bool:
    """Whether it is the account that we pay from."""
    return bool(account) and account.replace(" ", "") == settings.BANK_ACCOUNT_IBAN


def _read_before(row: BankMessage) -> BankMessage | None:
    """The same file of the channel, which somebody read and did not live to put away (or reads right now)."""
    kept = BankMessage.objects.exclude(status=BankMessage.Status.REFUSED)
    same = kept.filter(provider=row.provider, sha256=row.sha256, name=row.name, brought_by=COLLECTOR.label)
    return same.first() if row.bringer_id is None else None


def refuse(row: BankMessage, problem: str, detail: str | Promise) -> BankMessage:
    """It will never be applied as it is; it is kept, and people hear why."""
    states.move(row, BankMessage.Status.REFUSED)
    row.problem, row.detail = problem, str(detail)[:300]
    row.save()
    log.error("bank_message_refused", provider=row.provider, name=row.name, problem=problem)
    return row
