"""News the marketplace listens to."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils.translation import gettext as _

from core import outbox
from core.problems import DomainError
from core.public import AccessToken, Event, User
from experts.public import Decision
from marketplace.models import Application, Contract, LabMember
from marketplace.operations import amendments, api_keys, applications, contracts, offers, openings

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


@outbox.subscribe(api_keys.ISSUED_IN_NEED, name="marketplace.tell_admins_of_keys")
def tell_admins_of_keys(event: Event, _now: dt.datetime) -> None:
    """Mail every admin of a lab that support made it a key of all rights: nobody gets in unseen."""
    token = AccessToken.objects.select_related("tenant").get(public_id=event.subject)
    lab = token.tenant
    if lab is None:
        return
    admins = LabMember.objects.filter(tenant_id=lab.live_id or lab.pk, role=LabMember.Role.ADMIN, user__is_active=True)
    body = _(
        "Support made an API key of all rights for %(lab)s: %(key)s (%(prefix)s…).\n\nBy: %(who)s\nWhy: %(why)s\n\n"
        "If you did not ask for it, revoke it: POST %(url)s/api/v1/api-keys/%(key)s/revoke, and tell us."
    ) % {
        "lab": lab.name,
        "key": token.public_id,
        "prefix": token.prefix,
        "who": User.objects.get(public_id=event.payload["by"]).get_full_name(),
        "why": event.payload["reason"],
        "url": settings.BASE_URL,
    }
    for address in admins.order_by("pk").values_list("user__email", flat=True):
        send_mail(_("Support made an API key for %(lab)s") % {"lab": lab.name}, body, None, [address])


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
