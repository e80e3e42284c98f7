"""How far a lab may go beyond what it has prepaid."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions
from payments import journal_guards


class CreditLimitQuerySet(WalledQuerySet["CreditLimit"]):
    """Limits: a lab sees its own."""


@history.tracked()
class CreditLimit(TenantModel):
    """A lab's credit in one currency: ``proposed → active → ended``, ``proposed → refused``.

    One person proposes it, another one approves; from then on it is in force until another one takes its place or its
    last day is over. A limit of zero takes credit away. PostgreSQL copies the active one to the balance row of what
    the lab owes, where reservations and bonuses beyond it are refused; approved hours always post.
    """

    class Status(models.TextChoices):
        """Whether it counts."""

        PROPOSED = "proposed", _("proposed")
        ACTIVE = "active", _("active")
        REFUSED = "refused", _("refused")
        ENDED = "ended", _("ended")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.PROPOSED: {Status.ACTIVE, Status.REFUSED},
        Status.ACTIVE: {Status.ENDED},
        Status.REFUSED: set(),
        Status.ENDED: set(),
    }

    public_id = PublicIdField(prefix="crl")
    currency = models.CharField(max_length=3)
    limit_minor = models.BigIntegerField()
    last_day = models.DateField(null=True, blank=True, help_text=_("It ends after this day (UTC)."))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PROPOSED)
    reason = models.CharField(max_length=300)
    note = models.CharField(max_length=300, blank=True, help_text=_("Why it was refused."))
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = CreditLimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("credit limit")
        permissions = (
            ("propose_credit", _("Can propose a lab's credit limit")),
            ("approve_credit", _("Can approve a lab's credit limit")),
        )
        constraints = (
            models.CheckConstraint(condition=Q(limit_minor__gte=0), name="payments_credit_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=("proposed", "refused"))
                | Q(starts_at__isnull=False, decided_by__isnull=False) & ~Q(decided_by=F("proposed_by")),
                name="payments_credit_two_people",
            ),
            models.UniqueConstraint(
                fields=("tenant", "currency"), condition=Q(status="active"), name="payments_credit_one_active"
            ),
        )
        triggers = (journal_guards.GrantCredit(),)

    def __str__(self) -> str:
        return self.public_id
