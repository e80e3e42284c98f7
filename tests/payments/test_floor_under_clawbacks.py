"""Pay that is taken back at the desk leaves a week at its wage floor at least; what falls below it later is topped up."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from pytest_django import Settings

from core import outbox
from core.money import Money
from core.problems import Conflict
from core.public import User
from experts.public import Notice
from payments.models import Adjustment, AdjustmentProposal, FloorCheck, TimeEntry
from payments.operations.pay import adjustments, clawbacks
from tests.concurrency.together import together
from tests.payments.beside import Desk, assert_the_books_hold
from tests.payments.hours_world import HOUR, platform
from tests.payments.test_time_weeks import staff
from tests.payments.test_true_ups import APPROVED, DAY, LATER, Story, added, sweep

pytestmark = pytest.mark.django_db
CLERK = ("adjust_pay", "approve_adjustment")
GROSS, ABOVE = 10_000, 3_050  # five hours at 20.00 EUR, of which 5 x 13.90 stay


def worked(currency: str = "EUR") -> tuple[Story, TimeEntry]:
    """A decided week of one entry."""
    story = Story(currency=currency)
    story.log("task", 300)
    story.approve()
    with platform():
        return story, TimeEntry.objects.get()


def take(desk: Desk, entry: TimeEntry, amount: str, at: dt.datetime = LATER) -> str:
    """What the desk is told after it took so much back, once the news have been handled."""
    page = desk.act("timeentry", "take_back", entry.pk, at=at, given=amount, reason="Copied.")
    outbox.drain(now=at)
    return page


def taken() -> list[int]:
    with platform():
        rows = Adjustment.objects.filter(kind__in=("clawback", "reinstatement")).order_by("pk")
        return list(rows.values_list("amount_minor", flat=True))


def test_no_more_is_taken_back_than_the_week_pays_above_its_floor() -> None:
    story, entry = worked()
    desk = Desk(*CLERK)
    page = take(desk, entry, "30.51")
    assert "At most 30.50 EUR of this week is above the wage floor" in page
    assert (taken(), story.owed()) == ([], GROSS)
    with platform():
        assert not Notice.objects.filter(kind__startswith="adjustment").exists()
    assert "above the wage floor" not in take(desk, entry, "30.50")
    assert "At most 0.00 EUR" in take(desk, entry, "0.01")
    sweep(LATER + DAY)
    assert (taken(), story.owed(), added()) == ([-ABOVE], GROSS - ABOVE, [])
    with platform():
        check = FloorCheck.objects.get()
        assert (check.gross_minor, check.due_minor) == (GROSS - ABOVE, GROSS - ABOVE)
    assert_the_books_hold()


def test_where_no_floor_holds_all_of_it_can_be_taken() -> None:
    story, entry = worked(currency="USD")
    take(Desk(*CLERK), entry, "100.00")
    assert (taken(), story.owed()) == ([-GROSS], 0)


def test_the_rest_of_the_week_counts_too() -> None:
    """Unpaid work lowers what can be taken of a paid entry, and a week that was topped up has nothing to give."""
    story = Story()
    story.log("task", 120)
    story.log("assessment", 180, day=1)
    story.approve()
    assert added() == [(2_950, 5, 4_000)]
    with platform():
        entry = TimeEntry.objects.get(activity="task")
    assert "At most 0.00 EUR" in take(Desk(*CLERK), entry, "0.01")
    assert (taken(), story.owed()) == ([], 6_950)


def test_hours_that_were_not_worked_are_corrected_instead() -> None:
    """The floor asks for less then; and pay that was taken before counts when a correction takes more."""
    story, entry = worked()
    take(Desk(*CLERK), entry, "30.50")
    with platform():
        adjustments.correct(entry=entry, counted=4 * HOUR, reason="A break.", decided_by=staff(), now=LATER + DAY)
    outbox.drain(now=LATER + DAY)
    # 4 h must pay 55.60; of 80.00 that are earned 30.50 were taken back.
    assert added() == [(610, 4, 4_950)]
    assert story.owed() == 8_000 - ABOVE + 610
    sweep(LATER + 2 * DAY)
    assert len(added()) == 1
    with platform():
        clawback = Adjustment.objects.get(kind="clawback")
        given = clawbacks.reinstate(
            clawback=clawback, reason="It was his own.", decided_by=staff("ida"), now=LATER + DAY * 3
        )
        assert given is not None
    outbox.drain(now=LATER + 3 * DAY)
    with platform():
        assert FloorCheck.objects.get().gross_minor == 8_000  # the news of what was given back reached the week
    assert (len(added()), story.owed()) == (1, 8_000 + 610)
    assert_the_books_hold()


def test_news_that_were_lost_are_found_by_the_sweep() -> None:
    _story, entry = worked()
    desk = Desk(*CLERK)
    desk.act("timeentry", "take_back", entry.pk, at=LATER, given="10.00", reason="Copied.")
    sweep(LATER + DAY)
    with platform():
        assert FloorCheck.objects.get().gross_minor == GROSS - 1_000
        clawback = Adjustment.objects.get(kind="clawback")
        clawbacks.reinstate(clawback=clawback, reason="His own.", decided_by=staff(), now=LATER + 2 * DAY)
    sweep(LATER + 3 * DAY)
    with platform():
        assert FloorCheck.objects.get().gross_minor == GROSS


def test_a_proposal_is_held_against_the_floor_when_it_is_made_and_when_it_is_approved(settings: Settings) -> None:
    settings.ADJUSTMENT_FOUR_EYES_MINOR = {"*": 1_000}
    story, entry = worked()
    one, other = Desk(*CLERK), Desk(*CLERK)
    assert "At most 30.50 EUR" in take(one, entry, "40.00")
    take(one, entry, "25.00")
    take(other, entry, "6.00")
    with platform():
        proposal = AdjustmentProposal.objects.get()
    page = other.act("adjustmentproposal", "approve", proposal.pk, at=LATER)
    assert "At most 24.50 EUR of this week is above the wage floor" in page
    with platform():
        proposal.refresh_from_db()
    assert (proposal.status, taken(), story.owed()) == ("proposed", [-600], GROSS - 600)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_take_the_same_room_above_the_floor() -> None:
    story, entry = worked()
    with platform():
        clerks = [User.objects.create_user(f"clerk{n}@cadre.example") for n in range(4)]

    def take_some(by: User) -> str:
        try:
            with platform():
                clawbacks.claw_back(
                    source=entry, amount=Money(1_600, "EUR"), reason="Copied.", decided_by=by, now=APPROVED
                )
        except Conflict as refused:
            return str(refused.extra["at_most"]["amount"])
        return "taken"

    assert sorted(together([partial(take_some, by) for by in clerks])) == ["14.50", "14.50", "14.50", "taken"]
    assert (taken(), story.owed()) == ([-1_600], GROSS - 1_600)
