"""An expert's standing wish: exchange what I am owed in this currency before each cutoff of the other."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions
from payments import exchange
from payments.models.fx import FxQuote


@history.tracked()
class ExchangeInstruction(CadreModel):
    """``active → revoked``, by the expert alone and at any time; at most one active for each currency that is sold.

    It allows exchanges by the newest quote of the pair at the time, whose spread is at most ``most_spread_bp`` and which
    gives at least ``least_rate`` for one, spread taken off (0: any rate). ``done_for`` is the cutoff of ``buy`` before
    which it exchanged last, ``failed_for`` the one before which it could not yet, because of ``obstacle``.
    """

    class Status(models.TextChoices):
        """Whether it holds."""

        ACTIVE = "active", _("active")
        REVOKED = "revoked", _("revoked")

    TRANSITIONS: ClassVar[Transitions] = {Status.ACTIVE: {Status.REVOKED}, Status.REVOKED: set()}

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="fxi")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    sell = models.CharField(max_length=3)
    buy = models.CharField(max_length=3)
    most_spread_bp = models.PositiveIntegerField()
    least_rate = models.DecimalField(max_digits=24, decimal_places=12, default=Decimal(0))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    agreed_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    done_for = models.DateTimeField(null=True, blank=True, help_text=_("The cutoff before which it exchanged last."))
    failed_for = models.DateTimeField(null=True, blank=True, help_text=_("The cutoff before which it could not yet."))
    obstacle = models.CharField(max_length=40, blank=True, help_text=_("Why not."))

    objects = OwnedQuerySet["ExchangeInstruction"].as_manager()

    class Meta:
        verbose_name = _("standing instruction to exchange")
        verbose_name_plural = _("standing instructions to exchange")
        constraints = (
            models.UniqueConstraint(
                fields=("expert", "sell"), condition=Q(status="active"), name="payments_exchangeinstruction_one"
            ),
            models.CheckConstraint(condition=~Q(sell=F("buy")), name="payments_exchangeinstruction_two_currencies"),
            models.CheckConstraint(
                condition=Q(most_spread_bp__lt=10_000, least_rate__gte=0), name="payments_exchangeinstruction_price"
            ),
            models.CheckConstraint(
                condition=Q(status="active", revoked_at=None) | Q(status="revoked", revoked_at__isnull=False),
                name="payments_exchangeinstruction_revoked_when",
            ),
        )

    def __str__(self) -> str:
        return self.public_id

    def refuses(self, quote: FxQuote) -> str:
        """Why a quote is worse than what was agreed to; empty when it is not."""
        if quote.spread_bp > self.most_spread_bp:
            return "spread_too_high"
        return "rate_too_low" if exchange.all_in(quote.rate, quote.spread_bp) < self.least_rate else ""

    def is_done_for(self, cutoff: dt.datetime) -> bool:
        """Whether it exchanged before this cutoff already."""
        return self.done_for is not None and self.done_for >= cutoff
