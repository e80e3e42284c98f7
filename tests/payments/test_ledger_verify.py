"""Every check of ``ledger_verify`` is broken once, as the owner of the database could, and named."""

from __future__ import annotations

import datetime as dt
import json
from io import StringIO

import psycopg
import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from core.money import Money
from payments import accounts
from payments.models import Account, Adjustment, CreditNote, Funding, Invoice, ProviderEntry, Referral, TimeEntry
from payments.operations.bank import bank_charges, bank_matching, bank_postings
from payments.operations.exchange import exchanges, fx
from payments.operations.labs import credit_notes, invoices, refunds
from payments.operations.pay import (
    adjustments,
    beside_postings,
    clawbacks,
    four_eyes,
    milestones,
    platform_pay,
    write_offs,
)
from payments.operations.pay.beside_postings import ExpertPay
from payments.queries import ledger_findings
from tests.payments import hours_world
from tests.payments import ledger_story as story
from tests.payments.beside import approved
from tests.payments.hours_world import MONDAY, World
from tests.payments.ledger_story import NOW, platform

pytestmark = pytest.mark.django_db(transaction=True)
LATER = MONDAY + dt.timedelta(days=7)
RENAME = "UPDATE payments_journalentry SET kind = 'x' WHERE kind = "
CASH_LEG = "(SELECT id FROM payments_posting WHERE account_id IN (SELECT id FROM payments_account WHERE kind = 'cash') LIMIT 1)"
BREAKAGES = {
    "conservation": "UPDATE payments_funding SET received_minor = received_minor + 1",
    "funding": "UPDATE payments_funding SET received_minor = received_minor + 1",
    "payouts": "UPDATE payments_payout SET amount_minor = amount_minor + 1",
    "payouts_lost": "UPDATE payments_payout SET status = 'returned', reason_code = 'not_arrived' WHERE status = 'paid'",
    "bank_charges": "UPDATE payments_bankcharge SET amount_minor = amount_minor + 1",
    "by_hand": "UPDATE payments_providerentry SET amount_minor = amount_minor + 1",
    "suspense": "UPDATE payments_providerentry SET journal_entry_id = NULL",
    "funding_without_entry": f"{RENAME}'lab_funded'",
    "refund_without_entry": f"{RENAME}'lab_refunded'",
    "payout_without_entry": f"{RENAME}'payout_initiated'",
    "conversion_without_entry": f"{RENAME}'fx_exchanged'",
    "exchange_without_entry": f"{RENAME}'fx_exchanged'",
    "exchange_amount": "UPDATE payments_fxexchange SET sell_minor = sell_minor + 1",
    "approved_without_entry": f"{RENAME}'time_approved'",
    "adjustment_without_entry": "UPDATE payments_journalentry SET source_id = source_id || 'x' WHERE kind = 'bonus'",
    "approved_amount": "UPDATE payments_adjustment SET amount_minor = amount_minor - 1 WHERE kind = 'correction'",
    "adjustment_amount": "UPDATE payments_adjustment SET amount_minor = amount_minor + 1 WHERE kind = 'bonus'",
    "platform_pay_amount": "UPDATE payments_platformpay SET amount_minor = amount_minor + 1 WHERE kind = 'bonus'",
    "write_off_amount": "UPDATE payments_writeoff SET amount_minor = amount_minor + 1",
    "milestone_awarded": "UPDATE payments_milestone SET awarded_minor = awarded_minor - 1",
    "milestone_amount": "UPDATE payments_milestone SET amount_minor = amount_minor - 1",
    "referral_amount": "UPDATE payments_referral SET bonus_minor = bonus_minor + 1",
    "reservation": "UPDATE payments_fundsreservation SET status = 'released', released_at = now()",
    "reserved_without_row": "UPDATE payments_account SET detail = 'rsv_gone' WHERE kind = 'lab_reserved'",
    "holdback": "UPDATE payments_posting SET amount = -1 WHERE account_id IN"
    " (SELECT id FROM payments_account WHERE kind = 'expert_holdback')",
    "paper_vat": "UPDATE payments_creditnote SET vat_minor = vat_minor + 1, total_minor = total_minor + 1",
    "vat": "UPDATE payments_invoice SET vat_minor = vat_minor + 1, total_minor = total_minor + 1",
    "credited": "UPDATE payments_creditnote SET fee_minor = fee_minor + 1, total_minor = total_minor + 1",
    "credited_beyond": "UPDATE payments_creditnote SET fee_minor = fee_minor * 2, total_minor = total_minor + fee_minor"
    " WHERE decided_by_id IS NOT NULL",
    "regained": "DELETE FROM payments_creditnote WHERE decided_by_id IS NOT NULL",
    "billed": "UPDATE payments_invoice SET work_minor = work_minor + 1, total_minor = total_minor + 1",
    "debt_beside_money": "UPDATE payments_accountbalance SET balance = -1 WHERE credit_minor IS NOT NULL",
    "credit": "UPDATE payments_accountbalance SET credit_minor = 7 WHERE credit_minor IS NOT NULL",
    "trial_balance": f"UPDATE payments_posting SET amount = amount - 1 WHERE id = {CASH_LEG}",
    "entry_balance": f"UPDATE payments_posting SET amount = amount - 1 WHERE id = {CASH_LEG}",
    "entry_complete": "UPDATE payments_journalentry SET legs = legs + 1",
    "one_entry_per_event": "ALTER TABLE payments_journalentry DROP CONSTRAINT payments_entry_once;"
    "INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)"
    " SELECT kind, source_id, seq, legs, effective_at, created_at FROM payments_journalentry LIMIT 1",
    "balance_row": "UPDATE payments_accountbalance SET balance = balance + 1",
    "transit": "UPDATE payments_payout SET status = 'submitted'",
    "tax_withheld": "UPDATE payments_payout SET withheld_minor = withheld_minor + 1",
    "at_provider": "UPDATE payments_providerentry SET amount_minor = amount_minor + 1",
    "statement": "UPDATE payments_statement SET closing_minor = closing_minor + 1",
}
"""By check: what somebody does to the tables who may switch off triggers."""
ELSEWHERE = {"true_up"}
"""Checks of rows that wage floors and banks make."""


def owner() -> psycopg.Connection:
    """A session of the schema's owner; what it does is rolled back unless it commits."""
    here, login = connection.settings_dict, configured.DATABASE_OWNER
    return psycopg.connect(
        host=here["HOST"] or None,
        port=here["PORT"] or None,
        dbname=here["NAME"],
        user=login["USER"],
        password=login["PASSWORD"],
    )


def break_it(session: psycopg.Connection, statements: str) -> None:
    """With every guard switched off meanwhile."""
    rows = session.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, 'payments_')"
        " AND relnamespace = 'public'::regnamespace"
    )
    tables = [name for (name,) in rows.fetchall()]
    for table in tables:
        session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    for statement in statements.split(";"):
        session.execute(statement.encode())
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        session.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def a_bit_of_everything() -> None:
    """Hours with a holdback, pay beside them, a payout that arrived, a refund, an exchange, a fee, an invoice credited in part."""
    with platform():
        world = hours_world.build(funded_minor=400_000, holdback_bp=1_000)
        entry = approved(world)
        _bonus(world)
        _beside_the_hours(world, entry)
    _paid_refunded_and_exchanged(world)
    invoices.issue_due(now=NOW + dt.timedelta(days=31), tenant_id=world.tenant.pk)
    with platform():
        (bill,) = Invoice.objects.filter(tenant=world.tenant)
        assert bill.vat_minor
        note = credit_notes.credit(
            invoice=bill, part="everything", reason="late", by=story.new_user(), now=bill.issued_at
        )
        assert isinstance(note, CreditNote)
        assert note.vat_minor
        given = Adjustment.objects.get(kind="bonus", amount_minor=500)
        clawbacks.claw_back(
            source=given, amount=Money(100, "USD"), reason="twice", decided_by=story.new_user(), now=NOW
        )


def _paid_refunded_and_exchanged(world: World) -> None:
    lab, ada, bob = story.new_lab(funded=100_000), story.new_expert(), story.new_expert(currency="EUR")
    story.earn(ada, 20_000, lab=lab)
    story.released_run()
    story.send_and_track()
    with platform():
        refunds.refund(funding=Funding.objects.get(tenant=lab), reason="unused", by=story.new_user(), now=NOW)
        rate = story.quoted("0.9", valid_until=NOW + dt.timedelta(hours=1))
        fx.convert(tenant_id=world.tenant.pk, quote=rate, sold=Money(1_000, "USD"), by=story.SYSTEM, now=NOW)
        story.earn(bob, 5_000, lab=lab)
        exchanges.exchange(expert=bob, quote=rate, sold=Money(4_000, "USD"), by=story.SYSTEM, now=NOW)
        bank_charges.fee(provider="sandbox", reference="F-1", amount=Money(5, "USD"), now=NOW)
        stray = ProviderEntry.objects.create(
            provider="sandbox", reference="S-1", kind="credit", amount_minor=70, currency="USD", booked_on=NOW.date(),
            created_at=NOW,
        )  # fmt: skip
        kept = bank_postings.booked_by_hand(entry=stray, against=accounts.suspense("sandbox", "USD"), now=NOW)
        bank_matching.link(stray, kept, now=NOW)


def _bonus(world: World) -> None:
    paid = Adjustment.objects.create(
        tenant=world.tenant,
        expert=world.expert,
        contract=world.contract,
        kind="bonus",
        status="posted",
        amount_minor=500,
        currency="USD",
        reason="good work",
        decided_by=world.member,
        decided_at=NOW,
    )
    pay = ExpertPay(paid.public_id, world.expert.pk, "USD", 500, NOW, tenant_id=world.tenant.pk)
    beside_postings.bonuses_paid(bonuses=[pay], now=NOW)


def _beside_the_hours(world: World, entry: TimeEntry) -> None:
    """Corrected hours, a milestone, a bonus of the platform's, a referral, and a debt that was given up."""
    adjustments.correct(entry=entry, counted=2_700, reason="A break.", decided_by=story.new_user(), now=LATER)
    milestones.define(
        project=world.contract.project, opening=None, title="Half an hour", basis="approved_hours", threshold=1_800,
        amount=Money(300, "USD"), budget=Money(900, "USD"), decided_by=world.member, now=MONDAY,
    )  # fmt: skip
    assert milestones.check(contract=world.contract, now=LATER) == 1
    platform_pay.pay_bonus(
        expert=world.expert, amount=Money(70, "USD"), reason="good work", decided_by=story.new_user(), now=LATER
    )
    Referral.objects.create(
        referrer=world.expert, referred=story.new_expert("Brought"), code="BROUGHT", status="paid", programme="1",
        bonus_minor=80, currency="USD", threshold_seconds=1, reach_days=1, expires_at=LATER, joined_at=MONDAY,
        pay=platform_pay.pay_referral(expert=world.expert, amount=Money(80, "USD"), reason="brought", now=LATER),
    )  # fmt: skip
    debtor = story.new_expert("Debtor")
    story.claw_back(debtor, 700, lab=story.new_lab(funded=1_000))
    owing = Account.objects.get(expert=debtor, kind="expert_payable")
    asked = write_offs.propose(
        account=owing, amount=Money(600, "USD"), reason="gone", proposed_by=story.new_user(), now=LATER
    )
    four_eyes.approve(proposal=asked, decided_by=story.new_user(), side=asked.side, now=LATER)


@pytest.mark.parametrize(
    ("check", "statement"),
    [
        ("approved_amount", "UPDATE payments_timeentry SET gross_minor = gross_minor + 1"),
        ("approved_amount", "UPDATE payments_timeentry SET fee_minor = fee_minor + 1"),
        ("adjustment_amount", "UPDATE payments_adjustment SET fee_minor = fee_minor + 1 WHERE kind = 'bonus'"),
        ("adjustment_amount", "UPDATE payments_journalentry SET source_id = source_id || 'x' WHERE kind = 'bonus'"),
        ("platform_pay_amount", f"{RENAME}'referral_bonus'"),
        ("write_off_amount", f"{RENAME}'write_off'"),
        ("milestone_amount", "UPDATE payments_milestoneaward SET expert_id = (SELECT max(id) FROM experts_expert)"),
    ],
)
def test_amounts_of_pay_are_compared_from_every_side(check: str, statement: str) -> None:
    with platform():
        world = hours_world.build(funded_minor=400_000)
        entry = approved(world)
        _bonus(world)
        _beside_the_hours(world, entry)
    with owner() as session:
        query = ledger_findings.checks()[check][1].encode()
        assert session.execute(query).fetchall() == []
        session.rollback()
        break_it(session, statement)
        assert len(session.execute(query).fetchall()) >= 1
        session.rollback()


def test_every_check_finds_what_it_is_there_for(settings: Settings) -> None:
    settings.ISSUER = {**settings.ISSUER, "country": "DE"}
    settings.VAT_RATES = {"DE": 1900}
    a_bit_of_everything()
    checks = ledger_findings.checks()
    assert set(checks) - ELSEWHERE == set(BREAKAGES)
    with owner() as session:
        standing = {check: session.execute(query.encode()).fetchall() for check, (_text, query) in checks.items()}
        assert standing == {check: [] for check in checks}
        session.rollback()
        for check, statements in BREAKAGES.items():
            break_it(session, statements)
            text, query = checks[check]
            rows = session.execute(query.encode()).fetchall()
            assert rows, check
            assert text.format(*rows[0])
            session.rollback()


def test_the_command_names_it_fails_and_speaks_json() -> None:
    story.new_lab(funded=1_000)
    out = StringIO()
    call_command("ledger_verify", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"holds": True, "trial_balance": {"USD": 0}, "findings": []}
    with owner() as session:
        break_it(session, BREAKAGES["balance_row"])
    told, out = StringIO(), StringIO()
    with pytest.raises(CommandError, match="does not hold"):
        call_command("ledger_verify", "--json", stdout=out, stderr=told)
    answer = json.loads(out.getvalue())
    assert not answer["holds"]
    assert "balance_row" in {finding["check"] for finding in answer["findings"]}
    assert "balance_row: The balance of" in told.getvalue()
