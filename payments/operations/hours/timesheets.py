"""Weeks of hours: handed in by the expert or the clock, approved by the lab or by its silence."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, Remedy
from core.public import Principal, User
from experts import public as experts
from experts.public import require_other
from payments.models import TimeEntry, Timesheet
from payments.operations.hours import handling, hours_lock, settlement

REMIND_BEFORE: Final = dt.timedelta(hours=24)
"""How long before a clock runs out both sides are reminded of it."""


class TimerStillRunning(Conflict):
    """A timer of this week is running. Stop it first: what it measures belongs into the week."""

    code = "timer_running"
    title = gettext_lazy("A timer of this week is running")


class NothingToSubmit(Conflict):
    """The week holds no time: every entry was taken back."""

    code = "nothing_to_submit"
    title = gettext_lazy("The week holds no time")


def submit(*, timesheet: Timesheet, by: Principal, now: dt.datetime) -> Timesheet:
    """Hand a week in; the lab's clock starts, and nothing can be added to the week any more.

    Raises InvalidTransition, TimerStillRunning, NothingToSubmit.
    """
    hours_lock.take(timesheet.expert_id)
    sheet = _locked(timesheet.pk)
    states.move(sheet, Timesheet.Status.SUBMITTED)
    if sheet.entries.running().exists():
        raise TimerStillRunning(
            remedy=Remedy(text=_("Stop the timer."), href="/api/v1/expert/time-entries?status=running")
        )
    if not sheet.entries.live().exists():
        raise NothingToSubmit
    handling.apply(timesheet=sheet, now=now)
    _submit_entries(sheet)
    sheet.submitted_at = now
    sheet.approve_by = now + _approval_window(sheet)
    sheet.reminded_at = None
    sheet.save(update_fields=["status", "submitted_at", "approve_by", "reminded_at"])
    _publish("timesheet.submitted", sheet, actor=by.label, now=now)
    return sheet


def submit_forgotten(*, timesheet_id: int, by: Principal, now: dt.datetime) -> None:
    """Hand in a week whose window is over; harmless when the expert did in the meantime."""
    hours_lock.take(Timesheet.objects.filter(pk=timesheet_id).values_list("expert_id", flat=True).get())
    sheet = Timesheet.objects.forgotten(now=now).filter(pk=timesheet_id).select_related("expert").first()
    if sheet is None:
        return
    submitted = submit(timesheet=sheet, by=by, now=now)
    experts.send_notice(
        expert=submitted.expert,
        kind="timesheet.submitted",
        subject=submitted.public_id,
        title=_("Your week %(week)s was submitted") % {"week": submitted.iso_week},
        body=_("You did not submit it, so it submitted itself. The lab decides by %(until)s UTC; silence approves it.")
        % {"until": f"{submitted.approve_by:%Y-%m-%d %H:%M}"},
        link=f"/api/v1/expert/timesheets/{submitted.public_id}",
        now=now,
    )


def approve(*, timesheet: Timesheet, decided_by: User, by: Principal, now: dt.datetime) -> Timesheet:
    """Approve a submitted week: its hours become money now, except what is disputed or over a cap and undecided.

    Raises OwnWork, InvalidTransition.
    """
    hours_lock.take(timesheet.expert_id)
    sheet = _locked(timesheet.pk)
    require_other(sheet.expert, decided_by)
    states.move(sheet, Timesheet.Status.APPROVED)
    sheet.decided_by = decided_by
    _settle(sheet, to=TimeEntry.Status.APPROVED, now=now)
    _publish("timesheet.approved", sheet, actor=by.label, now=now)
    return sheet


def approve_by_silence(*, timesheet_id: int, by: Principal, now: dt.datetime) -> None:
    """Approve a week whose lab was silent; harmless when somebody decided in the meantime."""
    expert_id = Timesheet.objects.filter(pk=timesheet_id).values_list("expert_id", flat=True).first()
    if expert_id is None:
        return
    hours_lock.take(expert_id)
    sheet = _locked(timesheet_id)
    if sheet.status != Timesheet.Status.SUBMITTED or sheet.approve_by is None or sheet.approve_by > now:
        return
    states.move(sheet, Timesheet.Status.AUTO_APPROVED)
    _settle(sheet, to=TimeEntry.Status.AUTO_APPROVED, now=now)
    _publish("timesheet.auto_approved", sheet, actor=by.label, now=now)


def remind(*, timesheet_id: int, now: dt.datetime) -> None:
    """Tell whoever has to act that the clock of this week runs out within a day; once per clock."""
    sheet = _locked(timesheet_id)
    if sheet.reminded_at is not None or sheet.is_decided:
        return
    sheet.reminded_at = now
    sheet.save(update_fields=["reminded_at"])
    if sheet.is_open:
        experts.send_notice(
            expert=sheet.expert,
            kind="timesheet.due",
            subject=sheet.public_id,
            title=_("Complete your week %(week)s") % {"week": sheet.iso_week},
            body=_("It submits itself at %(until)s UTC.") % {"until": f"{sheet.submit_by:%Y-%m-%d %H:%M}"},
            link=f"/api/v1/expert/timesheets/{sheet.public_id}",
            now=now,
        )
    else:
        _publish("timesheet.approval_due", sheet, actor="", now=now)


def _locked(pk: int) -> Timesheet:
    return Timesheet.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=pk)


def _submit_entries(sheet: Timesheet) -> None:
    entries = list(
        sheet.entries.filter(status=TimeEntry.Status.STOPPED)
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    for entry in entries:
        states.move(entry, TimeEntry.Status.SUBMITTED)
    TimeEntry.objects.bulk_update(entries, ["status"])


def _approval_window(sheet: Timesheet) -> dt.timedelta:
    """The window promised by the latest terms under which the week was worked."""
    latest = sheet.entries.live().select_related("snapshot").order_by("-period").first()
    return dt.timedelta(seconds=latest.snapshot.approval_window_seconds if latest else 0)


def _settle(sheet: Timesheet, *, to: str, now: dt.datetime) -> None:
    sheet.decided_at = now
    sheet.save(update_fields=["status", "decided_by", "decided_at"])
    entries = (
        sheet.entries.filter(status=TimeEntry.Status.SUBMITTED, overage_seconds=0)
        .select_for_update(no_key=True, of=("self",))
        .select_related("snapshot")
        .order_by("pk")
    )
    settlement.settle(entries=list(entries), to=to, now=now)


def _publish(event: str, sheet: Timesheet, *, actor: str, now: dt.datetime) -> None:
    outbox.publish(
        event,
        subject=sheet.public_id,
        tenant_id=sheet.tenant_id,
        user_id=sheet.expert.user_id,
        actor=actor,
        payload={"timesheet": sheet.public_id, "contract": sheet.contract.public_id},
        now=now,
    )
