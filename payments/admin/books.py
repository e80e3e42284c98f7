"""The ledger, to look at: nothing in it is added, changed or deleted by hand."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline
from core.money import Money
from core.public import Tenant
from payments.accounts import AccountKey
from payments.admin.asking import asking
from payments.admin.periods import periods
from payments.models import Account, JournalEntry, Posting
from payments.models.ledger import event_in_words
from payments.queries import account_statement, journal_export, trial_balance


def lamp() -> str:
    """The trial balance in one line: green while every currency sums to zero."""
    found = trial_balance.latest(now=clock.now())
    if found.broken:
        return _("● The books are broken: %(sums)s") % {"sums": ", ".join(map(str, found.broken))}
    return _("● Trial balance zero: %(currencies)s (counted %(at)s, and what was booked since)") % {
        "currencies": ", ".join(found.sums) or "–",
        "at": f"{found.at:%Y-%m-%d %H:%M} UTC",
    }


EVER = (MinValueValidator(dt.date(2000, 1, 1)), MaxValueValidator(dt.date(2100, 12, 31)))


class PeriodForm(forms.Form):
    """Days of booking, UTC, both included."""

    first_day = forms.DateField(
        label=gettext_lazy("first day"), widget=forms.DateInput(attrs={"type": "date"}), validators=EVER
    )
    last_day = forms.DateField(
        label=gettext_lazy("last day"), widget=forms.DateInput(attrs={"type": "date"}), validators=EVER
    )


class WatermarkForm(forms.Form):
    """How far, and from where."""

    since = forms.IntegerField(label=gettext_lazy("after entry"), required=False, min_value=0)
    until = forms.IntegerField(label=gettext_lazy("up to entry"), required=False, min_value=0)
    as_of = forms.DateTimeField(
        label=gettext_lazy("or as of (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"placeholder": "2026-11-30 23:59"}),
    )


class PostingInline(ReadOnlyInline):
    """The legs of an entry."""

    model = Posting
    fields = readonly_fields = ("position", "account", "money")

    @admin.display(description=gettext_lazy("amount (credit is positive)"))
    def money(self, row: Posting) -> str:
        """With its currency."""
        return str(Money(row.amount, row.currency))


@admin.register(JournalEntry)
class JournalEntryAdmin(CadreAdmin):
    """Every business event, once."""

    list_display = ("id", "effective_at", "event", "amount", "source_id", "seq", "tenant", "created_at", "reverses")
    list_filter = ("kind", periods("effective_at", gettext_lazy("effective")))
    search_fields = ("source_id", "tenant__name")
    search_help_text = gettext_lazy("A whole id of what caused it, such as pay_01k9…, or a part of a lab's name.")
    list_select_related = ("tenant", "reverses")
    inlines = (PostingInline,)

    change_list_template = "payments/admin/with_links.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        """With their legs, read once for the rows that are shown."""
        rows: QuerySet[JournalEntry] = super().get_queryset(request)
        return rows.prefetch_related("postings")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[JournalEntry], search_term: str
    ) -> tuple[QuerySet[JournalEntry], bool]:
        """By the index of sources: a whole id; else labs by their names. A part of an id would read the whole journal."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "_" in term:
            return queryset.filter(source_id=term), False
        labs = list(Tenant.objects.filter(name__icontains=term).values_list("pk", flat=True))
        return queryset.filter(tenant__in=labs), False

    @admin.display(description=gettext_lazy("event"), ordering="kind")
    def event(self, row: JournalEntry) -> str:
        """What happened, in words."""
        return event_in_words(row.kind)

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, row: JournalEntry) -> str:
        """What it moved, in each currency: the sum of its credits."""
        moved: dict[str, int] = {}
        for leg in row.postings.all():
            moved[leg.currency] = moved.get(leg.currency, 0) + max(leg.amount, 0)
        return ", ".join(str(Money(minor, currency)) for currency, minor in sorted(moved.items()))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the lamp and the way to the export."""
        links = [(_("Export as CSV"), reverse("admin:payments_journalentry_export"))]
        extra = {**(extra_context or {}), "told": lamp(), "links": links}
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    def get_urls(self) -> list[URLPattern]:
        """The export."""
        page = self.admin_site.admin_view(self.export_view)
        return [path("export/", page, name="payments_journalentry_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the days, then give the file, written inside this request's scope."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = PeriodForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return asking(
                self,
                request,
                title=_("Export the journal"),
                effect=_(
                    "A CSV file with every leg that was booked on these days (UTC, both included), in the order of "
                    "booking."
                ),
                form=form,
                back=reverse("admin:payments_journalentry_changelist"),
                button=_("Download"),
            )
        days = form.cleaned_data
        # A streaming generator would run after the scope is gone: the file is complete before the answer begins.
        spool = tempfile.TemporaryFile()  # noqa: SIM115  # FileResponse closes it
        text = io.TextIOWrapper(spool, encoding="utf-8", newline="", write_through=True)
        end = dt.datetime.combine(days["last_day"] + dt.timedelta(days=1), dt.time(), dt.UTC)
        start = dt.datetime.combine(days["first_day"], dt.time(), dt.UTC)
        journal_export.write(text, start=start, end=end)
        text.detach()
        spool.seek(0)
        name = f"journal-{days['first_day']}-{days['last_day']}.csv"
        return FileResponse(spool, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")


@admin.register(Account)
class AccountAdmin(CadreAdmin):
    """Accounts with what is on them, summed from their legs."""

    list_display = ("key", "kind", "currency", "tenant", "expert", "balance", "lines")
    list_filter = ("kind", "currency")
    search_fields = ("key", "tenant__name", "expert__legal_name", "expert__public_id")
    list_select_related = ("tenant", "expert")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With their sums, of the rows that are shown: never of the whole journal."""
        rows: QuerySet[Account] = super().get_queryset(request)
        legs = Posting.objects.filter(account=OuterRef("pk")).order_by().values("account")
        return rows.annotate(total=Subquery(legs.annotate(total=Sum("amount")).values("total")))

    @admin.display(description=gettext_lazy("balance (credit is positive)"))
    def balance(self, row: Account) -> str:
        """With its currency."""
        return str(Money(getattr(row, "total", 0) or 0, row.currency))

    @admin.display(description="")
    def lines(self, row: Account) -> str:
        """The way to its statement."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:payments_account_statement", args=[row.pk]), _("Statement")
        )

    def get_urls(self) -> list[URLPattern]:
        """The statement of an account."""
        page = self.admin_site.admin_view(self.statement_view)
        return [path("<int:pk>/statement/", page, name="payments_account_statement"), *super().get_urls()]

    def statement_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Opening, movements, closing: from and up to a watermark, or as of an instant (UTC)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        account = get_object_or_404(Account, pk=pk)
        form = WatermarkForm(request.GET)
        asked = form.cleaned_data if form.is_valid() else {}
        key = AccountKey(account.kind, account.currency, account.tenant_id, account.expert_id, account.detail)
        found = account_statement.statement(
            key=key, since=asked.get("since") or 0, until=asked.get("until"), at=asked.get("as_of")
        )
        money = [(row, event_in_words(row.kind), Money(row.minor, account.currency)) for row in found.movements]
        ends = {side: Money(getattr(found, f"{side}_minor"), account.currency) for side in ("opening", "closing")}
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": account.key, "form": form}
        return TemplateResponse(
            request, "payments/admin/account.html", {**context, **ends, "found": found, "movements": money}
        )
