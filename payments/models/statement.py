"""Statements: what a payout consists of, frozen as a range of the journal."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall


@history.tracked()
class Statement(CadreModel):
    """All that moved on an expert's payable account since his last statement, up to the payout it explains.

    Entries of one account get rising ids in the order of their commits (its balance row is locked before), so a range
    of ids has no gap and never changes: opening + lines = closing, and the next one opens where this one closes.
    """

    wall = Wall.EXPERT

    public_id = PublicIdField(prefix="stm")
    number = models.PositiveIntegerField(help_text=_("Counts the expert's statements in this currency."))
    payout = models.OneToOneField("payments.Payout", on_delete=models.PROTECT, related_name="statement")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    after_entry = models.BigIntegerField(help_text=_("The last journal entry of the former statement, or 0."))
    upto_entry = models.BigIntegerField()
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()
    issued_at = models.DateTimeField()

    objects = OwnedQuerySet["Statement"].as_manager()

    class Meta:
        verbose_name = _("statement")
        constraints = (
            models.UniqueConstraint(fields=("expert", "currency", "number"), name="payments_statement_number"),
            models.UniqueConstraint(fields=("expert", "currency", "after_entry"), name="payments_statement_no_gap"),
            models.CheckConstraint(condition=Q(upto_entry__gt=F("after_entry")), name="payments_statement_range"),
        )

    def __str__(self) -> str:
        return self.public_id
