"""A batch: tasks that a lab posts, launches, pauses and watches together."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions

DEFAULT_LEASE_SECONDS = 4 * 3600
LONGEST_LEASE_SECONDS = 14 * 24 * 3600


class BatchQuerySet(WalledQuerySet["Batch"]):
    """A lab sees its own, the platform all, experts none: they see claims."""


@history.tracked()
class Batch(TenantModel):
    """``staging → in_progress ⇄ paused → completed | cancelled``.

    ``overlap`` is how many people do each task without seeing one another; ``lease_seconds`` how long a claim lasts
    without a sign of life; ``aht_cap_seconds`` the billable time per item, copied onto each claim.
    """

    class Status(models.TextChoices):
        """How far it is."""

        STAGING = "staging", _("staging")
        IN_PROGRESS = "in_progress", _("in progress")
        PAUSED = "paused", _("paused")
        COMPLETED = "completed", _("completed")
        CANCELLED = "cancelled", _("cancelled")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.STAGING: {Status.IN_PROGRESS, Status.CANCELLED},
        Status.IN_PROGRESS: {Status.PAUSED, Status.COMPLETED, Status.CANCELLED},
        Status.PAUSED: {Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED},
        Status.COMPLETED: set(),
        Status.CANCELLED: set(),
    }

    public_id = PublicIdField(prefix="bat")
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="batches")
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.STAGING)
    overlap = models.PositiveSmallIntegerField(default=1)
    lease_seconds = models.PositiveIntegerField(default=DEFAULT_LEASE_SECONDS)
    aht_cap_seconds = models.PositiveIntegerField(null=True, blank=True)
    review_floor_percent = models.PositiveSmallIntegerField(
        default=100, help_text=_("How many of a hundred finished tasks a person reviews.")
    )
    external_id = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    launched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "external_id"), condition=~Q(external_id=""), name="tasks_batch_external_id"
            ),
            models.CheckConstraint(condition=Q(overlap__range=(1, 3)), name="tasks_batch_overlap"),
            models.CheckConstraint(
                condition=Q(lease_seconds__range=(60, LONGEST_LEASE_SECONDS)), name="tasks_batch_lease"
            ),
            models.CheckConstraint(condition=Q(review_floor_percent__lte=100), name="tasks_batch_review_floor"),
        )

    def __str__(self) -> str:
        return self.name
