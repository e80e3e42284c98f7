"""What labs are billed: once, in full, without holes; equal to the journal to the cent, whatever came after."""

from __future__ import annotations

import csv
import datetime as dt
import io
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from pypdf import PdfReader

from core import clock
from core.money import Money, fee_for
from core.public import Event
from payments import jobs
from payments.models import CreditNote, DocumentSeries, Invoice, Posting
from payments.operations.labs import credit_notes, invoices
from payments.operations.pay import adjustments, clawbacks
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import HOUR, World, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
NOVEMBER_ENDS = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
DECEMBER = dt.datetime(2026, 12, 7, 9, tzinfo=dt.UTC)
JANUARY = dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.UTC)
LATER = dt.timedelta(hours=1)


@pytest.fixture
def world() -> World:
    """Three entries (one corrected in the same month) and a bonus in November."""
    return papers.with_extras(papers.build(week_cap=40 * HOUR))


def run_job(at: dt.datetime) -> None:
    with clock.frozen(at):
        jobs.issue_invoices()
        jobs.follow_invoices()


def journal(world: World, *kinds: str) -> int:
    """What is on accounts of these kinds from events of the lab."""
    with platform():
        legs = Posting.objects.filter(entry__tenant=world.tenant, account__kind__in=kinds)
        return legs.aggregate(total=Sum("amount"))["total"] or 0


def papers_of(world: World) -> tuple[list[Invoice], list[CreditNote]]:
    with platform():
        return list(Invoice.objects.filter(tenant=world.tenant).order_by("pk")), list(
            CreditNote.objects.filter(tenant=world.tenant).order_by("pk")
        )


def assert_papers_equal_the_journal(world: World) -> None:
    """Invoices less credit notes are what experts were given for the lab and what the platform earned by it."""
    issued, credited = papers_of(world)
    pay = sum(row.gross_minor for row in issued) - sum(row.gross_minor for row in credited)
    fee = sum(row.fee_minor for row in issued) - sum(row.fee_minor for row in credited)
    by_platform = -journal(world, "expense")
    assert pay == journal(world, "expert_payable", "expert_holdback") - by_platform
    assert fee == journal(world, "fee_income")


def caller(world: World) -> hours.Caller:
    return hours.lab_caller(world, "invoices:write", "invoices:read")


def table_of(world: World, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(caller(world)("GET", f"{path}?format=csv").content.decode())))


def test_a_month_is_billed_once_when_it_is_over(world: World) -> None:
    run_job(NOVEMBER_ENDS - dt.timedelta(seconds=1))
    assert papers_of(world) == ([], [])
    run_job(NOVEMBER_ENDS)
    run_job(NOVEMBER_ENDS + LATER)
    (invoice,), notes = papers_of(world)
    assert notes == []
    assert (invoice.reference, invoice.status) == ("INV-2026-000001", "paid")
    assert (invoice.period_start, invoice.period_end) == (dt.date(2026, 11, 1), dt.date(2026, 12, 1))
    # 2:30, 0:39:05 (corrected) and 0:47 at 110.00; a bonus of 123.45; the fee of 30 % by line.
    assert (invoice.work_minor, invoice.work_fee_minor) == (27_500 + 7_165 + 8_617, 8_250 + 2_150 + 2_585)
    assert (invoice.extra_minor, invoice.extra_fee_minor) == (12_345, 3_704)
    assert (invoice.vat_bp, invoice.vat_minor, invoice.due_minor) == (None, 0, 0)
    assert_papers_equal_the_journal(world)
    with platform():
        assert Event.objects.filter(name="invoice.issued", subject=invoice.public_id).count() == 1


def test_over_http_the_figures_are_those_of_the_journal(world: World) -> None:
    run_job(NOVEMBER_ENDS)
    lab = caller(world)
    (listed,) = lab("GET", "/invoices").json()["results"]
    shown = lab("GET", f"/invoices/{listed['id']}").json()
    pay = sum(Decimal(shown[part]["pay"]["amount"]) for part in ("hours", "extras", "corrections"))
    assert pay * 100 == journal(world, "expert_payable", "expert_holdback")
    balance = {name: Decimal(money["amount"]) for name, money in shown["balance"].items()}
    assert balance["charged"] == -Decimal(shown["total"]["amount"])
    assert balance["closing"] * 100 == journal(world, "lab_prepaid", "lab_reserved", "lab_receivable")
    assert balance["opening"] + balance["paid_in"] + balance["charged"] == balance["closing"]
    rows = table_of(world, f"/invoices/{listed['id']}/download")
    assert sum(Decimal(row["total"]) for row in rows) == Decimal(shown["total"]["amount"])
    assert {row["expert"] for row in rows} == {world.contract.lab_expert.public_id}
    assert [int(row["seconds"]) for row in rows if row["seconds"]] == [9000, 3660, 2820, -3660, 2345]
    assert "Ada" not in str(rows).replace("Lab of Ada", "")


def test_page_and_pdf_keep_fee_and_pay_apart(world: World) -> None:
    lab = caller(world)
    told = {"legal_name": "Aurora <Research> GmbH", "city": "Berlin", "country": "DE", "vat_id": "DE136695976"}
    assert lab("PATCH", "/lab/billing", told).status_code == 200
    run_job(NOVEMBER_ENDS)
    path = lab("GET", "/invoices").json()["results"][0]["download"].removeprefix("/api/v1")
    page = lab("GET", path).content.decode()
    assert "Aurora &lt;Research&gt; GmbH" in page
    file = lab("GET", f"{path}?format=pdf")
    assert file.content == lab("GET", f"{path}?format=pdf").content
    text = "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(file.content)).pages)
    for said in ("432.82\u00a0USD", "129.85\u00a0USD", "INV-2026-000001", "DE136695976", "Germany"):
        assert said in page
        assert said.replace("\u00a0", " ") in text.replace("\u00a0", " ")


def test_what_is_corrected_after_its_invoice_is_credited_to_it(world: World) -> None:
    run_job(NOVEMBER_ENDS)
    with platform():
        papers.worked(world, 60, since=DECEMBER)
        entry = world.contract.time_entries.order_by("pk")[0]
        when = DECEMBER + 7 * papers.DAY
        adjustments.correct(entry=entry, counted=3_600, reason="Idle", decided_by=world.member, now=when)
        other = world.contract.time_entries.order_by("pk")[2]
        clawbacks.claw_back(
            source=other, amount=Money(1_000, "USD"), reason="Paid twice", decided_by=world.member, now=when
        )
    run_job(JANUARY)
    issued, (note,) = papers_of(world)
    assert [row.reference for row in issued] == ["INV-2026-000001", "INV-2027-000001"]
    assert (note.invoice_id, note.reference) == (issued[0].pk, "CRN-2027-000001")
    assert (note.gross_minor, note.fee_minor) == (16_500 + 1_000, 4_950 + 300)
    assert (issued[1].work_minor, issued[1].after_entry) == (11_000, issued[0].upto_entry)
    assert_papers_equal_the_journal(world)
    lab = caller(world)
    shown = lab("GET", f"/invoices/{issued[0].public_id}").json()
    assert [row["number"] for row in shown["credit_notes"]] == ["CRN-2027-000001"]
    rows = table_of(world, f"/credit-notes/{note.public_id}/download")
    assert sum(Decimal(row["total"]) for row in rows) * 100 == -note.total_minor
    for form in ("html", "pdf"):
        assert lab("GET", f"/credit-notes/{note.public_id}/download?format={form}").status_code == 200


def test_months_that_were_missed_are_billed_one_by_one(world: World) -> None:
    with platform():
        papers.worked(world, 60, since=DECEMBER)
    run_job(JANUARY + 40 * papers.DAY)
    issued, _notes = papers_of(world)
    assert [row.period_start.month for row in issued] == [11, 12]
    assert_papers_equal_the_journal(world)


def test_a_month_belongs_to_the_platform_s_zone(world: World, settings: Any) -> None:
    settings.PLATFORM_ZONE = "America/New_York"
    run_job(NOVEMBER_ENDS)
    assert papers_of(world) == ([], [])
    run_job(NOVEMBER_ENDS + 5 * LATER)
    assert len(papers_of(world)[0]) == 1


def test_what_the_lab_s_money_did_not_cover_is_due_until_it_pays() -> None:
    world = papers.build(funded_minor=0)
    with platform():
        papers.worked(world, 120)
    run_job(NOVEMBER_ENDS)
    (invoice,), _notes = papers_of(world)
    assert (invoice.status, invoice.due_minor) == ("issued", invoice.total_minor)
    story_lab = hours.lab_caller(world, "funding:write", "invoices:read")
    story_lab("POST", "/funding", {"amount": {"amount": "100.00", "currency": "USD"}}, at=NOVEMBER_ENDS)
    run_job(NOVEMBER_ENDS + LATER)
    assert story_lab("GET", "/invoices?status=paid").json()["results"] == []
    story_lab("POST", "/funding", {"amount": {"amount": "200.00", "currency": "USD"}}, at=NOVEMBER_ENDS + LATER)
    run_job(NOVEMBER_ENDS + 2 * LATER)
    (paid,) = story_lab("GET", "/invoices?status=paid").json()["results"]
    assert paid["paid_at"] == "2026-12-01T02:00:00Z"


def test_vat_is_charged_where_a_rate_is_configured(world: World, settings: Any) -> None:
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": 1900}
    run_job(NOVEMBER_ENDS)
    (invoice,), _notes = papers_of(world)
    net = invoice.gross_minor + invoice.fee_minor
    assert (invoice.vat_bp, invoice.vat_minor) == (1900, (net * 19 + 50) // 100)
    assert journal(world, "vat") == invoice.vat_minor
    assert_papers_equal_the_journal(world)
    page = caller(world)("GET", f"/invoices/{invoice.public_id}/download").content.decode()
    assert "VAT 19%" in page


def test_finance_credits_with_a_reason_and_once(world: World) -> None:
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    before = journal(world, "lab_prepaid")
    assert Desk().act("invoice", "credit", invoice.pk, confirmed="yes", reason="x", choice="fee").status_code in {
        200,
        403,
    }
    desk = Desk("issue_invoice")
    desk.act("invoice", "credit", invoice.pk, confirmed="yes", choice="fee")  # no reason
    assert papers_of(world)[1] == []
    desk.act("invoice", "credit", invoice.pk, confirmed="yes", reason="Late", choice="fee")
    desk.act("invoice", "credit", invoice.pk, confirmed="yes", reason="Late", choice="fee")
    (note,) = papers_of(world)[1]
    assert (note.gross_minor, note.fee_minor, note.decided_by) == (0, invoice.fee_minor, desk.user)
    assert journal(world, "lab_prepaid") == before + invoice.fee_minor
    desk.act("invoice", "credit", invoice.pk, confirmed="yes", reason="All of it", choice="everything")
    issued, notes = papers_of(world)
    assert (issued[0].status, sum(row.total_minor for row in notes)) == ("credited", invoice.total_minor)
    assert story.owed(world.expert) == journal(world, "expert_payable")
    run_job(JANUARY)
    assert len(papers_of(world)[0]) == 1  # credits are no charges
    assert_papers_equal_the_journal(world)


def test_what_is_credited_in_parts_has_the_vat_of_the_whole(world: World, settings: Any) -> None:
    gross, fee = journal(world, "expert_payable") + journal(world, "expert_holdback"), journal(world, "fee_income")
    apart = [bp for bp in range(1, 3000) if fee_for(gross, bp) + fee_for(fee, bp) != fee_for(gross + fee, bp)]
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": apart[0]}  # the parts, rounded alone, would come to another sum
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    assert (invoice.gross_minor, invoice.fee_minor, invoice.vat_bp) == (gross, fee, apart[0])
    with platform():
        for part in (credit_notes.FEE, credit_notes.EVERYTHING):
            credit_notes.credit(invoice=invoice, part=part, reason="x", by=story.new_user(), now=NOVEMBER_ENDS)
    assert sum(note.vat_minor for note in papers_of(world)[1]) == invoice.vat_minor
    assert journal(world, "vat") == 0


def test_the_desk_issues_closed_months_and_touches_nothing_else(world: World) -> None:
    caller(world)("GET", "/lab/billing")
    desk = Desk("issue_invoice")
    with platform():
        profile = world.tenant.pk
    with clock.frozen(NOVEMBER_ENDS):
        from payments.models import LabBillingProfile

        with platform():
            row = LabBillingProfile.objects.get(tenant=profile)
        desk.act("labbillingprofile", "issue_now", row.pk, confirmed="yes")
    (invoice,), _none = papers_of(world)
    for path in (
        f"invoice/{invoice.pk}/change/",
        f"invoice/{invoice.pk}/delete/",
        "invoice/add/",
        "documentseries/add/",
    ):
        assert desk.client.post(f"/admin/payments/{path}", {"total_minor": "1"}).status_code == 403
    for model in ("invoice", "creditnote", "labbillingprofile", "documentseries"):
        assert desk.get(f"{model}/").status_code == 200
    assert desk.get(f"invoice/{invoice.pk}/change/").status_code == 200


def test_two_jobs_at_once_bill_once(world: World) -> None:
    others = [papers.with_extras(papers.build(name)) for name in ("Bob", "Cleo")]

    def work(_n: int) -> None:
        try:
            invoices.issue_due(now=NOVEMBER_ENDS)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(work, range(3)))
    with platform():
        numbers = sorted(Invoice.objects.values_list("number", flat=True))
        assert (numbers, DocumentSeries.objects.get().last_number) == ([1, 2, 3], 3)
    for one in (world, *others):
        assert_papers_equal_the_journal(one)


def test_sandboxes_and_idle_labs_are_not_billed() -> None:
    idle = papers.build()
    run_job(NOVEMBER_ENDS)
    assert papers_of(idle) == ([], [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"legal_name": ""}, "/legal_name"),
        ({"legal_name": "x" * 201}, "/legal_name"),
        ({"country": "XX"}, "/country"),
        ({"country": "DE", "vat_id": "DE136695977"}, "/vat_id"),
        ({"email": "nobody"}, "/email"),
        ({"city": 5}, "/city"),
        ({"iban": "x"}, "/iban"),
    ],
)
def test_a_wrong_address_is_told_by_field(world: World, body: dict[str, Any], pointer: str) -> None:
    answer = caller(world)("PATCH", "/lab/billing", body)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])
    assert caller(world)("GET", "/lab/billing").json()["legal_name"] == "Lab of Ada"


def test_rivals_scopes_and_formats(world: World) -> None:
    run_job(NOVEMBER_ENDS)
    (invoice,), _none = papers_of(world)
    rival = papers.build("Bob")
    for path in (f"/invoices/{invoice.public_id}", f"/invoices/{invoice.public_id}/download"):
        assert caller(rival)("GET", path).status_code == 404
        assert hours.lab_caller(world, "balance:read")("GET", path).status_code == 403
    assert caller(world)("GET", f"/invoices/{invoice.public_id}/download?format=docx").status_code == 400
    assert caller(world)("GET", "/invoices?status=open").status_code == 400
    assert hours.lab_caller(world, "invoices:read")("PATCH", "/lab/billing", {"city": "Bonn"}).status_code == 403
