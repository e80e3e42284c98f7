"""Contracts, and the terms that were frozen when they were signed."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.money import Money
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace.models.hard_cap import at_most_the_hard_cap
from marketplace.models.lab import LabExpert
from marketplace.models.offer import Offer, Terms
from marketplace.models.opening import Opening
from marketplace.models.project import Project


class ContractQuerySet(WalledQuerySet["Contract"]):
    """Contracts."""

    expert_path = "expert"

    def living(self) -> ContractQuerySet:
        """Those that have not ended."""
        return self.exclude(status=Contract.Status.ENDED)


@history.tracked()
class Contract(TenantModel):
    """``onboarding → active ⇄ paused → ending → ended``.

    Active once everything is signed and the instructions are acknowledged. ``ending`` runs until ``notice_ends_at``:
    no new work, work in flight is finished and paid. An end that was overturned on appeal is active again.
    """

    class Status(models.TextChoices):
        """Whether work may be done under it."""

        ONBOARDING = "onboarding", _("onboarding")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        ENDING = "ending", _("ending")
        ENDED = "ended", _("ended")

    class EndReason(models.TextChoices):
        """Why it ended."""

        COMPLETED = "completed", _("completed")
        PROJECT_ENDED = "project_ended", _("the project ended")
        PERFORMANCE = "performance", _("performance")
        POLICY_VIOLATION = "policy_violation", _("policy violation")
        EXPERT_LEFT = "expert_left", _("the expert left")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.ONBOARDING: {Status.ACTIVE, Status.ENDING},
        Status.ACTIVE: {Status.PAUSED, Status.ENDING},
        Status.PAUSED: {Status.ACTIVE, Status.ENDING},
        Status.ENDING: {Status.ENDED, Status.ACTIVE},
        Status.ENDED: set(),
    }

    public_id = PublicIdField(prefix="ctr")
    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="contracts")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="contracts")
    offer = models.OneToOneField(Offer, on_delete=models.PROTECT, related_name="contract")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    lab_expert = models.ForeignKey(LabExpert, on_delete=models.PROTECT, related_name="contracts")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ONBOARDING)
    end_reason = models.CharField(_("end reason"), max_length=16, choices=EndReason.choices, blank=True)
    zone = models.CharField(_("time zone"), max_length=64)
    signed_at = models.DateTimeField(_("signed"))
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    notice_ends_at = models.DateTimeField(_("notice ends"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = ContractQuerySet.as_manager()

    class Meta:
        permissions = (("manage_contract", _("Can pause, resume and end contracts")),)
        constraints = (
            models.UniqueConstraint(
                fields=("opening", "expert"), condition=~Q(status="ended"), name="marketplace_contract_once"
            ),
            models.CheckConstraint(
                condition=~Q(status="ended") | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="marketplace_contract_end",
            ),
        )
        indexes = (models.Index(fields=("tenant", "-id")), models.Index(fields=("expert", "-id")))

    def __str__(self) -> str:
        return self.public_id


class OnlyClosing(guards.Guard):
    """A frozen rate never changes; a later one may only end its time (lower bound and everything else stay)."""

    when = pgtrigger.Before
    operation = pgtrigger.Update | pgtrigger.Delete
    func = """
        IF TG_OP = 'UPDATE' AND upper_inf(OLD.valid) AND NOT upper_inf(NEW.valid)
            AND lower(NEW.valid) = lower(OLD.valid)
            AND to_jsonb(NEW) - 'valid' = to_jsonb(OLD) - 'valid'
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a frozen rate does not change' USING ERRCODE = 'insufficient_privilege';
    """


class RateSnapshotQuerySet(WalledQuerySet["RateSnapshot"]):
    """Snapshots."""

    expert_path = "contract__expert"


@history.tracked()
class RateSnapshot(Terms):
    """Everything that was promised when a contract was signed or amended, in force during ``valid``.

    Append-only: a later rate is a new row from a future instant, which closes the range of the one before.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="snapshots")
    valid = DateTimeRangeField(_("valid"))
    aht_cap_seconds = models.PositiveIntegerField(_("cap per item (s)"), null=True, blank=True)
    day_cap_seconds = models.PositiveIntegerField(_("cap per day (s)"), null=True, blank=True)
    week_cap_seconds = models.PositiveIntegerField(_("cap per week (s)"))
    reason = models.CharField(_("reason"), max_length=200)

    objects = RateSnapshotQuerySet.as_manager()

    class Meta:
        constraints = (
            ExclusionConstraint(
                name="marketplace_ratesnapshot_overlap",
                expressions=[("contract", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(condition=Q(rate_minor__gt=0), name="marketplace_ratesnapshot_rate"),
            at_most_the_hard_cap("rate_minor", name="marketplace_ratesnapshot_hard_cap"),
        )
        triggers = (OnlyClosing(name="only_closing"),)

    def __str__(self) -> str:
        return f"{Money(self.rate_minor, self.currency)} / h, {self.reason}"
