"""`/expert/time-entries` and `/time-entries`: timers, time entered by hand, and what a lab sees of both."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import DurationField, InstantField, PublicIdField, StrictCharField
from core.api.lookup import get_or_404
from core.api.versions import Version
from core.api.views import ExpertView, LabView
from core.problems import FieldError, InvalidInput, InvalidTransition, NotFound
from marketplace.public import (
    AgreementRequired,
    Contract,
    ContractNotActive,
    InstructionsRequired,
    contracts_of,
)
from payments.api.filters import WeekField
from payments.api.hours_types import (
    ENTRY_RELATIONS,
    LabTimeEntryOut,
    TimeEntryOut,
    TimePiecesOut,
    render_entry,
    render_lab_entries,
)
from payments.models import Activity, TimeEntry
from payments.operations.hours import hours_lock, time_entries, timers
from payments.operations.hours.caps import CapExceeded
from payments.operations.hours.entry_rules import NotBillableNow, Overlap
from payments.operations.hours.time_entries import NothingUnconfirmed
from payments.operations.hours.weeks import WeekClosed
from tasks.public import Claim, claim_for_contract

CONTRACT_ERRORS = (ContractNotActive, AgreementRequired, InstructionsRequired)
WRITE_ERRORS = (Overlap, CapExceeded, WeekClosed, NotBillableNow)
EXAMPLE_CONTRACT = "ctr_01k9w3v6z8f2qr5t4h7xnm0ceg"


class TimeEntryFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=TimeEntry.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="contract__public_id")
    timesheet = PublicIdField("tsh", required=False, source="timesheet__public_id")
    claim = PublicIdField("clm", required=False, source="claim__public_id")
    activity = serializers.ChoiceField(choices=Activity.choices, required=False)
    week = WeekField(required=False, source="iso_week")
    started_after = InstantField(required=False, source="period__startswith__gte")
    started_before = InstantField(required=False, source="period__startswith__lt")


class StartTimerIn(serializers.Serializer[None]):
    """What a timer is for."""

    contract = PublicIdField("ctr")
    activity = serializers.ChoiceField(choices=Activity.choices)
    claim = PublicIdField("clm", required=False, allow_null=True, help_text="For task, rework and review time.")


class LogTimeIn(StartTimerIn):
    """Time entered by hand, in the past of a week that is still open."""

    started_at = InstantField()
    ended_at = InstantField()
    reason = StrictCharField(max_length=1000, help_text="Why no timer saw it; the lab reads it.")


class AmendTimeIn(serializers.Serializer[None]):
    """What may change while the week is open; the times of entries made by hand only."""

    activity = serializers.ChoiceField(choices=Activity.choices, required=False)
    started_at = InstantField(required=False)
    ended_at = InstantField(required=False)
    reason = StrictCharField(max_length=1000, required=False)


class HeartbeatIn(serializers.Serializer[None]):
    """What the client knows about the person in front of it."""

    idle_for = DurationField(
        required=False, max_seconds=86_400, help_text="Since the last key, pointer or pen; nothing means not at all."
    )


class ConfirmTimeIn(serializers.Serializer[None]):
    """The expert's word for minutes that no heartbeat vouches for."""

    reason = StrictCharField(max_length=1000, help_text="What you did; the lab reads it.")


def entries_of(call: Call) -> Any:
    """The caller's entries with what a row shows."""
    return TimeEntry.objects.visible_to(call.principal).select_related(*ENTRY_RELATIONS)


def show(call: Call, *entries: TimeEntry) -> list[TimeEntryOut]:
    """Entries as they are now, in order of time."""
    rows = entries_of(call).filter(pk__in=[entry.pk for entry in entries])
    return [render_entry(row) for row in sorted(rows, key=lambda row: row.started_at)]


def work_of(call: Call) -> tuple[Contract, Claim | None]:
    """The contract and the claim that a body names. Raises NotFound for somebody else's."""
    contract = get_or_404(contracts_of(call.principal), call.body["contract"])
    if not call.body.get("claim"):
        return contract, None
    claim = claim_for_contract(public_id=call.body["claim"], contract_id=contract.pk)
    if claim is None:
        raise NotFound
    return contract, claim


class ExpertTimeEntryList(ExpertView):
    """The expert's own time."""

    @endpoint(
        summary="List my time",
        query=TimeEntryFilters,
        returns=TimeEntryOut,
        paginated=True,
        render=render_entry,
    )
    def get(self, call: Call) -> Any:
        """Newest first; time that was taken back is listed as void."""
        return entries_of(call).filter(**call.query)

    @endpoint(
        summary="Enter time by hand",
        body=LogTimeIn,
        returns=TimePiecesOut,
        status=201,
        errors=[*WRITE_ERRORS],
        idempotency="required",
        example={
            "contract": EXAMPLE_CONTRACT,
            "activity": "meeting",
            "started_at": "2026-11-16T13:00:00Z",
            "ended_at": "2026-11-16T13:30:00Z",
            "reason": "Call with the lab about the instructions.",
        },
    )
    def post(self, call: Call) -> TimePiecesOut:
        """It may not overlap other time of yours, nor exceed a cap of the contract."""
        contract, claim = work_of(call)
        body = call.body
        written = time_entries.log(
            contract=contract,
            activity=body["activity"],
            claim=claim,
            started_at=body["started_at"],
            ended_at=body["ended_at"],
            reason=body["reason"],
            now=call.now,
        )
        return {"entries": show(call, *written)}


class ExpertTimeEntryStart(ExpertView):
    """Timers."""

    @endpoint(
        summary="Start my timer",
        body=StartTimerIn,
        returns=TimeEntryOut,
        status=201,
        errors=[*WRITE_ERRORS, *CONTRACT_ERRORS],
        idempotency="required",
        example={"contract": EXAMPLE_CONTRACT, "activity": "task", "claim": "clm_01k9w3v6z8f2qr5t4h7xnm0ceg"},
    )
    def post(self, call: Call) -> TimeEntryOut:
        """One timer runs at a time. Send a heartbeat every minute or two: silence stops it."""
        contract, claim = work_of(call)
        entry = timers.start(contract=contract, activity=call.body["activity"], claim=claim, now=call.now)
        return show(call, entry)[0]


def show_entry(call: Call, entry_id: str) -> TimeEntryOut:
    """One entry of the expert's."""
    return render_entry(get_or_404(entries_of(call), entry_id))


def hold_hours(call: Call, entry_id: str) -> None:
    """Nobody else changes hours of the entry's expert until the transaction ends."""
    hours_lock.take(get_or_404(entries_of(call), entry_id).expert_id)


ENTRY_VERSION = Version(show=show_entry, lock=hold_hours)


class ExpertTimeEntryDetail(ExpertView):
    """One stretch of time."""

    @endpoint(summary="Show my time entry", returns=TimeEntryOut, version=ENTRY_VERSION)
    def get(self, call: Call, entry_id: str) -> TimeEntryOut:
        """The entry with where its seconds went."""
        return show_entry(call, entry_id)

    @endpoint(
        summary="Change my time entry",
        version=ENTRY_VERSION,
        body=AmendTimeIn,
        returns=TimePiecesOut,
        errors=[*WRITE_ERRORS, InvalidTransition],
        example={"reason": "Call with the lab and notes afterwards."},
    )
    def patch(self, call: Call, entry_id: str) -> TimePiecesOut:
        """While its week is open. Longer times may cut it into several entries."""
        entry = get_or_404(entries_of(call), entry_id)
        if not call.body:
            raise InvalidInput(errors=[FieldError("", "empty", _("Name what should change."))])
        return {"entries": show(call, *time_entries.amend(entry=entry, now=call.now, **call.body))}

    @endpoint(summary="Take my time entry back", version=ENTRY_VERSION, errors=[WeekClosed, InvalidTransition])
    def delete(self, call: Call, entry_id: str) -> None:
        """While its week is open. The entry stays visible as void and counts no more."""
        time_entries.void(entry=get_or_404(entries_of(call), entry_id), now=call.now)


class ExpertTimeEntryStop(ExpertView):
    """The end of a timer."""

    @endpoint(
        summary="Stop my timer",
        returns=TimePiecesOut,
        errors=[InvalidTransition],
        idempotency="required",
    )
    def post(self, call: Call, entry_id: str) -> TimePiecesOut:
        """Never refused: time over a cap is kept as an overage, silent time as unconfirmed."""
        entry = get_or_404(entries_of(call), entry_id)
        return {"entries": show(call, *timers.stop(entry=entry, now=call.now))}


class ExpertTimeEntryHeartbeat(ExpertView):
    """Signs of life."""

    @endpoint(
        summary="Keep my timer alive",
        body=HeartbeatIn,
        example={"idle_for": "PT3M"},
        returns=TimeEntryOut,
        errors=[InvalidTransition],
        idempotency="none",
    )
    def post(self, call: Call, entry_id: str) -> TimeEntryOut:
        """Renews the claim's lease as well. A timer silent or idle for longer than the platform waits is found stopped."""
        entry = get_or_404(entries_of(call), entry_id)
        idle_for = dt.timedelta(seconds=call.body.get("idle_for", 0))
        return show(call, timers.heartbeat(entry=entry, idle_for=idle_for, now=call.now))[0]


class ExpertTimeEntryConfirm(ExpertView):
    """Unconfirmed minutes."""

    @endpoint(
        summary="Confirm minutes after my timer's last heartbeat",
        body=ConfirmTimeIn,
        returns=TimePiecesOut,
        errors=[NothingUnconfirmed, WeekClosed, InvalidTransition],
        idempotency="required",
        example={"reason": "The train's network dropped; I finished the criteria offline."},
    )
    def post(self, call: Call, entry_id: str) -> TimePiecesOut:
        """They count from then on; over a cap they become an overage."""
        entry = get_or_404(entries_of(call), entry_id)
        return {"entries": show(call, *time_entries.confirm(entry=entry, reason=call.body["reason"], now=call.now))}


class LabTimeEntryList(LabView):
    """Time worked for the lab."""

    @endpoint(
        summary="List time entries",
        scope="timesheets:read",
        query=TimeEntryFilters,
        returns=LabTimeEntryOut,
        paginated=True,
    )
    def get(self, call: Call) -> Listed:
        """Newest first, with amounts and fees, as approved and as they stand now; experts under their pseudonyms."""
        return Listed(entries_of(call).live().filter(**call.query), render_lab_entries, together=True)


class LabTimeEntryDetail(LabView):
    """One stretch of time."""

    @endpoint(summary="Show a time entry", scope="timesheets:read", returns=LabTimeEntryOut)
    def get(self, call: Call, entry_id: str) -> LabTimeEntryOut:
        """The entry with where its seconds went and what it costs."""
        (entry,) = render_lab_entries([get_or_404(entries_of(call).live(), entry_id)])
        return entry
