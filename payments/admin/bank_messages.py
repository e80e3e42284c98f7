"""Files from the bank: what could not be used, and what a person brings, which waits for another person."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.confirming import TOLD
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.vault import CannotOpen
from payments.admin.staff import fresh_proof
from payments.models import BankMessage
from payments.operations.bank import bank_files, bank_messages, files_by_hand
from payments.operations.bank import bank_trouble as bank_trouble_acts
from payments.providers.iso20022 import Unreadable
from payments.providers.sepa_file import NAME as BANK
from payments.queries import bank_trouble, held_files

HANDLE = "payments.handle_bankfile"


def in_short(row: BankMessage) -> str:
    """Who brought it and what it holds, on one line."""
    try:
        holds = held_files.preview(provider=row.provider, content=bank_files.opened(row)).sentence
    except (CannotOpen, Unreadable) as error:
        holds = f"{row}: {error}"
    return f"{holds} · {row.bringer}" if row.bringer else holds


def say_what_became(request: HttpRequest, row: BankMessage) -> None:
    """Of a file that was brought or admitted."""
    if row.status == BankMessage.Status.REFUSED:
        messages.error(request, f"{row.problem}: {row.detail}")
    elif row.status == BankMessage.Status.HELD:
        messages.info(request, _("%(file)s was read: another person has to admit it.") % {"file": row})
    else:
        messages.success(request, _("%(file)s is applied within a minute.") % {"file": row})


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


@admin.register(BankMessage)
class BankMessageAdmin(CadreAdmin):
    """What came from the bank. Refused files are kept; one that a person brings here waits for another person."""

    list_display = (
        "name", "kind", "message_id", "status", "bringer", "problem", "detail", "next_step", "created_at",
    )  # fmt: skip
    list_select_related = ("bringer",)
    list_filter = (WaitsFilter, "status", "kind", "problem", "provider")
    search_fields = ("name", "message_id", "public_id", "sha256")
    readonly_fields = ("next_step",)
    actions = ("admit", "turn_away", "read_again", "apply_again", "settle", "give_up")
    change_list_template = "payments/admin/bank_messages.html"

    @admin.display(description=gettext_lazy("what to do"))
    def next_step(self, row: BankMessage) -> str:
        """In words; a dash where nobody has to do anything."""
        if row.status == BankMessage.Status.HELD:
            link = reverse("admin:payments_bankmessage_look", args=[row.pk])
            return format_html('<a href="{}">{}</a>', link, bank_trouble.ABOUT_HELD)
        return bank_trouble.next_step_of_message(row) if vars(row).get("is_waiting") else row.handled_note or "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankMessage]:
        """With whether it waits for somebody."""
        waiting = BankMessage.objects.waiting().filter(pk=OuterRef("pk"))
        rows: QuerySet[BankMessage] = super().get_queryset(request)
        return rows.annotate(is_waiting=Exists(waiting))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Money is believed to have moved by admitting a file: a fresh proof comes first."""
        proof = fresh_proof(request) if request.POST.get("action") == "admit" else None
        answer: HttpResponse | None = proof or super().response_action(request, queryset)
        return answer

    @confirmed(
        description=gettext_lazy("Admit files that another person brought"),
        effect=gettext_lazy(
            "The files count like the bank's own from now on: what they say was paid, refused or received is booked. "
            "You cannot admit what you brought."
        ),
        permission=HANDLE,
        about=in_short,
    )
    def admit(self, request: HttpRequest, row: BankMessage) -> object:
        """They count like the bank's own from now on, unless they cannot be used any more."""
        say_what_became(request, files_by_hand.admit(message=row, by=staff(request), now=clock.now()))
        return TOLD

    @confirmed(
        description=gettext_lazy("Refuse files that a person brought"),
        effect=gettext_lazy("The files never count. Whoever brought one may take it back like this."),
        permission=HANDLE,
        reason=True,
        about=in_short,
    )
    def turn_away(self, request: HttpRequest, row: BankMessage, *, reason: str) -> None:
        """They never count. Whoever brought one may take it back like this."""
        files_by_hand.turn_away(message=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Read refused files again"),
        effect=gettext_lazy(
            "The files are read once more, now that what stood in the way is mended; one that is refused again stays "
            "as it is."
        ),
        permission=HANDLE,
    )
    def read_again(self, request: HttpRequest, row: BankMessage) -> None:
        """What stood in the way is mended; one that is refused again stays as it is."""
        bank_trouble_acts.read_again(message=row, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Apply waiting files now"),
        effect=gettext_lazy(
            "What the files say is booked now, without waiting for the job; what still stands in the way is told."
        ),
        permission=HANDLE,
    )
    def apply_again(self, request: HttpRequest, row: BankMessage) -> None:
        """Instead of waiting for the job; what stands in the way is told."""
        bank_trouble_acts.apply_again(message=row, now=clock.now())

    @confirmed(
        description=gettext_lazy("Refused files: nothing is left to do"),
        effect=gettext_lazy("The files leave the queue with your reason. Nothing is booked."),
        permission=HANDLE,
        reason=True,
    )
    def settle(self, request: HttpRequest, row: BankMessage, *, reason: str) -> None:
        """With what was done: the bank sent it anew, or it was not ours."""
        bank_trouble_acts.settle(message=row, note=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Give up files that cannot be applied"),
        effect=gettext_lazy("What the files say is never booked: the bank has to send it anew."),
        permission=HANDLE,
        reason=True,
    )
    def give_up(self, request: HttpRequest, row: BankMessage, *, reason: str) -> None:
        """What they say is lost to the books; the bank has to send it anew."""
        bank_trouble_acts.give_up(message=row, note=reason, by=staff(request), now=clock.now())

    def get_urls(self) -> list[URLPattern]:
        """The pages beside Django's own."""
        view = self.admin_site.admin_view
        return [
            path("upload/", view(self.upload_view), name="payments_bankmessage_upload"),
            path("<int:pk>/look/", view(self.look_view), name="payments_bankmessage_look"),
            path("<int:pk>/file/", view(self.file_view), name="payments_bankmessage_file"),
            *super().get_urls(),
        ]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Bring a file that the channel did not."""
        if not request.user.has_perm(HANDLE):
            raise PermissionDenied
        if proof := fresh_proof(request):
            return proof
        given = request.FILES.get("file")
        if request.method != "POST" or not isinstance(given, UploadedFile):
            if request.method == "POST":
                messages.error(request, _("Choose a file."))
            return TemplateResponse(
                request, "payments/admin/bank_upload.html", self._shared(request, _("Bring a file of the bank"))
            )
        size = given.size or 0
        row = bank_messages.receive(
            provider=BANK,
            name=given.name or "",
            content=given.read() if size <= settings.BANK_FILE_MOST_BYTES else None,
            size=size,
            bringer=staff(request),
            now=clock.now(),
        )
        say_what_became(request, row)
        return HttpResponseRedirect(reverse("admin:payments_bankmessage_changelist"))

    def look_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a file would do, or has done: for whoever decides about one that another person brought."""
        if not request.user.has_perm(HANDLE):
            raise PermissionDenied
        row = get_object_or_404(BankMessage, pk=pk)
        try:
            found = held_files.preview(provider=row.provider, content=bank_files.opened(row))
        except (CannotOpen, Unreadable) as error:
            found = None
            messages.error(request, str(error))
        shared = self._shared(request, _("What %(file)s holds") % {"file": row})
        may_admit = row.status == BankMessage.Status.HELD and row.bringer_id != staff(request).pk
        context = {**shared, "row": row, "found": found, "may_admit": may_admit, "most": held_files.SHOWN}
        return TemplateResponse(request, "payments/admin/bank_message.html", context)

    def _shared(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}

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
        """With a link to what it holds."""
        extra = dict(extra_context or {})
        if object_id.isdigit():
            extra["way"] = (_("What it holds"), reverse("admin:payments_bankmessage_look", args=[object_id]))
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


register_queue(
    name="payments.bank_messages_held",
    label=gettext_lazy("Files brought by hand, waiting for a second person"),
    path="/admin/payments/bankmessage/?status__exact=held",
    permission=HANDLE,
    waiting=BankMessage.objects.held,
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
