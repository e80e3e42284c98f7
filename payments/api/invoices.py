"""`/invoices`, `/credit-notes` and `/lab/billing`: what a lab is billed, and to whom its invoices are made out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypedDict, cast

from django.http import HttpResponse
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CountryField, PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Currency, Day, Doc, Example, IdOf, Link, MoneyOut, Timestamp, render_money
from core.api.versions import Version
from core.api.views import LabView
from core.money import Money
from payments.api.filters import MoneyFilters
from payments.api.paper_download import PAPER_FILE, PaperFormat, drawn, language_of, table
from payments.models import CreditNote, Invoice, LabBillingProfile
from payments.operations.labs import billing
from payments.papers import invoice as invoice_paper
from payments.papers.languages import speaking
from payments.queries import invoice_lines

InvoiceId = Annotated[str, IdOf("inv")]


class CreditNoteOut(TypedDict):
    """A part of an invoice that was given back."""

    id: Annotated[str, IdOf("crn")]
    number: Annotated[str, Doc("Of a series without holes."), Example("CRN-2026-000007")]
    invoice: InvoiceId
    pay: Annotated[MoneyOut, Doc("Of what experts earned.")]
    fee: Annotated[MoneyOut, Doc("Of the platform's fee.")]
    vat: MoneyOut
    total: MoneyOut
    reason: Annotated[str, Example("Pay that was corrected or taken back after the invoice.")]
    issued_at: Timestamp
    download: Link


class InvoicePartOut(TypedDict):
    """A part of an invoice: pay and fee apart."""

    pay: Annotated[MoneyOut, Doc("What experts earned, passed on in full.")]
    fee: Annotated[MoneyOut, Doc("The platform's fee on top.")]


class InvoiceOut(TypedDict):
    """One currency, one calendar month."""

    id: InvoiceId
    number: Annotated[str, Doc("Of a series without holes."), Example("INV-2026-000042")]
    status: Annotated[str, Doc("issued, paid or credited."), Example("paid")]
    currency: Currency
    period_start: Day
    period_end: Annotated[Day, Doc("The first day after the period.")]
    hours: InvoicePartOut
    extras: Annotated[InvoicePartOut, Doc("Bonuses and the like.")]
    corrections: InvoicePartOut
    vat: Annotated[MoneyOut | None, Doc("Null where no VAT line is written.")]
    vat_note: Annotated[str, Doc("charged, reverse_charge, outside_scope or none."), Example("reverse_charge")]
    total: MoneyOut
    due: Annotated[MoneyOut, Doc("What your balance did not cover when it was issued.")]
    issued_at: Timestamp
    paid_at: Timestamp | None
    credited: Annotated[MoneyOut, Doc("The sum of its credit notes.")]
    download: Link


class InvoiceBalanceOut(TypedDict):
    """Your money over the period: prepaid and reserved, less what was owed."""

    opening: MoneyOut
    paid_in: MoneyOut
    paid_back: MoneyOut
    charged: MoneyOut
    other: Annotated[MoneyOut, Doc("VAT, credits and exchange.")]
    closing: MoneyOut


class InvoiceDetailOut(InvoiceOut):
    """An invoice with the balance over its period and its credit notes."""

    balance: InvoiceBalanceOut
    credit_notes: list[CreditNoteOut]


class InvoiceFilters(MoneyFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Invoice.Status.choices, required=False)
    period = serializers.RegexField(
        r"^20\d{2}-(0[1-9]|1[0-2])$", required=False, source="period_start", help_text="The calendar month, `2026-11`."
    )

    def validate_period(self, value: str) -> dt.date:
        """Its first day."""
        return dt.date.fromisoformat(f"{value}-01")


class CreditNoteFilters(MoneyFilters):
    """Filters."""

    invoice = PublicIdField("inv", required=False, source="invoice__public_id")


class LabBillingOut(TypedDict):
    """Who invoices are made out to."""

    legal_name: Annotated[str, Example("Aurora Research GmbH")]
    street: str
    postal_code: str
    city: Annotated[str, Example("Berlin")]
    country: Annotated[str | None, Example("DE")]
    vat_id: Annotated[str, Example("DE136695976")]
    email: str
    purchase_order: Annotated[str, Doc("Your own reference; it stands on the invoices."), Example("PO-4711")]


class LabBillingIn(serializers.Serializer[None]):
    """What is to change; invoices that were issued keep what they say."""

    legal_name = StrictCharField(max_length=200)
    street = StrictCharField(max_length=200, allow_blank=True)
    postal_code = StrictCharField(max_length=20, allow_blank=True)
    city = StrictCharField(max_length=100, allow_blank=True)
    country = CountryField()
    vat_id = StrictCharField(max_length=20, allow_blank=True, help_text="Its check digits are checked in the EU.")
    email = serializers.EmailField(max_length=254, allow_blank=True)
    purchase_order = StrictCharField(max_length=60, allow_blank=True)


def render_part(gross: int, fee: int, currency: str) -> InvoicePartOut:
    """Pay and fee."""
    return {"pay": render_money(Money(gross, currency)), "fee": render_money(Money(fee, currency))}


def render_invoice(row: Invoice) -> InvoiceOut:
    """An invoice; its credit notes are prefetched."""
    currency = row.currency
    credited = sum(note.total_minor for note in row.credit_notes.all())
    return {
        "id": row.public_id,
        "number": row.reference,
        "status": row.status,
        "currency": currency,
        "period_start": row.period_start,
        "period_end": row.period_end,
        "hours": render_part(row.work_minor, row.work_fee_minor, currency),
        "extras": render_part(row.extra_minor, row.extra_fee_minor, currency),
        "corrections": render_part(row.correction_minor, row.correction_fee_minor, currency),
        "vat": None if row.vat_bp is None else render_money(Money(row.vat_minor, currency)),
        "vat_note": row.parties["vat_note"],
        "total": render_money(Money(row.total_minor, currency)),
        "due": render_money(Money(row.due_minor, currency)),
        "issued_at": row.issued_at,
        "paid_at": row.paid_at,
        "credited": render_money(Money(credited, currency)),
        "download": f"/api/v1/invoices/{row.public_id}/download",
    }


def render_credit_note(row: CreditNote) -> CreditNoteOut:
    """A credit note; its invoice is joined."""
    currency = row.currency
    return {
        "id": row.public_id,
        "number": row.reference,
        "invoice": row.invoice.public_id,
        "pay": render_money(Money(row.gross_minor, currency)),
        "fee": render_money(Money(row.fee_minor, currency)),
        "vat": render_money(Money(row.vat_minor, currency)),
        "total": render_money(Money(row.total_minor, currency)),
        "reason": row.reason,
        "issued_at": row.issued_at,
        "download": f"/api/v1/credit-notes/{row.public_id}/download",
    }


def render_balance(row: Invoice) -> InvoiceBalanceOut:
    """The lab's money over the invoice's range of the journal."""
    balance, currency = invoice_lines.balance_of(row), row.currency
    return {
        "opening": render_money(Money(balance.opening_minor, currency)),
        "paid_in": render_money(Money(balance.paid_in_minor, currency)),
        "paid_back": render_money(Money(balance.paid_out_minor, currency)),
        "charged": render_money(Money(balance.charged_minor, currency)),
        "other": render_money(Money(balance.other_minor, currency)),
        "closing": render_money(Money(balance.closing_minor, currency)),
    }


def render_billing(row: LabBillingProfile) -> LabBillingOut:
    """A billing address."""
    return {
        "legal_name": row.legal_name,
        "street": row.street,
        "postal_code": row.postal_code,
        "city": row.city,
        "country": row.country or None,
        "vat_id": row.vat_id,
        "email": row.email,
        "purchase_order": row.purchase_order,
    }


def _invoices(call: Call) -> Any:
    return Invoice.objects.visible_to(call.principal).prefetch_related("credit_notes__invoice")


def _credit_notes(call: Call) -> Any:
    return CreditNote.objects.visible_to(call.principal).select_related("invoice")


class InvoiceList(LabView):
    """The lab's invoices."""

    @endpoint(
        summary="List invoices",
        scope="invoices:read",
        query=InvoiceFilters,
        returns=InvoiceOut,
        paginated=True,
        render=render_invoice,
    )
    def get(self, call: Call) -> Any:
        """Newest first; one for each currency and calendar month with charges."""
        return _invoices(call).filter(**call.query)


class InvoiceDetail(LabView):
    """One invoice."""

    @endpoint(summary="Show an invoice", scope="invoices:read", returns=InvoiceDetailOut)
    def get(self, call: Call, invoice_id: str) -> InvoiceDetailOut:
        """With the balance over its period and its credit notes."""
        row = get_or_404(_invoices(call), invoice_id)
        notes = [render_credit_note(note) for note in row.credit_notes.all()]
        return {**render_invoice(row), "balance": render_balance(row), "credit_notes": notes}


class InvoiceDownload(LabView):
    """An invoice to keep."""

    @endpoint(summary="Download an invoice", scope="invoices:read", query=PaperFormat, returns=PAPER_FILE)
    def get(self, call: Call, invoice_id: str) -> HttpResponse:
        """As `html`, `pdf`, or `csv` with one line per charge; in English or Arabic by `Accept-Language`."""
        row = get_or_404(_invoices(call), invoice_id)
        wanted, language = call.query["format"], language_of(call)
        with speaking(language):
            lines = invoice_lines.of_invoice(row)
        if wanted == "csv":
            return table(invoice_paper.csv(lines), name=row.reference, language=language)
        made = invoice_paper.paper(row, lines, invoice_lines.balance_of(row), language=language)
        return drawn(made, wanted=wanted, name=row.reference)


class CreditNoteList(LabView):
    """The lab's credit notes."""

    @endpoint(
        summary="List credit notes",
        scope="invoices:read",
        query=CreditNoteFilters,
        returns=CreditNoteOut,
        paginated=True,
        render=render_credit_note,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return _credit_notes(call).filter(**call.query)


class CreditNoteDetail(LabView):
    """One credit note."""

    @endpoint(summary="Show a credit note", scope="invoices:read", returns=CreditNoteOut)
    def get(self, call: Call, note_id: str) -> CreditNoteOut:
        """What was given back of which invoice, and why."""
        return render_credit_note(get_or_404(_credit_notes(call), note_id))


class CreditNoteDownload(LabView):
    """A credit note to keep."""

    @endpoint(summary="Download a credit note", scope="invoices:read", query=PaperFormat, returns=PAPER_FILE)
    def get(self, call: Call, note_id: str) -> HttpResponse:
        """As `html`, `pdf`, or `csv` with one line per charge that was taken back."""
        row = get_or_404(_credit_notes(call), note_id)
        wanted, language = call.query["format"], language_of(call)
        with speaking(language):
            lines = invoice_lines.of_credit_note(row)
        if wanted == "csv":
            return table(invoice_paper.csv(lines), name=row.reference, language=language)
        return drawn(invoice_paper.credit_paper(row, lines, language=language), wanted=wanted, name=row.reference)


def show_billing(call: Call) -> LabBillingOut:
    """The address of the lab that calls."""
    return render_billing(billing.profile_of(cast(int, call.principal.tenant_id)))


def hold_billing(call: Call) -> None:
    """Nobody else changes it until the transaction ends."""
    billing.hold(cast(int, call.principal.tenant_id))


BILLING_VERSION = Version(show=show_billing, lock=hold_billing)


class LabBilling(LabView):
    """Who invoices are made out to."""

    @endpoint(summary="Show the billing address", scope="invoices:read", returns=LabBillingOut, version=BILLING_VERSION)
    def get(self, call: Call) -> LabBillingOut:
        """The lab's name and country, until it says more."""
        return show_billing(call)

    @endpoint(
        summary="Change the billing address",
        version=BILLING_VERSION,
        scope="invoices:write",
        body=LabBillingIn,
        returns=LabBillingOut,
        example={"legal_name": "Aurora Research GmbH", "city": "Berlin", "country": "DE", "vat_id": "DE136695976"},
    )
    def patch(self, call: Call) -> LabBillingOut:
        """For invoices from now on; those that were issued keep what they say."""
        changed = billing.change(tenant_id=cast(int, call.principal.tenant_id), now=call.now, **call.body)
        return render_billing(changed)
