"""Applications: an expert asks for a seat, the lab answers."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope, states
from core.problems import Conflict, NotFound, map_constraint
from core.public import User
from experts.public import Expert, record_decision, send_notice
from marketplace import rates
from marketplace.models import Application, Opening, OpeningListing
from marketplace.operations import constraints, openings, pseudonyms, rate_cards


class AlreadyApplied(Conflict):
    """You have an application or an offer for this opening that stands, or hold a seat in it."""

    code = "already_applied"
    title = gettext_lazy("You have applied already")


map_constraint("marketplace_application_once", AlreadyApplied)


@transaction.atomic
def submit(*, listing: OpeningListing, expert: Expert, now: dt.datetime, note: str = "") -> Application:
    """Apply for an opening on the board. Requirements that are not proven yet do not stop an application.

    Raises NotEligible for a wall or a restriction, AlreadyApplied, NotHiring.
    """
    # Only once the application stands does the expert reach the lab's rows for good; a refusal rolls it back.
    scope.extend(listing.tenant_id)
    opening = _opening_of(listing)
    openings.require_hiring(opening)
    constraints.require_welcome(opening=opening, expert=expert, rate_minor=0, now=now)
    if _stands(opening, expert):
        raise AlreadyApplied
    lab_expert = pseudonyms.admit(expert=expert, tenant_id=opening.tenant_id)
    application = Application.objects.create(
        tenant_id=opening.tenant_id,
        opening=opening,
        expert=expert,
        lab_expert=lab_expert,
        note=note,
        submitted_at=now,
    )
    _tell(application, "submitted", now=now)
    return application


def _stands(opening: Opening, expert: Expert) -> bool:
    """Whether there is something already that the expert should answer or use instead of applying."""
    offered = opening.offers.filter(expert=expert, status="extended")
    engaged = opening.contracts.living().filter(expert=expert)
    return offered.exists() or engaged.exists()


def _opening_of(listing: OpeningListing) -> Opening:
    rows = Opening.objects.select_related("tenant", "project", "requirement__domain")
    opening = rows.filter(tenant_id=listing.tenant_id, public_id=listing.opening_public_id).first()
    if opening is None:
        raise NotFound
    return opening


@transaction.atomic
def withdraw(*, application: Application, now: dt.datetime) -> Application:
    """Take it back. Raises InvalidTransition once an answer stands: an offer is declined, not withdrawn from."""
    locked = lock(application)
    if locked.offers.filter(status="extended").exists():
        raise states.InvalidTransition(
            _("There is an offer: decline it instead."),
            current_state=str(locked.status),
            allowed_transitions=states.allowed(locked),
        )
    return _move(locked, Application.Status.WITHDRAWN, "withdrawn", now=now)


@transaction.atomic
def start_review(*, application: Application, now: dt.datetime) -> Application:
    """Somebody looks at it. Raises InvalidTransition."""
    return _move(lock(application), Application.Status.IN_REVIEW, "in_review", now=now)


@transaction.atomic
def waitlist(*, application: Application, now: dt.datetime) -> Application:
    """Keep it for when a seat comes free, and say so. Raises InvalidTransition."""
    locked = _move(lock(application), Application.Status.WAITLISTED, "waitlisted", now=now)
    send_notice(
        expert=locked.expert,
        kind="application.waitlisted",
        subject=locked.public_id,
        title=_("You are on the waiting list: %(title)s") % {"title": locked.opening.title},
        body=_("The lab would like to come back to you when a seat comes free."),
        link=f"/api/v1/expert/applications/{locked.public_id}",
        now=now,
    )
    return locked


@transaction.atomic
def reject(
    *, application: Application, decided_by: User, reason_code: str, explanation: str, now: dt.datetime
) -> Application:
    """Turn it down, by a named person with a reason, as a Decision that can be contested. Raises InvalidTransition."""
    locked = lock(application)
    states.move(locked, Application.Status.REJECTED)
    locked.decided_at = now
    locked.save(update_fields=["status", "decided_at"])
    record_decision(
        expert=locked.expert,
        act="reject_application",
        subject=locked.public_id,
        reason_code=reason_code,
        explanation=explanation,
        evidence=_evidence(locked, now=now),
        decided_by=decided_by,
        now=now,
        tenant_id=locked.tenant_id,
    )
    _tell(locked, "rejected", now=now)
    return locked


def _evidence(application: Application, *, now: dt.datetime) -> dict[str, object]:
    """Which requirements failed at that moment: what an appeal is judged by."""
    opening = application.opening
    by_band = rate_cards.rates_by_band(opening=opening, now=now)
    rate = by_band[rates.band_of(application.expert.country)]
    found = constraints.failures(opening=opening, expert_id=application.expert_id, rate_minor=rate, now=now)
    return {"failing_requirements": [constraints.render_failure(failure) for failure in found]}


@transaction.atomic
def reinstate(*, application: Application, now: dt.datetime) -> Application:
    """Put an application back in review: its rejection was overturned, or its offer ran out.

    An expert who applied anew in the meantime has that application; the old one stays as it is.
    """
    locked = lock(application)
    if locked.opening.applications.standing().filter(expert=locked.expert).exclude(pk=locked.pk).exists():
        return locked
    locked.decided_at = None
    states.move(locked, Application.Status.IN_REVIEW)
    locked.save(update_fields=["status", "decided_at"])
    _tell(locked, "in_review", now=now)
    return locked


def lock(application: Application) -> Application:
    """The application's row, locked, with what its verbs read."""
    rows = Application.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("expert", "opening__project", "opening__tenant", "opening__requirement__domain").get(
        pk=application.pk
    )


def _move(application: Application, to: str, news: str, *, now: dt.datetime) -> Application:
    states.move(application, to)
    application.save(update_fields=["status"])
    _tell(application, news, now=now)
    return application


def _tell(application: Application, news: str, *, now: dt.datetime) -> None:
    outbox.publish(
        f"application.{news}",
        subject=application.public_id,
        tenant_id=application.tenant_id,
        user_id=application.expert.user_id,
        payload={"opening": application.opening.public_id},
        now=now,
    )
