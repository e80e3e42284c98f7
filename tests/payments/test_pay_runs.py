"""Pay runs: calculated at a cutoff, frozen, released by another person."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DataError, IntegrityError, transaction

from core import clock, tokens
from core.public import User, unit_of_work
from core.states import InvalidTransition
from payments.models import Payout, PayoutMethod, PayRun, PayRunExclusion, Statement
from payments.operations.pay.four_eyes import SamePerson, StepUpRequired
from payments.operations.runs import pay_run_holds, pay_runs
from payments.operations.runs.pay_run_calculation import PayRunChanged
from payments.operations.runs.pay_runs import NothingToPay, PayRunExists
from payments.queries import ledger_findings
from payments.queries.next_payout import next_payout
from payments.queries.pay_run_recomputation import recompute
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def preparer() -> User:
    return story.new_user("Prep")


@pytest.fixture
def releaser() -> User:
    return story.new_user("Rel")


def prepare(by: User, currency: str = "USD", *, off_cycle: bool = False, now: dt.datetime = NOW) -> PayRun:
    with unit_of_work(SYSTEM):
        return pay_runs.prepare(currency=currency, by=by, now=now, off_cycle=off_cycle)


def release(run: PayRun, by: User, *, digest: str = "", fresh: bool = True, now: dt.datetime = NOW) -> PayRun:
    with unit_of_work(SYSTEM):
        return pay_runs.release(
            run=run, digest=digest or story.digest_of(run), recently_authenticated=fresh, by=by, now=now
        )


def test_a_run_pays_what_was_earned_before_the_cutoff(preparer: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab, fee=6_000)
    story.earn(ada, 5_000, lab=lab, at=MONDAY + dt.timedelta(hours=1))
    run = prepare(preparer)
    assert (run.status, run.cutoff, run.pays_on) == ("review", MONDAY, dt.date(2026, 11, 18))
    assert [(line.expert, line.amount_minor, line.is_new_payee) for line in run.lines.all()] == [(ada, 20_000, True)]
    assert (run.line_count, run.total_minor) == (1, 20_000)


def test_the_release_moves_the_money_on_its_way_once(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = release(prepare(preparer), releaser)
    payout = Payout.objects.get()
    assert (run.status, run.released_by, payout.status, payout.amount_minor) == ("approved", releaser, "ready", 20_000)
    assert story.owed(ada) == 0
    with pytest.raises(InvalidTransition):
        release(run, releaser)
    assert Payout.objects.count() == 1
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_whoever_prepared_a_run_cannot_release_it(preparer: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = prepare(preparer)
    with pytest.raises(SamePerson):
        release(run, preparer)
    run.refresh_from_db()
    assert (run.status, story.owed(ada), Payout.objects.count()) == ("review", 20_000, 0)
    with pytest.raises(IntegrityError, match="payments_payrun_two_people"), transaction.atomic():
        PayRun.objects.filter(pk=run.pk).update(released_by=preparer, status="approved")


def test_nobody_releases_a_run_that_pays_himself(preparer: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    with pytest.raises(SamePerson):
        release(prepare(preparer), ada.user)


def test_a_release_needs_a_fresh_proof_of_who_releases(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = prepare(preparer)
    with pytest.raises(StepUpRequired):
        release(run, releaser, fresh=False)
    assert story.owed(ada) == 20_000


def test_a_clawback_after_the_calculation_stops_the_release(preparer: User, releaser: User) -> None:
    lab, ada, bob = story.new_lab(funded=100_000), story.new_expert("Ada"), story.new_expert("Bob")
    story.earn(ada, 20_000, lab=lab)
    story.earn(bob, 10_000, lab=lab)
    run = prepare(preparer)
    story.claw_back(ada, 500, lab=lab)
    with pytest.raises(PayRunChanged) as refused:
        release(run, releaser)
    assert refused.value.extra == {"changed": 1}
    assert Payout.objects.count() == 0
    with unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason="recalculate", by=releaser)
        run = pay_runs.recalculate(run=PayRun.objects.get(), by=preparer, now=NOW)
    release(run, releaser)
    assert sorted(Payout.objects.values_list("amount_minor", flat=True)) == [10_000, 19_500]


def test_hours_approved_after_the_cutoff_do_not_stop_the_release(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = prepare(preparer)
    story.earn(ada, 7_000, lab=lab, at=NOW)
    release(run, releaser)
    assert story.owed(ada) == 7_000


def test_a_method_changed_after_the_calculation_stops_the_release(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = prepare(preparer)
    story.add_method(ada, account="thief-0001", now=NOW)
    with pytest.raises(PayRunChanged):
        release(run, releaser)


def test_a_run_other_than_the_one_that_was_looked_at_is_not_released(preparer: User, releaser: User) -> None:
    lab, ada, bob = story.new_lab(funded=100_000), story.new_expert("Ada"), story.new_expert("Bob")
    story.earn(ada, 20_000, lab=lab)
    story.earn(bob, 10_000, lab=lab)
    run = prepare(preparer)
    seen = run.lines_digest
    with unit_of_work(SYSTEM):
        pay_run_holds.hold(line=run.lines.get(expert=bob), reason="unusual hours", by=preparer, now=NOW)
    with pytest.raises(PayRunChanged):
        release(run, releaser, digest=seen)
    release(run, releaser)
    assert [payout.expert for payout in Payout.objects.all()] == [ada]
    assert story.owed(bob) == 10_000


def test_a_run_of_held_lines_cannot_be_released(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = prepare(preparer)
    with unit_of_work(SYSTEM):
        line = pay_run_holds.hold(line=run.lines.get(), reason="wait", by=preparer, now=NOW)
    with pytest.raises(NothingToPay):
        release(run, releaser)
    with unit_of_work(SYSTEM):
        pay_run_holds.release(line=line, by=preparer, now=NOW)
    release(run, releaser)


def test_everybody_left_out_is_told_why(preparer: User) -> None:
    lab = story.new_lab(funded=100_000)
    bare, small, fresh, blocked = (
        story.new_expert(name, ready=name != "Bare") for name in ("Bare", "Small", "Fresh", "Blocked")
    )
    untaxed, unproven = story.new_expert("Untaxed", ready=False), story.new_expert("Unproven")
    story.add_method(untaxed, account="acct-untaxed")
    story.add_method(fresh, account="acct-new", now=NOW)
    with unit_of_work(SYSTEM):
        story.block(blocked, by=preparer)
        PayoutMethod.objects.filter(expert=unproven).update(status="pending")
    for expert, minor in ((bare, 900), (small, 99), (fresh, 900), (blocked, 900), (untaxed, 900), (unproven, 900)):
        story.earn(expert, minor, lab=lab)
    run = prepare(preparer)
    assert {(item.expert, item.reason, item.amount_minor) for item in run.exclusions.all()} == {
        (bare, "no_payout_method", 900),
        (small, "below_minimum", 99),
        (fresh, "method_on_hold", 900),
        (blocked, "blocked", 900),
        (untaxed, "no_tax_profile", 900),
        (unproven, "method_not_verified", 900),
    }
    assert run.line_count == 0
    assert set(PayRunExclusion.REMEDIES) == set(PayRunExclusion.Reason.values)


def test_two_currencies_are_two_runs(preparer: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    with unit_of_work(SYSTEM):
        story.add_method(ada, account="acct-euro", currency="EUR")
    story.earn(ada, 20_000, lab=lab)
    story.earn(ada, 30_000, lab=lab, currency="EUR")
    assert [prepare(preparer, currency).total_minor for currency in ("USD", "EUR")] == [20_000, 30_000]


def test_there_is_one_run_for_each_currency_and_cutoff(preparer: User) -> None:
    first = prepare(preparer)
    with pytest.raises(PayRunExists):
        prepare(preparer)
    with pytest.raises(PayRunExists):
        prepare(preparer, now=NOW + dt.timedelta(days=7))
    with unit_of_work(SYSTEM):
        pay_runs.cancel(run=first, reason="test", by=preparer, now=NOW)
    assert prepare(preparer).status == "review"


def test_an_off_cycle_run_cannot_pay_what_a_regular_one_pays(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    regular, extra = prepare(preparer), prepare(preparer, off_cycle=True)
    release(extra, releaser)
    with pytest.raises(PayRunChanged):
        release(regular, releaser)
    assert Payout.objects.count() == 1


def test_a_released_run_can_neither_be_cancelled_nor_sent_back(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    run = release(prepare(preparer), releaser)
    with pytest.raises(InvalidTransition), unit_of_work(SYSTEM):
        pay_runs.cancel(run=run, reason="x", by=releaser, now=NOW)
    with pytest.raises(InvalidTransition), unit_of_work(SYSTEM):
        pay_runs.send_back(run=run, reason="x", by=releaser)
    run.refresh_from_db()
    assert run.status == "approved"


def test_the_expert_knows_the_next_payday_and_what_is_in_the_way(preparer: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert(ready=False)
    story.earn(ada, 20_000, lab=lab, at=NOW)
    with unit_of_work(SYSTEM):
        told = next_payout(expert_id=ada.pk, currency="USD", now=NOW)
    assert (told.date.pays_on, told.amount.amount) == (dt.date(2026, 11, 25), "200.00")
    assert told.obstacle is not None
    assert (told.obstacle.code, told.obstacle.remedy is not None) == ("no_payout_method", True)


def test_statements_follow_each_other_without_a_gap(preparer: User, releaser: User) -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab)
    story.earn(ada, 300, lab=lab, at=NOW)
    release(prepare(preparer), releaser)
    later = NOW + dt.timedelta(days=7)
    release(prepare(preparer, now=later), releaser, now=later)
    first, second = Statement.objects.order_by("number")
    assert (first.opening_minor, first.closing_minor) == (0, 300)
    assert (second.opening_minor, second.closing_minor) == (300, 0)
    assert second.after_entry == first.upto_entry
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


@pytest.mark.parametrize(
    ("currency", "minor", "shown"),
    [
        ("JPY", 20_001, "20001"),
        ("KWD", 20_001, "20.001"),
        ("USD", 2**53 + 1, "90071992547409.93"),
        ("EUR", 100, "1.00"),
    ],
)
def test_a_whole_run_is_exact_in_every_currency(
    preparer: User, releaser: User, currency: str, minor: int, shown: str
) -> None:
    lab, ada = story.new_lab(), story.new_expert(currency=currency)
    story.earn(ada, minor, lab=lab, currency=currency)
    run = release(prepare(preparer, currency), releaser)
    story.send_and_track()
    with unit_of_work(SYSTEM):
        assert recompute(run).is_the_same
        assert ledger_findings.findings() == []
    payout, statement = Payout.objects.get(), Statement.objects.get()
    assert (payout.status, payout.amount_minor, statement.closing_minor) == ("paid", minor, 0)
    secret = tokens.mint_expert_token(user=ada.user, name="tests").secret
    with clock.frozen(NOW):
        answer = Caller(Authorization=f"Bearer {secret}")("GET", "/api/v1/expert/payouts").json()
    assert answer["results"][0]["amount"] == {"amount": shown, "currency": currency}


def test_more_than_a_balance_holds_is_refused_whole() -> None:
    lab, ada = story.new_lab(), story.new_expert()
    story.earn(ada, 2**62, lab=lab)
    with pytest.raises(DataError), transaction.atomic():
        story.earn(ada, 2**62, lab=lab)
    assert story.owed(ada) == 2**62
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []
