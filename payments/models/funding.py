"""Money that labs pay in, and money given back to them."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions

_REFERENCE: Final = re.compile(r"CDR-?([2-9A-HJ-NP-Z]{12})", re.ASCII)


@history.tracked()
class Funding(TenantModel):
    """A lab pays in: ``pending → settled → reversed``, ``pending → failed``.

    Until it is settled nothing can be spent of it. ``reference`` is what the lab writes on its transfer;
    ``amount_minor`` is what was announced, ``received_minor`` what arrived, which alone is the lab's money.
    """

    class Status(models.TextChoices):
        """How far the money is."""

        PENDING = "pending", _("pending")
        SETTLED = "settled", _("settled")
        REVERSED = "reversed", _("reversed")
        FAILED = "failed", _("failed")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PENDING: {Status.SETTLED, Status.FAILED},
        Status.SETTLED: {Status.REVERSED},
        Status.REVERSED: set(),
        Status.FAILED: set(),
    }

    public_id = PublicIdField(prefix="fnd")
    amount_minor = models.BigIntegerField()
    received_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    provider = models.CharField(max_length=30, help_text=_("Where the money arrives: its cash account."))
    reference = models.CharField(max_length=40, unique=True)
    requested_by = models.CharField(max_length=80, help_text=_("Key or person that announced it."))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = WalledQuerySet["Funding"].as_manager()

    class Meta:
        verbose_name = _("funding")
        verbose_name_plural = _("funding")
        permissions = (("confirm_funding", _("Can confirm that a lab's transfer has arrived")),)
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_funding_positive"),
            models.CheckConstraint(
                condition=~Q(status__in=("settled", "reversed")) | Q(settled_at__isnull=False),
                name="payments_funding_settled_when",
            ),
            models.CheckConstraint(condition=Q(received_minor__gt=0), name="payments_funding_received_positive"),
        )
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_funding_tenant"),)

    def __str__(self) -> str:
        return self.reference

    @staticmethod
    def references_in(text: str) -> list[str]:
        """What reads like references in a payer's text, however his bank cut or spaced it."""
        compact = re.sub(r"\s", "", text.upper())
        return [f"CDR-{symbols}" for symbols in _REFERENCE.findall(compact)]

    @property
    def arrived_minor(self) -> int:
        """What is, or would be, the lab's: what arrived, and before that what was announced."""
        return self.amount_minor if self.received_minor is None else self.received_minor


@history.tracked()
class Refund(TenantModel):
    """Unused money of a funding that goes back to its lab: ``proposed → paid | refused``.

    Up to a threshold it is paid at once; above, somebody else than the proposer decides. Nothing moves before.
    """

    class Status(models.TextChoices):
        """Whether the money went back."""

        PROPOSED = "proposed", _("proposed")
        PAID = "paid", _("paid")
        REFUSED = "refused", _("refused")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PROPOSED: {Status.PAID, Status.REFUSED},
        Status.PAID: set(),
        Status.REFUSED: set(),
    }

    public_id = PublicIdField(prefix="rfd")
    funding = models.ForeignKey(Funding, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=300)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it was refused; its lab reads it."))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PROPOSED)
    needs_two = models.BooleanField(default=False, help_text=_("Above the threshold: somebody else decides."))
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)

    objects = WalledQuerySet["Refund"].as_manager()

    class Meta:
        verbose_name = _("refund")
        permissions = (
            ("refund_lab", _("Can give money back to labs")),
            ("approve_refund", _("Can approve that money goes back to a lab")),
        )
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_refund_positive"),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(refunded_at__isnull=False, decided_by__isnull=False),
                name="payments_refund_paid_when",
            ),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(needs_two=False) | ~Q(decided_by=F("proposed_by")),
                name="payments_refund_two_people",
            ),
        )
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_refund_tenant"),)

    def __str__(self) -> str:
        return self.public_id
