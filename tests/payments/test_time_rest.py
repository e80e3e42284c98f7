"""Hours over REST, through the doors of the expert, of the lab, and of a rival."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest

from payments.models import Adjustment, JournalEntry, TimeEntry, Timesheet
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, Caller, World, platform

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def minutes(count: float) -> dt.datetime:
    """So many minutes after Monday morning."""
    return MONDAY + dt.timedelta(minutes=count)


def stamp(at: dt.datetime) -> str:
    """An instant as it is sent."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Scene:
    """The lab and the expert, each with a client."""

    world: World
    expert: Caller
    lab: Caller

    @property
    def contract(self) -> str:
        """Its public id."""
        return self.world.contract.public_id

    def logged(self, *lengths: int) -> list[dict[str, Any]]:
        """Entries by hand, one a day."""
        entries = []
        for n, length in enumerate(lengths):
            start = MONDAY + n * DAY
            end = start + dt.timedelta(minutes=length)
            body = {
                "contract": self.contract,
                "activity": "task",
                "started_at": stamp(start),
                "ended_at": stamp(end),
                "reason": "offline",
            }
            answer = self.expert("POST", "/expert/time-entries", body, at=end)
            assert answer.status_code == 201, answer.content
            entries += answer.json()["entries"]
        return entries

    def submitted(self, *lengths: int) -> list[dict[str, Any]]:
        """The same, in a submitted week."""
        entries = self.logged(*lengths)
        answer = self.expert("POST", f"/expert/timesheets/{entries[0]['timesheet']}/submit", at=MONDAY + 5 * DAY)
        assert answer.status_code == 200, answer.content
        return entries


@pytest.fixture
def scene() -> Scene:
    """A world behind its doors."""
    with platform():
        world = hours.build(day_cap=4 * HOUR)
        return Scene(world, hours.expert_caller(world), hours.lab_caller(world))


def test_a_timer_from_start_to_stop(scene: Scene) -> None:
    body = {"contract": scene.contract, "activity": "task"}
    started = scene.expert("POST", "/expert/time-entries/start", body)
    assert started.status_code == 201, started.content
    entry = started.json()
    assert (entry["status"], entry["ended_at"]) == ("running", None)
    second = scene.expert("POST", "/expert/time-entries/start", body, at=minutes(5), key="second")
    assert (second.status_code, second.json()["code"], second.json()["time_entry"]) == (409, "overlap", entry["id"])
    beat = scene.expert("POST", f"/expert/time-entries/{entry['id']}/heartbeat", at=minutes(9), key="")
    assert (beat.status_code, beat.json()["status"]) == (200, "running")
    stopped = scene.expert("POST", f"/expert/time-entries/{entry['id']}/stop", at=minutes(15))
    (piece,) = stopped.json()["entries"]
    assert (piece["id"], piece["time"]["billable"], piece["amount"]["amount"]) == (entry["id"], "PT15M", "27.50")
    again = scene.expert("POST", f"/expert/time-entries/{entry['id']}/stop", at=minutes(16), key="again")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")


def test_a_start_without_a_key_and_the_same_start_twice(scene: Scene) -> None:
    body = {"contract": scene.contract, "activity": "task"}
    keyless = scene.expert("POST", "/expert/time-entries/start", body, key="")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_required")
    first = scene.expert("POST", "/expert/time-entries/start", body, key="one")
    replay = scene.expert("POST", "/expert/time-entries/start", body, key="one")
    assert replay.json() == first.json()
    assert replay.headers["Idempotent-Replayed"] == "true"
    with platform():
        assert TimeEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"activity": "sleep"}, "/activity", "invalid_choice"),
        ({"contract": "prj_01k9w3v6z8f2qr5t4h7xnm0ceg"}, "/contract", "public_id"),
        ({"started_at": "2026-11-16 13:00"}, "/started_at", "instant"),
        ({"ended_at": "2026-11-16T08:00:00Z"}, "/ended_at", "ends_before_start"),
        ({"ended_at": "2026-11-19T13:30:00Z"}, "/ended_at", "in_the_future"),
        ({"started_at": "2026-09-16T09:00:00Z"}, "/started_at", "before_contract"),
        ({"reason": ""}, "/reason", "blank"),
        ({"hours": 3}, "/hours", "unknown_field"),
    ],
)
def test_bad_time_is_named(scene: Scene, changes: dict[str, Any], pointer: str, code: str) -> None:
    body = {
        "contract": scene.contract,
        "activity": "task",
        "started_at": stamp(MONDAY),
        "ended_at": stamp(minutes(30)),
        "reason": "offline",
        **changes,
    }
    answer = scene.expert("POST", "/expert/time-entries", body, at=MONDAY + DAY)
    assert answer.status_code == 400, answer.content
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    with platform():
        assert not TimeEntry.objects.exists()
        assert not Timesheet.objects.exists()


def test_caps_and_overlaps_refuse_entries_by_hand(scene: Scene) -> None:
    scene.logged(210)
    body = {
        "contract": scene.contract,
        "activity": "task",
        "started_at": stamp(minutes(300)),
        "ended_at": stamp(minutes(331)),
        "reason": "offline",
    }
    capped = scene.expert("POST", "/expert/time-entries", body, at=minutes(400))
    assert capped.status_code == 409
    assert (capped.json()["code"], capped.json()["cap"], capped.json()["available"]) == ("cap_exceeded", "day", "PT30M")
    body |= {"started_at": stamp(minutes(209)), "ended_at": stamp(minutes(220))}
    overlapping = scene.expert("POST", "/expert/time-entries", body, at=minutes(400), key="overlapping")
    assert (overlapping.status_code, overlapping.json()["code"]) == (409, "overlap")
    body |= {"started_at": stamp(minutes(210)), "ended_at": stamp(minutes(220))}
    assert scene.expert("POST", "/expert/time-entries", body, at=minutes(400), key="touching").status_code == 201


def test_amend_confirm_and_take_back(scene: Scene) -> None:
    (entry,) = scene.logged(60)
    path = f"/expert/time-entries/{entry['id']}"
    longer = scene.expert("PATCH", path, {"ended_at": stamp(minutes(90))}, at=minutes(95))
    assert longer.json()["entries"][0]["time"]["billable"] == "PT1H30M"
    too_long = scene.expert("PATCH", path, {"ended_at": stamp(minutes(300))}, at=minutes(305))
    assert (too_long.status_code, too_long.json()["code"]) == (409, "cap_exceeded")
    assert scene.expert("PATCH", path, {}, at=minutes(95)).status_code == 400
    assert scene.expert("DELETE", path, at=minutes(96)).status_code == 204
    assert scene.expert("GET", path).json()["status"] == "void"
    timer = scene.expert(
        "POST", "/expert/time-entries/start", {"contract": scene.contract, "activity": "task"}, at=minutes(100)
    ).json()
    (unseen,) = scene.expert("POST", f"/expert/time-entries/{timer['id']}/stop", at=minutes(130)).json()["entries"]
    assert (unseen["time"]["billable"], unseen["time"]["unconfirmed"]) == ("PT0S", "PT30M")
    earnings = scene.expert("GET", "/expert/earnings", at=minutes(131)).json()
    (blocker,) = [blocker for blocker in earnings["blockers"] if blocker["code"] == "unconfirmed_time"]
    assert blocker["text"].startswith("30 min after the last sign of life")
    path, body = f"/expert/time-entries/{unseen['id']}/confirm", {"reason": "the network dropped"}
    confirmed = scene.expert("POST", path, body, at=minutes(132))
    assert confirmed.json()["entries"][0]["time"]["billable"] == "PT30M"
    again = scene.expert("POST", path, body, at=minutes(133))
    assert (again.status_code, again.json()["code"]) == (409, "nothing_unconfirmed")


def test_the_lab_approves_and_the_expert_sees_it(scene: Scene) -> None:
    entries = scene.submitted(60, 30)
    path = f"/timesheets/{entries[0]['timesheet']}"
    shown = scene.lab("GET", path).json()
    assert (shown["status"], shown["time"]["billable"]) == ("submitted", "PT1H30M")
    assert (shown["amount"]["amount"], shown["fee"]["amount"]) == ("165.00", "49.50")
    assert shown["approve_by"] == stamp(MONDAY + 8 * DAY)
    assert scene.world.expert.public_id not in str(shown)
    assert scene.world.user.email not in str(shown)
    before = scene.expert("GET", "/expert/earnings", at=MONDAY + 6 * DAY).json()
    assert before["buckets"]["in_review"] == [{"amount": "165.00", "currency": "USD"}]
    assert before["blockers"][0]["code"] == "week_in_review"
    nobody = scene.lab("POST", f"{path}/approve", {"decided_by": "ghost@aurora.example"})
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (400, "/decided_by")
    body = {"decided_by": scene.world.member.email}
    approved = scene.lab("POST", f"{path}/approve", body, at=MONDAY + 6 * DAY)
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    twice = scene.lab("POST", f"{path}/approve", body, at=MONDAY + 6 * DAY, key="twice")
    assert (twice.status_code, twice.json()["allowed_transitions"]) == (409, [])
    after = scene.expert("GET", "/expert/earnings", at=MONDAY + 6 * DAY).json()
    assert after["buckets"]["approved"] == [{"amount": "165.00", "currency": "USD"}]
    assert after["buckets"]["in_review"] == [{"amount": "0.00", "currency": "USD"}]
    assert after["next_payout"]["amount"] == {"amount": "165.00", "currency": "USD"}
    assert after["next_payout"]["blocked_by"] == "no_payout_method"
    assert after["blockers"][0]["remedy"]["href"] == "/api/v1/expert/payout-methods"
    assert [line["bucket"] for line in after["lines"]] == ["approved", "approved"]


def test_nobody_approves_his_own_week_over_rest(scene: Scene) -> None:
    entries = scene.submitted(60)
    with platform():
        hours.make_member(scene.world, scene.world.user)
    answer = scene.lab("POST", f"/timesheets/{entries[0]['timesheet']}/approve", {"decided_by": scene.world.user.email})
    assert (answer.status_code, answer.json()["code"]) == (403, "own_work")
    with platform():
        assert Timesheet.objects.get().status == "submitted"


def test_a_dispute_over_rest(scene: Scene) -> None:
    first, second = scene.submitted(60, 60)
    at = MONDAY + 6 * DAY
    body = {"decided_by": scene.world.member.email, "reason": "half of it", "proposed": "PT30M"}
    opened = scene.lab("POST", f"/time-entries/{second['id']}/dispute", body, at=at)
    assert opened.status_code == 201, opened.content
    dispute = opened.json()
    again = scene.lab("POST", f"/time-entries/{second['id']}/dispute", body, at=at, key="again")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    scene.lab("POST", f"/timesheets/{first['timesheet']}/approve", {"decided_by": scene.world.member.email}, at=at)
    earnings = scene.expert("GET", "/expert/earnings", at=at).json()
    assert earnings["buckets"]["disputed"] == [{"amount": "110.00", "currency": "USD"}]
    assert earnings["buckets"]["approved"] == [{"amount": "110.00", "currency": "USD"}]
    answered = scene.expert("POST", f"/expert/disputes/{dispute['id']}/answer", {"answer": "the revision"}, at=at)
    assert answered.json()["status"] == "answered"
    withdrawn = scene.lab(
        "POST", f"/disputes/{dispute['id']}/withdraw", {"decided_by": scene.world.member.email}, at=at
    )
    assert (withdrawn.json()["status"], withdrawn.json()["counted"]) == ("withdrawn", "PT1H")


def test_overages_over_rest(scene: Scene) -> None:
    timer = scene.expert("POST", "/expert/time-entries/start", {"contract": scene.contract, "activity": "task"}).json()
    with platform():
        TimeEntry.objects.update(last_heartbeat_at=minutes(270))
    pieces = scene.expert("POST", f"/expert/time-entries/{timer['id']}/stop", at=minutes(270)).json()["entries"]
    assert [piece["time"]["overage"] for piece in pieces] == ["PT0S", "PT30M"]
    (overage,) = scene.expert("GET", "/expert/overages").json()["results"]
    assert (overage["cap"], overage["time"], overage["time_entry"]) == ("day", "PT30M", pieces[1]["id"])
    assert scene.expert("GET", f"/expert/overages/{overage['id']}").json() == overage
    assert scene.lab("GET", f"/overages/{overage['id']}").json() == overage
    body = {"decided_by": scene.world.member.email, "reason": "four hours a day"}
    silent = scene.lab("POST", f"/overages/{overage['id']}/decline", {"decided_by": scene.world.member.email})
    assert (silent.status_code, silent.json()["errors"][0]["pointer"]) == (400, "/reason")
    declined = scene.lab("POST", f"/overages/{overage['id']}/decline", body, at=minutes(280))
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert scene.lab("GET", f"/overages/{overage['id']}").json() == declined.json()
    appeal = scene.expert(
        "POST", "/expert/appeals", {"subject": overage["id"], "reason": "you asked me to stay"}, at=minutes(290)
    )
    assert appeal.status_code == 201, appeal.content


def test_a_bonus_once(scene: Scene) -> None:
    body = {
        "contract": scene.contract,
        "amount": {"amount": "150.00", "currency": "USD"},
        "reason": "found a mistake",
        "decided_by": scene.world.member.email,
    }
    answers = [scene.lab("POST", "/bonuses", body, key="bonus") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].json()["fee"] == {"amount": "45.00", "currency": "USD"}
    listed = scene.lab("GET", "/bonuses").json()["results"]
    assert [bonus["id"] for bonus in listed] == [answers[0].json()["id"]]
    assert scene.lab("POST", "/bonuses", body, key="").status_code == 400
    euros = scene.lab("POST", "/bonuses", {**body, "amount": {"amount": "1.00", "currency": "EUR"}}, key="euros")
    assert (euros.status_code, euros.json()["errors"][0]["pointer"]) == (400, "/amount/currency")
    rich = scene.lab("POST", "/bonuses", {**body, "amount": {"amount": "9000000.00", "currency": "USD"}}, key="rich")
    assert (rich.status_code, rich.json()["status"]) == (201, "proposed")
    with platform():
        assert Adjustment.objects.count() == 1
        assert JournalEntry.objects.filter(kind="bonus").count() == 1
    explained = scene.expert("GET", f"/expert/earnings/{answers[0].json()['id']}/explain").json()
    assert (explained["kind"], explained["bucket"], explained["time"]) == ("bonus", "approved", None)


def test_an_amount_is_explained_down_to_the_second(scene: Scene) -> None:
    (entry,) = scene.logged(50)
    told = scene.expert("GET", f"/expert/earnings/{entry['id']}/explain", at=minutes(60)).json()
    rounding = told["time"]["rounding"]
    assert (rounding["seconds"], rounding["rate_minor"], rounding["exact"]) == (3000, 11000, "9166.666667")
    assert rounding["rounded"] == {"amount": "91.67", "currency": "USD"}
    assert told["time"]["fee"] == {
        "formula": "ROUND_HALF_UP(amount × bp / 10000)",
        "bp": 3000,
        "amount": {"amount": "27.50", "currency": "USD"},
    }
    assert {"cap": "day", "limit": "PT4H", "used": "PT50M"} in told["time"]["caps"]
    assert (told["bucket"], told["is_estimate"], told["exchange"]) == ("in_progress", True, "none")
    assert [segment["id"] for segment in told["time"]["segments"]] == [entry["id"]]


def test_the_rival_and_the_stranger_see_nothing(scene: Scene) -> None:
    (entry,) = scene.submitted(60)
    with platform():
        rival = hours.build(name="Borealis")
        rival_lab, stranger = hours.lab_caller(rival), hours.expert_caller(rival)
        readonly = hours.lab_caller(scene.world, "timesheets:read")
    random_id = "tme_01k9w3v6z8f2qr5t4h7xnm0ceg"
    body = {"decided_by": rival.member.email, "reason": "-", "proposed": "PT0S"}
    foreign = rival_lab("POST", f"/time-entries/{entry['id']}/dispute", body).json()
    unknown = rival_lab("POST", f"/time-entries/{random_id}/dispute", body).json()
    for document in (foreign, unknown):
        document.pop("instance")
        document.pop("request_id")
    assert foreign == unknown
    assert foreign["status"] == 404
    for caller, method, path in (
        (rival_lab, "GET", f"/timesheets/{entry['timesheet']}"),
        (rival_lab, "GET", f"/time-entries/{entry['id']}"),
        (stranger, "GET", f"/expert/time-entries/{entry['id']}"),
        (stranger, "DELETE", f"/expert/time-entries/{entry['id']}"),
        (stranger, "GET", f"/expert/timesheets/{entry['timesheet']}"),
        (stranger, "GET", f"/expert/earnings/{entry['id']}/explain"),
    ):
        assert caller(method, path).status_code == 404, path
    start = stranger("POST", "/expert/time-entries/start", {"contract": scene.contract, "activity": "task"})
    assert start.status_code == 404
    for path in ("/timesheets", "/time-entries", "/overages", "/disputes"):
        assert rival_lab("GET", path).json()["results"] == []
    refused = readonly("POST", f"/timesheets/{entry['timesheet']}/approve", {"decided_by": scene.world.member.email})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
