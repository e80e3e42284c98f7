"""How work stops, over HTTP: what each activity pays, pauses, notice, and the orderly end of a project."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core import clock, outbox
from core.public import User
from experts.models import Decision, Notice
from marketplace import jobs as marketplace_jobs
from marketplace.models import ContractPause, Exposure
from marketplace.operations import conflicts, contracts
from marketplace.operations.budgets import WeeklyBudgetExceeded
from tests.core.api.conftest import problem
from tests.marketplace.test_journey import ok, run_long_work
from tests.marketplace.world import (
    NOW,
    admin_of,
    again,
    balance,
    expert_caller,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_opening,
    make_project,
    platform,
)

pytestmark = pytest.mark.django_db

V1 = "/api/v1"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
SUBMITTED = NOW + 5 * DAY
POLICY = {
    "onboarding": {"pay": "unpaid", "cap_seconds": None},
    "instructions": {"pay": "capped", "cap_seconds": 1800},
    "assessment": {"pay": "capped", "cap_seconds": 3600},
    "review": {"pay": "unpaid", "cap_seconds": None},
    "meeting": {"pay": "capped", "cap_seconds": 5400},
    "standby": {"pay": "capped", "cap_seconds": 3600},
}


class Work:
    """A lab, an expert under contract at 143.00 an hour, and their clients."""

    def __init__(self, **project: Any) -> None:
        self.lab, self.expert = make_lab(), make_expert()
        self.project = make_project(self.lab, **project)
        self.opening = make_opening(self.project)
        self.contract = make_contract(self.opening, self.expert)
        self.api, self.me = lab_caller(self.lab), expert_caller(self.expert)
        self.admin = admin_of(self.lab).email
        self.keys = 0

    def post(self, path: str, body: Any = None, *, as_lab: bool = False) -> Any:
        self.keys += 1
        caller = self.api if as_lab else self.me
        return caller("POST", f"{V1}{path}", body, Idempotency_Key=f"k{self.keys}")

    def log(self, activity: str, start: dt.datetime, minutes: int = 60) -> Any:
        end = start + dt.timedelta(minutes=minutes)
        body = {
            "contract": self.contract.public_id,
            "activity": activity,
            "started_at": start.isoformat(),
            "ended_at": end.isoformat(),
            "reason": "no timer at hand",
        }
        with clock.frozen(max(end, clock.now())):
            return self.post("/expert/time-entries", body)

    def start(self, activity: str) -> Any:
        return self.post("/expert/time-entries/start", {"contract": self.contract.public_id, "activity": activity})

    def settle_week(self, at: dt.datetime = SUBMITTED) -> Any:
        with clock.frozen(at):
            (sheet,) = ok(self.me("GET", f"{V1}/expert/timesheets?status=open"))["results"]
            ok(self.post(f"/expert/timesheets/{sheet['id']}/submit"))
            return ok(self.post(f"/timesheets/{sheet['id']}/approve", {"decided_by": self.admin}, as_lab=True))

    def decide(self, verb: str, **reason: str) -> Any:
        body = {"decided_by": self.admin, "explanation": "Because.", **reason}
        return ok(self.post(f"/contracts/{self.contract.public_id}/{verb}", body, as_lab=True))

    def shown(self) -> Any:
        return ok(self.me("GET", f"{V1}/expert/contracts/{self.contract.public_id}"))


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


def test_each_activity_pays_what_was_promised_before_anybody_signed() -> None:
    work = Work(pay_policy=POLICY)
    promised = {
        "onboarding": ("unpaid", None),
        "instructions": ("capped", "PT30M"),
        "assessment": ("capped", "PT1H"),
        "task": ("paid", None),
        "rework": ("paid", None),
        "review": ("unpaid", None),
        "meeting": ("capped", "PT1H30M"),
        "standby": ("capped", "PT1H"),
    }
    opening = ok(work.me("GET", f"{V1}/expert/openings/{work.opening.public_id}"))
    (offer,) = ok(work.me("GET", f"{V1}/expert/offers"))["results"]
    (labs_offer,) = ok(work.api("GET", f"{V1}/offers"))["results"]
    labs_contract = ok(work.api("GET", f"{V1}/contracts/{work.contract.public_id}"))
    for told in (opening["terms"], offer["terms"], labs_offer, work.shown()["terms"], labs_contract):
        assert {row["activity"]: (row["pay"], row["cap"]) for row in told["paid_activities"]} == promised
        assert told["planned_hourly_rate"]["amount"] == "135.85"
    for n, activity in enumerate(promised):
        cap = {"instructions": 30}.get(activity, 60)
        ok(work.log(activity, NOW + n * 2 * HOUR, cap), 201)
    refused = problem(work.log("instructions", NOW + 2 * DAY, 1), 409, "cap_exceeded")
    assert (refused["cap"], refused["available"]) == ("activity", "PT0S")
    problem(work.log("standby", NOW + 2 * DAY, 1), 409, "cap_exceeded")
    ok(work.log("meeting", NOW + 2 * DAY, 30), 201)
    problem(work.log("meeting", NOW + 3 * DAY, 1), 409, "cap_exceeded")
    sheet = work.settle_week()
    # Paid: 30 min instructions, an hour each of assessment, task, rework and standby, 90 min of meetings.
    assert (sheet["time"]["billable"], sheet["time"]["unpaid"]) == ("PT6H", "PT2H")
    assert (sheet["amount"]["amount"], sheet["fee"]["amount"]) == ("858.00", "257.40")
    with clock.frozen(SUBMITTED):
        rate = ok(work.me("GET", f"{V1}/expert/contracts/{work.contract.public_id}/effective-rate"))
    assert (rate["planned_hourly_rate"]["amount"], rate["actual"]["amount"]) == ("135.85", "107.25")


def test_a_cap_counts_by_the_week_and_what_a_timer_measures_beyond_it_is_decided() -> None:
    work = Work(pay_policy=POLICY)
    timer = ok(work.start("standby"), 201)
    for minutes in range(8, 81, 8):
        with clock.frozen(NOW + dt.timedelta(minutes=minutes)):
            ok(work.me("POST", f"{V1}/expert/time-entries/{timer['id']}/heartbeat"))
    with clock.frozen(NOW + dt.timedelta(minutes=80)):
        pieces = ok(work.post(f"/expert/time-entries/{timer['id']}/stop"))["entries"]
    assert [(row["time"]["billable"], row["time"]["overage"]) for row in pieces] == [
        ("PT1H", "PT0S"),
        ("PT0S", "PT20M"),
    ]
    ok(work.log("standby", NOW + 7 * DAY, 60), 201)


def test_no_work_is_entered_for_the_hours_of_a_pause() -> None:
    work = Work()
    with clock.frozen(NOW + HOUR):
        work.decide("pause", reason_code="quality")
    with clock.frozen(NOW + 5 * HOUR):
        ok(work.post(f"/contracts/{work.contract.public_id}/resume", as_lab=True))
    with clock.frozen(NOW + 8 * HOUR):
        ok(work.log("task", NOW), 201)
        for start in (NOW + 30 * dt.timedelta(minutes=1) + HOUR, NOW + 4 * HOUR):
            problem(work.log("task", start, 90), 409, "not_billable_now")
        ok(work.log("standby", NOW + 2 * HOUR), 201)
        (meeting,) = ok(work.log("meeting", NOW + 5 * HOUR), 201)["entries"]
        changed = {"started_at": (NOW + 4 * HOUR).isoformat()}
        problem(work.me("PATCH", f"{V1}/expert/time-entries/{meeting['id']}", changed), 409, "not_billable_now")
        (standby,) = [
            row for row in ok(work.me("GET", f"{V1}/expert/time-entries"))["results"] if row["activity"] == "standby"
        ]
        problem(
            work.me("PATCH", f"{V1}/expert/time-entries/{standby['id']}", {"activity": "task"}), 409, "not_billable_now"
        )
    with platform():
        pause = ContractPause.objects.get()
        assert (pause.period.lower, pause.period.upper) == (NOW + HOUR, NOW + 5 * HOUR)


def test_a_timer_that_is_stopped_before_the_news_of_a_pause_counts_until_the_pause() -> None:
    work = Work()
    timer = ok(work.start("meeting"), 201)
    with clock.frozen(NOW + dt.timedelta(minutes=5)):
        work.decide("pause", reason_code="quality")
    with clock.frozen(NOW + dt.timedelta(minutes=9)):
        (piece,) = ok(work.post(f"/expert/time-entries/{timer['id']}/stop"))["entries"]
    assert piece["time"]["billable"] == "PT5M"


def test_a_new_competition_lets_contracts_stand_still_with_standby_pay() -> None:
    work, rival = Work(), make_lab("Rival")
    other = make_contract(make_opening(make_project(rival)), work.expert)
    bystander = make_contract(work.opening, make_expert("bob@example.org"))
    with platform():
        olga = User.objects.create_user("olga@example.org", is_staff=True)
        edge: dict[str, Any] = {
            "one": work.lab.tenant,
            "other": rival.tenant,
            "cooling_off_days": 90,
            "declared_by": olga,
        }
        conflicts.declare(starts_on=NOW.date() + DAY, **edge)
    marketplace_jobs.enforce_walls()
    assert again(work.contract).status == "active"
    with clock.frozen(NOW + DAY):
        marketplace_jobs.enforce_walls()
        marketplace_jobs.enforce_walls()
        assert (again(work.contract).status, again(other).status, again(bystander).status) == (
            "paused",
            "paused",
            "active",
        )
        problem(work.start("meeting"), 409, "contract_not_active")
        ok(work.start("standby"), 201)
        problem(work.post(f"/contracts/{work.contract.public_id}/resume", as_lab=True), 409, "stopped_by_platform")
    with platform():
        assert ContractPause.objects.filter(cause="conflict_wall").count() == 2
        assert Notice.objects.filter(kind="contract.paused_by_wall", expert=work.expert).count() == 2
        decision = Decision.objects.get(subject=work.contract.public_id)
        assert (decision.reason_code, decision.decided_by) == ("conflict_wall", olga)
        contracts.resume(contract=work.contract, now=NOW + 2 * DAY)
    with clock.frozen(NOW + 3 * DAY):
        marketplace_jobs.enforce_walls()
    assert again(work.contract).status == "paused"


def test_a_project_winds_down_in_order() -> None:
    work = Work()
    project = f"{V1}/projects/{work.project.public_id}"
    ok(work.log("task", NOW), 201)
    started = work.post(f"/projects/{work.project.public_id}/wind-down", as_lab=True)
    assert started.status_code == 202
    run_long_work()
    done = ok(work.api("GET", started["Location"]))
    assert (done["state"], done["results"]) == ("succeeded", [{"index": 0, "id": work.contract.public_id}])
    assert ok(work.api("GET", project))["status"] == "winding_down"
    shown = work.shown()
    assert (shown["status"], shown["end_reason"], shown["notice_ends_at"]) == (
        "ending",
        "project_ended",
        "2026-11-09T09:00:00Z",
    )
    problem(work.start("meeting"), 409, "contract_not_active")
    problem(work.post(f"/openings/{work.opening.public_id}/open", as_lab=True), 409, "not_hiring")
    with clock.frozen(NOW + 2 * HOUR):
        timer = ok(work.start("standby"), 201)
        ok(work.post(f"/expert/time-entries/{timer['id']}/stop"))
    with clock.frozen(NOW + 7 * DAY):
        marketplace_jobs.finish_contracts()
        outbox.drain(now=NOW + 7 * DAY)
        marketplace_jobs.complete_projects()
        assert work.shown()["status"] == "ended"
        assert ok(work.api("GET", project))["status"] == "winding_down"  # a week waits for its approval
    assert balance(work.lab).reserved_minor == 0
    assert work.settle_week(NOW + 7 * DAY)["amount"]["amount"] == "143.00"
    with clock.frozen(NOW + 8 * DAY):
        marketplace_jobs.complete_projects()
        marketplace_jobs.complete_projects()
        assert ok(work.api("GET", project))["status"] == "completed"
        problem(work.post(f"/projects/{work.project.public_id}/wind-down", as_lab=True), 409, "invalid_transition")
    with platform():
        assert Exposure.objects.get().ends_at == NOW + 7 * DAY
        assert Notice.objects.filter(kind="contract.ending").count() == 1


def test_leaving_is_at_once_and_notice_can_be_shortened_by_going() -> None:
    work = Work()
    ok(work.log("task", NOW), 201)
    with clock.frozen(NOW + 2 * HOUR):
        ended = work.decide("end", reason="completed")
        assert (ended["status"], ended["notice_ends_at"]) == ("ending", "2026-11-09T11:00:00Z")
        left = ok(work.post(f"/expert/contracts/{work.contract.public_id}/leave"))
        assert (left["status"], left["end_reason"], left["ended_at"]) == (
            "ended",
            "expert_left",
            "2026-11-02T11:00:00Z",
        )
        problem(work.post(f"/expert/contracts/{work.contract.public_id}/leave"), 409, "invalid_transition")
        problem(work.start("standby"), 409, "contract_not_active")
    assert work.settle_week()["amount"]["amount"] == "143.00"
    assert balance(work.lab).reserved_minor == 0


def test_the_weekly_budget_bounds_how_many_are_taken_on() -> None:
    lab = make_lab()
    project = make_project(lab, weekly_budget_minor=2 * 185_900 - 1)
    opening = make_opening(project)
    make_contract(opening, make_expert())
    bob = make_expert("bob@example.org")

    with pytest.raises(WeeklyBudgetExceeded):
        make_contract(opening, bob)
    (offer,) = ok(expert_caller(bob)("GET", f"{V1}/expert/offers"))["results"]
    assert offer["status"] == "extended"
    assert again(opening).seats_taken == 1
    ok(lab_caller(lab)("PATCH", f"{V1}/projects/{project.public_id}", {"weekly_budget": None}))
    assert balance(lab).reserved_minor == 371_800
