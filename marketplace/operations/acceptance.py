"""Accept an offer: one transaction in which everything holds, or nothing happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import Conflict, DomainError, FieldError, InvalidInput
from experts.public import AgreementVersion, Expert, missing_signatures, sign
from marketplace import ports, rivals
from marketplace.models import Contract, Offer, OfferDocument, RateSnapshot
from marketplace.operations import budgets, constraints, contracts, offers, openings, permits, projects


class OfferExpired(Conflict):
    """The offer's time is over. The lab may extend a new one."""

    code = "offer_expired"
    title = gettext_lazy("The offer has expired")


@dataclass(frozen=True, slots=True)
class TypedName:
    """A name typed under one text: the public id of its version, and what was typed."""

    agreement_version: str
    typed_name: str


@transaction.atomic
def accept(
    *, offer: Offer, signatures: Sequence[TypedName], now: dt.datetime, ip: str | None = None, user_agent: str = ""
) -> Contract:
    """Sign what is missing, freeze the rate, make the contract, take the seat, reserve the lab's money.

    Locks: the expert (two rivals' offers cannot be accepted at once), project, offer, opening, in that order. Every hard
    constraint is checked again. Raises OfferExpired, InvalidTransition, NotHiring, OpeningFull, NotEligible,
    AgreementRequired, InvalidInput for signatures nobody asked for, WeeklyBudgetExceeded, InsufficientFunds.
    """
    expert = Expert.objects.select_for_update(no_key=True, of=("self",)).get(pk=offer.expert_id)
    project = projects.lock(offer.opening.project)
    locked = offers.lock(offer)
    if locked.status == Offer.Status.EXTENDED and locked.expires_at <= now:
        raise OfferExpired
    offers.settle(locked, Offer.Status.ACCEPTED, now=now)
    openings.require_hiring(locked.opening)
    constraints.require_eligible(opening=locked.opening, expert=expert, rate_minor=locked.rate_minor, now=now)
    _sign(locked, expert, signatures, now=now, ip=ip, user_agent=user_agent)
    contract = _contract(locked, expert, now=now)
    snapshot = _freeze(locked, contract, now=now)
    openings.take_seat(opening=locked.opening, now=now)
    budgets.require_room(project=project, now=now)
    ports.funds.get().reserve_contract(contract=contract, snapshot=snapshot, now=now)
    if not locked.opening.tenant.is_sandbox:
        rivals.expose(expert_id=expert.pk, tenant_id=locked.tenant_id, subject=contract.public_id, now=now)
    contracts.tell(contract, "created", now=now)
    return contracts.activate_if_ready(contract=contract, now=now)


def _sign(
    offer: Offer,
    expert: Expert,
    signatures: Sequence[TypedName],
    *,
    now: dt.datetime,
    ip: str | None,
    user_agent: str,
) -> None:
    """Record the signatures that are missing; what was signed before needs none."""
    wanted = {row.agreement_version.public_id: row.agreement_version for row in _documents(offer)}
    _refuse_strangers(signatures, wanted)
    for index, given in enumerate(signatures):
        try:
            sign(
                expert=expert,
                version=wanted[given.agreement_version],
                typed_name=given.typed_name,
                ip=ip,
                user_agent=user_agent,
                subject=offer.public_id,
                now=now,
            )
        except DomainError as error:
            error.errors = tuple(
                FieldError(f"/signatures/{index}{found.pointer}", found.code, found.detail) for found in error.errors
            )
            raise
    missing = missing_signatures(expert_id=expert.pk, version_ids=[version.pk for version in wanted.values()])
    if missing:
        raise permits.agreement_required([version.public_id for version in missing])


def _documents(offer: Offer) -> list[OfferDocument]:
    return list(offer.documents.select_related("agreement_version"))


def _refuse_strangers(signatures: Sequence[TypedName], wanted: dict[str, AgreementVersion]) -> None:
    errors = [
        FieldError(
            f"/signatures/{index}/agreement_version", "not_in_offer", _("The offer does not list this document.")
        )
        for index, given in enumerate(signatures)
        if given.agreement_version not in wanted
    ]
    if errors:
        raise InvalidInput(errors=errors)


def _contract(offer: Offer, expert: Expert, *, now: dt.datetime) -> Contract:
    return Contract.objects.create(
        tenant_id=offer.tenant_id,
        opening=offer.opening,
        project=offer.opening.project,
        offer=offer,
        expert=expert,
        lab_expert=offer.lab_expert,
        zone=expert.zone,
        signed_at=now,
    )


def _freeze(offer: Offer, contract: Contract, *, now: dt.datetime) -> RateSnapshot:
    """Copy everything that was promised, from now on without end."""
    return RateSnapshot.objects.create(
        tenant_id=offer.tenant_id,
        contract=contract,
        valid=DateTimeTZRange(now, None),
        rate_minor=offer.rate_minor,
        currency=offer.currency,
        fee_bp=offer.fee_bp,
        pay_policy=offer.pay_policy,
        approval_window_seconds=offer.approval_window_seconds,
        holdback_bp=offer.holdback_bp,
        holdback_days=offer.holdback_days,
        card_version=offer.card_version,
        day_cap_seconds=offer.daily_cap_seconds,
        week_cap_seconds=offer.weekly_cap_seconds,
        reason=f"offer {offer.public_id} accepted",
    )
