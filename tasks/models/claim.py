"""Claims: leases on a part of a task; drafts; what experts report about a task."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from tasks.models.task import Task


class ClaimQuerySet(WalledQuerySet["Claim"]):
    """An expert sees his own, a lab those on its tasks, the platform all."""

    expert_path = "expert"

    def active(self) -> ClaimQuerySet:
        """Held right now, as far as the sweeper has come."""
        return self.filter(status=Claim.Status.ACTIVE)

    def lapsed(self, *, now: dt.datetime) -> ClaimQuerySet:
        """Active ones whose lease is over."""
        return self.active().filter(lease_until__lte=now)


@history.tracked(exclude=["active_seconds", "lease_until"])
class Claim(TenantModel):
    """A lease: ``active → submitted | released | expired | revoked``.

    Roles: ``attempt`` and ``second`` do the work without seeing one another, ``adjudication`` decides between two,
    ``review`` judges ``submission_under_review``; a ``second`` on an authoring task tries the rubric of
    ``submission_under_review`` on the samples. A rework ``revises`` the holder's former submission. ``slot`` numbers
    the places of one task.

    The database refuses a second active claim on the same place, a second active one of the same person, and a person
    in two roles on one task, ever.
    """

    class Role(models.TextChoices):
        """What the holder does."""

        ATTEMPT = "attempt", _("attempt")
        SECOND = "second", _("second")
        REVIEW = "review", _("review")
        ADJUDICATION = "adjudication", _("adjudication")
        CALIBRATION = "calibration", _("calibration")

    class Status(models.TextChoices):
        """What became of it."""

        ACTIVE = "active", _("active")
        SUBMITTED = "submitted", _("submitted")
        RELEASED = "released", _("released")
        EXPIRED = "expired", _("expired")
        REVOKED = "revoked", _("revoked")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.ACTIVE: {Status.SUBMITTED, Status.RELEASED, Status.EXPIRED, Status.REVOKED},
        Status.SUBMITTED: set(),
        Status.RELEASED: set(),
        Status.EXPIRED: set(),
        Status.REVOKED: set(),
    }

    public_id = PublicIdField(prefix="clm", random=True)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="claims")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="claims")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="claims")
    role = models.CharField(max_length=16, choices=Role.choices)
    slot = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    claimed_at = models.DateTimeField()
    lease_seconds = models.PositiveIntegerField()
    lease_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    submission_under_review = models.ForeignKey(
        "tasks.Submission", on_delete=models.PROTECT, null=True, blank=True, related_name="review_claims"
    )
    revises = models.ForeignKey(
        "tasks.Submission", on_delete=models.PROTECT, null=True, blank=True, related_name="rework_claims"
    )
    aht_cap_seconds = models.PositiveIntegerField(null=True, blank=True)
    active_seconds = models.PositiveIntegerField(default=0, help_text=_("As timers measured it."))

    objects = ClaimQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        constraints = (
            models.UniqueConstraint(
                fields=("expert", "task", "role"), condition=Q(status="active"), name="tasks_claim_one_per_expert"
            ),
            models.UniqueConstraint(
                fields=("task", "role", "slot"), condition=Q(status="active"), name="tasks_claim_one_per_slot"
            ),
            ExclusionConstraint(
                name="tasks_claim_one_role",
                expressions=(("task", "="), ("expert", "="), ("role", "<>")),
            ),
            models.CheckConstraint(
                condition=Q(status="active", ended_at=None) | (~Q(status="active") & Q(ended_at__isnull=False)),
                name="tasks_claim_ended",
            ),
            models.CheckConstraint(
                condition=~Q(role="review") | Q(submission_under_review__isnull=False),
                name="tasks_claim_reviews_something",
            ),
        )
        indexes = (
            models.Index(fields=("lease_until",), condition=Q(status="active"), name="tasks_claim_lease"),
            models.Index(fields=("contract", "ended_at"), name="tasks_claim_contract"),
        )

    def __str__(self) -> str:
        return self.public_id


class DraftQuerySet(WalledQuerySet["Draft"]):
    """Nobody but the writer, and the platform, sees unfinished work."""

    for_labs = False
    expert_path = "claim__expert"


class Draft(TenantModel):
    """Unfinished work on a claim. Overwritten with every save, so it has no history: the submission is the record."""

    claim = models.OneToOneField(Claim, on_delete=models.PROTECT, related_name="draft")
    body = models.JSONField()
    saved_at = models.DateTimeField()

    objects = DraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")

    def __str__(self) -> str:
        return f"draft of {self.claim_id}"


class TaskReportQuerySet(WalledQuerySet["TaskReport"]):
    """A lab sees those on its tasks, an expert his own, the platform all."""

    expert_path = "claim__expert"


class TaskReport(TenantModel):
    """An expert says that something is wrong with a task, and gives it back without any disadvantage."""

    class Reason(models.TextChoices):
        """What is wrong."""

        INFEASIBLE_PROMPT = "infeasible_prompt", _("cannot be done as asked")
        WRONG_LANGUAGE = "wrong_language", _("another language than announced")
        WRONG_DOMAIN = "wrong_domain", _("outside my field")
        HARMFUL_CONTENT = "harmful_content", _("content I do not want to work on")
        BROKEN = "broken", _("something is missing or broken")
        OTHER = "other", _("something else")

    sealed: ClassVar[bool] = True

    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="reports")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="reports")
    reason_code = models.CharField(max_length=30, choices=Reason.choices)
    comment = models.TextField(blank=True)
    reported_at = models.DateTimeField()

    objects = TaskReportQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("report on a task")
        verbose_name_plural = _("reports on tasks")
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return f"{self.task_id}: {self.reason_code}"


class QueueTicketQuerySet(WalledQuerySet["QueueTicket"]):
    """Whoever waits knows it from his own answer; nobody reads tickets."""

    for_labs = False


class QueueTicket(TenantModel):
    """Somebody asked for work and there was none: since when, and when he asked last. Gone when he gets some.

    It exists for a minute or two, so it has no history.
    """

    contract = models.OneToOneField("marketplace.Contract", on_delete=models.CASCADE, related_name="+")
    waiting_since = models.DateTimeField()
    asked_at = models.DateTimeField()

    objects = QueueTicketQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue ticket")
        verbose_name_plural = _("queue tickets")

    def __str__(self) -> str:
        return f"{self.contract_id} since {self.waiting_since}"
