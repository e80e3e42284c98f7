"""Rate cards: what an hour costs, by tier, domain, work type and location. Published cards do not change."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, Kind, Principal, PublicIdField, Tenant, Wall
from marketplace.models.hard_cap import at_most_the_hard_cap
from marketplace.rates import LOCATED_TIERS


class RateCardQuerySet(models.QuerySet["RateCard"]):
    """Cards."""

    def visible_to(self, principal: Principal) -> RateCardQuerySet:
        """Everybody sees the platform's cards, a lab its own besides, the platform all."""
        if principal.is_platform:
            return self
        own = Q(tenant=principal.tenant_id) if principal.kind is Kind.LAB else Q()
        return self.filter(Q(tenant=None) | own) if own else self.filter(tenant=None)


class RateCard(CadreModel):
    """One version of the platform's card, or of the card agreed with one lab (``tenant``) that goes before it."""

    wall = Wall.PLATFORM
    sealed = True

    public_id = PublicIdField(prefix="rcd")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    version = models.PositiveIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=120)
    published_at = models.DateTimeField(_("published"))

    objects = RateCardQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "version"), nulls_distinct=False, name="marketplace_ratecard_version"
            ),
        )
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return f"{self.title} v{self.version}"


class RateQuerySet(models.QuerySet["Rate"]):
    """Lines of cards."""

    def visible_to(self, principal: Principal) -> RateQuerySet:
        """Those of the cards that the caller may see."""
        return self.filter(card__in=RateCard.objects.visible_to(principal))


class Rate(CadreModel):
    """One line: minor units for one hour of such work. An empty domain, work type or band means any.

    ``domain`` is a code of the taxonomy and prices everything below it ("medicine" covers "medicine.cardiology").
    """

    class Unit(models.TextChoices):
        """What is counted."""

        HOUR = "hour", _("hour")
        ITEM = "item", _("item")
        FIXED = "fixed", _("fixed")

    wall = Wall.PLATFORM
    sealed = True

    card = models.ForeignKey(RateCard, on_delete=models.PROTECT, related_name="rates")
    domain = models.CharField(_("domain"), max_length=120, blank=True)
    tier = models.CharField(_("tier"), max_length=20)
    work_type = models.CharField(_("work type"), max_length=60, blank=True)
    band = models.CharField(_("location band"), max_length=20, blank=True)
    unit = models.CharField(_("unit"), max_length=5, choices=Unit.choices, default=Unit.HOUR)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    currency = models.CharField(_("currency"), max_length=3)
    valid = DateTimeRangeField(_("valid"))

    objects = RateQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="marketplace_rate_positive"),
            at_most_the_hard_cap("amount_minor", name="marketplace_rate_hard_cap"),
            models.CheckConstraint(
                # An expert's judgement costs the same everywhere.
                condition=Q(band="") | Q(tier__in=sorted(LOCATED_TIERS)),
                name="marketplace_rate_bands_of_entry_tiers",
            ),
            ExclusionConstraint(
                name="marketplace_rate_overlap",
                expressions=[
                    *(
                        (field, RangeOperators.EQUAL)
                        for field in ("card", "domain", "tier", "work_type", "band", "unit", "currency")
                    ),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
        )
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return f"{self.tier} {self.domain or '*'} {self.amount_minor} {self.currency}"
