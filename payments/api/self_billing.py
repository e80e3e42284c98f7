"""`/expert/self-billing-invoices`: papers that the platform writes in an expert's name."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import HttpResponse

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Day, Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView
from core.money import Money
from payments.api.filters import MoneyFilters
from payments.api.paper_download import PAPER_FILE, PaperFormat, drawn, language_of, table
from payments.models import SelfBillingInvoice
from payments.operations.runs import self_billing
from payments.papers import self_billing as papers

SelfBillingId = Annotated[str, IdOf("sbi")]


class SelfBillingInvoiceOut(TypedDict):
    """An invoice or a credit note in your name."""

    id: SelfBillingId
    reference: Annotated[str, Doc("Its number in your own series."), Example("SB-T4H7XNM0-2026-000001")]
    type: Annotated[str, Doc("invoice or credit_note."), Example("invoice")]
    corrects: Annotated[SelfBillingId | None, Doc("The invoice that a credit note takes back.")]
    payout: Annotated[str, IdOf("pay")]
    amount: Annotated[MoneyOut, Doc("Without VAT.")]
    treatment: Annotated[str, Doc("reverse_charge or outside_scope."), Example("reverse_charge")]
    supplied_on: Day
    issued_at: Timestamp


def render_invoice(row: SelfBillingInvoice) -> SelfBillingInvoiceOut:
    """One paper."""
    return {
        "id": row.public_id,
        "reference": row.reference,
        "type": row.type,
        "corrects": row.corrects.public_id if row.corrects else None,
        "payout": row.payout.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "treatment": row.treatment,
        "supplied_on": row.supplied_on,
        "issued_at": row.issued_at,
    }


def _invoices(call: Call) -> Any:
    return SelfBillingInvoice.objects.visible_to(call.principal).select_related("payout__statement", "corrects")


class SelfBillingInvoiceList(ExpertView):
    """The expert's own series."""

    @endpoint(
        summary="List invoices written for me",
        query=MoneyFilters,
        returns=SelfBillingInvoiceOut,
        paginated=True,
        render=render_invoice,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return _invoices(call).filter(**call.query)


class SelfBillingInvoiceDetail(ExpertView):
    """One paper."""

    @endpoint(summary="Show an invoice written for me", returns=SelfBillingInvoiceOut)
    def get(self, call: Call, invoice_id: str) -> SelfBillingInvoiceOut:
        """It never changes."""
        return render_invoice(get_or_404(_invoices(call), invoice_id))


class SelfBillingInvoiceDownload(ExpertView):
    """One paper as a file."""

    @endpoint(summary="Download an invoice written for me", query=PaperFormat, returns=PAPER_FILE)
    def get(self, call: Call, invoice_id: str) -> HttpResponse:
        """As page, PDF or CSV, in your language."""
        row = get_or_404(_invoices(call), invoice_id)
        supplier, language = self_billing.supplier_of(row), language_of(call)
        if call.query["format"] == "csv":
            return table(papers.csv(row, supplier), name=row.reference, language=language)
        return drawn(papers.paper(row, supplier, language=language), wanted=call.query["format"], name=row.reference)
