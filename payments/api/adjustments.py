"""`/adjustments`: what changed a lab's bill beside or after the hours."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField
from core.api.lookup import get_or_404
from core.api.views import LabView
from payments.api.adjustment_types import LabAdjustmentOut, render_lab_adjustment
from payments.api.filters import MoneyFilters
from payments.models import Adjustment


class AdjustmentFilters(MoneyFilters):
    """Filters."""

    kind = serializers.ChoiceField(choices=Adjustment.Kind.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="contract__public_id")
    time_entry = PublicIdField("tme", required=False, help_text="What changed these hours, and what gave it back.")


def adjustments_of(call: Call) -> Any:
    """The lab's adjustments with what a row shows."""
    rows = Adjustment.objects.visible_to(call.principal)
    return rows.select_related("contract__lab_expert", "entry", "takes_back__entry")


class AdjustmentList(LabView):
    """What changed the bill."""

    @endpoint(
        summary="List adjustments",
        scope="timesheets:read",
        query=AdjustmentFilters,
        returns=LabAdjustmentOut,
        paginated=True,
        render=render_lab_adjustment,
    )
    def get(self, call: Call) -> Any:
        """Newest first: bonuses, corrections of approved hours, what was taken back and what was given back."""
        query = dict(call.query)
        entry = query.pop("time_entry", None)
        about = Q(entry__public_id=entry) | Q(takes_back__entry__public_id=entry) if entry else Q()
        return adjustments_of(call).filter(about, **query)


class AdjustmentDetail(LabView):
    """One change."""

    @endpoint(summary="Show an adjustment", scope="timesheets:read", returns=LabAdjustmentOut)
    def get(self, call: Call, adjustment_id: str) -> LabAdjustmentOut:
        """With its reason, and what it takes back."""
        return render_lab_adjustment(get_or_404(adjustments_of(call), adjustment_id))
