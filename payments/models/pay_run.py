"""Pay runs: who is paid how much at a cutoff, prepared by one person and released by another."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions


@history.tracked()
class PayRun(CadreModel):
    """One pay run of one currency.

    ``draft → calculating → review → approved → executing → completed | completed_with_failures``;
    ``review → draft`` (sent back); ``cancelled`` until it is approved. ``lines_digest`` freezes what was looked at:
    a release is refused when recalculation gives something else. ``calculation_digest`` and ``inputs`` freeze what it
    was calculated from, so that `manage.py recompute_pay_run` can do it again from the journal.
    A calculation is one transaction, so nobody finds a run ``calculating`` but after a fault: it is begun anew.
    """

    class Status(models.TextChoices):
        """How far it is."""

        DRAFT = "draft", _("draft")
        CALCULATING = "calculating", _("calculating")
        REVIEW = "review", _("in review")
        APPROVED = "approved", _("approved")
        EXECUTING = "executing", _("executing")
        COMPLETED = "completed", _("completed")
        COMPLETED_WITH_FAILURES = "completed_with_failures", _("completed with failures")
        CANCELLED = "cancelled", _("cancelled")

    class Type(models.TextChoices):
        """Whether the calendar asked for it."""

        REGULAR = "regular", _("regular")
        OFF_CYCLE = "off_cycle", _("off-cycle")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.DRAFT: {Status.CALCULATING, Status.CANCELLED},
        Status.CALCULATING: {Status.REVIEW, Status.DRAFT, Status.CANCELLED},
        Status.REVIEW: {Status.APPROVED, Status.DRAFT, Status.CANCELLED},
        Status.APPROVED: {Status.EXECUTING, Status.COMPLETED, Status.COMPLETED_WITH_FAILURES},
        Status.EXECUTING: {Status.COMPLETED, Status.COMPLETED_WITH_FAILURES},
        Status.COMPLETED: {Status.COMPLETED_WITH_FAILURES},
        Status.COMPLETED_WITH_FAILURES: {Status.COMPLETED},
        Status.CANCELLED: set(),
    }

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="run")
    type = models.CharField(max_length=10, choices=Type.choices, default=Type.REGULAR)
    currency = models.CharField(max_length=3)
    cutoff = models.DateTimeField(help_text=_("Only what was earned before it is paid."))
    pays_on = models.DateField(help_text=_("The day on which the payouts are sent."))
    status = models.CharField(max_length=24, choices=Status.choices, default=Status.DRAFT)
    prepared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    calculated_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    line_count = models.PositiveIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    lines_digest = models.CharField(max_length=64, blank=True)
    inputs = models.JSONField(
        default=dict, blank=True, help_text=_("Last rows of the journal and of the histories, and the rules, it used.")
    )
    calculation_digest = models.CharField(max_length=64, blank=True, help_text=_("SHA-256 of the lines as text."))
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it was sent back or cancelled."))
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("pay run")
        permissions = (
            ("prepare_payrun", _("Can prepare a pay run")),
            ("release_payrun", _("Can release a pay run that somebody else prepared")),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("currency", "cutoff"), condition=~Q(status="cancelled"), name="payments_payrun_cutoff"
            ),
            models.UniqueConstraint(
                fields=("currency",),
                condition=Q(type="regular", status__in=("draft", "calculating", "review")),
                name="payments_payrun_one_open",
            ),
            models.CheckConstraint(
                condition=Q(released_by__isnull=True) | ~Q(released_by=F("prepared_by")),
                name="payments_payrun_two_people",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("draft", "calculating", "review", "cancelled")) | Q(released_by__isnull=False),
                name="payments_payrun_released_by",
            ),
        )

    def __str__(self) -> str:
        return f"{self.currency} {self.cutoff:%Y-%m-%d}"


@history.tracked()
class PayRunLine(CadreModel):
    """One expert in one run: what he gets and where to, as calculated; what differs from his last payout."""

    wall = Wall.EXPERT

    run = models.ForeignKey(PayRun, on_delete=models.CASCADE, related_name="lines", db_index=False)
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    payout_method = models.ForeignKey("payments.PayoutMethod", on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField(help_text=_("What is sent: the gross less the tax withheld."))
    withheld_minor = models.BigIntegerField(default=0)
    previous_minor = models.BigIntegerField(null=True, blank=True, help_text=_("His last payout in this currency."))
    is_new_payee = models.BooleanField(default=False)
    method_changed = models.BooleanField(default=False)
    is_unusual = models.BooleanField(default=False, help_text=_("More than twice his last payout."))
    deducted_minor = models.BigIntegerField(
        default=0, help_text=_("Taken back since his last payout, and set against what he earned.")
    )
    exchanged_minor = models.BigIntegerField(
        default=0, help_text=_("Bought with another currency since his last payout, by his own exchanges.")
    )
    seconds = models.BigIntegerField(default=0, help_text=_("Hours approved since the last run."))
    usual_seconds = models.BigIntegerField(null=True, blank=True, help_text=_("The median of his weeks before."))
    unusual_hours = models.BooleanField(
        default=False, help_text=_("A week over the limit, or over twice his usual week.")
    )
    hold_id = models.CharField(max_length=40, blank=True, db_index=True, help_text=_("What an appeal is about."))
    held_reason = models.CharField(max_length=300, blank=True)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = OwnedQuerySet["PayRunLine"].as_manager()

    class Meta:
        verbose_name = _("pay run line")
        constraints = (
            models.UniqueConstraint(fields=("run", "expert"), name="payments_payrunline_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_payrunline_positive"),
            models.CheckConstraint(condition=Q(withheld_minor__gte=0), name="payments_payrunline_withheld"),
        )

    def __str__(self) -> str:
        return f"{self.expert} · {self.run}"

    @property
    def gross_minor(self) -> int:
        """What the expert was owed, before any tax was withheld."""
        return self.amount_minor + self.withheld_minor

    @property
    def is_held(self) -> bool:
        """Whether the line stays out of the release."""
        return bool(self.held_reason)


@history.tracked()
class PayRunExclusion(CadreModel):
    """One expert who is owed something and is not in the run, why, and what he can do about it."""

    class Reason(models.TextChoices):
        """Why he is not paid in this run."""

        BELOW_MINIMUM = "below_minimum", _("The amount is below the smallest payout; it stays yours.")
        NO_PAYOUT_METHOD = "no_payout_method", _("There is no payout method for this currency.")
        METHOD_NOT_VERIFIED = "method_not_verified", _("The payout method is not verified yet.")
        METHOD_ON_HOLD = "method_on_hold", _("The payout method is new and waits out its safety hold.")
        NO_TAX_PROFILE = "no_tax_profile", _("The tax profile is missing.")
        TAX_PROFILE_EXPIRED = "tax_profile_expired", _("The tax profile has expired.")
        BLOCKED = "blocked", _("Payouts are blocked by a decision.")
        BELOW_ZERO = "below_zero", _("More was taken back than you are owed; what you earn next is set against it.")

    REMEDIES: ClassVar[dict[str, tuple[Promise, str]]] = {
        Reason.BELOW_MINIMUM: (
            _("Nothing to do: it is paid once enough has come together."),
            "/api/v1/expert/earnings",
        ),
        Reason.NO_PAYOUT_METHOD: (_("Add a payout method."), "/api/v1/expert/payout-methods"),
        Reason.METHOD_NOT_VERIFIED: (_("See what its verification needs."), "/api/v1/expert/payout-methods"),
        Reason.METHOD_ON_HOLD: (_("Nothing to do: wait for the next run."), "/api/v1/expert/payout-methods"),
        Reason.NO_TAX_PROFILE: (_("Fill in the tax profile."), "/api/v1/expert/tax-profile"),
        Reason.TAX_PROFILE_EXPIRED: (_("Sign the tax profile again."), "/api/v1/expert/tax-profile"),
        Reason.BLOCKED: (_("Read the decision and appeal."), "/api/v1/expert/decisions"),
        Reason.BELOW_ZERO: (_("See what was taken back, and contest it."), "/api/v1/expert/decisions"),
    }

    wall = Wall.EXPERT

    run = models.ForeignKey(PayRun, on_delete=models.CASCADE, related_name="exclusions", db_index=False)
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=24, choices=Reason.choices)

    class Meta:
        verbose_name = _("exclusion from a pay run")
        verbose_name_plural = _("exclusions from pay runs")
        constraints = (models.UniqueConstraint(fields=("run", "expert"), name="payments_payrunexclusion_once"),)

    def __str__(self) -> str:
        return f"{self.expert} · {self.run}: {self.get_reason_display()}"
