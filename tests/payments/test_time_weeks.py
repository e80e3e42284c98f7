"""Weeks: handed in, approved, approved by silence; what stays behind; the arrows of every state."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Sum

from core import clock, outbox
from core.principal import Principal
from core.problems import InvalidInput, InvalidTransition
from core.public import Event, User
from experts.operations import appeals
from experts.public import Decision, Notice, OwnWork
from payments import jobs
from payments.models import Adjustment, Dispute, JournalEntry, Overage, Posting, TimeEntry, Timesheet
from payments.operations.hours import (
    clocks,
    disputes,
    hours_of_project,
    overages,
    time_entries,
    timers,
    timesheets,
    weeks,
)
from payments.operations.hours.disputes import NotHeardYet, OwnDispute
from payments.operations.pay import adjustments, contests
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
SUBMITTED = MONDAY + 5 * DAY


def log(world: World, start: dt.datetime, minutes: int, *, activity: str = "task") -> TimeEntry:
    """One entry by hand."""
    (entry,) = time_entries.log(
        contract=world.contract,
        activity=activity,
        claim=None,
        started_at=start,
        ended_at=start + dt.timedelta(minutes=minutes),
        reason="no timer at hand",
        now=start + dt.timedelta(minutes=minutes),
    )
    return entry


def submitted(world: World, *lengths: int) -> tuple[Timesheet, list[TimeEntry]]:
    """A submitted week with entries of so many minutes, one a day."""
    entries = [log(world, MONDAY + n * DAY, minutes) for n, minutes in enumerate(lengths)]
    sheet = timesheets.submit(timesheet=entries[0].timesheet, by=PLATFORM, now=SUBMITTED)
    return sheet, entries


def balance(world: World, kind: str) -> int:
    """What is on the accounts of one kind of the world's lab or expert."""
    postings = Posting.objects.filter(account__kind=kind)
    owner = {"account__expert": world.expert} if kind.startswith("expert") else {}
    return postings.filter(**owner).aggregate(total=Sum("amount"))["total"] or 0


def staff(name: str = "grace") -> User:
    """Somebody of the platform."""
    return User.objects.create_user(f"{name}@cadre.example", "pass", is_staff=True)


def test_an_approved_week_becomes_money_entry_by_entry() -> None:
    with platform():
        world = hours.build(rate_minor=11_111, holdback_bp=1_000)
        sheet, _ = submitted(world, 50, 7)
        assert sheet.approve_by == SUBMITTED + dt.timedelta(hours=72)
        approved = timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED + DAY)
        assert approved.status == "approved"
        entries = list(TimeEntry.objects.order_by("pk"))
        for entry in entries:
            gross = (Decimal(entry.seconds) * 11_111 / 3600).quantize(Decimal(1), ROUND_HALF_UP)
            fee = (gross * 3000 / 10_000).quantize(Decimal(1), ROUND_HALF_UP)
            assert (entry.gross_minor, entry.fee_minor) == (int(gross), int(fee))
        assert JournalEntry.objects.filter(kind="time_approved").count() == 2
        total = sum(entry.gross_minor or 0 for entry in entries)
        held = sum(entry.holdback_minor or 0 for entry in entries)
        assert balance(world, "expert_payable") == total - held
        assert balance(world, "expert_holdback") == held
        assert balance(world, "fee_income") == sum(entry.fee_minor or 0 for entry in entries)


def test_nothing_can_be_added_to_a_submitted_week() -> None:
    with platform():
        world = hours.build()
        _, (entry,) = submitted(world, 60)
        for act in (
            lambda: log(world, MONDAY + 3 * DAY, 10),
            lambda: time_entries.void(entry=entry, now=SUBMITTED),
            lambda: time_entries.amend(entry=entry, reason="later", now=SUBMITTED),
        ):
            with pytest.raises((weeks.WeekClosed, InvalidTransition)):
                act()
        assert TimeEntry.objects.get().status == "submitted"


def test_a_running_timer_keeps_its_week_open() -> None:
    with platform():
        world = hours.build()
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
        with pytest.raises(timesheets.TimerStillRunning):
            timesheets.submit(timesheet=timer.timesheet, by=PLATFORM, now=MONDAY + dt.timedelta(minutes=5))


def test_a_week_without_time_is_not_submitted() -> None:
    with platform():
        world = hours.build()
        entry = log(world, MONDAY, 10)
        time_entries.void(entry=entry, now=MONDAY + DAY)
        with pytest.raises(timesheets.NothingToSubmit):
            timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=SUBMITTED)


@pytest.mark.django_db(transaction=True)
def test_the_clocks_submit_and_approve_a_forgotten_week() -> None:
    with platform():
        world = hours.build()
        sheet = log(world, MONDAY, 60).timesheet
    job = Principal.system("payments.tests")
    assert clocks.submit_forgotten_weeks(by=job, now=sheet.submit_by - dt.timedelta(seconds=1)) == 0
    assert clocks.remind_of_weeks(by=job, now=sheet.submit_by - dt.timedelta(hours=3)) == 1
    assert clocks.remind_of_weeks(by=job, now=sheet.submit_by - dt.timedelta(hours=2)) == 0
    assert clocks.submit_forgotten_weeks(by=job, now=sheet.submit_by) == 1
    assert clocks.submit_forgotten_weeks(by=job, now=sheet.submit_by) == 0
    with platform():
        sheet.refresh_from_db()
        assert sheet.approve_by is not None
    assert clocks.approve_silent_weeks(by=job, now=sheet.approve_by - dt.timedelta(seconds=1)) == 0
    assert clocks.approve_silent_weeks(by=job, now=sheet.approve_by) == 1
    assert clocks.approve_silent_weeks(by=job, now=sheet.approve_by) == 0
    with platform():
        sheet.refresh_from_db()
        assert (sheet.status, sheet.decided_by_id) == ("auto_approved", None)
        assert TimeEntry.objects.get().status == "auto_approved"
        assert balance(world, "expert_payable") == 11_000
        assert {"timesheet.submitted", "timesheet.auto_approved"} <= set(Event.objects.values_list("name", flat=True))
        assert Notice.objects.filter(expert=world.expert, kind="timesheet.due").count() == 1


def test_nobody_approves_his_own_hours() -> None:
    with platform():
        world = hours.build()
        sheet, _ = submitted(world, 60)
        with pytest.raises(OwnWork):
            timesheets.approve(timesheet=sheet, decided_by=world.user, by=PLATFORM, now=SUBMITTED)
        with pytest.raises(IntegrityError, match="own hours"), transaction.atomic():
            Timesheet.objects.filter(pk=sheet.pk).update(status="approved", decided_by=world.user, decided_at=SUBMITTED)
        assert not JournalEntry.objects.filter(kind="time_approved").exists()


def test_approved_hours_are_frozen_for_everybody() -> None:
    with platform():
        world = hours.build()
        sheet, (entry,) = submitted(world, 60)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED)
        for change in ({"seconds": 1}, {"gross_minor": 1}, {"status": "void"}):
            with pytest.raises(DatabaseError, match="frozen"), transaction.atomic():
                TimeEntry.objects.filter(pk=entry.pk).update(**change)
        with pytest.raises(DatabaseError, match="not deleted"), transaction.atomic():
            TimeEntry.objects.filter(pk=entry.pk)._raw_delete("default")


def test_a_disputed_entry_stays_behind_while_the_rest_is_paid() -> None:
    with platform():
        world = hours.build()
        sheet, (first, second) = submitted(world, 60, 120)
        dispute = disputes.open_against(
            entry=second,
            reason="half of it",
            proposed_seconds=HOUR,
            decided_by=world.member,
            by=PLATFORM,
            now=SUBMITTED + DAY,
        )
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED + DAY)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, second.status) == ("approved", "disputed")
        assert balance(world, "expert_payable") == 11_000
        with pytest.raises(NotHeardYet):
            disputes.decide(
                dispute=dispute, outcome="upheld", note="agreed", decided_by=staff(), now=SUBMITTED + 2 * DAY
            )
        disputes.answer(dispute=dispute, text="It was the revision.", by=PLATFORM, now=SUBMITTED + 2 * DAY)
        disputes.decide(
            dispute=dispute,
            outcome="partly_upheld",
            seconds=int(1.5 * HOUR),
            note="half of the revision counts",
            decided_by=staff("alan"),
            now=SUBMITTED + 3 * DAY,
        )
        second.refresh_from_db()
        assert (second.status, second.seconds, second.disallowed_seconds) == ("adjusted", 5400, 1800)
        assert balance(world, "expert_payable") == 11_000 + 16_500
        recorded = Adjustment.objects.get()
        assert (recorded.status, recorded.seconds, recorded.amount_minor) == ("recorded", -1800, -5_500)
        assert Decision.objects.get().subject == dispute.public_id


def test_a_dispute_is_decided_by_a_third_person() -> None:
    with platform():
        world = hours.build()
        _, (entry,) = submitted(world, 60)
        with pytest.raises(OwnWork):
            disputes.open_against(
                entry=entry, reason="-", proposed_seconds=0, decided_by=world.user, by=PLATFORM, now=SUBMITTED
            )
        with pytest.raises(InvalidInput):
            disputes.open_against(
                entry=entry, reason="-", proposed_seconds=HOUR, decided_by=world.member, by=PLATFORM, now=SUBMITTED
            )
        dispute = disputes.open_against(
            entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=SUBMITTED
        )
        for person, refusal in ((world.member, OwnDispute), (world.user, OwnWork)):
            with pytest.raises(refusal):
                disputes.decide(dispute=dispute, outcome="overturned", note="-", decided_by=person, now=SUBMITTED)
        dispute.refresh_from_db()
        assert dispute.status == "open"


@pytest.mark.parametrize("ending", ["silence", "withdrawn", "overturned"])
def test_a_dispute_that_does_not_hold_pays_in_full(ending: str) -> None:
    with platform():
        world = hours.build()
        _, (entry,) = submitted(world, 60)
        dispute = disputes.open_against(
            entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=SUBMITTED
        )
        if ending == "silence":
            disputes.resolve_by_silence(dispute_id=dispute.pk, now=dispute.decide_by - DAY)
            assert Dispute.objects.get().status == "open"
            disputes.resolve_by_silence(dispute_id=dispute.pk, now=dispute.decide_by)
        elif ending == "withdrawn":
            disputes.withdraw(dispute=dispute, decided_by=world.member, note="", now=SUBMITTED)
        else:
            disputes.decide(dispute=dispute, outcome="overturned", note="fine", decided_by=staff(), now=SUBMITTED)
        entry.refresh_from_db()
        assert (entry.status, entry.seconds, entry.gross_minor) == ("approved", HOUR, 11_000)
        assert not Decision.objects.exists()
        assert not Adjustment.objects.exists()


def _with_overage(world: World) -> tuple[Timesheet, Overage]:
    timer = timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
    TimeEntry.objects.filter(pk=timer.pk).update(last_heartbeat_at=MONDAY + dt.timedelta(hours=2))
    timers.stop(entry=timer, now=MONDAY + dt.timedelta(hours=2))
    overage = Overage.objects.get()
    sheet = timesheets.submit(timesheet=timer.timesheet, by=PLATFORM, now=MONDAY + DAY)
    return sheet, overage


@pytest.mark.parametrize("first", ["overage", "week"])
def test_an_overage_is_paid_with_its_week_or_after_it(first: str) -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        sheet, overage = _with_overage(world)
        if first == "overage":
            overages.approve(overage=overage, decided_by=world.member, now=MONDAY + DAY)
            assert balance(world, "expert_payable") == 0
            timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY)
        else:
            timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY)
            assert balance(world, "expert_payable") == 11_000
            overages.approve_by_silence(overage_id=overage.pk, now=overage.decide_by)
        assert balance(world, "expert_payable") == 22_000
        assert TimeEntry.objects.filter(overage_seconds__gt=0).count() == 0


def test_declining_an_overage_is_a_decision_and_a_won_appeal_pays_it() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        sheet, overage = _with_overage(world)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY)
        with pytest.raises(OwnWork):
            overages.decline(overage=overage, decided_by=world.user, note="no", now=MONDAY + DAY)
        overages.decline(overage=overage, decided_by=world.member, note="one hour a day", now=MONDAY + DAY)
        with pytest.raises(InvalidTransition):
            overages.approve(overage=overage, decided_by=world.member, now=MONDAY + DAY)
        entry = TimeEntry.objects.get(overage=overage)
        assert (entry.disallowed_seconds, entry.gross_minor) == (HOUR, 0)
        assert Decision.objects.get().subject == overage.public_id
        assert balance(world, "expert_payable") == 11_000
        judge = staff()
        for _ in range(2):
            contests.apply_outcome(
                subject=overage.public_id, outcome="overturned", decided_by=judge, now=MONDAY + 9 * DAY
            )
        assert balance(world, "expert_payable") == 22_000
        assert Adjustment.objects.get().seconds == HOUR


def test_a_correction_reverses_and_posts_anew() -> None:
    with platform():
        world = hours.build()
        sheet, (entry,) = submitted(world, 60)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED)
        entry.refresh_from_db()
        judge = staff()
        adjustments.correct(entry=entry, counted=1800, reason="double entry", decided_by=judge, now=SUBMITTED)
        assert balance(world, "expert_payable") == 5_500
        adjustments.correct(entry=entry, counted=2700, reason="not all of it", decided_by=judge, now=SUBMITTED)
        assert balance(world, "expert_payable") == 8_250
        assert [row.seconds for row in Adjustment.objects.order_by("pk")] == [-1800, 900]
        entry.refresh_from_db()
        assert entry.seconds == HOUR
        with pytest.raises(InvalidInput):
            adjustments.correct(entry=entry, counted=HOUR + 1, reason="-", decided_by=judge, now=SUBMITTED)


def test_the_handling_cap_counts_submitted_items() -> None:
    with platform():
        world = hours.build(aht_cap=1800)
        done, given_up = hours.make_claim(world, status="submitted"), hours.make_claim(world, status="released")
        for n, claim in enumerate((done, given_up)):
            time_entries.log(
                contract=world.contract,
                activity="task",
                claim=claim,
                started_at=MONDAY + n * DAY,
                ended_at=MONDAY + n * DAY + dt.timedelta(minutes=40),
                reason="-",
                now=SUBMITTED,
            )
        timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=SUBMITTED)
        assert TimeEntry.objects.filter(claim=done).aggregate(n=Sum("seconds"))["n"] == 1800
        assert sorted(Overage.objects.values_list("cap", "seconds")) == [("handling", 600), ("handling", 2400)]


@pytest.mark.django_db(transaction=True)
def test_the_jobs_play_a_silent_lab_to_its_end() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        timers.start(contract=world.contract, activity="task", claim=None, now=MONDAY)
    for job, at in (
        (jobs.stop_silent_timers, MONDAY + dt.timedelta(hours=1)),
        (jobs.remind_of_weeks, MONDAY + 8 * DAY),
        (jobs.submit_forgotten_weeks, MONDAY + 9 * DAY),
        (jobs.approve_silent_overages, MONDAY + 12 * DAY),
        (jobs.resolve_silent_disputes, MONDAY + 12 * DAY),
        (jobs.approve_silent_weeks, MONDAY + 12 * DAY),
    ):
        assert job.name in jobs.PERIODIC
        with clock.frozen(at):
            job()
            job()
    with platform():
        entry = TimeEntry.objects.get()
        assert (entry.status, entry.unconfirmed_seconds, entry.gross_minor) == ("auto_approved", 600, 0)
        assert Timesheet.objects.get().status == "auto_approved"
        assert not JournalEntry.objects.filter(kind="time_approved").exists()


@pytest.mark.django_db(transaction=True)
def test_one_row_that_cannot_move_holds_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with platform():
        first, second = (log(hours.build(name=name), MONDAY, 60).timesheet for name in ("Aurora", "Borealis"))
    stock = timesheets.submit

    def failing(*, timesheet: Timesheet, by: Principal, now: dt.datetime) -> Timesheet:
        if timesheet.pk == first.pk:
            raise RuntimeError("broken row")
        return stock(timesheet=timesheet, by=by, now=now)

    monkeypatch.setattr(timesheets, "submit", failing)
    assert clocks.submit_forgotten_weeks(by=PLATFORM, now=first.submit_by) == 1
    with platform():
        first.refresh_from_db()
        second.refresh_from_db()
    assert (first.status, second.status) == ("open", "submitted")


def test_open_hours_keep_a_project_from_being_completed() -> None:
    with platform():
        world = hours.build()
        assert not hours_of_project.blockers(project=world.contract.project)
        sheet, _ = submitted(world, 60)
        assert hours_of_project.blockers(project=world.contract.project) == ["1 week of hours is not approved yet."]
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=SUBMITTED)
        assert not hours_of_project.blockers(project=world.contract.project)


@pytest.mark.django_db(transaction=True)
def test_an_appeal_that_is_won_is_paid_by_the_news_of_it() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        sheet, overage = _with_overage(world)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY)
        overages.decline(overage=overage, decided_by=world.member, note="one hour a day", now=MONDAY + DAY)
        appeal = appeals.file_appeal(
            expert=world.expert, subject=overage.public_id, reason="you asked me to stay", now=MONDAY + DAY
        )
    with platform():
        appeals.decide(appeal=appeal, outcome="overturned", note="they did ask", by=staff(), now=MONDAY + 2 * DAY)
    for _ in range(2):
        outbox.drain(now=MONDAY + 3 * DAY)
    with platform():
        assert balance(world, "expert_payable") == 22_000
        assert Adjustment.objects.get().amount_minor == 11_000


def test_a_refusal_overturned_before_its_week_is_settled_is_paid_with_the_week() -> None:
    with platform():
        world = hours.build(day_cap=HOUR)
        sheet, overage = _with_overage(world)
        overages.decline(overage=overage, decided_by=world.member, note="no", now=MONDAY + DAY)
        contests.apply_outcome(subject=overage.public_id, outcome="overturned", decided_by=None, now=MONDAY + 2 * DAY)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY + 2 * DAY)
        assert balance(world, "expert_payable") == 22_000
        assert not Adjustment.objects.exists()
