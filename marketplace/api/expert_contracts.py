"""`/expert/contracts`: what you agreed to, the instructions, and the way out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Link, RateOut, Timestamp, render_rate
from core.api.views import ExpertView
from core.problems import InvalidTransition
from marketplace import queries
from marketplace.api.contracts import ContractId, NextTermsOut, mine, render_next_terms, terms_of
from marketplace.api.filters import narrowed
from marketplace.api.openings import OpeningId
from marketplace.api.projects import ProjectId
from marketplace.api.terms import TermsOut, render_terms
from marketplace.models import Contract, InstructionAcknowledgement, InstructionVersion
from marketplace.operations import contracts, instructions
from marketplace.operations.instructions import InstructionsOutdated


class MyContractOut(TypedDict):
    """Your seat."""

    id: ContractId
    opening: OpeningId
    project: ProjectId
    title: Annotated[str, Example("Cardiologist for rubrics")]
    lab: Annotated[str, Example("A lab in Zurich")]
    project_name: Annotated[str, Example("Heart")]
    status: Annotated[str, Doc("onboarding, active, paused, ending or ended."), Example("active")]
    project_status: Annotated[str, Example("active")]
    end_reason: Annotated[str | None, Example(None)]
    rate: Annotated[RateOut, Doc("Frozen.")]
    terms: TermsOut
    next_terms: Annotated[NextTermsOut | None, Doc("Agreed for later.")]
    zone: Annotated[str, Doc("Whose midnight ends a day for the daily cap."), Example("Europe/Zurich")]
    instructions: Annotated[Link, Doc("Read and acknowledge them here.")]
    signed_at: Timestamp
    activated_at: Timestamp | None
    notice_ends_at: Timestamp | None
    ended_at: Timestamp | None


class MyInstructionsOut(TypedDict):
    """The instructions in force."""

    id: Annotated[str, IdOf("ins")]
    number: Annotated[int, Example(1)]
    body: Annotated[str, Doc("Markdown.")]
    published_at: Timestamp
    acknowledged_at: Annotated[Timestamp | None, Doc("When you acknowledged this version.")]


class InstructionsReadOut(TypedDict):
    """The newest instructions; null while the project has none."""

    instructions: MyInstructionsOut | None


class AcknowledgeIn(serializers.Serializer[None]):
    """Which version you read."""

    version = StrictCharField(max_length=40)


class MyContractFilters(CreatedFilters):
    """Which contracts."""

    status = serializers.ChoiceField(choices=Contract.Status.choices, required=False)


def my_contracts(call: Call) -> QuerySet[Any]:
    """The caller's contracts with what a row shows; ``lab_alias`` is annotated."""
    return mine(call).annotate(lab_alias=queries.lab_alias())


def render_my_contract(contract: Any, *, now: dt.datetime) -> MyContractOut:
    """One contract, as the expert sees it."""
    frozen = terms_of(contract, now=now)
    terms = {
        "weekly_cap_seconds": frozen.week_cap_seconds,
        "daily_cap_seconds": frozen.day_cap_seconds,
        "pay_policy": frozen.pay_policy,
        "approval_window_seconds": frozen.approval_window_seconds,
        "holdback_bp": frozen.holdback_bp,
        "holdback_days": frozen.holdback_days,
        "notice_days": contract.offer.notice_days,
    }
    return {
        "id": contract.public_id,
        "opening": contract.opening.public_id,
        "project": contract.project.public_id,
        "title": contract.opening.title,
        "lab": contract.lab_alias,
        "project_name": contract.project.alias,
        "status": contract.status,
        "project_status": contract.project.status,
        "end_reason": contract.end_reason or None,
        "rate": render_rate(frozen.rate),
        "terms": render_terms(terms, rate=frozen.rate, now=now),
        "next_terms": render_next_terms(contract, now=now),
        "zone": contract.zone,
        "instructions": f"/api/v1/expert/contracts/{contract.public_id}/instructions",
        "signed_at": contract.signed_at,
        "activated_at": contract.activated_at,
        "notice_ends_at": contract.notice_ends_at,
        "ended_at": contract.ended_at,
    }


class MyContractList(ExpertView):
    """Your contracts."""

    @endpoint(
        summary="List my contracts", query=MyContractFilters, returns=MyContractOut, paginated=True, tag="contracts"
    )
    def get(self, call: Call) -> Listed:
        """Newest first."""
        rows = narrowed(my_contracts(call), call.query, status="status")
        return Listed(rows, lambda contract: render_my_contract(contract, now=call.now))


class MyContractDetail(ExpertView):
    """One of them."""

    @endpoint(summary="Show my contract", returns=MyContractOut, tag="contracts")
    def get(self, call: Call, contract_id: str) -> MyContractOut:
        """With the terms in force."""
        return render_my_contract(get_or_404(my_contracts(call), contract_id), now=call.now)


class MyContractLeave(ExpertView):
    """The way out."""

    @endpoint(summary="Leave a contract", returns=MyContractOut, errors=[InvalidTransition], tag="contracts")
    def post(self, call: Call, contract_id: str) -> MyContractOut:
        """At once and without a reason. What you worked is paid."""
        contracts.leave(contract=get_or_404(my_contracts(call), contract_id), now=call.now)
        return render_my_contract(get_or_404(my_contracts(call), contract_id), now=call.now)


class MyInstructions(ExpertView):
    """What the lab asks of whoever works on the project."""

    @endpoint(summary="Read the instructions", returns=InstructionsReadOut, tag="contracts")
    def get(self, call: Call, contract_id: str) -> InstructionsReadOut:
        """The newest version, and whether you acknowledged it."""
        contract = get_or_404(my_contracts(call), contract_id)
        versions = InstructionVersion.objects.visible_to(call.principal).filter(project=contract.project)
        newest = versions.order_by("-number").first()
        return {"instructions": _render(newest, contract, call) if newest else None}


def _render(version: InstructionVersion, contract: Contract, call: Call) -> MyInstructionsOut:
    read = InstructionAcknowledgement.objects.visible_to(call.principal).filter(version=version, contract=contract)
    acknowledgement = read.first()
    return {
        "id": version.public_id,
        "number": version.number,
        "body": version.body,
        "published_at": version.published_at,
        "acknowledged_at": acknowledgement.acknowledged_at if acknowledgement else None,
    }


class MyInstructionsAcknowledge(ExpertView):
    """I read them."""

    @endpoint(
        summary="Acknowledge the instructions",
        body=AcknowledgeIn,
        returns=MyContractOut,
        errors=[InstructionsOutdated],
        example={"version": "ins_01k9w3v6z8f2qr5t4h7xnm0ceg"},
        tag="contracts",
    )
    def post(self, call: Call, contract_id: str) -> MyContractOut:
        """Names the version you read; when that was all the contract waited for, it becomes active."""
        contract = get_or_404(my_contracts(call), contract_id)
        instructions.acknowledge(contract=contract, version_id=call.body["version"], now=call.now)
        return render_my_contract(get_or_404(my_contracts(call), contract_id), now=call.now)
