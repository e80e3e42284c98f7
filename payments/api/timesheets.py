"""`/expert/timesheets` and `/timesheets`: weeks, handed in by experts and approved by labs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import InstantField, PublicIdField
from core.api.lookup import get_or_404
from core.api.versions import Version
from core.api.views import ExpertView, LabView
from core.problems import InvalidTransition
from experts.public import OwnWork
from payments.api.deciders import DecidedIn, decider
from payments.api.filters import WeekField
from payments.api.hours_types import (
    ENTRY_RELATIONS,
    LabTimesheetDetailOut,
    LabTimesheetOut,
    TimesheetDetailOut,
    TimesheetOut,
    render_entry,
    render_lab_entries,
    render_lab_timesheet,
    render_timesheet,
)
from payments.models import TimeEntry, Timesheet
from payments.operations.hours import hours_lock, timesheets
from payments.operations.hours.timesheets import NothingToSubmit, TimerStillRunning


class TimesheetFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Timesheet.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="contract__public_id")
    week = WeekField(required=False, source="iso_week")


class LabTimesheetFilters(TimesheetFilters):
    """Filters."""

    project = PublicIdField("prj", required=False, source="contract__project__public_id")
    approve_before = InstantField(required=False, source="approve_by__lt")


class ApproveTimesheetIn(DecidedIn):
    """Who decides."""


def timesheets_of(call: Call) -> Any:
    """The caller's weeks with their totals."""
    rows = Timesheet.objects.visible_to(call.principal).select_related("contract__lab_expert", "expert")
    return rows.with_totals()


def entries_in(row: Timesheet) -> list[TimeEntry]:
    """The live entries of a week, in order of time."""
    rows = TimeEntry.objects.live().filter(timesheet=row).select_related(*ENTRY_RELATIONS)
    return sorted(rows, key=lambda entry: entry.started_at)


def render_detail(row: Timesheet, *, now: dt.datetime) -> TimesheetDetailOut:
    """A week with its entries."""
    return {**render_timesheet(row, now=now), "entries": [render_entry(entry) for entry in entries_in(row)]}


def render_lab_detail(row: Timesheet, *, now: dt.datetime) -> LabTimesheetDetailOut:
    """A week with its entries, as the lab sees them."""
    return {**render_lab_timesheet(row, now=now), "entries": render_lab_entries(entries_in(row))}


class ExpertTimesheetList(ExpertView):
    """The expert's weeks."""

    @endpoint(
        summary="List my weeks",
        query=TimesheetFilters,
        returns=TimesheetOut,
        paginated=True,
    )
    def get(self, call: Call) -> Listed:
        """Newest first, with both clocks and the paydays that follow from them."""
        return Listed(timesheets_of(call).filter(**call.query), lambda row: render_timesheet(row, now=call.now))


class ExpertTimesheetDetail(ExpertView):
    """One week."""

    @endpoint(summary="Show my week", returns=TimesheetDetailOut)
    def get(self, call: Call, timesheet_id: str) -> TimesheetDetailOut:
        """The week with its entries."""
        return render_detail(get_or_404(timesheets_of(call), timesheet_id), now=call.now)


class ExpertTimesheetSubmit(ExpertView):
    """Handing a week in."""

    @endpoint(
        summary="Submit my week",
        returns=TimesheetDetailOut,
        errors=[InvalidTransition, TimerStillRunning, NothingToSubmit],
        idempotency="required",
    )
    def post(self, call: Call, timesheet_id: str) -> TimesheetDetailOut:
        """Nothing can be added to the week afterwards. A week that you forget submits itself at `submit_by`."""
        sheet = get_or_404(timesheets_of(call), timesheet_id)
        timesheets.submit(timesheet=sheet, by=call.principal, now=call.now)
        return render_detail(get_or_404(timesheets_of(call), timesheet_id), now=call.now)


class LabTimesheetList(LabView):
    """Weeks worked for the lab."""

    @endpoint(
        summary="List timesheets",
        scope="timesheets:read",
        query=LabTimesheetFilters,
        returns=LabTimesheetOut,
        paginated=True,
    )
    def get(self, call: Call) -> Listed:
        """Newest first; `status=submitted` are those that wait for you, until `approve_by`.

        `payday` is when the expert is paid if you approve now, `latest_payday` when your silence pays him.
        """
        return Listed(timesheets_of(call).filter(**call.query), lambda row: render_lab_timesheet(row, now=call.now))


def show_lab_week(call: Call, timesheet_id: str) -> LabTimesheetDetailOut:
    """One week as the lab sees it."""
    return render_lab_detail(get_or_404(timesheets_of(call), timesheet_id), now=call.now)


def hold_week(call: Call, timesheet_id: str) -> None:
    """Nobody else changes hours of the week's expert until the transaction ends."""
    hours_lock.take(get_or_404(timesheets_of(call), timesheet_id).expert_id)


def what_is_decided(shown: LabTimesheetDetailOut) -> list[Any]:
    """A week's state and its hours; its paydays move with the clock, and change nothing of what is approved."""
    return [shown["status"], shown["entries"]]


WEEK_VERSION = Version(show=show_lab_week, lock=hold_week, of=what_is_decided)


class LabTimesheetDetail(LabView):
    """One week."""

    @endpoint(summary="Show a timesheet", scope="timesheets:read", returns=LabTimesheetDetailOut, version=WEEK_VERSION)
    def get(self, call: Call, timesheet_id: str) -> LabTimesheetDetailOut:
        """The week with its entries, amounts and fees."""
        return show_lab_week(call, timesheet_id)


class LabTimesheetApprove(LabView):
    """Approving a week."""

    @endpoint(
        summary="Approve a timesheet",
        version=WEEK_VERSION,
        rate="money",
        scope="timesheets:write",
        body=ApproveTimesheetIn,
        returns=LabTimesheetDetailOut,
        errors=[InvalidTransition, OwnWork],
        example={"decided_by": "ops@aurora.example"},
        idempotency="required",
    )
    def post(self, call: Call, timesheet_id: str) -> LabTimesheetDetailOut:
        """Its hours are owed to the expert from then on, and paid on `payday`. Disputed entries and open overages stay behind."""
        sheet = get_or_404(timesheets_of(call), timesheet_id)
        timesheets.approve(timesheet=sheet, decided_by=decider(call), by=call.principal, now=call.now)
        return render_lab_detail(get_or_404(timesheets_of(call), timesheet_id), now=call.now)
