"""The books of the sandbox provider: another institution's, though they lie in the same database.

Nothing of ours refers to them and they refer to nothing of ours; only `payments.providers.sandbox` touches them, over
a connection of its own, so that what the provider did survives whatever becomes of our transaction.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.public import CadreModel, Wall


class ProviderMovement(CadreModel):
    """What the provider did for one key: money moved at most once, or was refused.

    The provider recognises a key for a while only (`SandboxProvider.key_window`); after that the same key is a new
    order. What it did stays in its books.
    """

    class State(models.TextChoices):
        """Where the provider's money is."""

        ACCEPTED = "accepted", _("accepted")
        PAID = "paid", _("paid")
        REJECTED = "rejected", _("rejected")
        FAILED = "failed", _("failed later")
        RETURNED = "returned", _("returned")
        CANCELLED = "cancelled", _("cancelled")
        BROKEN = "broken", _("an error that the key remembers")

    class Fate(models.TextChoices):
        """What becomes of it when it settles."""

        PAID = "paid", _("paid")
        FAILED = "failed", _("fails")
        RETURNED = "returned", _("is paid, then returned")

    wall = Wall.PLATFORM

    idem_key = models.CharField(max_length=60)
    is_forgotten = models.BooleanField(default=False, help_text=_("The provider no longer recognises the key."))
    reference = models.CharField(max_length=60, help_text=_("The payer's reference: our payout."))
    movement_id = models.CharField(max_length=60, unique=True)
    account = models.CharField(max_length=60)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    request_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=State.choices)
    fate = models.CharField(max_length=12, choices=Fate.choices, default=Fate.PAID)
    code = models.CharField(max_length=40, blank=True, help_text=_("Why it was refused, fails or comes back."))
    deliveries = models.PositiveIntegerField(default=1, help_text=_("How often this key arrived."))
    settles_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("movement at the sandbox provider")
        verbose_name_plural = _("movements at the sandbox provider")
        constraints = (
            models.UniqueConstraint(
                fields=("idem_key",), condition=Q(is_forgotten=False), name="payments_movement_one_per_key"
            ),
        )
        indexes = (models.Index(fields=("idem_key",), name="payments_movement_key"),)

    def __str__(self) -> str:
        return f"{self.movement_id} {self.state}"


class ProviderFault(CadreModel):
    """A fault switch: the provider misbehaves for an account, a number of times."""

    class Type(models.TextChoices):
        """How it misbehaves."""

        REJECT = "reject", _("refuse with the code")
        TIMEOUT_EXECUTED = "timeout_executed", _("execute, then never answer")
        TIMEOUT_NOT_EXECUTED = "timeout_not_executed", _("never answer, never execute")
        SERVER_ERROR = "server_error", _("answer 500 without executing")
        CACHED_ERROR = "cached_error", _("answer 500, and again whenever the key comes back")
        RATE_LIMITED = "rate_limited", _("answer 429")
        KEY_IN_USE = "key_in_use", _("answer 409: the key is being worked on")
        LATE_FAILURE = "late_failure", _("accept, then fail with the code")
        RETURN = "return", _("pay, then send the money back")

    wall = Wall.PLATFORM

    account = models.CharField(max_length=60, help_text=_("The account it is for; * for every account."))
    type = models.CharField(max_length=24, choices=Type.choices)
    code = models.CharField(max_length=40, blank=True)
    remaining = models.PositiveIntegerField(default=1, help_text=_("How many times more."))

    class Meta:
        verbose_name = _("fault of the sandbox provider")
        verbose_name_plural = _("faults of the sandbox provider")

    def __str__(self) -> str:
        return f"{self.type} × {self.remaining}"
