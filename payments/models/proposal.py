"""Four eyes: what one person proposes and another has to approve before it takes effect."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.public import AccessToken, CadreModel, Kind, Principal, PublicIdField, Tenant, Wall
from core.states import Transitions


class ProposalAct(models.TextChoices):
    """What would be done."""

    BONUS = "bonus", _("bonus")
    BONUS_BULK = "bonus_bulk", _("bonuses, many at once")
    MILESTONE = "milestone", _("milestone")
    PLATFORM_BONUS = "platform_bonus", _("bonus from the platform")
    PLATFORM_CLAWBACK = "platform_clawback", _("clawback for the platform")
    CORRECTION = "correction", _("correction of approved hours")
    CLAWBACK = "clawback", _("clawback")
    WRITE_OFF = "write_off", _("write-off")
    MOVEMENT = "movement", _("movement at a provider")
    ASSIGNMENT = "assignment", _("movement given to a lab's transfer")
    OPENING = "opening", _("opening balance at a provider")
    CREDIT_NOTE = "credit_note", _("credit note")
    QUOTE = "quote", _("exchange rate")
    CHARGE = "charge", _("charge of a bank")
    FUNDING = "funding", _("transfer of a lab")
    FUNDING_REVERSAL = "funding_reversal", _("transfer of a lab taken back")
    NOT_EXECUTED = "not_executed", _("payment file that the bank did not execute")


class ProposalSide(models.TextChoices):
    """Whose people decide."""

    LAB = "lab", _("the lab")
    PLATFORM = "platform", _("the platform")


class ProposalStatus(models.TextChoices):
    """Where a proposal stands."""

    PROPOSED = "proposed", _("proposed")
    APPROVED = "approved", _("approved")
    REFUSED = "refused", _("refused")
    WITHDRAWN = "withdrawn", _("withdrawn")
    EXPIRED = "expired", _("expired")


class ProposalQuerySet(models.QuerySet["AdjustmentProposal"]):
    """Proposals, as the parties may see them."""

    def visible_to(self, principal: Principal) -> ProposalQuerySet:
        """A lab sees what its own people propose, the platform all; experts hear of what was decided about them."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id, side=ProposalSide.LAB)
        return self.none()

    def waiting(self) -> ProposalQuerySet:
        """Those that somebody else has to decide, the most urgent first."""
        return self.filter(status=ProposalStatus.PROPOSED).order_by("expires_at", "pk")

    def overdue(self, *, now: dt.datetime) -> ProposalQuerySet:
        """Those that nobody decided in time."""
        return self.filter(status=ProposalStatus.PROPOSED, expires_at__lte=now)


class TwoPeople(guards.Guard):
    """Neither who proposes nor who decides is the expert concerned; what was proposed is what is decided, once.

    A lab's second member approves with a key that is his own in that lab.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = """
        IF TG_OP = 'UPDATE' AND (
            (OLD.status <> 'proposed' AND NOT (OLD.status = 'approved' AND OLD.outcome = '' AND NEW.status = 'approved'
                AND NEW.decided_by_id = OLD.decided_by_id
                AND NEW.decided_key_id IS NOT DISTINCT FROM OLD.decided_key_id))
            OR ROW(NEW.act, NEW.side, NEW.terms, NEW.amount_minor, NEW.currency, NEW.reason, NEW.tenant_id,
                NEW.expert_id, NEW.proposed_by_id) IS DISTINCT FROM
               ROW(OLD.act, OLD.side, OLD.terms, OLD.amount_minor, OLD.currency, OLD.reason, OLD.tenant_id,
                OLD.expert_id, OLD.proposed_by_id)) THEN
            RAISE EXCEPTION 'A proposal is decided once, as it was made.' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF NEW.side = 'lab' AND NEW.status = 'approved' AND (TG_OP = 'INSERT' OR OLD.status = 'proposed')
            AND NOT EXISTS (SELECT 1 FROM core_accesstoken WHERE id = NEW.decided_key_id
                AND kind = 'lab' AND user_id = NEW.decided_by_id AND tenant_id = NEW.tenant_id) THEN
            RAISE EXCEPTION 'A second member approves with his own key.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_proposal_own_key';
        END IF;
        IF EXISTS (SELECT 1 FROM experts_expert WHERE id = NEW.expert_id
            AND user_id IN (NEW.proposed_by_id, NEW.decided_by_id)) THEN
            RAISE EXCEPTION 'Nobody decides about his own pay.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_nobody_decides_his_own_hours';
        END IF;
        RETURN NEW;
    """


@history.tracked()
class AdjustmentProposal(CadreModel):
    """``proposed → approved | refused | withdrawn | expired``; nothing of it takes effect before it is approved.

    ``terms`` holds what the act needs to be carried out, as ids and minor units; ``outcome`` is the public id of what
    it became. ``amount_minor`` is what is at stake in minor units of ``currency``, always positive: it is what the
    threshold was compared with.
    """

    Act = ProposalAct
    Side = ProposalSide
    Status = ProposalStatus
    TRANSITIONS: ClassVar[Transitions] = {
        ProposalStatus.PROPOSED: {
            ProposalStatus.APPROVED,
            ProposalStatus.REFUSED,
            ProposalStatus.WITHDRAWN,
            ProposalStatus.EXPIRED,
        },
        ProposalStatus.APPROVED: set(),
        ProposalStatus.REFUSED: set(),
        ProposalStatus.WITHDRAWN: set(),
        ProposalStatus.EXPIRED: set(),
    }

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="prp")
    act = models.CharField(max_length=20, choices=ProposalAct)
    side = models.CharField(max_length=10, choices=ProposalSide)
    status = models.CharField(max_length=10, choices=ProposalStatus, default=ProposalStatus.PROPOSED)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    expert = models.ForeignKey(
        "experts.Expert", on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text=_("Whose pay.")
    )
    amount_minor = models.BigIntegerField()
    before_minor = models.BigIntegerField(
        default=0,
        help_text=_("What was done alone to the same person or with the same lab's money lately, which counts."),
    )
    currency = models.CharField(max_length=3)
    terms = models.JSONField(default=dict)
    reason = models.TextField()
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(help_text=_("Without a second person until then nothing happens."))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_key = models.ForeignKey(
        AccessToken,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The key of the lab's member who approved."),
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    outcome = models.CharField(max_length=60, blank=True, help_text=_("Id of what it became."))

    objects = ProposalQuerySet.as_manager()

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        permissions = (("approve_adjustment", "Can approve what somebody else proposed about pay"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("proposed_by")) | Q(status="withdrawn"),
                name="payments_proposal_two_people",
            ),
            models.CheckConstraint(
                condition=Q(status="proposed", decided_by=None, decided_at=None)
                | Q(status__in=("approved", "refused", "withdrawn"), decided_by__isnull=False, decided_at__isnull=False)
                | Q(status="expired", decided_by=None, decided_at__isnull=False),
                name="payments_proposal_decided_by_whom",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & ~Q(reason=""), name="payments_proposal_amount_and_reason"
            ),
            models.CheckConstraint(
                condition=Q(side="platform") | Q(tenant__isnull=False), name="payments_proposal_lab_has_a_tenant"
            ),
        )
        indexes = (
            models.Index(fields=("expires_at",), condition=Q(status="proposed"), name="payments_proposal_undecided"),
            models.Index(fields=("tenant", "-id"), name="payments_proposal_of_tenant"),
        )
        triggers = (TwoPeople(name="two_people"),)

    def __str__(self) -> str:
        return f"{self.public_id} {self.get_act_display()}"

    @property
    def is_proposed(self) -> bool:
        """Whether somebody else still has to decide."""
        return self.status == ProposalStatus.PROPOSED
