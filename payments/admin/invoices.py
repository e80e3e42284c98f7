"""What labs were billed: papers are only looked at; issuing early and crediting ask first."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from core import clock
from core.confirming import TOLD
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, staff
from core.money import Money
from payments.admin.staff import require_proof
from payments.models import CreditNote, DocumentSeries, Invoice, LabBillingProfile
from payments.operations.labs import credit_notes, invoices

ISSUE = "payments.issue_invoice"


def total_of(row: Invoice | CreditNote) -> Money:
    """What the paper amounts to."""
    return Money(row.total_minor, row.currency)


class CreditNoteInline(ReadOnlyInline):
    """What was given back of an invoice."""

    model = CreditNote
    fields = readonly_fields = ("reference", "amount", "reason", "decided_by", "issued_at")

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, row: CreditNote) -> str:
        """With its currency."""
        return str(total_of(row))


@admin.register(Invoice)
class InvoiceAdmin(CadreAdmin):
    """Issued invoices; an issued one never changes."""

    list_display = ("reference", "tenant", "period_start", "amount", "due", "status", "issued_at", "paid_at")
    list_filter = ("status", "currency")
    search_fields = ("reference", "public_id", "tenant__name")
    list_select_related = ("tenant",)
    date_hierarchy = "issued_at"
    inlines = (CreditNoteInline,)
    actions = ("credit",)

    @admin.display(description=gettext_lazy("amount"), ordering="total_minor")
    def amount(self, row: Invoice) -> str:
        """With its currency."""
        return str(total_of(row))

    @admin.display(description=gettext_lazy("due"), ordering="due_minor")
    def due(self, row: Invoice) -> str:
        """What the lab's money did not cover."""
        return str(Money(row.due_minor, row.currency))

    @confirmed(
        description=gettext_lazy("Credit: give the fee or everything back"),
        effect=gettext_lazy(
            "A credit note is issued over what is left of the part that you choose, with its VAT; the lab has the "
            "money at once, and experts keep their pay. The amount here is that of the whole invoice. Above the "
            "threshold another person has to approve it first. The lab is told."
        ),
        which=gettext_lazy("What is given back"),
        permission=ISSUE,
        reason=True,
        amount=total_of,
        choices=lambda: credit_notes.PARTS,
    )
    def credit(self, request: HttpRequest, row: Invoice, *, reason: str, choice: str) -> object:
        """Experts keep their pay; above the threshold another person approves. Money: with a fresh proof of who he is."""
        require_proof(request)
        return credit_notes.credit(invoice=row, part=choice, reason=reason, by=staff(request), now=clock.now())


@admin.register(CreditNote)
class CreditNoteAdmin(CadreAdmin):
    """What was given back of invoices."""

    list_display = ("reference", "tenant", "invoice", "amount", "reason", "decided_by", "issued_at")
    list_filter = ("currency",)
    search_fields = ("reference", "public_id", "invoice__reference", "tenant__name")
    list_select_related = ("tenant", "invoice", "decided_by")

    @admin.display(description=gettext_lazy("amount"), ordering="total_minor")
    def amount(self, row: CreditNote) -> str:
        """With its currency."""
        return str(total_of(row))


@admin.register(LabBillingProfile)
class LabBillingProfileAdmin(CadreAdmin):
    """Whom invoices are made out to."""

    list_display = ("legal_name", "tenant", "country", "vat_id", "email")
    list_filter = ("country", ("vat_id", admin.EmptyFieldListFilter))
    search_fields = ("legal_name", "vat_id", "tenant__name")
    list_select_related = ("tenant",)
    actions = ("issue_now",)

    @confirmed(
        description=gettext_lazy("Issue the invoices of months that are over"),
        effect=gettext_lazy(
            "Every month that is over and not billed yet is billed now, as the hourly job would do it. An issued "
            "invoice never changes. The lab is told."
        ),
        permission=ISSUE,
    )
    def issue_now(self, request: HttpRequest, row: LabBillingProfile) -> object:
        """Without waiting for the hourly job."""
        made = invoices.issue_due(now=clock.now(), tenant_id=row.tenant_id)
        told = ngettext("%(lab)s: %(n)d paper issued.", "%(lab)s: %(n)d papers issued.", made)
        messages.info(request, told % {"lab": row.legal_name, "n": made})
        return TOLD


@admin.register(DocumentSeries)
class DocumentSeriesAdmin(CadreAdmin):
    """Series of numbers; only papers count them on."""

    list_display = ("prefix", "kind", "issuer", "year", "last_number")
    list_filter = ("kind", "year")
