"""Money under concurrency: limits hold, events happen once, two people click at the same time."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError

from core import tokens
from core.problems import DomainError
from core.public import unit_of_work
from core.states import InvalidTransition
from marketplace.ports import InsufficientFunds
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import JournalEntry, Payout, PayRun, ProviderMovement
from payments.operations.pay import beside_postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.rails import sending, tracking
from payments.operations.runs import pay_runs
from payments.operations.runs.pay_run_calculation import PayRunChanged
from payments.operations.runs.pay_runs import PayRunExists
from payments.queries import ledger_findings
from tests.concurrency.together import together
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)


def assert_the_books_hold() -> None:
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def outcomes(results: list[Any]) -> list[str]:
    return sorted(type(result).__name__ for result in results)


def test_sixteen_bonuses_at_once_spend_no_more_than_there_is() -> None:
    lab, ada = story.new_lab(funded=500), story.new_expert()

    def pay(n: int) -> None:
        with unit_of_work(SYSTEM):
            pay = ExpertPay(f"adj_race_{n}", ada.pk, "USD", 90, NOW, tenant_id=lab.pk, fee_minor=10)
            beside_postings.bonuses_paid(bonuses=[pay], now=NOW)

    results = together([partial(pay, n) for n in range(16)])
    assert sum(result is None for result in results) == 5
    assert sum(isinstance(result, InsufficientFunds) for result in results) == 11
    assert (story.prepaid(lab), story.owed(ada)) == (0, 450)
    assert_the_books_hold()


def test_one_event_told_sixteen_times_at_once_is_one_entry() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    results = together([lambda: story.earn(ada, 1_000, lab=lab, fee=300, source="tme_race")] * 16)
    assert results == ["tme_race"] * 16
    assert (story.owed(ada), story.prepaid(lab)) == (1_000, 98_700)
    with unit_of_work(SYSTEM):
        assert JournalEntry.objects.filter(source_id="tme_race").count() == 1


def test_batches_over_the_same_accounts_in_opposite_orders_do_not_deadlock() -> None:
    experts = [story.new_expert(f"E{n}", ready=False) for n in range(6)]
    bonus = accounts.expense("bonus", "USD")

    def post(n: int) -> None:
        order = experts if n % 2 else experts[::-1]
        with unit_of_work(SYSTEM):
            entries = [
                NewEntry("bonus", f"adj_{n}_{i}", NOW, [(bonus, -1), (accounts.payable(expert.pk, "USD"), 1)])
                for i, expert in enumerate(order)
            ]
            ledger.post(entries=entries, now=NOW)

    assert together([partial(post, n) for n in range(12)]) == [None] * 12
    assert [story.owed(expert) for expert in experts] == [12] * 6


def test_two_people_release_one_run_at_once() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    people = [story.new_user() for _ in range(4)]

    def release(by: Any) -> None:
        with unit_of_work(SYSTEM):
            pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=by, now=NOW)

    results = together([partial(release, by) for by in people])
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, InvalidTransition) for result in results) == 3
    assert (Payout.objects.count(), story.owed(ada)) == (1, 0)
    assert_the_books_hold()


def test_two_runs_over_the_same_money_released_at_once_pay_it_once() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    with unit_of_work(SYSTEM):
        prep = story.new_user()
        runs = [pay_runs.prepare(currency="USD", by=prep, now=NOW, off_cycle=extra) for extra in (False, True)]
    people = [story.new_user() for _ in runs]

    def release(run: PayRun, by: Any) -> None:
        with unit_of_work(SYSTEM):
            pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=by, now=NOW)

    pairs = zip(runs, people, strict=True)
    results = together([partial(release, run, by) for run, by in pairs])
    assert outcomes(results) == ["NoneType", PayRunChanged.__name__]
    assert (Payout.objects.count(), story.owed(ada)) == (1, 0)
    assert_the_books_hold()


def test_two_people_prepare_the_same_run_at_once() -> None:
    people = [story.new_user() for _ in range(4)]

    def prepare(by: Any) -> None:
        with unit_of_work(SYSTEM):
            pay_runs.prepare(currency="USD", by=by, now=NOW)

    results = together([partial(prepare, by) for by in people])
    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, PayRunExists | IntegrityError) for result in results if result is not None)
    assert PayRun.objects.count() == 1


def test_four_senders_and_two_trackers_at_once_deliver_each_payout_once() -> None:
    lab = story.new_lab(funded=10_000_000)
    experts = [story.new_expert(f"E{n}", account=f"acct-{n}") for n in range(60)]
    for n, expert in enumerate(experts):
        story.earn(expert, 1_000 + n, lab=lab)
    story.released_run()
    send, track = lambda: sending.send_due(now=NOW), lambda: tracking.track_due(now=NOW)
    results = together([send, send, send, send, track, track])
    assert not [result for result in results if isinstance(result, Exception)]
    story.send_and_track()
    assert set(Payout.objects.values_list("status", flat=True)) == {"paid"}
    assert ProviderMovement.objects.filter(deliveries=1, state="paid").count() == len(experts)
    assert_the_books_hold()


def test_retry_and_cancel_of_one_payout_at_once_leave_one_outcome() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert(account="acct-race")
    story.earn(ada, 20_000, lab=lab)
    story.fault("reject", code="AC04", account="acct-race")
    story.released_run()
    story.send_and_track()
    payout = Payout.objects.get()
    steps = [story.retry_of(payout), story.cancel_of(payout), story.retry_of(payout), story.cancel_of(payout)]
    results = together(steps)
    refused = [result for result in results if isinstance(result, DomainError)]
    assert [result for result in results if isinstance(result, Exception) and result not in refused] == []
    story.send_and_track()
    payout.refresh_from_db()
    moved = ProviderMovement.objects.filter(state="paid").count()
    assert (payout.status, moved, story.owed(ada)) in {("paid", 1, 0), ("cancelled", 0, 20_000)}
    assert_the_books_hold()


def test_one_idempotency_key_sixteen_times_at_once_funds_once() -> None:
    lab = story.new_lab()
    secret = tokens.mint_lab_key(tenant=lab, name="tests", scopes=["funding:write"]).secret
    body = {"amount": {"amount": "500.00", "currency": "USD"}}

    def fund() -> int:
        caller = Caller(Authorization=f"Bearer {secret}")
        return int(caller("POST", "/api/v1/funding", body, Idempotency_Key="the-same").status_code)

    codes = together([fund] * 16)
    assert set(codes) <= {201, 409}
    assert 201 in codes
    assert story.prepaid(lab) == 50_000
    assert fund() == 201
    assert story.prepaid(lab) == 50_000
