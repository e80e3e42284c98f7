"""The ledger: accounts, entries and their legs. Written by `payments.ledger` alone; guarded by PostgreSQL.

Signs: credit is positive. What we owe (prepaid, payable) and earn (fees) is therefore positive, what we own (cash,
receivables) and spend is negative, and everything together is zero in each currency.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.money import Money
from core.public import CadreModel, Tenant, Wall
from payments import journal_guards


class Account(CadreModel):
    """One account. ``key`` says all of it in one line ("expert_payable:7:USD") and is what writers look up."""

    class Kind(models.TextChoices):
        """What the account counts."""

        CASH = "cash", _("cash at a bank or provider")
        LAB_PREPAID = "lab_prepaid", _("lab's prepaid balance")
        LAB_RESERVED = "lab_reserved", _("lab's money reserved for a contract")
        LAB_RECEIVABLE = "lab_receivable", _("owed by a lab")
        EXPERT_PAYABLE = "expert_payable", _("owed to an expert")
        EXPERT_HOLDBACK = "expert_holdback", _("held back for an expert")
        FEE_INCOME = "fee_income", _("platform fees earned")
        TRANSIT = "transit", _("payouts under way")
        TAX_WITHHELD = "tax_withheld", _("tax withheld")
        VAT = "vat", _("VAT charged to labs")
        EXPENSE = "expense", _("platform's expense")
        FX = "fx", _("currency exchange")
        SUSPENSE = "suspense", _("money whose owner is not known yet")
        CAPITAL = "capital", _("the platform's own money")

    wall = Wall.LEDGER
    sealed: ClassVar[bool] = True

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    currency = models.CharField(max_length=3)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, related_name="+")
    expert = models.ForeignKey("experts.Expert", on_delete=models.PROTECT, null=True, related_name="+")
    detail = models.CharField(max_length=60, blank=True, help_text=_("Provider, reservation, or kind of expense."))

    class Meta:
        verbose_name = _("account")
        triggers = (guards.Refuse(name="append_only"), journal_guards.OpenBalance(), journal_guards.RefuseTruncate())

    def __str__(self) -> str:
        return self.key


class AccountBalance(models.Model):
    """The sum of an account's legs, kept for accounts with a limit so that a limit can be locked and read at once.

    Platform-wide accounts have none: their sum is derived, and nobody queues for their row.
    """

    wall: ClassVar[Wall] = Wall.LEDGER

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="running")
    balance = models.BigIntegerField(default=0)
    may_go_negative = models.BooleanField(default=False)
    credit_minor = models.BigIntegerField(
        null=True, default=None, help_text=_("What a lab may owe by choice; null for accounts without credit.")
    )

    class Meta:
        verbose_name = _("account balance")
        constraints = (
            models.CheckConstraint(
                condition=Q(balance__gte=0) | Q(may_go_negative=True), name="payments_balance_not_below_zero"
            ),
        )
        # Few rows have credit: the guard that holds it reads these alone.
        indexes = (
            models.Index(
                fields=("account",), condition=Q(credit_minor__isnull=False), name="payments_balance_with_credit"
            ),
        )
        triggers = (journal_guards.OnlyTheJournalWrites(), journal_guards.RefuseTruncate())

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance}"


def event_in_words(kind: str) -> str:
    """`reservation released` for what the journal keeps as one word, which is what people look for in docs and exports."""
    return kind.replace("_", " ")


class JournalEntry(CadreModel):
    """One business event. ``(kind, source_id, seq)`` happens once, however often a job runs."""

    wall = Wall.LEDGER
    sealed: ClassVar[bool] = True

    kind = models.CharField(max_length=40)
    source_id = models.CharField(max_length=60, help_text=_("Public id of what caused it."))
    seq = models.PositiveIntegerField(default=0)
    legs = models.PositiveSmallIntegerField(help_text=_("How many legs it has."))
    effective_at = models.DateTimeField()
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversed_by")

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        constraints = (
            models.UniqueConstraint(fields=("source_id", "kind", "seq"), name="payments_entry_once"),
            models.CheckConstraint(condition=Q(legs__gte=2), name="payments_entry_two_legs"),
            models.CheckConstraint(condition=~Q(reverses=F("id")), name="payments_entry_not_own_reversal"),
        )
        # Entries come in about the order of their time, so the few since a cutoff are found without a big index.
        indexes = (BrinIndex(fields=("effective_at",), name="payments_entry_effective"),)
        triggers = (
            guards.Refuse(name="append_only"),
            journal_guards.Fenced(),
            journal_guards.EntryHasLegs(),
            journal_guards.RefuseTruncate(),
        )

    def __str__(self) -> str:
        return f"{event_in_words(self.kind)} {self.source_id}"


class Posting(models.Model):
    """One leg: ``amount`` minor units of ``currency``, credit positive.

    Entry and account are proven by `journal_guards.LegsBalance`, once per statement: nobody can remove either, so a
    foreign key, which PostgreSQL checks row by row, would add a third to the cost of a leg and nothing else.
    """

    wall: ClassVar[Wall] = Wall.LEDGER
    sealed: ClassVar[bool] = True

    entry = models.ForeignKey(
        JournalEntry, on_delete=models.PROTECT, related_name="postings", db_index=False, db_constraint=False
    )
    position = models.PositiveSmallIntegerField()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="postings", db_index=False, db_constraint=False
    )
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)

    class Meta:
        verbose_name = _("posting")
        constraints = (
            models.UniqueConstraint(fields=("entry", "position"), name="payments_posting_once"),
            models.CheckConstraint(condition=~Q(amount=0), name="payments_posting_moves_something"),
        )
        # With the amount, the sum of an account is read from the index alone.
        indexes = (models.Index(fields=("account", "entry"), include=("amount",), name="payments_posting_account"),)
        triggers = (guards.Refuse(name="append_only"), journal_guards.LegsBalance(), journal_guards.RefuseTruncate())

    def __str__(self) -> str:
        return str(Money(self.amount, self.currency))
