"""The wage floor, kept: what was added to a week that paid less an hour than the law asks for, and how it was measured."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards, history
from core.money import Money
from core.public import PublicIdField, TenantModel, WalledQuerySet
from core.states import Transitions


class PaidBy(models.TextChoices):
    """Whose money it is."""

    PLATFORM = "platform", _("platform")
    LAB = "lab", _("lab")


class TrueUpStatus(models.TextChoices):
    """There is one state: it was added, and nothing takes it back."""

    POSTED = "posted", _("posted")


class TrueUpQuerySet(WalledQuerySet["TrueUp"]):
    """What was added."""

    expert_path = "expert"


class TrueUp(TenantModel):
    """Money added to a week, ``posted`` once: due - gross - what earlier ones of the same week added (``before_minor``).

    Written once, never changed and never taken back; a week that is reduced later gets another one for the difference.
    All amounts are minor units of ``currency``; ``worked_seconds`` is all working time, paid or not.
    """

    sealed = True
    Status = TrueUpStatus
    PaidBy = PaidBy
    TRANSITIONS: ClassVar[Transitions] = {TrueUpStatus.POSTED: set()}

    public_id = PublicIdField(prefix="tru")
    timesheet = models.ForeignKey("payments.Timesheet", on_delete=models.PROTECT, related_name="true_ups")
    contract = models.ForeignKey("marketplace.Contract", on_delete=models.PROTECT, related_name="true_ups")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="true_ups")
    n = models.PositiveSmallIntegerField(_("number"))
    status = models.CharField(max_length=6, choices=TrueUpStatus, default=TrueUpStatus.POSTED)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    floor_minor = models.BigIntegerField(_("floor an hour"))
    worked_seconds = models.PositiveIntegerField(_("worked (s)"))
    gross_minor = models.BigIntegerField(_("pay"))
    due_minor = models.BigIntegerField(_("least pay"))
    before_minor = models.BigIntegerField(_("added before"))
    amount_minor = models.BigIntegerField(_("added"))
    paid_by = models.CharField(max_length=8, choices=PaidBy)
    posted_at = models.DateTimeField(_("posted"))

    objects = TrueUpQuerySet.as_manager()

    class Meta:
        verbose_name = _("top-up to the wage floor")
        verbose_name_plural = _("top-ups to the wage floor")
        constraints = (
            models.UniqueConstraint(fields=("timesheet", "n"), name="payments_trueup_once"),
            models.CheckConstraint(
                condition=Q(amount_minor=F("due_minor") - F("gross_minor") - F("before_minor"), amount_minor__gt=0),
                name="payments_trueup_is_the_difference",
            ),
        )
        indexes = (models.Index(fields=("expert", "-id"), name="payments_trueup_of_expert"),)
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return self.public_id

    @property
    def amount(self) -> Money:
        """What was added."""
        return Money(self.amount_minor, self.currency)


class FloorCheckQuerySet(WalledQuerySet["FloorCheck"]):
    """Checks."""

    expert_path = "expert"


@history.tracked()
class FloorCheck(TenantModel):
    """The last time a decided week was held against the wage floor; ``due_minor`` is null where there is none."""

    timesheet = models.OneToOneField("payments.Timesheet", on_delete=models.PROTECT, related_name="floor_check")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, related_name="+")
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    worked_seconds = models.PositiveIntegerField(_("worked (s)"))
    gross_minor = models.BigIntegerField(_("pay"))
    due_minor = models.BigIntegerField(_("least pay"), null=True, blank=True)
    added_minor = models.BigIntegerField(_("added"), default=0)
    checked_at = models.DateTimeField(_("checked"))

    objects = FloorCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("wage floor check")
        constraints = (
            models.CheckConstraint(
                condition=Q(due_minor=None) | Q(due_minor__lte=F("gross_minor") + F("added_minor")),
                name="payments_floorcheck_is_kept",
            ),
        )

    def __str__(self) -> str:
        return f"{self.timesheet_id}: {self.gross_minor} + {self.added_minor} {self.currency}"
