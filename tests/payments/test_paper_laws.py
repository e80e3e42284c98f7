"""Where papers meet the ledger: years that agree everywhere, VAT that ends at zero, credits that take two people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Sum
from pytest_django import Settings

from core import clock
from core.money import Money, fee_for
from experts.public import Expert
from payments.models import AdjustmentProposal, Posting, Statement, TaxProfile, TimeEntry
from payments.operations.labs import credit_notes, invoices
from payments.operations.labs.credit_notes import EVERYTHING, FEE
from payments.operations.pay import adjustments, clawbacks, four_eyes
from payments.operations.rails import payouts
from payments.queries import ledger_findings, paid_in_year, statement_lines
from payments.queries.nec_totals import nec_totals
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import World, platform
from tests.payments.ledger_story import NOW
from tests.payments.test_invoices import DECEMBER, JANUARY, NOVEMBER_ENDS, journal, papers_of, run_job
from tests.payments.test_money_api import expert_caller, get, post
from tests.payments.test_money_desk import Desk
from tests.payments.test_tax_papers import W9

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def _the_books_hold(transactional_db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


@pytest.fixture
def world() -> World:
    return papers.with_extras(papers.build())


@pytest.fixture
def german(settings: Settings) -> None:
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": 1900}


# One year for everybody


def withhold(expert: Expert, bp: int) -> None:
    with platform():
        TaxProfile.objects.filter(expert=expert).update(withholding_bp=bp)


def pay(expert: Expert, minor: int, at: dt.datetime, *, fails: bool = False) -> Any:
    """Earned the week before, and paid (after a failed attempt that was sent again)."""
    story.earn(expert, minor, lab=story.new_lab(funded=minor), at=at - dt.timedelta(days=9))
    if fails:
        story.fault("reject", account="acct-ada", code="AC04")
    run = story.released_run(now=at)
    story.send_and_track(at)
    payout = run.payouts.get(expert=expert)
    if fails:
        assert payout.status == "failed"
        story.act(payouts.retry, payout=payout, now=at)
        story.send_and_track(at)
        payout.refresh_from_db()
    assert payout.status == "paid"
    return payout


def journal_of_year(expert: Expert, year: int) -> tuple[int, int]:
    """What left our accounts for the expert, and the tax kept back from what was settled: by the legs alone."""
    bounds = {
        "entry__effective_at__gte": paid_in_year.start_of(year),
        "entry__effective_at__lt": paid_in_year.start_of(year + 1),
    }
    made = Statement.objects.filter(expert=expert).values("payout__public_id")
    legs = Posting.objects.filter(entry__source_id__in=made, **bounds)
    kinds = ("payout_settled", "payout_returned")
    sent = legs.filter(entry__kind__in=kinds, account__kind="cash").aggregate(total=Sum("amount"))["total"] or 0
    kept = legs.filter(account__kind="tax_withheld").aggregate(total=Sum("amount"))["total"] or 0
    return sent, kept


def test_summary_forms_statements_and_ledger_tell_one_year() -> None:
    """Paid, withheld from, failed and sent again, returned in the same year, and returned in the next one."""
    ada = story.new_expert("Ada", account="acct-ada")
    post(expert_caller(ada), "expert/tax-profile", W9)
    start = dt.datetime(2026, 11, 18, 10, tzinfo=dt.UTC)
    pay(ada, 50_000, start)
    withhold(ada, 2_400)
    pay(ada, 30_001, start + WEEK)
    pay(ada, 70_003, start + 2 * WEEK, fails=True)
    withhold(ada, 0)
    soon = pay(ada, 11_111, start + 3 * WEEK)
    withhold(ada, 2_400)
    late = pay(ada, 22_222, start + 5 * WEEK)
    withhold(ada, 0)
    with platform():
        payouts.returned(payouts.locked([soon.pk], now=NOW)[0], code="AC04", now=start + 4 * WEEK)
        payouts.returned(payouts.locked([late.pk], now=NOW)[0], code="AC04", now=start + 8 * WEEK)
    told = {}
    with clock.frozen(start + 9 * WEEK):
        for year in (2026, 2027):
            (part,) = get(expert_caller(ada), f"expert/statements/yearly?year={year}").json()["currencies"]
            form = get(expert_caller(ada), f"expert/tax-forms/{year}").json()["totals"][0]
            assert part["gross"] == form["nonemployee_compensation"]
            assert part["withheld"] == form["federal_income_tax_withheld"]
            assert sum(Money.parse(**share["gross"]).minor for share in part["labs"]) == _minor(part["gross"])
            told[year] = (_minor(part["net"]), _minor(part["withheld"]))
    with platform():
        assert told == {year: journal_of_year(ada, year) for year in told}
        assert told[2027] == (-late.amount_minor, -late.withheld_minor)
        sent = {"payout_initiated", "payout_rejected"}
        settled = list(Statement.objects.filter(expert=ada))
        initiated = [
            sum(-line.amount.minor for line in statement_lines.lines_of(row) if line.kind in sent) for row in settled
        ]
        assert sum(initiated) - soon.gross_minor == sum(told[2026])
        assert [total.is_reportable for total in nec_totals(year=2027)] == [False]


def _minor(money: dict[str, str]) -> int:
    return Money.parse(**money).minor


# VAT


def test_vat_of_all_credit_notes_is_that_of_the_invoice(german: None) -> None:
    """Three notes of odd amounts: each rounded by itself would give back a cent too much or too little."""
    world = papers.build()
    with platform():
        entries = papers.worked(world, 61, 47, 53)
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    with platform():
        for entry in TimeEntry.objects.filter(pk__in=[row.pk for row in entries[:2]]):
            clawbacks.claw_back(
                source=entry, amount=Money(333, "USD"), reason="Twice", decided_by=world.member, now=DECEMBER
            )
    run_job(JANUARY)
    with platform():
        for part in (FEE, EVERYTHING):
            credit_notes.credit(invoice=invoice, part=part, reason="Late", by=story.new_user(), now=JANUARY)
    (invoice,), notes = papers_of(world)
    assert invoice.status == "credited"
    assert sum(note.vat_minor for note in notes) == invoice.vat_minor
    assert sum(note.total_minor for note in notes) == invoice.total_minor
    assert journal(world, "vat") == 0
    net = 0
    for note in notes:
        before, net = net, net + note.gross_minor + note.fee_minor
        assert note.vat_minor == fee_for(net, 1900) - fee_for(before, 1900)


def test_vat_goes_back_to_the_country_that_it_was_charged_for(german: None, world: World, settings: Settings) -> None:
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    settings.ISSUER = {**settings.ISSUER, "country": "FR"}
    with platform():
        credit_notes.credit(invoice=invoice, part=EVERYTHING, reason="Late", by=story.new_user(), now=DECEMBER)
        left = Posting.objects.filter(account__kind="vat").values_list("account__detail").annotate(sum=Sum("amount"))
        assert list(left) == [("DE", 0)]


# Due until it is paid


def test_a_correction_is_no_payment() -> None:
    """Taking hours back and posting a little less moves the debt twice; only the difference is money."""
    world = papers.build(funded_minor=0)
    with platform():
        (entry,) = papers.worked(world, 120)
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    assert invoice.due_minor == invoice.total_minor
    with platform():
        entry.refresh_from_db()
        adjustments.correct(entry=entry, counted=7_100, reason="Idle", decided_by=world.member, now=DECEMBER)
        invoices.follow_payments(now=DECEMBER)
    (invoice,), _none = papers_of(world)
    assert (invoice.status, invoice.paid_at) == ("issued", None)
    lab = hours.lab_caller(world, "funding:write")
    assert lab("POST", "/funding", {"amount": {"amount": "400.00", "currency": "USD"}}, at=DECEMBER).status_code == 201
    with platform():
        invoices.follow_payments(now=DECEMBER)
    assert papers_of(world)[0][0].status == "paid"


# Two people


def test_a_large_credit_takes_two_people(world: World, settings: Settings) -> None:
    settings.ADJUSTMENT_FOUR_EYES_MINOR = {"*": 1_000}
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    before = journal(world, "lab_prepaid")
    proposer, other = Desk("issue_invoice", "approve_adjustment"), Desk("approve_adjustment")
    answer = proposer.act("invoice", "credit", invoice.pk, confirmed="yes", reason="Late", choice=EVERYTHING)
    assert "another person has to approve it" in answer.content.decode()
    with platform():
        proposal = AdjustmentProposal.objects.get()
    assert (proposal.act, proposal.amount_minor, proposal.status) == ("credit_note", invoice.total_minor, "proposed")
    proposer.act("adjustmentproposal", "approve", proposal.pk, confirmed="yes", reason="me too")
    assert (papers_of(world)[1], journal(world, "lab_prepaid")) == ([], before)
    other.act("adjustmentproposal", "approve", proposal.pk, confirmed="yes", reason="agreed")
    (issued,), (note,) = papers_of(world)
    assert (note.total_minor, note.decided_by, issued.status) == (invoice.total_minor, proposer.user, "credited")
    assert journal(world, "lab_prepaid") == before + note.total_minor
    with platform():
        proposal.refresh_from_db()
    assert (proposal.status, proposal.outcome, proposal.decided_by) == ("approved", note.public_id, other.user)


def test_what_was_credited_meanwhile_is_not_credited_again(world: World, settings: Settings) -> None:
    settings.ADJUSTMENT_FOUR_EYES_MINOR = {"*": 1_000}
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    one, two = story.new_user(), story.new_user()
    with platform():
        both = [
            credit_notes.credit(invoice=invoice, part=EVERYTHING, reason="Late", by=one, now=DECEMBER) for _n in "ab"
        ]
    for n, proposal in enumerate(both):
        assert isinstance(proposal, AdjustmentProposal)
        with platform():
            if n:
                with pytest.raises(credit_notes.NothingToCredit):
                    four_eyes.approve(proposal=proposal, decided_by=two, side="platform", now=DECEMBER)
            else:
                four_eyes.approve(proposal=proposal, decided_by=two, side="platform", now=DECEMBER)
    (_issued,), notes = papers_of(world)
    assert [note.total_minor for note in notes] == [invoice.total_minor]
