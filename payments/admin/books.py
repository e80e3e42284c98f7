"""The ledger, to look at: nothing in it is added, changed or deleted by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.desk import CadreAdmin, ReadOnlyInline
from core.money import Money
from payments.models import Account, JournalEntry, Posting
from payments.queries import ledger_findings


def lamp() -> str:
    """The trial balance in one line: green while every currency sums to zero."""
    sums = ledger_findings.trial_balance()
    broken = [f"{Money(minor, currency)}" for currency, minor in sums.items() if minor]
    if broken:
        return _("● The books are broken: %(sums)s") % {"sums": ", ".join(broken)}
    return _("● Trial balance zero: %(currencies)s") % {"currencies": ", ".join(sums) or "–"}


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

    list_display = ("id", "kind", "source_id", "seq", "tenant", "effective_at", "created_at", "reverses")
    list_filter = ("kind",)
    search_fields = ("source_id",)
    list_select_related = ("tenant", "reverses")
    inlines = (PostingInline,)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the lamp."""
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "subtitle": lamp()})
        return response


@admin.register(Account)
class AccountAdmin(CadreAdmin):
    """Accounts with what is on them, summed from their legs."""

    list_display = ("key", "kind", "currency", "tenant", "expert", "balance")
    list_filter = ("kind", "currency")
    search_fields = ("key", "tenant__name", "expert__legal_name", "expert__public_id")
    list_select_related = ("tenant", "expert")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With their sums."""
        rows: QuerySet[Account] = super().get_queryset(request)
        return rows.annotate(total=Sum("postings__amount"))

    @admin.display(description=gettext_lazy("balance (credit is positive)"))
    def balance(self, row: Account) -> str:
        """With its currency."""
        return str(Money(getattr(row, "total", 0) or 0, row.currency))
