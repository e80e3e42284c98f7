"""Amendments: later terms of a contract, which bind only when the expert agrees."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.money import Money
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from marketplace.models.contract import Contract, RateSnapshot
from marketplace.models.hard_cap import at_most_the_hard_cap


class AmendmentQuerySet(WalledQuerySet["Amendment"]):
    """Amendments."""

    expert_path = "contract__expert"

    def standing(self) -> AmendmentQuerySet:
        """Those that wait for the expert's answer."""
        return self.filter(status=Amendment.Status.PROPOSED)


@history.tracked()
class Amendment(TenantModel):
    """``proposed → accepted | declined | withdrawn | expired``.

    The complete terms that would be in force from ``effective_at`` on, put beside ``former``. Silence is a no: what
    nobody accepted until ``expires_at`` changes nothing. An accepted one has written ``snapshot``.
    """

    class Status(models.TextChoices):
        """Whether it binds."""

        PROPOSED = "proposed", _("proposed")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PROPOSED: {Status.ACCEPTED, Status.DECLINED, Status.WITHDRAWN, Status.EXPIRED},
        Status.ACCEPTED: set(),
        Status.DECLINED: set(),
        Status.WITHDRAWN: set(),
        Status.EXPIRED: set(),
    }

    public_id = PublicIdField(prefix="amd")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="amendments")
    former = models.ForeignKey(RateSnapshot, on_delete=models.PROTECT, related_name="+")
    snapshot = models.OneToOneField(
        RateSnapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="amendment"
    )
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.PROPOSED)
    rate_minor = models.BigIntegerField(_("rate (minor units per hour)"))
    currency = models.CharField(_("currency"), max_length=3)
    pay_policy = models.JSONField(_("pay policy"))
    day_cap_seconds = models.PositiveIntegerField(_("cap per day (s)"), null=True, blank=True)
    week_cap_seconds = models.PositiveIntegerField(_("cap per week (s)"))
    reason = models.TextField(_("reason"))
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(_("proposed"))
    effective_at = models.DateTimeField(_("in force from"))
    expires_at = models.DateTimeField(_("expires"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    objects = AmendmentQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("contract",), condition=Q(status="proposed"), name="marketplace_amendment_once"
            ),
            models.CheckConstraint(
                condition=Q(proposed_at__lt=F("expires_at")) & Q(expires_at__lte=F("effective_at")),
                name="marketplace_amendment_is_never_retroactive",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="proposed", decided_at=None) | (~Q(status="proposed") & Q(decided_at__isnull=False))
                )
                & (
                    Q(status="accepted", snapshot__isnull=False, decided_at__lt=F("effective_at"))
                    | (~Q(status="accepted") & Q(snapshot=None))
                ),
                name="marketplace_amendment_decided",
            ),
            models.CheckConstraint(condition=Q(rate_minor__gt=0), name="marketplace_amendment_rate"),
            at_most_the_hard_cap("rate_minor", name="marketplace_amendment_hard_cap"),
        )
        indexes = (
            models.Index(fields=("tenant", "-id")),
            models.Index(fields=("expires_at",), condition=Q(status="proposed"), name="marketplace_amendment_open"),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def rate(self) -> Money:
        """Pay per hour."""
        return Money(self.rate_minor, self.currency)
