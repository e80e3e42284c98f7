"""Submissions: finished work, never changed; a revision is a new row."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from tasks.models.claim import Claim
from tasks.models.task import Task


class SubmissionQuerySet(WalledQuerySet["Submission"]):
    """An expert sees his own, a lab those to its tasks, the platform all."""

    expert_path = "expert"


@history.tracked(exclude=["body"])
class Submission(TenantModel):
    """``submitted → accepted | rework_requested | rejected``; ``superseded`` by the revision that rework brought.

    Unfinished work is a Draft. The body never changes; ``is_final`` marks the one per task that labs read and that
    deliveries contain. ``gold_ppm`` is how far the work on a gold task agreed with its reference, in millionths.
    ``decided_by`` is empty where silence past the window accepted, or where the batch's sampling left it out.
    """

    class Status(models.TextChoices):
        """What became of it."""

        SUBMITTED = "submitted", _("submitted")
        ACCEPTED = "accepted", _("accepted")
        REWORK_REQUESTED = "rework_requested", _("rework requested")
        REJECTED = "rejected", _("rejected")
        SUPERSEDED = "superseded", _("superseded")

    class Reason(models.TextChoices):
        """Why work is rejected, or sent back."""

        TOO_FAST = "too_fast", _("done too fast")
        FAILED_INSTRUCTIONS = "failed_instructions", _("instructions not followed")
        FACTUAL_ERROR = "factual_error", _("factual error")
        RUBRIC_NOT_ATOMIC = "rubric_not_atomic", _("criteria ask several things at once")
        RUBRIC_INCOMPLETE = "rubric_incomplete", _("criteria miss something essential")
        INCOMPLETE = "incomplete", _("incomplete")
        LOW_EFFORT = "low_effort", _("little effort")
        DUPLICATE = "duplicate", _("duplicate")
        PLAGIARISED = "plagiarised", _("plagiarised")
        UNDISCLOSED_AI = "undisclosed_ai", _("undisclosed use of AI")
        CONFIDENTIALITY_BREACH = "confidentiality_breach", _("breach of confidentiality")
        INFEASIBLE_PROMPT = "infeasible_prompt", _("the prompt cannot be done")
        WRONG_LANGUAGE = "wrong_language", _("wrong language")
        OTHER = "other", _("other")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.SUBMITTED: {Status.ACCEPTED, Status.REWORK_REQUESTED, Status.REJECTED},
        Status.REWORK_REQUESTED: {Status.SUPERSEDED},
        Status.REJECTED: {Status.ACCEPTED},
        Status.ACCEPTED: set(),
        Status.SUPERSEDED: set(),
    }

    public_id = PublicIdField(prefix="sub", random=True)
    claim = models.OneToOneField(Claim, on_delete=models.PROTECT, related_name="submission")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="submissions")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="submissions")
    role = models.CharField(max_length=16, choices=Claim.Role.choices)
    revision = models.PositiveSmallIntegerField(default=1)
    revises = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="revised_by")
    body = models.JSONField()
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.SUBMITTED)
    is_final = models.BooleanField(default=False)
    gold_ppm = models.PositiveIntegerField(null=True, blank=True)
    submitted_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("submission")
        verbose_name_plural = _("submissions")
        permissions = (("review_submission", _("Can decide about submissions for the platform")),)
        constraints = (
            models.UniqueConstraint(fields=("task",), condition=Q(is_final=True), name="tasks_submission_one_final"),
            models.UniqueConstraint(fields=("task", "expert", "revision"), name="tasks_submission_revision"),
            models.CheckConstraint(
                condition=Q(is_final=False) | Q(status="accepted"), name="tasks_submission_final_is_accepted"
            ),
        )
        indexes = (
            models.Index(fields=("expert", "-id"), name="tasks_submission_expert"),
            models.Index(fields=("task", "status"), name="tasks_submission_task"),
        )
        triggers = (
            guards.Refuse(
                name="work_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("body", "claim", "task", "expert", "revision", "submitted_at"),
            ),
            guards.Guard(
                name="not_own_work",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Condition("NEW.decided_by_id IS NOT NULL"),
                func="""
                    IF EXISTS (
                        SELECT 1 FROM experts_expert AS worker
                        WHERE worker.id = NEW.expert_id AND worker.user_id = NEW.decided_by_id
                    ) THEN
                        RAISE EXCEPTION 'Nobody decides about his own work.'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'tasks_submission_not_own_work';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return self.public_id
