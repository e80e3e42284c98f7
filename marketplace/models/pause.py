"""When a contract was paused: remembered, so that no work is entered for it afterwards."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import TenantModel, WalledQuerySet
from marketplace.models.contract import Contract


class ContractPauseQuerySet(WalledQuerySet["ContractPause"]):
    """Pauses."""

    expert_path = "contract__expert"


@history.tracked()
class ContractPause(TenantModel):
    """One break of a contract, [start, end); it runs while its end is open. Standby is what can be logged in it."""

    class Cause(models.TextChoices):
        """Why nobody works."""

        DECISION = "decision", _("somebody decided it")
        CONFLICT_WALL = "conflict_wall", _("the expert has seen a competitor's work")

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="pauses")
    cause = models.CharField(_("cause"), max_length=13, choices=Cause.choices)
    period = DateTimeRangeField(_("from, until"))

    objects = ContractPauseQuerySet.as_manager()

    class Meta:
        constraints = (
            ExclusionConstraint(
                name="marketplace_contractpause_overlap",
                expressions=[("contract", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
            ),
        )

    def __str__(self) -> str:
        return f"{self.contract_id} {self.cause}"
