"""How far the rounds through providers' settlements are."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.public import CadreModel, Wall


class SettlementRound(CadreModel):
    """One row for each provider: the round through what it settled that is under way, or that was the last one.

    Whoever is at it says before each question what he asks about; what stands there when somebody else goes on is what
    his predecessor died over, or had no time for. Positions are the provider's own. No history: it moves with each line.
    """

    wall = Wall.PLATFORM

    provider = models.CharField(max_length=30, unique=True)
    since = models.DateTimeField(help_text=_("What settled since then is read."))
    began_at = models.DateTimeField()
    position = models.CharField(max_length=120, blank=True, help_text=_("The line behind which it goes on."))
    asking = models.CharField(max_length=120, blank=True, help_text=_("The line up to which somebody is asking."))
    moved_at = models.DateTimeField()
    is_open = models.BooleanField(default=True)
    heard_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Start of the last round that came to the end of the list.")
    )

    class Meta:
        verbose_name = _("round through settlements")
        verbose_name_plural = _("rounds through settlements")
        constraints = (
            models.CheckConstraint(
                condition=Q(is_open=True) | Q(asking="", heard_at__isnull=False), name="payments_round_ended_whole"
            ),
        )

    def __str__(self) -> str:
        return self.provider
