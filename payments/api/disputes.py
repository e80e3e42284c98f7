"""`/time-entries/{id}/dispute`, `/disputes` and `/expert/disputes`: contested entries, and the answer to them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import DurationField, PublicIdField, StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.views import ExpertView, LabView
from core.problems import InvalidTransition
from experts.public import OwnWork
from payments.api.deciders import DecidedIn, decider
from payments.api.hours_types import DisputeOut, render_dispute
from payments.models import Dispute, TimeEntry
from payments.operations.hours import disputes
from payments.operations.hours.late_disputes import AlreadyDisputed, ApprovedByTheLab, DisputeWindowOver


class DisputeFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Dispute.Status.choices, required=False)
    contract = PublicIdField("ctr", required=False, source="entry__contract__public_id")


class DisputeIn(DecidedIn):
    """Who contests an entry, why, and how much should count instead."""

    reason = StrictCharField(max_length=5000, help_text="The expert reads and answers it.")
    proposed = DurationField(help_text="What should count instead: less than the billable time.")
    what_changed = StrictCharField(
        max_length=5000,
        required=False,
        allow_blank=True,
        help_text="For hours that you approved yourself: what you know now and did not know then.",
    )


class WithdrawDisputeIn(DecidedIn):
    """Who lets it be, and why."""

    reason = StrictCharField(max_length=2000, required=False, allow_blank=True)


class AnswerDisputeIn(serializers.Serializer[None]):
    """The expert's side of it."""

    answer = StrictCharField(max_length=5000)


def disputes_of(call: Call) -> Any:
    """The caller's disputes with their entries."""
    return Dispute.objects.visible_to(call.principal).select_related("entry__snapshot", "expert")


class LabTimeEntryDispute(LabView):
    """Contesting an entry."""

    @endpoint(
        summary="Dispute a time entry",
        scope="timesheets:write",
        body=DisputeIn,
        returns=DisputeOut,
        status=201,
        errors=[AlreadyDisputed, ApprovedByTheLab, DisputeWindowOver, InvalidTransition, OwnWork],
        idempotency="required",
        example={
            "decided_by": "ops@aurora.example",
            "reason": "The task was handed in after half of this time.",
            "proposed": "PT1H",
        },
        rate="money",
    )
    def post(self, call: Call, entry_id: str) -> DisputeOut:
        """Takes this entry out of a submitted week, or sets aside the pay of hours approved lately.

        The rest is paid on schedule. The platform decides by a clock; silence pays the expert. How long after their
        approval hours can be disputed is the platform's setting: `dispute_window_over` tells until when.
        """
        entries = TimeEntry.objects.live().visible_to(call.principal)
        entry = get_or_404(entries, entry_id)
        dispute = disputes.open_against(
            entry=entry,
            reason=call.body["reason"],
            proposed_seconds=call.body["proposed"],
            what_changed=call.body.get("what_changed", ""),
            decided_by=decider(call),
            by=call.principal,
            now=call.now,
        )
        return render_dispute(dispute)


class LabDisputeList(LabView):
    """The lab's disputes."""

    @endpoint(
        summary="List disputes",
        scope="timesheets:read",
        query=DisputeFilters,
        returns=DisputeOut,
        paginated=True,
        render=render_dispute,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return disputes_of(call).filter(**call.query)


class LabDisputeDetail(LabView):
    """One dispute."""

    @endpoint(summary="Show a dispute", scope="timesheets:read", returns=DisputeOut)
    def get(self, call: Call, dispute_id: str) -> DisputeOut:
        """With the expert's answer and the outcome."""
        return render_dispute(get_or_404(disputes_of(call), dispute_id))


class LabDisputeWithdraw(LabView):
    """Letting it be."""

    @endpoint(
        summary="Withdraw a dispute",
        scope="timesheets:write",
        body=WithdrawDisputeIn,
        returns=DisputeOut,
        errors=[InvalidTransition, OwnWork],
        example={"decided_by": "ops@aurora.example", "reason": "The expert explained it."},
        rate="money",
        idempotency="required",
    )
    def post(self, call: Call, dispute_id: str) -> DisputeOut:
        """The entry is paid in full."""
        dispute = get_or_404(disputes_of(call), dispute_id)
        note = call.body.get("reason", "")
        disputes.withdraw(dispute=dispute, decided_by=decider(call), note=note, now=call.now)
        return render_dispute(get_or_404(disputes_of(call), dispute_id))


class ExpertDisputeList(ExpertView):
    """Disputes about the expert's time."""

    @endpoint(
        summary="List disputes about my time",
        query=DisputeFilters,
        returns=DisputeOut,
        paginated=True,
        render=render_dispute,
    )
    def get(self, call: Call) -> Any:
        """Newest first, each with the clocks to answer and to decide."""
        return disputes_of(call).filter(**call.query)


class ExpertDisputeDetail(ExpertView):
    """One dispute."""

    @endpoint(summary="Show a dispute about my time", returns=DisputeOut)
    def get(self, call: Call, dispute_id: str) -> DisputeOut:
        """With the lab's reason and proposal."""
        return render_dispute(get_or_404(disputes_of(call), dispute_id))


class ExpertDisputeAnswer(ExpertView):
    """The expert's side."""

    @endpoint(
        summary="Answer a dispute about my time",
        body=AnswerDisputeIn,
        returns=DisputeOut,
        errors=[InvalidTransition],
        example={"answer": "The second hour was the revision you asked for."},
    )
    def post(self, call: Call, dispute_id: str) -> DisputeOut:
        """A person of the platform decides after reading both sides."""
        dispute = get_or_404(disputes_of(call), dispute_id)
        disputes.answer(dispute=dispute, text=call.body["answer"], by=call.principal, now=call.now)
        return render_dispute(get_or_404(disputes_of(call), dispute_id))
