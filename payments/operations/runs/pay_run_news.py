"""What experts hear of a pay run that is given up after they saw it, and how they contest that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from experts.ports import Contestable
from payments.models import PayRun, PayRunLine
from payments.operations.pay.pay_notices import PayNews, tell_all

PREFIX: Final = "run"
AT_ONCE: Final = 1_000


def tell_cancelled(*, run: PayRun, reason: str, payday: dt.date, now: dt.datetime) -> None:
    """One message to everybody whose line was looked at; ``payday`` is when the next run pays him at the latest."""
    for lines in _in_parts(run):
        tell_all([_news(run, line, reason, payday) for line in lines], now=now)


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """The cancelled run in which this expert had a line, and who cancelled it."""
    lines = PayRunLine.objects.filter(expert=expert_id, run__public_id=subject, run__status=PayRun.Status.CANCELLED)
    line = lines.select_related("run").first()
    return None if line is None else Contestable(None, line.run.stopped_by_id)


def _in_parts(run: PayRun) -> Iterator[list[PayRunLine]]:
    last = 0
    while rows := list(run.lines.filter(pk__gt=last).select_related("expert").order_by("pk")[:AT_ONCE]):
        yield rows
        last = rows[-1].pk


def _news(run: PayRun, line: PayRunLine, reason: str, payday: dt.date) -> PayNews:
    told = {
        "reason": reason,
        "amount": Money(line.amount_minor, run.currency),
        "was": run.pays_on.isoformat(),
        "day": payday.isoformat(),
    }
    return PayNews(
        expert=line.expert,
        kind="pay_run.cancelled",
        subject=run.public_id,
        title=_("The pay run of %(was)s was cancelled") % told,
        body=_(
            "%(reason)s\n\n%(amount)s were in it. The money stays yours: the next pay run pays it, by the calendar on"
            " %(day)s at the latest."
        )
        % told,
        link="/api/v1/expert/pay-runs",
    )
