"""The expert himself, and the hours he offers."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall

WEEK_SECONDS = 7 * 24 * 3600
DAY_SECONDS = 24 * 3600


class ExpertQuerySet(OwnedQuerySet["Expert"]):
    """Experts, each himself: labs never see one here, only their own pseudonyms of him."""

    owner_path = "pk"


@history.tracked()
class Expert(CadreModel):
    """A person with knowledge. The tier follows from verified facts, or from a named member of staff with a reason."""

    class Tier(models.TextChoices):
        """From lowest to highest."""

        GENERALIST = "generalist", _("generalist")
        SKILLED = "skilled", _("skilled")
        SPECIALIST = "specialist", _("specialist")
        EXPERT = "expert", _("expert")
        SENIOR_EXPERT = "senior_expert", _("senior expert")
        PRINCIPAL = "principal", _("principal")

    class TierSource(models.TextChoices):
        """Who set the tier."""

        RULE = "rule", _("by rule")
        ADMIN = "admin", _("by a person")

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="exp")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="expert")
    legal_name = models.CharField(_("legal name"), max_length=200, blank=True)
    headline = models.CharField(_("headline"), max_length=200, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166-1 alpha-2."))
    zone = models.CharField(_("time zone"), max_length=64, default="UTC", help_text=_("IANA name."))
    languages = ArrayField(models.CharField(max_length=20), default=list, blank=True, verbose_name=_("languages"))
    years = models.PositiveSmallIntegerField(_("years of practice"), default=0, validators=[MaxValueValidator(80)])
    tier = models.CharField(_("tier"), max_length=20, choices=Tier.choices, default=Tier.GENERALIST)
    tier_source = models.CharField(_("tier set"), max_length=10, choices=TierSource.choices, default=TierSource.RULE)
    tier_reason = models.TextField(_("reason of the tier"), blank=True)

    objects = ExpertQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (
            ("set_tier", _("Can set the tier of an expert")),
            ("restrict_expert", _("Can restrict experts and lift restrictions")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(country="") | Q(country__regex=r"^[A-Z]{2}$"), name="experts_expert_country"
            ),
            models.CheckConstraint(condition=Q(years__range=(0, 80)), name="experts_expert_years"),
            models.CheckConstraint(
                condition=Q(tier_source="rule") | ~Q(tier_reason=""), name="experts_expert_override_has_reason"
            ),
        )

    def __str__(self) -> str:
        return self.legal_name or self.public_id


@history.tracked()
class Availability(CadreModel):
    """The hours an expert offers: per week, and no more than so many on one of his own days."""

    wall = Wall.EXPERT

    expert = models.OneToOneField(Expert, on_delete=models.CASCADE, related_name="availability")
    weekly_seconds = models.PositiveIntegerField(_("seconds a week"), default=0)
    daily_cap_seconds = models.PositiveIntegerField(_("most seconds a day"), null=True, blank=True)
    open_to_offers = models.BooleanField(_("open to offers"), default=True)

    objects = OwnedQuerySet["Availability"].as_manager()

    class Meta:
        verbose_name_plural = _("availability")
        constraints = (
            models.CheckConstraint(
                condition=Q(weekly_seconds__range=(0, WEEK_SECONDS)), name="experts_availability_week"
            ),
            models.CheckConstraint(
                condition=Q(daily_cap_seconds=None) | Q(daily_cap_seconds__range=(1, DAY_SECONDS)),
                name="experts_availability_day",
            ),
        )

    def __str__(self) -> str:
        return f"{self.weekly_seconds} s a week"
