"""When each currency is paid: the configured schedule, and the closing days of its payment system."""

from __future__ import annotations

import datetime as dt

from django.conf import settings

from payments import bank_holidays, calendar
from payments.bank_holidays import Closings
from payments.calendar import PaySchedule


def schedule_of(currency: str) -> PaySchedule:
    """When a currency is paid."""
    schedules: dict[str, tuple[int, ...]] = settings.PAY_SCHEDULES
    return PaySchedule(*schedules.get(currency, schedules["*"]))


def payday_of(currency: str, cutoff: dt.datetime) -> dt.date:
    """The day on which a run of this currency and cutoff is paid, known in advance to everybody."""
    return calendar.payday(schedule_of(currency), cutoff, closed=closings_of(currency, cutoff))


def open_day(currency: str, now: dt.datetime) -> dt.date:
    """Today, or the next day on which banks work."""
    return calendar.payday(PaySchedule(days_to_payday=0), now, closed=closings_of(currency, now))


def closings_of(currency: str, since: dt.date) -> Closings:
    """Days of this year and the next one on which no money of a currency moves, by name."""
    system, extra = settings.PAY_CLOSED.get(currency, ""), tuple(settings.PAY_CLOSED_DAYS)
    return bank_holidays.closings(system, since.year, extra)
