"""What the guards of the journal cost: the same inserts with them and without, by turns, in one session.

Without them PostgreSQL's own foreign keys prove that a leg has an entry and an account, as the guards do, and the balance
rows are kept by the statement that a careful writer would send, since somebody has to. A second figure leaves even the
foreign keys away: then nothing is proven.
"""

from __future__ import annotations

import os
import statistics
import time

import psycopg

ENTRIES = 10_000
ROUNDS = 11
TABLES = ("payments_account", "payments_accountbalance", "payments_journalentry", "payments_posting")

FOREIGN_KEYS = {"entry": "payments_journalentry", "account": "payments_account"}

_INSERT = """
    WITH written AS (
        INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)
        SELECT 'bench', %(batch)s || '-' || n, 0, 3, now(), now() FROM generate_series(1, %(entries)s) AS n
        RETURNING id
    ), moved AS (
        INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
        SELECT w.id, l.position, CASE l.position WHEN 1 THEN a.taken WHEN 2 THEN a.paid[1 + w.id %% 200] ELSE a.fees END,
            l.amount, 'USD'
        FROM written w CROSS JOIN (VALUES (1, -130), (2, 100), (3, 30)) AS l (position, amount)
        CROSS JOIN (SELECT %(taken)s::bigint AS taken, %(paid)s::bigint[] AS paid, %(fees)s::bigint AS fees) a
        ORDER BY w.id, l.position
    ) SELECT min(id), max(id) FROM written
"""
_BY_HAND = """
    UPDATE payments_accountbalance b SET balance = b.balance + d.amount
    FROM (SELECT account_id, sum(amount)::bigint AS amount FROM payments_posting
        WHERE entry_id BETWEEN %s AND %s GROUP BY 1) d
    WHERE b.account_id = d.account_id
"""


def report() -> str:
    """Medians of rounds by turns, 110,000 entries (330,000 legs) each way, and the differences."""
    timed: dict[str, list[float]] = {"guards": [], "foreign keys": [], "nothing": []}
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as session:
        accounts = _accounts(session)
        for n in range(ROUNDS + 1):
            ways = list(timed) if n % 2 else list(timed)[::-1]
            for way in ways:
                _switch(session, way)
                seconds = _insert(session, accounts, f"{n}-{way}", guarded=way == "guards")
                if n:
                    timed[way].append(seconds)
        _switch(session, "guards")
    on, keys, off = (statistics.median(rounds) / ENTRIES * 1000 for rounds in timed.values())
    return (
        f"guards of the journal, {ENTRIES * ROUNDS} entries of 3 legs each way: {on:.4f} ms per entry;"
        f" {keys:.4f} with foreign keys instead ({on / keys - 1:+.1%}), {off:.4f} with nothing proven ({on / off - 1:+.1%})"
    )


def _accounts(session: psycopg.Connection) -> dict[str, object]:
    """One lab's prepaid money and two hundred payables of their own, so that nothing else in the database is touched."""
    made = session.execute(
        "INSERT INTO payments_account (key, kind, currency, detail, created_at)"
        " SELECT 'bench:' || n, CASE n WHEN 0 THEN 'expense' WHEN 1 THEN 'fee_income' ELSE 'expert_payable' END, 'USD',"
        " '', now() FROM generate_series(0, 201) AS n RETURNING id"
    ).fetchall()
    ids = [row[0] for row in made]
    return {"taken": ids[0], "fees": ids[1], "paid": ids[2:]}


def _switch(session: psycopg.Connection, way: str) -> None:
    for table in TABLES:
        session.execute(f"ALTER TABLE {table} {'ENABLE' if way == 'guards' else 'DISABLE'} TRIGGER USER".encode())
    for name, target in FOREIGN_KEYS.items():
        session.execute(f"ALTER TABLE payments_posting DROP CONSTRAINT IF EXISTS bench_{name}".encode())
        if way == "foreign keys":
            session.execute(
                f"ALTER TABLE payments_posting ADD CONSTRAINT bench_{name} FOREIGN KEY ({name}_id)"
                f" REFERENCES {target} DEFERRABLE INITIALLY DEFERRED NOT VALID".encode()
            )


def _insert(session: psycopg.Connection, accounts: dict[str, object], batch: str, guarded: bool) -> float:
    start = time.perf_counter()
    with session.transaction():
        ids = session.execute(_INSERT, {**accounts, "batch": batch, "entries": ENTRIES}).fetchone()
        if not guarded:
            session.execute(_BY_HAND, ids)
    return time.perf_counter() - start
