"""Fields of knowledge: the international classification, and the domains that openings ask for."""

from __future__ import annotations

from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, Principal, Wall
from experts.models.expert import Expert


class IscedField(CadreModel):
    """One field of ISCED-F 2013: broad (two digits), narrow (three) or detailed (four)."""

    wall = Wall.PLATFORM

    code = models.CharField(max_length=4, unique=True)
    name = models.CharField(max_length=120)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")

    class Meta:
        ordering = ("code",)
        verbose_name = _("ISCED field")

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class DomainQuerySet(models.QuerySet["Domain"]):
    """The taxonomy is public."""

    def visible_to(self, principal: Principal) -> Self:
        """Everybody sees every domain."""
        return self


@history.tracked()
class Domain(CadreModel):
    """What an expert can be good at. The code is dotted, so that a branch is a prefix: medicine, medicine.cardiology."""

    wall = Wall.PLATFORM

    code = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    isced = models.ForeignKey(
        IscedField, on_delete=models.PROTECT, related_name="domains", verbose_name=_("ISCED field")
    )

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(code__regex=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"), name="experts_domain_code_dotted"
            ),
        )

    def __str__(self) -> str:
        return self.name


@history.tracked()
class ExpertDomain(CadreModel):
    """An expert's own word about one domain: how well (1 to 5) and for how many years.

    Until a verified credential stands in the same branch the word counts for level 2 at most (see tiers.py).
    """

    wall = Wall.EXPERT

    expert = models.ForeignKey(Expert, on_delete=models.CASCADE, related_name="domains")
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="+")
    level = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    years = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(80)])

    objects = OwnedQuerySet["ExpertDomain"].as_manager()

    class Meta:
        ordering = ("domain__code",)
        constraints = (
            models.UniqueConstraint(fields=("expert", "domain"), name="experts_expertdomain_once"),
            models.CheckConstraint(condition=Q(level__range=(1, 5)), name="experts_expertdomain_level"),
            models.CheckConstraint(condition=Q(years__range=(0, 80)), name="experts_expertdomain_years"),
        )

    def __str__(self) -> str:
        return f"{self.domain}: {self.level}"
