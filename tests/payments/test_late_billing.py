"""What comes after the invoice of its month, and a lab that cannot be billed: neither ends the billing of anybody."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from celery import current_app
from django.core.management import call_command

from core import clock, sweeps
from core.money import Money
from payments import jobs
from payments.billing_calendar import Month
from payments.models import Invoice
from payments.operations.labs import funding, invoices
from payments.operations.pay import adjustments
from tests.payments import hours_world as hours
from tests.payments import paper_world as papers
from tests.payments.hours_world import HOUR, MONDAY, World, platform
from tests.payments.ledger_story import SYSTEM
from tests.payments.test_invoices import (
    DECEMBER,
    JANUARY,
    LATER,
    NOVEMBER_ENDS,
    assert_papers_equal_the_journal,
    papers_of,
    run_job,
)
from tests.payments.test_ledger_verify import owner

pytestmark = pytest.mark.django_db(transaction=True)
ISSUED = NOVEMBER_ENDS + dt.timedelta(seconds=10)
READ = NOVEMBER_ENDS - dt.timedelta(seconds=2)
"""When somebody read the clock who committed after the month was billed."""


@pytest.fixture
def world() -> World:
    """Three entries and a bonus in November."""
    return papers.with_extras(papers.build(week_cap=40 * HOUR))


def gives(world: World, amount: str, *, at: dt.datetime) -> None:
    """The lab pays a bonus by its key."""
    body = {
        "contract": world.contract.public_id,
        "amount": {"amount": amount, "currency": "USD"},
        "reason": "Found a mistake.",
        "decided_by": world.member.email,
    }
    assert hours.lab_caller(world)("POST", "/bonuses", body, at=at).status_code == 201


def shown(world: World, invoice: Invoice, form: str) -> str:
    lab = hours.lab_caller(world, "invoices:read")
    return str(lab("GET", f"/invoices/{invoice.public_id}/download?format={form}").content, "utf-8")


@contextmanager
def refused_by_the_database(world: World) -> Iterator[None]:
    """No invoice of this lab can be written."""
    with owner() as session:
        session.execute(
            f"ALTER TABLE payments_invoice ADD CONSTRAINT broken CHECK (tenant_id <> {world.tenant.pk}) NOT VALID".encode()
        )
    try:
        yield
    finally:
        with owner() as session:
            session.execute(b"ALTER TABLE payments_invoice DROP CONSTRAINT broken")


def test_what_comes_after_its_month_s_invoice_is_billed_with_the_next_month(world: World) -> None:
    others = papers.with_extras(papers.build("Bob"))
    run_job(ISSUED)
    gives(world, "50.00", at=READ)
    run_job(ISSUED + LATER)
    assert [len(papers_of(one)[0]) for one in (world, others)] == [1, 1]
    gives(world, "70.00", at=DECEMBER)
    gives(others, "30.00", at=DECEMBER)
    run_job(JANUARY)
    run_job(JANUARY + LATER)
    (november, december), notes = papers_of(world)
    assert notes == []
    assert (december.period_start, december.after_entry) == (november.period_end, november.upto_entry)
    assert (december.extra_minor, december.extra_fee_minor) == (12_000, 3_600)
    assert [row.period_start.month for row in papers_of(others)[0]] == [11, 12]
    for one in (world, others):
        assert_papers_equal_the_journal(one)
    call_command("ledger_verify")


def test_the_paper_says_which_of_its_lines_came_late(world: World) -> None:
    run_job(ISSUED)
    gives(world, "50.00", at=READ)
    gives(world, "70.00", at=DECEMBER)
    run_job(JANUARY)
    (november, december), _none = papers_of(world)
    late = "Booked on 30\u00a0Nov\u00a02026, after that month&#x27;s invoice"
    assert [shown(world, row, "html").count(late) for row in (november, december)] == [0, 1]
    rows = list(csv.DictReader(io.StringIO(shown(world, december, "csv"))))
    assert [(row["booked_on"], row["gross"]) for row in rows] == [("2026-11-30", "50.00"), ("2026-12-07", "70.00")]


def test_pay_taken_back_late_is_credited_to_the_month_that_billed_it(world: World) -> None:
    run_job(ISSUED)
    with platform():
        entry = world.contract.time_entries.order_by("pk")[0]
        adjustments.correct(entry=entry, counted=3_600, reason="Idle", decided_by=world.member, now=READ)
    run_job(ISSUED + LATER)
    assert [len(found) for found in papers_of(world)] == [1, 0]
    run_job(JANUARY)
    (november,), (note,) = papers_of(world)
    assert (note.invoice_id, note.gross_minor) == (november.pk, 16_500)
    assert_papers_equal_the_journal(world)


def test_a_late_entry_after_a_month_that_only_credited(world: World) -> None:
    """The last paper is a credit note: it covers entries and no month."""
    run_job(ISSUED)
    with platform():
        entry = world.contract.time_entries.order_by("pk")[0]
        adjustments.correct(entry=entry, counted=3_600, reason="Idle", decided_by=world.member, now=DECEMBER)
    run_job(JANUARY)
    gives(world, "20.00", at=JANUARY - LATER)
    run_job(JANUARY + LATER)
    (_november, december), _notes = papers_of(world)
    assert (december.period_start.month, december.extra_minor) == (12, 2_000)
    run_job(JANUARY + 40 * papers.DAY)
    assert len(papers_of(world)[0]) == 2
    assert_papers_equal_the_journal(world)


def test_a_zone_that_moves_the_end_of_the_month_bills_no_month_twice(world: World, settings: Any) -> None:
    run_job(ISSUED)
    gives(world, "50.00", at=NOVEMBER_ENDS + LATER)
    settings.PLATFORM_ZONE = "America/New_York"  # where that is November still
    run_job(NOVEMBER_ENDS + 6 * LATER)
    assert len(papers_of(world)[0]) == 1
    run_job(JANUARY + 6 * LATER)
    assert [row.period_start.month for row in papers_of(world)[0]] == [11, 12]
    assert_papers_equal_the_journal(world)


def test_a_month_that_somebody_billed_meanwhile_is_not_billed_again(world: World) -> None:
    """Two jobs found the same month; between them something of it was booked."""
    run_job(ISSUED)
    gives(world, "50.00", at=READ)
    (november,), _none = papers_of(world)
    month = Month(november.period_start, november.period_end)
    assert invoices.issue(tenant_id=world.tenant.pk, currency="USD", month=month, now=ISSUED) == []
    assert len(papers_of(world)[0]) == 1


def test_a_lab_that_cannot_be_billed_holds_nobody_up_and_alarms(world: World) -> None:
    owes = papers.build("Bob", funded_minor=0)
    with platform():
        papers.worked(owes, 60)
    run_job(NOVEMBER_ENDS)
    gives(world, "50.00", at=DECEMBER)
    other = papers.with_extras(papers.build("Cleo"))
    with refused_by_the_database(world), structlog.testing.capture_logs() as logs:
        money = {"amount": {"amount": "500.00", "currency": "USD"}}
        assert hours.lab_caller(owes, "funding:write")("POST", "/funding", money, at=DECEMBER).status_code == 201
        with clock.frozen(JANUARY):
            jobs.issue_invoices()
            jobs.follow_invoices()
    assert [(row["event"], row["tenant"], row["log_level"]) for row in logs if row["event"] == "invoice_failed"] == [
        ("invoice_failed", world.tenant.pk, "error")
    ]
    assert [row.period_start.month for row in papers_of(world)[0]] == [11]
    assert [row.period_start.month for row in papers_of(other)[0]] == [11]
    assert papers_of(owes)[0][0].status == "paid"
    run_job(JANUARY + LATER)
    assert [row.period_start.month for row in papers_of(world)[0]] == [11, 12]


def test_books_that_take_all_the_time_there_is_keep_no_others_from_their_invoice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of other labs, nor those of the same one in another currency."""
    others = [papers.with_extras(papers.build(name)) for name in ("Bob", "Cleo")]
    with platform():
        funding.announce(tenant_id=world.tenant.pk, amount=Money(5_000, "ZAR"), by=SYSTEM, now=MONDAY)
    woken: list[tuple[int, str]] = []
    billed: list[tuple[int, str]] = []
    real = invoices.issue

    def slow(**asked: Any) -> Any:
        billed.append((asked["tenant_id"], asked["currency"]))
        if billed[-1] == (world.tenant.pk, "USD"):
            raise SoftTimeLimitExceeded
        return real(**asked)

    monkeypatch.setattr(current_app, "send_task", lambda _name, args, **_options: woken.append(args))
    monkeypatch.setattr(invoices, "issue", slow)
    with pytest.raises(SoftTimeLimitExceeded):
        invoices.issue_due(now=NOVEMBER_ENDS)
    monkeypatch.setattr(sweeps, "SECONDS", 0.0)  # one lab's books in one currency fit into each run
    with clock.frozen(NOVEMBER_ENDS):
        for run in range(3):
            jobs.issue_invoices(*woken[run])
    books = list(dict.fromkeys(billed))  # of each month
    assert books == [
        (world.tenant.pk, "USD"),
        (world.tenant.pk, "ZAR"),
        (others[0].tenant.pk, "USD"),
        (others[1].tenant.pk, "USD"),
    ]
    assert woken == books[:3]
    assert [papers_of(one)[0] != [] for one in (world, *others)] == [False, True, True]
