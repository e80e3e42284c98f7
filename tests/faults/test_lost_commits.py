"""PostgreSQL committed and the answer got lost: whoever asks again gets the same thing once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from core import clock
from payments.models import Adjustment, JournalEntry, Payout, PayRun, ProviderMovement, TimeEntry, Timesheet
from payments.operations.hours import time_entries, timesheets
from payments.operations.rails import sending
from payments.providers.sandbox import SandboxProvider
from tests.faults import commit_proxy
from tests.faults.commit_proxy import CommitProxy
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import MONDAY, PLATFORM, Caller, World, lab_caller, platform
from tests.payments.ledger_story import NOW
from tests.payments.test_money_desk import PREPARE, RELEASE, Desk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

DECIDED = MONDAY + dt.timedelta(days=5)


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[CommitProxy]:
    with commit_proxy.between() as made:
        yield made


def quiet(caller: Caller) -> Caller:
    """A client that shows a broken answer as the web server would: 500 and no more."""
    caller.client.raise_request_exception = False
    return caller


def submitted_week() -> tuple[World, Timesheet]:
    with platform():
        world = hours.build()
        start, end = MONDAY, MONDAY + dt.timedelta(hours=1)
        time_entries.log(
            contract=world.contract,
            activity="task",
            claim=None,
            started_at=start,
            ended_at=end,
            reason="no timer at hand",
            now=end,
        )
        return world, timesheets.submit(timesheet=Timesheet.objects.get(), by=PLATFORM, now=DECIDED)


def lost_then_repeated(proxy: CommitProxy, call: Caller, path: str, body: Any) -> Any:
    """The reply to the first COMMIT is lost; the caller repeats his request with the same key."""
    proxy.drop_next()
    lost = call("POST", path, body, at=DECIDED, key="the-same")
    assert (lost.status_code, proxy.dropped) == (503, 1)
    commit_proxy.reconnect()
    again = call("POST", path, body, at=DECIDED, key="the-same")
    assert again.headers["Idempotent-Replayed"] == "true"
    return again


def test_a_bonus_whose_answer_got_lost_is_paid_once(proxy: CommitProxy) -> None:
    with platform():
        world = hours.build()
    body = {
        "contract": world.contract.public_id,
        "amount": {"amount": "150.00", "currency": "USD"},
        "reason": "Found a mistake.",
        "decided_by": world.member.email,
    }
    again = lost_then_repeated(proxy, quiet(lab_caller(world)), "/bonuses", body)
    with platform():
        assert (again.status_code, again.json()["id"]) == (201, Adjustment.objects.get().public_id)
        assert JournalEntry.objects.filter(kind="bonus").count() == 1
    assert story.owed(world.expert) == 15_000
    assert_money_is_whole()


def test_an_approval_whose_answer_got_lost_pays_once(proxy: CommitProxy) -> None:
    world, sheet = submitted_week()
    call = quiet(lab_caller(world))
    path = f"/timesheets/{sheet.public_id}/approve"
    again = lost_then_repeated(proxy, call, path, {"decided_by": world.member.email})
    assert (again.status_code, again.json()["status"]) == (200, "approved")
    with platform():
        assert TimeEntry.objects.get().status == "approved"
        assert JournalEntry.objects.filter(kind="time_approved").count() == 1
    assert story.owed(world.expert) == 11_000
    assert_money_is_whole()


def test_a_funding_whose_answer_got_lost_is_announced_once(proxy: CommitProxy) -> None:
    with platform():
        world = hours.build(funded_minor=0)
    call = quiet(lab_caller(world, "funding:write"))
    again = lost_then_repeated(proxy, call, "/funding", {"amount": {"amount": "500.00", "currency": "USD"}})
    assert again.status_code == 201
    assert story.prepaid(world.tenant) == 50_000
    assert_money_is_whole()


def test_a_release_whose_answer_got_lost_pays_once_however_often_it_is_clicked(proxy: CommitProxy) -> None:
    ada = story.new_expert(account="acct-ada")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    preparer, releaser = Desk(*PREPARE), Desk(*RELEASE)
    with clock.frozen(NOW):
        preparer.post("payrun/prepare/", currency="USD")
        run = PayRun.objects.get()
        releaser.client.raise_request_exception = False
        proxy.drop_next()
        lost = releaser.post(f"payrun/{run.pk}/release/", digest=run.lines_digest)
        assert (lost.status_code, proxy.dropped) == (503, 1)
        commit_proxy.reconnect()
        assert Payout.objects.count() == 1  # it was done
        for _ in range(2):
            releaser.post(f"payrun/{run.pk}/release/", digest=run.lines_digest)
    assert (Payout.objects.count(), story.owed(ada), PayRun.objects.get().status) == (1, 0, "approved")
    story.send_and_track()
    assert ProviderMovement.objects.filter(state="paid").count() == 1
    assert_money_is_whole(at_rest=True)


def three_due() -> None:
    for n in range(3):
        story.earn(story.new_expert(f"E{n}"), 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()


def all_paid_once() -> None:
    commit_proxy.reconnect()
    for minutes in (0, 2, 8, 20):
        story.send_and_track(NOW + dt.timedelta(minutes=minutes))
        assert_money_is_whole()
    assert list(Payout.objects.values_list("status", flat=True)) == ["paid"] * 3
    assert list(ProviderMovement.objects.values_list("state", "deliveries")) == [("paid", 1)] * 3
    assert_money_is_whole(at_rest=True)


def test_a_sender_that_does_not_hear_of_its_own_lease_calls_nobody(proxy: CommitProxy) -> None:
    three_due()
    proxy.drop_next()
    with pytest.raises(OperationalError):
        sending.send_due(now=NOW)
    commit_proxy.reconnect()
    assert (set(Payout.objects.values_list("status", flat=True)), ProviderMovement.objects.count()) == ({"sending"}, 0)
    all_paid_once()


def test_a_sender_that_does_not_hear_that_the_answers_were_written_down(proxy: CommitProxy) -> None:
    three_due()
    with story.platform():
        batch, _looked_at = sending.take(now=NOW)
    answers = SandboxProvider().submit(batch.orders, now=NOW)
    proxy.drop_next()
    with pytest.raises(OperationalError), story.platform():
        sending.record(answers, sends=batch.sends, now=NOW)
    commit_proxy.reconnect()
    assert set(Payout.objects.values_list("status", flat=True)) == {"submitted"}
    with story.platform():
        sending.record(answers, sends=batch.sends, now=NOW)  # whoever did not hear of it tells it again
    all_paid_once()
