"""Closing days: in order, by itself as soon as nothing is open and both sides are equal, and never opened again."""

from __future__ import annotations

import datetime as dt
from typing import Final

import structlog
from django.conf import settings
from django.db.models import Max, Min, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import states
from core.money import Money
from payments.models import BankStatement, DayClose, ProviderEntry, ReconciliationItem
from payments.operations.bank import reconciliation
from payments.operations.bank.reconciliation import Kind
from payments.operations.runs import statement_chain
from payments.queries import cash_position
from payments.queries.cash_position import Missing, Position

DAY: Final = dt.timedelta(days=1)
MOST_DAYS: Final = 400
log = structlog.get_logger(__name__)


def close_days(*, provider: str, currency: str, heard: dt.datetime, now: dt.datetime) -> int:
    """Close every day of an account that can be closed, the oldest first; how many were.

    ``heard`` is up to when a provider without statements was asked about everything that it settled.
    """
    closed = 0
    untold = [] if _has_statements(provider, currency) else _untold(provider, currency, heard)
    for day, statement in _days(provider, currency, heard):
        waiting = [one for one in untold if one.day <= day]
        if not _close(provider, currency, day, statement, waiting, now):
            break
        closed += 1
    return closed


def find_missing(*, provider: str, currency: str, heard: dt.datetime, now: dt.datetime) -> None:
    """Raise postings that the provider does not show though it had days to; resolve those it shows now."""
    first = _first_day(provider, currency)
    if first is None:
        return
    upto = (heard - dt.timedelta(days=settings.RECONCILE_GRACE_DAYS)).date()
    missing = cash_position.missing_there(
        provider=provider, currency=currency, first=first, upto=upto, has_statements=_has_statements(provider, currency)
    )
    for one in missing:
        reconciliation.raise_item(
            provider=provider,
            kind=Kind.MISSING_THERE,
            reference=f"{one.kind}:{one.source_id}:{one.entry_id}",
            amount_minor=one.minor,
            currency=currency,
            day=one.day,
            detail=_("We posted it; the provider shows no such movement."),
            journal_entry_id=one.entry_id,
        )
    rows = ReconciliationItem.objects.select_for_update(no_key=True, of=("self",)).filter(
        provider=provider, currency=currency, kind=Kind.MISSING_THERE, status=ReconciliationItem.Status.OPEN
    )
    reconciliation.resolved(rows.exclude(journal_entry__in=[one.entry_id for one in missing]), now=now)


def accounts_of(provider: str) -> list[str]:
    """The currencies in which a provider ever told us of a movement or a balance."""
    told = ProviderEntry.objects.filter(provider=provider).values_list("currency", flat=True).distinct()
    stated = BankStatement.objects.filter(provider=provider).values_list("currency", flat=True).distinct()
    return sorted({*told, *stated})


def _untold(provider: str, currency: str, heard: dt.datetime) -> list[Missing]:
    """Payouts that we booked and the provider did not tell of, since their accounts could not be heard perhaps.

    It is asked again, until a person decides about them.
    """
    first = _first_day(provider, currency)
    if first is None:
        return []
    missing = cash_position.missing_there(
        provider=provider, currency=currency, first=first, upto=heard.date(), has_statements=False
    )
    payouts = {one.entry_id: one for one in missing if one.kind in cash_position.PAID_OUT}
    decided = ReconciliationItem.objects.filter(kind=Kind.MISSING_THERE, journal_entry__in=payouts)
    decided = decided.exclude(status=ReconciliationItem.Status.OPEN)
    for entry_id in decided.values_list("journal_entry_id", flat=True):
        payouts.pop(entry_id, None)
    return list(payouts.values())


def _days(provider: str, currency: str, heard: dt.datetime) -> list[tuple[dt.date, BankStatement | None]]:
    """Days that are not closed: those with a statement; where the provider gives none, each that was over when heard."""
    last = DayClose.objects.filter(provider=provider, currency=currency, status=DayClose.Status.CLOSED)
    after = last.aggregate(day=Max("day"))["day"]
    if _has_statements(provider, currency):
        rows = BankStatement.objects.filter(provider=provider, currency=currency).order_by("day")
        return [(row.day, row) for row in (rows.filter(day__gt=after) if after else rows)]
    day = after + DAY if after else _first_day(provider, currency)
    days: list[tuple[dt.date, BankStatement | None]] = []
    while day is not None and day < heard.date() and len(days) < MOST_DAYS:
        days.append((day, None))
        day += DAY
    return days


def _close(
    provider: str,
    currency: str,
    day: dt.date,
    statement: BankStatement | None,
    untold: list[Missing],
    now: dt.datetime,
) -> bool:
    rows = DayClose.objects.select_for_update(no_key=True, of=("self",))
    row, _new = rows.get_or_create(provider=provider, currency=currency, day=day, defaults={"created_at": now})
    if row.status == DayClose.Status.CLOSED:
        return True
    _figures(row, statement)
    row.obstacle = _obstacle(row, untold)[:200]
    if not row.obstacle:
        states.move(row, DayClose.Status.CLOSED)
        row.closed_at = now
    row.save()
    return not row.obstacle


def _figures(row: DayClose, statement: BankStatement | None) -> None:
    where = _position(row)
    row.statement = statement
    row.book_minor, row.outstanding_minor, row.late_minor = (
        where.book_minor,
        where.outstanding_minor,
        where.late_minor,
    )
    if statement is not None:
        row.opening_minor, row.closing_minor = statement.opening_minor, statement.closing_minor
        return
    entries = ProviderEntry.objects.filter(provider=row.provider, currency=row.currency)
    row.opening_minor = entries.filter(booked_on__lt=row.day).aggregate(total=Sum("amount_minor"))["total"] or 0
    row.closing_minor = entries.filter(booked_on__lte=row.day).aggregate(total=Sum("amount_minor"))["total"] or 0


def _position(row: DayClose) -> Position:
    return cash_position.position(
        provider=row.provider,
        currency=row.currency,
        day=row.day,
        first=_first_day(row.provider, row.currency) or row.day,
        has_statements=_has_statements(row.provider, row.currency),
    )


def _obstacle(row: DayClose, untold: list[Missing]) -> str:
    """Why the day stays open; "" when it can be closed."""
    waiting = ReconciliationItem.objects.filter(
        provider=row.provider, currency=row.currency, day__lte=row.day, status=ReconciliationItem.Status.OPEN
    ).count()
    if waiting:
        return ngettext("%(count)d item is open.", "%(count)d items are open.", waiting) % {"count": waiting}
    if untold:
        return ngettext(
            "The provider has not told of %(count)d payout yet.",
            "The provider has not told of %(count)d payouts yet.",
            len(untold),
        ) % {"count": len(untold)}
    difference = row.closing_minor - (row.book_minor - row.outstanding_minor + row.late_minor)
    if difference:
        return _("The provider has %(difference)s more than our books say.") % {
            "difference": Money(difference, row.currency)
        }
    return ""


def _has_statements(provider: str, currency: str) -> bool:
    return BankStatement.objects.filter(provider=provider, currency=currency).exists()


def _first_day(provider: str, currency: str) -> dt.date | None:
    stated = statement_chain.first_day(provider=provider, currency=currency)
    if stated is not None:
        return stated
    entries = ProviderEntry.objects.filter(provider=provider, currency=currency)
    first: dt.date | None = entries.aggregate(day=Min("booked_on"))["day"]
    return first
