"""The clocks of payments with more rows than fit into a batch, and with one in front that PostgreSQL lets nobody move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db.models import Max
from pytest_django import Settings
from structlog.testing import capture_logs

from core import clock, sweeps
from core.money import Money
from experts.public import Expert, Notice
from payments import jobs, tax
from payments.models import CreditLimit, Payout, Referral, TaxProfile, TimeEntry, Timesheet
from payments.operations.hours import time_entries
from payments.operations.labs import credit
from payments.operations.pay import referrals
from payments.operations.rails import sending, tracking
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, DECIDED, LATER, approved, assert_the_books_hold, pay
from tests.payments.hours_world import MONDAY, World, platform
from tests.payments.ledger_story import NOW
from tests.payments.test_ledger_verify import owner
from tests.payments.test_money_api import expert_caller, post
from tests.payments.test_referrals import HOUR_PROGRAMME, INVITED, person, works
from tests.payments.test_tax_papers import W8BEN

pytestmark = pytest.mark.django_db(transaction=True)
HOLDBACKS_END = DECIDED + 31 * DAY


@pytest.fixture(autouse=True)
def _in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 2)


@contextmanager
def poisoned(table: str, event: str, column: str, value: object) -> Iterator[None]:
    """Let nobody change the rows whose column has this value."""
    with owner() as session:
        session.execute(
            "CREATE FUNCTION tests_poison() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$"
        )
        statement = (
            f"CREATE TRIGGER tests_poison BEFORE {event} ON {table} FOR EACH ROW WHEN (NEW.{column} = '{value}')"
        )
        session.execute(f"{statement} EXECUTE FUNCTION tests_poison()".encode())
    try:
        yield
    finally:
        with owner() as session:
            session.execute("DROP FUNCTION tests_poison() CASCADE")


def worlds(count: int = 5, *, holdback_bp: int = 0) -> list[World]:
    """So many labs with one expert each."""
    with platform():
        return [
            hours.build(name=f"Lab {n}", expert=hours.make_expert(f"expert{n}@example.org"), holdback_bp=holdback_bp)
            for n in range(count)
        ]


def log(world: World) -> TimeEntry:
    (entry,) = time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=MONDAY,
        ended_at=MONDAY + dt.timedelta(hours=1),
        reason="no timer at hand",
        now=MONDAY + dt.timedelta(hours=1),
    )
    return entry


def test_holdbacks_are_released_to_the_last_and_one_that_cannot_be_holds_back_itself_alone() -> None:
    five = worlds(holdback_bp=1_000)
    with platform():
        entries = [approved(world) for world in five]
    bad = entries[0]
    with poisoned("payments_journalentry", "INSERT", "source_id", bad.public_id), clock.frozen(HOLDBACKS_END):
        with capture_logs() as logs:
            jobs.release_holdbacks()
        with platform():
            assert [pay(world) for world in five] == [(9_900, 1_100), *[(11_000, 0)] * 4]
        alarms = [line for line in logs if line["log_level"] == "error"]
        assert [line["event"] for line in alarms] == ["sweep_row_failed", "sweep_failed"]
        assert (alarms[0]["row"], alarms[1]["job"], alarms[1]["failed"]) == (bad.pk, "payments.release_holdbacks", 1)
    with clock.frozen(HOLDBACKS_END + dt.timedelta(hours=1)):
        jobs.release_holdbacks()
    with platform():
        assert [pay(world) for world in five] == [(11_000, 0)] * 5
    assert_the_books_hold()


def test_forgotten_weeks_hand_themselves_in_and_are_approved_behind_one_that_cannot() -> None:
    five = worlds()
    with platform():
        sheets = [log(world).timesheet_id for world in five]
        first = Timesheet.objects.get(pk=sheets[0])
    with poisoned("payments_timesheet", "UPDATE", "id", first.pk):
        with clock.frozen(first.submit_by):
            jobs.submit_forgotten_weeks()
        with platform():
            weeks = dict(Timesheet.objects.values_list("pk", "status"))
        assert weeks == {first.pk: "open", **dict.fromkeys(sheets[1:], "submitted")}
    with clock.frozen(first.submit_by):
        jobs.submit_forgotten_weeks()
    with platform():
        (end,) = Timesheet.objects.aggregate(Max("approve_by")).values()
    with poisoned("payments_timesheet", "UPDATE", "id", first.pk), clock.frozen(end):
        jobs.approve_silent_weeks()
    with platform():
        assert [pay(world) for world in five] == [(0, 0), *[(11_000, 0)] * 4]
    assert_the_books_hold()


def invited(ada: Expert, n: int, **fields: object) -> Referral:
    """An invitation, as the programme of the day makes it."""
    row = referrals.invite(referrer=ada, email=f"friend{n}@example.org", now=INVITED)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
    return row


def test_referrals_are_looked_at_when_they_are_due_however_many_are_open(settings: Settings) -> None:
    settings.REFERRAL_PROGRAMME = [{**HOUR_PROGRAMME, "cap": 10}]
    ada, grace = person("ada@example.org", since=INVITED - 90 * DAY), person("friend3@example.org", since=INVITED)
    late = INVITED + 200 * DAY
    with platform():
        for n in range(3):
            invited(ada, n, expires_at=late)
        joined = invited(ada, 3)
        referrals.join(expert=grace, code=joined.code, now=INVITED + DAY)
        over = [invited(ada, n).pk for n in (4, 5, 6)]
        assert list(referrals.due(now=LATER).values_list("pk", flat=True)) == []
    works(grace)
    with platform():
        Referral.objects.filter(pk=joined.pk).update(status="joined", pay=None, decided_at=None)
        assert list(referrals.due(now=LATER).values_list("pk", flat=True)) == [joined.pk]
        Referral.objects.filter(pk=joined.pk).update(threshold_seconds=3_601)
        assert not referrals.due(now=LATER).exists()
    with poisoned("payments_referral", "UPDATE", "id", over[0]), clock.frozen(INVITED + 31 * DAY):
        jobs.check_referrals()
    with platform():
        ended = Referral.objects.filter(status="expired").order_by("pk").values_list("pk", flat=True)
        assert list(ended) == over[1:]


def test_credit_ends_for_all_labs_but_one_that_cannot() -> None:
    labs, two = [story.new_lab() for _n in range(5)], [story.new_user(name) for name in ("Ann", "Ben")]
    with platform():
        limits = [
            credit.approve(
                limit=credit.propose(
                    tenant=lab, limit=Money(100, "USD"), reason="new", by=two[0], now=NOW, last_day=NOW.date()
                ),
                by=two[1],
                now=NOW,
            )
            for lab in labs
        ]
    with (
        poisoned("payments_creditlimit", "UPDATE", "id", limits[0].pk),
        clock.frozen(NOW + DAY),
    ):
        jobs.end_credit_limits()
    with platform():
        found = CreditLimit.objects.order_by("pk").values_list("status", flat=True)
        assert list(found) == ["active", *["ended"] * 4]


def test_a_payout_that_cannot_be_leased_keeps_nobody_from_his_money() -> None:
    lab = story.new_lab(funded=1_000_000)
    people = [story.new_expert(f"Expert {n}") for n in range(5)]
    for expert in people:
        story.earn(expert, 20_000, lab=lab)
    story.released_run()
    with platform():
        first = Payout.objects.order_by("pk")[0]
    with poisoned("payments_payoutattempt", "INSERT", "payout_id", first.pk), capture_logs() as logs:
        story.send_and_track()
    with platform():
        found = Payout.objects.order_by("pk").values_list("status", flat=True)
        assert list(found) == ["ready", *["paid"] * 4]
    (alarm,) = [line for line in logs if line["event"] == "payout_cannot_be_leased"]
    assert alarm["payout"] == first.public_id
    story.send_and_track(NOW + dt.timedelta(hours=2))
    with platform():
        assert Payout.objects.get(pk=first.pk).status == "paid"
    assert_the_books_hold()


def test_all_who_are_due_are_asked_though_one_cannot_be_written_down() -> None:
    lab = story.new_lab(funded=1_000_000)
    for n in range(3):
        expert = story.new_expert(f"Expert {n}")
        story.earn(expert, 20_000, lab=lab)
    story.released_run()
    sending.send_due(now=NOW)
    with platform():
        first = Payout.objects.order_by("pk")[0]
    with poisoned("payments_journalentry", "INSERT", "source_id", first.public_id), capture_logs() as logs:
        tracking.track_due(now=NOW + dt.timedelta(minutes=10))
    with platform():
        found = Payout.objects.order_by("pk").values_list("status", flat=True)
        assert list(found) == ["submitted", "paid", "paid"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["payout_not_followed"]


def test_papers_that_all_end_at_one_instant_are_all_asked_for_at_the_last_stage_too() -> None:
    """Every W-8BEN of a year ends with the same second: each stage reaches everybody, but whoever cannot be told."""
    five = [story.new_expert(f"Ada {n}", ready=False) for n in range(5)]
    for ada in five:
        with clock.frozen(NOW):
            post(expert_caller(ada), "expert/tax-profile", W8BEN)
    (end,) = set(TaxProfile.objects.values_list("expires_at", flat=True))
    assert end is not None

    def told(days: int) -> list[int]:
        with clock.frozen(end - dt.timedelta(days=days)):
            jobs.remind_of_tax_papers()
        with platform():
            return [Notice.objects.filter(expert=ada, kind="tax_profile.expires").count() for ada in five]

    with poisoned("payments_taxprofile", "UPDATE", "expert_id", five[0].pk), capture_logs() as logs:
        assert [told(days) for days in (61, 60, 14, 3)] == [[0] * 5, *[[0, n, n, n, n] for n in (1, 2, 3)]]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["sweep_row_failed", "sweep_failed"] * 3
    assert [told(days) for days in (2, 1)] == [[1, 3, 3, 3, 3]] * 2


def test_the_sweep_takes_whom_the_law_says() -> None:
    ada = story.new_expert(ready=False)
    with clock.frozen(NOW):
        post(expert_caller(ada), "expert/tax-profile", W8BEN)
    for reminded in (None, *tax.REMIND_DAYS):
        with platform():
            TaxProfile.objects.update(reminded_days=reminded)
            (end,) = TaxProfile.objects.values_list("expires_at", flat=True)
        assert end is not None
        for hours_left in (61 * 24, 60 * 24, 59 * 24, 14 * 24 + 1, 14 * 24, 3 * 24, 1, 0, -1):
            now = end - dt.timedelta(hours=hours_left)
            due = tax.reminder_due(expires_at=end, reminded_days=reminded, now=now) is not None
            with platform():
                assert TaxProfile.objects.to_remind(now=now).exists() is due
