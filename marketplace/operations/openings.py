"""Openings: seats that a project offers, from draft to closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, states
from core.problems import Conflict, FieldError, InvalidInput
from experts.public import Domain
from marketplace.models import Opening, Project, Requirement
from marketplace.operations import board, rate_cards


class NotHiring(Conflict):
    """The project or the opening does not take anybody now.

    A project hires while it is in calibration, active or paused, an opening while it is open. `project_status` and
    `opening_status` tell where they are.
    """

    code = "not_hiring"
    title = gettext_lazy("No seats are given now")
    example_members: ClassVar[Mapping[str, Any]] = {"project_status": "draft", "opening_status": "open"}


class OpeningFull(Conflict):
    """Every seat is taken.

    Others accepted first. The offer stands until it expires: when somebody gives up a seat in that time, it can be
    accepted.
    """

    code = "opening_full"
    title = gettext_lazy("Every seat is taken")


@transaction.atomic
def create(*, project: Project, requirement: Mapping[str, Any], now: dt.datetime, **fields: Any) -> Opening:
    """A draft in a project. Raises InvalidInput for an unknown domain, RateMissing where no card prices the work."""
    if project.status in {Project.Status.WINDING_DOWN, Project.Status.COMPLETED, Project.Status.CANCELLED}:
        raise NotHiring(project_status=str(project.status), opening_status=str(Opening.Status.DRAFT))
    _check_caps(fields)
    opening = Opening.objects.create(tenant_id=project.tenant_id, project=project, **fields)
    Requirement.objects.create(tenant_id=project.tenant_id, opening=opening, **_columns(requirement))
    rate_cards.rates_by_band(opening=opening, now=now)
    _tell(opening, "created", now=now)
    return opening


@transaction.atomic
def update(
    *, opening: Opening, now: dt.datetime, requirement: Mapping[str, Any] | None = None, **fields: Any
) -> Opening:
    """Change an opening that is not closed. Offers that are out keep their terms; seats cannot go below those taken."""
    locked = lock(opening)
    if locked.status == Opening.Status.CLOSED:
        raise NotHiring(project_status=str(locked.project.status), opening_status=str(locked.status))
    if fields.get("seats", locked.seats) < locked.seats_taken:
        detail = _("%(taken)d seats are taken already.") % {"taken": locked.seats_taken}
        raise InvalidInput(errors=[FieldError("/seats", "too_small", detail)])
    for name, value in fields.items():
        setattr(locked, name, value)
    _check_caps({"weekly_cap_seconds": locked.weekly_cap_seconds, "daily_cap_seconds": locked.daily_cap_seconds})
    locked.save(update_fields=list(fields))
    if requirement is not None:
        Requirement.objects.filter(opening=locked).update(**_columns(requirement))
    rate_cards.rates_by_band(opening=_read(locked.pk), now=now)
    return _settle(_read(locked.pk), now=now)


def _settle(opening: Opening, *, now: dt.datetime) -> Opening:
    """After a change: is it full, or is there a seat again; and does the board tell the truth."""
    if opening.status == Opening.Status.OPEN and opening.seats_left == 0:
        _move(opening, Opening.Status.FILLED, "filled", now=now)
    elif opening.status == Opening.Status.FILLED and opening.seats_left > 0:
        _move(opening, Opening.Status.OPEN, "reopened", now=now)
    if opening.status == Opening.Status.OPEN:
        board.publish(opening=opening, now=now)
    else:
        board.remove(opening=opening)
    return opening


def _check_caps(fields: Mapping[str, Any]) -> None:
    daily = fields.get("daily_cap_seconds")
    if daily is not None and daily > fields["weekly_cap_seconds"]:
        detail = _("A day cannot have more hours than the week.")
        raise InvalidInput(errors=[FieldError("/daily_cap", "too_long", detail)])


def _columns(requirement: Mapping[str, Any]) -> dict[str, Any]:
    """The model's columns of a requirement as the API takes it."""
    domain = Domain.objects.filter(code=requirement["domain"]).first()
    if domain is None:
        detail = _("There is no such domain; GET /api/v1/domains lists them.")
        raise InvalidInput(errors=[FieldError("/requirement/domain", "unknown_domain", detail)])
    countries = requirement.get("countries") or {}
    return {
        "domain": domain,
        "min_level": requirement.get("min_level", 0),
        "min_years": requirement.get("min_years", 0),
        "degree": requirement.get("degree", "none"),
        "licences": [
            {"kind": need["kind"], "jurisdiction": need.get("jurisdiction")} for need in requirement.get("licences", [])
        ],
        "languages": sorted(set(requirement.get("languages", []))),
        "countries_allowed": sorted(set(countries["allow"])) if countries.get("allow") else None,
        "countries_blocked": sorted(set(countries.get("block") or [])),
        "qualifications": sorted(set(requirement.get("qualifications", []))),
        "hours_week": requirement.get("hours_week", 0),
    }


@transaction.atomic
def open_(*, opening: Opening, now: dt.datetime) -> Opening:
    """Take applications and offers: from a draft or after a pause. Raises NotHiring, InvalidTransition."""
    locked = lock(opening)
    if not locked.project.is_hiring:
        raise NotHiring(project_status=str(locked.project.status), opening_status=str(locked.status))
    if locked.status == Opening.Status.FILLED:
        raise OpeningFull
    _move(locked, Opening.Status.OPEN, "opened", now=now)
    return _settle(locked, now=now)


@transaction.atomic
def pause(*, opening: Opening, now: dt.datetime) -> Opening:
    """Take nobody for a while; offers that are out cannot be accepted meanwhile. Raises InvalidTransition."""
    return _settle(_move(lock(opening), Opening.Status.PAUSED, "paused", now=now), now=now)


@transaction.atomic
def close(*, opening: Opening, now: dt.datetime) -> Opening:
    """Take nobody any more; contracts go on. Raises InvalidTransition. `closing` withdraws the offers that are out."""
    return _settle(_move(lock(opening), Opening.Status.CLOSED, "closed", now=now), now=now)


def require_hiring(opening: Opening) -> None:
    """Raise NotHiring or OpeningFull unless seats are given now."""
    if opening.status == Opening.Status.FILLED:
        raise OpeningFull
    if opening.status != Opening.Status.OPEN or not opening.project.is_hiring:
        raise NotHiring(project_status=str(opening.project.status), opening_status=str(opening.status))


def take_seat(*, opening: Opening, now: dt.datetime) -> Opening:
    """Take one seat for a contract, by one conditional UPDATE: however many race, no seat is given twice.

    Raises OpeningFull, NotHiring.
    """
    free = Opening.objects.filter(pk=opening.pk, status=Opening.Status.OPEN, seats_taken__lt=F("seats"))
    if not free.update(seats_taken=F("seats_taken") + 1):
        require_hiring(_read(opening.pk))
        raise OpeningFull
    taken = _read(opening.pk)
    return _settle(taken, now=now) if taken.seats_left == 0 else taken


def free_seat(*, opening: Opening, now: dt.datetime) -> Opening:
    """Give back the seat of a contract that ended; a filled opening is open again."""
    Opening.objects.filter(pk=opening.pk, seats_taken__gt=0).update(seats_taken=F("seats_taken") - 1)
    return _settle(_read(opening.pk), now=now)


def lock(opening: Opening) -> Opening:
    """The opening's row, locked; after the locks of its project and offers."""
    rows = Opening.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("tenant", "project", "requirement__domain").get(pk=opening.pk)


def _read(pk: int) -> Opening:
    return Opening.objects.select_related("tenant", "project", "requirement__domain").get(pk=pk)


def _move(opening: Opening, to: str, news: str, *, now: dt.datetime) -> Opening:
    states.move(opening, to)
    opening.save(update_fields=["status"])
    _tell(opening, news, now=now)
    return opening


def _tell(opening: Opening, news: str, *, now: dt.datetime) -> None:
    outbox.publish(f"opening.{news}", subject=opening.public_id, tenant_id=opening.tenant_id, now=now)
