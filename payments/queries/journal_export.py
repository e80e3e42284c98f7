"""The journal as CSV, for a period of bookings or from one watermark to the next."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import TextIO

from django.conf import settings

from core import scope
from payments import journal_csv, ledger
from payments.journal_csv import JournalLeg
from payments.models import Posting

_FIELDS = (
    "entry_id", "entry__created_at", "entry__effective_at", "entry__kind", "entry__source_id", "entry__seq",
    "entry__reverses_id", "account__tenant__public_id", "account__expert__public_id", "account__kind",
    "account__detail", "account__key", "currency", "amount",
)  # fmt: skip
_CHUNK = 2000


def write(out: TextIO, *, start: dt.datetime | None = None, end: dt.datetime | None = None, after: int = 0) -> int:
    """Write every leg booked from ``start`` (included) to ``end`` (excluded) after a watermark; returns the new one.

    Nothing will ever appear at or below the watermark that is returned, so exports one after the other miss nothing.
    The last lines are the totals by currency and the watermark.
    """
    sheet = csv.writer(out)
    sheet.writerow(journal_csv.COLUMNS)
    sides: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with scope.as_platform():
        last = ledger.settled_watermark()
        for leg in _legs(start, end, after=after, last=last):
            sheet.writerow(journal_csv.row_of(leg, settings.CHART_OF_ACCOUNTS))
            sides[leg.currency][leg.minor > 0] += abs(leg.minor)
    for currency, (debit, credit) in sorted(sides.items()):
        sheet.writerow(journal_csv.totals_row(currency, debit, credit))
    sheet.writerow(["watermark", last])
    return last


def _legs(start: dt.datetime | None, end: dt.datetime | None, *, after: int, last: int) -> Iterator[JournalLeg]:
    rows = Posting.objects.filter(entry_id__gt=after, entry_id__lte=last)
    if start is not None:
        rows = rows.filter(entry__created_at__gte=start)
    if end is not None:
        rows = rows.filter(entry__created_at__lt=end)
    ordered = rows.order_by("entry_id", "position").values_list(*_FIELDS)
    for row in ordered.iterator(chunk_size=_CHUNK):
        entry, booked, effective, event, source, seq, reverses, lab, expert, *rest = row
        yield JournalLeg(
            entry,
            booked.isoformat(),
            effective.isoformat(),
            event,
            source,
            seq,
            reverses,
            lab or "",
            expert or "",
            *rest,
        )
