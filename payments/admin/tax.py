"""Tax at the desk: what experts declared, VAT ids to confirm, backup withholding, and the year's 1099-NEC totals."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from core.public import Event, User
from payments import tax
from payments.admin.asking import asking
from payments.admin.staff import prove_again, recently_authenticated
from payments.models import BackupWithholding, OwedInvoice, TaxProfile
from payments.operations.payee import backup_withholding, tax_profiles
from payments.operations.runs import owed_invoices, self_billing
from payments.papers import spreadsheet
from payments.queries.nec_totals import DOLLAR, NecTotal, Recipient, nec_totals, recipients

CONFIRM = "payments.confirm_vat"
WITHHOLD = "payments.withhold_tax"
FILE = "payments.file_tax_forms"
VIEW = "payments.view_taxprofile"
FIRST_YEAR, LAST_YEAR = 2000, 2100
SHOWN = 20
NEC_HEAD = ("year", "tin", "name", "address", "box_1", "box_4", "currency", "payments")
CAUSES = [choice for choice in BackupWithholding.Cause.choices if choice[0] != "self_declared"]


class PurposeForm(forms.Form):
    """What the numbers are taken for."""

    reason = forms.CharField(
        label=gettext_lazy("reason"),
        max_length=200,
        help_text=gettext_lazy(
            "The file bears full tax numbers. Your name, the reason and its digest are kept with the year."
        ),
    )


@admin.register(TaxProfile)
class TaxProfileAdmin(CadreAdmin):
    """What experts declared; the numbers are never shown in full."""

    list_display = (
        "legal_name", "expert", "form", "country", "masked_tax_id", "signed_at", "expires_at", "withholding_bp",
        "vat_confirmed_at",
    )  # fmt: skip
    list_filter = ("form", "country", "self_billing", "expires_at")
    search_fields = ("legal_name", "expert__public_id")
    list_select_related = ("expert",)
    exclude = ("sealed_tax_id", "sealed_w9_tax_id")
    actions = ("confirm_vat", "withhold")
    change_list_template = "payments/admin/tax_profiles.html"

    @confirmed(
        description=gettext_lazy("Confirm VAT id (reason: number of the VIES consultation)"),
        effect=gettext_lazy(
            "The VAT id counts as confirmed from now on: invoices of this business can be written in its name. The "
            "expert is told."
        ),
        permission=CONFIRM,
        reason=True,
    )
    def confirm_vat(self, request: HttpRequest, row: TaxProfile, *, reason: str) -> None:
        """The register knows it."""
        tax_profiles.confirm_vat(profile=row, consultation=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Start backup withholding"),
        effect=gettext_lazy(
            "Tax is kept back from every payout calculated from now on. The expert is told the reason and may contest "
            "it."
        ),
        which=gettext_lazy("Cause"),
        permission=WITHHOLD,
        reason=True,
        choices=lambda: CAUSES,
    )
    def withhold(self, request: HttpRequest, row: TaxProfile, *, reason: str, choice: str) -> None:
        """From the next calculation on."""
        backup_withholding.start(expert=row.expert, cause=choice, reason=reason, by=staff(request), now=clock.now())

    def get_urls(self) -> list[URLPattern]:
        """The year's totals beside Django's own pages."""
        own = [
            path("nec/", self.admin_site.admin_view(self.nec_view), name="payments_nec"),
            path("nec/<int:year>/", self.admin_site.admin_view(self.nec_view), name="payments_nec_year"),
            path("nec/<int:year>/export/", self.admin_site.admin_view(self.export_view), name="payments_nec_export"),
        ]
        return [*own, *super().get_urls()]

    def nec_view(self, request: HttpRequest, year: int | None = None) -> HttpResponse:
        """The totals of a year, those on which a form is due first."""
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        year = _year(request, year)
        totals = sorted(nec_totals(year=year), key=lambda total: (not total.is_reportable, total.expert_id))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Form 1099-NEC, %(year)s") % {"year": year},
            "opts": self.opts,
            "year": year,
            "rows": _rows(totals),
            "threshold": Money(tax.nec_threshold(year), DOLLAR),
            "due": sum(total.is_reportable for total in totals),
            "may_export": request.user.has_perm(FILE),
            "exports": _exports(year),
        }
        return TemplateResponse(request, "payments/admin/nec.html", context)

    def export_view(self, request: HttpRequest, year: int) -> HttpResponse:
        """The forms that are due, with full tax numbers, as CSV for whoever files them and proved who he is."""
        if not request.user.has_perm(FILE):
            raise PermissionDenied
        year = _year(request, year)
        if not recently_authenticated(request):
            return prove_again(request)
        form = PurposeForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return asking(
                self,
                request,
                title=_("Export full tax numbers, %(year)s") % {"year": year},
                effect=_("A CSV file with every form that is due for the year, for whoever files them."),
                form=form,
                back=reverse("admin:payments_nec_year", args=[year]),
                button=_("Download"),
            )
        totals = [total for total in nec_totals(year=year) if total.is_reportable]
        file = _nec_csv(totals).encode()
        tax_profiles.note_export(
            year=year,
            forms=len(totals),
            sha256=hashlib.sha256(file).hexdigest(),
            reason=form.cleaned_data["reason"],
            by=staff(request),
            now=clock.now(),
        )
        answer = HttpResponse(file, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="1099-nec-{year}.csv"'
        return answer


@admin.register(BackupWithholding)
class BackupWithholdingAdmin(CadreAdmin):
    """Whose pay is taxed at the source, and why."""

    list_display = ("public_id", "expert", "cause", "rate_bp", "status", "started_at", "started_by", "ended_at")
    list_filter = ("status", "cause")
    search_fields = ("public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert", "started_by")
    actions = ("end",)

    @confirmed(
        description=gettext_lazy("End backup withholding"),
        effect=gettext_lazy(
            "Nothing is kept back from the next calculation on; what was kept back stays with the tax authority. The "
            "expert is told."
        ),
        permission=WITHHOLD,
        reason=True,
    )
    def end(self, request: HttpRequest, row: BackupWithholding, *, reason: str) -> None:
        """From the next calculation on."""
        backup_withholding.end(spell=row, reason=reason, by=staff(request), now=clock.now())


def _year(request: HttpRequest, year: int | None) -> int:
    asked = year if year is not None else request.GET.get("year", "")
    if asked == "":
        return clock.now().year
    try:
        number = int(asked)
    except ValueError:
        raise Http404 from None
    if not FIRST_YEAR <= number <= LAST_YEAR:
        raise Http404
    return number


def _exports(year: int) -> list[tuple[Event, str]]:
    """When full numbers of a year left the house, newest first, each with the name of who took them."""
    found = list(Event.objects.filter(name=tax_profiles.EXPORTED, payload__year=year).order_by("-pk")[:SHOWN])
    people = User.objects.in_bulk([event.subject for event in found], field_name="public_id")
    return [(event, str(people.get(event.subject, event.subject))) for event in found]


def _rows(totals: list[NecTotal]) -> list[tuple[Recipient, NecTotal]]:
    found = recipients(expert_ids={total.expert_id for total in totals})
    return [(found[total.expert_id], total) for total in totals]


def _nec_csv(totals: list[NecTotal]) -> str:
    rows = (
        (
            total.year,
            recipient.tax_id(),
            recipient.legal_name,
            recipient.address,
            total.compensation,
            total.withheld,
            total.compensation.currency,
            total.payments,
        )
        for recipient, total in _rows(totals)
    )
    return spreadsheet.render(NEC_HEAD, rows)


def gross_of(row: OwedInvoice) -> Money:
    """What the business was owed, before tax withheld."""
    return Money(row.payout.gross_minor, row.payout.currency)


@admin.register(OwedInvoice)
class OwedInvoiceAdmin(CadreAdmin):
    """Payouts to businesses: whose invoice is there, and what keeps us from writing the others."""

    list_display = ("payout", "legal_name", "country", "amount", "paid_at", "status", "obstacle", "own_reference")
    list_filter = ("status", "obstacle", "country")
    search_fields = ("public_id", "payout__public_id", "expert__public_id", "legal_name", "own_reference")
    list_select_related = ("payout", "expert")
    exclude = ("sealed_tax_id",)
    actions = ("look_again", "received")

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, row: OwedInvoice) -> str:
        """What the business was owed, before tax withheld."""
        return str(gross_of(row))

    @admin.display(description=gettext_lazy("paid"), ordering="payout__paid_at")
    def paid_at(self, row: OwedInvoice) -> dt.datetime | None:
        """When."""
        return row.payout.paid_at

    @confirmed(
        description=gettext_lazy("His own invoice is here"),
        effect=gettext_lazy("The payout counts as invoiced under this number; we write no invoice for it any more."),
        permission=CONFIRM,
        amount=gross_of,
        asks=gettext_lazy("Number of his invoice"),
    )
    def received(self, request: HttpRequest, row: OwedInvoice, *, given: str) -> None:
        """With its number."""
        owed_invoices.received(row=row, reference=given, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Try again to write it"),
        effect=gettext_lazy(
            "The invoice is written now if nothing stands in the way any more; otherwise it goes on waiting."
        ),
        permission=CONFIRM,
    )
    def look_again(self, request: HttpRequest, row: OwedInvoice) -> None:
        """When settings or keys were put right."""
        self_billing.issue(payout_id=row.payout_id, now=clock.now())


register_queue(
    name="payments.owed_invoices",
    label=gettext_lazy("Invoices of businesses that are missing"),
    path="/admin/payments/owedinvoice/?status__exact=waiting",
    permission=CONFIRM,
    waiting=lambda: OwedInvoice.objects.filter(status=OwedInvoice.Status.WAITING),
)
register_queue(
    name="payments.vat_ids",
    label=gettext_lazy("VAT ids to confirm"),
    path="/admin/payments/taxprofile/?form__exact=eu_vat",
    permission=CONFIRM,
    waiting=TaxProfile.objects.unconfirmed_vat,
    since="signed_at",
)
