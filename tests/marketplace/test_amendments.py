"""Later terms, over HTTP: a lab proposes, the expert decides, and nothing is ever changed for time that has passed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from psycopg.types.range import Range

from core import clock
from core.public import Event
from experts.models import Notice
from marketplace import jobs
from marketplace.models import Amendment, Contract, RateSnapshot
from marketplace.subscribers import withdraw_amendments
from payments import jobs as payment_jobs
from tests.core.api.conftest import pointers, problem
from tests.marketplace.test_desk import Desk
from tests.marketplace.test_journey import ok
from tests.marketplace.world import (
    NOW,
    admin_of,
    balance,
    expert_caller,
    fund,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_opening,
    make_project,
    platform,
)

V1 = "/api/v1"
DAY = dt.timedelta(days=1)
RAISE = NOW + 3 * DAY
CUT = NOW + 14 * DAY
KEY = {"Idempotency_Key": "k"}


class World:
    """A lab, an expert under contract at 143.00 for 10 h a week, and their clients."""

    def __init__(self, *, funds: int = 10**9, **opening: Any) -> None:
        self.lab = make_lab(funds=funds)
        self.expert = make_expert()
        self.project = make_project(self.lab)
        self.contract = make_contract(make_opening(self.project, **opening), self.expert)
        self.api, self.me = lab_caller(self.lab), expert_caller(self.expert)
        self.admin = admin_of(self.lab).email
        self.path = f"{V1}/contracts/{self.contract.public_id}"
        self.mine = f"{V1}/expert/contracts/{self.contract.public_id}"

    def body(self, amount: str = "150.00", *, at: dt.datetime = RAISE, **more: Any) -> dict[str, Any]:
        rate = {"rate": {"amount": amount, "currency": "USD", "per": "hour"}} if amount else {}
        return {"decided_by": self.admin, "effective_at": at.isoformat(), "reason": "Second round.", **rate, **more}

    def propose(self, amount: str = "150.00", *, key: str = "propose", **more: Any) -> Any:
        return self.api("POST", f"{self.path}/amendments", self.body(amount, **more), Idempotency_Key=key)

    def answer(self, amendment: Any, verb: str = "accept", *, key: str = "answer") -> Any:
        return self.me("POST", f"{V1}/expert/amendments/{amendment['id']}/{verb}", Idempotency_Key=key)


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def world(db: None) -> World:
    return World()


def rates_of(contract: Contract) -> list[tuple[int, dt.datetime, dt.datetime | None]]:
    with platform():
        rows = RateSnapshot.objects.filter(contract=contract).order_by("valid")
        return [(row.rate_minor, row.valid.lower, row.valid.upper) for row in rows]


def kinds(world: World) -> list[str]:
    with platform():
        return list(Notice.objects.filter(kind__startswith="amendment").order_by("pk").values_list("kind", flat=True))


def test_a_raise_is_agreed_and_in_force_from_its_day(world: World) -> None:
    proposed = ok(world.propose(), 201)
    assert (proposed["status"], proposed["lowers"]) == ("proposed", [])
    assert (proposed["former"]["rate"]["amount"], proposed["terms"]["rate"]["amount"]) == ("143.00", "150.00")
    assert proposed["expires_at"] == proposed["effective_at"] == "2026-11-05T09:00:00Z"
    assert (proposed["cost_per_hour"]["amount"], proposed["reserve"]["amount"]) == ("195.00", "3900.00")
    assert ok(world.me("GET", world.mine))["next_terms"] is None
    (mine,) = ok(world.me("GET", f"{world.mine}/amendments"))["results"]
    assert mine == {name: value for name, value in proposed.items() if name not in {"cost_per_hour", "reserve"}}
    accepted = ok(world.answer(proposed))
    assert (accepted["status"], accepted["decided_at"]) == ("accepted", "2026-11-02T09:00:00Z")
    assert rates_of(world.contract) == [(14_300, NOW, RAISE), (15_000, RAISE, None)]
    for caller, path in ((world.api, world.path), (world.me, world.mine)):
        shown = ok(caller("GET", path))
        assert (shown["rate"]["amount"], shown["next_terms"]["rate"]["amount"]) == ("143.00", "150.00")
        with clock.frozen(RAISE):
            shown = ok(caller("GET", path))
        assert (shown["rate"]["amount"], shown["next_terms"]) == ("150.00", None)
    assert ok(world.api("GET", f"{V1}/amendments/{proposed['id']}"))["status"] == "accepted"
    news = {event["type"] for event in ok(world.api("GET", f"{V1}/events"))["results"]}
    assert {"amendment.proposed", "amendment.accepted", "contract.amended"} <= news
    assert kinds(world) == ["amendment.proposed", "amendment.accepted"]


def test_time_that_runs_over_the_change_is_paid_by_both_rates(world: World) -> None:
    ok(world.answer(ok(world.propose(), 201)))
    with clock.frozen(RAISE - dt.timedelta(minutes=5)):
        body = {"contract": world.contract.public_id, "activity": "meeting"}
        timer = ok(world.me("POST", f"{V1}/expert/time-entries/start", body, **KEY), 201)
    with clock.frozen(RAISE + dt.timedelta(minutes=4)):
        ok(world.me("POST", f"{V1}/expert/time-entries/{timer['id']}/heartbeat"))
        stopped = ok(world.me("POST", f"{V1}/expert/time-entries/{timer['id']}/stop", Idempotency_Key="stop"))
    assert [(row["rate"]["amount"], row["time"]["billable"]) for row in stopped["entries"]] == [
        ("143.00", "PT5M"),
        ("150.00", "PT4M"),
    ]


def test_the_reservation_follows_the_later_terms(world: World) -> None:
    assert balance(world.lab).reserved_minor == 371_800
    ok(world.answer(ok(world.propose(weekly_cap="PT20H"), 201)))
    assert balance(world.lab).reserved_minor == 2 * 20 * 19_500
    ok(world.answer(ok(world.propose("", at=CUT, weekly_cap="PT5H", key="p2"), 201), key="a2"))
    payment_jobs.follow_terms()
    assert balance(world.lab).reserved_minor == 2 * 20 * 19_500
    with clock.frozen(CUT):
        payment_jobs.follow_terms()
        payment_jobs.follow_terms()
    assert balance(world.lab).reserved_minor == 2 * 5 * 19_500
    assert balance(world.lab).available_minor == 10**9 - 2 * 5 * 19_500


def test_without_the_labs_money_nothing_is_agreed(db: None) -> None:
    world = World(funds=371_800 + 18_199)
    proposed = ok(world.propose(), 201)
    refused = problem(world.answer(proposed), 409, "insufficient_funds")
    assert not {"required", "available"} & set(refused)
    assert rates_of(world.contract) == [(14_300, NOW, None)]
    assert balance(world.lab).reserved_minor == 371_800
    assert ok(world.me("GET", f"{V1}/expert/amendments/{proposed['id']}"))["status"] == "proposed"
    fund(world.lab, 1)
    ok(world.answer(proposed))
    assert balance(world.lab).available_minor == 0


def test_what_takes_something_needs_the_notice_period(world: World) -> None:
    early = CUT - dt.timedelta(seconds=1)
    for change in (
        {"amount": "142.99"},
        {"amount": "", "weekly_cap": "PT9H"},
        {"amount": "", "daily_cap": "PT2H"},
        {"amount": "200.00", "pay_policy": {"meeting": {"pay": "unpaid"}}},
    ):
        refused = problem(world.propose(at=early, **change), 400, "invalid")
        assert pointers(refused) == {"/effective_at": "notice_too_short"}
    proposed = ok(world.propose("142.99", at=CUT, pay_policy={"meeting": {"pay": "capped", "cap": "PT1H"}}), 201)
    assert proposed["lowers"] == ["rate", "meeting"]
    assert proposed["expires_at"] == "2026-11-09T09:00:00Z"
    assert rates_of(world.contract) == [(14_300, NOW, None)]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"at": NOW}, "/effective_at", "in_the_past"),
        ({"at": NOW - 30 * DAY}, "/effective_at", "in_the_past"),
        ({"at": NOW + 400 * DAY}, "/effective_at", "too_far"),
        ({"amount": "143.00"}, "", "nothing_changes"),
        ({"amount": ""}, "/rate", "required"),
        ({"amount": "1000.01"}, "/rate/amount", "too_large"),
        ({"amount": "0.00"}, "/rate/amount", "too_small"),
        ({"amount": "-5.00"}, "/rate/amount", "too_small"),
        ({"rate": {"amount": "150.00", "currency": "EUR", "per": "hour"}}, "/rate/currency", "wrong_currency"),
        ({"daily_cap": "PT11H"}, "/daily_cap", "too_long"),
        ({"pay_policy": {"task": {"pay": "unpaid"}}}, "/pay_policy/task", "invalid_policy"),
        ({"decided_by": "nobody@example.org"}, "/decided_by", "unknown_member"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"reason": ""}, "/reason", "blank"),
    ],
)
def test_impossible_terms_are_refused(world: World, change: dict[str, Any], pointer: str, code: str) -> None:
    assert pointers(problem(world.propose(**change), 400, "invalid"))[pointer] == code
    with platform():
        assert not Amendment.objects.exists()


def test_money_wants_a_key_and_does_things_once(world: World) -> None:
    problem(world.api("POST", f"{world.path}/amendments", world.body()), 400, "idempotency_key_required")
    proposed = ok(world.propose(), 201)
    assert ok(world.propose(), 201) == proposed
    problem(world.propose("151.00"), 422, "idempotency_mismatch")
    problem(world.propose("151.00", key="other"), 409, "amendment_stands")
    problem(world.me("POST", f"{V1}/expert/amendments/{proposed['id']}/accept"), 400, "idempotency_key_required")
    accepted = ok(world.answer(proposed))
    assert ok(world.answer(proposed)) == accepted
    refused = problem(world.answer(proposed, key="again"), 409, "invalid_transition")
    assert (refused["current_state"], refused["allowed_transitions"]) == ("accepted", [])
    assert len(rates_of(world.contract)) == 2


def test_declined_withdrawn_and_expired_ones_change_nothing(world: World) -> None:
    declined = ok(world.propose(), 201)
    assert ok(world.answer(declined, "decline"))["status"] == "declined"
    withdrawn = ok(world.propose(key="p2"), 201)
    path = f"{V1}/amendments/{withdrawn['id']}/withdraw"
    assert ok(world.api("POST", path, Idempotency_Key="w"))["status"] == "withdrawn"
    problem(world.answer(withdrawn, key="a2"), 409, "invalid_transition")
    late = ok(world.propose(key="p3"), 201)
    with clock.frozen(RAISE):
        problem(world.answer(late, key="a3"), 409, "amendment_expired")
        jobs.expire_amendments()
        jobs.expire_amendments()
        assert ok(world.api("GET", f"{V1}/amendments/{late['id']}"))["status"] == "expired"
    assert rates_of(world.contract) == [(14_300, NOW, None)]
    assert balance(world.lab).reserved_minor == 371_800
    assert kinds(world) == [
        "amendment.proposed",
        "amendment.proposed",
        "amendment.withdrawn",
        "amendment.proposed",
        "amendment.expired",
    ]
    statuses = [row["status"] for row in ok(world.api("GET", f"{world.path}/amendments"))["results"]]
    assert statuses == ["expired", "withdrawn", "declined"]


def test_later_terms_follow_what_was_agreed_before(world: World) -> None:
    ok(world.answer(ok(world.propose(), 201)))
    refused = problem(world.propose("160.00", at=RAISE, key="p2"), 400, "invalid")
    assert pointers(refused) == {"/effective_at": "before_agreed_terms"}
    second = ok(world.propose("160.00", at=RAISE + DAY, key="p3"), 201)
    assert second["former"]["rate"]["amount"] == "150.00"
    ok(world.answer(second, key="a2"))
    assert [rate for rate, _, _ in rates_of(world.contract)] == [14_300, 15_000, 16_000]


def test_a_contract_at_its_end_is_not_amended(world: World) -> None:
    proposed = ok(world.propose(), 201)
    body = {"decided_by": world.admin, "reason": "completed", "explanation": "Done. Thank you."}
    ok(world.api("POST", f"{world.path}/end", body))
    problem(world.answer(proposed), 409, "contract_not_amendable")
    problem(world.propose(key="p2"), 409, "contract_not_amendable")
    with platform():
        event = _ending_of(world.contract)
        withdraw_amendments(event, NOW)
        withdraw_amendments(event, NOW)
        assert Amendment.objects.get().status == Amendment.Status.WITHDRAWN


def _ending_of(contract: Contract) -> Any:
    return Event.objects.get(name="contract.ending", subject=contract.public_id)


def test_others_do_not_find_it(world: World) -> None:
    proposed = ok(world.propose(), 201)
    rival, stranger = lab_caller(make_lab("Rival")), expert_caller(make_expert("eve@example.org"))
    for caller, method, path in (
        (rival, "GET", f"{V1}/amendments/{proposed['id']}"),
        (rival, "GET", f"{world.path}/amendments"),
        (rival, "POST", f"{V1}/amendments/{proposed['id']}/withdraw"),
        (rival, "POST", f"{world.path}/amendments"),
        (stranger, "GET", f"{V1}/expert/amendments/{proposed['id']}"),
        (stranger, "GET", f"{world.mine}/amendments"),
        (stranger, "POST", f"{V1}/expert/amendments/{proposed['id']}/accept"),
        (stranger, "POST", f"{V1}/expert/amendments/{proposed['id']}/decline"),
    ):
        body = world.body() if path.endswith("/amendments") and method == "POST" else None
        problem(caller(method, path, body, **KEY), 404, "not_found")
    reader = lab_caller(world.lab, "contracts:read")
    problem(reader("POST", f"{world.path}/amendments", world.body(), **KEY), 403, "permission_denied")
    with platform():
        assert Amendment.objects.get().status == Amendment.Status.PROPOSED


def test_the_database_refuses_what_nobody_agreed_to(world: World) -> None:
    ok(world.propose(), 201)
    forbidden = (
        lambda: Amendment.objects.update(status="accepted", decided_at=NOW),
        lambda: Amendment.objects.update(effective_at=NOW),
        lambda: Amendment.objects.update(rate_minor=100_001),
        lambda: Amendment.objects.update(currency="XTS"),
        lambda: RateSnapshot.objects.update(rate_minor=20_000),
        lambda: RateSnapshot.objects.update(valid=Range(NOW - DAY, RAISE)),
        lambda: RateSnapshot.objects.all().delete(),
    )
    for act in forbidden:
        with pytest.raises(DatabaseError), platform(), transaction.atomic():
            act()
    assert rates_of(world.contract) == [(14_300, NOW, None)]


def test_the_weekly_budget_bounds_what_is_agreed(world: World) -> None:
    project = f"{V1}/projects/{world.project.public_id}"
    week = {"amount": "1859.00", "currency": "USD"}
    refused = problem(world.api("PATCH", project, {"weekly_budget": {**week, "amount": "1858.99"}}), 400, "invalid")
    assert pointers(refused) == {"/weekly_budget/amount": "too_small"}
    ok(world.api("PATCH", project, {"weekly_budget": week}))
    proposed = ok(world.propose(), 201)
    problem(world.answer(proposed), 409, "weekly_budget_exceeded")
    assert rates_of(world.contract) == [(14_300, NOW, None)]
    ok(world.api("PATCH", project, {"weekly_budget": {**week, "amount": "1950.00"}}))
    ok(world.answer(proposed))
    assert rates_of(world.contract)[-1] == (15_000, RAISE, None)


def test_the_desk_sees_them_and_may_withdraw(world: World) -> None:
    proposed = ok(world.propose(), 201)
    desk = Desk("view_amendment", "view_contract", "manage_contract")
    with platform():
        row = Amendment.objects.get()
    assert proposed["id"] in desk.client.get("/admin/marketplace/amendment/").content.decode()
    assert desk.client.get(f"/admin/marketplace/amendment/{row.pk}/change/").status_code == 200
    contract = desk.client.get(f"/admin/marketplace/contract/{world.contract.pk}/change/").content.decode()
    assert proposed["id"] in contract
    looker = Desk("view_amendment", email="ivy@example.org")
    looker.act(row, "withdraw")
    assert ok(world.api("GET", f"{V1}/amendments/{proposed['id']}"))["status"] == "proposed"
    desk.client.post(f"/admin/marketplace/amendment/{row.pk}/change/", {"rate_minor": 1, "status": "accepted"})
    desk.act(row, "withdraw")
    assert ok(world.api("GET", f"{V1}/amendments/{proposed['id']}"))["status"] == "withdrawn"
    assert rates_of(world.contract) == [(14_300, NOW, None)]
