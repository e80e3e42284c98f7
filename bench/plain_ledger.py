"""A ledger as one would first write it: three tables, one object at a time, a balance that everybody locks.

Its tables are temporary, without guards, history, indexes on accounts, or a write-ahead log: every advantage is theirs.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import connection, models, transaction

TABLES = """
    CREATE TEMPORARY TABLE IF NOT EXISTS bench_account (
        id bigserial PRIMARY KEY, key text UNIQUE, balance bigint NOT NULL DEFAULT 0);
    CREATE TEMPORARY TABLE IF NOT EXISTS bench_entry (
        id bigserial PRIMARY KEY, kind text, source_id text, UNIQUE (kind, source_id));
    CREATE TEMPORARY TABLE IF NOT EXISTS bench_leg (
        id bigserial PRIMARY KEY, entry_id bigint REFERENCES bench_entry, account_id bigint REFERENCES bench_account,
        amount bigint)
"""


class PlainAccount(models.Model):
    """An account with its balance."""

    objects: ClassVar[models.Manager[PlainAccount]] = models.Manager()

    key = models.TextField(unique=True)
    balance = models.BigIntegerField(default=0)

    class Meta:
        app_label = "bench"
        db_table = "bench_account"
        managed = False

    def __str__(self) -> str:
        return self.key


class PlainEntry(models.Model):
    """One event."""

    objects: ClassVar[models.Manager[PlainEntry]] = models.Manager()

    kind = models.TextField()
    source_id = models.TextField()

    class Meta:
        app_label = "bench"
        db_table = "bench_entry"
        managed = False
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=("kind", "source_id"), name="bench_entry_once")
        ]

    def __str__(self) -> str:
        return self.source_id


class PlainLeg(models.Model):
    """One leg."""

    objects: ClassVar[models.Manager[PlainLeg]] = models.Manager()

    entry = models.ForeignKey(PlainEntry, on_delete=models.PROTECT)
    account = models.ForeignKey(PlainAccount, on_delete=models.PROTECT)
    amount = models.BigIntegerField()

    class Meta:
        app_label = "bench"
        db_table = "bench_leg"
        managed = False

    def __str__(self) -> str:
        return str(self.amount)


def make_tables() -> None:
    """In this session."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


@transaction.atomic
def post(kind: str, source_id: str, legs: list[tuple[str, int]]) -> None:
    """One event in a transaction of its own, object by object."""
    entry, is_new = PlainEntry.objects.get_or_create(kind=kind, source_id=source_id)
    if not is_new:
        return
    for key, amount in legs:
        PlainAccount.objects.get_or_create(key=key)
        account = PlainAccount.objects.select_for_update(no_key=True, of=("self",)).get(key=key)
        PlainLeg.objects.create(entry=entry, account=account, amount=amount)
        account.balance += amount
        account.save()
