"""`/expert/overages` and `/overages`: time over caps, and the lab's decisions about it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField, StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.views import ExpertView, LabView
from core.problems import InvalidTransition
from experts.public import OwnWork
from payments.api.deciders import DecidedIn, decider
from payments.api.hours_types import OverageOut, render_overage
from payments.models import Overage
from payments.operations.hours import overages


class OverageFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Overage.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="entry__contract__public_id")


class ApproveOverageIn(DecidedIn):
    """Who decides."""

    reason = StrictCharField(max_length=2000, required=False, allow_blank=True)


class DeclineOverageIn(DecidedIn):
    """Who decides, and why."""

    reason = StrictCharField(max_length=2000, help_text="The expert reads it and may contest the decision.")


def overages_of(call: Call) -> Any:
    """The caller's overages with their entries."""
    return Overage.objects.visible_to(call.principal).select_related("entry", "expert")


class ExpertOverageList(ExpertView):
    """The expert's own."""

    @endpoint(
        summary="List my time over caps",
        query=OverageFilters,
        returns=OverageOut,
        paginated=True,
        render=render_overage,
    )
    def get(self, call: Call) -> Any:
        """Newest first, each with the clock by which it is decided."""
        return overages_of(call).filter(**call.query)


class ExpertOverageDetail(ExpertView):
    """One of the expert's own."""

    @endpoint(summary="Show my time over a cap", returns=OverageOut)
    def get(self, call: Call, overage_id: str) -> OverageOut:
        """With the clock by which it is decided, or what was decided and why."""
        return render_overage(get_or_404(overages_of(call), overage_id))


class LabOverageList(LabView):
    """Those that cost the lab."""

    @endpoint(
        summary="List time over caps",
        scope="timesheets:read",
        query=OverageFilters,
        returns=OverageOut,
        paginated=True,
        render=render_overage,
    )
    def get(self, call: Call) -> Any:
        """Newest first; `status=open` are those that wait for you, until `decide_by`."""
        return overages_of(call).filter(**call.query)


class LabOverageDetail(LabView):
    """One that costs the lab."""

    @endpoint(summary="Show time over a cap", scope="timesheets:read", returns=OverageOut)
    def get(self, call: Call, overage_id: str) -> OverageOut:
        """With the clock by which it is decided, or what was decided and why."""
        return render_overage(get_or_404(overages_of(call), overage_id))


class LabOverageApprove(LabView):
    """Letting time count."""

    @endpoint(
        summary="Approve time over a cap",
        rate="money",
        scope="timesheets:write",
        body=ApproveOverageIn,
        returns=OverageOut,
        errors=[InvalidTransition, OwnWork],
        example={"decided_by": "ops@aurora.example"},
        idempotency="required",
    )
    def post(self, call: Call, overage_id: str) -> OverageOut:
        """It is paid with its week, or at once when the week is approved already."""
        overage = get_or_404(overages_of(call), overage_id)
        note = call.body.get("reason", "")
        return render_overage(overages.approve(overage=overage, decided_by=decider(call), note=note, now=call.now))


class LabOverageDecline(LabView):
    """Refusing time."""

    @endpoint(
        summary="Decline time over a cap",
        rate="money",
        scope="timesheets:write",
        body=DeclineOverageIn,
        returns=OverageOut,
        errors=[InvalidTransition, OwnWork],
        example={"decided_by": "ops@aurora.example", "reason": "We agreed on three hours a day."},
        idempotency="required",
    )
    def post(self, call: Call, overage_id: str) -> OverageOut:
        """It becomes a Decision with your reason, which the expert may contest."""
        overage = get_or_404(overages_of(call), overage_id)
        declined = overages.decline(overage=overage, decided_by=decider(call), note=call.body["reason"], now=call.now)
        return render_overage(declined)
