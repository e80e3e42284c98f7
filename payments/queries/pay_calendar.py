"""When people are paid, as far ahead as anybody asks: a function of the settings, the same for everybody."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from payments import calendar
from payments.operations.pay_runs import payday_of, schedule_of


@dataclass(frozen=True, slots=True)
class PayDate:
    """What is approved before ``cutoff`` is paid on ``pays_on``; ``usual`` is the day it would be without holidays."""

    currency: str
    cutoff: dt.datetime
    pays_on: dt.date
    usual: dt.date


def upcoming(*, currency: str, count: int, now: dt.datetime) -> list[PayDate]:
    """The next ``count`` cutoffs of a currency with their paydays."""
    schedule = schedule_of(currency)
    first = calendar.next_cutoff(schedule, now)
    cutoffs = [first + dt.timedelta(weeks=n) for n in range(count)]
    return [
        PayDate(currency, cutoff, payday_of(currency, cutoff), calendar.payday(schedule, cutoff)) for cutoff in cutoffs
    ]
