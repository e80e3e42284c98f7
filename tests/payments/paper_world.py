"""An expert who was paid for real hours, a bonus and a corrected entry, part of it held back: material for papers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.money import Money
from experts.public import Expert
from payments.models import Statement, TimeEntry
from payments.operations.hours import time_entries, timesheets
from payments.operations.pay import adjustments, bonuses
from payments.operations.pay.bonuses import Bonus
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import PLATFORM, World, platform

WORKED = dt.datetime(2026, 11, 9, 9, tzinfo=dt.UTC)
APPROVED = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def worked(world: World, *minutes: int, since: dt.datetime = WORKED) -> list[TimeEntry]:
    """Entries of so many minutes, one a day, approved by the lab five days later. Called within ``platform()``."""
    made: list[TimeEntry] = []
    for n, length in enumerate(minutes):
        start = since + n * DAY
        made += time_entries.log(
            contract=world.contract,
            activity="task",
            claim=None,
            started_at=start,
            ended_at=start + dt.timedelta(minutes=length),
            reason="no timer at hand",
            now=start + dt.timedelta(minutes=length),
        )
    approved = since + 5 * DAY
    sheet = timesheets.submit(timesheet=made[0].timesheet, by=PLATFORM, now=approved)
    timesheets.approve(timesheet=sheet, by=PLATFORM, decided_by=world.member, now=approved)
    return made


def build(name: str = "Ada", *, holdback_bp: int = 1000, **more: Any) -> World:
    """A world whose expert can be paid."""
    ada = story.new_expert(name)
    with platform():
        return hours.build(name=f"Lab of {name}", expert=ada, holdback_bp=holdback_bp, **more)


def with_extras(world: World) -> World:
    """Three entries, one of them corrected afterwards, and a bonus."""
    with platform():
        entries = worked(world, 150, 61, 47)
        later = APPROVED + dt.timedelta(hours=3)
        bonuses.pay(
            bonus=Bonus(world.contract, Money(12_345, "USD"), "=Found a mistake"),
            decided_by=world.member,
            by=PLATFORM,
            now=later,
        )
        entry = TimeEntry.objects.get(pk=entries[1].pk)
        adjustments.correct(entry=entry, counted=2_345, reason="Idle", decided_by=world.member, now=later)
    return world


def paid(world: World) -> Statement:
    """After the run of the week: his statement."""
    story.released_run()
    story.send_and_track()
    return statement_of(world.expert)


def statement_of(expert: Expert) -> Statement:
    with platform():
        return (
            Statement.objects.select_related("payout__payout_method", "payout__expert")
            .filter(expert=expert)
            .latest("number")
        )
