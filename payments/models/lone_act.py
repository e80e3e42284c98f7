"""What one person did alone, because it stayed below the threshold of four eyes: what is added up."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, Tenant, Wall

WITHIN = "payments_loneact_within_threshold"


class LoneActSort(models.TextChoices):
    """Acts of one sort are added up, bonuses in bulk with single ones."""

    BONUS = "bonus", _("bonus")
    MILESTONE = "milestone", _("milestone")
    LAB_PAY = "lab_pay", _("pay from a lab's balance")
    PLATFORM_BONUS = "platform_bonus", _("bonus from the platform")
    PLATFORM_CLAWBACK = "platform_clawback", _("clawback for the platform")
    CORRECTION = "correction", _("correction of approved hours")
    CLAWBACK = "clawback", _("clawback")
    MOVEMENT = "movement", _("movement at a provider")
    ASSIGNMENT = "assignment", _("movement given to a lab's transfer")
    OPENING = "opening", _("opening balance at a provider")
    CREDIT_NOTE = "credit_note", _("credit note")
    REFUND = "refund", _("refund")
    CHARGE = "charge", _("charge of a bank")
    FUNDING = "funding", _("transfer of a lab")
    FUNDING_REVERSAL = "funding_reversal", _("transfer of a lab taken back")
    NOT_EXECUTED = "not_executed", _("payment file that the bank did not execute")


class WithinThreshold(guards.Guard):
    """All that one person did alone to one person or lab since ``since`` stays within the row's threshold.

    So does all that anybody of a lab did alone with its money. Acts of one sort by one person, or of one lab, wait for
    each other, so two at once cannot both be the last that fits: the locks are those of `lone_acts`.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert
    func = """
        PERFORM pg_advisory_xact_lock(hashtextextended('payments.four_eyes.' || NEW.sort,
            CASE WHEN NEW.sort = 'lab_pay' THEN NEW.tenant_id ELSE NEW.actor_id END));
        IF NEW.amount_minor + COALESCE((
            SELECT sum(amount_minor) FROM payments_loneact
            WHERE sort = NEW.sort AND currency = NEW.currency AND done_at > NEW.since
                AND (actor_id = NEW.actor_id OR NEW.sort = 'lab_pay')
                AND expert_id IS NOT DISTINCT FROM NEW.expert_id AND tenant_id IS NOT DISTINCT FROM NEW.tenant_id
        ), 0) > NEW.threshold_minor THEN
            RAISE EXCEPTION 'so much takes a second person'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_loneact_within_threshold';
        END IF;
        RETURN NEW;
    """


class LoneAct(CadreModel):
    """One act of one person on one expert, or on a lab where there is no expert, or on the platform's own books.

    Sorts that are added up over everybody have a second row for the same act, which names neither expert nor lab; what a
    lab's members pay has one that names the lab.

    ``amount_minor`` is what the act moved, either way, in minor units of ``currency``. ``threshold_minor`` and ``since``
    are the limit and the beginning of the window that it was judged by. Written once, never changed.
    """

    Sort = LoneActSort

    wall = Wall.PLATFORM
    sealed: ClassVar[bool] = True

    sort = models.CharField(max_length=20, choices=LoneActSort)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    threshold_minor = models.BigIntegerField()
    since = models.DateTimeField(help_text=_("From then on acts were added up."))
    done_at = models.DateTimeField()

    class Meta:
        verbose_name = _("act of one person alone")
        verbose_name_plural = _("acts of one person alone")
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_loneact_positive"),
            models.CheckConstraint(condition=Q(expert=None) | Q(tenant=None), name="payments_loneact_on_whom"),
            models.CheckConstraint(
                condition=~Q(sort="lab_pay") | Q(tenant__isnull=False), name="payments_loneact_whose_money"
            ),
        )
        indexes = (
            models.Index(fields=("actor", "sort", "-done_at"), name="payments_loneact_of_actor"),
            models.Index(fields=("tenant", "-done_at"), condition=Q(sort="lab_pay"), name="payments_loneact_of_lab"),
        )
        triggers = (WithinThreshold(name="within_threshold"), guards.Refuse(name="append_only"))

    def __str__(self) -> str:
        return f"{self.get_sort_display()} {self.pk}"
