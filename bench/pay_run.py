"""A whole pay run at three sizes: what calculating, signing and releasing cost in SQL, by table, and how it grows.

``python -m bench.pay_run [SIZES …]`` runs it alone (3,000, 30,000 and 100,000 experts unless told otherwise; the last
takes some minutes to seed). Each expert has ten stretches of approved time. Rows are cloned inside PostgreSQL from one of each kind
that was made through the same operations as in life, so no constraint, trigger or history row is left out.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import django
from django.apps import apps
from django.db import connection

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from bench.aims import Aim
from core.public import Principal, User, unit_of_work
from experts.public import Expert
from payments import accounts, ledger
from payments.models import Payout, PayRun, TimeEntry
from payments.operations.runs import pay_runs
from payments.queries import ledger_findings
from payments.queries.pay_run_recomputation import recompute
from payments.queries.pay_run_review import review_of
from tests.payments import hours_world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW

SYSTEM = Principal.system("bench")
CURRENCIES = ("USD", "EUR", "GBP", "CHF")
# The hours are seeded without the business around them (offers, fundings, weeks), so its laws are not asked.
LAWS = {
    "trial_balance",
    "entry_balance",
    "entry_complete",
    "one_entry_per_event",
    "balance_row",
    "transit",
    "statement",
}
STRETCHES = 10
SIZES = (3_000, 30_000, 100_000)
LIMITS = {30_000: 5.0}
"""SQL seconds that calculating may take, by number of experts."""

_TABLE = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM|FROM)\s+"?(?:ONLY\s+)?([a-z_]+)"?', re.IGNORECASE)

_ACCOUNTS = """
    INSERT INTO payments_account (key, kind, currency, expert_id, detail, created_at)
    SELECT 'expert_payable:' || id || ':' || %(currency)s, 'expert_payable', %(currency)s, id, '', %(now)s
    FROM unnest(%(experts)s::bigint[]) AS e (id) ON CONFLICT DO NOTHING
"""

_APPROVED = """
    WITH paid AS MATERIALIZED (
        SELECT 'bench' || %(currency)s || a.id || '-' || n AS source_id, a.id AS account_id, 4000 + n * 10 AS gross
        FROM payments_account a CROSS JOIN generate_series(1, %(stretches)s) n
        WHERE a.kind = 'expert_payable' AND a.currency = %(currency)s AND a.expert_id = ANY(%(experts)s::bigint[])
    ), written AS (
        INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, tenant_id, created_at)
        SELECT 'time_approved', source_id, 0, 3, %(at)s, %(lab)s, %(at)s FROM paid RETURNING id, source_id
    )
    INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
    SELECT written.id, leg.position, leg.account_id, leg.amount, %(currency)s
    FROM written JOIN paid USING (source_id)
    CROSS JOIN LATERAL (VALUES (1, %(prepaid)s::bigint, -gross - gross / 10), (2, account_id, gross), (3, %(fees)s, gross / 10))
        AS leg (position, account_id, amount)
"""


@dataclass
class Meter:
    """Statements and seconds by table, as the database's cursor sees them."""

    statements: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    elapsed: float = 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Time one statement; what it writes to, or else reads first, is its table."""
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            found = _TABLE.search(_without_ctes(sql))
            table = found.group(1) if found else "(session)"
            self.statements[table] += 1
            self.seconds[table] += time.perf_counter() - start

    @property
    def sql(self) -> float:
        """Seconds in the database."""
        return sum(self.seconds.values())


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: a meter for each step."""

    experts: int
    entries: int
    steps: Mapping[str, Meter]

    def aims(self) -> list[Aim]:
        """What calculating may cost where a floor is named."""
        if self.experts not in LIMITS:
            return []
        sql = self.steps["calculate"].sql
        what = f"pay run of {self.experts:,} experts, calculate, SQL"
        return [Aim(what, sql, LIMITS[self.experts], "s", at_least=False)]


def run(sizes: tuple[int, ...] = SIZES) -> list[Measured]:
    """Measure every size, each in a currency of its own. The database must be migrated."""
    with unit_of_work(SYSTEM):
        world = hours_world.build(name="Bench", funded_minor=0)
    experts = _people(max(sizes))
    return [_measure(currency, experts[:size], world) for currency, size in zip(CURRENCIES, sizes, strict=False)]


def report(results: list[Measured]) -> str:
    """The tables as text."""
    lines = [f"{'pay run':34} " + " ".join(f"{r.experts:>10,} experts" for r in results)]
    for step in results[0].steps:
        cells = " ".join(f"{r.steps[step].sql:9.2f} s SQL   " for r in results)
        lines.append(f"  {step:32} {cells}  {results[-1].steps[step].elapsed:.2f} s in all at the last size")
    lines.append("statements and SQL seconds by table" + "".join(f", {r.entries:,} time lines" for r in results))
    for step, meter in results[-1].steps.items():
        for table in sorted(meter.seconds, key=lambda name: -meter.seconds[name])[:8]:
            at = [result.steps[step] for result in results]
            cells = " ".join(f"{m.statements[table]:6} {m.seconds[table]:8.3f} s" for m in at)
            lines.append(f"  {step:14} {table:32} {cells}")
    return "\n".join(lines)


def _measure(currency: str, experts: list[int], world: Any) -> Measured:
    _seed(currency, experts, world)
    preparer, releaser = story.new_user("Prep"), story.new_user("Rel")
    steps: dict[str, Meter] = {}
    with _step(steps, "calculate"):
        run = pay_runs.prepare(currency=currency, by=preparer, now=NOW)
    assert run.line_count == len(experts), (run.line_count, len(experts))
    with _step(steps, "look"):
        review_of(run)
    with _step(steps, "release"):
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=releaser, now=NOW)
    assert Payout.objects.filter(run=run).count() == len(experts)
    with _step(steps, "recompute"):
        assert recompute(PayRun.objects.get(pk=run.pk)).is_the_same
    with unit_of_work(SYSTEM):
        assert not [found for found in ledger_findings.findings() if found.check in LAWS]
    return Measured(len(experts), len(experts) * STRETCHES, steps)


@contextmanager
def _step(steps: dict[str, Meter], name: str) -> Iterator[None]:
    meter = steps[name] = Meter()
    start = time.perf_counter()
    with connection.execute_wrapper(meter), unit_of_work(SYSTEM):
        yield
    meter.elapsed = time.perf_counter() - start


def _people(n: int) -> list[int]:
    """Experts with a signed tax profile, cloned from one."""
    model = story.new_expert("Bench")
    with unit_of_work(SYSTEM):
        _clone("core.User", model.user_id, n, email="'payee-' || n || '@example.org'")
        users = list(User.objects.filter(email__startswith="payee-").order_by("pk").values_list("pk", flat=True))
        _clone("experts.Expert", model.pk, n, user_id="(%(people)s::bigint[])[n]", people=users)
        experts = list(Expert.objects.filter(user__in=users).order_by("pk").values_list("pk", flat=True))
        tax = apps.get_model("payments.TaxProfile").objects.get(expert=model).pk
        _clone("payments.TaxProfile", tax, n, expert_id="(%(people)s::bigint[])[n]", people=experts)
    return experts


def _seed(currency: str, experts: list[int], world: Any) -> None:
    """Methods, hours and what they earned, in one currency."""
    method = story.add_method(world.expert, account=f"acct-{currency}", currency=currency)
    with unit_of_work(SYSTEM):
        hours_world.fund(world.tenant, currency, 10**13 + CURRENCIES.index(currency))
        _clone("payments.PayoutMethod", method.pk, len(experts), expert_id="(%(people)s::bigint[])[n]", people=experts)
        _hours(currency, experts, world)
        with connection.cursor() as cursor:
            values = {"currency": currency, "experts": experts, "now": NOW, "lab": world.tenant.pk}
            cursor.execute(_ACCOUNTS, values)
            ledger.lock(keys=[accounts.fee_income(currency)], now=NOW)
            cursor.execute(
                "SELECT key, id FROM payments_account WHERE key = ANY(%s)",
                [
                    [
                        accounts.fee_income(currency).text,
                        accounts.lab_prepaid(world.tenant.pk, currency).text,
                    ]
                ],
            )
            found = {key.partition(":")[0]: pk for key, pk in cursor.fetchall()}
            at = MONDAY - dt.timedelta(days=1)
            cursor.execute(
                _APPROVED,
                {
                    **values,
                    "at": at,
                    "stretches": STRETCHES,
                    "prepaid": found["lab_prepaid"],
                    "fees": found["fee_income"],
                },
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _hours(currency: str, experts: list[int], world: Any) -> None:
    """Ten approved stretches each, two in each of the last five weeks."""
    step = "(n %% 10) * interval '84 hours'"
    _clone(
        "payments.TimeEntry",
        _one_approved_hour(currency, world).pk,
        len(experts) * STRETCHES,
        expert_id="(%(people)s::bigint[])[(n - 1) / 10 + 1]",
        period=f"tstzrange(lower(t.period) + {step}, upper(t.period) + {step})",
        local_day="t.local_day + ((n %% 10) * 7 / 2)::int",
        iso_week=f"to_char(lower(t.period) + {step}, 'IYYY-\"W\"IW')",
        people=experts,
    )


def _one_approved_hour(currency: str, world: Any) -> TimeEntry:
    """What the stretches of all experts are copied from."""
    sheet = apps.get_model("payments.Timesheet").objects.create(
        tenant=world.tenant,
        contract=world.contract,
        expert=world.expert,
        iso_week=f"2026-W{10 + CURRENCIES.index(currency)}",
        zone="UTC",
        ends_at=MONDAY,
        submit_by=MONDAY,
    )
    start = MONDAY - dt.timedelta(days=35, hours=3 * CURRENCIES.index(currency))
    return TimeEntry.objects.create(
        tenant=world.tenant,
        expert=world.expert,
        contract=world.contract,
        snapshot=world.snapshot,
        timesheet=sheet,
        activity="task",
        period=(start, start + dt.timedelta(hours=1)),
        source="manual",
        status="approved",
        seconds=3600,
        zone="UTC",
        local_day=start.date(),
        iso_week="2026-W41",
        rate_minor=11_000,
        fee_bp=3_000,
        currency=currency,
        gross_minor=11_000,
        fee_minor=3_300,
        holdback_minor=0,
        approved_at=MONDAY - dt.timedelta(days=1),
    )


def _clone(model: str, pk: int, n: int, *, people: list[int] | None = None, **columns: str) -> None:
    """Insert ``n`` copies of a row; ``columns`` gives SQL over ``n`` for what must differ."""
    meta = apps.get_model(model)._meta
    names = [f.column for f in meta.concrete_fields if f.column != "id"]
    if "public_id" in names:
        prefix = apps.get_model(model).objects.values_list("public_id", flat=True).get(pk=pk).partition("_")[0]
        columns.setdefault("public_id", f"'{prefix}_' || lpad(%(salt)s || 'z' || n, 26, '0')")
    picked = ", ".join(f"({columns[name]})" if name in columns else f't."{name}"' for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({listed}) SELECT {picked} FROM {meta.db_table} t, generate_series(1, %(n)s) n WHERE t.id = %(pk)s ORDER BY n",  # our own names
            {"n": n, "pk": pk, "people": people or [], "salt": str(pk)},
        )


def _without_ctes(sql: str) -> str:
    """What a statement with CTEs does in the end: its last INSERT, or the whole of it."""
    at = sql.rfind("INSERT INTO")
    return sql if at < 0 else sql[at:]


if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print(report(run(tuple(int(word) for word in sys.argv[1:]) or SIZES)))
