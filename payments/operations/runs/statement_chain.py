"""Statements of an account as a chain: each opens where the one before closed, and adds up."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Final

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from core.money import Money
from payments.models import BankStatement, ProviderEntry, ReconciliationItem
from payments.operations.bank import reconciliation
from payments.operations.bank.reconciliation import Kind
from payments.queries import cash_position

LOOK_BACK: Final = 40
"""So many statements are looked at again: an older gap has its item."""


def check(*, provider: str, currency: str, now: dt.datetime) -> None:
    """Raise what does not hold, and resolve what holds now because a missing statement came."""
    rows = BankStatement.objects.filter(provider=provider, currency=currency).order_by("-day")[: LOOK_BACK + 1]
    chain = list(rows)[::-1]
    if not chain:
        return
    if len(chain) <= LOOK_BACK:
        _opening(chain[0], now)
    for former, statement in pairwise(chain):
        _follows(former, statement, now)
    for statement in chain:
        _adds_up(statement)


def first_day(*, provider: str, currency: str) -> dt.date | None:
    """The day of the first statement; what we posted before it is in its opening balance."""
    first = BankStatement.objects.filter(provider=provider, currency=currency).order_by("day").first()
    return first.day if first else None


def _opening(first: BankStatement, now: dt.datetime) -> None:
    """The first statement's opening balance is in our books, or a person takes it over."""
    reference = f"{first.statement_id}:opening"
    earlier = _open_items(first, Kind.OPENING_BALANCE).exclude(reference=reference)
    reconciliation.resolved(earlier, now=now)
    taken = ProviderEntry.objects.filter(
        provider=first.provider, currency=first.currency, kind=ProviderEntry.Kind.OPENING
    ).aggregate(total=Sum("amount_minor"))["total"]
    ours = cash_position.covered(provider=first.provider, currency=first.currency, first=first.day) + (taken or 0)
    if ours == first.opening_minor:
        reconciliation.resolved(_open_items(first, Kind.OPENING_BALANCE), now=now)
        return
    text = _("It opens with %(bank)s, our books with %(ours)s.") % {
        "bank": Money(first.opening_minor, first.currency),
        "ours": Money(ours, first.currency),
    }
    _raise(first, Kind.OPENING_BALANCE, reference, first.opening_minor - ours, text)


def _follows(former: BankStatement, statement: BankStatement, now: dt.datetime) -> None:
    reference = f"{statement.statement_id}:before"
    difference = statement.opening_minor - former.closing_minor
    if not difference and _counts_on(former, statement):
        reconciliation.resolved(_open_items(statement, Kind.STATEMENT_GAP, reference), now=now)
        return
    text = _(
        "Number %(former)s of %(day)s closes with %(closing)s; this one, number %(number)s, opens with %(opening)s."
    )
    figures = {
        "former": former.number,
        "day": former.day,
        "closing": Money(former.closing_minor, former.currency),
        "number": statement.number,
        "opening": Money(statement.opening_minor, statement.currency),
    }
    _raise(statement, Kind.STATEMENT_GAP, reference, difference, text % figures)


def _counts_on(former: BankStatement, statement: BankStatement) -> bool:
    """Numbers rise by one; many banks begin anew each year, some do not count."""
    if former.number is None or statement.number is None:
        return True
    anew = statement.number == 1 and statement.day.year > former.day.year
    return anew or statement.number == former.number + 1


def _adds_up(statement: BankStatement) -> None:
    reference = f"{statement.statement_id}:sum"
    difference = statement.closing_minor - statement.opening_minor - statement.listed_minor
    if not difference:
        return
    told = ProviderEntry.objects.filter(
        provider=statement.provider, currency=statement.currency, booked_on=statement.day, statement=None
    ).exclude(kind=ProviderEntry.Kind.OPENING)
    text = _("Entries are missing from it. Only notified, not listed: %(references)s.")
    names = ", ".join(told.order_by("pk").values_list("reference", flat=True)[:5]) or "–"
    _raise(statement, Kind.STATEMENT_GAP, reference, difference, text % {"references": names})


def _open_items(statement: BankStatement, kind: str, reference: str = "") -> QuerySet[ReconciliationItem]:
    rows = ReconciliationItem.objects.select_for_update(no_key=True, of=("self",)).filter(
        provider=statement.provider, currency=statement.currency, kind=kind, status=ReconciliationItem.Status.OPEN
    )
    return rows.filter(reference=reference[:100]) if reference else rows


def _raise(statement: BankStatement, kind: str, reference: str, amount_minor: int, text: str) -> None:
    """Before people, with the figures of today as long as nobody decided."""
    item = reconciliation.raise_item(
        provider=statement.provider,
        kind=kind,
        reference=reference,
        amount_minor=amount_minor,
        currency=statement.currency,
        day=statement.day,
        detail=text,
    )
    if item.status == ReconciliationItem.Status.OPEN and (item.amount_minor, item.detail) != (amount_minor, text[:300]):
        item.amount_minor, item.detail = amount_minor, text[:300]
        item.save(update_fields=["amount_minor", "detail"])
