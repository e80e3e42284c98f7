"""Time over a cap: kept, shown, and decided by somebody before a clock runs out."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments.models.own_work import NotByTheWorker


class OverageStatus(models.TextChoices):
    """Where an overage stands."""

    OPEN = "open", _("open")
    APPROVED = "approved", _("approved")
    AUTO_APPROVED = "auto_approved", _("approved by silence")
    DECLINED = "declined", _("declined")
    WITHDRAWN = "withdrawn", _("withdrawn")


class Cap(models.TextChoices):
    """Which limit the time went over."""

    DAY = "day", _("day cap")
    WEEK = "week", _("week cap")
    ACTIVITY = "activity", _("cap of the activity")
    HANDLING = "handling", _("handling time per item")
    COUNTRY_DAY = "country_day", _("country's day limit")
    COUNTRY_WEEK = "country_week", _("country's week limit")
    OWN_DAY = "own_day", _("own day limit")


class OverageQuerySet(WalledQuerySet["Overage"]):
    """Time over caps."""

    expert_path = "expert"

    def undecided(self) -> OverageQuerySet:
        """Those that wait for somebody, the most urgent first."""
        return self.filter(status=OverageStatus.OPEN).order_by("decide_by", "pk")

    def overdue(self, *, now: dt.datetime) -> OverageQuerySet:
        """Those whose clock has run out."""
        return self.filter(status=OverageStatus.OPEN, decide_by__lte=now)


@history.tracked()
class Overage(TenantModel):
    """``open → approved | auto_approved | declined | withdrawn``. Silence past ``decide_by`` approves.

    The time itself is a TimeEntry of its own, which stays behind when its week is approved and is settled when the
    overage is decided. Declining costs the expert money: it is a Decision, with a reason, that he may contest.
    """

    Status = OverageStatus
    TRANSITIONS: ClassVar[Transitions] = {
        OverageStatus.OPEN: {
            OverageStatus.APPROVED,
            OverageStatus.AUTO_APPROVED,
            OverageStatus.DECLINED,
            OverageStatus.WITHDRAWN,
        },
        OverageStatus.APPROVED: set(),
        OverageStatus.AUTO_APPROVED: set(),
        OverageStatus.DECLINED: set(),
        OverageStatus.WITHDRAWN: set(),
    }

    public_id = PublicIdField(prefix="ovg")
    entry = models.OneToOneField("payments.TimeEntry", on_delete=models.PROTECT, related_name="overage")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="overages")
    cap = models.CharField(max_length=12, choices=Cap)
    seconds = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=OverageStatus, default=OverageStatus.OPEN)
    decide_by = models.DateTimeField(help_text=_("Approved by silence then."))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text=_("The decider's reason."))

    objects = OverageQuerySet.as_manager()

    class Meta:
        verbose_name = _("overage")
        verbose_name_plural = _("overages")
        permissions = (("decide_overage", "Can decide time over caps"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(status="open", decided_at=None, decided_by=None)
                | Q(status__in=("approved", "declined"), decided_at__isnull=False, decided_by__isnull=False)
                | Q(status__in=("auto_approved", "withdrawn"), decided_at__isnull=False, decided_by=None),
                name="payments_overage_decided_by_whom",
            ),
        )
        indexes = (
            models.Index(fields=("decide_by",), condition=Q(status="open"), name="payments_overage_undecided"),
            models.Index(fields=("expert", "-id"), name="payments_overage_of_expert"),
        )
        triggers = (NotByTheWorker(),)

    def __str__(self) -> str:
        return self.public_id
