"""The next payday is told wherever somebody wonders when money comes, and the run of its cutoff keeps the word."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from core import clock, tokens
from payments.models import Payout, PayRun
from payments.operations.hours import time_entries
from payments.operations.runs import pay_runs
from payments.queries import pay_calendar
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import MONDAY, World, platform
from tests.payments.test_money_desk import PREPARE, Desk

pytestmark = pytest.mark.django_db(transaction=True)

FRIDAY = MONDAY + dt.timedelta(days=4)
SUNDAY_NIGHT = dt.datetime(2026, 11, 22, 23, 59, 59, tzinfo=dt.UTC)
THANKSGIVING = dt.date(2026, 11, 26)


def days(payday: dict[str, Any]) -> tuple[str, str]:
    """When it is sent, and when it is there."""
    return payday["pays_on"], payday["arrives_by"]


def ask(caller: Any, method: str, path: str, body: Any = None, *, at: dt.datetime, expected: int = 200) -> Any:
    answer = caller(method, f"/{path}", body, at=at)
    assert answer.status_code == expected, answer.content
    return answer.json()


@pytest.fixture
def world() -> World:
    """A week of which one hour was logged."""
    with platform():
        made = hours.build()
        time_entries.log(
            contract=made.contract,
            activity="task",
            claim=None,
            started_at=MONDAY,
            ended_at=MONDAY + dt.timedelta(hours=1),
            reason="no timer at hand",
            now=MONDAY + dt.timedelta(hours=1),
        )
    return made


def test_a_week_tells_when_it_is_paid_from_its_first_hour_on(world: World) -> None:
    me, lab = hours.expert_caller(world), hours.lab_caller(world)
    (open_week,) = ask(me, "GET", "expert/timesheets", at=FRIDAY)["results"]
    # It ends on Sunday at 23:00 UTC, before the cutoff; or submits itself on Tuesday and is approved on Friday.
    assert days(open_week["payday"]) == ("2026-11-25", "2026-11-30")
    assert days(open_week["latest_payday"]) == ("2026-12-02", "2026-12-04")
    submitted = ask(me, "POST", f"expert/timesheets/{open_week['id']}/submit", at=FRIDAY)
    assert submitted["approve_by"] == "2026-11-23T09:00:00Z"
    assert days(submitted["latest_payday"]) == ("2026-12-02", "2026-12-04")
    (waiting,) = ask(lab, "GET", "timesheets?status=submitted", at=FRIDAY)["results"]
    assert (days(waiting["payday"])[0], days(waiting["latest_payday"])[0]) == ("2026-11-25", "2026-12-02")
    body = {"decided_by": world.member.email}
    approved = ask(lab, "POST", f"timesheets/{open_week['id']}/approve", body, at=SUNDAY_NIGHT)
    assert approved["payday"] == approved["latest_payday"] == {
        "currency": "USD", "cutoff": "2026-11-23T00:00:00Z", "pays_on": "2026-11-25", "arrives_by": "2026-11-30",
        "moved_from": None, "moved_because": None,
    }  # fmt: skip
    assert ask(me, "GET", f"expert/timesheets/{open_week['id']}", at=FRIDAY)["payday"] == approved["payday"]


def test_who_approves_at_the_cutoff_pays_a_week_later(world: World) -> None:
    me, lab = hours.expert_caller(world), hours.lab_caller(world)
    (week,) = ask(me, "GET", "expert/timesheets", at=FRIDAY)["results"]
    ask(me, "POST", f"expert/timesheets/{week['id']}/submit", at=FRIDAY)
    monday = SUNDAY_NIGHT + dt.timedelta(seconds=1)
    body = {"decided_by": world.member.email}
    assert days(ask(lab, "POST", f"timesheets/{week['id']}/approve", body, at=monday)["payday"])[0] == "2026-12-02"


def test_the_run_keeps_the_word_and_the_paper_tells_the_next_day() -> None:
    world = papers.with_extras(papers.build())
    me = hours.expert_caller(world)
    (week,) = ask(me, "GET", "expert/timesheets", at=story.NOW)["results"]
    statement = papers.paid(world)
    run = PayRun.objects.get()
    assert week["payday"]["cutoff"] == f"{run.cutoff:%Y-%m-%dT%H:%M:%SZ}"
    assert week["payday"]["pays_on"] == f"{run.pays_on}" == "2026-11-18"
    assert Payout.objects.get().run == run
    shown = ask(me, "GET", f"expert/statements/{statement.public_id}", at=story.NOW)["next_payday"]
    assert (days(shown), shown["cutoff"]) == (("2026-11-25", "2026-11-30"), "2026-11-23T00:00:00Z")
    page = ask_page(me, f"/api/v1/expert/statements/{statement.public_id}/download?format=html")
    for said in ("Next payday", "25 Nov 2026", "23 Nov 2026, 00:00 UTC", "30 Nov 2026"):
        assert said in page, said


def ask_page(caller: Any, path: str) -> str:
    answer = caller.client.get(path, headers={"Authorization": f"Bearer {caller.secret}"})
    assert answer.status_code == 200
    return str(answer.content.decode()).replace("\u00a0", " ")


def test_the_paper_of_a_late_run_names_a_day_to_come() -> None:
    world = papers.build()
    with platform():
        papers.worked(world, 60)
    weeks_later = story.NOW + dt.timedelta(days=16)
    with clock.frozen(story.NOW):
        statement = papers.paid(world)
    assert pay_calendar.after(statement).pays_on == dt.date(2026, 11, 25)
    statement.issued_at = weeks_later
    assert pay_calendar.after(statement).pays_on > weeks_later.date()


def test_earnings_tell_the_arrival_and_why_a_day_moved(settings: Settings) -> None:
    settings.PAY_SCHEDULES = {"*": (0, 0, 3)}
    settings.PAY_ARRIVAL_DAYS = {"*": 1}
    ada = story.new_expert("Ada")
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000), at=story.NOW - dt.timedelta(hours=1))
    me = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
    (found,) = ask(me, "GET", "expert/earnings", at=story.NOW)["next_payouts"]
    assert (found["date"], found["arrives_by"]) == ("2026-11-27", "2026-11-30")
    assert (found["moved_from"], found["moved_because"]) == (f"{THANKSGIVING}", "Thanksgiving Day")


def test_earnings_tell_one_payday_from_before_the_cutoff_to_the_release() -> None:
    """Nothing that finance does between cutoff and release may postpone what an expert was told, until it is late."""
    ada = story.new_expert("Ada")
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))
    me = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
    finance, hour = story.new_user(), dt.timedelta(hours=1)

    def told(now: dt.datetime = story.NOW) -> tuple[str, str]:
        (found,) = ask(me, "GET", "expert/earnings", at=now)["next_payouts"]
        return found["date"], found["amount"]["amount"]

    agreed = ("2026-11-18", "100.00")
    assert told(story.MONDAY - hour) == agreed
    assert told(story.MONDAY) == agreed  # the cutoff has passed, nobody has prepared the run
    with platform():
        run = pay_runs.prepare(currency="USD", by=finance, now=story.NOW)
    assert told() == agreed
    with platform():
        pay_runs.send_back(run=run, reason="Look at line 3", by=finance)
    assert told() == agreed
    with platform():
        pay_runs.cancel(run=run, reason="Begun anew", by=finance, now=story.NOW)
    assert told() == agreed
    late = story.NOW + dt.timedelta(days=3)  # Thursday: the day is past, the run would be paid at once
    assert told(late) == ("2026-11-19", "100.00")
    story.released_run(now=story.NOW)
    assert told() == ("2026-11-25", "0.00")


def test_what_the_last_cutoff_leaves_out_is_told_for_the_next_one() -> None:
    ada = story.new_expert("Ada", ready=False)
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))
    me = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
    (found,) = ask(me, "GET", "expert/earnings", at=story.NOW)["next_payouts"]
    assert (found["date"], found["blocked_by"]) == ("2026-11-25", "no_payout_method")


def test_a_hold_that_is_over_by_the_cutoff_stands_in_nobody_s_way() -> None:
    """A new payout method waits 72 hours. Whoever adds it a week ahead is paid, and must not read that he is not."""
    ada = story.new_expert("Ada", ready=False)
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))
    story.sign_tax(ada)
    me = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)

    def told(added: dt.datetime) -> tuple[str, str | None, list[dict[str, Any]]]:
        story.add_method(ada, account="acct-new", now=added)
        shown = ask(me, "GET", "expert/earnings", at=added)
        (found,) = shown["next_payouts"]
        return found["date"], found["blocked_by"], shown["blockers"]

    cutoff = story.MONDAY + dt.timedelta(days=7)
    assert told(cutoff - dt.timedelta(hours=72)) == ("2026-11-25", None, [])
    day, code, (blocker,) = told(cutoff - dt.timedelta(hours=71))
    assert (day, code) == ("2026-11-25", "method_on_hold")
    assert blocker["text"] == "The payout method is new and waits out its safety hold until 2026-11-23 01:00 UTC."
    assert blocker["remedy"]["text"] == "Nothing to do: the first pay run that is calculated after that pays it."


def test_the_calendar_at_the_desk(settings: Settings) -> None:
    settings.PAY_SCHEDULES = {"*": (0, 0, 3), "EUR": (1, 12, 2)}
    ada = story.new_expert("Ada")
    story.earn(ada, 10_000, lab=story.new_lab(funded=100_000))
    desk = Desk(*PREPARE)
    with clock.frozen(story.NOW):
        page = desk.client.get("/admin/pay-calendar/").content.decode()
        assert "Cutoff Monday 00:00 UTC, paid on Thursday" in page
        assert "Cutoff Tuesday 12:00 UTC, paid on Thursday" in page
        assert "Fri 2026-11-27" in page
        assert "from Thu 2026-11-26: Thanksgiving Day" in page
        assert "closed on the days of Fedwire, the dollar&#x27;s payment system" in page
        assert page.count("to be prepared") == 1  # nobody is owed euros
        assert desk.client.get("/admin/pay-calendar/?weeks=53").content.decode().count("<tr") > 100
        for odd in ("0", "-1", "x", "99999999999", "²"):
            assert desk.client.get("/admin/pay-calendar/", {"weeks": odd}).status_code == 200, odd
        desk.post("payrun/prepare/", currency="USD")
        run = PayRun.objects.get()
        page = desk.client.get("/admin/pay-calendar/").content.decode()
        assert f'/admin/payments/payrun/{run.pk}/change/">{run.get_status_display()}</a>' in page
        assert (page.count("to be prepared"), ">late<" in page) == (0, False)
    with clock.frozen(story.NOW + dt.timedelta(days=5)):
        assert ">late<" in desk.client.get("/admin/pay-calendar/").content.decode()
    desk.user.user_permissions.clear()
    assert desk.client.get("/admin/pay-calendar/").status_code == 403
