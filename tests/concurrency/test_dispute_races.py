"""Weeks, disputes and appeals when a person and a clock decide at the same instant: one outcome, paid for exactly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from core import outbox
from core.money import Money
from core.public import Event
from experts.operations import appeals
from experts.public import Appeal
from payments.models import Adjustment, Dispute, JournalEntry, Overage, TimeEntry, Timesheet
from payments.operations.hours import clocks, overages, time_entries, timers, timesheets
from payments.operations.pay import clawbacks
from tests.concurrency.at_once import DONE, Clerk, asked, doing
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, DECIDED, LATER, approved, pay
from tests.payments.hours_world import MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 3


@pytest.fixture(autouse=True)
def _money_is_whole(transactional_db: None) -> Iterator[None]:
    yield
    assert_money_is_whole(now=LATER)


def submitted(n: int) -> tuple[World, Timesheet, TimeEntry]:
    """A week of one hour, handed in, in a world of its own."""
    with platform():
        world = hours.build(name=f"Lab{n}")
        end = MONDAY + dt.timedelta(hours=1)
        (entry,) = time_entries.log(
            contract=world.contract, activity="task", claim=None, started_at=MONDAY, ended_at=end, reason="-", now=end
        )
        return world, timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=DECIDED), entry


def contest(world: World, entry: TimeEntry, at: dt.datetime, *, key: str = "once") -> Any:
    """The lab contests half of the hour, over the API."""
    body = {"decided_by": world.member.email, "reason": "-", "proposed": "PT30M", "what_changed": "A recording."}
    return partial(asked, hours.lab_caller(world), f"/time-entries/{entry.public_id}/dispute", body, at=at, key=key)


def test_a_week_is_approved_by_the_lab_or_its_silence_while_it_is_disputed() -> None:
    """The dispute is there whatever comes first: of the whole entry before the approval, of half of it afterwards."""
    for n in range(ROUNDS):
        world, sheet, entry = submitted(n)
        at = DECIDED + 3 * DAY  # the lab's window ends
        approve = partial(
            asked,
            hours.lab_caller(world),
            f"/timesheets/{sheet.public_id}/approve",
            {"decided_by": world.member.email},
            at=at,
        )
        silence = partial(clocks.approve_silent_weeks, by=PLATFORM, now=at)
        disputes = [contest(world, entry, at, key=f"{n}-{i}") for i in range(2)]
        by_lab, _silence, _again, *opened = together([approve, silence, silence, *disputes])
        with platform():
            sheet.refresh_from_db()
            entry.refresh_from_db()
            (dispute,) = Dispute.objects.filter(entry=entry)
            posted = JournalEntry.objects.filter(kind="time_approved", source_id=entry.public_id).count()
        assert sheet.status == ("approved" if by_lab == DONE else "auto_approved")
        assert opened.count(DONE) == 1, opened
        assert posted == dispute.after_approval
        assert pay(world) == ((5_500, 5_500) if dispute.after_approval else (0, 0))
        assert entry.is_settled == dispute.after_approval


def dispute_of(world: World, entry: TimeEntry, at: dt.datetime) -> Dispute:
    assert contest(world, entry, at)() == DONE
    with platform():
        return Dispute.objects.get(entry=entry)


@pytest.mark.parametrize("late", [False, True])
def test_a_dispute_is_decided_at_the_desk_or_withdrawn_or_by_silence(late: bool) -> None:
    judges = [Clerk("decide_dispute"), Clerk("decide_dispute")]
    for n in range(ROUNDS):
        if late:
            with platform():
                world = hours.build(name=f"Lab{n}")
                entry = approved(world, by_silence=True)
        else:
            world, _sheet, entry = submitted(n)
        dispute = dispute_of(world, entry, LATER)
        at = dispute.decide_by
        uphold, overturn = [
            partial(judge.button, "dispute", action, dispute.pk, at=at)
            for judge, action in zip(judges, ("uphold", "overturn"), strict=True)
        ]
        withdraw = partial(
            asked,
            hours.lab_caller(world),
            f"/disputes/{dispute.public_id}/withdraw",
            {"decided_by": world.member.email},
            at=at,
        )
        silence = partial(clocks.resolve_silent_disputes, by=PLATFORM, now=at)
        people = together([uphold, overturn, withdraw, silence, silence])[:3]
        with platform():
            dispute.refresh_from_db()
            entry.refresh_from_db()
        outcome = ["upheld", "overturned", "withdrawn"][people.index(DONE)] if DONE in people else "resolved_by_timeout"
        assert people.count(DONE) <= 1, people
        assert dispute.status == outcome
        assert pay(world) == ((5_500, 0) if outcome == "upheld" else (11_000, 0))
        assert dispute.decided_seconds == (1800 if outcome == "upheld" else 3600)


def test_an_appeal_gives_back_once_what_its_one_outcome_says() -> None:
    """A judge, the clock and the expert himself, and then three workers who carry it out."""
    finance, judge = story.new_user("Fin"), story.new_user("Judge")
    for n in range(ROUNDS + 1):
        with platform():
            world = hours.build(name=f"Lab{n}")
            entry = approved(world)
            taken = clawbacks.claw_back(
                source=entry, amount=Money(2_000, "USD"), reason="-", decided_by=finance, now=LATER
            )
        assert isinstance(taken, Adjustment)
        me = hours.expert_caller(world)
        filed = asked(me, "/expert/appeals", {"subject": taken.public_id, "reason": "I worked it."}, at=LATER)
        assert filed == DONE
        with platform():
            appeal = Appeal.objects.get(subject=taken.public_id)
        at, outcome = appeal.due_at, ("upheld", "overturned")[n % 2]
        decide = doing(partial(appeals.decide, appeal=appeal, outcome=outcome, note="-", by=judge, now=at))
        silence = doing(partial(appeals.resolve_overdue, now=at))
        withdraw = partial(asked, me, f"/expert/appeals/{appeal.public_id}/withdraw", at=at)
        decided, _silence, _again, withdrawn = together([decide, silence, silence, withdraw])
        assert [decided, withdrawn].count(DONE) <= 1
        with platform():
            appeal.refresh_from_db()
        expected = outcome if decided == DONE else "withdrawn" if withdrawn == DONE else "resolved_by_timeout"
        assert appeal.status == expected
        drains = together([partial(outbox.drain, now=at)] * 3)
        assert not [one for one in drains if isinstance(one, Exception)]
        won = expected in {"overturned", "resolved_by_timeout"}
        with platform():
            given = Adjustment.objects.filter(kind="reinstatement", takes_back=taken)
            assert given.count() == won
        assert pay(world) == (11_000 if won else 9_000, 0)


def test_time_over_a_cap_is_decided_by_the_lab_or_by_its_silence() -> None:
    """The clock that comes second finds it decided, which is no failure of the clock."""
    for n in range(ROUNDS):
        with platform():
            world = hours.build(name=f"Lab{n}", day_cap=hours.HOUR)
            timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
            TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=MONDAY + dt.timedelta(hours=2))
            timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=2))
            timesheets.submit(timesheet=timer.timesheet, by=PLATFORM, now=DECIDED)
            timesheets.approve(timesheet=timer.timesheet, decided_by=world.member, by=PLATFORM, now=DECIDED)
            overage = Overage.objects.get(expert=world.expert)
        at, path = overage.decide_by, f"/overages/{overage.public_id}"
        body = {"decided_by": world.member.email, "reason": "Not agreed."}
        people = [
            partial(asked, hours.lab_caller(world), f"{path}/{verb}", body, at=at) for verb in ("approve", "decline")
        ]
        silence = doing(partial(overages.approve_by_silence, overage_id=overage.pk, now=at))
        approved_, declined, *clock = together([*people, silence, silence])
        assert clock == [DONE, DONE]
        with platform():
            overage.refresh_from_db()
        assert [approved_, declined].count(DONE) == (overage.decided_by_id is not None)
        assert overage.status == (
            "approved" if approved_ == DONE else "declined" if declined == DONE else "auto_approved"
        )
        assert pay(world) == (11_000 if declined == DONE else 22_000, 0)


def test_a_week_hands_itself_in_while_the_expert_does() -> None:
    for n in range(ROUNDS):
        with platform():
            world = hours.build(name=f"Lab{n}")
            end = MONDAY + dt.timedelta(hours=1)
            (entry,) = time_entries.log(
                contract=world.contract,
                activity="task",
                claim=None,
                started_at=MONDAY,
                ended_at=end,
                reason="-",
                now=end,
            )
            sheet = Timesheet.objects.get(pk=entry.timesheet_id)
        at = sheet.submit_by
        by_hand = partial(asked, hours.expert_caller(world), f"/expert/timesheets/{sheet.public_id}/submit", at=at)
        forgotten = doing(partial(timesheets.submit_forgotten, timesheet_id=sheet.pk, by=PLATFORM, now=at))
        mine, *clock = together([by_hand, forgotten, forgotten])
        assert clock == [DONE, DONE]
        assert mine in {DONE, "invalid_transition"}
        with platform():
            assert Event.objects.filter(name="timesheet.submitted", subject=sheet.public_id).count() == 1
