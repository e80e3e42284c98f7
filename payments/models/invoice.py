"""What labs are billed: invoices per period, and credit notes that take some of them back."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments.models.document_series import Numbered, TakesNextNumber, number_once


class LabBillingProfileQuerySet(WalledQuerySet["LabBillingProfile"]):
    """Billing addresses."""


@history.tracked()
class LabBillingProfile(TenantModel):
    """Who a lab's invoices are made out to. Invoices copy it when they are issued; later changes reach later ones."""

    legal_name = models.CharField(max_length=200)
    street = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True)
    vat_id = models.CharField(max_length=20, blank=True)
    email = models.EmailField(blank=True)
    purchase_order = models.CharField(max_length=60, blank=True, help_text=_("The lab's own reference."))

    objects = LabBillingProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("billing address")
        verbose_name_plural = _("billing addresses")
        constraints = (models.UniqueConstraint(fields=("tenant",), name="payments_labbillingprofile_once"),)

    def __str__(self) -> str:
        return self.legal_name


class InvoiceStatus(models.TextChoices):
    """Whether anything is still to be done about it."""

    ISSUED = "issued", _("issued")
    PAID = "paid", _("paid")
    CREDITED = "credited", _("credited")


class FrozenPaper(guards.Guard):
    """What an issued invoice says never changes; only whether it is paid or credited."""

    name = "frozen_paper"
    when = pgtrigger.Before
    operation = pgtrigger.Update
    func = """
        IF to_jsonb(NEW) - '{status,paid_at}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{status,paid_at}'::text[] THEN
            RAISE EXCEPTION 'an issued invoice is not changed' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    """


class InvoiceQuerySet(WalledQuerySet["Invoice"]):
    """Invoices."""


@history.tracked()
class Invoice(Numbered, TenantModel):
    """One lab, one currency, one calendar month: ``issued → paid | credited``, ``paid → credited``.

    It bills the range of the journal after ``after_entry`` up to ``upto_entry``, so that every charge stands on exactly
    one invoice or credit note. What experts earned and the platform's fee stand apart, all in minor units of
    ``currency``: hours, what was paid beside them, and corrections of both. ``due_minor`` is what the lab's money did
    not cover. ``parties`` copies both addresses and the words about VAT as they were.
    """

    Status = InvoiceStatus
    TRANSITIONS: ClassVar[Transitions] = {
        InvoiceStatus.ISSUED: {InvoiceStatus.PAID, InvoiceStatus.CREDITED},
        InvoiceStatus.PAID: {InvoiceStatus.CREDITED},
        InvoiceStatus.CREDITED: set(),
    }

    public_id = PublicIdField(prefix="inv")
    currency = models.CharField(max_length=3)
    period_start = models.DateField()
    period_end = models.DateField(help_text=_("The first day after the period."))
    after_entry = models.BigIntegerField()
    upto_entry = models.BigIntegerField()
    work_minor = models.BigIntegerField()
    work_fee_minor = models.BigIntegerField()
    extra_minor = models.BigIntegerField()
    extra_fee_minor = models.BigIntegerField()
    correction_minor = models.BigIntegerField()
    correction_fee_minor = models.BigIntegerField()
    vat_bp = models.PositiveIntegerField(null=True, blank=True, help_text=_("Basis points; empty without a VAT line."))
    vat_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField()
    due_minor = models.BigIntegerField(default=0)
    parties = models.JSONField()
    status = models.CharField(max_length=10, choices=InvoiceStatus, default=InvoiceStatus.ISSUED)
    issued_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("invoice")
        permissions = (("issue_invoice", _("Can issue and credit invoices")),)
        constraints = (
            number_once("payments_invoice_number"),
            models.UniqueConstraint(fields=("tenant", "currency", "period_start"), name="payments_invoice_once"),
            models.UniqueConstraint(fields=("tenant", "currency", "after_entry"), name="payments_invoice_no_gap"),
            models.CheckConstraint(condition=Q(upto_entry__gt=F("after_entry")), name="payments_invoice_range"),
            models.CheckConstraint(condition=Q(period_end__gt=F("period_start")), name="payments_invoice_period"),
            models.CheckConstraint(
                condition=Q(
                    total_minor=F("work_minor")
                    + F("work_fee_minor")
                    + F("extra_minor")
                    + F("extra_fee_minor")
                    + F("correction_minor")
                    + F("correction_fee_minor")
                    + F("vat_minor"),
                    total_minor__gt=0,
                ),
                name="payments_invoice_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(due_minor__gte=0, due_minor__lte=F("total_minor")), name="payments_invoice_due"
            ),
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(paid_at__isnull=False), name="payments_invoice_paid_when"
            ),
        )
        indexes = (
            models.Index(fields=("tenant", "-id"), name="payments_invoice_tenant"),
            models.Index(fields=("id",), condition=Q(status="issued"), name="payments_invoice_open"),
        )
        triggers = (TakesNextNumber(), FrozenPaper())

    def __str__(self) -> str:
        return self.reference

    @property
    def gross_minor(self) -> int:
        """What experts earned."""
        return self.work_minor + self.extra_minor + self.correction_minor

    @property
    def fee_minor(self) -> int:
        """What the platform earned."""
        return self.work_fee_minor + self.extra_fee_minor + self.correction_fee_minor


class CreditNoteQuerySet(WalledQuerySet["CreditNote"]):
    """Credit notes."""


class WithinInvoice(guards.Guard):
    """Credit notes give back at most what their invoice billed: of pay, of the fee and of VAT, each by itself."""

    name = "within_invoice"
    when = pgtrigger.Before
    operation = pgtrigger.Insert
    declare = [("billed", "record"), ("given", "record")]
    func = """
        SELECT work_minor + extra_minor + correction_minor AS gross,
            work_fee_minor + extra_fee_minor + correction_fee_minor AS fee, vat_minor AS vat INTO billed
            FROM payments_invoice WHERE id = NEW.invoice_id FOR NO KEY UPDATE;
        SELECT COALESCE(sum(gross_minor), 0) AS gross, COALESCE(sum(fee_minor), 0) AS fee,
            COALESCE(sum(vat_minor), 0) AS vat INTO given FROM payments_creditnote WHERE invoice_id = NEW.invoice_id;
        IF given.gross + NEW.gross_minor > billed.gross OR given.fee + NEW.fee_minor > billed.fee
            OR given.vat + NEW.vat_minor > billed.vat THEN
            RAISE EXCEPTION 'credit notes would give back more than invoice % billed', NEW.invoice_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_creditnote_within_invoice';
        END IF;
        RETURN NEW;
    """


class CreditNote(Numbered, TenantModel):
    """Takes back a part of an invoice that was issued; final when it is written. Amounts are positive minor units.

    One without ``decided_by`` follows the journal: pay that was taken back or corrected after its invoice, out of the
    range after ``after_entry`` up to ``upto_entry``. Finance writes the others, with a reason, and the journal follows.
    """

    sealed = True

    public_id = PublicIdField(prefix="crn")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    currency = models.CharField(max_length=3)
    after_entry = models.BigIntegerField(default=0)
    upto_entry = models.BigIntegerField(default=0)
    gross_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    vat_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    issued_at = models.DateTimeField()

    objects = CreditNoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("credit note")
        constraints = (
            number_once("payments_creditnote_number"),
            models.CheckConstraint(
                condition=Q(total_minor=F("gross_minor") + F("fee_minor") + F("vat_minor"), total_minor__gt=0),
                name="payments_creditnote_adds_up",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="payments_creditnote_has_a_reason"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=False, upto_entry=0) | Q(upto_entry__gt=F("after_entry")),
                name="payments_creditnote_source",
            ),
            models.UniqueConstraint(
                fields=("invoice", "after_entry"), condition=Q(upto_entry__gt=0), name="payments_creditnote_once"
            ),
        )
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_creditnote_tenant"),)
        triggers = (TakesNextNumber(), WithinInvoice())

    def __str__(self) -> str:
        return self.reference
