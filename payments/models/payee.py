"""How an expert is paid: where to, and under which tax papers."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, Kind, Principal, PublicIdField, Wall
from core.states import Transitions
from payments import journal_guards


class PayoutMethodQuerySet(models.QuerySet["PayoutMethod"]):
    """Payout methods, as their owners may see them."""

    def visible_to(self, principal: Principal) -> PayoutMethodQuerySet:
        """An expert sees his own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.EXPERT and principal.subject_id:
            return self.filter(expert=principal.subject_id)
        return self.none()


@history.tracked(exclude=["sealed_details"])
class PayoutMethod(CadreModel):
    """Where an expert's money of one currency goes: ``pending → active → replaced | removed``.

    A new one replaces the old at once and waits out a hold (``usable_from``), so that whoever takes over an account
    cannot take the next payday with it. Details are encrypted; ``masked`` is all that is ever shown.
    """

    class Status(models.TextChoices):
        """Whether it can be used."""

        PENDING = "pending", _("waiting for verification")
        ACTIVE = "active", _("active")
        REPLACED = "replaced", _("replaced")
        REMOVED = "removed", _("removed")

    class Type(models.TextChoices):
        """What the details are."""

        IBAN = "iban", _("bank account (IBAN)")
        US_BANK = "us_bank", _("US bank account")
        SANDBOX = "sandbox", _("account at the sandbox provider")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PENDING: {Status.ACTIVE, Status.REPLACED, Status.REMOVED},
        Status.ACTIVE: {Status.REPLACED, Status.REMOVED},
        Status.REPLACED: set(),
        Status.REMOVED: set(),
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="pmt")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    type = models.CharField(max_length=10, choices=Type.choices)
    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2)
    holder = models.CharField(max_length=140, help_text=_("Name on the account."))
    masked = models.CharField(max_length=40)
    sealed_details = models.BinaryField()
    provider = models.CharField(max_length=30)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    verified_at = models.DateTimeField(null=True, blank=True)
    usable_from = models.DateTimeField()

    objects = PayoutMethodQuerySet.as_manager()

    class Meta:
        verbose_name = _("payout method")
        permissions = (("verify_payoutmethod", _("Can verify a payout method")),)
        constraints = (
            models.UniqueConstraint(
                fields=("expert", "currency"),
                condition=Q(status__in=("pending", "active")),
                name="payments_payoutmethod_current",
            ),
        )
        triggers = (journal_guards.Fenced(),)

    def __str__(self) -> str:
        return self.masked

    def is_usable(self, *, now: dt.datetime) -> bool:
        """Verified, current, and past its hold."""
        return self.status == self.Status.ACTIVE and self.usable_from <= now


class TaxProfileQuerySet(models.QuerySet["TaxProfile"]):
    """Tax papers, as their owners may see them."""

    def visible_to(self, principal: Principal) -> TaxProfileQuerySet:
        """An expert sees his own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.EXPERT and principal.subject_id:
            return self.filter(expert=principal.subject_id)
        return self.none()


@history.tracked(exclude=["sealed_tax_id"])
class TaxProfile(CadreModel):
    """What an expert declared for tax; one row, replaced by the next declaration (its history keeps the former)."""

    class Form(models.TextChoices):
        """Which paper it is."""

        W9 = "w9", _("W-9 (US person)")
        W8BEN = "w8ben", _("W-8BEN (not a US person)")
        EU_VAT = "eu_vat", _("EU business with a VAT id")
        SELF_DECLARATION = "self_declaration", _("self-declaration of a private person")

    wall = Wall.EXPERT

    expert = models.OneToOneField("experts.Expert", on_delete=models.PROTECT, related_name="+")
    form = models.CharField(max_length=20, choices=Form.choices)
    legal_name = models.CharField(max_length=200)
    country = models.CharField(max_length=2, help_text=_("Country of tax residence."))
    masked_tax_id = models.CharField(max_length=40, blank=True)
    sealed_tax_id = models.BinaryField(null=True)
    signed_name = models.CharField(max_length=200)
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    withholding_bp = models.PositiveSmallIntegerField(
        default=0, help_text=_("Tax kept back from each payout, in basis points of the gross.")
    )

    objects = TaxProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("tax profile")
        constraints = (
            # Less than half: so something is always left to be sent, down to one minor unit.
            models.CheckConstraint(condition=Q(withholding_bp__lt=5000), name="payments_taxprofile_withholding"),
        )
        triggers = (journal_guards.Fenced(),)

    def __str__(self) -> str:
        return f"{self.get_form_display()} {self.country}"
