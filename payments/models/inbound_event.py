"""What providers tell us, exactly as it came."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, Wall
from core.states import Transitions


@history.tracked(exclude=["raw", "next_attempt_at"])
class InboundEvent(CadreModel):
    """One event of a provider, stored once however often it is delivered: ``received → handled | ignored | failed``.

    It is a hint: whoever handles it asks the provider about ``keys`` (attempts) and ``account`` (a payee's) anew, so a
    late, repeated or reordered event does no harm. ``failed`` waits for a person, who may have it handled again.
    """

    class Status(models.TextChoices):
        """What became of it."""

        RECEIVED = "received", _("received")
        HANDLED = "handled", _("handled")
        IGNORED = "ignored", _("of no concern")
        FAILED = "failed", _("could not be handled")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.RECEIVED: {Status.HANDLED, Status.IGNORED, Status.FAILED},
        Status.HANDLED: set(),
        Status.IGNORED: set(),
        Status.FAILED: {Status.RECEIVED},
    }

    wall = Wall.PLATFORM

    provider = models.CharField(max_length=30)
    event_id = models.CharField(max_length=120, help_text=_("The provider's own, the same in every delivery."))
    kind = models.CharField(max_length=80)
    raw = models.BinaryField(help_text=_("The bytes whose signature was verified."))
    keys = models.JSONField(default=list, help_text=_("Keys of the attempts it is about."))
    account = models.CharField(max_length=80, blank=True, help_text=_("The payee's account it is about."))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RECEIVED)
    tries = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=40, blank=True, help_text=_("Why it could not be handled."))
    received_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("event of a provider")
        verbose_name_plural = _("events of providers")
        constraints = (models.UniqueConstraint(fields=("provider", "event_id"), name="payments_inboundevent_once"),)
        indexes = (
            models.Index(
                fields=("next_attempt_at", "id"),
                condition=models.Q(status="received"),
                name="payments_inboundevent_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"
