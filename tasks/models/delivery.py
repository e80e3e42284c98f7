"""Deliveries: finished data as files for the lab."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import Operation, PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from tasks.models.batch import Batch


class DeliveryQuerySet(WalledQuerySet["Delivery"]):
    """A lab sees its own, the platform all."""


@history.tracked(exclude=["manifest"])
class Delivery(TenantModel):
    """``preparing → ready | failed``. The same data exported again gives the same SHA-256."""

    class Status(models.TextChoices):
        """How far it is."""

        PREPARING = "preparing", _("preparing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    class Format(models.TextChoices):
        """What the file looks like."""

        NATIVE = "native", _("native JSON lines")
        HEALTHBENCH = "healthbench", _("HealthBench JSON lines")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PREPARING: {Status.READY, Status.FAILED},
        Status.READY: set(),
        Status.FAILED: set(),
    }

    public_id = PublicIdField(prefix="dlv")
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="deliveries")
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries")
    format = models.CharField(max_length=20, choices=Format.choices)
    since = models.DateTimeField(null=True, blank=True, help_text=_("Only tasks finished since then."))
    until = models.DateTimeField(help_text=_("Only tasks finished before."))
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PREPARING)
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    storage_name = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    manifest = models.JSONField(default=dict)
    ready_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")

    def __str__(self) -> str:
        return self.public_id
