"""May work be done under this contract now? Asked before every claim and every timer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from core.problems import Conflict, DomainError, Remedy
from experts.public import is_blocked, missing_signatures
from marketplace import rivals
from marketplace.models import Contract, InstructionAcknowledgement, InstructionVersion, OfferDocument, Project


class ContractNotActive(Conflict):
    """The contract does not allow work now.

    It is paused, its notice runs, it has ended, or its project is paused or winding down. `contract_status` and
    `project_status` tell which. Work that was claimed before can still be finished and is paid.
    """

    code = "contract_not_active"
    title = _("No work can be begun under this contract now")
    example_members: ClassVar[Mapping[str, Any]] = {"contract_status": "paused", "project_status": "active"}


class AgreementRequired(DomainError):
    """Something has to be signed first.

    `agreement_versions` lists what is missing; each can be read in full at `/api/v1/expert/agreements/{id}`. Sign by
    accepting the offer that lists them, with the name typed out.
    """

    code = "agreement_required"
    status = 403
    title = _("An agreement has to be signed first")
    example_members: ClassVar[Mapping[str, Any]] = {"agreement_versions": ["agv_01k9w3v6z8f2qr5t4h7xnm0ceg"]}


class InstructionsRequired(DomainError):
    """The project's instructions have to be read and acknowledged first.

    The lab published a version that you have not acknowledged. `remedy` links to it; the acknowledgement is
    `POST /api/v1/expert/contracts/{id}/instructions/acknowledge`.
    """

    code = "instructions_required"
    status = 403
    title = _("The instructions have to be acknowledged first")
    example_members: ClassVar[Mapping[str, Any]] = {"instruction_version": "ins_01k9w3v6z8f2qr5t4h7xnm0ceg"}


class NewWorkRefused(Conflict):
    """No new work can be shown to you in this project now.

    `reason` tells why: `conflict_wall`, you have seen the work of a lab that competes with this one and its cooling-off
    period is not over; or `restricted`, a decision keeps you from new work, see `/api/v1/expert/`. Work in hand can be
    finished and is paid.
    """

    code = "new_work_refused"
    title = _("No new work can be shown to you now")
    example_members: ClassVar[Mapping[str, Any]] = {"reason": "conflict_wall"}


WORKING_PROJECTS = frozenset({Project.Status.CALIBRATION, Project.Status.ACTIVE})


def require_active_contract(*, contract: Contract) -> None:
    """Raise ContractNotActive, AgreementRequired or InstructionsRequired unless work may begin under the contract."""
    require_signatures(contract=contract)
    require_instructions(contract=contract)
    project = contract.project
    if contract.status != Contract.Status.ACTIVE or project.status not in WORKING_PROJECTS:
        raise ContractNotActive(contract_status=str(contract.status), project_status=str(project.status))


def require_new_work(*, contract: Contract, now: dt.datetime) -> None:
    """Raise unless the expert may be shown new work: the contract allows it, no wall and no restriction stands before it.

    Raises what ``require_active_contract`` does, and NewWorkRefused.
    """
    require_active_contract(contract=contract)
    if is_blocked(expert_id=contract.expert_id, tenant_id=contract.tenant_id, from_claims=True, now=now):
        raise NewWorkRefused(reason="restricted")
    if contract.tenant_id in rivals.walled_tenants(expert_id=contract.expert_id, now=now):
        raise NewWorkRefused(reason="conflict_wall")


def require_signatures(*, contract: Contract) -> None:
    """Raise AgreementRequired unless everything that the offer listed is signed."""
    wanted = OfferDocument.objects.filter(offer_id=contract.offer_id).values_list("agreement_version_id", flat=True)
    missing = missing_signatures(expert_id=contract.expert_id, version_ids=list(wanted))
    if missing:
        raise agreement_required([version.public_id for version in missing])


def agreement_required(version_ids: list[str]) -> AgreementRequired:
    """The refusal that names what has to be signed, with a link to the first of it."""
    remedy = Remedy(_("Read and sign it."), f"/api/v1/expert/agreements/{version_ids[0]}")
    return AgreementRequired(remedy=remedy, agreement_versions=version_ids)


def require_instructions(*, contract: Contract) -> None:
    """Raise InstructionsRequired unless the newest instructions are acknowledged."""
    latest = newest_instructions(contract.project_id)
    if latest is None or is_acknowledged(version=latest, contract=contract):
        return
    remedy = Remedy(_("Read and acknowledge them."), f"/api/v1/expert/contracts/{contract.public_id}/instructions")
    raise InstructionsRequired(remedy=remedy, instruction_version=latest.public_id)


def newest_instructions(project_id: int) -> InstructionVersion | None:
    """The version in force, if the project has any."""
    return InstructionVersion.objects.filter(project_id=project_id).order_by("-number").first()


def is_acknowledged(*, version: InstructionVersion, contract: Contract) -> bool:
    """Whether the holder confirmed this version."""
    return InstructionAcknowledgement.objects.filter(version=version, contract=contract).exists()
