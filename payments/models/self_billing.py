"""Invoices that the platform writes in an expert's name (Directive 2006/112/EC, article 224)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from payments.models.document_series import Numbered, TakesNextNumber, number_once


class SelfBillingInvoice(Numbered, CadreModel):
    """What an expert's business supplied and was paid for by one payout; or the credit note of one that came back.

    Written when the payout is paid, in a gapless series of the expert's own; it never changes. ``sealed_supplier``
    holds name, address and VAT id as they stood that day. ``amount_minor`` is the gross of the payout, without VAT.
    """

    class Type(models.TextChoices):
        """Which way it goes."""

        INVOICE = "invoice", _("self-billing invoice")
        CREDIT_NOTE = "credit_note", _("self-billing credit note")

    wall = Wall.EXPERT
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="sbi")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    payout = models.ForeignKey("payments.Payout", on_delete=models.PROTECT, related_name="+")
    type = models.CharField(max_length=12, choices=Type.choices)
    corrects = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrected_by"
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    treatment = models.CharField(max_length=16, help_text=_("What becomes of VAT."))
    sealed_supplier = models.BinaryField()
    customer = models.JSONField(help_text=_("The platform's name, address and VAT id, as they stood that day."))
    supplied_on = models.DateField(help_text=_("The day of the payment."))
    issued_at = models.DateTimeField()

    objects = OwnedQuerySet["SelfBillingInvoice"].as_manager()

    class Meta:
        verbose_name = _("self-billing invoice")
        verbose_name_plural = _("self-billing invoices")
        constraints = (
            number_once("payments_selfbilling_number"),
            models.UniqueConstraint(fields=("payout", "type"), name="payments_selfbilling_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_selfbilling_positive"),
            models.CheckConstraint(
                condition=Q(type="invoice", corrects=None) | Q(type="credit_note", corrects__isnull=False),
                name="payments_selfbilling_corrects",
            ),
            models.CheckConstraint(
                condition=Q(treatment__in=("reverse_charge", "outside_scope")), name="payments_selfbilling_treatment"
            ),
        )
        indexes = (models.Index(fields=("expert", "-id"), name="payments_selfbilling_of_expert"),)
        triggers = (guards.Refuse(name="append_only"), TakesNextNumber())

    def __str__(self) -> str:
        return self.reference
