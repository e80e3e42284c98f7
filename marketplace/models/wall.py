"""The wall between competing labs, in people: who competes with whom, and who has seen what."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, Principal, Tenant, Wall


class ConflictEdgeQuerySet(models.QuerySet["ConflictEdge"]):
    """Edges: the platform's knowledge alone, since a lab must not learn whom a rival fears."""

    def visible_to(self, principal: Principal) -> ConflictEdgeQuerySet:
        """The platform sees all, nobody else any."""
        return self if principal.is_platform else self.none()


@history.tracked()
class ConflictEdge(CadreModel):
    """Two labs compete from ``starts_on`` until ``ends_on`` (None: until further notice).

    Whoever saw one side's work may not see the other's before ``cooling_off_days`` have passed.
    """

    wall = Wall.LEDGER

    tenant_low = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", verbose_name=_("one lab"))
    tenant_high = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", verbose_name=_("the other lab"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"), null=True, blank=True)
    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    cooling_off_days = models.PositiveSmallIntegerField(_("cooling-off (days)"), default=180)

    objects = ConflictEdgeQuerySet.as_manager()

    class Meta:
        constraints = (
            # One order of the two sides, so that the same pair cannot be written twice.
            models.CheckConstraint(
                condition=Q(tenant_low__lt=F("tenant_high")), name="marketplace_conflictedge_ordered"
            ),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")), name="marketplace_conflictedge_forward"
            ),
            models.UniqueConstraint(
                fields=("tenant_low", "tenant_high", "starts_on"), name="marketplace_conflictedge_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.tenant_low_id} × {self.tenant_high_id}"


class ExposureQuerySet(models.QuerySet["Exposure"]):
    """Exposures: the platform's knowledge alone."""

    def visible_to(self, principal: Principal) -> ExposureQuerySet:
        """The platform sees all, nobody else any."""
        return self if principal.is_platform else self.none()


@history.tracked()
class Exposure(CadreModel):
    """A person saw a lab's work, or is employed by it, from ``starts_at`` until ``ends_at`` (None: still)."""

    class Source(models.TextChoices):
        """How the person came to see it."""

        CONTRACT = "contract", _("contract")
        EMPLOYMENT = "employment", _("employment")
        REVIEW = "review", _("review")
        STAFF = "staff", _("staff")

    wall = Wall.LEDGER

    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    tenant_seen = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", verbose_name=_("lab"))
    source = models.CharField(_("source"), max_length=12, choices=Source.choices)
    subject = models.CharField(_("subject"), max_length=60, blank=True, help_text=_("Public id of what exposed him."))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)

    objects = ExposureQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(expert__isnull=False) | Q(user__isnull=False), name="marketplace_exposure_person"
            ),
        )
        indexes = (models.Index(fields=("expert", "tenant_seen")),)

    def __str__(self) -> str:
        return f"{self.source} {self.subject}"
