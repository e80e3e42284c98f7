"""Files to the bank and what it said about them; its statements."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy, ngettext

from core import clock
from core.confirming import TOLD
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, register_queue, staff
from core.money import Money
from payments.admin.staff import fresh_proof, recently_authenticated
from payments.models import BankFile, BankStatement, BankTransfer
from payments.operations.bank import bank_trouble as bank_trouble_acts
from payments.operations.bank import silent_files
from payments.queries import bank_trouble

HANDLE = "payments.handle_bankfile"
DECIDE = "payments.decide_payout"
SHOWN = 10
"""So many payouts that were left out are told one by one."""


def total_of(row: BankFile) -> Money:
    """What the file moves."""
    return Money(row.total_minor, row.currency)


class TransferInline(ReadOnlyInline):
    """The orders of a file."""

    model = BankTransfer
    fields = readonly_fields = ("end_to_end_id", "payout_id", "account", "amount_minor", "currency", "status", "code")


class TroubleFilter(admin.SimpleListFilter):
    """Payment files that wait for a person."""

    title = gettext_lazy("to look into")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The two queues."""
        return [("refused", gettext_lazy("refused by the bank")), ("silent", gettext_lazy("no answer for too long"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BankFile]) -> QuerySet[BankFile]:
        """The rows of the queue."""
        if self.value() == "refused":
            return queryset.filter(pk__in=bank_trouble.refused_files().values("pk"))
        if self.value() == "silent":
            return queryset.filter(pk__in=bank_trouble.unanswered_files(now=clock.now()).values("pk"))
        return queryset


def undecided_total(row: BankFile) -> Money:
    """What the payouts move that the bank refused in this file and that nobody has decided about."""
    total = bank_trouble.undecided_payouts(row).aggregate(total=Sum("amount_minor"))["total"]
    return Money(total or 0, row.currency)


@admin.register(BankFile)
class BankFileAdmin(CadreAdmin):
    """What was handed over to the bank, and what it answered."""

    list_display = (
        "message_id", "orders", "total", "execute_on", "status", "code", "next_step", "handed_over_at", "answered_at",
    )  # fmt: skip
    list_filter = (TroubleFilter, "status", "provider", "code")
    search_fields = ("message_id", "public_id", "transfers__payout_id", "transfers__end_to_end_id")
    readonly_fields = ("next_step",)
    inlines = (TransferInline,)
    actions = ("send_again", "give_up")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankFile]:
        """With whether it stands in one of the queues."""
        refused = bank_trouble.refused_files().filter(pk=OuterRef("pk"))
        silent = bank_trouble.unanswered_files(now=clock.now()).filter(pk=OuterRef("pk"))
        rows: QuerySet[BankFile] = super().get_queryset(request)
        return rows.annotate(has_undecided=Exists(refused), is_silent=Exists(silent))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Money may move, even twice, by either act: a fresh proof comes first."""
        proof = fresh_proof(request) if request.POST.get("action") in self.actions else None
        answer: HttpResponse | None = proof or super().response_action(request, queryset)
        return answer

    @admin.display(description=gettext_lazy("what to do"))
    def next_step(self, row: BankFile) -> str:
        """In words; a dash where it takes its course."""
        queues = {name: bool(vars(row).get(name)) for name in ("has_undecided", "is_silent")}
        return bank_trouble.next_step_of_file(row, **queues) or "–"

    @confirmed(
        description=gettext_lazy("Propose to send the refused payouts again"),
        effect=gettext_lazy(
            "One proposal for every payout that the bank refused in this file; another person with the same right "
            "approves each. Then the money goes to the account that the expert uses now."
        ),
        permission=DECIDE,
        reason=True,
        amount=undecided_total,
    )
    def send_again(self, request: HttpRequest, row: BankFile, *, reason: str) -> object:
        """Every payout that the bank refused in this file, to the method its expert has now; somebody else approves."""
        proposed, left_out = bank_trouble_acts.propose_again(
            file=row,
            reason=reason,
            recently_authenticated=recently_authenticated(request),
            by=staff(request),
            now=clock.now(),
        )
        told = ngettext(
            "%(n)d payout waits for another person's approval.",
            "%(n)d payouts wait for another person's approval.",
            proposed,
        )
        messages.info(request, told % {"n": proposed})
        for text in left_out[:SHOWN]:
            messages.warning(request, text)
        return TOLD

    @admin.display(description=gettext_lazy("total"), ordering="total_minor")
    def total(self, row: BankFile) -> str:
        """With its currency."""
        return str(total_of(row))

    @confirmed(
        description=gettext_lazy("The bank has it in writing: not executed"),
        effect=gettext_lazy(
            "The file's payouts fail, and what they pay is owed again. Only say so with the bank's word in writing: "
            "what the bank executes after all is paid twice. A large file takes another person's approval first."
        ),
        permission=HANDLE,
        reason=True,
        amount=total_of,
    )
    def give_up(self, request: HttpRequest, row: BankFile, *, reason: str) -> object:
        """Its payouts fail, and what they pay is owed again; of a large file only when somebody else approves."""
        return silent_files.not_executed(file=row, reason=reason, by=staff(request), now=clock.now())


@admin.register(BankTransfer)
class BankTransferAdmin(CadreAdmin):
    """Every order of ours at the bank."""

    list_display = ("end_to_end_id", "payout_id", "account", "amount", "status", "code", "file", "changed_at")
    list_filter = ("status", "provider", "code")
    search_fields = ("end_to_end_id", "payout_id", "key", "file__message_id")
    list_select_related = ("file",)

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def amount(self, row: BankTransfer) -> str:
        """With its currency; a key that was barred unseen has none."""
        return str(Money(row.amount_minor, row.currency)) if row.currency else "–"


@admin.register(BankStatement)
class BankStatementAdmin(CadreAdmin):
    """End-of-day statements."""

    list_display = ("provider", "day", "number", "opening", "listed", "closing", "message")
    list_filter = ("provider", "currency")
    search_fields = ("statement_id", "message__message_id")
    list_select_related = ("message",)
    date_hierarchy = "day"

    @admin.display(description=gettext_lazy("opening"))
    def opening(self, row: BankStatement) -> str:
        """With its currency."""
        return str(Money(row.opening_minor, row.currency))

    @admin.display(description=gettext_lazy("entries"))
    def listed(self, row: BankStatement) -> str:
        """The sum of what it lists, with its currency."""
        return str(Money(row.listed_minor, row.currency))

    @admin.display(description=gettext_lazy("closing"))
    def closing(self, row: BankStatement) -> str:
        """With its currency."""
        return str(Money(row.closing_minor, row.currency))


register_queue(
    name="payments.bank_files_unanswered",
    label=gettext_lazy("Payment files without an answer"),
    path="/admin/payments/bankfile/?status__in=written,sending,handed_over",
    permission=HANDLE,
    waiting=lambda: BankFile.objects.filter(status__in=("written", "sending", "handed_over")),
)
register_queue(
    name="payments.bank_files_refused",
    label=gettext_lazy("Payment files that the bank refused"),
    path="/admin/payments/bankfile/?trouble=refused",
    permission=HANDLE,
    waiting=bank_trouble.refused_files,
)
