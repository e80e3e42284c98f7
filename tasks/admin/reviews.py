"""Submissions, and the queue of those that wait for the platform's reviewers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core import clock
from core.confirming import Text
from core.desk import CadreAdmin, confirmed, register_queue, staff
from tasks import task_types
from tasks.claim_view import review_material
from tasks.models import Adjudication, Claim, Review, Submission, Task, TaskReport
from tasks.operations import reviews

REVIEW = "tasks.review_submission"
AWAITS = "awaits"
REASONS: list[tuple[str, Text]] = list(Submission.Reason.choices)


def awaiting(side: str) -> QuerySet[Submission]:
    """The submissions whose tasks wait for one side's decision."""
    return Submission.objects.filter(
        task__status=Task.Status.IN_REVIEW, task__review_side=side, task__candidate=F("pk")
    )


class AwaitsFilter(admin.SimpleListFilter):
    """Whose decision is awaited."""

    title = _("awaits the decision of")
    parameter_name = AWAITS

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        """The two sides."""
        return [(Task.Side.PLATFORM.value, _("platform")), (Task.Side.LAB.value, _("lab"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Submission]) -> QuerySet[Submission]:
        """Those under review by the chosen side."""
        return queryset.filter(pk__in=awaiting(self.value() or "").values("pk")) if self.value() else queryset


@admin.register(Submission)
class SubmissionAdmin(CadreAdmin):
    """Finished work. Reviewers see it as they should read it: the task, the rubric as a table, what others found."""

    list_display = ("public_id", "kind", "batch", "role", "revision", "status", "is_final", "submitted_at", "review_by")
    list_filter = (AwaitsFilter, "status", "role", "is_final", "task__type")
    search_fields = ("public_id", "task__public_id", "task__external_id", "task__batch__public_id")
    list_select_related = ("task", "task__batch")
    ordering = ("submitted_at",)
    fields = ("work", "public_id", "task", "role", "revision", "status", "is_final", "submitted_at", "decided_at")
    readonly_fields = ("work",)
    actions = ("accept", "request_rework", "reject")

    @admin.display(description=_("kind"))
    def kind(self, work: Submission) -> str:
        """What kind of work it is."""
        return str(task_types.get(work.task.type).title)

    @admin.display(description=_("batch"))
    def batch(self, work: Submission) -> str:
        """Its batch."""
        return work.task.batch.name

    @admin.display(description=_("decide by"), ordering="task__review_by")
    def review_by(self, work: Submission) -> object:
        """When silence accepts it."""
        return work.task.review_by if work.task.candidate_id == work.pk else None

    @admin.display(description=_("work"))
    def work(self, work: Submission) -> SafeString:
        """The task and what was made of it, in one readable page."""
        return render_to_string(
            "admin/tasks/work.html",
            {
                "work": work,
                "task": work.task,
                "payload": work.task.payload,
                "material": review_material(work, work.task),
                "reviews": work.reviews.order_by("pk"),
            },
        )

    @confirmed(description=_("Accept"), effect=_("The work is taken, and counts for the task."), permission=REVIEW)
    def accept(self, request: HttpRequest, work: Submission) -> None:
        """It is good."""
        decide(request, work, Review.Outcome.ACCEPT)

    @confirmed(
        description=_("Ask for rework"),
        effect=_("The same expert revises the work and reads the reason."),
        which=_("Ground"),
        permission=REVIEW,
        reason=True,
        choices=lambda: REASONS,
    )
    def request_rework(self, request: HttpRequest, work: Submission, *, reason: str, choice: str) -> None:
        """The same expert revises it."""
        decide(request, work, Review.Outcome.REQUEST_REWORK, reason=reason, code=choice)

    @confirmed(
        description=_("Reject"),
        effect=_(
            "The work is not taken; its hours stay as they are. The expert is told the reason and may contest it."
        ),
        which=_("Ground"),
        permission=REVIEW,
        reason=True,
        choices=lambda: REASONS,
    )
    def reject(self, request: HttpRequest, work: Submission, *, reason: str, choice: str) -> None:
        """It is not taken; hours stay, and the expert may appeal."""
        decide(request, work, Review.Outcome.REJECT, reason=reason, code=choice)


def decide(request: HttpRequest, work: Submission, outcome: str, *, reason: str = "", code: str = "") -> None:
    """Have the signed-in member of staff decide for the platform."""
    reviews.decide(
        submission=work,
        outcome=outcome,
        side=Task.Side.PLATFORM,
        decided_by=staff(request),
        reason_code=code,
        comment=reason,
        now=clock.now(),
    )


@admin.register(Review)
class ReviewAdmin(CadreAdmin):
    """What was decided, by whom."""

    list_display = ("public_id", "submission", "side", "outcome", "reason_code", "decided_by", "decided_at")
    list_filter = ("side", "outcome", "reason_code")
    search_fields = ("public_id", "submission__public_id", "comment")
    list_select_related = ("submission", "decided_by")


@admin.register(Adjudication)
class AdjudicationAdmin(CadreAdmin):
    """Third answers beside two that differ."""

    list_display = ("task", "submission", "decided_at")
    search_fields = ("task__public_id", "submission__public_id")
    list_select_related = ("task", "submission")


@admin.register(Claim)
class ClaimAdmin(CadreAdmin):
    """Who holds what, until when."""

    list_display = ("public_id", "task", "expert", "role", "status", "claimed_at", "lease_until", "ended_at")
    list_filter = ("status", "role")
    search_fields = ("public_id", "task__public_id", "expert__public_id", "contract__public_id")
    list_select_related = ("task", "expert")


@admin.register(TaskReport)
class TaskReportAdmin(CadreAdmin):
    """What experts say is wrong with tasks."""

    list_display = ("task", "reason_code", "comment", "reported_at")
    list_filter = ("reason_code",)
    search_fields = ("task__public_id", "comment")
    list_select_related = ("task",)


register_queue(
    name="tasks.reviews",
    label=_("Work to review"),
    path=f"/admin/tasks/submission/?{AWAITS}={Task.Side.PLATFORM.value}",
    permission=REVIEW,
    waiting=lambda: awaiting(Task.Side.PLATFORM),
    since="submitted_at",
)
