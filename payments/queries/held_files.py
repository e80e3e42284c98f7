"""What a file of the bank would do if it counted: for whoever decides about one that another person brought."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.money import Money
from payments.models import BankFile, BankTransfer, Funding, ProviderEntry
from payments.providers import iso20022
from payments.providers.iso20022 import DUPLICATE, Entry, Report, StatusReport

SHOWN: Final = 200
"""So many movements or transfers of a file are shown one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """One movement or transfer, and what would become of it."""

    amount: Money
    what: str
    reference: str = ""
    day: dt.date | None = None
    counterparty: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Movements of one account: how many credits and debits, their sums in each currency, and balances if it has any."""

    account: str
    is_ours: bool
    day: dt.date | None
    credits: int
    credit_sums: list[Money]
    debits: int
    debit_sums: list[Money]
    opening: Money | None
    closing: Money | None
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Answer:
    """What it says about a payment file of ours; ``file`` is None when we know of no such file."""

    message_id: str
    file: BankFile | None
    status: str
    reason: str
    refused: int
    refused_sums: list[Money]
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Preview:
    """A file by what it holds."""

    kind: str
    message_id: str
    parts: list[Part] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def sentence(self) -> str:
        """On one line."""
        said = [f"{self.kind} {self.message_id}"]
        said += [_of_part(part) for part in self.parts if part.is_ours]
        return " · ".join(said + ([_of_answer(self.answer)] if self.answer else []))


def preview(*, provider: str, content: bytes) -> Preview:
    """What is in a file that was read before. Raises Unreadable."""
    message = iso20022.read(content)
    return Preview(
        kind=message.kind,
        message_id=message.message_id,
        parts=[_part(provider, report) for report in message.reports],
        answer=_answer(provider, message.status) if message.status else None,
    )


def _of_part(part: Part) -> str:
    return _("%(day)s: %(credits)d in (%(credit_sums)s), %(debits)d out (%(debit_sums)s)") % {
        "day": part.day or "–",
        "credits": part.credits,
        "credit_sums": _joined(part.credit_sums),
        "debits": part.debits,
        "debit_sums": _joined(part.debit_sums),
    }


def _of_answer(answer: Answer) -> str:
    refused = ngettext("%(n)d transfer refused (%(sums)s)", "%(n)d transfers refused (%(sums)s)", answer.refused)
    said = {"n": answer.refused, "sums": _joined(answer.refused_sums)}
    return f"{answer.message_id} {answer.status or '–'}: {refused % said}"


def _joined(sums: Sequence[Money]) -> str:
    return ", ".join(map(str, sums)) or "–"


def _part(provider: str, report: Report) -> Part:
    is_ours = bool(report.account) and report.account.replace(" ", "") == settings.BANK_ACCOUNT_IBAN
    came = [entry for entry in report.entries if entry.amount_minor > 0]
    went = [entry for entry in report.entries if entry.amount_minor <= 0]
    has_balances = report.day is not None
    return Part(
        account=report.account,
        is_ours=is_ours,
        day=report.day,
        credits=len(came),
        credit_sums=_sums(Money(entry.amount_minor, entry.currency) for entry in came),
        debits=len(went),
        debit_sums=_sums(Money(entry.amount_minor, entry.currency) for entry in went),
        opening=Money(report.opening_minor, report.currency) if has_balances else None,
        closing=Money(report.closing_minor, report.currency) if has_balances else None,
        lines=_movements(provider, report.entries[:SHOWN]) if is_ours else [],
    )


def _movements(provider: str, entries: Sequence[Entry]) -> list[Line]:
    told = ProviderEntry.objects.filter(provider=provider, reference__in=[entry.reference for entry in entries])
    known = set(told.values_list("reference", flat=True))
    orders = BankTransfer.objects.filter(provider=provider)
    orders = orders.filter(end_to_end_id__in={entry.end_to_end_id for entry in entries} - {""})
    transfers = {order.end_to_end_id: order for order in orders}
    named = {reference for entry in entries for reference in Funding.references_in(entry.text)}
    fundings = {row.reference: row for row in Funding.objects.filter(reference__in=named)}
    return [
        Line(
            amount=Money(entry.amount_minor, entry.currency),
            what=_("known already") if entry.reference in known else _becomes(entry, transfers, fundings),
            reference=entry.reference,
            day=entry.booked_on,
            counterparty=entry.counterparty,
            text=entry.text,
        )
        for entry in entries
    ]


def _becomes(entry: Entry, transfers: dict[str, BankTransfer], fundings: dict[str, Funding]) -> str:
    transfer = transfers.get(entry.end_to_end_id)
    if transfer is not None:
        happens = _("comes back") if entry.amount_minor > 0 else _("is booked")
        return f"{transfer.payout_id} {happens} ({transfer.get_status_display()})"
    named = [fundings[reference] for reference in Funding.references_in(entry.text) if reference in fundings]
    if len(named) == 1 and entry.amount_minor > 0:
        return _("transfer of a lab: %(reference)s (%(status)s, announced %(amount)s)") % {
            "reference": named[0].reference,
            "status": named[0].get_status_display(),
            "amount": Money(named[0].amount_minor, named[0].currency),
        }
    return _("a charge") if entry.is_charge else _("nothing of ours")


def _answer(provider: str, report: StatusReport) -> Answer:
    file = BankFile.objects.filter(provider=provider, message_id=report.original_message_id).first()
    transfers = list(file.transfers.order_by("pk")) if file else []
    words = report.words(transfer.end_to_end_id for transfer in transfers)
    refused = [transfer for transfer in transfers if _is_refused(*words[transfer.end_to_end_id])]
    return Answer(
        message_id=report.original_message_id,
        file=file,
        status=report.status,
        reason=report.reason,
        refused=len(refused),
        refused_sums=_sums(Money(transfer.amount_minor, transfer.currency) for transfer in refused),
        lines=[_told(transfer, *words[transfer.end_to_end_id]) for transfer in transfers[:SHOWN]],
    )


def _is_refused(status: str, code: str) -> bool:
    return status == "RJCT" and code not in DUPLICATE


def _told(transfer: BankTransfer, status: str, code: str) -> Line:
    word = " ".join(part for part in (status or "–", code) if part)
    return Line(
        amount=Money(transfer.amount_minor, transfer.currency),
        what=f"{transfer.get_status_display()} → {word}",
        reference=transfer.payout_id,
        counterparty=transfer.account,
    )


def _sums(amounts: Iterable[Money]) -> list[Money]:
    totals: dict[str, Money] = {}
    for money in amounts:
        totals[money.currency] = totals.get(money.currency, Money(0, money.currency)) + money
    return [totals[currency] for currency in sorted(totals)]
