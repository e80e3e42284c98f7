"""Credit an invoice by a decision of finance: the platform gives the lab back its fee, or all of it."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from core import scope
from core.money import fee_for
from core.problems import Conflict
from core.public import User
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import CreditNote, DocumentSeries, Invoice
from payments.operations import invoices, reservations
from payments.queries.charges import CREDITED

FEE, EVERYTHING = "fee", "everything"
PARTS = ((FEE, _("The platform's fee")), (EVERYTHING, _("Everything; experts keep their pay")))


class NothingToCredit(Conflict):
    """All of it was credited before: an invoice cannot be given back twice."""

    code = "nothing_to_credit"
    title = _("Nothing of the invoice is left to credit")


@transaction.atomic
def credit(*, invoice: Invoice, part: str, reason: str, by: User, now: dt.datetime) -> CreditNote:
    """Give back what is left of the fee, or of the whole invoice; what experts earned comes out of the platform's pocket.

    The money is the lab's at once: it pays its debt, else it is prepaid. Raises NothingToCredit.
    """
    with scope.as_platform():
        invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice.pk)
        gross, fee = _left(invoice)
        gross = gross if part == EVERYTHING else 0
        if gross + fee <= 0:
            raise NothingToCredit
        vat_minor = _vat_on(invoice, gross + fee)
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


def _left(invoice: Invoice) -> tuple[int, int]:
    """What no credit note has given back yet: of pay and of fee."""
    given = invoice.credit_notes.aggregate(gross=Sum("gross_minor"), fee=Sum("fee_minor"))
    return max(0, invoice.gross_minor - (given["gross"] or 0)), max(0, invoice.fee_minor - (given["fee"] or 0))


def _vat_on(invoice: Invoice, minor: int) -> int:
    """VAT of what is credited, rounded with all that was credited before: together it is the invoice's, to the cent."""
    given = invoice.credit_notes.aggregate(net=Sum("gross_minor") + Sum("fee_minor"), vat=Sum("vat_minor"))
    return fee_for((given["net"] or 0) + minor, invoice.vat_bp) - (given["vat"] or 0) if invoice.vat_bp else 0


def _post(note: CreditNote, *, now: dt.datetime) -> None:
    tenant_id, currency = note.tenant_id, note.currency
    prepaid, owing = accounts.lab_prepaid(tenant_id, currency), accounts.lab_receivable(tenant_id, currency)
    ledger.lock(keys=[prepaid, owing], now=now)
    legs = [
        (accounts.fee_income(currency), -note.fee_minor),
        (accounts.expense("credit", currency), -note.gross_minor),
        (accounts.vat(settings.ISSUER["country"], currency), -note.vat_minor),
        (prepaid, note.total_minor),
    ]
    ledger.post(entries=[NewEntry(CREDITED, note.public_id, now, legs, tenant_id=tenant_id)], now=now)
    reservations.settle_debt(tenant_id=tenant_id, currency=currency, source_id=note.public_id, now=now)
