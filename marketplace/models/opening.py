"""Openings: seats in a project, what they require, and the board on which experts find them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, Principal, PublicIdField, TenantModel, Wall, WalledQuerySet
from core.states import Transitions
from experts.public import Expert
from marketplace.models.project import Project


class OpeningQuerySet(WalledQuerySet["Opening"]):
    """Openings; an expert sees those he was offered a seat in, and the others on the board (OpeningListing)."""

    expert_path = "offers__expert"
    has_many_paths = True


@history.tracked()
class Opening(TenantModel):
    """``draft → open ⇄ paused``; ``open → filled → open`` as seats are taken and given up; ``closed`` for good."""

    class Status(models.TextChoices):
        """Whether seats can be had."""

        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        FILLED = "filled", _("filled")
        CLOSED = "closed", _("closed")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.DRAFT: {Status.OPEN, Status.CLOSED},
        Status.OPEN: {Status.PAUSED, Status.FILLED, Status.CLOSED},
        Status.PAUSED: {Status.OPEN, Status.CLOSED},
        Status.FILLED: {Status.OPEN, Status.CLOSED},
        Status.CLOSED: set(),
    }

    public_id = PublicIdField(prefix="opn")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="openings")
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.DRAFT)
    seats = models.PositiveIntegerField(_("seats"))
    seats_taken = models.PositiveIntegerField(_("seats taken"), default=0)
    tier = models.CharField(_("tier"), max_length=20, choices=Expert.Tier.choices)
    work_type = models.CharField(_("work type"), max_length=60, blank=True)
    weekly_cap_seconds = models.PositiveIntegerField(_("weekly cap (s)"))
    daily_cap_seconds = models.PositiveIntegerField(_("daily cap (s)"), null=True, blank=True)
    rate_ceiling_minor = models.BigIntegerField(_("rate ceiling (minor units)"), null=True, blank=True)
    external_id = models.CharField(_("external id"), max_length=255, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    objects = OpeningQuerySet.as_manager()

    class Meta:
        permissions = (("run_opening", _("Can open, pause and close openings")),)
        constraints = (
            models.CheckConstraint(condition=Q(seats_taken__lte=F("seats")), name="marketplace_opening_seats"),
            models.CheckConstraint(condition=Q(seats__gte=1), name="marketplace_opening_has_seats"),
            models.CheckConstraint(
                condition=Q(weekly_cap_seconds__range=(60, 168 * 3600)), name="marketplace_opening_weekly_cap"
            ),
            models.CheckConstraint(
                condition=Q(daily_cap_seconds=None) | Q(daily_cap_seconds__range=(60, 24 * 3600)),
                name="marketplace_opening_daily_cap",
            ),
            models.UniqueConstraint(
                fields=("tenant", "external_id"), condition=~Q(external_id=""), name="marketplace_opening_external_id"
            ),
        )
        indexes = (models.Index(fields=("tenant", "-id")),)

    def __str__(self) -> str:
        return self.title

    @property
    def seats_left(self) -> int:
        """How many seats nobody holds."""
        return self.seats - self.seats_taken


class RequirementQuerySet(WalledQuerySet["Requirement"]):
    """Requirements."""


@history.tracked()
class Requirement(TenantModel):
    """What an opening asks of an expert. Its meaning is the law in ``marketplace.matching``."""

    opening = models.OneToOneField(Opening, on_delete=models.PROTECT, related_name="requirement")
    domain = models.ForeignKey("experts.Domain", on_delete=models.PROTECT, related_name="+")
    min_level = models.PositiveSmallIntegerField(_("lowest level"), default=0)
    min_years = models.PositiveSmallIntegerField(_("fewest years"), default=0)
    degree = models.CharField(_("lowest degree"), max_length=20, default="none")
    licences = models.JSONField(
        _("licences"), default=list, blank=True, help_text=_('Such as [{"kind": "medical", "jurisdiction": "US"}].')
    )
    languages = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    countries_allowed = ArrayField(models.CharField(max_length=2), null=True, blank=True)
    countries_blocked = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    qualifications = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    hours_week = models.PositiveSmallIntegerField(_("hours a week he must have"), default=0)

    objects = RequirementQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(min_level__lte=5), name="marketplace_requirement_level"),
            models.CheckConstraint(condition=Q(hours_week__lte=168), name="marketplace_requirement_hours"),
        )

    def __str__(self) -> str:
        return f"requirement of {self.opening_id}"


class OpeningListingQuerySet(models.QuerySet["OpeningListing"]):
    """The board."""

    def visible_to(self, principal: Principal) -> OpeningListingQuerySet:
        """Everybody who is known may read the board; a lab sees what experts see."""
        return self if principal.user_id or principal.tenant_id or principal.is_platform else self.none()


class OpeningListing(CadreModel):
    """What the board shows of one open opening: made when it opens, gone when it is no longer open.

    It stands outside the tenants' wall, because experts read it before any lab knows them; so it holds nothing but what
    the lab publishes, and the tenant only as a number to find the opening by.
    """

    wall = Wall.PLATFORM

    opening_public_id = models.CharField(max_length=40, unique=True)
    tenant_id = models.BigIntegerField()
    lab_alias = models.CharField(max_length=120)
    project_alias = models.CharField(max_length=200)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tier = models.CharField(max_length=20)
    domain = models.CharField(max_length=120)
    requirement = models.JSONField(help_text=_("As the API writes requirements."))
    currency = models.CharField(max_length=3)
    rates = models.JSONField(help_text=_("Minor units per hour by location band."))
    terms = models.JSONField(help_text=_("Caps, paid activities, windows, as offers will carry them."))
    opened_at = models.DateTimeField()

    objects = OpeningListingQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=("domain",)),)

    def __str__(self) -> str:
        return self.title
