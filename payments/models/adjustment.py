"""Pay beside or after the hours, at a lab's cost: bonuses, corrections, clawbacks. Written once, never changed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments.models.own_work import NotApprovedByTheWorker, NotByTheWorker


class AdjustmentKind(models.TextChoices):
    """Why pay changes."""

    BONUS = "bonus", _("bonus")
    CORRECTION = "correction", _("correction")
    CLAWBACK = "clawback", _("clawback")
    REINSTATEMENT = "reinstatement", _("given back")


class AdjustmentStatus(models.TextChoices):
    """Whether money moved."""

    POSTED = "posted", _("posted")
    RECORDED = "recorded", _("recorded")


class AdjustmentQuerySet(WalledQuerySet["Adjustment"]):
    """Changes of pay."""

    expert_path = "expert"


class Adjustment(TenantModel):
    """One signed change of pay with its reason, decider and notice; both states are final.

    A ``posted`` one has its own journal entry. A ``recorded`` one documents hours that a decided dispute cut before
    they were posted: the entry itself carries the lower amount. ``amount_minor`` is the expert's part, ``fee_minor``
    the platform's on top, both signed, in minor units of ``currency``; ``seconds`` is the signed change of hours.
    Without ``decided_by`` the clock decided, which it only ever does in the expert's favour. A clawback names what it
    takes back, ``entry`` or ``takes_back``; a reinstatement gives a clawback back. Above the threshold ``decided_by``
    proposed it, and ``proposal`` names who approved.
    """

    sealed = True
    Kind = AdjustmentKind
    Status = AdjustmentStatus
    TRANSITIONS: ClassVar[Transitions] = {AdjustmentStatus.POSTED: set(), AdjustmentStatus.RECORDED: set()}

    public_id = PublicIdField(prefix="adj")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="adjustments")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="adjustments")
    entry = models.ForeignKey(
        "payments.TimeEntry", on_delete=models.PROTECT, null=True, blank=True, related_name="adjustments"
    )
    takes_back = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="taken_by")
    proposal = models.ForeignKey(
        "payments.AdjustmentProposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=16, choices=AdjustmentKind)
    status = models.CharField(max_length=10, choices=AdjustmentStatus)
    seconds = models.IntegerField(default=0)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField()

    objects = AdjustmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("adjustment")
        verbose_name_plural = _("adjustments")
        permissions = (("correct_hours", "Can correct approved hours"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(kind="bonus", amount_minor__gt=0, fee_minor__gte=0)
                | Q(kind="clawback", amount_minor__lt=0, fee_minor__lte=0)
                | Q(kind="reinstatement", amount_minor__gt=0, fee_minor__gte=0, takes_back__isnull=False)
                | Q(kind="correction", entry__isnull=False),
                name="payments_adjustment_sign",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=False)
                | Q(kind__in=("correction", "reinstatement"), amount_minor__gte=0),
                name="payments_adjustment_silence_never_costs",
            ),
            models.CheckConstraint(
                condition=~Q(kind="clawback") | Q(entry__isnull=False) | Q(takes_back__isnull=False),
                name="payments_adjustment_clawback_of_something",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="payments_adjustment_has_a_reason"),
        )
        indexes = (
            models.Index(fields=("expert", "-id"), name="payments_adjustment_of_expert"),
            models.Index(fields=("tenant", "-id"), name="payments_adjustment_of_tenant"),
        )
        triggers = (
            NotByTheWorker(),
            NotApprovedByTheWorker(name="not_approved_by_the_worker"),
            guards.Refuse(name="append_only"),
        )

    def __str__(self) -> str:
        return f"{self.public_id} {self.get_kind_display()}"
