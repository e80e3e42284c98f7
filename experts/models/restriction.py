"""What an expert may not do for a while, and the decision that says why."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Tenant, Wall
from experts.models.decision import Decision
from experts.models.expert import Expert


class RestrictionQuerySet(OwnedQuerySet["Restriction"]):
    """Restrictions."""

    def in_force(self, *, now: dt.datetime) -> Self:
        """Begun and not over."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now)


@history.tracked()
class Restriction(CadreModel):
    """A limit, on the whole platform or (with a tenant) towards one lab. It ends; it is never deleted."""

    class Kind(models.TextChoices):
        """What is limited."""

        SUSPENDED = "suspended", _("suspended: no offers, no work")
        NO_NEW_OFFERS = "no_new_offers", _("no new offers")
        NO_NEW_CLAIMS = "no_new_claims", _("no new claims")
        NO_PAYOUTS = "no_payouts", _("payouts are held")

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="res")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="restrictions")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    subject = models.CharField(_("because of"), max_length=60, blank=True)
    reason = models.TextField(_("reason"))
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="restrictions")

    objects = RestrictionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=models.F("starts_at")), name="experts_restriction_dates"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="experts_restriction_has_reason"),
        )

    def __str__(self) -> str:
        return self.get_kind_display()
