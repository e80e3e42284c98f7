"""Publish a project's instructions, and acknowledge them."""

from __future__ import annotations

import datetime as dt
import hashlib

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox
from core.problems import Conflict
from experts.public import send_notice
from marketplace.models import Contract, InstructionAcknowledgement, InstructionVersion, Project
from marketplace.operations import contracts, permits, projects


class InstructionsOutdated(Conflict):
    """A newer version was published in the meantime: read and acknowledge that one.

    `instruction_version` names it.
    """

    code = "instructions_outdated"
    title = gettext_lazy("There is a newer version")


@transaction.atomic
def publish(*, project: Project, body: str, now: dt.datetime) -> InstructionVersion:
    """The next version; holders of contracts are told, and must acknowledge it before they take new work.

    Publishing the very text that is in force changes nothing and returns the version in force.
    """
    locked = projects.lock(project)
    latest = permits.newest_instructions(locked.pk)
    digest = hashlib.sha256(body.encode()).hexdigest()
    if latest is not None and latest.sha256 == digest:
        return latest
    version = InstructionVersion.objects.create(
        tenant_id=locked.tenant_id,
        project=locked,
        number=latest.number + 1 if latest else 1,
        body=body,
        sha256=digest,
        published_at=now,
    )
    _tell_holders(version, now=now)
    outbox.publish("instructions.published", subject=version.public_id, tenant_id=version.tenant_id, now=now)
    return version


@transaction.atomic
def acknowledge(*, contract: Contract, version_id: str, now: dt.datetime) -> InstructionAcknowledgement:
    """Note that the holder read the newest version; the contract becomes active when that was all it waited for.

    Raises InstructionsOutdated when ``version_id`` (a public id) is not the newest.
    """
    latest = permits.newest_instructions(contract.project_id)
    if latest is None or latest.public_id != version_id:
        raise InstructionsOutdated(instruction_version=latest.public_id if latest else None)
    acknowledgement, created = InstructionAcknowledgement.objects.get_or_create(
        version=latest,
        contract=contract,
        defaults={"tenant_id": contract.tenant_id, "acknowledged_at": now},
    )
    if created:
        outbox.publish(
            "instructions.acknowledged",
            subject=contract.public_id,
            tenant_id=contract.tenant_id,
            user_id=contract.expert.user_id,
            payload={"instruction_version": latest.public_id},
            now=now,
        )
        contracts.activate_if_ready(contract=contract, now=now)
    return acknowledgement


def _tell_holders(version: InstructionVersion, *, now: dt.datetime) -> None:
    holders = Contract.objects.filter(project_id=version.project_id).living().select_related("expert")
    for contract in holders.order_by("pk"):
        send_notice(
            expert=contract.expert,
            kind="instructions.published",
            subject=contract.public_id,
            title=_("New instructions for %(project)s") % {"project": version.project.alias},
            body=_("Read and acknowledge them before you take new work."),
            link=f"/api/v1/expert/contracts/{contract.public_id}/instructions",
            now=now,
        )
