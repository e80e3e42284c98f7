"""Decisions, and the appeals against them."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, register_queue, staff
from experts import evidence
from experts.models import Appeal, AppealFile, Decision
from experts.operations import appeals, documents

DECIDE = "experts.decide_appeal"


@admin.register(Decision)
class DecisionAdmin(CadreAdmin):
    """Acts that cost somebody money or access. Nobody can change them."""

    exclude = ("evidence",)
    readonly_fields = ("told_evidence",)

    list_display = ("public_id", "expert", "act", "subject", "reason_code", "decided_by", "decided_at", "answer_until")
    list_filter = ("act", "reason_code")
    search_fields = ("public_id", "subject", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "decided_by")
    date_hierarchy = "decided_at"

    @admin.display(description=_("evidence"))
    def told_evidence(self, decision: Decision) -> str:
        """What was put down, in words."""
        return evidence.in_words(decision.evidence) or "–"


class AppealFileInline(ReadOnlyInline):
    """What the expert put beside his appeal."""

    model = AppealFile
    fields = ("document",)


class UndecidedFilter(admin.SimpleListFilter):
    """The queue: whatever still waits for a decision, answered or not."""

    title = _("waiting")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """One choice."""
        return [("yes", str(_("undecided")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Appeal]) -> QuerySet[Appeal]:
        """Undecided ones, soonest due first."""
        waiting = Appeal.objects.undecided().values("pk")
        return queryset.filter(pk__in=waiting) if self.value() == "yes" else queryset


@admin.register(Appeal)
class AppealAdmin(CadreAdmin):
    """Soonest due first; silence past the deadline is resolved in the expert's favour."""

    list_display = ("public_id", "expert", "subject", "decision", "status", "due_at", "first_decider", "decided_by")
    list_filter = (UndecidedFilter, "status")
    search_fields = ("public_id", "subject", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "decision", "first_decider", "decided_by")
    ordering = ("due_at",)
    readonly_fields = ("evidence", "downloads")
    inlines = (AppealFileInline,)
    actions = ("answer", "decide")

    @admin.display(description=_("evidence of the decision"))
    def evidence(self, appeal: Appeal) -> str:
        """What the first decider put down."""
        if appeal.decision is None:
            return "–"
        told = (appeal.decision.explanation, evidence.in_words(appeal.decision.evidence))
        return " · ".join(filter(None, told))

    @admin.display(description=_("downloads"))
    def downloads(self, appeal: Appeal) -> str:
        """Links that work for five minutes."""
        files = [row.document for row in appeal.files.select_related("document")]
        links = [(documents.download_path(file) or "#", file) for file in files]
        return format_html_join(", ", '<a href="{}">{}</a>', links) or "–"

    @confirmed(
        description=_("Answer, as the side that decided"),
        effect=_(
            "The expert and whoever decides read the answer. The clock goes on: an appeal that nobody decides in time "
            "is won."
        ),
        permission=DECIDE,
        reason=True,
    )
    def answer(self, request: HttpRequest, appeal: Appeal, *, reason: str) -> None:
        """The clock goes on."""
        appeals.answer(appeal=appeal, text=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Decide"),
        effect=_(
            "What was contested is undone or stands, as you choose. The expert is told the reason. Whoever made the "
            "decision, or approved it, cannot decide the appeal."
        ),
        which=_("Outcome: the decision that was contested is"),
        permission=DECIDE,
        reason=True,
        choices=lambda: [(outcome.value, outcome.label) for outcome in appeals.OUTCOMES],
    )
    def decide(self, request: HttpRequest, appeal: Appeal, *, reason: str, choice: str) -> None:
        """By another person than the first decider."""
        appeals.decide(appeal=appeal, outcome=choice, note=reason, by=staff(request), now=clock.now())


register_queue(
    name="experts.appeals",
    label=_("Appeals to decide"),
    path="/admin/experts/appeal/?waiting=yes",
    permission=DECIDE,
    waiting=lambda: Appeal.objects.undecided(),  # noqa: PLW0108  # the manager is bound when the page is drawn
)
