"""Applications and matches: who wants a seat, and who would fit."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace.models.lab import LabExpert
from marketplace.models.opening import Opening

STANDING = ("submitted", "in_review", "waitlisted")


class ApplicationQuerySet(WalledQuerySet["Application"]):
    """Applications."""

    expert_path = "expert"

    def undecided(self) -> ApplicationQuerySet:
        """Those that wait for somebody."""
        return self.filter(status__in=(Application.Status.SUBMITTED, Application.Status.IN_REVIEW))

    def standing(self) -> ApplicationQuerySet:
        """Those that may still lead to an offer; an expert has one for an opening at most."""
        return self.filter(status__in=STANDING)


@history.tracked()
class Application(TenantModel):
    """``submitted → in_review → (waitlisted) → offered | rejected | withdrawn``.

    An offer that ran out puts it back in review, a declined one withdraws it; a rejection that was overturned on appeal
    is in review again.
    """

    class Status(models.TextChoices):
        """How far it is."""

        SUBMITTED = "submitted", _("submitted")
        IN_REVIEW = "in_review", _("in review")
        WAITLISTED = "waitlisted", _("waitlisted")
        OFFERED = "offered", _("offered")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.SUBMITTED: {Status.IN_REVIEW, Status.WAITLISTED, Status.OFFERED, Status.REJECTED, Status.WITHDRAWN},
        Status.IN_REVIEW: {Status.WAITLISTED, Status.OFFERED, Status.REJECTED, Status.WITHDRAWN},
        Status.WAITLISTED: {Status.IN_REVIEW, Status.OFFERED, Status.REJECTED, Status.WITHDRAWN},
        Status.OFFERED: {Status.IN_REVIEW, Status.WITHDRAWN},
        Status.REJECTED: {Status.IN_REVIEW},
        Status.WITHDRAWN: set(),
    }

    public_id = PublicIdField(prefix="app")
    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="applications")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    lab_expert = models.ForeignKey(LabExpert, on_delete=models.PROTECT, related_name="applications")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.SUBMITTED)
    note = models.TextField(_("note"), blank=True)
    submitted_at = models.DateTimeField(_("submitted"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        permissions = (("decide_application", _("Can review, waitlist, reject and make offers on applications")),)
        constraints = (
            models.UniqueConstraint(
                fields=("opening", "expert"),
                condition=Q(status__in=STANDING),
                name="marketplace_application_once",
            ),
        )
        indexes = (models.Index(fields=("tenant", "status", "-id")), models.Index(fields=("expert", "-id")))

    def __str__(self) -> str:
        return self.public_id


class MatchQuerySet(WalledQuerySet["Match"]):
    """Matches: a lab's; what concerns an expert he is told on the board and in offers."""


@history.tracked()
class Match(TenantModel):
    """One candidate in the last ranking of an opening: the score, what it is made of, and the lead over the next."""

    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="matches")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    lab_expert = models.ForeignKey(LabExpert, on_delete=models.PROTECT, related_name="matches")
    rank = models.PositiveIntegerField(_("rank"))
    score = models.PositiveIntegerField(_("score"))
    margin = models.PositiveIntegerField(_("lead over the next"))
    components = models.JSONField(_("components"))
    rate_minor = models.BigIntegerField(_("rate (minor units)"))
    matched_at = models.DateTimeField(_("matched"))

    objects = MatchQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("opening", "expert"), name="marketplace_match_once"),
            models.CheckConstraint(condition=Q(score__range=(1, 1_000_000)), name="marketplace_match_score"),
        )
        indexes = (models.Index(fields=("opening", "rank")),)

    def __str__(self) -> str:
        return f"{self.rank}: {self.score}"
