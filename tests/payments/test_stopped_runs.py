"""Pay runs that are sent back or cancelled after people saw them: they hear why, and the run does not vanish."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core import tokens
from core.public import User, unit_of_work
from experts.operations import appeals
from experts.operations.appeals import SameDecider
from experts.public import Appeal, Expert, Notice, ReasonMissing
from payments.models import PayRun
from payments.operations.runs import pay_run_holds, pay_run_news, pay_runs
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM, platform

pytestmark = pytest.mark.django_db
WHY = "The bank is closed on that day."


@pytest.fixture
def finance() -> User:
    return story.new_user("Fin")


@pytest.fixture
def ada() -> Expert:
    expert = story.new_expert("Ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    return expert


def prepared(now: dt.datetime = NOW) -> PayRun:
    with unit_of_work(SYSTEM):
        return pay_runs.prepare(currency="USD", by=story.new_user("Prep"), now=now)


def cancel(run: PayRun, by: User, reason: str = WHY) -> None:
    with unit_of_work(SYSTEM):
        pay_runs.cancel(run=run, reason=reason, by=by, now=NOW)


def send_back(run: PayRun, by: User) -> None:
    with unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason=WHY, by=by)


def call(expert: Expert, method: str, path: str, body: Any = None) -> Any:
    caller = hours.Caller(tokens.mint_expert_token(user=expert.user, name="tests").secret)
    return caller(method, path, body, at=NOW)


def stood(expert: Expert) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = call(expert, "GET", "/expert/pay-runs").json()["runs"]
    return runs


def told() -> list[Notice]:
    with platform():
        return list(Notice.objects.filter(kind="pay_run.cancelled").select_related("expert").order_by("pk"))


def test_everybody_in_a_cancelled_run_hears_once_why_and_when_he_is_paid(
    ada: Expert, finance: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pay_run_news, "AT_ONCE", 1)
    lab = story.new_lab(funded=100_000)
    bob, eve = story.new_expert("Bob"), story.new_expert("Eve", ready=False)
    for expert in (bob, eve):
        story.earn(expert, 5_000, lab=lab)
    run = prepared()
    with platform():
        pay_run_holds.hold(line=run.lines.get(expert=bob), reason="Look.", by=finance, now=NOW)
    cancel(run, finance)
    assert sorted(message.expert.legal_name for message in told()) == ["Ada", "Bob"]
    (message,) = (message for message in told() if message.expert == ada)
    assert message.title == "The pay run of 2026-11-18 was cancelled"
    assert WHY in message.body
    assert "200.00 USD" in message.body
    assert "on 2026-11-25 at the latest" in message.body
    assert f"/api/v1/expert/appeals with the subject {run.public_id}." in message.body
    assert finance.name not in message.body


def test_a_cancelled_run_stays_visible_beside_the_one_that_follows(ada: Expert, finance: User) -> None:
    run = prepared()
    cancel(run, finance)
    (shown,) = stood(ada)
    assert (shown["outcome"], shown["reason"], shown["amount"]["amount"]) == ("cancelled", WHY, "200.00")
    assert shown["remedy"]["href"] == "/api/v1/expert/appeals"
    prepared()
    assert [row["outcome"] for row in stood(ada)] == ["scheduled", "cancelled"]


def test_a_run_that_was_sent_back_is_shown_as_being_calculated_again(ada: Expert, finance: User) -> None:
    eve = story.new_expert("Eve", ready=False)
    story.earn(eve, 5_000, lab=story.new_lab(funded=10_000))
    run = prepared()
    send_back(run, finance)
    for expert, amount in ((ada, "200.00"), (eve, "50.00")):
        (shown,) = stood(expert)
        assert (shown["outcome"], shown["reason"], shown["remedy"]) == ("recalculating", WHY, None)
        assert shown["amount"]["amount"] == amount
    assert told() == []
    with unit_of_work(SYSTEM):
        again = pay_runs.recalculate(run=run, by=story.new_user("Prep"), now=NOW)
    assert (again.note, again.stopped_by) == ("", None)
    assert [row["outcome"] for row in (*stood(ada), *stood(eve))] == ["scheduled", "left_out"]


def test_a_run_that_was_sent_back_and_then_cancelled_tells_too(ada: Expert, finance: User) -> None:
    run = prepared()
    send_back(run, finance)
    cancel(run, finance, "Another cutoff.")
    (message,) = told()
    assert "Another cutoff." in message.body
    assert stood(ada)[0]["reason"] == "Another cutoff."


def test_nobody_stops_a_run_without_a_reason(ada: Expert, finance: User) -> None:
    run = prepared()
    for reason in ("", "  "):
        with pytest.raises(ReasonMissing):
            cancel(run, finance, reason)
        with unit_of_work(SYSTEM), pytest.raises(ReasonMissing):
            pay_runs.send_back(run=run, reason=reason, by=finance)
    run.refresh_from_db()
    assert (run.status, told()) == ("review", [])


def test_who_was_in_it_contests_it_and_whoever_cancelled_it_does_not_decide(ada: Expert, finance: User) -> None:
    run = prepared()
    body = {"subject": run.public_id, "reason": "I count on it."}
    assert call(ada, "POST", "/expert/appeals", body).status_code == 400  # nothing was stopped
    cancel(run, finance)
    assert call(story.new_expert("Eve"), "POST", "/expert/appeals", body).status_code == 400
    assert call(ada, "POST", "/expert/appeals", body).status_code == 201
    with platform(), pytest.raises(SameDecider):
        appeals.decide(appeal=Appeal.objects.get(), outcome="upheld", note="No.", by=finance, now=NOW)
