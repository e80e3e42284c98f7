"""Stop giving seats: what is out is withdrawn first, then the opening closes."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from marketplace.models import Offer, Opening, Project
from marketplace.operations import offers, openings


@transaction.atomic
def close_opening(*, opening: Opening, now: dt.datetime) -> Opening:
    """Withdraw the offers that are out and close the opening; contracts go on. Raises InvalidTransition."""
    _withdraw(opening, now=now)
    return openings.close(opening=opening, now=now)


def stop_hiring(*, project: Project, now: dt.datetime) -> None:
    """Close every opening of a project."""
    still_open = Opening.objects.filter(project=project).exclude(status=Opening.Status.CLOSED)
    for opening in still_open.order_by("pk"):
        close_opening(opening=opening, now=now)


def _withdraw(opening: Opening, *, now: dt.datetime) -> None:
    """Read under their locks: an offer that is accepted meanwhile is not out any more, and stays accepted."""
    out = Offer.objects.select_for_update(no_key=True, of=("self",)).filter(opening=opening)
    for offer in out.filter(status=Offer.Status.EXTENDED).order_by("pk"):
        offers.withdraw(offer=offer, now=now)
