"""The pay calendar as finance plans by it: schedules, their currencies, each coming payday and the run that pays it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise

from marketplace.ports import PayDate
from payments import bank_holidays, calendar
from payments.calendar import PaySchedule
from payments.models import PayRun
from payments.operations.runs import pay_run_calculation
from payments.paydays import closings_of, schedule_of
from payments.queries import pay_calendar, trial_balance

_WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PayWeek:
    """A cutoff with its payday. ``is_due``: its cutoff is over, somebody is to be paid, and there is no run yet.

    ``is_late``: the payday is over and nobody released it.
    """

    date: PayDate
    run: PayRun | None
    is_due: bool
    is_late: bool


@dataclass(frozen=True, slots=True)
class PayCurrency:
    """A currency with its coming weeks, and the days on which none of it moves."""

    currency: str
    system: str | Promise
    weeks: list[PayWeek]
    closings: list[tuple[dt.date, str | Promise]]


@dataclass(frozen=True, slots=True)
class PayTimes:
    """A schedule and the currencies that follow it."""

    schedule: PaySchedule
    currencies: list[PayCurrency]


def by_schedule(*, count: int, now: dt.datetime) -> list[PayTimes]:
    """Every schedule that a currency of the ledger or the settings follows, for ``count`` weeks from the last cutoff on."""
    found: dict[PaySchedule, list[PayCurrency]] = {}
    for currency in _currencies(now):
        found.setdefault(schedule_of(currency), []).append(_of_currency(currency, count=count, now=now))
    return [PayTimes(schedule, currencies) for schedule, currencies in found.items()]


def _currencies(now: dt.datetime) -> list[str]:
    named = {currency for currency in settings.PAY_SCHEDULES if currency != "*"}
    return sorted(named | set(trial_balance.latest(now=now).sums)) or ["USD"]


def _of_currency(currency: str, *, count: int, now: dt.datetime) -> PayCurrency:
    first = calendar.last_cutoff(schedule_of(currency), now)
    cutoffs = [first + n * _WEEK for n in range(count)]
    runs = _runs(currency, cutoffs)
    last = cutoffs[-1].date() + _WEEK
    closings = closings_of(currency, now).items()
    return PayCurrency(
        currency=currency,
        system=bank_holidays.NAMES.get(settings.PAY_CLOSED.get(currency, ""), ""),
        weeks=[_week(currency, cutoff, runs.get(cutoff), now=now) for cutoff in cutoffs],
        closings=sorted(
            ((day, name) for day, name in closings if now.date() <= day <= last and not calendar.is_weekend(day)),
            key=lambda closing: closing[0],
        ),
    )


def _runs(currency: str, cutoffs: Sequence[dt.datetime]) -> dict[dt.datetime, PayRun]:
    rows = PayRun.objects.filter(currency=currency, cutoff__in=cutoffs).exclude(status=PayRun.Status.CANCELLED)
    return {run.cutoff: run for run in rows}


def _week(currency: str, cutoff: dt.datetime, run: PayRun | None, *, now: dt.datetime) -> PayWeek:
    date = pay_calendar.of_run(run) if run else pay_calendar.of_cutoff(currency=currency, cutoff=cutoff)
    is_due = run is None and cutoff <= now and _pays_somebody(currency, cutoff, now=now)
    waits = run.released_at is None if run else is_due
    return PayWeek(date=date, run=run, is_due=is_due, is_late=waits and date.pays_on < now.date())


def _pays_somebody(currency: str, cutoff: dt.datetime, *, now: dt.datetime) -> bool:
    found = pay_run_calculation.forecast(currency=currency, cutoff=cutoff, now=now)
    return any(line.people for line in found if not line.reason)
