"""Which caps bind a stretch of work, and what counts towards each, as they cut hours."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from core import scope
from payments import allowance, working_time
from payments.models import Cap, TimeEntry
from payments.operations.hours import handling


@dataclass(frozen=True, slots=True)
class CapUse:
    """A cap that bounded the entry, and what its day, week, activity or item holds in all. Seconds."""

    cap: str
    limit: int
    used: int


def caps_of(entry: TimeEntry) -> list[CapUse]:
    """Every cap that binds the entry's activity, with what counts towards it today. Snapshot and claim are joined."""
    terms = entry.snapshot
    activity = allowance.terms_of(terms.pay_policy, entry.activity)
    if not activity.is_paid:
        return []
    live = TimeEntry.objects.live().filter(contract=entry.contract_id)
    week = live.filter(iso_week=entry.iso_week)
    bounds = [
        (Cap.DAY, terms.day_cap_seconds, live.filter(local_day=entry.local_day)),
        (Cap.WEEK, terms.week_cap_seconds, week),
        (Cap.ACTIVITY, activity.cap_seconds, week.filter(activity=entry.activity)),
    ]
    if entry.claim is not None:
        bounds.append((Cap.HANDLING, handling.allowed_on(entry.claim, terms), handling.counted_on(entry.claim)))
    of_contract = [
        CapUse(cap.value, limit, rows.aggregate(total=Sum("seconds"))["total"] or 0)
        for cap, limit, rows in bounds
        if limit is not None
    ]
    return [*of_contract, *_by_country(entry)]


def _by_country(entry: TimeEntry) -> list[CapUse]:
    """The limits of where the expert lives, which all his work counts towards, for whichever lab."""
    limit = working_time.limit_for(entry.expert.country, entry.local_day)
    if limit is None:
        return []
    his = TimeEntry.objects.live().filter(expert=entry.expert_id)
    bounds = (
        (Cap.COUNTRY_DAY, limit.day_seconds, his.filter(local_day=entry.local_day)),
        (Cap.COUNTRY_WEEK, limit.week_seconds, his.filter(iso_week=entry.iso_week)),
    )
    with scope.as_platform():
        return [
            CapUse(cap.value, seconds, rows.worked_seconds()) for cap, seconds, rows in bounds if seconds is not None
        ]
