"""How much room a contract's caps leave; read under the expert's lock, so that it is true until the commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.durations import format_duration, in_words
from core.problems import Conflict, Remedy
from experts import public as experts
from marketplace.public import Contract, RateSnapshot
from payments import allowance, timekeeping, working_time
from payments.allowance import Room
from payments.models import Cap, TimeEntry

_Bucket: TypeAlias = tuple[tuple[str, str | dt.date], ...]


class CapExceeded(Conflict):
    """A cap leaves no room for this time.

    `cap` names it: the contract's for a day, a week (both by the expert's own calendar) or an activity; the limit of
    the expert's country for a day or a week, for all labs together; or the daily limit that he set himself.
    `available` is what it still leaves. A timer that is running already is never cut off: what it measures over a cap
    is kept as an overage, which the lab has to decide.
    """

    code = "cap_exceeded"
    title = gettext_lazy("A cap leaves no room for this time")
    example_members: ClassVar[Mapping[str, Any]] = {"cap": "day", "available": "PT15M"}


class Tally:
    """Seconds by day, week, and activity in a week: what is stored, plus what a step adds.

    A contract's caps count its billable seconds; the limits of a country count all work of the expert, for any lab.
    """

    def __init__(
        self, contract: Contract, *, running_until: dt.datetime | None = None, without: int | None = None
    ) -> None:
        """``running_until`` counts a running timer up to an instant; ``without`` leaves one entry out."""
        self._contract_id = contract.pk
        self._expert = contract.expert
        self._running_until = running_until
        self._without = without
        self._counts: dict[_Bucket, int] = {}
        self._worked: dict[_Bucket, int] = {}

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
                *self._by_country(day, by_day, by_week),
            )
        )

    def require_own_limit(self, *, day: dt.date) -> None:
        """Raise CapExceeded when the expert has worked as long on a day as he wants to, for any lab."""
        limit = experts.daily_limit(expert_id=self._expert.pk)
        by_day, _by_week, _by_activity = _buckets(day, "")
        room = allowance.room_under(Cap.OWN_DAY, limit, self._all_work(by_day))
        remedy = Remedy(text=_("Raise your daily limit."), href="/api/v1/expert/availability")
        require(room, remedy=remedy)

    def add(self, *, day: dt.date, activity: str, seconds: int) -> None:
        """Count seconds that are about to be written."""
        by_day, by_week, by_activity = _buckets(day, activity)
        for bucket in (by_day, by_week, by_activity):
            self._counts[bucket] = self._used(bucket) + seconds
        for bucket in (by_day, by_week):
            self._worked[bucket] = self._all_work(bucket) + seconds

    def _used(self, bucket: _Bucket) -> int:
        if bucket not in self._counts:
            entries = TimeEntry.objects.live().filter(contract=self._contract_id, **dict(bucket))
            stored = entries.exclude(pk=self._without or 0).aggregate(total=Sum("seconds"))["total"] or 0
            self._counts[bucket] = stored + self._ticking(bucket)
        return self._counts[bucket]

    def _by_country(self, day: dt.date, by_day: _Bucket, by_week: _Bucket) -> tuple[Room | None, ...]:
        limit = working_time.limit_for(self._expert.country, day)
        if limit is None:
            return ()
        return (
            allowance.room_under(Cap.COUNTRY_DAY, limit.day_seconds, self._all_work(by_day)),
            allowance.room_under(Cap.COUNTRY_WEEK, limit.week_seconds, self._all_work(by_week)),
        )

    def _all_work(self, bucket: _Bucket) -> int:
        """What the expert worked for anybody, paid or not, decided or not; unconfirmed minutes are no work yet."""
        if bucket not in self._worked:
            with scope.as_platform():  # other labs' hours count, and no lab sees them
                entries = TimeEntry.objects.live().filter(expert=self._expert.pk, **dict(bucket))
                stored = entries.exclude(pk=self._without or 0).worked_seconds()
                self._worked[bucket] = stored + self._ticking(bucket, expert=self._expert.pk)
        return self._worked[bucket]

    def _ticking(self, bucket: _Bucket, **whose: int) -> int:
        """What a running timer has measured so far: of this contract, or of ``whose``."""
        if self._running_until is None:
            return 0
        timer = TimeEntry.objects.running().filter(**(whose or {"contract": self._contract_id})).first()
        if timer is None or timer.started_at >= self._running_until:
            return 0
        segments = timekeeping.split(timer.started_at, self._running_until, timer.zone)
        return sum(segment.seconds for segment in segments if bucket in _buckets(segment.day, timer.activity))


def _buckets(day: dt.date, activity: str) -> tuple[_Bucket, _Bucket, _Bucket]:
    """What is counted together: the day, the week, and the activity within the week."""
    week = timekeeping.week_of(day)
    return (("local_day", day),), (("iso_week", week),), (("activity", activity), ("iso_week", week))


def require(room: Room | None, *, seconds: int = 1, remedy: Remedy | None = None) -> None:
    """Raise CapExceeded unless the room holds that many seconds."""
    if room is not None and seconds > room.seconds:
        raise exceeded(room, remedy=remedy)


def exceeded(room: Room, *, remedy: Remedy | None = None) -> CapExceeded:
    """The refusal that names a cap and what it leaves."""
    detail = _("The %(cap)s leaves %(available)s.") % {"cap": Cap(room.cap).label, "available": in_words(room.seconds)}
    return CapExceeded(detail, cap=room.cap, available=format_duration(room.seconds), remedy=remedy)
