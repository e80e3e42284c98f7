"""`/operations/{id}` and, in development mode, the movable clock."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypedDict

from rest_framework import serializers

from core import clock
from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import DurationField
from core.api.lookup import get_or_404
from core.api.progress import OperationOut, render_operation
from core.api.types import Doc, Example, Timestamp
from core.api.views import ExpertView, LabView, PublicView
from core.models import Operation
from core.wake import wake_sweepers_after_commit

YEAR_SECONDS = 366 * 86_400


class OperationDetail(LabView):
    """One of the lab's operations."""

    @endpoint(summary="Show an operation", scope="operations:read", returns=OperationOut)
    def get(self, call: Call, operation_id: str) -> OperationOut:
        """How far long work is, item by item. Poll once a second at most, or wait for the event."""
        return render_operation(get_or_404(Operation.objects.visible_to(call.principal), operation_id))


class ExpertOperationDetail(ExpertView):
    """One of the expert's own operations."""

    @endpoint(summary="Show an operation", returns=OperationOut)
    def get(self, call: Call, operation_id: str) -> OperationOut:
        """How far long work is."""
        return render_operation(get_or_404(Operation.objects.visible_to(call.principal), operation_id))


class AdvanceClockIn(serializers.Serializer[None]):
    """How far the clock moves."""

    by = DurationField(min_seconds=1, max_seconds=YEAR_SECONDS, help_text="How far, for example P7D.")


class ClockOut(TypedDict):
    """What time it is for the domain."""

    now: Timestamp
    jobs: Annotated[list[str], Doc("Periodic jobs that were woken."), Example(["core.drain_outbox"])]


class AdvanceClock(PublicView):
    """Development mode only: production neither has this path nor starts with a movable clock."""

    @endpoint(
        summary="Move the clock forward",
        body=AdvanceClockIn,
        returns=ClockOut,
        idempotency="none",
        example={"by": "P7D"},
        tag="sandbox",
        operation_id="sandbox_clock_advance",
    )
    def post(self, call: Call) -> ClockOut:
        """Approval windows, pay days and expiries can be played through: every sweeper runs after the move."""
        now = clock.advance(dt.timedelta(seconds=call.body["by"]))
        return {"now": now, "jobs": wake_sweepers_after_commit()}
