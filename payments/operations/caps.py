"""How much room a contract's caps leave; read under the expert's lock, so that it is true until the commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.durations import format_duration
from core.problems import Conflict
from marketplace.public import RateSnapshot
from payments import allowance, timekeeping
from payments.allowance import Room
from payments.models import Cap, TimeEntry

_Bucket: TypeAlias = tuple[tuple[str, str | dt.date], ...]


class CapExceeded(Conflict):
    """A cap of the contract leaves no room for this time.

    `cap` names it: the day's, the week's (both by the expert's own calendar), or that of the activity. `available`
    is what it still leaves. A timer that is running already is never cut off: what it measures over a cap is kept as
    an overage, which the lab has to decide.
    """

    code = "cap_exceeded"
    title = gettext_lazy("A cap leaves no room for this time")
    example_members: ClassVar[Mapping[str, Any]] = {"cap": "day", "available": "PT15M"}


class Tally:
    """Billable seconds of one contract by day, week, and activity in a week: what is stored, plus what a step adds."""

    def __init__(
        self, contract_id: int, *, running_until: dt.datetime | None = None, without: int | None = None
    ) -> None:
        """``running_until`` counts a running timer up to an instant; ``without`` leaves one entry out."""
        self._contract_id = contract_id
        self._running_until = running_until
        self._without = without
        self._counts: dict[_Bucket, int] = {}

    def narrowest(self, *, snapshot: RateSnapshot, day: dt.date, activity: str) -> Room | None:
        """The cap that binds first on a day; None for an activity without caps (an unpaid one)."""
        terms = allowance.terms_of(snapshot.pay_policy, activity)
        if not terms.is_paid:
            return None
        by_day, by_week, by_activity = _buckets(day, activity)
        return allowance.narrowest(
            (
                allowance.room_under(Cap.DAY, snapshot.day_cap_seconds, self._used(by_day)),
                allowance.room_under(Cap.WEEK, snapshot.week_cap_seconds, self._used(by_week)),
                allowance.room_under(Cap.ACTIVITY, terms.cap_seconds, self._used(by_activity)),
            )
        )

    def add(self, *, day: dt.date, activity: str, seconds: int) -> None:
        """Count seconds that are about to be written."""
        for bucket in _buckets(day, activity):
            self._counts[bucket] = self._used(bucket) + seconds

    def _used(self, bucket: _Bucket) -> int:
        if bucket not in self._counts:
            entries = TimeEntry.objects.live().filter(contract=self._contract_id, **dict(bucket))
            stored = entries.exclude(pk=self._without or 0).aggregate(total=Sum("seconds"))["total"] or 0
            self._counts[bucket] = stored + self._ticking(bucket)
        return self._counts[bucket]

    def _ticking(self, bucket: _Bucket) -> int:
        """What a running timer of this contract has measured so far."""
        if self._running_until is None:
            return 0
        timer = TimeEntry.objects.running().filter(contract=self._contract_id).first()
        if timer is None or timer.started_at >= self._running_until:
            return 0
        segments = timekeeping.split(timer.started_at, self._running_until, timer.zone)
        return sum(segment.seconds for segment in segments if bucket in _buckets(segment.day, timer.activity))


def _buckets(day: dt.date, activity: str) -> tuple[_Bucket, _Bucket, _Bucket]:
    """What is counted together: the day, the week, and the activity within the week."""
    week = timekeeping.week_of(day)
    return (("local_day", day),), (("iso_week", week),), (("activity", activity), ("iso_week", week))


def require(room: Room | None, *, seconds: int = 1) -> None:
    """Raise CapExceeded unless the room holds that many seconds."""
    if room is not None and seconds > room.seconds:
        raise exceeded(room)


def exceeded(room: Room) -> CapExceeded:
    """The refusal that names a cap and what it leaves."""
    available = format_duration(room.seconds)
    detail = _("The %(cap)s leaves %(available)s.") % {"cap": Cap(room.cap).label, "available": available}
    return CapExceeded(detail, cap=room.cap, available=available)
