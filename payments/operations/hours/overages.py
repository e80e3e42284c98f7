"""Time over a cap: opened beside its entry, decided by a person or by silence, then settled with its week."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from core import outbox, states
from core.durations import format_duration, in_words
from core.public import User
from experts.public import require_other
from payments.models import Overage, TimeEntry, Timesheet
from payments.operations.hours import hours_lock, settlement
from payments.operations.pay import pay_notices
from payments.operations.pay.pay_notices import PayNews

ACT = "hours.overage_declined"


def open_for(*, entry: TimeEntry, cap: str, now: dt.datetime) -> Overage:
    """Start the clock of an entry that holds time over ``cap``; the lab has its approval window to decide."""
    overage = Overage.objects.create(
        tenant_id=entry.tenant_id,
        entry=entry,
        expert_id=entry.expert_id,
        cap=cap,
        seconds=entry.overage_seconds,
        decide_by=now + dt.timedelta(seconds=entry.snapshot.approval_window_seconds),
        created_at=now,
    )
    _publish("overage.opened", overage, now=now)
    body = _("Time over the %(cap)s is decided by %(until)s; silence until then approves it.") % {
        "cap": overage.get_cap_display(),
        "until": f"{overage.decide_by:%Y-%m-%d %H:%M} UTC",
    }
    pay_notices.tell(_news("overage.opened", overage, body), now=now)
    return overage


def approve(*, overage: Overage, decided_by: User, note: str = "", now: dt.datetime) -> Overage:
    """Let the time count; it is paid with its week, or at once when the week is settled already.

    Raises OwnWork, InvalidTransition.
    """
    approved = _decide(overage, Overage.Status.APPROVED, decided_by=decided_by, note=note, now=now)
    pay_notices.tell(_news("overage.decided", approved, note or _("The time counts.")), now=now)
    return approved


def decline(*, overage: Overage, decided_by: User, note: str, now: dt.datetime) -> Overage:
    """Refuse the time, with a reason. It stays visible as disallowed, and the expert may contest the Decision.

    Raises OwnWork, InvalidTransition.
    """
    declined = _decide(overage, Overage.Status.DECLINED, decided_by=decided_by, note=note, now=now)
    pay_notices.tell_decision(
        _news("overage.decided", declined, note),
        act=ACT,
        reason_code=f"over_{declined.cap}_cap",
        explanation=note,
        evidence={"time_entry": declined.entry.public_id, "over": format_duration(declined.seconds)},
        decided_by=decided_by,
        now=now,
        tenant_id=declined.tenant_id,
    )
    return declined


def approve_by_silence(*, overage_id: int, now: dt.datetime) -> None:
    """Approve an overage whose clock ran out; harmless when somebody decided in the meantime."""
    expert_id = Overage.objects.filter(pk=overage_id).values_list("expert_id", flat=True).get()
    hours_lock.take(expert_id)
    overage = Overage.objects.overdue(now=now).filter(pk=overage_id).first()
    if overage is not None:
        approved = _decide(overage, Overage.Status.AUTO_APPROVED, decided_by=None, note="", now=now)
        pay_notices.tell(_news("overage.decided", approved, _("Nobody decided in time, so the time counts.")), now=now)


def withdraw(*, entry: TimeEntry, now: dt.datetime) -> None:
    """Close the overage of an entry that the expert takes back."""
    overage = Overage.objects.select_for_update(no_key=True, of=("self",)).filter(entry=entry).first()
    if overage is not None and overage.status == Overage.Status.OPEN:
        states.move(overage, Overage.Status.WITHDRAWN)
        overage.decided_at = now
        overage.save(update_fields=["status", "decided_at"])


def _decide(overage: Overage, to: str, *, decided_by: User | None, note: str, now: dt.datetime) -> Overage:
    hours_lock.take(overage.expert_id)
    locked = Overage.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=overage.pk)
    if decided_by is not None:
        require_other(locked.expert, decided_by)
    states.move(locked, to)
    locked.decided_by, locked.decided_at, locked.note = decided_by, now, note
    locked.save(update_fields=["status", "decided_by", "decided_at", "note"])
    _apply(locked, now=now)
    _publish("overage.decided", locked, now=now)
    return locked


def _apply(overage: Overage, *, now: dt.datetime) -> None:
    """Turn the held time into billable or disallowed time, and settle it when its week is settled."""
    entries = TimeEntry.objects.select_for_update(no_key=True, of=("self",)).select_related("snapshot", "timesheet")
    entry = entries.get(pk=overage.entry_id)
    if overage.status == Overage.Status.DECLINED:
        entry.disallowed_seconds = entry.overage_seconds
    else:
        entry.seconds = entry.overage_seconds
    entry.overage_seconds = 0
    entry.save(update_fields=["seconds", "overage_seconds", "disallowed_seconds"])
    overage.entry = entry
    if entry.timesheet.is_decided:
        settlement.settle(entries=[entry], to=_settled_as(entry.timesheet), now=now)


def _settled_as(timesheet: Timesheet) -> str:
    approved_by_silence = timesheet.status == Timesheet.Status.AUTO_APPROVED
    return TimeEntry.Status.AUTO_APPROVED if approved_by_silence else TimeEntry.Status.APPROVED


def _publish(event: str, overage: Overage, *, now: dt.datetime) -> None:
    outbox.publish(
        event,
        subject=overage.public_id,
        tenant_id=overage.tenant_id,
        user_id=overage.expert.user_id,
        payload={"overage": overage.public_id, "time_entry": overage.entry.public_id},
        now=now,
    )


def _news(kind: str, overage: Overage, body: str) -> PayNews:
    return PayNews(
        expert=overage.expert,
        kind=kind,
        subject=overage.public_id,
        title=_("%(time)s over a cap: %(status)s")
        % {"time": in_words(overage.seconds), "status": overage.get_status_display()},
        body=body,
        link="/api/v1/expert/overages",
    )
