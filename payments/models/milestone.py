"""Bonuses that a lab promises beforehand: after so many accepted submissions or approved hours, once per expert."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import Kind, Principal, PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace.public import Offer


class MilestoneQuerySet(WalledQuerySet["Milestone"]):
    """Milestones; an expert sees those of every opening he has an offer in, before he accepts it."""

    def visible_to(self, principal: Principal) -> Self:
        """A lab its own, an expert what was promised to him, the platform all."""
        if principal.kind is not Kind.EXPERT or principal.subject_id is None:
            return super().visible_to(principal)
        mine = Offer.objects.filter(expert=principal.subject_id)
        in_project = mine.filter(opening__project=OuterRef("project"))
        in_opening = mine.filter(opening=OuterRef("opening"))
        return self.filter(Q(Exists(in_opening)) | Q(Exists(in_project), opening=None))

    def open(self) -> Self:
        """Those that can still be reached."""
        return self.filter(status__in=(Milestone.Status.ACTIVE, Milestone.Status.ENDING))

    def over(self, *, now: dt.datetime) -> Self:
        """Those whose last instant has come and that nobody has ended yet."""
        return self.filter(status=Milestone.Status.ENDING, ends_at__lte=now)

    def with_waiting(self) -> Self:
        """Each with how many experts wait for its lab's money: `awards_waiting`."""
        waiting = MilestoneAward.objects.filter(milestone=OuterRef("pk"), status=MilestoneAward.Status.WAITING)
        counted = waiting.order_by().values("milestone").annotate(n=Count("pk")).values("n")
        return self.annotate(awards_waiting=Coalesce(Subquery(counted), 0))


@history.tracked()
class Milestone(TenantModel):
    """``active → ending → ended``: ending runs until ``ends_at``, so that nobody loses it on the last metre.

    ``threshold`` counts submissions or seconds by ``basis``; ``amount_minor`` is what an expert gets, ``budget_minor``
    what all of them get at most (without fees), ``awarded_minor`` what they have earned of it. Nothing of it is ever
    changed once experts have seen it.
    """

    class Basis(models.TextChoices):
        """What is counted."""

        ACCEPTED_SUBMISSIONS = "accepted_submissions", _("accepted submissions")
        APPROVED_HOURS = "approved_hours", _("approved hours")

    class Status(models.TextChoices):
        """Whether it can be reached."""

        ACTIVE = "active", _("active")
        ENDING = "ending", _("ending")
        ENDED = "ended", _("ended")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.ACTIVE: {Status.ENDING, Status.ENDED},
        Status.ENDING: {Status.ENDED},
        Status.ENDED: set(),
    }

    public_id = PublicIdField(prefix="mst")
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="+")
    opening = models.ForeignKey(
        "marketplace.Opening", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    title = models.CharField(max_length=200)
    basis = models.CharField(max_length=24, choices=Basis.choices)
    threshold = models.PositiveIntegerField(help_text=_("Submissions, or seconds."))
    amount_minor = models.BigIntegerField()
    budget_minor = models.BigIntegerField()
    awarded_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    ends_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    end_reason = models.CharField(max_length=300, blank=True, help_text=_("Why its lab ended it; experts read it."))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposal = models.ForeignKey(
        "payments.AdjustmentProposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = MilestoneQuerySet.as_manager()

    class Meta:
        verbose_name = _("milestone")
        verbose_name_plural = _("milestones")
        constraints = (
            models.CheckConstraint(
                condition=Q(threshold__gt=0, amount_minor__gt=0, budget_minor__gte=F("amount_minor")),
                name="payments_milestone_amounts",
            ),
            models.CheckConstraint(
                condition=Q(awarded_minor__gte=0, awarded_minor__lte=F("budget_minor")),
                name="payments_milestone_within_budget",
            ),
            models.CheckConstraint(
                condition=Q(ended_by=None, end_reason="") | (Q(ended_by__isnull=False) & ~Q(end_reason="")),
                name="payments_milestone_ended_by",
            ),
        )

    def __str__(self) -> str:
        return self.title


class AwardQuerySet(WalledQuerySet["MilestoneAward"]):
    """Milestones that were reached."""

    expert_path = "expert"


@history.tracked()
class MilestoneAward(TenantModel):
    """An expert reached a milestone, once: ``waiting → paid``; it waits where the lab's money does not cover it."""

    class Status(models.TextChoices):
        """Whether it is paid."""

        WAITING = "waiting", _("waiting for the lab's money")
        PAID = "paid", _("paid")

    TRANSITIONS: ClassVar[Transitions] = {Status.WAITING: {Status.PAID}, Status.PAID: set()}

    public_id = PublicIdField(prefix="mwd")
    milestone = models.ForeignKey(Milestone, on_delete=models.PROTECT, related_name="awards")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="+")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    reached_at = models.DateTimeField()
    adjustment = models.OneToOneField(
        "payments.Adjustment", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = AwardQuerySet.as_manager()

    class Meta:
        verbose_name = _("milestone reached")
        verbose_name_plural = _("milestones reached")
        constraints = (
            models.UniqueConstraint(fields=("milestone", "expert"), name="payments_milestoneaward_once"),
            models.CheckConstraint(
                condition=Q(status="waiting", adjustment=None) | Q(status="paid", adjustment__isnull=False),
                name="payments_milestoneaward_paid_by",
            ),
        )
        indexes = (models.Index(fields=("id",), condition=Q(status="waiting"), name="payments_milestoneaward_wait"),)

    def __str__(self) -> str:
        return self.public_id
