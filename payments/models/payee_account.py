"""Accounts that experts have at a payout provider."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from core.states import Transitions


@history.tracked(exclude=["link_url", "link_expires_at", "link_wanted_at", "tries", "next_attempt_at", "checked_at"])
class PayeeAccount(CadreModel):
    """An expert's own account at a provider: ``opening → onboarding → ready ⇄ restricted → closed``, or ``refused``.

    The provider asks him who he is on its own pages, to which a link leads that is good once. Payout methods that refer
    to the account are active while the provider says that it can be paid out.
    """

    class Status(models.TextChoices):
        """What the provider says."""

        OPENING = "opening", _("being opened")
        ONBOARDING = "onboarding", _("waiting for details")
        READY = "ready", _("ready")
        RESTRICTED = "restricted", _("restricted by the provider")
        REFUSED = "refused", _("refused by the provider")
        CLOSED = "closed", _("closed at the provider")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.OPENING: {Status.ONBOARDING, Status.REFUSED},
        Status.ONBOARDING: {Status.READY, Status.REFUSED, Status.CLOSED},
        Status.READY: {Status.RESTRICTED, Status.CLOSED},
        Status.RESTRICTED: {Status.READY, Status.CLOSED},
        Status.REFUSED: {Status.OPENING},
        Status.CLOSED: set(),
    }

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="pac")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    provider = models.CharField(max_length=30)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    account = models.CharField(max_length=80, blank=True, help_text=_("Its id at the provider."))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPENING)
    due = models.JSONField(default=list, help_text=_("What the provider still wants to know."))
    code = models.CharField(
        max_length=80, blank=True, help_text=_("The provider's word for why it cannot be paid out.")
    )
    link_url = models.CharField(max_length=500, blank=True)
    link_expires_at = models.DateTimeField(null=True, blank=True)
    link_wanted_at = models.DateTimeField(null=True, blank=True, help_text=_("A fresh link was asked for."))
    tries = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet["PayeeAccount"].as_manager()

    class Meta:
        verbose_name = _("account at a provider")
        verbose_name_plural = _("accounts at providers")
        constraints = (
            models.UniqueConstraint(
                fields=("expert", "provider", "country"),
                condition=~Q(status="closed"),
                name="payments_payeeaccount_one",
            ),
            models.UniqueConstraint(
                fields=("provider", "account"), condition=~Q(account=""), name="payments_payeeaccount_account"
            ),
        )

    def __str__(self) -> str:
        return self.account or self.public_id
