"""Labs: who buys, who acts for them, and under which pseudonyms they know experts."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet

HOUR = 3600


class LabQuerySet(WalledQuerySet["Lab"]):
    """Labs."""


@history.tracked()
class Lab(TenantModel):
    """The terms a lab offers to everybody it engages; one row for its live tenant and one for its sandbox."""

    alias = models.CharField(
        _("alias"), max_length=120, help_text=_("What experts see; a lab may hide its name behind it.")
    )
    country = models.CharField(_("country"), max_length=2, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    approval_window_seconds = models.PositiveIntegerField(_("approval window (s)"), default=72 * HOUR)
    holdback_bp = models.PositiveIntegerField(_("holdback (bp)"), default=0)
    holdback_days = models.PositiveSmallIntegerField(_("holdback is released after (days)"), default=30)
    notice_days = models.PositiveSmallIntegerField(_("notice (days)"), default=7)
    fee_bp = models.PositiveIntegerField(_("fee (bp)"), default=3000)

    objects = LabQuerySet.as_manager()

    class Meta:
        permissions = (("issue_key", _("Can issue API keys to labs")),)
        constraints = (
            models.UniqueConstraint(fields=("tenant",), name="marketplace_lab_once"),
            models.CheckConstraint(condition=Q(holdback_bp__lte=10_000), name="marketplace_lab_holdback"),
            models.CheckConstraint(condition=Q(fee_bp__lte=100_000), name="marketplace_lab_fee"),
        )

    def __str__(self) -> str:
        return self.alias


class LabMemberQuerySet(WalledQuerySet["LabMember"]):
    """Members."""


@history.tracked()
class LabMember(TenantModel):
    """A person who may act for a lab. Whoever decides something that costs an expert is one of them, by name."""

    class Role(models.TextChoices):
        """What the person may do; every role includes the ones below it."""

        ADMIN = "admin", _("admin")
        MANAGER = "manager", _("manager")
        REVIEWER = "reviewer", _("reviewer")
        VIEWER = "viewer", _("viewer")

    public_id = PublicIdField(prefix="mem")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)

    objects = LabMemberQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "user"), name="marketplace_labmember_once"),)

    def __str__(self) -> str:
        return self.public_id


class LabExpertQuerySet(WalledQuerySet["LabExpert"]):
    """Pseudonyms."""

    expert_path = "expert"


@history.tracked()
class LabExpert(TenantModel):
    """The pseudonym under which one lab knows one expert: random, so two labs cannot compare what they know."""

    public_id = PublicIdField(prefix="pex", random=True)
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")

    objects = LabExpertQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "expert"), name="marketplace_labexpert_once"),)

    def __str__(self) -> str:
        return self.public_id
