"""A stretch of work: within one local day, one ISO week, one rate, and of one kind."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions

NO_OVERLAP = "payments_timeentry_no_overlap"
ONE_RUNNING = "payments_timeentry_one_running"


class Activity(models.TextChoices):
    """What was done; each contract says which of these are paid."""

    ONBOARDING = "onboarding", _("onboarding")
    INSTRUCTIONS = "instructions", _("instructions")
    ASSESSMENT = "assessment", _("assessment")
    TASK = "task", _("task")
    REWORK = "rework", _("rework")
    REVIEW = "review", _("review")
    MEETING = "meeting", _("meeting")
    STANDBY = "standby", _("standby")


class TimeEntrySource(models.TextChoices):
    """How the stretch came to be known."""

    TIMER = "timer", _("timer")
    MANUAL = "manual", _("entered by hand")
    IMPORT = "import", _("imported")


class TimeEntryStatus(models.TextChoices):
    """Where a stretch stands. Paid is no state: it is derived from pay-run lines."""

    RUNNING = "running", _("running")
    STOPPED = "stopped", _("stopped")
    SUBMITTED = "submitted", _("submitted")
    APPROVED = "approved", _("approved")
    AUTO_APPROVED = "auto_approved", _("approved by silence")
    DISPUTED = "disputed", _("disputed")
    ADJUSTED = "adjusted", _("adjusted")
    VOID = "void", _("void")


SETTLED = (TimeEntryStatus.APPROVED, TimeEntryStatus.AUTO_APPROVED, TimeEntryStatus.ADJUSTED)


class WholeSeconds(models.Func):
    """Length of a range in whole seconds, both ends cut to the second, as `timekeeping.seconds_between` counts."""

    template = "(floor(extract(epoch FROM upper(%(expressions)s))) - floor(extract(epoch FROM lower(%(expressions)s))))::bigint"
    output_field = models.BigIntegerField()


class PayMinor(models.Func):
    """ROUND_HALF_UP(seconds x rate / 3600) in PostgreSQL, as `core.money.pay_for` rounds; in minor units."""

    template = "round((%(expressions)s) / 3600)::bigint"
    arg_joiner = "::numeric * "
    output_field = models.BigIntegerField()


def pay_of(path: str = "") -> Coalesce:
    """What the entries at ``path`` earn: as it was settled, else what they would settle at now."""
    estimate = PayMinor(F(f"{path}seconds"), F(f"{path}snapshot__rate_minor"))
    return Coalesce(F(f"{path}gross_minor"), estimate, output_field=models.BigIntegerField())


class FeeMinor(models.Func):
    """ROUND_HALF_UP(gross x bp / 10000) in PostgreSQL, as `core.money.fee_for` rounds; in minor units."""

    template = "round((%(expressions)s) / 10000)::bigint"
    arg_joiner = "::numeric * "
    output_field = models.BigIntegerField()


def fee_of(path: str = "") -> Coalesce:
    """The platform's fee on the entries at ``path``, settled or as it would be now."""
    estimate = FeeMinor(pay_of(path), F(f"{path}snapshot__fee_bp"))
    return Coalesce(F(f"{path}fee_minor"), estimate, output_field=models.BigIntegerField())


class TimeEntryQuerySet(WalledQuerySet["TimeEntry"]):
    """Stretches of work."""

    expert_path = "expert"

    def live(self) -> TimeEntryQuerySet:
        """All that were not taken back."""
        return self.exclude(status=TimeEntryStatus.VOID)

    def running(self) -> TimeEntryQuerySet:
        """Timers that nobody stopped."""
        return self.filter(status=TimeEntryStatus.RUNNING)

    def silent(self, *, since: dt.datetime) -> TimeEntryQuerySet:
        """Running timers that gave no sign since an instant."""
        return self.running().filter(last_heartbeat_at__lt=since)

    def worked_seconds(self) -> int:
        """All work in them, paid or not, decided or not; unconfirmed minutes are no work yet."""
        work = F("seconds") + F("unpaid_seconds") + F("overage_seconds") + F("disallowed_seconds")
        return self.aggregate(total=models.Sum(work))["total"] or 0

    def settled(self) -> TimeEntryQuerySet:
        """Stretches whose pay is fixed."""
        return self.filter(status__in=SETTLED)


class Priced(models.Model):
    """What approval writes down, once: the terms, and the amounts in minor units of `currency`."""

    rate_minor = models.BigIntegerField(null=True, blank=True, help_text=_("Minor units an hour."))
    fee_bp = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    gross_minor = models.BigIntegerField(null=True, blank=True)
    fee_minor = models.BigIntegerField(null=True, blank=True)
    holdback_minor = models.BigIntegerField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class FrozenHours(guards.Guard):
    """Approved hours never change and no hours are deleted, whoever asks: corrections are Adjustments."""

    when = pgtrigger.Before
    operation = pgtrigger.Update | pgtrigger.Delete
    func = """
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'Hours are voided, not deleted.' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF OLD.status IN ('approved', 'auto_approved', 'adjusted', 'void') THEN
            RAISE EXCEPTION 'These hours are frozen.' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    """


@history.tracked(exclude=("last_heartbeat_at",))
class TimeEntry(Priced, TenantModel):
    """One stretch [start, end) of an expert's work.

    ``running → stopped → submitted → approved | auto_approved``; ``submitted → disputed → approved | adjusted``;
    ``running | stopped → void``. Its whole length is in exactly one of the second counters: billable ``seconds``,
    ``unconfirmed_seconds`` after the last sign of life, ``overage_seconds`` over a cap until somebody decided,
    ``unpaid_seconds`` by the pay policy, ``disallowed_seconds`` by a decision. Only a dispute splits one stretch into
    billable and disallowed time.
    """

    Status = TimeEntryStatus
    Source = TimeEntrySource
    TRANSITIONS: ClassVar[Transitions] = {
        TimeEntryStatus.RUNNING: {TimeEntryStatus.STOPPED, TimeEntryStatus.VOID},
        TimeEntryStatus.STOPPED: {TimeEntryStatus.SUBMITTED, TimeEntryStatus.VOID},
        TimeEntryStatus.SUBMITTED: {
            TimeEntryStatus.APPROVED,
            TimeEntryStatus.AUTO_APPROVED,
            TimeEntryStatus.DISPUTED,
        },
        TimeEntryStatus.DISPUTED: {TimeEntryStatus.APPROVED, TimeEntryStatus.ADJUSTED},
        TimeEntryStatus.APPROVED: set(),
        TimeEntryStatus.AUTO_APPROVED: set(),
        TimeEntryStatus.ADJUSTED: set(),
        TimeEntryStatus.VOID: set(),
    }

    public_id = PublicIdField(prefix="tme")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="time_entries")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="time_entries")
    snapshot = models.ForeignKey("marketplace.RateSnapshot", on_delete=models.PROTECT, related_name="+")
    timesheet = models.ForeignKey("payments.Timesheet", on_delete=models.PROTECT, related_name="entries")
    claim = models.ForeignKey(
        "tasks.Claim", on_delete=models.PROTECT, null=True, blank=True, related_name="time_entries"
    )
    activity = models.CharField(max_length=16, choices=Activity)
    period = DateTimeRangeField()
    source = models.CharField(max_length=8, choices=TimeEntrySource)
    status = models.CharField(max_length=16, choices=TimeEntryStatus)
    seconds = models.PositiveIntegerField(default=0, help_text=_("Billable."))
    unconfirmed_seconds = models.PositiveIntegerField(default=0)
    overage_seconds = models.PositiveIntegerField(default=0)
    unpaid_seconds = models.PositiveIntegerField(default=0)
    disallowed_seconds = models.PositiveIntegerField(default=0)
    zone = models.CharField(max_length=64)
    local_day = models.DateField()
    iso_week = models.CharField(max_length=8)
    reason = models.TextField(blank=True, help_text=_("The expert's, for what no timer saw."))
    last_heartbeat_at = models.DateTimeField(null=True, blank=True)

    objects = TimeEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("time entry")
        verbose_name_plural = _("time entries")
        constraints = (
            ExclusionConstraint(
                name=NO_OVERLAP,
                expressions=[("expert", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=~Q(status="void"),
            ),
            models.UniqueConstraint(fields=("expert",), condition=Q(status="running"), name=ONE_RUNNING),
            models.CheckConstraint(
                condition=Q(status="running", period__upper_inf=True, source="timer", last_heartbeat_at__isnull=False)
                | (~Q(status="running") & Q(period__upper_inf=False)),
                name="payments_timeentry_only_timers_run",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("running", "void"))
                | Q(
                    Exact(
                        F("seconds")
                        + F("unconfirmed_seconds")
                        + F("overage_seconds")
                        + F("unpaid_seconds")
                        + F("disallowed_seconds"),
                        WholeSeconds(F("period")),
                    )
                ),
                name="payments_timeentry_no_second_is_lost",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=SETTLED,
                    rate_minor__isnull=False,
                    fee_bp__isnull=False,
                    gross_minor__gte=0,
                    fee_minor__gte=0,
                    holdback_minor__gte=0,
                    holdback_minor__lte=F("gross_minor"),
                    approved_at__isnull=False,
                    overage_seconds=0,
                )
                | (~Q(status__in=SETTLED) & Q(gross_minor=None, approved_at=None)),
                name="payments_timeentry_priced_when_settled",
            ),
        )
        indexes = (
            models.Index(fields=("contract", "local_day"), name="payments_timeentry_caps"),
            models.Index(fields=("contract", "iso_week"), name="payments_timeentry_week"),
            models.Index(fields=("expert", "-id"), name="payments_timeentry_of_expert"),
            BrinIndex(fields=("local_day",), name="payments_timeentry_days"),
            models.Index(
                fields=("last_heartbeat_at",), condition=Q(status="running"), name="payments_timeentry_silent"
            ),
        )
        triggers = (FrozenHours(name="frozen_hours"),)

    def __str__(self) -> str:
        return self.public_id

    @property
    def started_at(self) -> dt.datetime:
        """Where the stretch begins."""
        start: dt.datetime = self.period.lower
        return start

    @property
    def ended_at(self) -> dt.datetime | None:
        """Where it ends; None while the timer runs."""
        end: dt.datetime | None = self.period.upper
        return end

    @property
    def is_running(self) -> bool:
        """Whether its timer runs."""
        return self.status == TimeEntryStatus.RUNNING

    @property
    def is_settled(self) -> bool:
        """Whether its pay is fixed."""
        return self.status in SETTLED
