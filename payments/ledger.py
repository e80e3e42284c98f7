"""The one writer of the ledger: set-based SQL, idempotent by event, with locks in one order.

Callers name accounts by value (`payments.accounts`) and hand over whole batches. An entry whose event is already in
the journal is left out with all its legs; everything else about it (balance, completeness, limits) PostgreSQL decides.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext_lazy as _
from psycopg import errors as pg

from core import scope
from core.problems import Conflict
from payments.accounts import AccountKey
from payments.journal_guards import FENCE

_PLAIN = re.compile(r"[\w:.,-]*", re.ASCII)

PATIENCE = "10s"
"""How long a calculation or an export waits for writers, who may hold the others up as long."""

Leg = tuple[AccountKey, int]
"""An account and minor units of its currency; credit is positive."""

_KNOWN = "SELECT key, id FROM payments_account WHERE key = ANY(%s)"

# The guard of the journal shares the fence as well; passed before any row is locked, nobody waits for it holding one.
_FENCED = """
    SELECT a.key, a.id FROM pg_advisory_xact_lock_shared(%s) CROSS JOIN payments_account a WHERE a.key = ANY(%s)
"""

_OPEN = """
    INSERT INTO payments_account (key, kind, currency, tenant_id, expert_id, detail, created_at)
    SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT (key) DO NOTHING
"""

_LOCK = """
    SELECT account_id, balance FROM payments_accountbalance
    WHERE account_id = ANY(%s) ORDER BY account_id FOR NO KEY UPDATE
"""

_POST = """
    WITH wanted AS (
        SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::timestamptz[], %s::bigint[], %s::bigint[])
            WITH ORDINALITY AS w (kind, source_id, seq, legs, effective_at, tenant_id, reverses_id, n)
    ), written AS (
        INSERT INTO payments_journalentry
            (kind, source_id, seq, legs, effective_at, tenant_id, reverses_id, created_at)
        SELECT kind, source_id, seq, legs, effective_at, tenant_id, reverses_id, %s FROM wanted ORDER BY n
        ON CONFLICT (source_id, kind, seq) DO NOTHING
        RETURNING id, kind, source_id, seq
    ), moved AS (
        INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
        SELECT written.id, legs.position, legs.account_id, legs.amount, legs.currency
        FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
            AS legs (n, position, account_id, amount, currency)
        JOIN wanted USING (n) JOIN written USING (kind, source_id, seq)
        ORDER BY written.id, legs.position
    )
    SELECT id, kind, source_id, seq FROM written ORDER BY id
"""


class LedgerBusy(Conflict):
    """A transaction has been writing to the ledger for longer than this may hold the others up. Try again in a moment."""

    code = "ledger_busy"
    title = _("The ledger is busy")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One business event to be written. ``(kind, source_id, seq)`` is its identity; legs of zero are left out."""

    kind: str
    source_id: str
    effective_at: dt.datetime
    legs: Sequence[Leg]
    seq: int = 0
    tenant_id: int | None = None
    reverses_id: int | None = None

    def with_legs(self, legs: Sequence[Leg]) -> NewEntry:
        """The same event with other legs; `dataclasses.replace` takes twice as long, once for each approved hour."""
        known = self.kind, self.source_id, self.effective_at
        return type(self)(*known, legs, self.seq, self.tenant_id, self.reverses_id)


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that this call wrote."""

    id: int
    kind: str
    source_id: str
    seq: int


def post(*, entries: Iterable[NewEntry], now: dt.datetime) -> list[Written]:
    """Write entries and their legs; returns those that were new. Entries without any leg are left out.

    Raises IntegrityError when an entry does not balance, or when a limit would be broken
    (``payments_balance_not_below_zero``).
    """
    batch = sorted(_merged(entries), key=lambda entry: (entry.source_id, entry.kind, entry.seq))
    if not batch:
        return []
    keys = sorted({key for entry in batch for key, _ in entry.legs})
    with scope.as_platform():
        ids = _account_ids(keys, now=now)
        _lock(list(ids.values()))
        with connection.cursor() as cursor:
            cursor.execute(_POST, [*_entry_columns(batch), now, *_leg_columns(batch, ids)])
            return [Written(*row) for row in cursor.fetchall()]


def lock(*, keys: Iterable[AccountKey], now: dt.datetime) -> dict[AccountKey, int]:
    """Open and lock these accounts until the transaction ends; their balances (accounts without a limit are left out).

    Name every account that the same transaction will move: locks are taken in one order, all at once.
    """
    wanted = sorted(set(keys))
    with scope.as_platform():
        ids = _account_ids(wanted, now=now)
        balances = _lock(list(ids.values()))
    return {key: balances[ids[key]] for key in wanted if ids[key] in balances}


def balances(*, keys: Iterable[AccountKey]) -> dict[AccountKey, int]:
    """Balances of accounts with a limit, in minor units; 0 for an account that was never used. Takes no lock."""
    wanted = list(keys)
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.key, b.balance FROM payments_account a JOIN payments_accountbalance b ON b.account_id = a.id"
            " WHERE a.key = ANY(%s)",
            [[key.text for key in wanted]],
        )
        found: dict[str, int] = dict(cursor.fetchall())
    return {key: found.get(key.text, 0) for key in wanted}


def credit_of(key: AccountKey) -> int:
    """How far a lab may owe by choice, in minor units; 0 without a limit in force. Lock the account to rely on it."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(b.credit_minor, 0) FROM payments_account a"
            " JOIN payments_accountbalance b ON b.account_id = a.id WHERE a.key = %s",
            [key.text],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def pass_fence() -> None:
    """For whoever locks balances by a statement of its own, before it does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [FENCE])


def when_nobody_writes(query: str) -> tuple[Any, ...]:
    """The row of a query, read while no transaction is open that has written a fact of pay; afterwards others go on.

    Ids are given before their transactions commit, so "all up to the highest seen" may grow afterwards. Whoever writes
    an entry, a payout method or a tax profile shares the fence until his commit; this waits for those under way. Raises
    LedgerBusy after PATIENCE, for which new writers have waited too.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)", [PATIENCE, FENCE])
            cursor.execute(query)
            found: tuple[Any, ...] = cursor.fetchone()
            # Rolling back to the savepoint gives the lock and the timeout back at once.
            transaction.set_rollback(True)
    except OperationalError as error:
        if isinstance(error.__cause__, pg.LockNotAvailable):
            raise LedgerBusy from None
        raise
    return found


def settled_watermark() -> int:
    """The id of the last entry, once nothing at or below it will appear or change. Raises LedgerBusy."""
    return int(when_nobody_writes("SELECT COALESCE(max(id), 0) FROM payments_journalentry")[0])


def reversal(*, entry_id: int, kind: str, source_id: str, now: dt.datetime) -> NewEntry:
    """The exact opposite of an entry, ready to be posted; it can be posted once."""
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.kind, a.currency, a.tenant_id, a.expert_id, a.detail, -p.amount, e.tenant_id"
            " FROM payments_posting p JOIN payments_account a ON a.id = p.account_id"
            " JOIN payments_journalentry e ON e.id = p.entry_id WHERE p.entry_id = %s ORDER BY p.position",
            [entry_id],
        )
        rows = cursor.fetchall()
    return NewEntry(
        kind=kind,
        source_id=source_id,
        effective_at=now,
        legs=[(AccountKey(*row[:5]), row[5]) for row in rows],
        tenant_id=rows[0][6],
        reverses_id=entry_id,
    )


def _merged(entries: Iterable[NewEntry]) -> Iterable[NewEntry]:
    """Entries with one leg per account and no empty ones: a fee of zero is no leg, an hour of zero no entry."""
    for entry in entries:
        sums: dict[AccountKey, int] = {}
        for key, minor in entry.legs:
            sums[key] = sums.get(key, 0) + minor
        legs = [(key, minor) for key, minor in sums.items() if minor]
        if legs:
            yield entry.with_legs(legs)


def _account_ids(keys: Sequence[AccountKey], *, now: dt.datetime) -> Mapping[AccountKey, int]:
    """Primary keys of accounts; those that do not exist are opened."""
    texts = [key.text for key in keys]
    with connection.cursor() as cursor:
        cursor.execute(_FENCED, [FENCE, texts])
        known: dict[str, int] = dict(cursor.fetchall())
        missing = [key for key in keys if key.text not in known]
        if missing:
            cursor.execute(_OPEN, [now, *_account_columns(missing)])
            cursor.execute(_KNOWN, [texts])
            known = dict(cursor.fetchall())
    return {key: known[key.text] for key in keys}


def _lock(account_ids: Sequence[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [list(account_ids)])
        return dict(cursor.fetchall())


def _account_columns(keys: Sequence[AccountKey]) -> list[list[Any]]:
    return [
        [key.text for key in keys],
        [key.kind for key in keys],
        [key.currency for key in keys],
        [key.tenant_id for key in keys],
        [key.expert_id for key in keys],
        [key.detail for key in keys],
    ]


def _entry_columns(batch: Sequence[NewEntry]) -> list[Any]:
    return [
        _texts([entry.kind for entry in batch]),
        _texts([entry.source_id for entry in batch]),
        _numbers([entry.seq for entry in batch]),
        _numbers([len(entry.legs) for entry in batch]),
        _instants([entry.effective_at for entry in batch]),
        _numbers([entry.tenant_id for entry in batch]),
        _numbers([entry.reverses_id for entry in batch]),
    ]


def _leg_columns(batch: Sequence[NewEntry], ids: Mapping[AccountKey, int]) -> list[Any]:
    legs = [
        (n, position, ids[key], minor, key.currency)
        for n, entry in enumerate(batch, start=1)
        for position, (key, minor) in enumerate(entry.legs, start=1)
    ]
    *numbers, currencies = zip(*legs, strict=True)
    return [*map(_numbers, numbers), _texts(currencies)]


def _numbers(values: Sequence[int | None]) -> str:
    """An array of whole numbers as PostgreSQL reads it: the driver takes several times as long, one value at a time."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _instants(values: Sequence[dt.datetime]) -> str:
    """The same for instants, which know their zone."""
    return "{" + ",".join([value.isoformat() for value in values]) + "}"


def _texts(values: Sequence[str]) -> str | list[str]:
    """The same for texts that need no quotes; others are left to the driver."""
    joined = ",".join(values)
    plain = _PLAIN.fullmatch(joined) and all(values) and joined.count(",") == len(values) - 1
    return "{" + joined + "}" if plain and "NULL" not in joined.upper() else list(values)
