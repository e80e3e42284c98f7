"""What a cutoff leaves for the next run, when money moves between it and the calculation."""

from __future__ import annotations

import datetime as dt

import pytest

from core.public import unit_of_work
from payments.models import Payout, PayRun
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime
from payments.operations.rails import payout_decisions
from payments.queries import ledger_findings
from payments.queries.pay_run_recomputation import recompute
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM
from tests.payments.test_pay_runs import prepare, release

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


def lines_of(run: PayRun) -> list[tuple[str, int]]:
    """What it pays and whom it leaves out; calculated again from the legs, it is the same."""
    with unit_of_work(SYSTEM):
        assert recompute(run).is_the_same
    paid = [("paid", line.amount_minor) for line in run.lines.all()]
    return paid + [(row.reason, row.amount_minor) for row in run.exclusions.all()]


def test_money_paid_off_cycle_is_no_debt_of_the_regular_run() -> None:
    """The extra run paid what was earned before and after the cutoff; nothing is owed either way."""
    ada, lab = story.new_expert(), story.new_lab(funded=100_000)
    story.earn(ada, 10_000, lab=lab)
    story.earn(ada, 5_000, lab=lab, at=MONDAY + HOUR)
    release(prepare(story.new_user(), off_cycle=True), story.new_user())
    assert story.owed(ada) == 0
    assert lines_of(prepare(story.new_user(), now=NOW + HOUR)) == []


def test_a_debt_after_money_was_paid_off_cycle_is_told_as_it_stands() -> None:
    ada, lab = story.new_expert(), story.new_lab(funded=100_000)
    story.earn(ada, 10_000, lab=lab)
    story.earn(ada, 5_000, lab=lab, at=MONDAY + HOUR)
    release(prepare(story.new_user(), off_cycle=True), story.new_user())
    story.claw_back(ada, 700, lab=lab)
    assert lines_of(prepare(story.new_user(), now=NOW + HOUR)) == [("below_zero", -700)]


def test_a_payout_that_failed_and_was_sent_again_takes_nothing_from_the_run() -> None:
    """It failed and was retried after the cutoff: its money came back and left, and the week is paid in full."""
    ada, lab, week = story.new_expert(account="acct-ada"), story.new_lab(funded=100_000), dt.timedelta(days=7)
    story.earn(ada, 20_000, lab=lab)
    story.fault("reject", code="AC04", account="acct-ada")
    story.released_run()
    story.earn(ada, 30_000, lab=lab, at=NOW)
    late = NOW + week
    story.send_and_track(late)
    failed = Payout.objects.get(status="failed")
    regular = prepare(story.new_user(), now=late)
    assert regular.total_minor == 30_000
    with unit_of_work(SYSTEM):
        decision = payout_decisions.propose(
            payout=failed, act="retry", reason="He says it works.", recently_authenticated=True,
            by=story.new_user(), now=late,
        )  # fmt: skip
        assert decision is not None
        payout_decisions.approve(decision=decision, recently_authenticated=True, by=story.new_user(), now=late)
    assert story.owed(ada) == 30_000
    release(regular, story.new_user(), now=late)
    assert lines_of(regular) == [("paid", 30_000)]
    assert story.owed(ada) == 0
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_hours_approved_and_corrected_after_the_cutoff_take_nothing_from_the_run() -> None:
    ada, lab, late = story.new_expert(), story.new_lab(funded=100_000), MONDAY + HOUR
    story.earn(ada, 30_000, lab=lab)
    hours = story.earn(ada, 10_000, lab=lab, at=late)
    corrected = ApprovedTime(hours, lab.pk, 0, ada.pk, "USD", 9_000, 0, late, seq=1)
    with unit_of_work(SYSTEM):
        postings.time_corrected(corrected=corrected, correction_id="adj_1", now=NOW)
    assert story.owed(ada) == 39_000
    assert lines_of(prepare(story.new_user())) == [("paid", 30_000)]


def test_hours_approved_before_the_cutoff_and_corrected_after_it_are_paid_as_corrected() -> None:
    ada, lab = story.new_expert(), story.new_lab(funded=100_000)
    hours = story.earn(ada, 10_000, lab=lab)
    corrected = ApprovedTime(hours, lab.pk, 0, ada.pk, "USD", 9_000, 0, MONDAY - 2 * HOUR, seq=1)
    with unit_of_work(SYSTEM):
        postings.time_corrected(corrected=corrected, correction_id="adj_1", now=NOW)
    assert lines_of(prepare(story.new_user())) == [("paid", 9_000)]
