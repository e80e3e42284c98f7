"""Whether payouts may be given to providers at all."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, Wall


@history.tracked()
class SendingLatch(CadreModel):
    """One row. ``database`` names the database that may send: its cluster, timeline and number there.

    A restored backup, a promoted replica and a copy of production have other names, and their newest payouts may be
    missing here while a provider executed them. So the latch falls by itself, and somebody opens it again after
    reconciling (`manage.py payouts enable`).
    """

    wall = Wall.PLATFORM

    is_open = models.BooleanField(default=True)
    database = models.CharField(max_length=100)
    reason = models.CharField(max_length=300, blank=True)
    changed_by = models.CharField(max_length=80)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("permission to send payouts")
        verbose_name_plural = _("permission to send payouts")
        constraints = (models.CheckConstraint(condition=Q(id=1), name="payments_sendinglatch_one_row"),)

    def __str__(self) -> str:
        return str(_("open") if self.is_open else _("closed"))
