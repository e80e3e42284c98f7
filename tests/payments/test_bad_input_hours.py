"""Every wrong request about hours: it is refused by name, and nothing that is worth money moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import LazySettings

from core.public import User
from marketplace.public import LabMember
from payments.models import Overage
from payments.operations.hours import overages
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments.hours_world import HOUR, MONDAY, Caller, World, platform
from tests.payments.refusals import Bad, Refusals, at_every_door, by_whom

pytestmark = pytest.mark.django_db
DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
EMPTY, SECOND = MONDAY - 7 * DAY, MONDAY + 7 * DAY
SUBMITTED = MONDAY + 5 * DAY
NOW = SECOND + 3 * DAY + 5 * MINUTE
OTHER = "01m80neg09e0nt9th0cpkhb0m0"


def stamp(at: dt.datetime) -> str:
    """An instant as it is sent."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Hours:
    """A submitted week with everything in it, an open one, and one from which all was taken back."""

    world: World
    expert: Caller
    lab: Caller

    def __post_init__(self) -> None:
        self.decided_by = {"decided_by": self.world.member.email}
        gone = self.log(EMPTY, 30)
        self.take_back(gone["id"], EMPTY + DAY)
        self.silent_over = self.over(MONDAY)
        disputed, answered = self.log(MONDAY + DAY, 30), self.log(MONDAY + 2 * DAY, 30)
        self.plain = self.log(MONDAY + 3 * DAY, 30)
        self.decide_by_silence(self.silent_over)
        self.over_open = self.over(MONDAY + 4 * DAY)
        self.empty, self.week = gone["timesheet"], self.plain["timesheet"]
        self.ok("expert", f"/expert/timesheets/{self.week}/submit", None, SUBMITTED)
        self.withdrawn, self.answered = (self.dispute(entry["id"]) for entry in (disputed, answered))
        self.ok("lab", f"/disputes/{self.withdrawn}/withdraw", self.decided_by, SUBMITTED)
        self.ok("expert", f"/expert/disputes/{self.answered}/answer", {"answer": "I did."}, SUBMITTED)
        self.disputed, self.was_disputed = answered["id"], disputed["id"]
        self.void = self.log(SECOND, 30)["id"]
        self.take_back(self.void, SECOND + DAY)
        self.stopped = self.log(SECOND + DAY, 30)
        self.open_week = self.stopped["timesheet"]
        self.unconfirmed = self.timer(SECOND + 2 * DAY, 30)[0]["id"]
        self.running = self.start(SECOND + 3 * DAY)["id"]

    def ok(self, who: str, path: str, body: Any, at: dt.datetime) -> Any:
        """It succeeds."""
        answer = (self.lab if who == "lab" else self.expert)("POST", path, body, at=at, key=f"{path}-{at:%d%H%M}")
        assert answer.status_code < 300, (path, answer.content)
        return answer.json()

    def entry(self, start: dt.datetime, minutes: int) -> dict[str, Any]:
        """Time by hand, as it is sent."""
        return {
            "contract": self.world.contract.public_id,
            "activity": "task",
            "started_at": stamp(start),
            "ended_at": stamp(start + minutes * MINUTE),
            "reason": "offline",
        }

    def log(self, start: dt.datetime, minutes: int) -> Any:
        """One entry by hand."""
        (made,) = self.ok("expert", "/expert/time-entries", self.entry(start, minutes), start + minutes * MINUTE)[
            "entries"
        ]
        return made

    def start(self, at: dt.datetime) -> Any:
        """A timer."""
        body = {"contract": self.world.contract.public_id, "activity": "task"}
        return self.ok("expert", "/expert/time-entries/start", body, at)

    def timer(self, at: dt.datetime, minutes: int) -> Any:
        """A timer without a sign of life; the entries it became."""
        entry = self.start(at)["id"]
        return self.ok("expert", f"/expert/time-entries/{entry}/stop", None, at + minutes * MINUTE)["entries"]

    def over(self, at: dt.datetime) -> str:
        """Four minutes over the hour that a day has; the overage."""
        self.log(at, 55)
        return str(self.timer(at + 60 * MINUTE, 9)[-1]["overage"])

    def dispute(self, entry: str) -> str:
        """The lab contests a half of it."""
        body = {**self.decided_by, "reason": "Too long.", "proposed": "PT15M"}
        return str(self.ok("lab", f"/time-entries/{entry}/dispute", body, SUBMITTED)["id"])

    def take_back(self, entry: str, at: dt.datetime) -> None:
        """Void."""
        assert self.expert("DELETE", f"/expert/time-entries/{entry}", at=at).status_code == 204

    def decide_by_silence(self, overage: str) -> None:
        """The clock approves."""
        with platform():
            overages.approve_by_silence(overage_id=Overage.objects.get(public_id=overage).pk, now=MONDAY + 4 * DAY)


@pytest.fixture
def scene(settings: LazySettings) -> Hours:
    settings.RATE_LIMITS_ENABLED = False
    with platform():
        world = hours.build(day_cap=HOUR)
        reviewer = User.objects.create_user("reviewer@aurora.example", "pass")
        LabMember.objects.create(tenant=world.tenant, user=reviewer, role=LabMember.Role.REVIEWER)
        return Hours(world, hours.expert_caller(world), hours.lab_caller(world))


@pytest.fixture
def refuse(scene: Hours) -> Refusals:
    with platform():
        rival = hours.build(name="Borealis")
        callers = {
            "lab": scene.lab,
            "expert": scene.expert,
            "reader": hours.lab_caller(scene.world, "timesheets:read"),
            "rival": hours.lab_caller(rival),
            "stranger": hours.expert_caller(rival),
        }
    return Refusals(callers)


def by_hand(scene: Hours) -> Iterator[Bad]:
    """`POST /expert/time-entries` and a timer beside another one."""
    path, good = "/expert/time-entries", scene.entry(SECOND + DAY + HOUR * dt.timedelta(seconds=1), 10)
    yield from at_every_door(path, good, who="expert", at=NOW)
    day = {"started_at": stamp(SECOND), "ended_at": stamp(SECOND + 5 * MINUTE)}
    for what, change, pointers in (
        ("a century", {"started_at": "2000-01-01T00:00:00Z"}, "/ended_at /started_at"),
        ("ends in a century", {"ended_at": "2099-01-01T00:00:00Z"}, "/ended_at /ended_at"),
        ("a day and a second", {"started_at": stamp(SECOND - DAY - 1 * MINUTE)}, "/ended_at"),
        ("no length", {"ended_at": day["started_at"]}, "/ended_at /ended_at"),
        ("backwards", {"ended_at": stamp(SECOND - MINUTE)}, "/ended_at /ended_at"),
        ("the year 1", {"started_at": "0001-01-01T00:00:00Z"}, "/started_at"),
        ("the year 9999", {"ended_at": "9999-12-31T23:59:59Z"}, "/ended_at"),
        ("no zone", {"started_at": "2026-11-23T09:00:00"}, "/started_at"),
        ("no such activity", {"activity": "sleep"}, "/activity"),
        ("a blank reason", {"reason": "  "}, "/reason"),
        ("a reason without end", {"reason": "x" * 1001}, "/reason"),
        ("a project for a contract", {"contract": f"prj_{OTHER}"}, "/contract"),
    ):
        yield Bad(what, path, {**good, **day, **change}, 400, "invalid", pointers, who="expert", at=NOW)
    yield Bad("another's contract", path, good, 404, "not_found", who="stranger", at=NOW)
    yield Bad("no such contract", path, {**good, "contract": f"ctr_{OTHER}"}, 404, "not_found", who="expert", at=NOW)
    closed = scene.entry(MONDAY + 3 * DAY + 120 * MINUTE, 5)
    yield Bad("a submitted week", path, closed, 409, "week_closed", who="expert", at=NOW)
    yield Bad("over a cap", path, scene.entry(SECOND, 61), 409, "cap_exceeded", who="expert", at=NOW)
    yield Bad("taken time", path, scene.entry(SECOND + DAY, 5), 409, "overlap", who="expert", at=NOW)
    second = {"contract": good["contract"], "activity": "task"}
    yield Bad("a second timer", f"{path}/start", second, 409, "overlap", who="expert", at=NOW)


def one_entry(scene: Hours) -> Iterator[Bad]:
    """PATCH, DELETE, stop and confirm of an entry."""
    why = {"reason": "Notes."}

    def entry(what: str, entry_id: str, status: int, code: str, pointers: str = "", **more: Any) -> Bad:
        path = f"/expert/time-entries/{entry_id}{more.pop('to', '')}"
        return Bad(what, path, more.pop("body", None), status, code, pointers, **{"who": "expert", "at": NOW, **more})

    sent = scene.plain["id"]
    for state, entry_id, code in (
        ("submitted", sent, "week_closed"),
        ("disputed", scene.disputed, "week_closed"),
        ("void", scene.void, "invalid_transition"),
        ("running", scene.running, "invalid_transition"),
    ):
        yield entry(f"{state}: change it", entry_id, 409, code, method="PATCH", body=why)
        yield entry(f"{state}: confirm it", entry_id, 409, code, to="/confirm", body=why)
    for state, entry_id in (("submitted", sent), ("disputed", scene.disputed), ("void", scene.void)):
        yield entry(f"{state}: take it back", entry_id, 409, "invalid_transition", method="DELETE")
        yield entry(f"{state}: stop it", entry_id, 409, "invalid_transition", to="/stop")
        yield entry(f"{state}: a sign of life", entry_id, 409, "invalid_transition", to="/heartbeat", body={}, key="")
    yield entry("change nothing", scene.stopped["id"], 400, "invalid", method="PATCH", body={})
    late = {"ended_at": stamp(NOW)}
    yield entry(
        "change what a timer measured", scene.unconfirmed, 400, "invalid", "/started_at", method="PATCH", body=late
    )
    yield from at_every_door(f"/expert/time-entries/{scene.unconfirmed}/confirm", why, who="expert", at=NOW)
    blank = {"reason": " "}
    yield entry("confirm for no reason", scene.unconfirmed, 400, "invalid", "/reason", to="/confirm", body=blank)
    yield entry("nothing to confirm", scene.stopped["id"], 409, "nothing_unconfirmed", to="/confirm", body=why)
    for what, entry_id, who in (
        ("another's", scene.unconfirmed, "stranger"),
        ("no such entry", f"tme_{OTHER}", "expert"),
    ):
        yield entry(f"confirm {what}", entry_id, 404, "not_found", to="/confirm", body=why, who=who)
        yield entry(f"change {what}", entry_id, 404, "not_found", method="PATCH", body=why, who=who)
        yield entry(f"take back {what}", entry_id, 404, "not_found", method="DELETE", who=who)


def weeks(scene: Hours) -> Iterator[Bad]:
    """Submitting and approving."""
    submit = f"/expert/timesheets/{scene.open_week}/submit"
    yield from at_every_door(submit, None, who="expert", at=NOW)
    for what, sheet, status, code in (
        ("a second time", scene.week, 409, "invalid_transition"),
        ("with a running timer", scene.open_week, 409, "timer_running"),
        ("an empty week", scene.empty, 409, "nothing_to_submit"),
        ("no such week", f"tsh_{OTHER}", 404, "not_found"),
    ):
        yield Bad(what, f"/expert/timesheets/{sheet}/submit", None, status, code, who="expert", at=NOW)
    yield Bad("another's week", submit, None, 404, "not_found", who="stranger", at=NOW)
    approve = f"/timesheets/{scene.week}/approve"
    yield from at_every_door(approve, scene.decided_by, at=NOW)
    yield from by_whom(approve, scene.decided_by, at=NOW)
    for what, sheet, who, status, code in (
        ("an open week", scene.open_week, "lab", 409, "invalid_transition"),
        ("an empty week", scene.empty, "lab", 409, "invalid_transition"),
        ("another lab's week", scene.week, "rival", 404, "not_found"),
        ("no such week", f"tsh_{OTHER}", "lab", 404, "not_found"),
    ):
        yield Bad(what, f"/timesheets/{sheet}/approve", scene.decided_by, status, code, who=who, at=NOW)


def disputing(scene: Hours) -> Iterator[Bad]:
    """Opening a dispute."""
    good = {**scene.decided_by, "reason": "Too long.", "proposed": "PT15M"}
    path = f"/time-entries/{scene.plain['id']}/dispute"
    yield from at_every_door(path, good, at=NOW)
    yield from by_whom(path, good, at=NOW)
    for what, change, pointer in (
        ("negative", {"proposed": "-PT15M"}, "/proposed"),
        ("as much as counts", {"proposed": "PT30M"}, "/proposed"),
        ("more than counts", {"proposed": "PT31M"}, "/proposed"),
        ("eleven years", {"proposed": "P4020D"}, "/proposed"),
        ("digits without end", {"proposed": f"PT{'9' * 400}S"}, "/proposed"),
        ("a fraction", {"proposed": "PT0.5H"}, "/proposed"),
        ("a number", {"proposed": 900}, "/proposed"),
        ("a blank reason", {"reason": " \n "}, "/reason"),
        ("a reason without end", {"reason": "x" * 5001}, "/reason"),
        ("a NUL", {"reason": "a\u0001b"}, "/reason"),
    ):
        yield Bad(what, path, {**good, **change}, 400, "invalid", pointer, at=NOW)
    for what, entry, who, status, code in (
        ("a running entry", scene.running, "lab", 409, "invalid_transition"),
        ("an entry of an open week", scene.stopped["id"], "lab", 409, "invalid_transition"),
        ("a disputed entry", scene.disputed, "lab", 409, "invalid_transition"),
        ("one whose dispute is over", scene.was_disputed, "lab", 409, "already_disputed"),
        ("a void entry", scene.void, "lab", 404, "not_found"),
        ("another lab's entry", scene.plain["id"], "rival", 404, "not_found"),
        ("no such entry", f"tme_{OTHER}", "lab", 404, "not_found"),
    ):
        yield Bad(what, f"/time-entries/{entry}/dispute", good, status, code, who=who, at=NOW)


def answering(scene: Hours) -> Iterator[Bad]:
    """The other acts on a dispute."""
    withdraw, answer = f"/disputes/{scene.answered}/withdraw", f"/expert/disputes/{scene.answered}/answer"
    yield from at_every_door(withdraw, scene.decided_by, at=NOW)
    yield from by_whom(withdraw, scene.decided_by, at=NOW)
    said = {"answer": "I did."}
    for what, path, body, who, status, code, pointer in (
        (
            "withdraw twice",
            f"/disputes/{scene.withdrawn}/withdraw",
            scene.decided_by,
            "lab",
            409,
            "invalid_transition",
            "",
        ),
        ("withdraw another lab's", withdraw, scene.decided_by, "rival", 404, "not_found", ""),
        ("withdraw none", f"/disputes/dsp_{OTHER}/withdraw", scene.decided_by, "lab", 404, "not_found", ""),
        ("answer twice", answer, said, "expert", 409, "invalid_transition", ""),
        (
            "answer what is over",
            f"/expert/disputes/{scene.withdrawn}/answer",
            said,
            "expert",
            409,
            "invalid_transition",
            "",
        ),
        ("answer nothing", answer, {"answer": " "}, "expert", 400, "invalid", "/answer"),
        ("answer without end", answer, {"answer": "x" * 5001}, "expert", 400, "invalid", "/answer"),
        ("answer without words", answer, {}, "expert", 400, "invalid", "/answer"),
        ("answer another's", answer, said, "stranger", 404, "not_found", ""),
    ):
        yield Bad(what, path, body, status, code, pointer, who=who, at=NOW)


def over_caps(scene: Hours, *, decided: bool) -> Iterator[Bad]:
    """Deciding about an overage: while it is open, and once it is decided."""
    body = {**scene.decided_by, "reason": "We agreed on an hour."}
    overage = scene.over_open if decided else scene.silent_over
    for way in ("approve", "decline"):
        yield Bad(f"{way} what is decided", f"/overages/{overage}/{way}", body, 409, "invalid_transition", at=NOW)
        if decided:
            continue
        path = f"/overages/{scene.over_open}/{way}"
        yield from at_every_door(path, body, at=NOW)
        yield from by_whom(path, body, at=NOW)
        yield Bad(f"{way} another lab's", path, body, 404, "not_found", who="rival", at=NOW)
        yield Bad(f"{way} none", f"/overages/ovg_{OTHER}/{way}", body, 404, "not_found", at=NOW)
    blank = {**body, "reason": " "}
    yield Bad("for no reason", f"/overages/{scene.over_open}/decline", blank, 400, "invalid", "/reason", at=NOW)


def test_wrong_requests_about_hours_change_nothing(scene: Hours, refuse: Refusals) -> None:
    for table in (by_hand, one_entry, weeks, disputing, answering):
        refuse.all(table(scene))
    refuse.all(over_caps(scene, decided=False))
    refuse.verdict()
    assert_money_is_whole()


def test_what_was_done_once_is_not_done_again(scene: Hours, refuse: Refusals) -> None:
    words = {**scene.decided_by, "reason": "Agreed."}
    assert refuse.once(f"/overages/{scene.over_open}/approve", words, status=200, at=NOW)["status"] == "approved"
    refuse.all(over_caps(scene, decided=True))
    confirm = f"/expert/time-entries/{scene.unconfirmed}/confirm"
    refuse.once(confirm, {"reason": "Notes."}, status=200, who="expert", at=NOW)
    again = Bad("confirm twice", confirm, {"reason": "Notes."}, 409, "nothing_unconfirmed", who="expert", at=NOW)
    refuse.all([again])
    contested = {**words, "proposed": "PT15M"}
    dispute = f"/time-entries/{scene.plain['id']}/dispute"
    refuse.once(dispute, contested, status=201, at=NOW)
    refuse.all([Bad("dispute twice", dispute, contested, 409, "invalid_transition", at=NOW)])
    refuse.once(f"/disputes/{scene.answered}/withdraw", words, status=200, at=NOW)
    refuse.once(f"/timesheets/{scene.week}/approve", scene.decided_by, status=200, at=NOW)
    approve = f"/timesheets/{scene.week}/approve"
    refuse.all([Bad("approve twice", approve, scene.decided_by, 409, "invalid_transition", at=NOW)])
    refuse.verdict()
    assert_money_is_whole()
