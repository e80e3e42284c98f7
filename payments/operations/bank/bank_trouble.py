"""What people do about files that went wrong: read or apply them again, say that nothing is left to do, pay again.

None of it moves money by itself: a file that is read again is applied like any other, and payouts are sent again by the
decision of two people.
"""

from __future__ import annotations

import datetime as dt

import structlog
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict
from core.public import User
from core.vault import CannotOpen
from experts.public import ReasonMissing
from payments.models import BankFile, BankMessage, PayoutDecision
from payments.operations.bank import bank_files, bank_messages
from payments.operations.bank.bank_messages import RefusedByUs
from payments.operations.rails import payout_decisions
from payments.queries import bank_trouble as trouble

log = structlog.get_logger(__name__)


class NothingToHandle(Conflict):
    """This file does not wait for anybody: it was applied, or somebody has handled its refusal already."""

    code = "bank_message_settled"
    title = gettext_lazy("Nothing is left to do about this file")


class ContentNotKept(Conflict):
    """Its content is not here, because it was too large, or cannot be opened with the keys that are configured.

    Take the file from the folder of refused ones and bring it by hand.
    """

    code = "bank_message_not_kept"
    title = gettext_lazy("The content of this file is not kept")


class CannotApply(Conflict):
    """The file was read and cannot be laid on the books; nothing of it was applied. The log has the cause in full."""

    code = "bank_message_cannot_apply"
    title = gettext_lazy("This file cannot be applied")


class NothingToPayAgain(Conflict):
    """No payout of this file waits for a decision: they were paid, sent again or given up, or a proposal is open."""

    code = "bank_file_settled"
    title = gettext_lazy("No payout of this file waits")


def settle(*, message: BankMessage, note: str, by: User, now: dt.datetime) -> BankMessage:
    """Say why nothing is left to do about a refused file. Raises NothingToHandle, ReasonMissing."""
    return mark_handled(_refused(message), note=note, by=by, now=now)


def read_again(*, message: BankMessage, by: User, now: dt.datetime) -> BankMessage:
    """Read a refused file once more, now that what stood in the way is mended; the file as it came in anew.

    It keeps its origin: what the bank's own road brought is applied, what a person brought waits for another.

    Raises NothingToHandle, ContentNotKept, and RefusedByUs when it is refused again: then nothing was changed.
    """
    row = _refused(message)
    content = content_of(row)
    fresh = bank_messages.receive(
        provider=row.provider,
        name=row.name,
        content=content,
        size=len(content),
        bringer=None if row.brought_by == bank_messages.COLLECTOR.label else row.bringer or by,
        now=now,
    )
    if fresh.status == BankMessage.Status.REFUSED:
        raise RefusedByUs(f"{fresh.problem}: {fresh.detail}")
    mark_handled(row, note=_("Read again as %(file)s.") % {"file": fresh.public_id}, by=by, now=now)
    return fresh


def apply_again(*, message: BankMessage, now: dt.datetime) -> BankMessage:
    """Lay a file on the books at once instead of waiting for the job. Raises NothingToHandle, CannotApply."""
    row = _locked(message.pk)
    if row.status != BankMessage.Status.RECEIVED:
        raise NothingToHandle
    try:
        with transaction.atomic():
            bank_messages.apply(pk=row.pk, now=now)
    except Exception as error:  # whatever it is, the operator hears of it, and the file waits on
        log.exception("bank_message_failed", message=row.pk)
        raise CannotApply(bank_messages.cause_of(error)) from error
    row.refresh_from_db()
    return row


def give_up(*, message: BankMessage, note: str, by: User, now: dt.datetime) -> BankMessage:
    """Refuse a file that cannot be applied: the bank sends it anew, or its news come otherwise.

    What it says is lost to the books; a statement that is missing stands among the differences. Raises NothingToHandle,
    ReasonMissing.
    """
    row = _locked(message.pk)
    if row.status != BankMessage.Status.RECEIVED:
        raise NothingToHandle
    states.move(row, BankMessage.Status.REFUSED)
    row.problem = "given_up"
    return mark_handled(row, note=note, by=by, now=now)


def propose_again(
    *, file: BankFile, reason: str, recently_authenticated: bool, by: User, now: dt.datetime
) -> tuple[int, list[str]]:
    """Propose to send every payout again that the bank refused in this file; how many, and why others were left out.

    Another person approves each. Raises NothingToPayAgain, and what the proposal of a single one raises.
    """
    left_out: list[str] = []
    proposed = 0
    for payout in trouble.undecided_payouts(file):
        try:
            with transaction.atomic():
                payout_decisions.propose(
                    payout=payout,
                    act=PayoutDecision.Act.RETRY,
                    reason=reason,
                    recently_authenticated=recently_authenticated,
                    by=by,
                    now=now,
                )
            proposed += 1
        except Conflict as error:
            left_out.append(f"{payout}: {error.detail}")
    if not proposed:
        raise NothingToPayAgain("; ".join(left_out[:3]))
    return proposed, left_out


def _refused(message: BankMessage) -> BankMessage:
    row = _locked(message.pk)
    if row.status != BankMessage.Status.REFUSED or row.handled_at is not None:
        raise NothingToHandle
    return row


def mark_handled(row: BankMessage, *, note: str, by: User, now: dt.datetime) -> BankMessage:
    """Who did what about a refused file. Raises ReasonMissing."""
    if not note.strip():
        raise ReasonMissing
    row.handled_by, row.handled_at, row.handled_note = by, now, note.strip()[:300]
    row.save()
    return row


def content_of(row: BankMessage) -> bytes:
    """The bytes of a file. Raises ContentNotKept."""
    try:
        content = bank_files.opened(row)
    except CannotOpen:
        raise ContentNotKept from None
    if not content:
        raise ContentNotKept
    return content


def _locked(pk: int) -> BankMessage:
    return BankMessage.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
