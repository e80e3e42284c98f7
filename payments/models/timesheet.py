"""One expert's hours in one contract and one ISO week."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, Max, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments.models.own_work import NotByTheWorker
from payments.models.time_entry import TimeEntry, TimeEntryStatus, fee_of, pay_of


class TimesheetStatus(models.TextChoices):
    """Where a week stands."""

    OPEN = "open", _("open")
    SUBMITTED = "submitted", _("submitted")
    APPROVED = "approved", _("approved")
    AUTO_APPROVED = "auto_approved", _("approved by silence")


class TimesheetQuerySet(WalledQuerySet["Timesheet"]):
    """Weeks."""

    expert_path = "expert"

    def forgotten(self, *, now: dt.datetime) -> TimesheetQuerySet:
        """Open weeks whose expert's window is over."""
        return self.with_time().filter(status=TimesheetStatus.OPEN, submit_by__lte=now)

    def with_time(self) -> TimesheetQuerySet:
        """Weeks that hold any time, and no timer that still runs."""
        entries = TimeEntry.objects.filter(timesheet=OuterRef("pk"))
        return self.filter(Exists(entries.live()), ~Exists(entries.running()))

    def due(self, *, before: dt.datetime) -> TimesheetQuerySet:
        """Weeks whose clock runs out by an instant and of which nobody was reminded."""
        soon = Q(status=TimesheetStatus.OPEN, submit_by__lte=before) | Q(
            status=TimesheetStatus.SUBMITTED, approve_by__lte=before
        )
        return self.with_time().filter(soon, reminded_at=None)

    def with_totals(self) -> TimesheetQuerySet:
        """Each week with the sums of its seconds by kind, of what it earns and of the fee, in minor units."""
        live = ~Q(entries__status=TimeEntryStatus.VOID)
        sums = {
            f"total_{name}": Coalesce(Sum(f"entries__{name}", filter=live), 0)
            for name in (
                "seconds",
                "unconfirmed_seconds",
                "overage_seconds",
                "unpaid_seconds",
                "disallowed_seconds",
            )
        }
        return self.annotate(
            **sums,
            total_minor=Coalesce(Sum(pay_of("entries__"), filter=live), 0),
            pay_currency=Max("entries__snapshot__currency"),
            longest_window_seconds=Max("entries__snapshot__approval_window_seconds"),
            total_fee_minor=Coalesce(Sum(fee_of("entries__"), filter=live), 0),
        )

    def awaiting(self) -> TimesheetQuerySet:
        """Weeks that wait for the lab, the most urgent first."""
        return self.filter(status=TimesheetStatus.SUBMITTED).order_by("approve_by", "pk")

    def overdue(self, *, now: dt.datetime) -> TimesheetQuerySet:
        """Submitted weeks whose lab's window is over."""
        return self.filter(status=TimesheetStatus.SUBMITTED, approve_by__lte=now)


@history.tracked()
class Timesheet(TenantModel):
    """A week of hours, decided as one.

    ``open → submitted → approved | auto_approved``. Both clocks are fixed in advance and shown to both sides: a
    forgotten week submits itself at ``submit_by``, a silent lab approves at ``approve_by``. A disputed entry and an
    undecided overage stay behind; everything else of the week is paid on schedule.
    """

    Status = TimesheetStatus
    TRANSITIONS: ClassVar[Transitions] = {
        TimesheetStatus.OPEN: {TimesheetStatus.SUBMITTED},
        TimesheetStatus.SUBMITTED: {TimesheetStatus.APPROVED, TimesheetStatus.AUTO_APPROVED},
        TimesheetStatus.APPROVED: set(),
        TimesheetStatus.AUTO_APPROVED: set(),
    }

    public_id = PublicIdField(prefix="tsh")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="timesheets")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="timesheets")
    iso_week = models.CharField(max_length=8, help_text=_("ISO week such as 2026-W47, in the zone."))
    zone = models.CharField(max_length=64)
    ends_at = models.DateTimeField(help_text=_("The first instant after the week."))
    status = models.CharField(max_length=16, choices=TimesheetStatus, default=TimesheetStatus.OPEN)
    submit_by = models.DateTimeField(help_text=_("Submits itself then."))
    submitted_at = models.DateTimeField(null=True, blank=True)
    approve_by = models.DateTimeField(null=True, blank=True, help_text=_("Approved by silence then."))
    reminded_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = TimesheetQuerySet.as_manager()

    class Meta:
        verbose_name = _("timesheet")
        verbose_name_plural = _("timesheets")
        permissions = (("approve_timesheet", "Can approve timesheets"),)
        constraints = (
            models.UniqueConstraint(fields=("contract", "iso_week"), name="payments_timesheet_one_a_week"),
            models.CheckConstraint(
                condition=Q(status="open", submitted_at=None, approve_by=None)
                | (~Q(status="open") & Q(submitted_at__isnull=False, approve_by__isnull=False)),
                name="payments_timesheet_submitted_with_a_clock",
            ),
            models.CheckConstraint(
                condition=Q(status="approved", decided_by__isnull=False, decided_at__isnull=False)
                | Q(status="auto_approved", decided_by=None, decided_at__isnull=False)
                | Q(status__in=("open", "submitted"), decided_by=None, decided_at=None),
                name="payments_timesheet_decided_by_whom",
            ),
        )
        indexes = (
            models.Index(fields=("submit_by",), condition=Q(status="open"), name="payments_timesheet_forgotten"),
            models.Index(fields=("approve_by",), condition=Q(status="submitted"), name="payments_timesheet_overdue"),
            models.Index(fields=("decided_at",), name="payments_timesheet_decided"),
            models.Index(fields=("expert", "-id"), name="payments_timesheet_of_expert"),
            models.Index(fields=("tenant", "-id"), name="payments_timesheet_of_tenant"),
        )
        triggers = (NotByTheWorker(),)

    def __str__(self) -> str:
        return f"{self.public_id} {self.iso_week}"

    @property
    def is_open(self) -> bool:
        """Whether the expert may still change it."""
        return self.status == TimesheetStatus.OPEN

    @property
    def is_decided(self) -> bool:
        """Whether its hours are approved, by a person or by silence."""
        return self.status in {TimesheetStatus.APPROVED, TimesheetStatus.AUTO_APPROVED}
