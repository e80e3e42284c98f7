"""What the guards of the journal cost: the same work with them and without, by turns.

Without them a bench trigger keeps the balance rows, since somebody has to, and proves nothing. Measured three ways: hours
approved as the product does it; bare rows beside the same rows with PostgreSQL's own foreign keys, which prove that a
leg has an entry and an account, as the guards do; and bare rows beside rows about which nothing is proven.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from bench import accrual
from bench.aims import Aim
from config import heap

ENTRIES = 10_000
ROUNDS = 31
TABLES = ("payments_account", "payments_accountbalance", "payments_journalentry", "payments_posting")
FOREIGN_KEYS = {"entry": "payments_journalentry", "account": "payments_account"}
GUARDS, KEYS, NOTHING = "guards", "foreign keys", "nothing"

_INSERT = """
    WITH written AS (
        INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)
        SELECT 'bench', %(batch)s || '-' || n, 0, 3, now(), now() FROM generate_series(1, %(entries)s) AS n
        RETURNING id
    )
    INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
    SELECT w.id, l.position, CASE l.position WHEN 1 THEN a.taken WHEN 2 THEN a.paid[1 + w.id %% 200] ELSE a.fees END,
        l.amount, 'USD'
    FROM written w CROSS JOIN (VALUES (1, -130), (2, 100), (3, 30)) AS l (position, amount)
    CROSS JOIN (SELECT %(taken)s::bigint AS taken, %(paid)s::bigint[] AS paid, %(fees)s::bigint AS fees) a
    ORDER BY w.id, l.position
"""
_KEEP_BALANCES = """
    CREATE FUNCTION bench_balances() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'UPDATE payments_accountbalance b SET balance = b.balance + d.amount'
            ' FROM (SELECT account_id, sum(amount)::bigint AS amount FROM legs GROUP BY 1) d'
            ' WHERE b.account_id = d.account_id';
        RETURN NULL;
    END $$;
    CREATE TRIGGER bench_balances AFTER INSERT ON payments_posting
        REFERENCING NEW TABLE AS legs FOR EACH STATEMENT EXECUTE FUNCTION bench_balances();
    ALTER TABLE payments_posting DISABLE TRIGGER bench_balances
"""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Milliseconds per unit of one way, a figure for each round."""

    each: tuple[float, ...]

    @property
    def typical(self) -> float:
        """The median round."""
        return statistics.median(self.each)

    def times(self, other: Rounds) -> float:
        """How many times the other's this takes: two ways share a round, and with it the machine's mood."""
        return statistics.median(own / its for own, its in zip(self.each, other.each, strict=True))


@dataclass(frozen=True, slots=True)
class Measured:
    """The same work done each way: hours approved through the product, and bare rows."""

    hours: Mapping[str, Rounds]
    rows: Mapping[str, Rounds]

    def aims(self) -> list[Aim]:
        """What guards may cost of approving hours."""
        cost = 100 * (self.hours[GUARDS].times(self.hours[NOTHING]) - 1)
        return [Aim("guards, of approving hours", cost, 5, "%", at_least=False)]


def run() -> Measured:
    """Both, by turns. The database must be migrated."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as session:
        session.execute(_KEEP_BALANCES)
        lab, people = accrual.world()
        hours = _by_turns(session, lambda _batch: accrual.approve(lab, people), accrual.ENTRIES, (GUARDS, NOTHING))
        rows = _by_turns(session, _rows(session), ENTRIES, (GUARDS, KEYS, NOTHING))
    return Measured(hours, rows)


def report(measured: Measured) -> str:
    """Medians of the rounds, and of the differences within a round."""
    hours, rows = measured.hours, measured.rows

    def beside(ways: Mapping[str, Rounds], other: str) -> str:
        return f"{ways[other].typical:.4f} ({ways[GUARDS].times(ways[other]) - 1:+.1%})"

    return (
        f"guards of the journal, medians of {ROUNDS} rounds by turns, ms per entry of 3 legs (what guards cost more):\n"
        f"  hours approved through the product: {hours[GUARDS].typical:.4f}, without guards {beside(hours, NOTHING)}\n"
        f"  bare rows: {rows[GUARDS].typical:.4f}, with foreign keys instead {beside(rows, KEYS)},"
        f" with nothing proven {beside(rows, NOTHING)}"
    )


def _by_turns(
    session: psycopg.Connection, work: Callable[[str], object], units: int, ways: tuple[str, ...]
) -> Mapping[str, Rounds]:
    """Each way in every round, after a warm-up; every other round goes backwards."""
    heap.settle()
    timed: dict[str, list[float]] = {way: [] for way in ways}
    for n in range(ROUNDS + 1):
        for way in ways if n % 2 else ways[::-1]:
            _switch(session, way)
            start = time.perf_counter()
            work(f"{n}-{way}")
            timed[way].append(time.perf_counter() - start)
    _switch(session, GUARDS)
    return {way: Rounds(tuple(taken / units * 1000 for taken in rounds[1:])) for way, rounds in timed.items()}


def _rows(session: psycopg.Connection) -> Callable[[str], object]:
    accounts = _accounts(session)
    return lambda batch: session.execute(_INSERT, {**accounts, "batch": batch, "entries": ENTRIES})


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
        session.execute(f"ALTER TABLE {table} {'ENABLE' if way == GUARDS else 'DISABLE'} TRIGGER USER".encode())
    balances = "DISABLE" if way == GUARDS else "ENABLE"
    session.execute(f"ALTER TABLE payments_posting {balances} TRIGGER bench_balances".encode())
    for name, target in FOREIGN_KEYS.items():
        session.execute(f"ALTER TABLE payments_posting DROP CONSTRAINT IF EXISTS bench_{name}".encode())
        if way == KEYS:
            session.execute(
                f"ALTER TABLE payments_posting ADD CONSTRAINT bench_{name} FOREIGN KEY ({name}_id)"
                f" REFERENCES {target} DEFERRABLE INITIALLY DEFERRED NOT VALID".encode()
            )
