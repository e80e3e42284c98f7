"""News the marketplace listens to."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from core import outbox
from core.problems import DomainError
from core.public import Event
from experts.public import Decision
from marketplace.models import Application, Contract
from marketplace.operations import amendments, applications, contracts, offers, openings

OVERTURNED = frozenset({"overturned", "resolved_by_timeout"})


@outbox.subscribe("appeal.decided", name="marketplace.apply_appeals")
def apply_appeals(event: Event, now: dt.datetime) -> None:
    """Undo what an appeal overturned: a rejected application is in review again, a contract active."""
    if event.payload.get("outcome") not in OVERTURNED:
        return
    subject = str(event.payload.get("subject", ""))
    if _was_decided_anew(subject, event.payload.get("decision")):
        return
    application = Application.objects.filter(public_id=subject, status=Application.Status.REJECTED).first()
    if application is not None:
        applications.reinstate(application=application, now=now)
    _reinstate_contract(subject, now=now)


@outbox.subscribe("contract.*", name="marketplace.withdraw_amendments")
def withdraw_amendments(event: Event, now: dt.datetime) -> None:
    """Terms of a contract that is at its end are not changed any more."""
    if event.name not in {"contract.ending", "contract.ended"}:
        return
    at_its_end = (Contract.Status.ENDING, Contract.Status.ENDED)
    contract = Contract.objects.filter(public_id=event.subject, status__in=at_its_end).first()
    if contract is not None:
        amendments.withdraw_with_contract(contract=contract, now=now)


def _was_decided_anew(subject: str, decision_id: str | None) -> bool:
    """Whether a later decision about the same thing stands, which nobody has overturned."""
    latest = Decision.objects.filter(subject=subject).order_by("-pk").first()
    return decision_id is not None and latest is not None and latest.public_id != decision_id


def _reinstate_contract(subject: str, *, now: dt.datetime) -> None:
    """Give access back; where the contract is over already, a new offer for a seat in the same opening."""
    stopped = (Contract.Status.PAUSED, Contract.Status.ENDING)
    contract = Contract.objects.filter(public_id=subject, status__in=stopped).first()
    if contract is not None:
        contracts.resume(contract=contract, now=now)
        return
    ended = (
        Contract.objects.filter(public_id=subject, status=Contract.Status.ENDED).select_related("lab_expert").first()
    )
    if ended is None:
        return
    try:
        with transaction.atomic():
            opening = openings.lock(ended.opening)
            offers.extend(opening=opening, lab_expert=ended.lab_expert, is_wanted_back=True, now=now)
    except DomainError as error:
        outbox.publish(
            "contract.reinstatement_refused",
            subject=ended.public_id,
            tenant_id=ended.tenant_id,
            user_id=ended.expert.user_id,
            payload={"code": error.code},
            now=now,
        )
