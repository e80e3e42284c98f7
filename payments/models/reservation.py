"""Money that a lab has set aside for a contract."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions


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

    objects = WalledQuerySet["FundsReservation"].as_manager()

    class Meta:
        verbose_name = _("reservation")
        constraints = (models.CheckConstraint(condition=Q(target_minor__gte=0), name="payments_reservation_target"),)

    def __str__(self) -> str:
        return self.public_id
