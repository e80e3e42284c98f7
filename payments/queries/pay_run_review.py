"""What the people of finance look at before they prepare or release a pay run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.money import EXPONENTS, Money
from payments import calendar
from payments.models import AccountBalance, PayRun, PayRunExclusion, PayRunLine
from payments.paydays import payday_of, schedule_of

PAGE: Final = 50

KINDS: Final[dict[str, tuple[Promise, Q]]] = {
    "new": (_("New payees"), Q(is_new_payee=True)),
    "method": (_("Changed accounts"), Q(method_changed=True)),
    "amount": (_("Over twice the last payout"), Q(is_unusual=True)),
    "hours": (_("Unusual hours"), Q(unusual_hours=True)),
    "netted": (_("Debts netted"), Q(deducted_minor__gt=0)),
    "exchanged": (_("Exchanged into this currency"), Q(exchanged_minor__gt=0)),
    "withheld": (_("Tax withheld"), Q(withheld_minor__gt=0)),
    "held": (_("Held"), ~Q(held_reason="")),
}
"""How a line may differ from what one would expect, by the name in the address."""

# Tax is withheld week after week, which is no difference; the tile leads to it all the same.
DIFFERENT: Final = reduce(or_, (picked for name, (_label, picked) in KINDS.items() if name != "withheld"))


@dataclass(frozen=True, slots=True)
class Tile:
    """A kind of difference: how many lines have it, and what they come to."""

    name: str
    label: str | Promise
    count: int
    total: Money | None

    @property
    def is_quiet(self) -> bool:
        """Nothing to look at."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list with its amounts."""

    line: PayRunLine
    amount: Money
    previous: Money | None
    withheld: Money | None
    deducted: Money | None
    exchanged: Money | None

    @property
    def hours(self) -> str:
        """Hours in it, and the usual week beside them."""
        if not self.line.seconds:
            return "–"
        usual = "" if self.line.usual_seconds is None else f" ({self.line.usual_seconds / 3600:.1f})"
        return f"{self.line.seconds / 3600:.1f}{usual}"


def review_of(run: PayRun, *, show: str = "", search: str = "", page: int | str = 1) -> dict[str, Any]:
    """Totals, how they differ from the run before, and one page of the lines that ``show`` and ``search`` pick.

    ``show`` is a name of KINDS, "all", "dropped" or "left_out"; without it all lines that differ. The number of
    queries does not depend on the number of lines.
    """
    last = _before(run)
    chosen: Page[Any] = Paginator(_rows(run, last, show, search), PAGE).get_page(page)
    return {
        "run": run,
        "total": total_of(run),
        "last": last,
        "more": Money(run.total_minor - last.total_minor, run.currency) if last else None,
        "tiles": _tiles(run, last),
        "providers": _providers(run),
        "show": show,
        "search": search,
        "page": chosen,
        "rows": [_row(line, run) for line in chosen] if _is_lines(show) else [],
        "others": [] if _is_lines(show) else [(row, Money(row.amount_minor, run.currency)) for row in chosen],
        "exclusions": _exclusions(run),
    }


def _is_lines(show: str) -> bool:
    return show not in {"dropped", "left_out"}


def _before(run: PayRun) -> PayRun | None:
    released = PayRun.objects.filter(currency=run.currency, released_at__isnull=False, pk__lt=run.pk)
    return released.order_by("-pk").first()


def _rows(run: PayRun, last: PayRun | None, show: str, search: str) -> QuerySet[Any]:
    found: QuerySet[Any]
    if show == "dropped":
        found = _dropped(run, last)
    elif show == "left_out":
        found = run.exclusions.select_related("expert").order_by("amount_minor")
    else:
        picked = Q() if show == "all" else KINDS[show][1] if show in KINDS else DIFFERENT
        found = run.lines.filter(picked).select_related("expert", "payout_method", "held_by").order_by("-amount_minor")
    if search:
        found = found.filter(Q(expert__public_id=search) | Q(expert__legal_name__icontains=search))
    return found


def _dropped(run: PayRun, last: PayRun | None) -> QuerySet[PayRunLine]:
    """Lines of the last run whose experts are not in this one."""
    if last is None:
        return PayRunLine.objects.none()
    gone = last.lines.filter(held_reason="").exclude(expert__in=run.lines.values("expert"))
    return gone.select_related("expert", "payout_method").order_by("-amount_minor")


def _tiles(run: PayRun, last: PayRun | None) -> list[Tile]:
    wanted: dict[str, Any] = {}
    for name, (_label, picked) in KINDS.items():
        measured = {"withheld": "withheld_minor", "netted": "deducted_minor", "exchanged": "exchanged_minor"}.get(
            name, "amount_minor"
        )
        wanted |= {name: Count("pk", filter=picked), f"{name}_sum": Coalesce(Sum(measured, filter=picked), 0)}
    found = run.lines.aggregate(**wanted)
    tiles = [
        Tile(name, label, found[name], Money(found[f"{name}_sum"], run.currency))
        for name, (label, _picked) in KINDS.items()
    ]
    gone = _dropped(run, last).order_by().aggregate(n=Count("pk"), total=Coalesce(Sum("amount_minor"), 0))
    return [*tiles, Tile("dropped", _("Paid last time, not now"), gone["n"], Money(gone["total"], run.currency))]


def _providers(run: PayRun) -> list[tuple[str, int, Money, Money]]:
    lines = run.lines.filter(held_reason="").values(provider=F("payout_method__provider"))
    rows = lines.annotate(n=Count("pk"), net=Sum("amount_minor"), tax=Sum("withheld_minor")).order_by("provider")
    return [
        (row["provider"], row["n"], Money(row["net"], run.currency), Money(row["tax"], run.currency)) for row in rows
    ]


def _row(line: PayRunLine, run: PayRun) -> Row:
    return Row(
        line=line,
        amount=Money(line.amount_minor, run.currency),
        previous=None if line.previous_minor is None else Money(line.previous_minor, run.currency),
        withheld=Money(line.withheld_minor, run.currency) if line.withheld_minor else None,
        deducted=Money(line.deducted_minor, run.currency) if line.deducted_minor else None,
        exchanged=Money(line.exchanged_minor, run.currency) if line.exchanged_minor else None,
    )


def _exclusions(run: PayRun) -> list[tuple[Any, int, Money]]:
    """Reasons, how many people each leaves out, and what they are owed (below zero: what they owe)."""
    rows = run.exclusions.values("reason").annotate(n=Count("pk"), total=Sum("amount_minor")).order_by("reason")
    return [(PayRunExclusion.Reason(row["reason"]).label, row["n"], Money(row["total"], run.currency)) for row in rows]


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
        "pays_on": payday_of(currency, cutoff),
    }
