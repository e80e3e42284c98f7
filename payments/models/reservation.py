"""Money that a lab has set aside for a contract."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import Kind, Principal, PublicIdField, TenantModel
from core.states import Transitions


class FundsReservationQuerySet(models.QuerySet["FundsReservation"]):
    """Reservations, as the parties may see them."""

    def visible_to(self, principal: Principal) -> FundsReservationQuerySet:
        """A lab sees its own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id)
        return self.none()


@history.tracked()
class FundsReservation(TenantModel):
    """Two rolling weeks of a contract's weekly cap with the fee: ``held → released``.

    ``target_minor`` is what it is filled up to; what is in it now is the balance of its own account in the ledger.
    ``movements`` counts the entries that filled or emptied it, for their identity.
    """

    class Status(models.TextChoices):
        """Whether it still holds money."""

        HELD = "held", _("held")
        RELEASED = "released", _("released")

    TRANSITIONS: ClassVar[Transitions] = {Status.HELD: {Status.RELEASED}, Status.RELEASED: set()}

    public_id = PublicIdField(prefix="rsv")
    contract = models.OneToOneField("marketplace.Contract", on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    target_minor = models.BigIntegerField()
    movements = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.HELD)
    released_at = models.DateTimeField(null=True, blank=True)

    objects = FundsReservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        constraints = (models.CheckConstraint(condition=Q(target_minor__gte=0), name="payments_reservation_target"),)

    def __str__(self) -> str:
        return self.public_id
