"""The handling-time cap per item, applied when a week is handed in: what exceeds it waits for somebody's decision."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from django.conf import settings
from django.db.models import Sum

from marketplace.public import RateSnapshot
from payments import allowance
from payments.models import Cap, TimeEntry, Timesheet
from payments.models.time_entry import TimeEntryQuerySet
from payments.operations.hours import cuts, overages
from tasks.public import Claim

# Work in flight counts as an item: whether it was handed in a minute before or after the week cannot change its pay.
# Accepted, rejected or sent back does not matter at all.
COUNTED = (Claim.Status.ACTIVE, Claim.Status.SUBMITTED)


def apply(*, timesheet: Timesheet, now: dt.datetime) -> None:
    """Cut what a week's claims took beyond items x cap into overages. Activities without items have none."""
    entries = (
        timesheet.entries.filter(
            # Time over another cap is decided once, by whoever decides that overage: it is neither held a second time
            # nor, since it may be decided before or after the week is handed in, counted against the items' room.
            status=TimeEntry.Status.STOPPED,
            seconds__gt=0,
            claim__isnull=False,
            overage__isnull=True,
        )
        .select_for_update(no_key=True, of=("self",))
        .select_related("claim", "snapshot", "expert")
        .order_by("claim_id", "pk")
    )
    for _claim_id, group in groupby(entries, key=attrgetter("claim_id")):
        _apply_to_claim(sorted(group, key=attrgetter("started_at")), now=now)


def allowed_on(claim: Claim, snapshot: RateSnapshot) -> int | None:
    """The seconds that a claim's item may take, tolerance included; None where nothing caps it."""
    cap = claim.aht_cap_seconds if claim.aht_cap_seconds is not None else snapshot.aht_cap_seconds
    if cap is None:
        return None
    items = 1 if claim.status in COUNTED else 0
    return allowance.handling_allowance(items, cap, settings.HANDLING_TOLERANCE_BP)


def counted_on(claim: Claim) -> TimeEntryQuerySet:
    """What counts towards it: time over another cap does not, however it is decided."""
    return TimeEntry.objects.live().filter(claim=claim, overage__isnull=True)


def _apply_to_claim(entries: list[TimeEntry], *, now: dt.datetime) -> None:
    claim = entries[0].claim
    allowed = allowed_on(claim, entries[0].snapshot) if claim else None
    if claim is None or allowed is None:
        return
    room = max(0, allowed - _counted_elsewhere(claim, entries))
    for entry in entries:
        keep = min(entry.seconds, room)
        room -= keep
        if keep < entry.seconds:
            _hold(entry if keep == 0 else cuts.cut(entry, keep=keep, now=now), now=now)


def _counted_elsewhere(claim: Claim, entries: Iterable[TimeEntry]) -> int:
    others = counted_on(claim).exclude(pk__in=[entry.pk for entry in entries])
    return others.aggregate(total=Sum("seconds"))["total"] or 0


def _hold(entry: TimeEntry, *, now: dt.datetime) -> None:
    entry.overage_seconds, entry.seconds = entry.seconds, 0
    entry.save(update_fields=["seconds", "overage_seconds"])
    overages.open_for(entry=entry, cap=Cap.HANDLING, now=now)
