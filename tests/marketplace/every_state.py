"""Terms in every state: projects, openings, applications, offers, contracts and amendments, by the product's operations."""

from __future__ import annotations

import datetime as dt

from core.money import Money
from core.public import User
from marketplace.models import Contract, Opening, OpeningListing, Project
from marketplace.operations import amendments, applications, closing, conflicts, contracts, offers, openings, projects
from marketplace.operations.later_terms import Change
from tests.marketplace import world
from tests.marketplace.world import NOW, platform

DAY = dt.timedelta(days=1)


def live() -> None:
    """Everything once, at one lab; it competes with another."""
    lab, rival = world.make_lab("Terms"), world.make_lab("Rival")
    project = world.make_project(lab)
    opening = world.make_opening(project, seats=20)
    with platform():
        conflicts.declare(
            one=lab.tenant,
            other=rival.tenant,
            starts_on=NOW.date(),
            cooling_off_days=0,
            declared_by=world.admin_of(lab),
        )
        world.make_project(lab, launched=False, name="Draft")
        projects.pause(project=world.make_project(lab, name="Paused"), now=NOW)
    _openings(project)
    _offers(opening)
    _applications(opening)
    _contracts(opening, world.admin_of(lab))


def _openings(project: Project) -> None:
    with platform():
        world.make_opening(project, is_open=False)
        openings.pause(opening=world.make_opening(project), now=NOW)
        closing.close_opening(opening=world.make_opening(project), now=NOW)


def _offers(opening: Opening) -> None:
    made = {name: world.make_offer(opening, world.make_expert(f"{name}@offers.example")) for name in "wdx"}
    with platform():
        offers.withdraw(offer=made["w"], now=NOW)
        offers.decline(offer=made["d"], now=NOW)


def _applications(opening: Opening) -> None:
    with platform():
        listing = OpeningListing.objects.get(opening_public_id=opening.public_id)
        made = [
            applications.submit(listing=listing, expert=world.make_expert(f"{n}@applies.example"), now=NOW)
            for n in range(4)
        ]
        applications.start_review(application=made[1], now=NOW)
        applications.waitlist(application=made[2], now=NOW)
        applications.withdraw(application=made[3], now=NOW)


def _contracts(opening: Opening, admin: User) -> None:
    """Active with a proposal that stands, paused, with notice, ended; and what became of other proposals."""
    made = [world.make_contract(opening, world.make_expert(f"{n}@works.example")) for n in range(4)]
    with platform():
        active, paused, ending, ended = made
        for n, answer in enumerate((amendments.withdraw, amendments.decline, amendments.accept, None)):
            amendment = amendments.propose(
                contract=active,
                change=Change(rate=Money(20_000 + n, "USD")),
                effective_at=NOW + (30 + n) * DAY,
                reason="-",
                proposed_by=admin,
                now=NOW,
            )
            if answer is not None:
                answer(amendment=amendment, now=NOW)
        contracts.pause(contract=paused, decided_by=admin, reason_code="quality", explanation="-", now=NOW)
        for contract, reason in ((ending, "quality"), (ended, "violation")):
            contracts.end(contract=contract, reason=reason, decided_by=admin, explanation="-", now=NOW)
        assert set(Contract.objects.filter(opening=opening).values_list("status", flat=True)) >= {"active", "paused"}
