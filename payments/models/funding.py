"""Money that labs pay in, and money given back to them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import Kind, Principal, PublicIdField, TenantModel
from core.states import Transitions


class FundingQuerySet(models.QuerySet["Funding"]):
    """Payments of labs, as the parties may see them."""

    def visible_to(self, principal: Principal) -> FundingQuerySet:
        """A lab sees its own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id)
        return self.none()


@history.tracked()
class Funding(TenantModel):
    """A lab pays in: ``pending → settled → reversed``, ``pending → failed``.

    Until it is settled nothing can be spent of it. ``reference`` is what the lab writes on its transfer.
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

    objects = FundingQuerySet.as_manager()

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
        )
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_funding_tenant"),)

    def __str__(self) -> str:
        return self.reference


class RefundQuerySet(models.QuerySet["Refund"]):
    """Money given back, as the parties may see it."""

    def visible_to(self, principal: Principal) -> RefundQuerySet:
        """A lab sees its own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id)
        return self.none()


@history.tracked()
class Refund(TenantModel):
    """Unused money of a funding that finance paid back to its lab. It is final when it is written."""

    public_id = PublicIdField(prefix="rfd")
    funding = models.ForeignKey(Funding, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=300)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    refunded_at = models.DateTimeField()

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        constraints = (models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_refund_positive"),)
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_refund_tenant"),)

    def __str__(self) -> str:
        return self.public_id
