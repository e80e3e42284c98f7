"""An appeal that was won gives back what its correction took, however many other corrections followed."""

from __future__ import annotations

import datetime as dt

import pytest

from core import outbox
from core.public import User
from experts.operations import appeals
from experts.public import Appeal
from payments.models import Adjustment, TimeEntry
from payments.operations.hours import counted_hours
from payments.operations.pay import adjustments, contests
from tests.payments import hours_world as hours
from tests.payments.beside import DAY, LATER, approved, assert_the_books_hold, decide_appeal, pay, told
from tests.payments.hours_world import World, platform

pytestmark = pytest.mark.django_db
HOUR = 3600
FULL = 4 * HOUR


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


@pytest.fixture
def entry(world: World) -> TimeEntry:
    """Four hours, at $110.00 each."""
    with platform():
        return approved(world, minutes=240)


def person(name: str) -> User:
    return User.objects.get_or_create(email=f"{name}@cadre.example")[0]


def correct(entry: TimeEntry, counted: int, reason: str, at: dt.datetime = LATER) -> Adjustment:
    with platform():
        made = adjustments.correct(entry=entry, counted=counted, reason=reason, decided_by=person("ann"), now=at)
    assert made is not None
    return made


def appeal(world: World, correction: Adjustment) -> str:
    body = {"subject": correction.public_id, "reason": "I worked then."}
    filed = hours.expert_caller(world)("POST", "/expert/appeals", body, at=LATER + DAY)
    assert filed.status_code == 201, filed.content
    return str(filed.json()["id"])


def win(appeal_id: str, days: int = 2) -> None:
    decide_appeal(appeal_id, "overturned", by=person("judge"), at=LATER + days * DAY)


def counts(entry: TimeEntry) -> int:
    with platform():
        return counted_hours.counted_now(entry)


def silence() -> None:
    """Nobody answers, and the clock decides."""
    at = LATER + 60 * DAY
    with platform():
        assert appeals.resolve_overdue(now=at)
    outbox.drain(now=at)


def test_silence_pays_though_another_correction_followed(world: World, entry: TimeEntry) -> None:
    first = correct(entry, FULL - HOUR, "Idle.")
    correct(entry, FULL - HOUR - HOUR // 2, "A meeting.", LATER + dt.timedelta(hours=1))
    assert pay(world) == (27_500, 0)
    filed = appeal(world, first)
    silence()
    assert (counts(entry), pay(world)) == (FULL - HOUR // 2, (38_500, 0))
    with platform():
        given = Adjustment.objects.order_by("-pk")[0]
        assert (given.seconds, given.decided_by) == (HOUR, None)
        contests.apply_outcome(subject=first.public_id, outcome="resolved_by_timeout", decided_by=None, now=LATER)
    assert (counts(entry), len(told(world, given.public_id))) == (FULL - HOUR // 2, 1)
    assert filed
    assert_the_books_hold()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_both_won_in_either_order_give_the_whole_entry(world: World, entry: TimeEntry, order: tuple[int, int]) -> None:
    first = correct(entry, FULL - HOUR, "Idle.")
    second = correct(entry, FULL - HOUR - HOUR // 2, "A meeting.")
    filed = [appeal(world, first), appeal(world, second)]
    taken = [HOUR, HOUR // 2]
    win(filed[order[0]])
    assert counts(entry) == FULL - taken[order[1]]
    win(filed[order[1]], 3)
    assert (counts(entry), pay(world)) == (FULL, (44_000, 0))
    assert_the_books_hold()


def test_both_won_by_silence_at_once(world: World, entry: TimeEntry) -> None:
    filed = [appeal(world, correct(entry, FULL - n * HOUR, f"Reason {n}.")) for n in (1, 2)]
    silence()
    assert (len(filed), counts(entry), pay(world)) == (2, FULL, (44_000, 0))
    assert_the_books_hold()


@pytest.mark.parametrize("heard", [(0, 1), (1, 0)])
def test_both_won_before_either_is_heard_of_are_told_by_their_own(
    world: World, entry: TimeEntry, heard: tuple[int, int]
) -> None:
    """Whichever piece of news comes first: two corrections, and two messages that say which appeal gave what."""
    taken = [correct(entry, FULL - HOUR, "Idle."), correct(entry, FULL - 3 * HOUR, "A meeting.")]
    filed = [appeal(world, correction) for correction in taken]
    judge, at = person("judge"), LATER + 2 * DAY
    with platform():
        for appeal_id in filed:
            contested = Appeal.objects.get(public_id=appeal_id)
            appeals.decide(appeal=contested, outcome="overturned", note="I looked at it.", by=judge, now=at)
        for n in (*heard, *heard):
            contests.apply_outcome(subject=taken[n].public_id, outcome="overturned", decided_by=judge, now=at)
    outbox.drain(now=at)
    with platform():
        given = list(Adjustment.objects.filter(seconds__gt=0).order_by("pk"))
    assert [row.seconds for row in given] == [HOUR, 2 * HOUR]
    for correction, row in zip(taken, given, strict=True):
        (message,) = told(world, row.public_id)
        assert f"Appeal about {correction.public_id}: decision overturned." in message
    assert (counts(entry), pay(world)) == (FULL, (44_000, 0))
    assert_the_books_hold()


def test_what_somebody_put_right_by_hand_is_not_given_twice(world: World, entry: TimeEntry) -> None:
    first = correct(entry, FULL - HOUR, "Idle.")
    second = correct(entry, FULL - 2 * HOUR, "A meeting.")
    correct(entry, FULL - HOUR, "Not idle after all.")
    filed = [appeal(world, first), appeal(world, second)]
    win(filed[0])
    assert counts(entry) == FULL - HOUR
    win(filed[1], 3)
    assert (counts(entry), pay(world)) == (FULL, (44_000, 0))


def test_a_later_correction_for_another_reason_stands(world: World, entry: TimeEntry) -> None:
    first = correct(entry, FULL - HOUR, "Idle.")
    win(appeal(world, first))
    assert counts(entry) == FULL
    correct(entry, FULL - 2 * HOUR, "Copied.", LATER + 4 * DAY)
    with platform():
        contests.apply_outcome(subject=first.public_id, outcome="overturned", decided_by=None, now=LATER + 5 * DAY)
    assert counts(entry) == FULL - 2 * HOUR
    assert_the_books_hold()


def test_an_appeal_that_was_lost_gives_nothing_with_the_other(world: World, entry: TimeEntry) -> None:
    first = correct(entry, FULL - HOUR, "Idle.")
    second = correct(entry, FULL - 2 * HOUR, "A meeting.")
    filed = [appeal(world, first), appeal(world, second)]
    decide_appeal(filed[0], "upheld", by=person("judge"), at=LATER + 2 * DAY)
    assert counts(entry) == FULL - 2 * HOUR
    win(filed[1], 3)
    assert counts(entry) == FULL - HOUR
