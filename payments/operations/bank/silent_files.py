"""Payment files about which the bank is silent, and which a person says it has not executed.

If the bank executed such a file all the same, its payouts are paid a second time. So one person says it up to the
threshold of four eyes (`lone_acts`) alone; above it the file stays as it is until somebody else approves.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext_lazy

from core.money import Money
from core.problems import Conflict
from core.public import User
from experts.public import ReasonMissing
from payments.models import AdjustmentProposal, BankFile
from payments.operations.bank import bank_files
from payments.operations.pay import four_eyes, lone_acts

NOT_EXECUTED: Final = AdjustmentProposal.Act.NOT_EXECUTED


class FileProposed(Conflict):
    """Somebody proposed already that the bank has not executed this file. Approve, refuse or withdraw that first."""

    code = "bank_file_already_proposed"
    title = gettext_lazy("A proposal about this file is open")


def not_executed(*, file: BankFile, reason: str, by: User, now: dt.datetime) -> BankFile | AdjustmentProposal:
    """He has it in writing that the bank does not execute this file: its payouts fail, and what they pay is owed again.

    Raises ReasonMissing, AlreadyBooked, FileProposed, InvalidTransition.
    """
    if not reason.strip():
        raise ReasonMissing
    lone_acts.take_turn(act=NOT_EXECUTED, by=by)
    file = bank_files.require_unbooked(file)
    about = {"file": file.public_id, "reason": reason}
    if AdjustmentProposal.objects.waiting().filter(act=NOT_EXECUTED, terms__file=file.public_id).exists():
        raise FileProposed
    amount = Money(file.total_minor, file.currency)
    if lone_acts.alone(act=NOT_EXECUTED, amount=amount, by=by, now=now):
        return bank_files.never_arrived(file=file, reason=reason, by=by, now=now)
    return four_eyes.propose(
        act=NOT_EXECUTED, amount=amount, reason=f"{file}: {reason}", terms=about, proposed_by=by, now=now
    )


@four_eyes.carries_out(NOT_EXECUTED)
def _as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    file = BankFile.objects.get(public_id=proposal.terms["file"])
    by, reason = proposal.proposed_by, proposal.terms["reason"]
    return bank_files.never_arrived(file=file, reason=reason, by=by, now=now).public_id
