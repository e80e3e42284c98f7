"""What the marketplace does by the clock. Every job may run twice."""

from __future__ import annotations

import datetime as dt

from core import clock
from core.jobs import job
from marketplace.operations import amendments, conflicts, contracts, offers, projects


@job(name="marketplace.expire_offers", bound=False)
def expire_offers(after: int = 0) -> None:
    """Expire offers whose time is over."""
    offers.expire_due(now=clock.now(), after=after)


@job(name="marketplace.expire_amendments", bound=False)
def expire_amendments(after: int = 0) -> None:
    """Expire proposals that nobody answered."""
    amendments.expire_due(now=clock.now(), after=after)


@job(name="marketplace.enforce_walls")
def enforce_walls() -> None:
    """Let contracts stand still that a competition between labs has come between."""
    conflicts.enforce(now=clock.now())


@job(name="marketplace.finish_contracts", bound=False)
def finish_contracts(after: int = 0) -> None:
    """End contracts whose notice is over."""
    contracts.finish_due(now=clock.now(), after=after)


@job(name="marketplace.complete_projects", bound=False)
def complete_projects(after: int = 0) -> None:
    """Complete projects that have nothing open any more."""
    projects.complete_due(now=clock.now(), after=after)


PERIODIC = {
    "marketplace.expire_offers": dt.timedelta(minutes=1),
    "marketplace.expire_amendments": dt.timedelta(minutes=1),
    "marketplace.enforce_walls": dt.timedelta(minutes=15),
    "marketplace.finish_contracts": dt.timedelta(minutes=1),
    "marketplace.complete_projects": dt.timedelta(minutes=5),
}
