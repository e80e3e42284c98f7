"""Whether the legs of the journal sum to zero: all of them every so often, and at each look what was booked since.

To read every leg takes longer with every booking, and the journal's page is opened all day. So the sums of a whole count
are kept with their instant, and whoever looks adds the entries that came after it. The rows themselves are not asked
again before the next whole count, which is therefore dated wherever it is shown; ``ledger_verify`` asks them always.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import connection

from core import scope
from core.money import Money

KEY: Final = "payments.trial_balance"
KEPT: Final = dt.timedelta(minutes=30)
"""Three times the interval of the job that counts: while it does not come, whoever looks counts."""

# All legs of an entry are committed at once: by entries, what was in flight during the count is in it whole, or not.
_ALL = "SELECT currency, sum(amount)::bigint, max(entry_id) FROM payments_posting GROUP BY currency ORDER BY currency"
_SINCE = """
    SELECT currency, sum(amount)::bigint FROM payments_posting WHERE entry_id > %(through)s GROUP BY currency
    UNION ALL SELECT '', max(entry_id) FROM payments_posting
"""


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The sums of all legs by currency, in minor units; those up to the entry ``through`` were read at ``at``."""

    sums: dict[str, int]
    through: int
    at: dt.datetime

    @property
    def broken(self) -> list[Money]:
        """What is not zero."""
        return [Money(minor, currency) for currency, minor in self.sums.items() if minor]


def count(*, now: dt.datetime) -> TrialBalance:
    """Read every leg, and keep what they come to for those who look."""
    rows = _rows(_ALL)
    counted = TrialBalance({row[0]: row[1] for row in rows}, max((row[2] for row in rows), default=0), now)
    cache.set(KEY, (counted.sums, counted.through, counted.at), KEPT.total_seconds())
    return counted


def latest(*, now: dt.datetime) -> TrialBalance:
    """The last whole count with what was booked after it; counts anew where there is none, or of another journal."""
    kept = cache.get(KEY)
    if kept is None:
        return count(now=now)
    sums, through, at = kept
    since = dict(_rows(_SINCE, through=through))
    if (since.pop("") or 0) < through:  # a backup was restored
        return count(now=now)
    currencies = sorted({*sums, *since})
    return TrialBalance({name: sums.get(name, 0) + since.get(name, 0) for name in currencies}, through, at)


def _rows(query: str, **values: int) -> list[tuple[Any, ...]]:
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
