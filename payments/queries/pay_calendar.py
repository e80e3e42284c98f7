"""When people are paid, as far ahead as anybody asks: a function of the settings, the same for everybody.

What is approved before a cutoff is sent on its payday and is expected on the expert's account some banking days later.
Nobody decides it week by week. Answers ``marketplace.ports.paydays``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from django.conf import settings

from core import scope
from marketplace.ports import FirstPaydays, PayDate
from payments import calendar, timekeeping
from payments.models import PayRun, Statement, Timesheet
from payments.operations.hours.weeks import SUBMISSION_WINDOW
from payments.paydays import closings_of, open_day, payday_of, schedule_of

_WEEK = dt.timedelta(days=7)


def of_cutoff(*, currency: str, cutoff: dt.datetime) -> PayDate:
    """The payday that follows from a cutoff."""
    usual, pays_on = calendar.payday(schedule_of(currency), cutoff), payday_of(currency, cutoff)
    return PayDate(
        currency=currency,
        cutoff=cutoff,
        pays_on=pays_on,
        usual=usual,
        arrives_by=arrival_of(currency, pays_on),
        moved_because=", ".join(_in_the_way(currency, usual, pays_on)),
    )


def of_run(run: PayRun) -> PayDate:
    """The payday of a run as it stands: one that was prepared late, or off-cycle, has its own."""
    planned = of_cutoff(currency=run.currency, cutoff=run.cutoff)
    if run.pays_on == planned.pays_on:
        return planned
    usual = planned.usual if run.type == PayRun.Type.REGULAR else run.pays_on
    arrives_by = arrival_of(run.currency, run.pays_on)
    return replace(planned, pays_on=run.pays_on, usual=usual, arrives_by=arrives_by, moved_because="")


def still_to_run(*, currency: str, now: dt.datetime) -> PayDate | None:
    """The payday of the cutoff behind us while its run is not calculated, or was sent back; None once its lines stand.

    As `pay_runs.prepare` would set it now: a run that comes late is paid on the next day on which banks work.
    """
    regular = PayRun.objects.filter(currency=currency, type=PayRun.Type.REGULAR).exclude(status=PayRun.Status.CANCELLED)
    cutoff = calendar.last_cutoff(schedule_of(currency), now)
    with scope.as_platform():
        run = regular.filter(status__in=(PayRun.Status.DRAFT, PayRun.Status.CALCULATING)).first()
        if run is None and regular.filter(cutoff=cutoff).exists():
            return None
    planned = of_cutoff(currency=currency, cutoff=cutoff) if run is None else of_run(run)
    pays_on = max(planned.pays_on, open_day(currency, now))
    if pays_on == planned.pays_on:
        return planned
    return replace(planned, pays_on=pays_on, arrives_by=arrival_of(currency, pays_on), moved_because="")


def approved_at(*, currency: str, at: dt.datetime) -> PayDate:
    """The payday of what is approved at an instant."""
    return of_cutoff(currency=currency, cutoff=calendar.next_cutoff(schedule_of(currency), at))


def upcoming(*, currency: str, count: int, now: dt.datetime) -> list[PayDate]:
    """The next ``count`` paydays whose cutoff is still to come."""
    first = calendar.next_cutoff(schedule_of(currency), now)
    return [of_cutoff(currency=currency, cutoff=first + n * _WEEK) for n in range(count)]


def of_week(
    *, sheet: Timesheet, currency: str, approval_window_seconds: int, now: dt.datetime
) -> tuple[PayDate, PayDate]:
    """The payday of a week's hours if they are approved at once, and the latest one, if only the clocks decide.

    Both are the same for a week that was decided. Disputed entries and open overages have clocks of their own.
    """
    if sheet.decided_at is not None:
        earliest = latest = sheet.decided_at
    elif sheet.approve_by is not None:
        earliest, latest = now, max(sheet.approve_by, now)
    else:
        window = dt.timedelta(seconds=approval_window_seconds)
        earliest, latest = max(sheet.ends_at, now), max(sheet.submit_by, now) + window
    return approved_at(currency=currency, at=earliest), approved_at(currency=currency, at=latest)


def first_paydays(*, currency: str, zone: str, approval_window_seconds: int, now: dt.datetime) -> FirstPaydays:
    """When hours worked in this very week are paid, by the same clocks as every week's."""
    week = timekeeping.iso_week(now, zone)
    _start, end = timekeeping.week_bounds(week, zone)
    by_silence = end + SUBMISSION_WINDOW + dt.timedelta(seconds=approval_window_seconds)
    return FirstPaydays(
        week=week,
        earliest=approved_at(currency=currency, at=end),
        latest=approved_at(currency=currency, at=by_silence),
    )


def after(statement: Statement) -> PayDate:
    """The payday after the one that a statement explains; its payout and run are joined."""
    run, currency = statement.payout.run, statement.currency
    following = approved_at(currency=currency, at=run.cutoff)
    issued = statement.issued_at
    return following if following.pays_on > issued.date() else approved_at(currency=currency, at=issued)


def arrival_of(currency: str, pays_on: dt.date) -> dt.date:
    """By when money sent on a day is expected on accounts (``PAY_ARRIVAL_DAYS``); what banks do is not promised."""
    days = settings.PAY_ARRIVAL_DAYS
    count = days.get(currency, days["*"])
    return calendar.banking_days_after(pays_on, count, closed=closings_of(currency, pays_on))


def _in_the_way(currency: str, usual: dt.date, pays_on: dt.date) -> Iterator[str]:
    closed = closings_of(currency, usual)
    for n in range((pays_on - usual).days):
        day = usual + dt.timedelta(days=n)
        if day in closed and not calendar.is_weekend(day):
            yield str(closed[day])
