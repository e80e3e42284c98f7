"""The wage floor: a week that paid less an hour than the law asks for gets the difference, once, and keeps it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, transaction
from django.db.models import Sum

from core import clock, outbox
from core.public import Event, Tenant
from experts.public import Expert, Notice
from marketplace.public import LabMember
from payments import jobs
from payments.models import Dispute, FloorCheck, JournalEntry, Overage, Posting, TimeEntry, Timesheet, TrueUp
from payments.operations.hours import disputes, overages
from payments.operations.pay import adjustments, true_ups
from payments.queries import ledger_findings, statement_lines
from tests.concurrency.together import together
from tests.marketplace.test_desk import Desk
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, Caller, World, platform
from tests.payments.test_time_weeks import staff

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
SUBMITTED = MONDAY + 5 * DAY
APPROVED = MONDAY + 6 * DAY
LATER = MONDAY + 8 * DAY


class Story:
    """A lab and an expert in Germany, where an hour pays at least 13.90 EUR in 2026."""

    def __init__(self, *, rate_minor: int = 2_000, currency: str = "EUR", **world: Any) -> None:
        with platform():
            expert = hours.make_expert("frieda@example.org", country="DE")
            self.world: World = hours.build(rate_minor=rate_minor, currency=currency, expert=expert, **world)
        self.me, self.lab = (
            hours.expert_caller(self.world),
            hours.lab_caller(self.world, "timesheets:write", "contracts:read", "projects:read"),
        )

    def log(self, activity: str, minutes: int, *, day: int = 0, hour: int = 0) -> None:
        start = MONDAY + day * DAY + dt.timedelta(hours=hour)
        body = {
            "contract": self.world.contract.public_id,
            "activity": activity,
            "started_at": start.isoformat(),
            "ended_at": (start + dt.timedelta(minutes=minutes)).isoformat(),
            "reason": "no timer at hand",
        }
        ok(self.me("POST", "/expert/time-entries", body, at=start + dt.timedelta(minutes=minutes)), 201)

    def submit(self) -> str:
        (sheet,) = ok(self.me("GET", "/expert/timesheets", at=SUBMITTED))["results"]
        ok(self.me("POST", f"/expert/timesheets/{sheet['id']}/submit", at=SUBMITTED))
        return str(sheet["id"])

    def approve(self, sheet: str = "") -> str:
        sheet = sheet or self.submit()
        body = {"decided_by": self.world.member.email}
        ok(self.lab("POST", f"/timesheets/{sheet}/approve", body, at=APPROVED))
        outbox.drain(now=APPROVED)
        return sheet

    def lines(self, kind: str = "true_up") -> list[Any]:
        return [row for row in ok(self.me("GET", "/expert/earnings", at=LATER))["lines"] if row["kind"] == kind]

    def effective(self, caller: Caller | None = None) -> Any:
        who = "/expert" if caller is None else ""
        path = f"{who}/contracts/{self.world.contract.public_id}/effective-rate"
        return ok((caller or self.me)("GET", path, at=LATER))

    def owed(self) -> int:
        with platform():
            rows = Posting.objects.filter(account__kind="expert_payable", account__expert=self.world.expert)
            return rows.aggregate(total=Sum("amount"))["total"] or 0


def ok(response: Any, status: int = 200) -> Any:
    assert response.status_code == status, response.content
    return response.json()


def account(kind: str) -> int:
    with platform():
        return Posting.objects.filter(account__kind=kind).aggregate(total=Sum("amount"))["total"] or 0


def added() -> list[tuple[int, int, int]]:
    """Every top-up as (amount, worked hours, pay)."""
    with platform():
        rows = TrueUp.objects.order_by("pk")
        return [(row.amount_minor, row.worked_seconds // HOUR, row.gross_minor) for row in rows]


def sweep(at: dt.datetime = LATER) -> None:
    """What the clock does, twice."""
    with clock.frozen(at):
        jobs.true_up_weeks()
        jobs.true_up_weeks()


def test_unpaid_work_never_brings_an_hour_below_the_floor() -> None:
    story = Story()
    story.log("task", 120)
    story.log("assessment", 180, day=1)
    assert story.effective()["actual"] is None
    story.approve()
    # 5 h of work must pay 69.50; 2 h at 20.00 earned 40.00.
    assert added() == [(2_950, 5, 4_000)]
    (line,) = story.lines()
    assert (line["amount"], line["week"], line["bucket"]) == (
        {"amount": "29.50", "currency": "EUR"},
        "2026-W47",
        "approved",
    )
    explained = ok(story.me("GET", f"/expert/earnings/{line['id']}/explain", at=LATER))
    why = explained["true_up"]
    assert (explained["kind"], explained["time"], explained["adjustment"]) == ("true_up", None, None)
    assert (why["worked"], why["earned"]["amount"], why["floor"]["amount"]) == ("PT5H", "40.00", "13.90")
    assert (why["due"]["amount"], why["added_before"]["amount"]) == ("69.50", "0.00")
    assert "13.90 EUR an hour, asks for 69.50 EUR" in why["text"]
    assert story.owed() == 6_950
    assert account("expense") == -2_950
    with platform():
        notice = Notice.objects.get(kind="pay.true_up")
        assert notice.subject == line["id"]
        assert line["id"] in notice.body
        assert Event.objects.get(name="true_up.posted").for_lab is False


def test_the_effective_rate_is_shown_to_both_sides() -> None:
    story = Story()
    story.log("task", 120)
    story.log("assessment", 180, day=1)
    story.approve()
    mine = story.effective()
    assert (mine["nominal"]["amount"], mine["actual"]["amount"]) == ("20.00", "13.90")
    assert (mine["tracked"], mine["unpaid"], mine["earned"]["amount"], mine["added"]["amount"]) == (
        "PT5H",
        "PT3H",
        "40.00",
        "29.50",
    )
    assert mine["planned_hourly_rate"]["amount"] < mine["nominal"]["amount"]
    assert [week["week"] for week in mine["weeks"]] == ["2026-W47"]
    assert story.effective(story.lab) == mine
    project = f"/projects/{story.world.contract.project.public_id}/effective-rates"
    assert ok(story.lab("GET", project, at=LATER))["results"] == [mine]
    with platform():
        rival = hours.lab_caller(hours.build(name="Rival"), "contracts:read", "projects:read")
    path = f"/contracts/{story.world.contract.public_id}/effective-rate"
    assert rival("GET", path, at=LATER).status_code == 404
    assert rival("GET", project, at=LATER).status_code == 404


def test_it_is_posted_once_however_often_anybody_looks() -> None:
    story = Story()
    story.log("assessment", 60)
    sheet = story.approve()
    with platform():
        pk = Timesheet.objects.get(public_id=sheet).pk
        assert true_ups.check(timesheet_id=pk, now=LATER) is None
    sweep()
    outbox.drain(now=LATER)
    assert added() == [(1_390, 1, 0)]
    with platform():
        assert JournalEntry.objects.filter(kind="true_up").count() == 1
        assert ledger_findings.findings() == []


def test_lost_news_are_found_by_the_sweep() -> None:
    story = Story()
    story.log("assessment", 60)
    sheet = story.submit()
    sweep(SUBMITTED + dt.timedelta(hours=1))
    assert added() == []
    ok(story.lab("POST", f"/timesheets/{sheet}/approve", {"decided_by": story.world.member.email}, at=APPROVED))
    sweep()
    assert added() == [(1_390, 1, 0)]


def test_a_week_at_or_over_the_floor_gets_nothing() -> None:
    story = Story(rate_minor=1_390)
    story.log("task", 60)
    story.approve()
    assert added() == []
    with platform():
        check = FloorCheck.objects.get()
        assert (check.due_minor, check.gross_minor, check.added_minor) == (1_390, 1_390, 0)


def test_the_last_minor_unit_counts() -> None:
    """20 minutes at 13.90 earn 4.63 (4.633…), and the floor asks for 4.64."""
    story = Story(rate_minor=1_390)
    story.log("task", 20)
    story.approve()
    assert added() == [(1, 0, 463)]


def test_without_a_row_in_the_currency_there_is_no_floor_and_no_conversion(settings: LazySettings) -> None:
    story = Story(currency="USD", rate_minor=500)
    story.log("task", 120)
    sheet = story.approve()
    assert added() == []
    with platform():
        assert FloorCheck.objects.get().due_minor is None
    settings.WAGE_FLOORS = ["DE:USD:2026-06-01:1500", "DE:USD:2027-01-01:1600"]
    with platform():
        true_ups.check(timesheet_id=Timesheet.objects.get(public_id=sheet).pk, now=LATER)
    assert added() == [(2_000, 2, 1_000)]
    assert story.lines()[0]["amount"] == {"amount": "20.00", "currency": "USD"}


def test_a_currency_without_decimals(settings: LazySettings) -> None:
    settings.WAGE_FLOORS = ["DE:JPY:2026-06-01:2000"]
    story = Story(currency="JPY", rate_minor=1_999)
    story.log("task", 30)
    story.approve()
    assert story.owed() == 1_000
    assert added() == []  # 999.5 yen round up to the floor's 1,000


def test_a_lab_can_be_the_one_who_pays_and_may_owe_it(settings: LazySettings) -> None:
    settings.TRUE_UPS_PAID_BY = "lab"
    # Two weeks of 10 h at 20.00 with 30 % fee are reserved: 520.00. 10.00 are left.
    story = Story(funded_minor=53_000)
    story.log("assessment", 60)
    story.approve()
    assert (account("lab_prepaid"), account("lab_receivable"), account("expense")) == (0, -390, 0)
    assert account("lab_reserved") == 52_000
    assert story.owed() == 1_390
    with platform():
        assert TrueUp.objects.get().paid_by == "lab"
        assert Event.objects.get(name="true_up.posted").for_lab is True
        assert ledger_findings.findings() == []


def test_a_dispute_that_takes_pay_gives_the_difference_and_nothing_is_taken_back() -> None:
    story = Story()
    story.log("task", 120)
    story.log("assessment", 120, day=1)
    sheet = story.submit()
    with platform():
        entry = TimeEntry.objects.get(activity="task")
    body = {"decided_by": story.world.member.email, "reason": "Too long.", "proposed": "PT1H"}
    dispute = ok(story.lab("POST", f"/time-entries/{entry.public_id}/dispute", body, at=SUBMITTED), 201)
    story.approve(sheet)
    assert added() == [(2_780, 2, 0)]  # what is contested is neither time nor pay yet
    ok(story.me("POST", f"/expert/disputes/{dispute['id']}/answer", {"answer": "It took that long."}, at=APPROVED))
    with platform():
        found = Dispute.objects.get()
        disputes.decide(dispute=found, outcome="upheld", note="An hour.", decided_by=staff(), now=LATER)
    outbox.drain(now=LATER)
    # 3 h must pay 41.70: 20.00 earned and 27.80 added are enough, and stay.
    assert added() == [(2_780, 2, 0)]
    assert story.owed() == 4_780
    with platform():
        check = FloorCheck.objects.get()
        assert (check.worked_seconds, check.gross_minor, check.due_minor) == (3 * HOUR, 2_000, 4_170)


def test_moving_to_another_country_does_not_change_what_a_week_asks_for() -> None:
    story = Story()
    story.log("task", 180)
    story.log("assessment", 180, day=1)
    story.approve()
    with platform():
        Expert.objects.filter(pk=story.world.expert.pk).update(country="CH")
        entry = TimeEntry.objects.get(activity="task")
        adjustments.correct(entry=entry, counted=2 * HOUR, reason="A break.", decided_by=staff(), now=LATER)
    outbox.drain(now=LATER)
    assert added() == [(2_340, 6, 6_000), (610, 5, 4_000)]
    with platform():
        assert set(TrueUp.objects.values_list("country", flat=True)) == {"DE"}


def test_a_week_that_is_reduced_later_gets_the_difference_only() -> None:
    story = Story()
    story.log("task", 180)
    story.log("assessment", 180, day=1)
    story.approve()
    assert added() == [(2_340, 6, 6_000)]
    with platform():
        entry = TimeEntry.objects.get(activity="task")
        adjustments.correct(entry=entry, counted=2 * HOUR, reason="A break.", decided_by=staff(), now=LATER)
    outbox.drain(now=LATER)
    # 5 h must pay 69.50; 40.00 are earned, 23.40 were added.
    assert added() == [(2_340, 6, 6_000), (610, 5, 4_000)]
    with platform():
        adjustments.correct(entry=entry, counted=3 * HOUR, reason="No break.", decided_by=staff("ida"), now=LATER)
    outbox.drain(now=LATER)
    sweep(LATER + DAY)
    assert len(added()) == 2
    assert story.owed() == 6_000 + 2_340 + 610
    with platform():
        assert ledger_findings.findings() == []


def test_refused_time_over_a_cap_was_worked_all_the_same() -> None:
    story = Story(day_cap=HOUR)
    body = {"contract": story.world.contract.public_id, "activity": "task"}
    timer = ok(story.me("POST", "/expert/time-entries/start", body, at=MONDAY), 201)
    for minutes in range(8, 121, 8):
        at = MONDAY + dt.timedelta(minutes=minutes)
        ok(story.me("POST", f"/expert/time-entries/{timer['id']}/heartbeat", at=at))
    ok(story.me("POST", f"/expert/time-entries/{timer['id']}/stop", at=MONDAY + dt.timedelta(hours=2)))
    sheet = story.submit()
    story.approve(sheet)
    assert added() == []
    with platform():
        overage = Overage.objects.get()
        overages.decline(overage=overage, note="Agreed was one.", decided_by=story.world.member, now=LATER)
    outbox.drain(now=LATER)
    assert added() == [(780, 2, 2_000)]


def test_minutes_nobody_confirmed_are_no_working_time() -> None:
    story = Story(rate_minor=1_390)
    body = {"contract": story.world.contract.public_id, "activity": "task"}
    timer = ok(story.me("POST", "/expert/time-entries/start", body, at=MONDAY), 201)
    ok(story.me("POST", f"/expert/time-entries/{timer['id']}/heartbeat", at=MONDAY + dt.timedelta(minutes=6)))
    ok(story.me("POST", f"/expert/time-entries/{timer['id']}/stop", at=MONDAY + dt.timedelta(hours=3)))
    story.approve()
    with platform():
        assert FloorCheck.objects.get().worked_seconds == 360
    assert added() == []


def test_the_database_keeps_what_was_added() -> None:
    story = Story()
    story.log("assessment", 60)
    story.approve()
    for act in (
        lambda: TrueUp.objects.update(amount_minor=1),
        lambda: TrueUp.objects.all().delete(),
        lambda: FloorCheck.objects.update(added_minor=0),
        lambda: _again(amount_minor=1),
        lambda: _again(n=0),
    ):
        with pytest.raises(DatabaseError), platform(), transaction.atomic():
            act()
    assert added() == [(1_390, 1, 0)]


def _again(**fields: Any) -> None:
    row = TrueUp.objects.get()
    row.pk, row.public_id, row.n = None, "tru_other", 1
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_two_who_look_at_once_add_it_once() -> None:
    story = Story()
    story.log("assessment", 60)
    sheet = story.submit()
    ok(story.lab("POST", f"/timesheets/{sheet}/approve", {"decided_by": story.world.member.email}, at=APPROVED))
    with platform():
        pk = Timesheet.objects.get().pk

    def look() -> bool:
        with platform():
            return true_ups.check(timesheet_id=pk, now=LATER) is not None

    assert sorted(together([look] * 4)) == [False, False, False, True]
    assert added() == [(1_390, 1, 0)]


def test_a_statement_and_the_desk_name_it() -> None:
    story = Story()
    story.log("assessment", 60)
    story.approve()
    with platform():
        (line,) = statement_lines.describe(
            Posting.objects.filter(entry__kind="true_up", account__kind="expert_payable").select_related("entry")
        )
        assert (line.text, line.amount.minor) == ("Added up to the wage floor: week 2026-W47", 1_390)
        assert line.contract == story.world.contract.public_id
        true_up, check = TrueUp.objects.get(), FloorCheck.objects.get()
    desk = Desk("view_trueup", "view_floorcheck")
    page = desk.client.get(f"/admin/payments/trueup/{true_up.pk}/change/").content.decode()
    assert "asks for 13.90 EUR" in page
    row = desk.client.get("/admin/payments/floorcheck/").content.decode()
    figures = re.findall(r'<td class="field-(\w+) [^>]*>([\d.]+) EUR', row)
    planned = story.effective()["planned_hourly_rate"]["amount"]
    assert figures == [
        ("earned", "0.00"),
        ("nominal_rate", "20.00"),
        ("planned_hourly_rate", planned),
        ("effective_rate", "13.90"),
        ("least", "13.90"),
        ("added", "13.90"),
    ]
    desk.client.post(f"/admin/payments/trueup/{true_up.pk}/change/", {"amount_minor": 1})
    desk.client.post(f"/admin/payments/floorcheck/{check.pk}/change/", {"added_minor": 10**6})
    assert added() == [(1_390, 1, 0)]
    with platform():
        assert FloorCheck.objects.get().added_minor == 1_390


def test_in_a_sandbox_play_money_pays_it() -> None:
    story = Story()
    with platform():
        live = Tenant.objects.create(name="Live side")
        Tenant.objects.filter(pk=story.world.tenant.pk).update(live=live)
        LabMember.objects.create(tenant=live, user=story.world.member, role=LabMember.Role.MANAGER)
    story.log("assessment", 60)
    story.approve()
    assert (account("expense"), added()) == (0, [(1_390, 1, 0)])
    with platform():
        assert TrueUp.objects.get().paid_by == "lab"
        leg = Posting.objects.get(entry__kind="true_up", account__kind="expert_payable")
        assert leg.account.detail == "sandbox"
    assert story.lines() == []


def test_an_appeal_may_name_it() -> None:
    story = Story()
    story.log("assessment", 60)
    story.approve()
    line = story.lines()[0]["id"]
    ok(story.me("POST", "/expert/appeals", {"subject": line, "reason": "Too little."}, at=LATER), 201)
    outbox.drain(now=LATER)
    assert added() == [(1_390, 1, 0)]
