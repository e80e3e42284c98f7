"""Files to and from the bank: what waits for an answer, what could not be used, and a second way to bring a file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, principal_of, register_queue, staff
from core.money import Money
from payments.admin.staff import fresh_proof, recently_authenticated
from payments.models import BankFile, BankMessage, BankStatement, BankTransfer
from payments.operations.bank import bank_files, bank_messages
from payments.operations.bank import bank_trouble as bank_trouble_acts
from payments.providers.sepa_file import NAME as BANK
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


class WaitsFilter(admin.SimpleListFilter):
    """Files from the bank that wait for a person."""

    title = gettext_lazy("to look into")
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """One choice."""
        return [("yes", gettext_lazy("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BankMessage]) -> QuerySet[BankMessage]:
        """The rows of the queue."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=BankMessage.objects.waiting().values("pk"))


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
        """Money may move by sending again: a fresh proof comes first."""
        proof = fresh_proof(request) if request.POST.get("action") == "send_again" else None
        answer: HttpResponse | None = proof or super().response_action(request, queryset)
        return answer

    @admin.display(description=gettext_lazy("what to do"))
    def next_step(self, row: BankFile) -> str:
        """In words; a dash where it takes its course."""
        queues = {name: bool(vars(row).get(name)) for name in ("has_undecided", "is_silent")}
        return bank_trouble.next_step_of_file(row, **queues) or "–"

    @confirmed(
        description=gettext_lazy("Propose to send the refused payouts again"),
        permission=DECIDE,
        reason=True,
        amount=undecided_total,
    )
    def send_again(self, request: HttpRequest, row: BankFile, *, reason: str) -> None:
        """Every payout that the bank refused in this file, to the method its expert has now; somebody else approves."""
        proposed, left_out = bank_trouble_acts.propose_again(
            file=row,
            reason=reason,
            recently_authenticated=recently_authenticated(request),
            by=staff(request),
            now=clock.now(),
        )
        messages.success(request, _("%(n)d payouts wait for another person's approval.") % {"n": proposed})
        for text in left_out[:SHOWN]:
            messages.warning(request, text)

    @admin.display(description=gettext_lazy("total"), ordering="total_minor")
    def total(self, row: BankFile) -> str:
        """With its currency."""
        return str(total_of(row))

    @confirmed(
        description=gettext_lazy("The bank has it in writing: not executed"),
        permission=HANDLE,
        reason=True,
        amount=total_of,
    )
    def give_up(self, request: HttpRequest, row: BankFile, *, reason: str) -> None:
        """Its payouts fail, and what they pay is owed again."""
        bank_files.never_arrived(file=row, reason=reason, by=staff(request), now=clock.now())


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


@admin.register(BankMessage)
class BankMessageAdmin(CadreAdmin):
    """What came from the bank. Refused files are kept; a file can also be brought here by hand."""

    list_display = ("name", "kind", "message_id", "status", "problem", "detail", "next_step", "created_at")
    list_filter = (WaitsFilter, "status", "kind", "problem", "provider")
    search_fields = ("name", "message_id", "public_id", "sha256")
    readonly_fields = ("next_step",)
    actions = ("read_again", "apply_again", "settle", "give_up")
    change_list_template = "payments/admin/bank_messages.html"

    @admin.display(description=gettext_lazy("what to do"))
    def next_step(self, row: BankMessage) -> str:
        """In words; a dash where nobody has to do anything."""
        return bank_trouble.next_step_of_message(row) if vars(row).get("is_waiting") else row.handled_note or "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankMessage]:
        """With whether it waits for somebody."""
        waiting = BankMessage.objects.waiting().filter(pk=OuterRef("pk"))
        rows: QuerySet[BankMessage] = super().get_queryset(request)
        return rows.annotate(is_waiting=Exists(waiting))

    @confirmed(description=gettext_lazy("Read refused files again"), permission=HANDLE)
    def read_again(self, request: HttpRequest, row: BankMessage) -> None:
        """What stood in the way is mended; one that is refused again stays as it is."""
        bank_trouble_acts.read_again(message=row, by=staff(request), now=clock.now())

    @confirmed(description=gettext_lazy("Apply waiting files now"), permission=HANDLE)
    def apply_again(self, request: HttpRequest, row: BankMessage) -> None:
        """Instead of waiting for the job; what stands in the way is told."""
        bank_trouble_acts.apply_again(message=row, now=clock.now())

    @confirmed(description=gettext_lazy("Refused files: nothing is left to do"), permission=HANDLE, reason=True)
    def settle(self, request: HttpRequest, row: BankMessage, *, reason: str) -> None:
        """With what was done: the bank sent it anew, or it was not ours."""
        bank_trouble_acts.settle(message=row, note=reason, by=staff(request), now=clock.now())

    @confirmed(description=gettext_lazy("Give up files that cannot be applied"), permission=HANDLE, reason=True)
    def give_up(self, request: HttpRequest, row: BankMessage, *, reason: str) -> None:
        """What they say is lost to the books; the bank has to send it anew."""
        bank_trouble_acts.give_up(message=row, note=reason, by=staff(request), now=clock.now())

    def get_urls(self) -> list[URLPattern]:
        """The pages beside Django's own."""
        view = self.admin_site.admin_view
        return [
            path("upload/", view(self.upload_view), name="payments_bankmessage_upload"),
            path("<int:pk>/file/", view(self.file_view), name="payments_bankmessage_file"),
            *super().get_urls(),
        ]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Bring a file that the channel did not."""
        if not request.user.has_perm(HANDLE):
            raise PermissionDenied
        given = request.FILES.get("file")
        if request.method != "POST" or not isinstance(given, UploadedFile):
            shared = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Bring a file of the bank"),
            }
            return TemplateResponse(request, "payments/admin/bank_upload.html", shared)
        size = given.size or 0
        row = bank_messages.receive(
            provider=BANK,
            name=given.name or "",
            content=given.read() if size <= settings.BANK_FILE_MOST_BYTES else None,
            size=size,
            brought_by=principal_of(request).label,
            now=clock.now(),
        )
        if row.status == BankMessage.Status.REFUSED:
            messages.error(request, f"{row.problem}: {row.detail}")
        else:
            messages.success(request, _("Taken: it is applied within a minute."))
        return HttpResponseRedirect(reverse("admin:payments_bankmessage_changelist"))

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The file as it came, never as a page: it was written by somebody else."""
        if not request.user.has_perm(HANDLE):
            raise PermissionDenied
        row = get_object_or_404(BankMessage, pk=pk)
        headers = {
            "Content-Disposition": f'attachment; filename="{row.public_id}.xml"',
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(bank_files.opened(row), content_type="application/octet-stream", headers=headers)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With a link to the file."""
        link = reverse("admin:payments_bankmessage_file", args=[object_id]) if object_id.isdigit() else ""
        extra = {**(extra_context or {}), "subtitle": _("The file: %(link)s") % {"link": link}}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


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
    name="payments.bank_messages_waiting",
    label=gettext_lazy("Files from the bank, not applied"),
    path="/admin/payments/bankmessage/?status__exact=received",
    permission=HANDLE,
    waiting=lambda: BankMessage.objects.filter(status=BankMessage.Status.RECEIVED),
)
register_queue(
    name="payments.bank_messages_refused",
    label=gettext_lazy("Files from the bank to look into"),
    path="/admin/payments/bankmessage/?waits=yes",
    permission=HANDLE,
    waiting=BankMessage.objects.waiting,
)
register_queue(
    name="payments.bank_files_refused",
    label=gettext_lazy("Payment files that the bank refused"),
    path="/admin/payments/bankfile/?trouble=refused",
    permission=HANDLE,
    waiting=bank_trouble.refused_files,
)
