"""What was seen of an expert's work: qualifications earned, and an aggregate of quality over all labs."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from experts.models.domain import Domain
from experts.models.expert import Expert

PPM = 1_000_000


class QualificationQuerySet(OwnedQuerySet["Qualification"]):
    """Qualifications."""

    def in_force(self, *, now: dt.datetime) -> Self:
        """Granted and not expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), granted_at__lte=now)


@history.tracked()
class Qualification(CadreModel):
    """A grant with a score and an end: passed a screening, calibrated for a project. A new grant replaces the old."""

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="qlf")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="qualifications")
    code = models.CharField(_("code"), max_length=100)
    score_ppm = models.PositiveIntegerField(_("score, parts per million"), null=True, blank=True)
    source = models.CharField(_("earned by"), max_length=60, blank=True, help_text=_("Public id."))
    granted_at = models.DateTimeField(_("granted at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    objects = QualificationQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        constraints = (
            models.UniqueConstraint(fields=("expert", "code"), name="experts_qualification_once"),
            models.CheckConstraint(
                condition=Q(score_ppm=None) | Q(score_ppm__lte=PPM), name="experts_qualification_score"
            ),
        )

    def __str__(self) -> str:
        return self.code


@history.tracked()
class QualityScore(CadreModel):
    """The mean quality of an expert's work in a domain, over all labs: never one lab's verdict."""

    wall = Wall.EXPERT

    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="quality_scores")
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="+")
    score_ppm = models.PositiveIntegerField(_("score, parts per million"))
    observations = models.PositiveIntegerField(_("observations"))
    updated_at = models.DateTimeField(_("updated at"))

    objects = OwnedQuerySet["QualityScore"].as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("expert", "domain"), name="experts_qualityscore_once"),
            models.CheckConstraint(condition=Q(score_ppm__lte=PPM), name="experts_qualityscore_range"),
        )

    def __str__(self) -> str:
        return f"{self.domain}: {self.score_ppm} of {PPM}"
