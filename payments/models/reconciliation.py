"""What institutions say about our money with them, laid beside our own journal, day by day."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import history
from core.public import CadreModel, PublicIdField, Wall
from core.states import Transitions
from payments.models.bank import BankMessage


@history.tracked()
class BankStatement(CadreModel):
    """One end-of-day statement of an account: opening + entries = closing, and it opens where the last one closed."""

    wall = Wall.PLATFORM

    provider = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    statement_id = models.CharField(max_length=60)
    number = models.PositiveIntegerField(null=True, blank=True, help_text=_("Sequence number, where the bank counts."))
    day = models.DateField(help_text=_("The day it closes."))
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()
    listed_minor = models.BigIntegerField(help_text=_("Sum of the entries it lists."))
    message = models.ForeignKey(BankMessage, on_delete=models.PROTECT, related_name="statements")

    class Meta:
        verbose_name = _("bank statement")
        constraints = (
            models.UniqueConstraint(fields=("provider", "statement_id"), name="payments_bankstatement_once"),
            models.UniqueConstraint(fields=("provider", "currency", "day"), name="payments_bankstatement_day"),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.day}"


@history.tracked()
class ProviderEntry(CadreModel):
    """One movement of our money at a provider, as the provider reports it; in is positive.

    ``journal_entry`` is the posting of ours that it is: at most one, and no other movement is the same one.
    """

    class Kind(models.TextChoices):
        """What it is."""

        OPENING = "opening", _("balance taken over")
        PAYOUT = "payout", _("payout")
        RETURN = "return", _("payout that came back")
        CREDIT = "credit", _("money that came in")
        FEE = "fee", _("fee")
        DEBIT = "debit", _("money that went out")

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="pve")
    provider = models.CharField(max_length=30)
    reference = models.CharField(max_length=100, help_text=_("The provider's own reference of the movement."))
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=60, blank=True, help_text=_("Key of the attempt it belongs to, if any."))
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    booked_on = models.DateField()
    counterparty = models.CharField(max_length=140, blank=True)
    text = models.CharField(max_length=500, blank=True, help_text=_("What the payer wrote."))
    code = models.CharField(max_length=40, blank=True, help_text=_("Why it came back."))
    message = models.ForeignKey(BankMessage, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    statement = models.ForeignKey(
        BankStatement, on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    journal_entry = models.OneToOneField(
        "payments.JournalEntry", on_delete=models.PROTECT, null=True, blank=True, related_name="at_provider"
    )

    class Meta:
        verbose_name = _("movement at a provider")
        verbose_name_plural = _("movements at providers")
        constraints = (
            models.UniqueConstraint(fields=("provider", "reference"), name="payments_providerentry_once"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="payments_providerentry_moves"),
        )
        indexes = (
            models.Index(fields=("provider", "currency", "booked_on"), name="payments_providerentry_day"),
            models.Index(fields=("key",), name="payments_providerentry_key"),
        )

    def __str__(self) -> str:
        return self.reference


@history.tracked()
class ReconciliationItem(CadreModel):
    """Something that the provider's books and ours do not agree about: ``open → matched | explained | written_off``.

    It becomes matched by itself when what was missing arrives; otherwise a person decides, with a reason.
    """

    class Kind(models.TextChoices):
        """What is wrong."""

        UNKNOWN_CREDIT = "unknown_credit", _("money came in that we do not know")
        UNKNOWN_DEBIT = "unknown_debit", _("money went out that we do not know")
        FUNDING_PROPOSED = "funding_proposed", _("looks like a funding")
        AMOUNT_DIFFERS = "amount_differs", _("the amount differs")
        DUPLICATE = "duplicate", _("moved twice")
        CONFLICT = "conflict", _("executed after it was refused")
        MISSING_THERE = "missing_there", _("we booked it, the provider did not")
        MISSING_HERE = "missing_here", _("the provider booked it, we did not")
        STATEMENT_GAP = "statement_gap", _("a statement is missing or does not add up")
        OPENING_BALANCE = "opening_balance", _("balance before the first statement")

    class Status(models.TextChoices):
        """Whether somebody must look."""

        OPEN = "open", _("open")
        MATCHED = "matched", _("matched")
        EXPLAINED = "explained", _("explained")
        WRITTEN_OFF = "written_off", _("written off")

    TRANSITIONS: ClassVar[Transitions] = {
        Status.OPEN: {Status.MATCHED, Status.EXPLAINED, Status.WRITTEN_OFF},
        Status.MATCHED: set(),
        Status.EXPLAINED: set(),
        Status.WRITTEN_OFF: set(),
    }

    wall = Wall.PLATFORM

    public_id = PublicIdField(prefix="rci")
    provider = models.CharField(max_length=30)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    reference = models.CharField(max_length=100, help_text=_("What it is about; one item for each kind."))
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    day = models.DateField()
    detail = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    entry = models.ForeignKey(ProviderEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="items")
    journal_entry = models.ForeignKey(
        "payments.JournalEntry", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    payout = models.ForeignKey("payments.Payout", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    funding = models.ForeignKey("payments.Funding", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reconciliation item")
        permissions = (("reconcile", _("Can decide about reconciliation items and close days")),)
        constraints = (
            models.UniqueConstraint(fields=("provider", "reference", "kind"), name="payments_item_once"),
            models.CheckConstraint(
                condition=~Q(status__in=("explained", "written_off")) | (Q(decided_by__isnull=False) & ~Q(reason="")),
                name="payments_item_decided_why",
            ),
        )
        indexes = (models.Index(fields=("provider", "day"), condition=Q(status="open"), name="payments_item_open"),)

    def __str__(self) -> str:
        return self.reference


@history.tracked()
class DayClose(CadreModel):
    """One day of one account at a provider: ``open → closed``, in order, and never opened again.

    ``closing_minor`` is the provider's word. It is ours when ``book_minor`` (our cash account at the end of the day)
    without ``outstanding_minor`` (booked by us, not yet by the provider) and with ``late_minor`` (the other way round)
    is the same. Corrections land in a later day.
    """

    class Status(models.TextChoices):
        """Whether it is done."""

        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    TRANSITIONS: ClassVar[Transitions] = {Status.OPEN: {Status.CLOSED}, Status.CLOSED: set()}

    wall = Wall.PLATFORM

    provider = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    day = models.DateField()
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opening_minor = models.BigIntegerField(default=0)
    closing_minor = models.BigIntegerField(default=0)
    book_minor = models.BigIntegerField(default=0)
    outstanding_minor = models.BigIntegerField(default=0)
    late_minor = models.BigIntegerField(default=0)
    obstacle = models.CharField(max_length=200, blank=True, help_text=_("Why it is not closed yet."))
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("day close")
        constraints = (
            models.UniqueConstraint(fields=("provider", "currency", "day"), name="payments_dayclose_once"),
            models.CheckConstraint(
                condition=Q(status="open")
                | Q(closing_minor=models.F("book_minor") - models.F("outstanding_minor") + models.F("late_minor")),
                name="payments_dayclose_equal",
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.currency} {self.day}"
