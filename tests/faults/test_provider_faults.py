"""The provider misbehaves: errors that stick to a key, keys that it forgets, half a batch, currencies of every kind."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

import pytest

from experts.public import Expert
from payments.models import Payout, PayoutAttempt, ProviderMovement
from payments.operations.rails import sending, tracking
from payments.operations.runs import pay_runs
from payments.providers.sandbox import SandboxProvider
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


def released(*accounts: str, minor: int = 20_000, currency: str = "USD") -> list[Expert]:
    """A released run that pays one expert per account."""
    lab = story.new_lab(funded=10 * minor * len(accounts), currency=currency)
    experts = [story.new_expert(f"E{n}", account=account, currency=currency) for n, account in enumerate(accounts)]
    for expert in experts:
        story.earn(expert, minor, lab=lab, currency=currency)
    story.released_run(currency=currency)
    return experts


def live_for(hours: float, *, every: dt.timedelta = dt.timedelta(minutes=10), since: dt.datetime = NOW) -> dt.datetime:
    """The workers' life for some hours; the instant after it."""
    at = since
    while at <= since + dt.timedelta(hours=hours):
        story.send_and_track(at)
        assert_money_is_whole(now=at)
        at += every
    return at


def moved() -> list[str]:
    return list(ProviderMovement.objects.order_by("id").values_list("state", flat=True))


def statuses() -> set[str]:
    return set(Payout.objects.values_list("status", flat=True))


def test_an_error_that_the_key_remembers_is_left_behind_only_after_the_key_was_barred() -> None:
    released("acct-cached")
    story.fault("cached_error", account="acct-cached")
    live_for(11)
    assert (statuses(), moved()) in [({"unknown"}, ["broken"]), ({"ready"}, ["broken"])]
    assert PayoutAttempt.objects.get().sends > 1  # the same key, again and again, and no other
    live_for(3, since=NOW + 12 * HOUR)
    assert (statuses(), moved()) == ({"paid"}, ["cancelled", "paid"])
    assert_money_is_whole(at_rest=True)


@pytest.mark.parametrize("executed", ["timeout_executed", "timeout_not_executed"])
@pytest.mark.parametrize("hours", [1, 13, 30, 24 * 5])
def test_workers_that_were_away_for_longer_than_the_provider_remembers_keys(executed: str, hours: int) -> None:
    released("acct-away")
    story.fault(executed, account="acct-away")
    story.send_and_track(NOW)
    assert statuses() == {"unknown"}
    live_for(3, since=NOW + hours * HOUR)
    assert statuses() == {"paid"}
    assert moved().count("paid") == 1
    assert_money_is_whole(at_rest=True)


def test_a_key_that_waits_to_be_sent_again_is_not_sent_blind_after_the_provider_forgot_it() -> None:
    """The look-up found nothing, then the request that hung was executed after all, then the workers were away."""
    released("acct-hung")
    story.fault("timeout_not_executed", account="acct-hung")
    story.send_and_track(NOW)
    with story.platform():
        order = sending.take(now=NOW)[0].orders
    assert order == []
    tracking.track_due(now=NOW + MINUTE)
    assert statuses() == {"ready"}
    with story.platform():
        batch, _looked_at = sending.take(now=NOW + MINUTE)
        for payout in Payout.objects.all():
            sending.send_again(payout, at=NOW + 30 * HOUR)
    SandboxProvider().submit(batch.orders, now=NOW + 2 * MINUTE)
    live_for(3, since=NOW + 30 * HOUR)
    assert (statuses(), moved()) == ({"paid"}, ["paid"])
    assert_money_is_whole(at_rest=True)


@pytest.mark.parametrize("busy", ["rate_limited", "key_in_use"])
def test_429_and_409_are_asked_again_with_the_same_key(busy: str) -> None:
    released("acct-busy")
    story.fault(busy, account="acct-busy", times=3)
    live_for(3)
    assert (statuses(), moved()) == ({"paid"}, ["paid"])
    assert (PayoutAttempt.objects.get().n, PayoutAttempt.objects.get().sends) == (1, 4)
    assert_money_is_whole(at_rest=True)


def test_half_a_batch_two_accepted_and_one_account_closed() -> None:
    _, bob, _ = released("acct-a", "acct-b", "acct-c")
    story.fault("reject", code="AC04", account="acct-b")
    live_for(1)
    by_account = dict(ProviderMovement.objects.values_list("account", "state"))
    assert by_account == {"acct-a": "paid", "acct-b": "rejected", "acct-c": "paid"}
    assert (story.owed(bob), Payout.objects.get(expert=bob).reason_code) == (20_000, "AC04")
    assert_money_is_whole(at_rest=True)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thirty_percent_of_all_answers_are_errors(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # told apart by their seeds
    accounts = [f"acct-{n}" for n in range(40)]
    experts = released(*accounts)
    kinds = ["timeout_executed", "timeout_not_executed", "server_error", "cached_error", "rate_limited", "key_in_use"]
    kinds += ["late_failure", "return", "reject"]
    for account in accounts:
        while chance.random() < 0.3:
            kind = chance.choice(kinds)
            story.fault(kind, account=account, code="AC04" if kind in {"late_failure", "return", "reject"} else "")
    end = live_for(4)
    end = live_for(3, since=end + 12 * HOUR)
    tracking.follow_settlements(now=end + dt.timedelta(days=4))
    assert statuses() <= {"paid", "failed", "returned"}
    for expert in experts:
        paid = Payout.objects.get(expert=expert).status == "paid"
        assert story.owed(expert) == (0 if paid else 20_000)
    assert_money_is_whole(now=end, at_rest=True)


@pytest.mark.parametrize(
    ("currency", "amounts"),
    [
        ("JPY", [1, 999, 123_456]),  # no decimals
        ("KWD", [1, 999, 123_456]),  # three
        ("EUR", [100, 10_001]),
        ("USD", [2**53 + 1, 2**53 + 3, 100]),  # a float would lose the odd cents
    ],
)
def test_every_kind_of_currency_is_paid_to_the_last_unit(currency: str, amounts: Sequence[int]) -> None:
    lab = story.new_lab(currency=currency)
    for n, minor in enumerate(amounts):
        expert = story.new_expert(f"E{n}", account=f"acct-{n}", currency=currency)
        story.earn(expert, minor, lab=lab, currency=currency)
    run = story.released_run(currency=currency)
    run.refresh_from_db()
    assert (run.total_minor, run.line_count) == (sum(amounts), len(amounts))
    story.send_and_track()
    paid = ProviderMovement.objects.filter(state="paid", currency=currency).values_list("amount_minor", flat=True)
    assert sorted(paid) == sorted(amounts)
    assert_money_is_whole(at_rest=True)


def test_pay_taken_back_while_its_payout_is_under_way_is_netted_later() -> None:
    (ada,) = released("acct-ada")
    story.fault("timeout_executed", account="acct-ada")
    sending.send_due(now=NOW)
    lab = story.new_lab(funded=100_000)
    story.claw_back(ada, 50_000, lab=lab)  # more than everything she is owed
    assert (statuses(), story.owed(ada)) == ({"unknown"}, -50_000)
    live_for(1)
    assert (statuses(), story.owed(ada), story.prepaid(lab)) == ({"paid"}, -50_000, 150_000)
    week = dt.timedelta(days=7)
    story.earn(ada, 30_000, lab=lab, at=NOW + 2 * HOUR)
    with story.platform():
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW + week)
    assert (run.line_count, story.owed(ada)) == (0, -20_000)  # never paid below zero, never collected
    story.earn(ada, 25_000, lab=lab, at=NOW + week)
    assert story.owed(ada) == 5_000
    assert_money_is_whole(at_rest=True)
