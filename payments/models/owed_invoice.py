"""The invoice that a payout to a business needs, and who writes it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions


@history.tracked(exclude=["sealed_tax_id"])
class OwedInvoice(CadreModel):
    """``due → written``, or ``waiting`` for a person with the obstacle named: ``→ written | received``; or ``void``.

    Made in the transaction in which a payout to a business with a VAT id was paid. It keeps what the business had
    signed at that instant, so that whatever it signs afterwards changes neither whether nor in whose name the
    platform writes the invoice. ``sealed_tax_id`` is the profile's, sealed for the expert.
    """

    class Status(models.TextChoices):
        """How far it is."""

        DUE = "due", _("to be written by us")
        WAITING = "waiting", _("waiting for a person")
        WRITTEN = "written", _("written by us")
        RECEIVED = "received", _("received from the expert")
        VOID = "void", _("not needed: the money came back")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.DUE: {Status.WAITING, Status.WRITTEN, Status.VOID},
        Status.WAITING: {Status.WRITTEN, Status.RECEIVED, Status.VOID},
        Status.WRITTEN: set(),
        Status.RECEIVED: set(),
        Status.VOID: set(),
    }

    class Obstacle(models.TextChoices):
        """Why the platform cannot write it."""

        NOT_AGREED = "not_agreed", _("no consent to self-billing when it was paid: his own invoice is needed")
        TAXED_AT_HOME = "taxed_at_home", _("VAT would be due on top: his own invoice is needed")
        VAT_UNCONFIRMED = "vat_unconfirmed", _("the VAT id is not confirmed")
        VAT_REPLACED = "vat_replaced", _("another VAT id was signed before this one was confirmed")
        VAT_UNKNOWN = "vat_unknown", _("the VAT id of the day of payment cannot be read")
        ISSUER_UNKNOWN = "issuer_unknown", _("the settings do not say where the platform is")

    ASKED_FOR: ClassVar[frozenset[str]] = frozenset(
        {Obstacle.NOT_AGREED, Obstacle.TAXED_AT_HOME, Obstacle.VAT_REPLACED, Obstacle.VAT_UNKNOWN}
    )
    """Nothing that anybody does lets us write these any more: the expert is asked for his own."""

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="owi")
    payout = models.OneToOneField("payments.Payout", on_delete=models.PROTECT, related_name="owed_invoice")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DUE)
    obstacle = models.CharField(max_length=16, choices=Obstacle.choices, blank=True)
    is_agreed = models.BooleanField(help_text=_("He had agreed to self-billing when it was paid."))
    is_vat_confirmed = models.BooleanField(help_text=_("Finance has confirmed the VAT id of that time."))
    legal_name = models.CharField(max_length=200)
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2)
    sealed_tax_id = models.BinaryField(null=True)
    own_reference = models.CharField(max_length=60, blank=True, help_text=_("Number of the expert's own invoice."))
    noted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    noted_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet["OwedInvoice"].as_manager()

    class Meta:
        verbose_name = _("invoice of a business")
        verbose_name_plural = _("invoices of businesses")
        constraints = (
            models.CheckConstraint(
                condition=~Q(status="waiting") | ~Q(obstacle=""), name="payments_owedinvoice_waits_why"
            ),
            models.CheckConstraint(
                condition=Q(status="received", noted_by__isnull=False, noted_at__isnull=False) & ~Q(own_reference="")
                | ~Q(status="received") & Q(noted_by=None, noted_at=None, own_reference=""),
                name="payments_owedinvoice_received",
            ),
        )
        indexes = (
            models.Index(fields=("id",), condition=Q(status__in=("due", "waiting")), name="payments_owedinvoice_open"),
        )

    def __str__(self) -> str:
        return self.public_id
