"""The lines of a statement: every leg on the expert's payable account in its range, in words he can check."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money
from payments import accounts
from payments.models import Adjustment, Posting, Statement, TimeEntry

KINDS = {
    "time_approved": gettext_lazy("Approved hours"),
    "time_reversed": gettext_lazy("Hours taken back for correction"),
    "bonus": gettext_lazy("Bonus"),
    "clawback": gettext_lazy("Taken back"),
    "dispute_opened": gettext_lazy("Set aside while contested"),
    "dispute_resolved": gettext_lazy("Contest resolved"),
    "holdback_released": gettext_lazy("Holdback released"),
    "holdback_reversed": gettext_lazy("Released holdback taken back for correction"),
    "payout_initiated": gettext_lazy("Payout"),
    "payout_rejected": gettext_lazy("Payout failed, money back"),
    "payout_returned": gettext_lazy("Payout returned by the bank"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. For approved hours also the day, how long, at which rate, and the pay before any holdback."""

    at: dt.datetime
    kind: str
    subject: str
    text: str
    amount: Money
    day: dt.date | None = None
    seconds: int | None = None
    rate: Money | None = None
    gross: Money | None = None

    @property
    def duration(self) -> str:
        """Hours, minutes and seconds, "2:30:00"; empty where nothing was timed."""
        if self.seconds is None:
            return ""
        minutes, seconds = divmod(self.seconds, 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def lines_of(statement: Statement) -> list[Line]:
    """All lines, oldest first; their amounts and the opening balance sum to the closing balance."""
    key = accounts.payable(statement.expert_id, statement.currency).text
    with scope.as_platform():
        legs = list(
            Posting.objects.filter(
                account__key=key, entry_id__gt=statement.after_entry, entry_id__lte=statement.upto_entry
            )
            .select_related("entry")
            .order_by("entry_id")
        )
        ids = {leg.entry.source_id for leg in legs}
        entries = {entry.public_id: entry for entry in TimeEntry.objects.filter(public_id__in=ids)}
        reasons = dict(Adjustment.objects.filter(public_id__in=ids).values_list("public_id", "reason"))
    return [_line(leg, entries.get(leg.entry.source_id), reasons.get(leg.entry.source_id, "")) for leg in legs]


def _line(leg: Posting, hours: TimeEntry | None, reason: str) -> Line:
    entry, amount = leg.entry, Money(leg.amount, leg.currency)
    label = str(KINDS.get(entry.kind, entry.kind))
    if hours is None or entry.kind != "time_approved":
        text = f"{label}: {reason}" if reason else label
        return Line(entry.effective_at, entry.kind, entry.source_id, text, amount)
    return Line(
        at=entry.effective_at,
        kind=entry.kind,
        subject=entry.source_id,
        text=_("%(label)s: %(activity)s") % {"label": label, "activity": hours.get_activity_display()},
        amount=amount,
        day=hours.local_day,
        seconds=hours.seconds,
        rate=Money(hours.rate_minor or 0, leg.currency),
        gross=Money(hours.gross_minor or 0, leg.currency),
    )
