"""What the people of finance look at before they prepare or release a pay run."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db.models import Count, Q, Sum

from core.money import EXPONENTS, Money
from payments import calendar
from payments.models import AccountBalance, PayRun, PayRunExclusion, PayRunLine
from payments.operations.pay_runs import schedule_of

SHOWN: Final = 200
DIFFERENT: Final = Q(is_new_payee=True) | Q(method_changed=True) | Q(is_unusual=True) | ~Q(held_reason="")


def review_of(run: PayRun) -> dict[str, Any]:
    """Totals, the run before, lines that differ from their expert's last payout, and who is left out and why."""
    lines = run.lines.filter(DIFFERENT).select_related("expert", "payout_method").order_by("-amount_minor")[:SHOWN]
    released = PayRun.objects.filter(currency=run.currency, released_at__isnull=False, pk__lt=run.pk)
    last = released.order_by("-pk").first()
    return {
        "run": run,
        "total": total_of(run),
        "last": last,
        "last_total": total_of(last) if last else None,
        "flags": _flags(run),
        "lines": [(line, Money(line.amount_minor, run.currency), _previous(line, run)) for line in lines],
        "exclusions": _exclusions(run),
        "negatives": AccountBalance.objects.filter(
            account__kind="expert_payable", account__currency=run.currency, balance__lt=0
        ).count(),
    }


def owed_by_currency(*, now: dt.datetime) -> list[dict[str, Any]]:
    """What experts are owed in each currency, and when a run prepared now would pay."""
    owed = AccountBalance.objects.filter(
        account__kind="expert_payable", account__detail="", balance__gt=0, account__currency__in=EXPONENTS
    )
    rows = owed.values("account__currency").annotate(n=Count("pk"), total=Sum("balance")).order_by("account__currency")
    return [_line(row["account__currency"], row["n"], row["total"], now=now) for row in rows]


def total_of(run: PayRun) -> Money:
    """What the run pays."""
    return Money(run.total_minor, run.currency)


def _line(currency: str, people: int, minor: int, *, now: dt.datetime) -> dict[str, Any]:
    schedule = schedule_of(currency)
    cutoff = calendar.last_cutoff(schedule, now)
    return {
        "currency": currency,
        "people": people,
        "owed": Money(minor, currency),
        "cutoff": cutoff,
        "pays_on": calendar.payday(schedule, cutoff),
    }


def _flags(run: PayRun) -> dict[str, int]:
    return run.lines.aggregate(
        new=Count("pk", filter=Q(is_new_payee=True)),
        changed=Count("pk", filter=Q(method_changed=True)),
        unusual=Count("pk", filter=Q(is_unusual=True)),
        held=Count("pk", filter=~Q(held_reason="")),
    )


def _previous(line: PayRunLine, run: PayRun) -> Money | None:
    return None if line.previous_minor is None else Money(line.previous_minor, run.currency)


def _exclusions(run: PayRun) -> list[tuple[Any, int, Money]]:
    rows = run.exclusions.values("reason").annotate(n=Count("pk"), total=Sum("amount_minor")).order_by("reason")
    return [(PayRunExclusion.Reason(row["reason"]).label, row["n"], Money(row["total"], run.currency)) for row in rows]
