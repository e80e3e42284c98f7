"""Where the money stands: what we owe and own by currency, how old it is, what waits, and what the next runs pay."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Min, OuterRef, Subquery, Sum
from django.utils.translation import gettext as _

from core import scope
from core.money import Money
from payments import calendar
from payments.models import Account, DayClose, Payout, PayRunExclusion, ReconciliationItem
from payments.operations.runs import pay_run_calculation
from payments.paydays import payday_of, schedule_of

AGES: Final = (7, 30, 90)
"""Upper ends, in days, of the buckets of age; the last bucket is open."""

# Cash and receivables are ours and therefore negative. Experts' pay and fees of sandboxes are nothing real.
_POSITIONS = """
    SELECT currency, kind, pretended,
        COALESCE(sum(amount) FILTER (WHERE amount > 0), 0)::bigint AS credit,
        COALESCE(sum(amount) FILTER (WHERE amount < 0), 0)::bigint AS debit
    FROM (
        SELECT a.currency, a.kind, a.detail = 'sandbox' AND a.kind <> 'cash' AS pretended,
            COALESCE(b.balance, legs.amount, 0) AS amount
        FROM payments_account a
        LEFT JOIN payments_accountbalance b ON b.account_id = a.id
        LEFT JOIN LATERAL (
            SELECT sum(amount)::bigint AS amount FROM payments_posting WHERE account_id = a.id AND b.account_id IS NULL
        ) legs ON true
    ) accounts WHERE amount <> 0
    GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
"""

# Payments take the oldest pay first, so what is owed is the latest credits, up to the balance.
_AGES = """
    WITH owed AS (
        SELECT a.id, a.currency, b.balance
        FROM payments_account a JOIN payments_accountbalance b ON b.account_id = a.id
        WHERE a.kind = 'expert_payable' AND a.detail = '' AND b.balance > 0
    ), credits AS (
        SELECT owed.id, owed.currency, owed.balance, e.effective_at, p.amount,
            sum(p.amount) OVER (PARTITION BY owed.id ORDER BY e.effective_at DESC, p.id DESC) - p.amount AS later
        FROM owed JOIN payments_posting p ON p.account_id = owed.id AND p.amount > 0
        JOIN payments_journalentry e ON e.id = p.entry_id
    ), open AS (
        SELECT currency, effective_at, least(amount, balance - later) AS amount FROM credits WHERE later < balance
    )
    SELECT currency, width_bucket(extract(epoch FROM %(now)s - effective_at) / 86400, %(ages)s::numeric[]) AS age,
        sum(amount)::bigint, count(*)
    FROM open GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Position:
    """One kind of account in one currency: everything we owe on it, and everything owed to us."""

    kind: str
    label: str
    we_owe: Money
    we_own: Money


@dataclass(frozen=True, slots=True)
class NextRun:
    """What the next regular run of a currency would do if nothing else happened until its cutoff."""

    currency: str
    cutoff: dt.datetime
    pays_on: dt.date
    people: int
    total: Money
    left_out: list[tuple[str, int, Money]]


def positions() -> dict[str, list[Position]]:
    """All accounts by currency and kind; both columns are positive, and each currency's sums are equal."""
    found: dict[str, list[Position]] = {}
    labels = dict(Account.Kind.choices)
    for currency, kind, pretended, credit, debit in _rows(_POSITIONS, {}):
        label = str(labels.get(kind, kind))
        name = _("%(account)s (sandbox)") % {"account": label} if pretended else label
        line = Position(kind, name, Money(credit, currency), Money(-debit, currency))
        found.setdefault(currency, []).append(line)
    return found


def ages(*, now: dt.datetime) -> dict[str, list[Money]]:
    """What experts are owed by currency, in buckets of ``AGES`` days since it was earned."""
    found: dict[str, list[Money]] = {}
    for currency, bucket, minor, _credits in _rows(_AGES, {"now": now, "ages": list(AGES)}):
        row = found.setdefault(currency, [Money(0, currency)] * (len(AGES) + 1))
        row[bucket] += Money(minor, currency)
    return found


def next_runs(*, currencies: list[str], now: dt.datetime) -> list[NextRun]:
    """The forecast of each currency's next regular run."""
    return [_next_run(currency, now=now) for currency in currencies]


def payouts_to_look_at() -> list[dict[str, Any]]:
    """Payouts that came to no good end, or wait for somebody, by status and currency."""
    troubled = (Payout.Status.FAILED, Payout.Status.RETURNED, Payout.Status.ON_HOLD, Payout.Status.UNKNOWN)
    rows = (
        Payout.objects.filter(status__in=troubled)
        .values("status", "currency")
        .annotate(n=Count("pk"), total=Sum("amount_minor"), oldest=Min("created_at"))
        .order_by("status", "currency")
    )
    return [
        {**row, "label": Payout.Status(row["status"]).label, "total": Money(int(row["total"]), row["currency"])}
        for row in rows
    ]


def differences() -> list[dict[str, Any]]:
    """What providers' books and ours do not agree about and nobody decided, by provider, kind and currency."""
    rows = (
        ReconciliationItem.objects.filter(status=ReconciliationItem.Status.OPEN)
        .values("provider", "kind", "currency")
        .annotate(n=Count("pk"), total=Sum("amount_minor"), oldest=Min("day"))
        .order_by("oldest", "provider", "kind", "currency")
    )
    return [
        {**row, "label": ReconciliationItem.Kind(row["kind"]).label, "total": Money(int(row["total"]), row["currency"])}
        for row in rows
    ]


def open_days() -> list[dict[str, Any]]:
    """Days that do not close, by provider and currency: how many, and what stands in the way of the first."""
    first = DayClose.objects.filter(
        provider=OuterRef("provider"), currency=OuterRef("currency"), status=DayClose.Status.OPEN
    ).order_by("day")
    rows = (
        DayClose.objects.filter(status=DayClose.Status.OPEN)
        .values("provider", "currency")
        .annotate(n=Count("pk"), oldest=Min("day"), obstacle=Subquery(first.values("obstacle")[:1]))
        .order_by("oldest", "provider", "currency")
    )
    return [dict(row) for row in rows]


def _next_run(currency: str, *, now: dt.datetime) -> NextRun:
    schedule = schedule_of(currency)
    cutoff = calendar.next_cutoff(schedule, now)
    found = pay_run_calculation.forecast(currency=currency, cutoff=cutoff, now=now)
    paid = next((line for line in found if not line.reason), None)
    return NextRun(
        currency=currency,
        cutoff=cutoff,
        pays_on=payday_of(currency, cutoff),
        people=paid.people if paid else 0,
        total=Money(paid.amount_minor if paid else 0, currency),
        left_out=[
            (str(PayRunExclusion.Reason(line.reason).label), line.people, Money(line.amount_minor, currency))
            for line in found
            if line.reason
        ],
    )


def _rows(query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
