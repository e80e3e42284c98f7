"""What the marketplace does by the clock. Every job may run twice."""

from __future__ import annotations

import datetime as dt

from core import clock
from core.jobs import job
from marketplace.operations import amendments, conflicts, contracts, offers, projects


@job(name="marketplace.expire_offers")
def expire_offers() -> None:
    """Expire offers whose time is over."""
    offers.expire_due(now=clock.now())


@job(name="marketplace.expire_amendments")
def expire_amendments() -> None:
    """Expire proposals that nobody answered."""
    amendments.expire_due(now=clock.now())


@job(name="marketplace.enforce_walls")
def enforce_walls() -> None:
    """Let contracts stand still that a competition between labs has come between."""
    conflicts.enforce(now=clock.now())


@job(name="marketplace.finish_contracts")
def finish_contracts() -> None:
    """End contracts whose notice is over."""
    contracts.finish_due(now=clock.now())


@job(name="marketplace.complete_projects")
def complete_projects() -> None:
    """Complete projects that have nothing open any more."""
    projects.complete_due(now=clock.now())


PERIODIC = {
    "marketplace.expire_offers": dt.timedelta(minutes=1),
    "marketplace.expire_amendments": dt.timedelta(minutes=1),
    "marketplace.enforce_walls": dt.timedelta(minutes=15),
    "marketplace.finish_contracts": dt.timedelta(minutes=1),
    "marketplace.complete_projects": dt.timedelta(minutes=5),
}
