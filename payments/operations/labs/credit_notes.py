"""Credit an invoice by a decision of finance: the platform gives the lab back its fee, or all of it.

Above the threshold one person proposes and another approves.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import scope
from core.money import Money
from core.problems import Conflict
from core.public import User
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import NewEntry
from payments.models import AdjustmentProposal, CreditNote, DocumentSeries, Invoice
from payments.operations.labs import invoices, reservations
from payments.operations.pay import four_eyes, lone_acts
from payments.queries import bills
from payments.queries.charges import CREDITED

FEE, EVERYTHING = "fee", "everything"
PARTS = ((FEE, _("The platform's fee")), (EVERYTHING, _("Everything; experts keep their pay")))


class NothingToCredit(Conflict):
    """All of it was credited before: an invoice cannot be given back twice."""

    code = "nothing_to_credit"
    title = _("Nothing of the invoice is left to credit")


@transaction.atomic
def credit(*, invoice: Invoice, part: str, reason: str, by: User, now: dt.datetime) -> CreditNote | AdjustmentProposal:
    """Give back what is left of the fee, or of the whole invoice; what experts earned comes out of the platform's pocket.

    The money is the lab's at once: it pays its debt, else it is prepaid. So much that two people decide becomes a
    proposal. Raises NothingToCredit.
    """
    with scope.as_platform():
        invoices.catch_up(tenant_id=invoice.tenant_id, currency=invoice.currency, now=now)
        gross, fee, vat_minor = _parts(invoice, part)
        amount = Money(gross + fee + vat_minor, invoice.currency)
        act = AdjustmentProposal.Act.CREDIT_NOTE
        if not lone_acts.alone(act=act, amount=amount, by=by, tenant_id=invoice.tenant_id, now=now):
            return four_eyes.propose(
                act=act,
                amount=amount,
                reason=reason,
                terms={"invoice": invoice.public_id, "part": part},
                proposed_by=by,
                tenant_id=invoice.tenant_id,
                now=now,
            )
        return _issue(invoice, part, reason=reason, by=by, now=now)


@four_eyes.carries_out(AdjustmentProposal.Act.CREDIT_NOTE)
def _credit_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    with scope.as_platform():
        invoice = Invoice.objects.get(public_id=proposal.terms["invoice"])
        part = proposal.terms["part"]
        return _issue(invoice, part, reason=proposal.reason, by=proposal.proposed_by, now=now).public_id


def _issue(invoice: Invoice, part: str, *, reason: str, by: User, now: dt.datetime) -> CreditNote:
    # The lab's accounts first, as when a month is billed: the two would wait for each other otherwise.
    ledger.lock(keys=list(_accounts(invoice)), now=now)
    invoices.catch_up(tenant_id=invoice.tenant_id, currency=invoice.currency, now=now)
    invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice.pk)
    gross, fee, vat_minor = _parts(invoice, part)
    note = CreditNote.objects.create(
        **invoices.numbered(DocumentSeries.Kind.CREDIT_NOTE, now=now),
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        currency=invoice.currency,
        gross_minor=gross,
        fee_minor=fee,
        vat_minor=vat_minor,
        total_minor=gross + fee + vat_minor,
        reason=reason,
        decided_by=by,
        issued_at=now,
    )
    _post(note, now=now)
    invoices.credit_fully(invoice)
    invoices.tell("credit_note.issued", note, now=now)
    return note


def _parts(invoice: Invoice, part: str) -> tuple[int, int, int]:
    """What a credit of ``part`` would give back now: of pay, of fee, of VAT. Raises NothingToCredit."""
    gross, fee = _left(invoice)
    gross = gross if part == EVERYTHING else 0
    if gross + fee <= 0:
        raise NothingToCredit
    return gross, fee, invoices.vat_back(invoice, gross + fee)


def _accounts(invoice: Invoice) -> tuple[AccountKey, AccountKey]:
    """The lab's money and its debt."""
    tenant_id, currency = invoice.tenant_id, invoice.currency
    return accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)


def _left(invoice: Invoice) -> tuple[int, int]:
    """What the lab was not given back yet, of pay and of fee: by no credit note, nor by what was taken back since."""
    tenant_id, currency = invoice.tenant_id, invoice.currency
    after = invoices.billed_upto(tenant_id, currency)
    bill, _sources = bills.bill_of(tenant_id=tenant_id, currency=currency, after=after, upto=None)
    room, taken = bills.rooms_of([invoice])[invoice.pk], bill.credited_to(invoice.pk)
    return max(0, room.gross_minor - taken.gross_minor), max(0, room.fee_minor - taken.fee_minor)


def _post(note: CreditNote, *, now: dt.datetime) -> None:
    tenant_id, currency = note.tenant_id, note.currency
    prepaid, _owing = _accounts(note.invoice)
    legs = [
        (accounts.fee_income(currency), -note.fee_minor),
        (accounts.expense("credit", currency), -note.gross_minor),
        (accounts.vat(note.invoice.parties["issuer"]["country"], currency), -note.vat_minor),
        (prepaid, note.total_minor),
    ]
    ledger.post(entries=[NewEntry(CREDITED, note.public_id, now, legs, tenant_id=tenant_id)], now=now)
    reservations.settle_debt(tenant_id=tenant_id, currency=currency, source_id=note.public_id, now=now)
