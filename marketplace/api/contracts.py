"""`/contracts`: the lab's side."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Duration, Example, IdOf, RateOut, Timestamp, render_duration, render_rate
from core.api.views import LabView
from core.problems import InvalidTransition
from experts.public import OwnWork, ReasonMissing
from marketplace.api.candidates import CandidateId
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId
from marketplace.api.projects import ProjectId
from marketplace.api.terms import PaidActivityOut, PlannedRate, render_activities, render_planned_rate
from marketplace.models import Contract, RateSnapshot
from marketplace.operations import contracts
from marketplace.operations.contracts import StoppedByPlatform
from marketplace.queries import DECIDER, contracts_of, deciding_member

ContractId = Annotated[str, IdOf("ctr")]
PAUSE_REASONS = ("quality", "policy_question", "confidentiality", "availability", "other")
END_REASONS = ("completed", "performance", "policy_violation")


class NextTermsOut(TypedDict):
    """Terms that were agreed for a later time."""

    rate: RateOut
    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    paid_activities: list[PaidActivityOut]
    effective_at: Timestamp


class ContractOut(TypedDict):
    """Somebody's seat, with the terms in force."""

    id: ContractId
    project: ProjectId
    opening: OpeningId
    candidate: CandidateId
    status: Annotated[str, Doc("onboarding, active, paused, ending or ended."), Example("active")]
    end_reason: Annotated[str | None, Example(None)]
    rate: RateOut
    next_terms: Annotated[NextTermsOut | None, Doc("Agreed for later.")]
    planned_hourly_rate: PlannedRate
    paid_activities: list[PaidActivityOut]
    fee_bp: Annotated[int, Example(3000)]
    weekly_cap: Annotated[Duration, Example("PT10H")]
    daily_cap: Annotated[Duration | None, Example("PT3H30M")]
    signed_at: Timestamp
    activated_at: Timestamp | None
    notice_ends_at: Annotated[Timestamp | None, Doc("Until when the notice runs.")]
    ended_at: Timestamp | None


class ContractFilters(CreatedFilters):
    """Which contracts."""

    status = serializers.ChoiceField(choices=Contract.Status.choices, required=False)
    opening = StrictCharField(required=False, max_length=40)
    project = StrictCharField(required=False, max_length=40)
    candidate = StrictCharField(required=False, max_length=40)


class PauseIn(serializers.Serializer[None]):
    """Why, and who says so."""

    decided_by = StrictCharField(max_length=254, help_text=DECIDER)
    reason_code = serializers.ChoiceField(choices=[(reason, reason) for reason in PAUSE_REASONS])
    explanation = StrictCharField(max_length=5000)


class EndIn(serializers.Serializer[None]):
    """Why, and who says so."""

    decided_by = StrictCharField(max_length=254, help_text=DECIDER)
    reason = serializers.ChoiceField(choices=[(reason, reason) for reason in END_REASONS])
    explanation = StrictCharField(max_length=5000)


def mine(call: Call) -> QuerySet[Contract]:
    """The caller's contracts with their terms."""
    return contracts_of(call.principal).prefetch_related("snapshots")


def terms_of(contract: Contract, *, now: dt.datetime) -> RateSnapshot:
    """The terms in force; ``snapshots`` is prefetched."""
    begun = [row for row in contract.snapshots.all() if row.valid.lower <= now] or list(contract.snapshots.all())[:1]
    return max(begun, key=lambda snapshot: snapshot.valid.lower)


def render_next_terms(contract: Contract, *, now: dt.datetime) -> NextTermsOut | None:
    """The first of the terms agreed for later; ``snapshots`` is prefetched."""
    later = [row for row in contract.snapshots.all() if row.valid.lower > now]
    if not later:
        return None
    terms = min(later, key=lambda snapshot: snapshot.valid.lower)
    daily = terms.day_cap_seconds
    return {
        "rate": render_rate(terms.rate),
        "weekly_cap": render_duration(terms.week_cap_seconds),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "paid_activities": render_activities(terms.pay_policy),
        "effective_at": terms.valid.lower,
    }


def render_contract(contract: Contract, *, now: dt.datetime) -> ContractOut:
    """One contract, as the lab sees it."""
    terms = terms_of(contract, now=now)
    daily = terms.day_cap_seconds
    return {
        "id": contract.public_id,
        "project": contract.project.public_id,
        "opening": contract.opening.public_id,
        "candidate": contract.lab_expert.public_id,
        "status": contract.status,
        "end_reason": contract.end_reason or None,
        "rate": render_rate(terms.rate),
        "next_terms": render_next_terms(contract, now=now),
        "planned_hourly_rate": render_planned_rate(terms.rate, terms.pay_policy, terms.week_cap_seconds),
        "paid_activities": render_activities(terms.pay_policy),
        "fee_bp": terms.fee_bp,
        "weekly_cap": render_duration(terms.week_cap_seconds),
        "daily_cap": render_duration(daily) if daily is not None else None,
        "signed_at": contract.signed_at,
        "activated_at": contract.activated_at,
        "notice_ends_at": contract.notice_ends_at,
        "ended_at": contract.ended_at,
    }


class ContractList(LabView):
    """The lab's contracts."""

    @endpoint(
        summary="List contracts",
        scope="contracts:read",
        query=ContractFilters,
        returns=ContractOut,
        paginated=True,
    )
    def get(self, call: Call) -> Listed:
        """Newest first. Experts are pseudonyms."""
        rows = narrowed(
            mine(call),
            call.query,
            status="status",
            opening="opening__public_id",
            project="project__public_id",
            candidate="lab_expert__public_id",
        )
        return Listed(rows, lambda contract: render_contract(contract, now=call.now))


class ContractDetail(LabView):
    """One contract."""

    @endpoint(summary="Show a contract", scope="contracts:read", returns=ContractOut)
    def get(self, call: Call, contract_id: str) -> ContractOut:
        """With the terms in force."""
        return render_contract(get_or_404(mine(call), contract_id), now=call.now)


class ContractPause(LabView):
    """A break that somebody imposes."""

    @endpoint(
        summary="Pause a contract",
        scope="contracts:write",
        body=PauseIn,
        returns=ContractOut,
        errors=[InvalidTransition, OwnWork, ReasonMissing],
        example={
            "decided_by": "mem_01k9w3v6z8f2qr5t4h7xnm0ceg",
            "reason_code": "quality",
            "explanation": "Three of the last five rubrics left out the dosage.",
        },
    )
    def post(self, call: Call, contract_id: str) -> ContractOut:
        """By a named person with a reason: it becomes a decision that the expert can contest."""
        contract = get_or_404(mine(call), contract_id)
        decided_by = deciding_member(tenant_id=contract.tenant_id, who=call.body["decided_by"], by=call.principal)
        return render_contract(
            contracts.pause(
                contract=contract,
                decided_by=decided_by,
                reason_code=call.body["reason_code"],
                explanation=call.body["explanation"],
                now=call.now,
            ),
            now=call.now,
        )


class ContractResume(LabView):
    """The end of a break."""

    @endpoint(
        summary="Resume a contract",
        scope="contracts:write",
        returns=ContractOut,
        errors=[InvalidTransition, StoppedByPlatform],
    )
    def post(self, call: Call, contract_id: str) -> ContractOut:
        """After a pause, or to take an end back while its notice runs; not where the platform decided either."""
        resumed = contracts.resume_for_lab(contract=get_or_404(mine(call), contract_id), now=call.now)
        return render_contract(resumed, now=call.now)


class ContractEnd(LabView):
    """An end that somebody decides."""

    @endpoint(
        summary="End a contract",
        scope="contracts:write",
        body=EndIn,
        returns=ContractOut,
        errors=[InvalidTransition, OwnWork, ReasonMissing],
        example={
            "decided_by": "mem_01k9w3v6z8f2qr5t4h7xnm0ceg",
            "reason": "completed",
            "explanation": "All cardiology rubrics are written. Thank you.",
        },
    )
    def post(self, call: Call, contract_id: str) -> ContractOut:
        """The promised notice runs first, in which work in flight is finished; a violation ends it at once.

        It becomes a decision that the expert can contest. What was worked is paid in any case.
        """
        contract = get_or_404(mine(call), contract_id)
        decided_by = deciding_member(tenant_id=contract.tenant_id, who=call.body["decided_by"], by=call.principal)
        return render_contract(
            contracts.end(
                contract=contract,
                reason=call.body["reason"],
                decided_by=decided_by,
                explanation=call.body["explanation"],
                now=call.now,
            ),
            now=call.now,
        )
