"""What the platform pays from its own pocket, and the debts it gives up. Written once, never changed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Tenant, Wall
from experts.public import Expert
from payments.models.ledger import Account
from payments.models.own_work import NotApprovedByTheWorker, NotByTheWorker


class PlatformPay(CadreModel):
    """One signed amount between the platform and an expert, beside every contract: bonus, referral, or taken back.

    Minor units of ``currency``. A referral is paid by the programme's rule, so nobody decides it; ``takes_back`` names
    the row that a clawback takes back.
    """

    class Kind(models.TextChoices):
        """Why."""

        BONUS = "bonus", _("bonus")
        REFERRAL = "referral", _("referral bonus")
        CLAWBACK = "clawback", _("clawback")
        REINSTATEMENT = "reinstatement", _("given back")

    wall = Wall.EXPERT
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="ppy")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    takes_back = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="taken_by")
    proposal = models.ForeignKey(
        "payments.AdjustmentProposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField()

    objects = OwnedQuerySet["PlatformPay"].as_manager()

    class Meta:
        verbose_name = _("pay from the platform")
        verbose_name_plural = _("pay from the platform")
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=("bonus", "referral"), amount_minor__gt=0, takes_back=None)
                | Q(kind="clawback", amount_minor__lt=0, takes_back__isnull=False)
                | Q(kind="reinstatement", amount_minor__gt=0, takes_back__isnull=False),
                name="payments_platformpay_sign",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=False) | Q(kind__in=("referral", "reinstatement")),
                name="payments_platformpay_decided",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="payments_platformpay_has_a_reason"),
        )
        indexes = (models.Index(fields=("expert", "-id"), name="payments_platformpay_of_expert"),)
        triggers = (
            NotByTheWorker(),
            NotApprovedByTheWorker(name="not_approved_by_the_worker"),
            guards.Refuse(name="append_only"),
        )

    def __str__(self) -> str:
        return f"{self.public_id} {self.get_kind_display()}"


class WriteOff(CadreModel):
    """A debt that nobody will ever pay: an expert's negative balance, or what a lab owes. Always of two people."""

    wall = Wall.EXPERT
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="wof")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    proposal = models.OneToOneField("payments.AdjustmentProposal", on_delete=models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    objects = OwnedQuerySet["WriteOff"].as_manager()

    class Meta:
        verbose_name = _("write-off")
        verbose_name_plural = _("write-offs")
        constraints = (
            models.CheckConstraint(
                condition=Q(expert__isnull=False, tenant=None) | Q(expert=None, tenant__isnull=False),
                name="payments_writeoff_one_debtor",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & ~Q(reason=""), name="payments_writeoff_amount_and_reason"
            ),
        )
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return self.public_id


class Debt(Account):
    """An account whose owner owes the platform: what can be written off."""

    class Meta:
        proxy = True
        verbose_name = _("debt")
        verbose_name_plural = _("debts")
        permissions = (("write_off_debt", "Can propose to write off a debt"),)

    def __str__(self) -> str:
        return str(self.expert or self.tenant)


class Payee(Expert):
    """An expert, as finance pays him."""

    class Meta:
        proxy = True
        verbose_name = _("payee")
        verbose_name_plural = _("payees")
        permissions = (("adjust_pay", "Can pay platform bonuses and take pay back"),)
