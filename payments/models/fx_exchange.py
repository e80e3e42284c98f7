"""Exchange by experts: what one is owed in a currency, turned into what he is owed in another. Written once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.money import Money
from core.public import CadreModel, OwnedQuerySet, PublicIdField, Wall
from payments.models.fx import FxQuote
from payments.models.own_work import NotByItsQuoter


class FxExchange(CadreModel):
    """An expert exchanged a part of what he is owed, by one quote. Minor units of the quote's two currencies."""

    wall = Wall.EXPERT
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="fxe")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    quote = models.ForeignKey(FxQuote, on_delete=models.PROTECT, related_name="exchanges")
    sell_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField()
    made_by = models.CharField(max_length=80, help_text=_("Who asked for it."))
    made_at = models.DateTimeField()
    instruction = models.ForeignKey(
        "payments.ExchangeInstruction", on_delete=models.PROTECT, null=True, blank=True, related_name="exchanges"
    )

    objects = OwnedQuerySet["FxExchange"].as_manager()

    class Meta:
        verbose_name = _("exchange of an expert")
        verbose_name_plural = _("exchanges of experts")
        constraints = (
            models.CheckConstraint(condition=Q(sell_minor__gt=0, buy_minor__gt=0), name="payments_fxexchange_moves"),
        )
        indexes = (models.Index(fields=("expert", "-id"), name="payments_fxexchange_of_expert"),)
        triggers = (guards.Refuse(name="append_only"), NotByItsQuoter())

    def __str__(self) -> str:
        return self.public_id

    @property
    def sold(self) -> Money:
        """What left; the quote is joined."""
        return Money(self.sell_minor, self.quote.sell)

    @property
    def bought(self) -> Money:
        """What came; the quote is joined."""
        return Money(self.buy_minor, self.quote.buy)
