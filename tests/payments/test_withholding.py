"""Tax withheld from payouts: kept back at the release, given back with a payout that fails or comes back."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from core.public import Tenant, unit_of_work
from experts.public import Expert
from payments import tax
from payments.models import JournalEntry, Payout, PayRun, TaxProfile
from payments.operations.rails import payouts, tracking
from payments.operations.runs import pay_runs
from payments.operations.runs.pay_run_calculation import PayRunChanged
from payments.queries import earnings, ledger_findings, own_pay_runs, pay_run_recomputation
from payments.queries.next_payout import next_payout
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)


def withhold(expert: Expert, bp: int) -> None:
    TaxProfile.objects.filter(expert=expert).update(withholding_bp=bp)


@pytest.fixture
def ada() -> Expert:
    """Ada is owed 200.01 USD; 24 % of each payout is withheld."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_001, lab=story.new_lab(funded=100_000))
    withhold(expert, 2_400)
    return expert


def legs_of(kind: str) -> dict[str, int]:
    with unit_of_work(SYSTEM):
        entry = JournalEntry.objects.get(kind=kind)
        return {leg.account.kind: leg.amount for leg in entry.postings.select_related("account")}


def assert_the_books_hold() -> None:
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_the_line_and_the_payout_send_the_net_and_the_ledger_knows_the_rest(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        told = next_payout(expert_id=ada.pk, currency="USD", now=NOW)
    assert (told.amount.minor, told.withheld.minor) == (15_201, 4_800)
    run = story.released_run()
    line, payout = run.lines.get(), Payout.objects.get()
    assert (line.amount_minor, line.withheld_minor, line.gross_minor, run.total_minor) == (
        15_201,
        4_800,
        20_001,
        15_201,
    )
    assert (payout.amount_minor, payout.withheld_minor) == (15_201, 4_800)
    assert legs_of("payout_initiated") == {"expert_payable": -20_001, "transit": 15_201, "tax_withheld": 4_800}
    story.send_and_track()
    assert legs_of("payout_settled") == {"transit": -15_201, "cash": 15_201}
    assert story.owed(ada) == 0
    assert_the_books_hold()


@pytest.mark.parametrize(
    ("gross", "bp", "withheld"), [(1, 4_999, 0), (2, 4_999, 1), (10_005, 1_000, 1_001), (10_004, 1_000, 1_000)]
)
def test_it_is_rounded_half_up_and_always_leaves_something(gross: int, bp: int, withheld: int) -> None:
    ada = story.new_expert(currency="JPY")
    story.earn(ada, gross, lab=story.new_lab(funded=100_000, currency="JPY"), currency="JPY")
    withhold(ada, bp)
    line = story.released_run(currency="JPY").lines.get()
    assert (line.amount_minor, line.withheld_minor) == (gross - withheld, withheld)


def test_half_or_more_is_refused_by_the_database(ada: Expert) -> None:
    with pytest.raises(IntegrityError, match="payments_taxprofile_withholding"), transaction.atomic():
        withhold(ada, 5_000)


@pytest.mark.parametrize(("kind", "taken_from"), [("reject", "transit"), ("return", "cash")])
def test_money_that_fails_or_comes_back_brings_the_tax_back(ada: Expert, kind: str, taken_from: str) -> None:
    story.fault(kind, code="AC04", account="acct-ada")
    story.released_run()
    story.send_and_track()
    tracking.follow_settlements(now=NOW + dt.timedelta(days=4))
    event = "payout_rejected" if kind == "reject" else "payout_returned"
    assert legs_of(event) == {taken_from: -15_201, "tax_withheld": -4_800, "expert_payable": 20_001}
    assert story.owed(ada) == 20_001
    assert_the_books_hold()


def test_a_retry_withholds_the_same_again_and_a_cancelled_payout_nothing(ada: Expert) -> None:
    story.fault("reject", code="AC04", account="acct-ada", times=2)
    story.released_run()
    story.send_and_track()
    story.act(payouts.retry, payout=Payout.objects.get())
    assert story.owed(ada) == 0
    assert_the_books_hold()
    story.send_and_track()
    story.act(payouts.cancel, payout=Payout.objects.get())
    assert story.owed(ada) == 20_001
    assert_the_books_hold()


def test_another_rate_after_the_calculation_stops_the_release(ada: Expert) -> None:
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    withhold(ada, 2_500)
    with pytest.raises(PayRunChanged), unit_of_work(SYSTEM):
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=NOW)
    assert (PayRun.objects.get().status, story.owed(ada)) == ("review", 20_001)


def test_the_buckets_of_the_expert_still_add_up_to_what_he_earned(ada: Expert) -> None:
    def scheduled_and_paid() -> tuple[int, int, int]:
        with unit_of_work(SYSTEM):
            sums = earnings.buckets(expert_id=ada.pk, now=NOW)
        return sums["approved"]["USD"], sums["scheduled"]["USD"], sums["paid"]["USD"]

    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    assert scheduled_and_paid() == (0, 20_001, 0)
    with unit_of_work(SYSTEM):
        pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=story.new_user(), now=NOW)
    assert scheduled_and_paid() == (0, 20_001, 0)
    story.send_and_track()
    assert scheduled_and_paid() == (0, 0, 20_001)


@pytest.fixture
def both() -> tuple[Expert, Expert, Tenant]:
    """Two people; 24 % is withheld from the first."""
    ada, bob = story.new_expert("Ada", account="acct-a"), story.new_expert("Bob", account="acct-b")
    withhold(ada, 2_400)
    return ada, bob, story.new_lab(funded=1_000)


@pytest.mark.parametrize(("gross", "is_paid"), [(130, False), (131, True)])
def test_the_smallest_payout_is_judged_by_what_would_be_sent(
    both: tuple[Expert, Expert, Tenant], gross: int, is_paid: bool
) -> None:
    """0.31 are withheld from 1.30 and from 1.31 alike: a dollar is left of the second."""
    ada, bob, lab = both
    for expert in (ada, bob):
        story.earn(expert, gross, lab=lab)
    run = story.released_run()
    assert run.lines.filter(expert=bob).exists()
    assert run.lines.filter(expert=ada).exists() is is_paid
    assert run.exclusions.filter(expert=ada, reason="below_minimum", amount_minor=gross).exists() is not is_paid
    with unit_of_work(SYSTEM):
        assert pay_run_recomputation.recompute(run).is_the_same


def test_who_is_left_out_is_told_how_much_has_to_come_together(both: tuple[Expert, Expert, Tenant]) -> None:
    ada, bob, lab = both
    story.earn(ada, 130, lab=lab)
    story.earn(bob, 99, lab=lab)
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
    assert run.line_count == 0
    for expert, reason, gross in (
        (ada, "After the tax withheld", "1.31 USD"),
        (bob, "below the smallest payout", "1.00 USD"),
    ):
        with unit_of_work(SYSTEM):
            (own,) = own_pay_runs.own_pay_runs(expert_id=expert.pk, now=NOW)
            next_one = next_payout(expert_id=expert.pk, currency="USD", now=NOW)
        assert (own.outcome, own.code) == ("left_out", "below_minimum")
        assert reason in own.reason
        assert "1.00 USD" in own.reason
        assert own.remedy is not None
        assert gross in str(own.remedy.text)
        assert next_one.obstacle is not None
        assert next_one.obstacle.remedy == own.remedy


def test_a_run_of_a_former_release_is_recomputed_by_the_gross(both: tuple[Expert, Expert, Tenant]) -> None:
    ada, _bob, lab = both
    story.earn(ada, 130, lab=lab)
    with unit_of_work(SYSTEM):
        run = pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW)
        assert '"excluded":"below_minimum"' in pay_run_recomputation.recompute(run).found
        del run.inputs["minimum_is_net"]
        found = pay_run_recomputation.recompute(run).found
    assert '"gross_minor":130,"withheld_minor":31,"amount_minor":99' in found


@given(gross=st.integers(1, 10**12), bp=st.integers(0, 4_999))
def test_the_least_gross_is_the_least(gross: int, bp: int) -> None:
    net = gross - tax.withheld(gross, bp=bp)
    least = tax.least_gross(net, bp=bp)
    assert least <= gross
    assert least - tax.withheld(least, bp=bp) >= net
    assert least <= 1 or least - 1 - tax.withheld(least - 1, bp=bp) < net
