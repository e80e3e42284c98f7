"""Timers: started, kept alive by heartbeats, stopped by the expert or by silence. The server is the clock."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.conf import settings
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext as _

from core import outbox, states
from core.durations import in_words
from experts import public as experts
from marketplace import public as marketplace
from marketplace.public import Contract
from payments import timekeeping
from payments.models import Activity, TimeEntry
from payments.operations.hours import caps, entry_rules, hours_lock, stretches, weeks
from payments.operations.hours.stretches import Work
from payments.timekeeping import Stop
from tasks import public as tasks
from tasks.public import Claim

GRACE: Final = dt.timedelta(seconds=settings.TIMER_GRACE_SECONDS)
"""How long a running timer may be silent. Clients send a heartbeat every minute or two."""


def start(*, contract: Contract, activity: str, claim: Claim | None, now: dt.datetime) -> TimeEntry:
    """Start the one timer of an expert.

    Raises Overlap, CapExceeded, WeekClosed, NotBillableNow, and what the contract itself demands first.
    """
    hours_lock.take(contract.expert_id)
    entry_rules.require_workable(contract, activity, claim)
    entry_rules.require_free(contract.expert_id, DateTimeTZRange(now, None))
    snapshot = marketplace.snapshot_at(contract_id=contract.pk, at=now)
    day = timekeeping.local_day(now, contract.zone)
    tally = caps.Tally(contract)
    caps.require(tally.narrowest(snapshot=snapshot, day=day, activity=activity))
    tally.require_own_limit(day=day)
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


def heartbeat(*, entry: TimeEntry, idle_for: dt.timedelta = dt.timedelta(0), now: dt.datetime) -> TimeEntry:
    """A sign of life from a running timer; renews the lease of its claim.

    It vouches for the time up to the expert's last activity, ``idle_for`` ago. One that comes after the grace cannot
    vouch for the silence before it, and one that was idle for longer than the grace not for the idle time: it finds
    the timer stopped.
    Raises InvalidTransition when the timer is not running.
    """
    hours_lock.take(entry.expert_id)
    timer = entry_rules.running(entry)
    if _is_silent(timer, now=now):
        return _stop_silent(timer, now=now)[0]
    if timer.contract.ended_at is not None:
        return stop(entry=timer, now=now)[0]
    timer.last_heartbeat_at = max(timer.last_heartbeat_at or timer.started_at, now - idle_for)
    if _is_silent(timer, now=now):
        return _stop_silent(timer, now=now)[0]
    timer.save(update_fields=["last_heartbeat_at"])
    _renew_lease(timer, now=now)
    return timer


def stop(*, entry: TimeEntry, now: dt.datetime) -> list[TimeEntry]:
    """Stop a timer; never refused. The entries it became, in order: cut at midnight, rate changes, silence and caps.

    Raises InvalidTransition when the timer is not running.
    """
    hours_lock.take(entry.expert_id)
    timer = entry_rules.running(entry)
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    # A contract that ended or stood still meanwhile takes no time after that, as with time entered by hand.
    stopped_at = min(now, timer.contract.ended_at or now, _stood_still_at(timer, now=now))
    ended = timekeeping.stop_by_hand(
        started_at=timer.started_at, last_heartbeat_at=heartbeat_at, stopped_at=stopped_at, grace=GRACE
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


def stop_with_contract(*, contract: Contract, at: dt.datetime, now: dt.datetime) -> None:
    """Stop the timer of a contract that was paused or ended ``at`` an instant; standby goes on through a pause."""
    hours_lock.take(contract.expert_id)
    begun = TimeEntry.objects.running().filter(contract=contract, period__startswith__lte=at)
    if contract.status == Contract.Status.PAUSED:
        begun = begun.exclude(activity=Activity.STANDBY)
    timer = begun.select_related("contract", "claim", "expert").first()
    if timer is None:
        return
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    ended = timekeeping.stop_by_hand(
        started_at=timer.started_at, last_heartbeat_at=heartbeat_at, stopped_at=at, grace=GRACE
    )
    _finish(timer, ended, now=now)
    experts.send_notice(
        expert=timer.expert,
        kind="time_entry.stopped_with_contract",
        subject=timer.public_id,
        title=_("Your timer was stopped: %(contract)s is %(status)s")
        % {"contract": contract.public_id, "status": contract.get_status_display()},
        body=_("What it measured until then is yours."),
        link="/api/v1/expert/time-entries",
        now=now,
    )


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
    parts = stretches.pieces(work, tally=caps.Tally(timer.contract))
    if not parts:
        states.move(timer, TimeEntry.Status.VOID)
        timer.period = stretches.closed(timer.started_at, ended.ended_at)
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
        % {"time": in_words(ended.unconfirmed_seconds)},
        link="/api/v1/expert/time-entries",
        now=now,
    )
    return written


def _stood_still_at(timer: TimeEntry, *, now: dt.datetime) -> dt.datetime:
    """When a pause stopped this kind of time, even where the news of it has not arrived; ``now`` when none did."""
    if timer.activity == Activity.STANDBY:
        return now
    return marketplace.first_pause(timer.contract_id, timer.started_at, max(now, timer.started_at)) or now


def _is_silent(timer: TimeEntry, *, now: dt.datetime) -> bool:
    heartbeat_at = timer.last_heartbeat_at or timer.started_at
    return timekeeping.is_silent(last_heartbeat_at=heartbeat_at, grace=GRACE, now=now)


def _renew_lease(timer: TimeEntry, *, now: dt.datetime) -> None:
    if timer.claim_id is not None:
        tasks.renew_lease(claim_id=timer.claim_id, now=now)
