"""Hours as they are worked: timers, entries by hand, the expert's word about minutes nobody saw."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.durations import format_duration
from core.principal import Principal
from core.problems import Conflict, FieldError, InvalidInput, map_constraint
from experts import public as experts
from marketplace import public as marketplace
from marketplace.public import Contract
from payments import timekeeping
from payments.allowance import Room
from payments.models import Activity, TimeEntry
from payments.models.time_entry import NO_OVERLAP, ONE_RUNNING
from payments.operations import caps, hours_lock, overages, stretches, weeks
from payments.operations.stretches import Work
from payments.timekeeping import Stop
from tasks import public as tasks
from tasks.public import Claim

GRACE: Final = dt.timedelta(minutes=10)
"""How long a running timer may be silent. Clients send a heartbeat every minute or two."""

LONGEST_BY_HAND: Final = dt.timedelta(hours=24)
WITH_CLAIM: Final = frozenset({Activity.TASK, Activity.REWORK, Activity.REVIEW})
BEFORE_ACTIVATION: Final = frozenset({Activity.ONBOARDING, Activity.INSTRUCTIONS, Activity.ASSESSMENT})
_INSTANT: Final = dt.timedelta(microseconds=1)


class Overlap(Conflict):
    """The expert has other time here already: a running timer, or an entry that covers a part of this one.

    Time of one expert never overlaps, whatever the contract or the lab. Stop the running timer, or change the times
    so that they only touch: an entry may start at the very instant at which another one ends.
    """

    code = "overlap"
    title = gettext_lazy("This time overlaps other time")


class NotBillableNow(Conflict):
    """This kind of work cannot be logged on the contract in its present state, or not with this claim.

    A contract in onboarding takes onboarding, instructions and assessment; a paused one standby; an ending one work
    on claims in flight.
    """

    code = "not_billable_now"
    title = gettext_lazy("This work cannot be logged on the contract now")


map_constraint(NO_OVERLAP, Overlap)
map_constraint(ONE_RUNNING, Overlap)


def start(*, contract: Contract, activity: str, claim: Claim | None, by: Principal, now: dt.datetime) -> TimeEntry:
    """Start the one timer of an expert.

    Raises Overlap, CapExceeded, WeekClosed, NotBillableNow, and what the contract itself demands first.
    """
    hours_lock.take(contract.expert_id)
    _require_workable(contract, activity, claim)
    _require_free(contract.expert_id, DateTimeTZRange(now, None))
    snapshot = marketplace.snapshot_at(contract_id=contract.pk, at=now)
    day = timekeeping.local_day(now, contract.zone)
    caps.require(caps.Tally(contract.pk).narrowest(snapshot=snapshot, day=day, activity=activity))
    week = timekeeping.week_of(day)
    entry = TimeEntry.objects.create(
        tenant_id=contract.tenant_id,
        expert_id=contract.expert_id,
        contract=contract,
        snapshot=snapshot,
        timesheet=weeks.sheet_for(contract=contract, week=week, now=now),
        claim=claim,
        activity=activity,
        source=TimeEntry.Source.TIMER,
        status=TimeEntry.Status.RUNNING,
        period=DateTimeTZRange(now, None),
        zone=contract.zone,
        local_day=day,
        iso_week=week,
        last_heartbeat_at=now,
        created_at=now,
    )
    _renew_lease(entry, now=now)
    return entry


def heartbeat(*, entry: TimeEntry, by: Principal, now: dt.datetime) -> TimeEntry:
    """A sign of life from a running timer; renews the lease of its claim.

    One that comes after the grace cannot vouch for the silence before it: it finds the timer stopped.
    Raises InvalidTransition when the timer is not running.
    """
    hours_lock.take(entry.expert_id)
    timer = _running(entry)
    if _is_silent(timer, now=now):
        return _stop_silent(timer, now=now)[0]
    timer.last_heartbeat_at = now
    timer.save(update_fields=["last_heartbeat_at"])
    _renew_lease(timer, now=now)
    return timer


def stop(*, entry: TimeEntry, by: Principal, now: dt.datetime) -> list[TimeEntry]:
    """Stop a timer; never refused. The entries it became, in order: cut at midnight, rate changes, silence and caps.

    Raises InvalidTransition when the timer is not running.
    """
    hours_lock.take(entry.expert_id)
    timer = _running(entry)
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    ended = timekeeping.stop_by_hand(
        started_at=timer.started_at, last_heartbeat_at=heartbeat_at, stopped_at=now, grace=GRACE
    )
    return _finish(timer, ended, now=now)


def stop_silent(*, entry_id: int, now: dt.datetime) -> None:
    """Stop a timer that gave no sign of life for longer than the grace; harmless when it did in the meantime."""
    found = TimeEntry.objects.running().filter(pk=entry_id).first()
    if found is None:
        return
    hours_lock.take(found.expert_id)
    timer = TimeEntry.objects.running().filter(pk=entry_id).select_related("contract", "claim", "expert").first()
    if timer is not None and _is_silent(timer, now=now):
        _stop_silent(timer, now=now)


def log(
    *,
    contract: Contract,
    activity: str,
    claim: Claim | None,
    started_at: dt.datetime,
    ended_at: dt.datetime,
    reason: str,
    by: Principal,
    now: dt.datetime,
) -> list[TimeEntry]:
    """Enter time by hand, with a reason; the entries it became, cut at midnights and rate changes.

    Raises InvalidInput, Overlap, CapExceeded, WeekClosed, NotBillableNow.
    """
    hours_lock.take(contract.expert_id)
    _require_claim(activity, claim)
    _require_past(contract, started_at, ended_at, now=now)
    _require_free(contract.expert_id, DateTimeTZRange(started_at, ended_at))
    work = Work(
        contract=contract,
        activity=activity,
        claim=claim,
        source=TimeEntry.Source.MANUAL,
        started_at=started_at,
        ended_at=ended_at,
        confirmed_until=ended_at,
        reason=reason,
    )
    return _write_by_hand(work, first=None, now=now)


def amend(
    *,
    entry: TimeEntry,
    activity: str | None = None,
    started_at: dt.datetime | None = None,
    ended_at: dt.datetime | None = None,
    reason: str | None = None,
    by: Principal,
    now: dt.datetime,
) -> list[TimeEntry]:
    """Change an entry of an open week: the activity and the reason of any, the times of one entered by hand.

    Raises InvalidInput, Overlap, CapExceeded, WeekClosed, NotBillableNow, InvalidTransition.
    """
    hours_lock.take(entry.expert_id)
    stopped = _stopped(entry)
    period = DateTimeTZRange(started_at or stopped.started_at, ended_at or stopped.ended_at)
    activity = activity or stopped.activity
    if stopped.overage_seconds:
        raise NotBillableNow(_("Time over a cap waits for its decision; it can only be taken back."))
    _require_claim(activity, stopped.claim)
    if period != stopped.period:
        _require_by_hand(stopped)
        _require_past(stopped.contract, period.lower, period.upper, now=now)
        _require_free(stopped.expert_id, period, without=stopped.pk)
    work = Work(
        contract=stopped.contract,
        activity=activity,
        claim=stopped.claim,
        source=stopped.source,
        started_at=period.lower,
        ended_at=period.upper,
        confirmed_until=period.lower if stopped.unconfirmed_seconds else period.upper,
        reason=stopped.reason if reason is None else reason,
        last_heartbeat_at=stopped.last_heartbeat_at,
    )
    return _write_by_hand(work, first=stopped, now=now)


def confirm(*, entry: TimeEntry, reason: str, by: Principal, now: dt.datetime) -> list[TimeEntry]:
    """Vouch for minutes after the last sign of life. They count from now on; over a cap they become an overage.

    Raises InvalidInput, WeekClosed, InvalidTransition.
    """
    hours_lock.take(entry.expert_id)
    stopped = _stopped(entry)
    if not stopped.unconfirmed_seconds or stopped.ended_at is None:
        detail = _("This entry has no unconfirmed minutes.")
        raise InvalidInput(detail, errors=[FieldError("", "nothing_unconfirmed", detail)])
    work = Work(
        contract=stopped.contract,
        activity=stopped.activity,
        claim=stopped.claim,
        source=stopped.source,
        started_at=stopped.started_at,
        ended_at=stopped.ended_at,
        confirmed_until=stopped.ended_at,
        reason=reason,
        last_heartbeat_at=stopped.last_heartbeat_at,
    )
    parts = stretches.pieces(work, tally=caps.Tally(stopped.contract_id))
    return stretches.write(work, parts, first=stopped, now=now)


def void(*, entry: TimeEntry, by: Principal, now: dt.datetime) -> TimeEntry:
    """Take an entry of an open week back; the row stays, void. Raises WeekClosed, InvalidTransition."""
    hours_lock.take(entry.expert_id)
    locked = _locked(entry)
    states.move(locked, TimeEntry.Status.VOID)
    weeks.require_open(locked.timesheet)
    if locked.ended_at is None:
        locked.period = _ended(locked.started_at, now)
    locked.save(update_fields=["status", "period"])
    overages.withdraw(entry=locked, now=now)
    return locked


def _write_by_hand(work: Work, *, first: TimeEntry | None, now: dt.datetime) -> list[TimeEntry]:
    tally = caps.Tally(work.contract.pk, running_until=now, without=first.pk if first else None)
    parts = stretches.pieces(work, tally=tally)
    for before, piece in zip([None, *parts], parts, strict=False):
        if piece.cap:
            same_day = before is not None and before.segment.day == piece.segment.day
            raise caps.exceeded(Room(piece.cap, before.segment.seconds if before and same_day else 0))
    for week in {piece.segment.week for piece in parts}:
        weeks.require_window(contract=work.contract, week=week, now=now)
    return stretches.write(work, parts, first=first, now=now)


def _finish(timer: TimeEntry, ended: Stop, *, now: dt.datetime) -> list[TimeEntry]:
    """Write down what a timer measured. Less than a second is no time: such a timer is void."""
    work = Work(
        contract=timer.contract,
        activity=timer.activity,
        claim=timer.claim,
        source=timer.source,
        started_at=timer.started_at,
        ended_at=ended.ended_at,
        confirmed_until=ended.confirmed_until,
        reason=timer.reason,
        last_heartbeat_at=timer.last_heartbeat_at,
    )
    parts = stretches.pieces(work, tally=caps.Tally(timer.contract_id))
    if not parts:
        states.move(timer, TimeEntry.Status.VOID)
        timer.period = _ended(timer.started_at, ended.ended_at)
        timer.save(update_fields=["status", "period"])
        return [timer]
    if timer.claim_id is not None:
        tasks.record_active_time(claim_id=timer.claim_id, seconds=ended.confirmed_seconds)
    return stretches.write(work, parts, first=timer, now=now)


def _stop_silent(timer: TimeEntry, *, now: dt.datetime) -> list[TimeEntry]:
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    ended = timekeeping.stop_by_silence(started_at=timer.started_at, last_heartbeat_at=heartbeat_at, grace=GRACE)
    written = _finish(timer, ended, now=now)
    outbox.publish(
        "time_entry.stopped_by_silence",
        subject=timer.public_id,
        tenant_id=timer.tenant_id,
        for_lab=False,
        user_id=timer.expert.user_id,
        payload={"time_entry": timer.public_id},
        now=now,
    )
    experts.send_notice(
        expert=timer.expert,
        kind="time_entry.stopped_by_silence",
        subject=timer.public_id,
        title=_("Your timer fell silent and was stopped"),
        body=_("%(time)s after its last sign of life are unconfirmed: confirm them, with a reason, if you worked.")
        % {"time": format_duration(ended.unconfirmed_seconds)},
        link="/api/v1/expert/time-entries",
        now=now,
    )
    return written


def _require_workable(contract: Contract, activity: str, claim: Claim | None) -> None:
    """Raise unless the contract, as it is now, takes this kind of work, and the claim is still the expert's."""
    _require_claim(activity, claim)
    if claim is not None and claim.status != Claim.Status.ACTIVE:
        raise NotBillableNow(_("The claim is %(status)s.") % {"status": claim.get_status_display()})
    status = contract.status
    if status == Contract.Status.ONBOARDING and activity in BEFORE_ACTIVATION:
        return
    if status == Contract.Status.PAUSED and activity == Activity.STANDBY:
        return
    if status == Contract.Status.ENDING and claim is not None:
        return
    marketplace.require_active_contract(contract=contract)


def _require_claim(activity: str, claim: Claim | None) -> None:
    if claim is not None and activity not in WITH_CLAIM:
        raise InvalidInput(
            errors=[FieldError("/claim", "not_for_activity", _("Only task, rework and review time has a claim."))]
        )


def _require_past(contract: Contract, started_at: dt.datetime, ended_at: dt.datetime, *, now: dt.datetime) -> None:
    """Raise InvalidInput unless these are at least a second and at most a day of the contract's past."""
    last = min(now, contract.ended_at or now)
    rules = (
        (started_at < ended_at, "/ended_at", "ends_before_start", _("An entry ends after it starts.")),
        (ended_at <= last, "/ended_at", "in_the_future", _("An entry ends in the contract's past.")),
        (started_at >= contract.signed_at, "/started_at", "before_contract", _("The contract was not signed yet.")),
        (ended_at - started_at <= LONGEST_BY_HAND, "/ended_at", "too_long", _("An entry lasts at most 24 hours.")),
        (
            timekeeping.seconds_between(started_at, max(started_at, ended_at)) > 0,
            "/ended_at",
            "too_short",
            _("An entry lasts at least a second."),
        ),
    )
    broken = [FieldError(pointer, code, detail) for holds, pointer, code, detail in rules if not holds]
    if broken:
        raise InvalidInput(errors=broken)


def _require_by_hand(entry: TimeEntry) -> None:
    if entry.source != TimeEntry.Source.MANUAL:
        detail = _("Only the times of an entry made by hand can be changed; a timer's can be taken back.")
        raise InvalidInput(errors=[FieldError("/started_at", "measured", detail)])


def _require_free(expert_id: int, period: DateTimeTZRange, *, without: int | None = None) -> None:
    """Raise Overlap when the expert has live time in the period. The constraint says the same about other walls."""
    taken = TimeEntry.objects.live().filter(expert=expert_id, period__overlap=period)
    blocking = taken.exclude(pk=without).order_by(Q(status=TimeEntry.Status.RUNNING).desc(), "pk").first()
    if blocking is not None:
        raise Overlap(time_entry=blocking.public_id)


def _is_silent(timer: TimeEntry, *, now: dt.datetime) -> bool:
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    return timekeeping.is_silent(last_heartbeat_at=heartbeat_at, grace=GRACE, now=now)


def _renew_lease(timer: TimeEntry, *, now: dt.datetime) -> None:
    if timer.claim_id is not None:
        tasks.renew_lease(claim_id=timer.claim_id, now=now)


def _ended(start: dt.datetime, end: dt.datetime) -> DateTimeTZRange:
    """A closed range that is never empty, since an empty one would forget where it was."""
    return DateTimeTZRange(start, max(end, start + _INSTANT))


def _locked(entry: TimeEntry) -> TimeEntry:
    related = ("contract", "claim", "expert", "timesheet", "snapshot")
    return TimeEntry.objects.select_for_update(no_key=True, of=("self",)).select_related(*related).get(pk=entry.pk)


def _running(entry: TimeEntry) -> TimeEntry:
    timer = _locked(entry)
    if not timer.is_running:
        states.move(timer, TimeEntry.Status.STOPPED)
    return timer


def _stopped(entry: TimeEntry) -> TimeEntry:
    """The entry, locked, of an open week. Raises WeekClosed, or InvalidTransition for a running or void one."""
    locked = _locked(entry)
    weeks.require_open(locked.timesheet)
    if locked.status != TimeEntry.Status.STOPPED:
        raise states.InvalidTransition(current_state=locked.status, allowed_transitions=states.allowed(locked))
    return locked
