"""Pay runs: prepare, look at what is unusual, release. The pages make one call each; the rules are the operations'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.confirming import told
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from payments.admin.staff import prove_again, recently_authenticated
from payments.models import PayRun, PayRunExclusion, PayRunLine
from payments.operations.runs import pay_run_holds, pay_runs
from payments.queries import pay_run_review
from payments.queries.pay_run_review import total_of

PREPARE = "payments.prepare_payrun"
RELEASE = "payments.release_payrun"


def amount_of(row: PayRunLine) -> Money:
    """What the line pays."""
    return Money(row.amount_minor, row.run.currency)


@admin.register(PayRun)
class PayRunAdmin(CadreAdmin):
    """One run per currency and cutoff."""

    list_display = (
        "public_id", "currency", "type", "cutoff", "pays_on", "status", "line_count", "total", "prepared_by",
        "released_by",
    )  # fmt: skip
    list_filter = ("status", "currency", "type")
    date_hierarchy = "pays_on"
    search_fields = ("public_id",)
    list_select_related = ("prepared_by", "released_by")
    actions = ("recalculate", "send_back", "cancel")
    change_list_template = "payments/admin/pay_runs.html"

    @admin.display(description=gettext_lazy("total"), ordering="total_minor")
    def total(self, row: PayRun) -> str:
        """With its currency."""
        return str(total_of(row))

    @confirmed(
        description=gettext_lazy("Calculate again"),
        effect=gettext_lazy(
            "All lines are computed again and the run waits for release anew; held lines stay held. You become its "
            "preparer, so somebody else has to release it."
        ),
        permission=PREPARE,
        amount=total_of,
    )
    def recalculate(self, request: HttpRequest, row: PayRun) -> None:
        """A run that was sent back."""
        pay_runs.recalculate(run=row, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Send back"),
        effect=gettext_lazy("Nothing is paid: whoever prepares computes the run again. Experts are told nothing."),
        permission=RELEASE,
        reason=True,
        amount=total_of,
    )
    def send_back(self, request: HttpRequest, row: PayRun, *, reason: str) -> None:
        """To whoever prepares."""
        pay_runs.send_back(run=row, reason=reason, by=staff(request))

    @confirmed(
        description=gettext_lazy("Cancel"),
        effect=gettext_lazy(
            "The run is given up for good. What everybody is owed stays owed and goes into the next run; everybody in "
            "it is told the reason and the next payday."
        ),
        permission=PREPARE,
        reason=True,
        amount=total_of,
    )
    def cancel(self, request: HttpRequest, row: PayRun, *, reason: str) -> None:
        """Everybody's money stays payable."""
        pay_runs.cancel(run=row, reason=reason, by=staff(request), now=clock.now())

    def get_urls(self) -> list[URLPattern]:
        """The pages beside Django's own."""
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("prepare/", self.prepare_view, "payments_payrun_prepare"),
            ("<int:pk>/release/", self.release_view, "payments_payrun_release"),
        ]
        own = [path(route, self.admin_site.admin_view(view), name=name) for route, view, name in pages]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The review: totals, what differs from everybody's last payout, who is left out and why."""
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404
        found = PayRun.objects.select_related("prepared_by", "released_by", "stopped_by")
        run = get_object_or_404(found, pk=object_id)
        asked = {name: request.GET.get(key, "") for name, key in (("show", "show"), ("search", "q"), ("page", "page"))}
        review = pay_run_review.review_of(run, **asked)
        return self._page(request, "payments/admin/pay_run.html", str(run), **review)

    def prepare_view(self, request: HttpRequest) -> HttpResponse:
        """Choose a currency; what is owed and the next cutoff are shown."""
        _require(request, PREPARE)
        if request.method != "POST":
            owed = pay_run_review.owed_by_currency(now=clock.now())
            return self._page(request, "payments/admin/prepare.html", _("Prepare a pay run"), owed=owed)
        currency = str(request.POST.get("currency", ""))
        off_cycle = request.POST.get("off_cycle") == "yes"
        made: list[PayRun] = []

        def prepare() -> None:
            made.append(pay_runs.prepare(currency=currency, by=staff(request), now=clock.now(), off_cycle=off_cycle))

        done = told(request, prepare)
        return HttpResponseRedirect(_review_url(made[0].pk) if done else reverse("admin:payments_payrun_prepare"))

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Count and sum once more; then the money goes. The digest ties the click to what was looked at."""
        _require(request, RELEASE)
        run = get_object_or_404(PayRun, pk=pk)
        if not recently_authenticated(request):
            return prove_again(request)
        if request.method != "POST":
            return self._page(
                request, "payments/admin/release.html", _("Release a pay run"), run=run, total=total_of(run)
            )
        done = told(
            request,
            lambda: pay_runs.release(
                run=run,
                digest=str(request.POST.get("digest", "")),
                recently_authenticated=recently_authenticated(request),
                by=staff(request),
                now=clock.now(),
            ),
        )
        if done:
            messages.success(request, _("Released: the payouts are on their way."))
        return HttpResponseRedirect(_review_url(pk))

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, template, {**shared, **context})


@admin.register(PayRunLine)
class PayRunLineAdmin(CadreAdmin):
    """The lines of runs."""

    list_display = (
        "run", "expert", "amount", "previous", "is_new_payee", "method_changed", "is_unusual", "held_reason", "held_by",
    )  # fmt: skip
    list_filter = ("is_new_payee", "method_changed", "is_unusual", "run__status", "run__currency")
    search_fields = ("run__public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("run", "expert", "held_by")
    actions = ("hold", "put_back")

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def amount(self, row: PayRunLine) -> str:
        """With its currency."""
        return str(amount_of(row))

    @admin.display(description=gettext_lazy("last payout"), ordering="previous_minor")
    def previous(self, row: PayRunLine) -> str:
        """With its currency."""
        return "–" if row.previous_minor is None else str(Money(row.previous_minor, row.run.currency))

    @confirmed(
        description=gettext_lazy("Hold"),
        effect=gettext_lazy(
            "This pay is left out of the release and stays owed. The expert is told the reason and may contest it."
        ),
        permission=RELEASE,
        reason=True,
        amount=amount_of,
    )
    def hold(self, request: HttpRequest, row: PayRunLine, *, reason: str) -> None:
        """Kept out of the release."""
        pay_run_holds.hold(line=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=gettext_lazy("Put back"),
        effect=gettext_lazy("This pay is released with the run again, and the expert is told."),
        permission=RELEASE,
        amount=amount_of,
    )
    def put_back(self, request: HttpRequest, row: PayRunLine) -> None:
        """Into the release."""
        pay_run_holds.release(line=row, by=staff(request), now=clock.now())


@admin.register(PayRunExclusion)
class PayRunExclusionAdmin(CadreAdmin):
    """Who was owed something and was not paid, and why."""

    list_display = ("run", "expert", "amount", "reason")
    list_filter = ("reason", "run__currency")
    search_fields = ("run__public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("run", "expert")

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def amount(self, row: PayRunExclusion) -> str:
        """With its currency."""
        return str(Money(row.amount_minor, row.run.currency))


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _review_url(pk: int) -> str:
    return reverse("admin:payments_payrun_change", args=[pk])


register_queue(
    name="payments.pay_runs",
    label=gettext_lazy("Pay runs to release"),
    path="/admin/payments/payrun/?status__exact=review",
    permission=RELEASE,
    waiting=lambda: PayRun.objects.filter(status=PayRun.Status.REVIEW),
    since="calculated_at",
)
register_queue(
    name="payments.pay_runs_sent_back",
    label=gettext_lazy("Pay runs sent back"),
    path="/admin/payments/payrun/?status__exact=draft",
    permission=PREPARE,
    waiting=lambda: PayRun.objects.filter(status=PayRun.Status.DRAFT),
)
