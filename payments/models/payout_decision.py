"""Decisions about payouts that could move money twice or elsewhere: one person proposes, another one decides."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, PublicIdField, Wall
from core.states import Transitions


@history.tracked()
class PayoutDecision(CadreModel):
    """``proposed → approved | refused``, by another person than who proposed it; one open proposal per payout.

    ``payout_method`` is where the money would go, as it was when somebody looked at it; nowhere, where nothing is sent.
    """

    class Status(models.TextChoices):
        """How far it is."""

        PROPOSED = "proposed", _("proposed")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")

    class Act(models.TextChoices):
        """What would be done."""

        RETRY = "retry", _("send again")
        RESUME = "resume", _("let go on")
        CANCEL = "cancel", _("cancel")
        LOST = "lost", _("book back as lost")
        ARRIVED = "arrived", _("it arrived")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PROPOSED: {Status.APPROVED, Status.REFUSED},
        Status.APPROVED: set(),
        Status.REFUSED: set(),
    }

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="pdc")
    payout = models.ForeignKey("payments.Payout", on_delete=models.PROTECT, related_name="decisions")
    act = models.CharField(max_length=8, choices=Act.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PROPOSED)
    payout_method = models.ForeignKey(
        "payments.PayoutMethod", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=300)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it was refused."))

    class Meta:
        verbose_name = _("decision about a payout")
        verbose_name_plural = _("decisions about payouts")
        constraints = (
            models.UniqueConstraint(
                fields=("payout",), condition=Q(status="proposed"), name="payments_payoutdecision_one_open"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("proposed_by")),
                name="payments_payoutdecision_two_people",
            ),
            models.CheckConstraint(
                condition=Q(status="proposed", decided_by=None) | (~Q(status="proposed") & Q(decided_by__isnull=False)),
                name="payments_payoutdecision_decided",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_act_display()} {self.payout}"
