"""What others decided about a submission: reviews, and adjudications between two."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import PublicIdField, TenantModel, WalledQuerySet
from tasks.models.claim import Claim
from tasks.models.submission import Submission
from tasks.models.task import Task


class ReviewQuerySet(WalledQuerySet["Review"]):
    """A lab sees those of its tasks, an expert those about his work, the platform all."""

    expert_path = "submission__expert"


class Review(TenantModel):
    """One decision about one submission, by the platform's or the lab's side; append-only.

    One decision per side: two reviewers who press at the same time make one review and one conflict.
    """

    class Outcome(models.TextChoices):
        """What was decided."""

        ACCEPT = "accept", _("accept")
        REQUEST_REWORK = "request_rework", _("request rework")
        REJECT = "reject", _("reject")

    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="rev")
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="reviews")
    claim = models.OneToOneField(Claim, on_delete=models.PROTECT, null=True, blank=True, related_name="review")
    side = models.CharField(max_length=10, choices=Task.Side.choices)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    reason_code = models.CharField(max_length=30, choices=Submission.Reason.choices, blank=True)
    comment = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField()

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        constraints = (
            models.UniqueConstraint(fields=("submission", "side"), name="tasks_review_once_per_side"),
            models.CheckConstraint(
                condition=Q(outcome="accept") | (~Q(reason_code="") & Q(decided_by__isnull=False)),
                name="tasks_review_has_reason",
            ),
        )
        triggers = (
            guards.Refuse(name="append_only"),
            guards.Guard(
                name="not_own_work",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF EXISTS (
                        SELECT 1 FROM tasks_submission AS work
                        JOIN tasks_submission AS handed_in ON handed_in.task_id = work.task_id
                        JOIN experts_expert AS worker ON worker.id = handed_in.expert_id
                        WHERE work.id = NEW.submission_id AND worker.user_id = NEW.decided_by_id
                    ) THEN
                        RAISE EXCEPTION 'Nobody reviews a task he worked on.'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_review_not_own_work';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return f"{self.outcome} {self.public_id}"


class AdjudicationQuerySet(WalledQuerySet["Adjudication"]):
    """A lab sees those of its tasks, the platform all."""


class Adjudication(TenantModel):
    """A third person's answer where two disagreed: it stands beside theirs, not over them."""

    sealed: ClassVar[bool] = True

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="adjudications")
    submission = models.OneToOneField(Submission, on_delete=models.PROTECT, related_name="adjudication")
    between = models.JSONField(help_text=_("Public ids of the submissions that disagreed."))
    disputed = models.JSONField(help_text=_("What they disagreed on."))
    decided_at = models.DateTimeField()

    objects = AdjudicationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("adjudication")
        verbose_name_plural = _("adjudications")
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return f"adjudication of {self.task_id}"
