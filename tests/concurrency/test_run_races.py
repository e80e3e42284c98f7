"""One pay run, several people at the same instant, at the desk: one outcome, nobody paid twice, nobody by himself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.db.models import Sum

from core import tokens
from core.money import Money
from core.public import Event, User, unit_of_work
from experts.public import Expert
from payments.models import Payout, PayoutMethod, PayRun, ProviderMovement, TimeEntry
from payments.operations.pay import adjustments, clawbacks
from payments.operations.runs import pay_runs
from tests.concurrency.at_once import DONE, Clerk, asked, doing
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import LATER, approved
from tests.payments.hours_world import Caller, World, platform
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)
ROUNDS = 3


@pytest.fixture(autouse=True)
def _money_is_whole(transactional_db: None) -> Iterator[None]:
    yield
    assert_money_is_whole(now=LATER)


def prepared(at: dt.datetime = NOW, *, by: User | None = None) -> PayRun:
    """A run of everything that is owed by then."""
    with unit_of_work(SYSTEM):
        return pay_runs.prepare(currency="USD", by=by or story.new_user("Prep"), now=at, off_cycle=True)


def paid(expert: Expert) -> int:
    """What is in payouts of an expert, or was sent by them."""
    with unit_of_work(SYSTEM):
        alive = Payout.objects.filter(expert=expert).exclude(status__in=("failed", "cancelled", "returned"))
        return int(alive.aggregate(total=Sum("amount_minor"))["total"] or 0)


def again(run: PayRun) -> PayRun:
    with unit_of_work(SYSTEM):
        return PayRun.objects.get(pk=run.pk)


def clicking(clerk: Clerk, act: str, run: PayRun, at: dt.datetime) -> Any:
    """What one person does to a run in review."""
    if act == "release":
        return partial(clerk.release, run, at=at)
    if act == "hold":
        return partial(clerk.button, "payrunline", "hold", run.lines.get().pk, at=at)
    return partial(clerk.button, "payrun", act, run.pk, at=at)


AFTER = {"release": "approved", "send_back": "draft", "cancel": "cancelled", "hold": "review"}
PAIRS = [
    ("release", "release"), ("release", "send_back"), ("release", "cancel"), ("release", "hold"),
    ("send_back", "send_back"), ("cancel", "cancel"), ("hold", "hold"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_people_decide_about_one_run_at_once(one: str, other: str) -> None:
    """The preparer and an expert whom it pays click release as well, and never succeed."""
    lab, clerks = story.new_lab(funded=1_000_000), [Clerk(), Clerk()]
    preparer, payee = Clerk(), Clerk()
    ada = Expert.objects.create(user=payee.user, legal_name="Ada", country="US")
    story.add_method(ada, account="acct-ada")
    story.sign_tax(ada)
    for n in range(ROUNDS):
        at = NOW + n * MINUTE
        story.earn(ada, 20_000, lab=lab)
        run, before = prepared(at, by=preparer.user), paid(ada)
        acts = [clicking(clerk, act, run, at) for clerk, act in zip(clerks, (one, other), strict=True)]
        own = [partial(clerk.release, run, at=at) for clerk in (preparer, payee)]
        first, second, *by_themselves = together([*acts, *own])
        assert DONE not in by_themselves
        assert [first, second].count(DONE) == 1, (first, second)
        won, winner = (one, clerks[0]) if first == DONE else (other, clerks[1])
        after = again(run)
        assert after.status == AFTER[won]
        assert (after.released_by == winner.user) == (won == "release")
        assert Event.objects.filter(name="pay_run.released", subject=run.public_id).count() == (won == "release")
        assert (paid(ada) - before > 0) == (won == "release")
        assert paid(ada) + story.owed(ada) == 20_000 * (n + 1)
        if after.status in {"review", "draft"}:
            with unit_of_work(SYSTEM):
                pay_runs.cancel(run=after, reason="the next round", by=preparer.user, now=at)


def test_sent_back_and_cancelled_at_once_ends_cancelled_or_waits_in_draft() -> None:
    """A run that was sent back may still be cancelled; one that was cancelled is not sent back."""
    ada, clerks = story.new_expert(), (Clerk(), Clerk())
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    for n in range(ROUNDS):
        at = NOW + n * MINUTE
        run = prepared(at)
        back, gone = together([clicking(clerks[0], "send_back", run, at), clicking(clerks[1], "cancel", run, at)])
        assert gone == DONE
        assert back == DONE or "send" in back or "cancelled" in back.lower(), back
        assert again(run).status == "cancelled"
    assert (Payout.objects.count(), story.owed(ada)) == (0, 20_000)


def test_calculated_anew_by_two_and_released_by_one_of_them_at_once() -> None:
    """Whoever calculates it is its preparer: a release by him is refused, however close it comes."""
    ada, one, other = story.new_expert(), Clerk(), Clerk()
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    run = prepared()
    with unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason="look again", by=one.user)
    acts = [clicking(clerk, act, run, NOW) for clerk in (one, other) for act in ("recalculate", "release")]
    outcomes = together([*acts])
    with unit_of_work(SYSTEM):
        after = PayRun.objects.select_related("prepared_by", "released_by").get(pk=run.pk)
    assert [outcomes[0], outcomes[2]].count(DONE) == 1
    assert after.prepared_by == (one.user if outcomes[0] == DONE else other.user)
    assert after.prepared_by != after.released_by
    assert [outcomes[1], outcomes[3]].count(DONE) == (after.status == "approved")
    assert paid(ada) + story.owed(ada) == 20_000


def payee_with_hours(n: int) -> tuple[World, TimeEntry]:
    """An expert who can be paid, with one approved hour worth 110.00."""
    with platform():
        world = hours.build(name=f"Lab{n}")
    story.add_method(world.expert, account=f"acct-{n}")
    story.sign_tax(world.expert)
    with platform():
        return world, approved(world)


@pytest.mark.parametrize("moment", ["calculation", "release"])
def test_pay_is_corrected_and_taken_back_while_a_run_is_made(moment: str) -> None:
    """Half an hour less and 20.00 taken back: seen by the run, or it is not released, or it is netted later."""
    clerk, someone = Clerk(), story.new_user("Corr")
    for n in range(ROUNDS):
        at = LATER + n * MINUTE
        world, entry = payee_with_hours(n)
        ada = world.expert

        def correct(entry: TimeEntry = entry, at: dt.datetime = at) -> None:
            adjustments.correct(entry=entry, counted=1800, reason="A break.", decided_by=someone, now=at)

        def take_back(entry: TimeEntry = entry, at: dt.datetime = at) -> None:
            clawbacks.claw_back(source=entry, amount=Money(2_000, "USD"), reason="-", decided_by=someone, now=at)

        runs: list[PayRun] = []
        changes = [doing(correct), doing(take_back)]
        if moment == "calculation":
            calculate = lambda at=at, runs=runs: runs.append(prepared(at))  # noqa: E731  # bound early
            assert together([calculate, *changes]) == [None, DONE, DONE]
            released = clerk.release(again(runs[0]), at=at)
        else:
            runs.append(prepared(at))
            released, *changed = together([partial(clerk.release, runs[0], at=at), *changes])
            assert changed == [DONE, DONE]
        run = again(runs[0])
        assert (released == DONE) == (run.status == "approved"), released
        line = run.lines.filter(expert=ada).values_list("amount_minor", flat=True).first() or 0
        assert paid(ada) == (line if released == DONE else 0)
        assert paid(ada) + story.owed(ada) == 5_500 - 2_000
        if run.status == "review":
            with unit_of_work(SYSTEM):
                pay_runs.cancel(run=run, reason="the next round", by=someone, now=at)


def method(account: str) -> dict[str, Any]:
    return {"type": "sandbox", "currency": "USD", "country": "US", "holder": "Ada", "details": {"account": account}}


def test_a_new_payout_method_while_the_run_is_released_and_sent_gets_nothing_of_it() -> None:
    """Whoever stole the account waits out the hold, whenever he comes; the owner loses nothing."""
    lab, clerk = story.new_lab(funded=1_000_000), Clerk()
    for n in range(ROUNDS):
        ada, at = story.new_expert(account=f"own-{n}"), NOW + n * MINUTE
        me = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
        story.earn(ada, 20_000, lab=lab)
        run = prepared(at)
        change = partial(asked, me, "/expert/payout-methods", at=at)
        released, changed = together(
            [partial(clerk.release, run, at=at), partial(change, method(f"thief-{n}"), key="1")]
        )
        assert changed == DONE
        assert (released == DONE) == (again(run).status == "approved")
        send = partial(story.send_and_track, at)
        assert together([send, send, partial(change, method(f"other-{n}"), key="2")]) == [None, None, DONE]
        story.send_and_track(at)
        moved = set(ProviderMovement.objects.filter(account__regex=f"(own|thief|other)-{n}$").values_list("account"))
        assert moved <= {(f"own-{n}",)}
        given_back = Payout.objects.filter(expert=ada, status="cancelled", reason_code="method_changed").count()
        assert len(moved) + given_back == (released == DONE)
        assert paid(ada) + story.owed(ada) == 20_000
        if released != DONE:
            with unit_of_work(SYSTEM):
                pay_runs.cancel(run=again(run), reason="the next round", by=clerk.user, now=at)


def test_payout_methods_set_at_once_leave_one_in_use() -> None:
    ada = story.new_expert()
    me: Caller = hours.Caller(tokens.mint_expert_token(user=ada.user, name="tests").secret)
    set_one = [partial(asked, me, "/expert/payout-methods", method(f"acct-{n}"), at=NOW, key=str(n)) for n in range(6)]
    assert together(set_one) == [DONE] * 6
    with unit_of_work(SYSTEM):
        rows = PayoutMethod.objects.filter(expert=ada)
        assert (rows.count(), rows.filter(status="active").count(), rows.filter(status="replaced").count()) == (7, 1, 6)
