"""Statements of any account between two watermarks: opening, movements, closing.

A watermark is the id of a journal entry. Whoever posts to an account with a balance row holds that row from before the
entry has its id, so the entries of one such account become visible in the order of their ids: what lies at or below a
watermark once read never changes. Accounts of the platform have no row to hold; their watermark comes from
`ledger.settled_watermark`, which waits until nobody is writing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.db.models import Max, Sum
from django.db.models.query import QuerySet

from core import scope
from core.money import Money
from payments import ledger
from payments.accounts import AccountKey
from payments.models import Account, AccountBalance, Posting

LINES: Final = 200


@dataclass(frozen=True, slots=True)
class Movement:
    """One leg on the account. ``minor`` has the account's sign: credit is positive."""

    entry: int
    at: dt.datetime
    kind: str
    source: str
    minor: int


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """``opening_minor`` and all movements come to ``closing_minor``.

    ``since`` is excluded, ``until`` included; a full page stops at its own last entry, before ``end``, which was asked.
    """

    currency: str
    since: int
    until: int
    opening_minor: int
    closing_minor: int
    movements: list[Movement]
    end: int

    @property
    def more(self) -> bool:
        """Whether there is a page after this one, up to ``end``."""
        return self.until < self.end


def statement(
    *,
    key: AccountKey,
    since: int = 0,
    until: int | None = None,
    at: dt.datetime | None = None,
    limit: int = LINES,
) -> AccountStatement:
    """The account from ``since`` up to ``until``, or to the last entry written by the instant ``at``, or to now.

    The answer names the watermark it ends at: asked with that again, it is the same for ever.
    """
    with scope.as_platform():
        account = Account.objects.filter(key=key.text).first()
        if account is None:
            return AccountStatement(key.currency, since, max(since, until or 0), 0, 0, [], max(since, until or 0))
        legs = Posting.objects.filter(account=account)
        last = _last(legs, account, until=until, at=at)
        # One more than is shown tells whether there is another page. An entry has one leg an account.
        rows = list(
            legs.filter(entry_id__gt=since, entry_id__lte=last)
            .select_related("entry")
            .order_by("entry_id")[: limit + 1]
        )
        opening = _sum(legs.filter(entry_id__lte=min(since, last)))
    is_full, rows = len(rows) > limit, rows[:limit]
    movements = [
        Movement(leg.entry_id, leg.entry.effective_at, leg.entry.kind, leg.entry.source_id, leg.amount) for leg in rows
    ]
    return AccountStatement(
        currency=key.currency,
        since=since,
        until=rows[-1].entry_id if is_full else max(last, since),
        opening_minor=opening,
        closing_minor=opening + sum(movement.minor for movement in movements),
        movements=movements,
        end=max(last, since),
    )


def balance_of(account: Account) -> Money:
    """What is on the account now: read from its balance row, else summed from its legs."""
    with scope.as_platform():
        row = AccountBalance.objects.filter(account=account).values_list("balance", flat=True).first()
        return Money(_sum(account.postings.all()) if row is None else row, account.currency)


def _last(legs: QuerySet[Posting], account: Account, *, until: int | None, at: dt.datetime | None) -> int:
    if not AccountBalance.objects.filter(account=account).exists():
        settled = ledger.settled_watermark()
        until = settled if until is None else min(until, settled)
    if at is not None:
        legs = legs.filter(entry__created_at__lte=at)
    if until is not None:
        legs = legs.filter(entry_id__lte=until)
    return int(legs.aggregate(last=Max("entry_id"))["last"] or 0)


def _sum(legs: QuerySet[Posting]) -> int:
    return int(legs.aggregate(total=Sum("amount"))["total"] or 0)
