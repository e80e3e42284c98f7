"""Offers: a seat with every term that binds, until it expires."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.money import Money
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace.models.application import Application
from marketplace.models.lab import LabExpert
from marketplace.models.opening import Opening


class Terms(TenantModel):
    """What an offer promises and a snapshot keeps; money in minor units, per hour."""

    rate_minor = models.BigIntegerField(_("rate (minor units per hour)"))
    currency = models.CharField(_("currency"), max_length=3)
    fee_bp = models.PositiveIntegerField(_("fee (bp)"))
    pay_policy = models.JSONField(_("pay policy"))
    approval_window_seconds = models.PositiveIntegerField(_("approval window (s)"))
    holdback_bp = models.PositiveIntegerField(_("holdback (bp)"))
    holdback_days = models.PositiveSmallIntegerField(_("holdback is released after (days)"))
    card_version = models.CharField(_("rate card"), max_length=60)

    class Meta:
        abstract = True

    @property
    def rate(self) -> Money:
        """Pay per hour."""
        return Money(self.rate_minor, self.currency)


class OfferQuerySet(WalledQuerySet["Offer"]):
    """Offers."""

    expert_path = "expert"


@history.tracked()
class Offer(Terms):
    """``extended → accepted | declined | expired | withdrawn``."""

    class Status(models.TextChoices):
        """Whether it can still be accepted."""

        EXTENDED = "extended", _("extended")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        EXPIRED = "expired", _("expired")
        WITHDRAWN = "withdrawn", _("withdrawn")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.EXTENDED: {Status.ACCEPTED, Status.DECLINED, Status.EXPIRED, Status.WITHDRAWN},
        Status.ACCEPTED: set(),
        Status.DECLINED: set(),
        Status.EXPIRED: set(),
        Status.WITHDRAWN: set(),
    }

    public_id = PublicIdField(prefix="off")
    opening = models.ForeignKey(Opening, on_delete=models.PROTECT, related_name="offers")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, null=True, blank=True, related_name="offers")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    lab_expert = models.ForeignKey(LabExpert, on_delete=models.PROTECT, related_name="offers")
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.EXTENDED)
    weekly_cap_seconds = models.PositiveIntegerField(_("weekly cap (s)"))
    daily_cap_seconds = models.PositiveIntegerField(_("daily cap (s)"), null=True, blank=True)
    notice_days = models.PositiveSmallIntegerField(_("notice (days)"))
    message = models.TextField(_("message"), blank=True)
    extended_at = models.DateTimeField(_("extended"))
    expires_at = models.DateTimeField(_("expires"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    objects = OfferQuerySet.as_manager()

    class Meta:
        permissions = (("withdraw_offer", _("Can withdraw offers")),)
        constraints = (
            models.UniqueConstraint(
                fields=("opening", "expert"), condition=Q(status="extended"), name="marketplace_offer_once"
            ),
            models.CheckConstraint(condition=Q(rate_minor__gt=0), name="marketplace_offer_rate"),
        )
        indexes = (
            models.Index(fields=("tenant", "-id")),
            models.Index(fields=("expires_at",), condition=Q(status="extended"), name="marketplace_offer_open"),
        )

    def __str__(self) -> str:
        return self.public_id


class OfferDocumentQuerySet(WalledQuerySet["OfferDocument"]):
    """Documents."""

    expert_path = "offer__expert"


@history.tracked()
class OfferDocument(TenantModel):
    """A version of an agreement that has to be signed before the seat is taken."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="documents")
    agreement_version = models.ForeignKey("experts.AgreementVersion", on_delete=models.PROTECT, related_name="+")

    objects = OfferDocumentQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("offer", "agreement_version"), name="marketplace_offerdocument_once"),
        )

    def __str__(self) -> str:
        return f"{self.offer_id}: {self.agreement_version_id}"
