"""Files of the bank that a person brings: read at once, and without any effect until another person admits them.

Whoever brings a file could have written it: a statement that shows money which never came, or a report that refuses
payouts which were executed. PostgreSQL refuses that it counts without another person's name.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, DomainError, map_constraint
from core.public import User
from core.wake import wake_after_commit
from experts.public import ReasonMissing
from payments.models import BankMessage
from payments.operations.bank import bank_messages, bank_trouble

NOT_ADMITTED: Final = "not_admitted"
log = structlog.get_logger(__name__)


class OwnBankFile(DomainError):
    """Whoever brought a file of the bank does not admit it. Another person compares it with what the bank shows."""

    code = "own_bank_file"
    status = 403
    title = gettext_lazy("Another person admits this file")


class NotHeld(Conflict):
    """This file does not wait for a second person: it was admitted or refused, or came by the bank's own road."""

    code = "bank_message_not_held"
    title = gettext_lazy("This file waits for nobody")


map_constraint("payments_bankmessage_by_two", OwnBankFile)


def admit(*, message: BankMessage, by: User, now: dt.datetime) -> BankMessage:
    """Let a file that another person brought count like the bank's own. It is read once more, and may be refused now.

    Raises NotHeld, OwnBankFile, ContentNotKept.
    """
    row = _held(message)
    if row.bringer_id == by.pk:
        raise OwnBankFile
    if trouble := bank_messages.look_into(row, bank_trouble.content_of(row)):
        return bank_messages.refuse(row, *trouble)
    states.move(row, BankMessage.Status.RECEIVED)
    row.admitted_by, row.admitted_at = by, now
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return _overtaken(row)
    log.info("bank_message_admitted", message=row.public_id, by=by.public_id)
    wake_after_commit("payments.collect_bank_files")
    return row


def turn_away(*, message: BankMessage, reason: str, by: User, now: dt.datetime) -> BankMessage:
    """It shall not count; whoever brought it may take it back like this, too. Raises NotHeld, ReasonMissing."""
    row = _held(message)
    if not reason.strip():
        raise ReasonMissing
    bank_messages.refuse(row, NOT_ADMITTED, reason.strip())
    return bank_trouble.mark_handled(row, note=reason, by=by, now=now)


def _overtaken(row: BankMessage) -> BankMessage:
    """The bank's own copy was committed in this very moment. Raises what the database said where that is not it."""
    fresh = _held(row)
    trouble = bank_messages.came_before(fresh)
    if trouble is None:
        raise OwnBankFile
    return bank_messages.refuse(fresh, *trouble)


def _held(message: BankMessage) -> BankMessage:
    row = BankMessage.objects.select_for_update(no_key=True, of=("self",)).get(pk=message.pk)
    if row.status != BankMessage.Status.HELD:
        raise NotHeld
    return row
