"""What experts declared for tax, and tax that is withheld from their payouts."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions
from payments import journal_guards, tax


class TaxProfileQuerySet(OwnedQuerySet["TaxProfile"]):
    """Tax papers, as their owners may see them."""

    def to_remind(self, *, now: dt.datetime) -> TaxProfileQuerySet:
        """Papers that still hold and whose owners are to be reminded, as `tax.reminder_due` says of each."""
        due = Q()
        for days in tax.REMIND_DAYS:
            untold = Q(reminded_days=None) | Q(reminded_days__gt=days)
            due |= Q(expires_at__lte=now + dt.timedelta(days=days)) & untold
        return self.filter(due, expires_at__gt=now)

    def unconfirmed_vat(self) -> TaxProfileQuerySet:
        """Businesses whose VAT id nobody has looked up yet."""
        return self.filter(form="eu_vat", vat_confirmed_at=None)


@history.tracked(exclude=["sealed_tax_id", "sealed_w9_tax_id"])
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
    sealed_w9_tax_id = models.BinaryField(
        null=True, help_text=_("Number of the last W-9, where another paper replaced it.")
    )
    signed_name = models.CharField(max_length=200)
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    reminded_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("So many days before its end he was reminded last.")
    )
    address = models.TextField(blank=True, help_text=_("As it stands on papers."))
    self_billing = models.BooleanField(default=False, help_text=_("The platform writes his invoices for him."))
    vat_consultation = models.CharField(
        max_length=40, blank=True, help_text=_("Number of the VIES consultation that confirmed the VAT id.")
    )
    vat_confirmed_at = models.DateTimeField(null=True, blank=True)
    vat_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    withholding_bp = models.PositiveSmallIntegerField(
        default=0, help_text=_("Tax kept back from each payout, in basis points of the gross.")
    )

    objects = TaxProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("tax profile")
        permissions = (
            ("confirm_vat", _("Can confirm VAT ids")),
            ("withhold_tax", _("Can start and end backup withholding")),
            ("file_tax_forms", _("Can export tax forms with full tax numbers")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(vat_confirmed_at=None, vat_confirmed_by=None, vat_consultation="")
                | (
                    Q(form="eu_vat", vat_confirmed_at__isnull=False, vat_confirmed_by__isnull=False)
                    & ~Q(vat_consultation="")
                ),
                name="payments_taxprofile_confirmed_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(self_billing=False) | (Q(form="eu_vat") & ~Q(address="")),
                name="payments_taxprofile_self_billing",
            ),
            # A US person signs a W-9, with his number, and nobody else does. What former releases let him declare
            # without one stays readable, and ends.
            models.CheckConstraint(
                condition=Q(form="w9", country="US")
                | ~(Q(form="w9") | Q(country="US"))
                | Q(form="self_declaration", country="US", expires_at__isnull=False),
                name="payments_taxprofile_w9_of_us_persons",
            ),
            # Less than half: so something is always left to be sent, down to one minor unit.
            models.CheckConstraint(condition=Q(withholding_bp__lt=5000), name="payments_taxprofile_withholding"),
        )
        triggers = (journal_guards.Fenced(),)

    def __str__(self) -> str:
        return f"{self.get_form_display()} {self.country}"


class BackupWithholdingStatus(models.TextChoices):
    """Whether it still applies."""

    IN_FORCE = "in_force", _("in force")
    ENDED = "ended", _("ended")


class BackupWithholdingQuerySet(OwnedQuerySet["BackupWithholding"]):
    """Spells of withholding, as their subjects may see them."""

    def in_force(self) -> BackupWithholdingQuerySet:
        """Those that still apply."""
        return self.filter(status=BackupWithholdingStatus.IN_FORCE)


@history.tracked()
class BackupWithholding(CadreModel):
    """``in_force → ended``: tax kept back from everything a US person is paid, because of a named cause.

    The rate is that of the day it began. It is a Decision the expert may contest, unless he declared it himself.
    """

    Status = BackupWithholdingStatus
    TRANSITIONS: ClassVar[Transitions] = {
        BackupWithholdingStatus.IN_FORCE: {BackupWithholdingStatus.ENDED},
        BackupWithholdingStatus.ENDED: set(),
    }

    class Cause(models.TextChoices):
        """Why tax is withheld: 26 USC 3406(a)(1), in its order, and what the person himself declares."""

        TIN_REFUSED = "tin_refused", _("no tax number was given")
        TIN_INCORRECT = "tin_incorrect", _("the tax authority says that name and number do not fit")
        UNDERREPORTED = "underreported", _("the tax authority says that income was underreported")
        NOT_CERTIFIED = "not_certified", _("the certification was not signed")
        SELF_DECLARED = "self_declared", _("declared on the W-9")

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="wth")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    cause = models.CharField(max_length=16, choices=Cause.choices)
    rate_bp = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=BackupWithholdingStatus, default=BackupWithholdingStatus.IN_FORCE)
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    end_reason = models.CharField(max_length=300, blank=True)

    objects = BackupWithholdingQuerySet.as_manager()

    class Meta:
        verbose_name = _("backup withholding")
        verbose_name_plural = _("backup withholding")
        constraints = (
            models.UniqueConstraint(
                fields=("expert",), condition=Q(status="in_force"), name="payments_withholding_one_in_force"
            ),
            models.CheckConstraint(
                condition=Q(status="in_force", ended_at=None) | Q(status="ended", ended_at__gte=F("started_at")),
                name="payments_withholding_ended_when",
            ),
            models.CheckConstraint(
                condition=Q(cause="self_declared") | Q(started_by__isnull=False),
                name="payments_withholding_started_by_whom",
            ),
            models.CheckConstraint(condition=Q(rate_bp__gt=0, rate_bp__lt=5000), name="payments_withholding_rate"),
        )

    def __str__(self) -> str:
        return self.public_id
