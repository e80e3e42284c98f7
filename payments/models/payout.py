"""Payouts, and every attempt to send one."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions


class TwoPeople(guards.Guard):
    """A payout that failed or waits is sent, and one that a provider heard of is given up, by a decision of two alone.

    The decision names where the money goes and has the instant of the act: it serves once. Only a retry sends what was
    given back, only a resume what still waits: else money would be booked twice or never. One that its provider calls
    paid is booked back as lost by two as well: else whoever gave back what had arrived would pay it twice.
    """

    name = "two_people"
    level = pgtrigger.Row
    when = pgtrigger.Before
    operation = pgtrigger.Update
    func = """
        IF NEW.status = 'ready' AND OLD.status IN ('failed', 'on_hold') AND NOT EXISTS (
                SELECT FROM payments_payoutdecision d WHERE d.payout_id = NEW.id AND d.status = 'approved'
                AND d.act = CASE OLD.status WHEN 'failed' THEN 'retry' ELSE 'resume' END
                AND d.payout_method_id = NEW.payout_method_id
                AND d.decided_at = NEW.next_attempt_at)
            OR NEW.status = 'cancelled' AND OLD.status <> 'cancelled'
                AND EXISTS (SELECT FROM payments_payoutattempt a WHERE a.payout_id = NEW.id)
                AND NOT EXISTS (SELECT FROM payments_payoutdecision d WHERE d.payout_id = NEW.id
                    AND d.status = 'approved' AND d.act = 'cancel')
            OR NEW.status = 'returned' AND OLD.status <> 'returned' AND NEW.reason_code = 'not_arrived'
                AND NOT EXISTS (SELECT FROM payments_payoutdecision d WHERE d.payout_id = NEW.id
                    AND d.status = 'approved' AND d.act = 'lost') THEN
            RAISE EXCEPTION 'two people decide about payout %', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_payout_decided';
        END IF;
        RETURN NEW;
    """


@history.tracked(exclude=["lease_until", "next_attempt_at"])
class Payout(CadreModel):
    """Money on its way to one expert; it moves at most once.

    ``ready → sending → submitted → in_transit → paid → returned``; ``sending → unknown → (look-up) → submitted | ready``;
    ``failed → ready`` (retried); ``on_hold`` (``→ submitted`` when it turns out to have been executed); ``cancelled``. Paid is not the end: a bank may send money
    back, and what never arrived (``not_arrived``) is booked back by two people.
    """

    class Status(models.TextChoices):
        """Where the money is."""

        READY = "ready", _("ready to send")
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("sent, outcome unknown")
        SUBMITTED = "submitted", _("accepted by the provider")
        IN_TRANSIT = "in_transit", _("in transit")
        PAID = "paid", _("paid")
        RETURNED = "returned", _("returned")
        FAILED = "failed", _("failed")
        ON_HOLD = "on_hold", _("on hold")
        CANCELLED = "cancelled", _("cancelled")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.READY: {Status.SENDING, Status.ON_HOLD, Status.CANCELLED},
        Status.SENDING: {Status.SUBMITTED, Status.UNKNOWN, Status.READY, Status.FAILED, Status.ON_HOLD},
        Status.UNKNOWN: {Status.SUBMITTED, Status.READY, Status.FAILED, Status.ON_HOLD},
        Status.SUBMITTED: {Status.IN_TRANSIT, Status.PAID, Status.FAILED},
        Status.IN_TRANSIT: {Status.PAID, Status.FAILED},
        Status.PAID: {Status.RETURNED},
        Status.RETURNED: set(),
        Status.FAILED: {Status.READY, Status.CANCELLED},
        Status.ON_HOLD: {Status.READY, Status.CANCELLED, Status.SUBMITTED},
        Status.CANCELLED: set(),
    }
    UNDER_WAY: ClassVar[tuple[str, ...]] = ("ready", "sending", "unknown", "submitted", "in_transit", "on_hold")

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="pay")
    line = models.OneToOneField("payments.PayRunLine", on_delete=models.PROTECT, related_name="payout")
    run = models.ForeignKey("payments.PayRun", on_delete=models.PROTECT, related_name="payouts")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    payout_method = models.ForeignKey("payments.PayoutMethod", on_delete=models.PROTECT, related_name="+")
    provider = models.CharField(max_length=30)
    amount_minor = models.BigIntegerField(help_text=_("What is sent: the gross less the tax withheld."))
    withheld_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.READY)
    initiations = models.PositiveSmallIntegerField(default=1, help_text=_("How often the ledger set it on its way."))
    reason_code = models.CharField(max_length=40, blank=True, help_text=_("Why it failed or waits."))
    provider_reference = models.CharField(max_length=80, blank=True)
    next_attempt_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet["Payout"].as_manager()

    class Meta:
        verbose_name = _("payout")
        permissions = (("decide_payout", _("Can retry, resume and cancel payouts")),)
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_payout_positive"),
            models.CheckConstraint(condition=Q(withheld_minor__gte=0), name="payments_payout_withheld"),
        )
        triggers = (TwoPeople(),)
        indexes = (
            models.Index(
                fields=("next_attempt_at", "id"),
                condition=Q(status__in=("ready", "sending", "unknown", "submitted", "in_transit")),
                name="payments_payout_due",
            ),
        )

    def __str__(self) -> str:
        return self.public_id

    @property
    def gross_minor(self) -> int:
        """What the expert was owed, before any tax was withheld."""
        return self.amount_minor + self.withheld_minor


@history.tracked()
class PayoutAttempt(CadreModel):
    """One key under which a payout was given to its provider, committed before the provider hears of it.

    A key is sent again after silence (the provider recognises it) and never after the provider's memory of keys ends;
    a new key comes only after a proven refusal of the former.
    """

    class Outcome(models.TextChoices):
        """What the provider said."""

        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")
        UNKNOWN = "unknown", _("unknown")

    wall = Wall.PLATFORM

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    n = models.PositiveSmallIntegerField()
    idem_key = models.CharField(max_length=60, unique=True)
    request_hash = models.CharField(max_length=64)
    sends = models.PositiveSmallIntegerField(default=1, help_text=_("How often the same key was sent."))
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    code = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    first_sent_at = models.DateTimeField()
    last_sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("attempt")
        constraints = (models.UniqueConstraint(fields=("payout", "n"), name="payments_payoutattempt_once"),)

    def __str__(self) -> str:
        return self.idem_key
