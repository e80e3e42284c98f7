"""How an expert is paid: where to."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions
from payments import journal_guards


@history.tracked(exclude=["sealed_details", "payee_account"])
class PayoutMethod(CadreModel):
    """Where an expert's money of one currency goes: ``pending ⇄ active → replaced | removed``.

    A new one replaces the old at once and waits out a hold (``usable_from``), so that whoever takes over an account
    cannot take the next payday with it. Details are encrypted; ``masked`` is all that is ever shown. A method that
    refers to an account at a provider is pending again while the provider does not pay to it.
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
        STRIPE_ACCOUNT = "stripe_account", _("account at Stripe")
        SANDBOX = "sandbox", _("account at the sandbox provider")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PENDING: {Status.ACTIVE, Status.REPLACED, Status.REMOVED},
        Status.ACTIVE: {Status.PENDING, Status.REPLACED, Status.REMOVED},
        Status.REPLACED: set(),
        Status.REMOVED: set(),
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="pmt")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    type = models.CharField(max_length=20, choices=Type.choices)
    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2)
    holder = models.CharField(max_length=140, help_text=_("Name on the account."))
    masked = models.CharField(max_length=40)
    sealed_details = models.BinaryField()
    provider = models.CharField(max_length=30, help_text=_("The rail it was added for; it keeps it."))
    payee_account = models.ForeignKey(
        "payments.PayeeAccount", on_delete=models.PROTECT, null=True, blank=True, related_name="methods"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    verified_at = models.DateTimeField(null=True, blank=True)
    usable_from = models.DateTimeField()

    objects = OwnedQuerySet["PayoutMethod"].as_manager()

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
