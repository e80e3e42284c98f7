"""Debts that nobody will ever pay: proposed by one person, given up when another approves."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.money import Money
from core.problems import Conflict, FieldError, InvalidInput
from core.public import User
from experts.public import Expert
from payments import ledger
from payments.accounts import SANDBOX, AccountKey
from payments.models import Account, AdjustmentProposal, WriteOff
from payments.operations.pay import beside_postings, four_eyes, pay_notices
from payments.operations.pay.pay_notices import PayNews

DEBTORS = frozenset({Account.Kind.EXPERT_PAYABLE, Account.Kind.LAB_RECEIVABLE})
Act = AdjustmentProposal.Act


class NoSuchDebt(Conflict):
    """The account does not owe so much: something was paid or netted in the meantime. Look again and propose anew."""

    code = "no_such_debt"
    title = gettext_lazy("The debt is smaller than that")


def propose(*, account: Account, amount: Money, reason: str, proposed_by: User, now: dt.datetime) -> AdjustmentProposal:
    """Ask another person to give up what an expert's negative balance or a lab owes: always two people.

    Raises OwnWork, NoSuchDebt, InvalidInput for an account that is no debtor's.
    """
    if account.kind not in DEBTORS or account.detail == SANDBOX:
        detail = _("Only an expert's negative balance and what a lab owes can be written off.")
        raise InvalidInput(detail, errors=[FieldError("/account", "no_debtor", detail)])
    _require_owed(_key(account), amount.minor)
    return four_eyes.propose(
        act=Act.WRITE_OFF,
        amount=amount,
        reason=reason,
        terms={"account": account.key},
        proposed_by=proposed_by,
        tenant_id=account.tenant_id,
        expert=account.expert,
        now=now,
    )


@four_eyes.carries_out(Act.WRITE_OFF)
def _write_off_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    key = _key(Account.objects.get(key=proposal.terms["account"]))
    _require_owed(key, proposal.amount_minor, now=now)
    row = WriteOff.objects.create(
        expert=proposal.expert,
        tenant_id=None if proposal.expert else proposal.tenant_id,
        amount_minor=proposal.amount_minor,
        currency=proposal.currency,
        reason=proposal.reason,
        proposal=proposal,
        decided_by=proposal.proposed_by,
        decided_at=now,
        created_at=now,
    )
    beside_postings.written_off(debtor=key, source_id=row.public_id, minor=row.amount_minor, now=now)
    outbox.publish(
        "debt.written_off",
        subject=row.public_id,
        tenant_id=row.tenant_id,
        user_id=row.expert.user_id if row.expert else None,
        for_lab=row.expert is None,
        payload={"write_off": row.public_id},
        now=now,
    )
    if row.expert is not None:
        _tell(row, row.expert, now=now)
    return row.public_id


def _tell(row: WriteOff, expert: Expert, *, now: dt.datetime) -> None:
    news = PayNews(
        expert=expert,
        kind="debt.written_off",
        subject=row.public_id,
        title=_("Written off: %(amount)s") % {"amount": Money(row.amount_minor, row.currency)},
        body=_("Your balance was below zero by this much; you do not owe it any more. %(reason)s")
        % {"reason": row.reason},
    )
    pay_notices.tell(news, now=now)


def _key(account: Account) -> AccountKey:
    return AccountKey(account.kind, account.currency, account.tenant_id, account.expert_id, account.detail)


def _require_owed(key: AccountKey, minor: int, *, now: dt.datetime | None = None) -> None:
    """Raise NoSuchDebt unless the account is at least so far below zero; locks it when ``now`` is given."""
    held = ledger.balances(keys=[key]) if now is None else ledger.lock(keys=[key], now=now)
    if not 0 < minor <= -held[key]:
        raise NoSuchDebt
