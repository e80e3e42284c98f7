"""A lab gets back what it was billed, once: by whatever road and in whatever order. Any order at all is in
`tests/properties/test_credit_properties.py`.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import Sum

from payments.models import Adjustment, CreditNote, Dispute, DocumentSeries, Invoice, JournalEntry, Posting, TimeEntry
from payments.operations.labs import credit_notes
from payments.operations.labs.invoices import numbered
from payments.operations.pay import adjustments, clawbacks
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.beside import Desk, assert_the_books_hold
from tests.payments.hours_world import HOUR, World, platform
from tests.payments.test_invoices import (
    DECEMBER,
    JANUARY,
    NOVEMBER_ENDS,
    assert_papers_equal_the_journal,
    journal,
    papers_of,
    run_job,
    table_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
FEBRUARY = dt.datetime(2027, 2, 1, 0, 30, tzinfo=dt.UTC)
DAY = papers.DAY


@pytest.fixture
def world(settings: Any) -> World:
    """Three entries and a bonus, billed with VAT."""
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": 1900}
    world = papers.with_extras(papers.build(week_cap=40 * HOUR))
    run_job(NOVEMBER_ENDS)
    return world


def invoice_of(world: World) -> Invoice:
    return papers_of(world)[0][0]


def entry_of(world: World) -> TimeEntry:
    with platform():
        return world.contract.time_entries.order_by("pk")[0]


def credited(world: World, part: str, at: dt.datetime = DECEMBER) -> None:
    """At the desk."""
    Desk("issue_invoice").act("invoice", "credit", invoice_of(world).pk, at=at, reason="Late", choice=part)


def taken_back(world: World, amount: str, at: dt.datetime = DECEMBER) -> None:
    """At the desk."""
    Desk("adjust_pay").act("timeentry", "take_back", entry_of(world).pk, at=at, given=amount, reason="Paid twice")


def balance(world: World) -> int:
    """All that the lab has, less what it owes."""
    with platform():
        legs = Posting.objects.filter(account__tenant=world.tenant)
        return legs.aggregate(total=Sum("amount"))["total"] or 0


def paid_in(world: World) -> int:
    return -journal(world, "cash")


def earned(world: World) -> int:
    with platform():
        legs = Posting.objects.filter(account__expert=world.expert)
        return legs.aggregate(total=Sum("amount"))["total"] or 0


def assert_given_back_once(world: World) -> None:
    """By pay, fee and VAT; and papers are the ledger."""
    for invoice in papers_of(world)[0]:
        with platform():
            notes = list(invoice.credit_notes.all())
        for part in ("gross_minor", "fee_minor", "vat_minor"):
            assert sum(getattr(note, part) for note in notes) <= getattr(invoice, part), part
    assert_papers_equal_the_journal(world)
    assert_the_books_hold()


@pytest.mark.parametrize("part", ["fee", "everything"])
@pytest.mark.parametrize("act", ["take_back", "correct", "dispute"])
def test_what_was_credited_is_not_given_back_again(world: World, part: str, act: str) -> None:
    invoice, entry, before = invoice_of(world), entry_of(world), earned(world)
    credited(world, part)
    after_credit = balance(world)
    if act == "take_back":
        taken_back(world, "275.00")
    elif act == "correct":
        with platform():
            adjustments.correct(entry=entry, counted=0, reason="Idle", decided_by=world.member, now=DECEMBER)
    else:
        lost_in_a_dispute(world, entry)
    assert earned(world) == before - 27_500  # he is told the truth
    regained = balance(world) - after_credit
    assert regained == (0 if part == "everything" else 27_500)
    run_job(JANUARY)
    run_job(FEBRUARY)
    assert_given_back_once(world)
    _issued, notes = papers_of(world)
    assert sum(note.gross_minor for note in notes) == (invoice.gross_minor if part == "everything" else 27_500)
    assert sum(note.fee_minor for note in notes) == invoice.fee_minor
    if part == "everything":
        assert balance(world) == paid_in(world)
        assert (invoice_of(world).status, journal(world, "vat")) == ("credited", 0)
        assert -journal(world, "expense") == invoice.gross_minor - 27_500


def lost_in_a_dispute(world: World, entry: TimeEntry) -> None:
    """The lab opens it over its API, finance upholds it at the desk."""
    body = {
        "decided_by": world.member.email,
        "reason": "It was a break.",
        "proposed": "PT0S",
        "what_changed": "The recording came.",
    }
    asked = hours.lab_caller(world)("POST", f"/time-entries/{entry.public_id}/dispute", body, at=DECEMBER)
    assert asked.status_code == 201, asked.content
    with platform():
        dispute = Dispute.objects.get(entry=entry)
    answered = {"answer": "It was work."}
    expert = hours.expert_caller(world)
    said = expert("POST", f"/expert/disputes/{dispute.public_id}/answer", answered, at=DECEMBER + DAY)
    assert said.status_code == 200, said.content
    Desk("decide_dispute").act("dispute", "uphold", dispute.pk, at=DECEMBER + 2 * DAY, reason="No sign of work.")
    with platform():
        dispute.refresh_from_db()
        assert dispute.status == "upheld"


def test_a_credit_counts_what_was_taken_back_and_is_on_no_paper_yet(world: World) -> None:
    """The other order: everything is everything that is left."""
    invoice = invoice_of(world)
    taken_back(world, "100.00")
    credited(world, "everything", at=DECEMBER + DAY)
    (note,) = papers_of(world)[1]
    assert (note.gross_minor, note.fee_minor) == (invoice.gross_minor - 10_000, invoice.fee_minor - 3_000)
    run_job(JANUARY)
    assert_given_back_once(world)
    assert balance(world) == paid_in(world)
    assert (invoice_of(world).status, journal(world, "vat")) == ("credited", 0)


def test_a_lab_s_paper_says_what_was_credited_before(world: World) -> None:
    taken_back(world, "100.00")
    credited(world, "fee", at=DECEMBER + DAY)
    taken_back(world, "50.00", at=DECEMBER + 2 * DAY)
    run_job(JANUARY)
    by_journal = papers_of(world)[1][-1]
    assert (by_journal.gross_minor, by_journal.fee_minor) == (15_000, 3_000)
    rows = table_of(world, f"/credit-notes/{by_journal.public_id}/download")
    assert [(row["kind"], row["gross"], row["fee"]) for row in rows] == [
        ("clawback", "-100.00", "-30.00"),
        ("clawback", "-50.00", "-15.00"),
        ("credit_regained", "0.00", "15.00"),
    ]
    page = hours.lab_caller(world, "invoices:read")("GET", f"/credit-notes/{by_journal.public_id}/download").content
    assert "Credited before" in page.decode()
    assert_given_back_once(world)


def test_pay_that_is_given_back_to_the_expert_costs_whom_it_was_taken_for(world: World) -> None:
    """The platform regained it, so the platform pays it again; the lab is in the same place as before."""
    credited(world, "everything")
    before, pay = balance(world), earned(world)
    taken_back(world, "100.00")
    with platform():
        (clawback,) = Adjustment.objects.filter(kind="clawback")
        clawbacks.reinstate(clawback=clawback, reason="A mistake", decided_by=world.member, now=DECEMBER + DAY)
    assert (balance(world), earned(world)) == (before, pay)
    entry = entry_of(world)
    with platform():
        for counted in (0, 9_000):
            adjustments.correct(entry=entry, counted=counted, reason="x", decided_by=world.member, now=DECEMBER + DAY)
    assert (balance(world), earned(world)) == (before, pay)
    for month in (JANUARY, FEBRUARY):
        run_job(month)
    assert (len(papers_of(world)[0]), len(papers_of(world)[1])) == (1, 1)
    assert_given_back_once(world)


def test_what_was_billed_again_is_credited_to_what_billed_it_again(world: World) -> None:
    """Taken back, given back, taken back: the first invoice has no more to give than it billed for the entry."""
    first, entry = invoice_of(world), entry_of(world)
    month = DECEMBER
    for counted, ends in ((0, JANUARY), (9_000, FEBRUARY), (0, FEBRUARY + 28 * DAY), (3_600, FEBRUARY + 60 * DAY)):
        with platform():
            adjustments.correct(entry=entry, counted=counted, reason="x", decided_by=world.member, now=month)
        run_job(ends)
        month = ends + DAY
    issued, notes = papers_of(world)
    assert [(note.invoice_id, note.gross_minor) for note in notes] == [(first.pk, 27_500), (issued[1].pk, 27_500)]
    assert [row.correction_minor for row in issued] == [0, 27_500, 11_000]
    with platform():  # of two invoices at once
        adjustments.correct(entry=entry, counted=0, reason="x", decided_by=world.member, now=month)
    run_job(month + 40 * DAY)
    assert_given_back_once(world)


def test_a_debt_is_paid_by_the_vat_that_comes_back(settings: Any) -> None:
    """Money and debt never lie side by side, of whatever paper it comes."""
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": 1900}
    world = papers.build(funded_minor=0)
    with platform():
        (entry,) = papers.worked(world, 120)
    run_job(NOVEMBER_ENDS)
    with platform():
        adjustments.correct(entry=entry, counted=3_600, reason="Idle", decided_by=world.member, now=DECEMBER)
    run_job(JANUARY)
    assert journal(world, "lab_prepaid") == 0
    assert_given_back_once(world)


def test_the_database_refuses_a_note_beyond_its_invoice(world: World) -> None:
    invoice = invoice_of(world)
    credited(world, "fee")
    with platform():
        (note,) = CreditNote.objects.all()
        entries = JournalEntry.objects.count()
    for gross, fee, vat in ((invoice.gross_minor + 1, 0, 0), (0, 1, 0), (1, 0, invoice.vat_minor)):
        with pytest.raises(IntegrityError, match="more than invoice"), platform():
            CreditNote.objects.create(
                **numbered(DocumentSeries.Kind.CREDIT_NOTE, now=DECEMBER),
                tenant=world.tenant,
                invoice=invoice,
                currency="USD",
                gross_minor=gross,
                fee_minor=fee,
                vat_minor=vat,
                total_minor=gross + fee + vat,
                reason="By hand",
                decided_by=world.member,
                issued_at=DECEMBER,
            )
    with platform():
        assert list(CreditNote.objects.all()) == [note]
        assert JournalEntry.objects.count() == entries


def test_two_at_once_credit_no_more_than_is_left(world: World) -> None:
    """Two people of finance credit everything, and support takes pay back, all at the same time."""
    invoice, entry = invoice_of(world), entry_of(world)
    people = [story.new_user() for _ in range(2)]

    def credit(n: int) -> None:
        with platform():
            credit_notes.credit(invoice=invoice, part="everything", reason="Late", by=people[n], now=DECEMBER)

    def correct(_n: int) -> None:
        with platform():
            adjustments.correct(entry=entry, counted=0, reason="Idle", decided_by=world.member, now=DECEMBER)

    def run(act: Any) -> None:
        try:
            act[0](act[1])
        except credit_notes.NothingToCredit:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(run, [(credit, 0), (correct, 0), (credit, 1)]))
    run_job(JANUARY)
    assert balance(world) == paid_in(world)
    assert_given_back_once(world)
