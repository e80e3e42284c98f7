"""Experts who bring experts: an invitation with the programme's terms of its day, and what became of it."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions


class ReferralQuerySet(OwnedQuerySet["Referral"]):
    """Whoever invited sees his own; the invited one sees the answer to his joining."""

    owner_path = "referrer"

    def undecided(self) -> Self:
        """Those that can still be paid."""
        return self.filter(status__in=(Referral.Status.INVITED, Referral.Status.JOINED))

    def holding_a_place(self) -> Self:
        """Those that count towards the cap: whatever is open or was paid."""
        return self.exclude(status__in=(Referral.Status.EXPIRED, Referral.Status.REFUSED))


@history.tracked()
class Referral(CadreModel):
    """``invited → joined → paid``; ``expired`` where its time ran out, ``refused`` where the two are not two people;
    both are ``paid`` after all when an appeal about them is won.

    The terms of the programme on the day of the invitation are frozen in it. ``email_hash`` is a keyed digest of the
    invited address; empty where anybody who was given ``code`` may join.
    """

    class Status(models.TextChoices):
        """How far it is."""

        INVITED = "invited", _("invited")
        JOINED = "joined", _("joined")
        PAID = "paid", _("paid")
        REFUSED = "refused", _("refused")
        EXPIRED = "expired", _("expired")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.INVITED: {Status.JOINED, Status.EXPIRED},
        Status.JOINED: {Status.PAID, Status.REFUSED, Status.EXPIRED},
        Status.PAID: set(),
        Status.REFUSED: {Status.PAID},
        Status.EXPIRED: {Status.PAID},
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="ref")
    referrer = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    referred = models.OneToOneField("experts.Expert", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    code = models.CharField(max_length=24, unique=True)
    email_hash = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.INVITED)
    programme = models.CharField(max_length=40, help_text=_("Version of the terms."))
    bonus_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    threshold_seconds = models.PositiveIntegerField(help_text=_("Approved hours that the invited one works."))
    reach_days = models.PositiveSmallIntegerField()
    expires_at = models.DateTimeField(help_text=_("Until then he joins; once he did, until then he reaches the hours."))
    joined_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    pay = models.OneToOneField(
        "payments.PlatformPay", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = ReferralQuerySet.as_manager()

    class Meta:
        verbose_name = _("referral")
        verbose_name_plural = _("referrals")
        constraints = (
            models.CheckConstraint(
                condition=Q(referred=None) | ~Q(referred=F("referrer")), name="payments_referral_two_people"
            ),
            models.CheckConstraint(
                condition=Q(status="invited", referred=None)
                | Q(status__in=("joined", "paid", "refused"), referred__isnull=False)
                | Q(status="expired"),
                name="payments_referral_joined_by",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", pay__isnull=False) | (~Q(status="paid") & Q(pay=None)),
                name="payments_referral_paid_by",
            ),
            models.CheckConstraint(
                condition=Q(bonus_minor__gt=0, threshold_seconds__gt=0), name="payments_referral_terms"
            ),
            models.UniqueConstraint(
                fields=("referrer", "email_hash"),
                condition=~Q(email_hash="") & Q(status__in=("invited", "joined", "paid")),
                name="payments_referral_invited_once",
            ),
        )
        indexes = (models.Index(fields=("referrer", "-id"), name="payments_referral_of_referrer"),)

    def __str__(self) -> str:
        return self.public_id
