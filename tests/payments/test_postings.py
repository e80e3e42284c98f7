"""Events as entries: what a lab set aside pays first, what it paid in next, and approved hours always post."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.money import Money
from core.problems import DomainError
from core.public import Tenant
from marketplace.ports import InsufficientFunds
from payments import accounts, ledger
from payments.models import Funding, FundsReservation, JournalEntry, Posting
from payments.operations.hours import completion, time_entries, timesheets
from payments.operations.labs import funding, refunds, reservations
from payments.operations.pay import beside_postings, holdbacks, postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.postings import ApprovedTime
from payments.queries import ledger_findings
from tests.payments import hours_world, ledger_story
from tests.payments.hours_world import MONDAY, World, platform

pytestmark = pytest.mark.django_db
RESERVED = 286_000  # 10 h × 110.00 with 30 % fee, two weeks


def lab_money(world: World) -> tuple[int, int, int]:
    """Available, reserved, owed."""
    with platform():
        (row,) = reservations.balances(tenant_id=world.tenant.pk)
    return row.available_minor, row.reserved_minor, row.receivable_minor


def build(*, funded: int, holdback_bp: int = 0) -> World:
    with platform():
        return hours_world.build(funded_minor=funded, holdback_bp=holdback_bp)


def hours(world: World, gross: int, *, source: str, fee: int = 0, holdback: int = 0) -> ApprovedTime:
    return ApprovedTime(
        source_id=source,
        tenant_id=world.tenant.pk,
        contract_id=world.contract.pk,
        expert_id=world.expert.pk,
        currency="USD",
        gross_minor=gross,
        fee_minor=fee,
        holdback_minor=holdback,
        effective_at=MONDAY,
    )


def approve(*items: ApprovedTime) -> None:
    with platform():
        postings.time_approved(entries=items, now=MONDAY)


def balance(key: accounts.AccountKey) -> int:
    with platform():
        return ledger.balances(keys=[key])[key]


def payable(world: World) -> int:
    return balance(accounts.payable(world.expert.pk, "USD"))


@pytest.fixture(autouse=True)
def _the_books_hold(db: None) -> Iterator[None]:
    yield
    with platform():
        assert ledger_findings.findings() == []


def test_two_weeks_at_the_cap_are_set_aside() -> None:
    assert lab_money(build(funded=300_000)) == (300_000 - RESERVED, RESERVED, 0)


def test_setting_aside_twice_sets_aside_once() -> None:
    world = build(funded=600_000)
    with platform():
        reservations.reserve_contract(contract=world.contract, snapshot=world.snapshot, now=MONDAY)
    assert lab_money(world) == (600_000 - RESERVED, RESERVED, 0)


def test_too_little_money_sets_nothing_aside_and_names_no_amounts() -> None:
    with pytest.raises(InsufficientFunds) as refused:
        build(funded=RESERVED - 1)
    assert refused.value.extra == {}
    with platform():
        assert not FundsReservation.objects.exists()
        assert not JournalEntry.objects.exists()


def test_hours_draw_on_what_is_set_aside_and_it_is_filled_up_again() -> None:
    world = build(funded=300_000)
    approve(hours(world, 10_000, fee=3_000, source="tme_1"))
    assert lab_money(world) == (1_000, RESERVED, 0)
    assert payable(world) == 10_000
    approve(hours(world, 10_000, fee=3_000, source="tme_1"))
    assert payable(world) == 10_000


def test_what_nothing_covers_becomes_the_lab_s_debt_and_the_expert_is_paid() -> None:
    world = build(funded=RESERVED + 500)
    approve(hours(world, RESERVED, fee=700, source="tme_1"), hours(world, 1_000, source="tme_2"))
    assert lab_money(world) == (0, 0, 1_200)
    assert payable(world) == RESERVED + 1_000
    with platform():
        assert not reservations.may_claim(tenant_id=world.tenant.pk)


def test_funding_pays_the_debt_then_fills_what_is_set_aside() -> None:
    world = build(funded=RESERVED)
    approve(hours(world, RESERVED + 1_000, source="tme_1"))
    with platform():
        assert not reservations.may_claim(tenant_id=world.tenant.pk)
        funding.announce(
            tenant_id=world.tenant.pk, amount=Money(RESERVED + 1_500, "USD"), by=hours_world.PLATFORM, now=MONDAY
        )
        assert reservations.may_claim(tenant_id=world.tenant.pk)
    assert lab_money(world) == (500, RESERVED, 0)


def test_an_ended_contract_gives_back_what_it_did_not_use() -> None:
    world = build(funded=300_000)
    approve(hours(world, 20_000, source="tme_1"))
    with platform():
        assert completion.blockers(project=world.contract.project) == ["Money is reserved for 1 contract."]
        for _ in range(2):
            reservations.release_contract(contract=world.contract, now=MONDAY)
        assert completion.blockers(project=world.contract.project) == []
    assert lab_money(world) == (280_000, 0, 0)
    approve(hours(world, 5_000, source="tme_2"))
    assert lab_money(world) == (275_000, 0, 0)


def test_a_correction_reverses_exactly_and_posts_anew() -> None:
    world = build(funded=300_000)
    first = hours(world, 10_000, fee=3_000, source="tme_1")
    approve(first)
    with platform():
        reservations.release_contract(contract=world.contract, now=MONDAY)
        corrected = replace(first, gross_minor=8_000, fee_minor=2_400, seq=1)
        postings.time_corrected(corrected=corrected, correction_id="adj_1", now=MONDAY)
    assert payable(world) == 8_000
    assert lab_money(world) == (300_000 - 10_400, 0, 0)
    with platform():
        former, reversal, anew = JournalEntry.objects.filter(kind__in=["time_approved", "time_reversed"]).order_by("id")
        assert reversal.reverses == former
        assert anew.seq == 1


def test_a_holdback_waits_its_days() -> None:
    world = build(funded=300_000, holdback_bp=1_000)
    with platform():
        (entry,) = time_entries.log(
            contract=world.contract,
            activity="task",
            claim=None,
            started_at=MONDAY,
            ended_at=MONDAY + dt.timedelta(hours=1),
            reason="no timer at hand",
            now=MONDAY + dt.timedelta(hours=2),
        )
        week_over = MONDAY + dt.timedelta(days=7)
        sheet = timesheets.submit(timesheet=entry.timesheet, by=hours_world.PLATFORM, now=week_over)
        timesheets.approve(timesheet=sheet, decided_by=world.member, by=hours_world.PLATFORM, now=week_over)
    held = accounts.holdback(world.expert.pk, "USD")
    assert (payable(world), balance(held)) == (9_900, 1_100)
    with platform():
        assert holdbacks.release_due(now=week_over + dt.timedelta(days=29)) == 0
        assert holdbacks.release_due(now=week_over + dt.timedelta(days=30)) == 1
        assert holdbacks.release_due(now=week_over + dt.timedelta(days=31)) == 0
    assert (payable(world), balance(held)) == (11_000, 0)


def test_a_bonus_needs_money_unless_the_platform_pays() -> None:
    world = build(funded=RESERVED + 1_000)
    bonus = ExpertPay("adj_1", world.expert.pk, "USD", 1_000, MONDAY, tenant_id=world.tenant.pk, fee_minor=300)
    with pytest.raises(InsufficientFunds) as refused, platform():
        beside_postings.bonuses_paid(bonuses=[bonus], now=MONDAY)
    assert refused.value.extra["available"] == {"amount": "10.00", "currency": "USD"}
    assert payable(world) == 0
    with platform():
        beside_postings.bonuses_paid(bonuses=[replace(bonus, tenant_id=None, fee_minor=0)], now=MONDAY)
    assert payable(world) == 1_000
    assert lab_money(world) == (1_000, RESERVED, 0)


def test_a_clawback_may_leave_less_than_nothing_and_is_netted() -> None:
    world = build(funded=300_000)
    approve(hours(world, 10_000, source="tme_1"))
    with platform():
        beside_postings.clawback(
            pay=ExpertPay("adj_1", world.expert.pk, "USD", 12_000, MONDAY, world.tenant.pk), now=MONDAY
        )
    assert payable(world) == -2_000
    approve(hours(world, 5_000, source="tme_2"))
    assert payable(world) == 3_000


def test_contested_pay_waits_aside() -> None:
    world = build(funded=300_000)
    approve(hours(world, 10_000, fee=3_000, source="tme_1"))
    dispute = ExpertPay("dsp_1", world.expert.pk, "USD", 4_000, MONDAY, tenant_id=world.tenant.pk, fee_minor=1_200)
    available = lab_money(world)[0]
    with platform():
        beside_postings.dispute_opened(dispute=dispute, now=MONDAY)
    assert payable(world) == 6_000
    assert balance(accounts.holdback(world.expert.pk, "USD")) == 4_000
    with platform():
        beside_postings.dispute_resolved(dispute=dispute, now=MONDAY)
    assert payable(world) == 10_000
    assert lab_money(world)[0] == available
    assert balance(accounts.holdback(world.expert.pk, "USD")) == 0


def test_hours_in_a_sandbox_are_never_owed_for_real() -> None:
    world = build(funded=300_000)
    Tenant.objects.filter(pk=world.tenant.pk).update(live=Tenant.objects.create(name="Live"))
    approve(hours(world, 10_000, source="tme_1"))
    assert payable(world) == 0
    assert balance(accounts.payable(world.expert.pk, "USD", sandbox=True)) == 10_000


def test_money_that_the_bank_took_back_is_owed() -> None:
    lab, finance = ledger_story.new_lab(funded=1_000), ledger_story.new_user()
    with platform():
        row = funding.reverse(funding=Funding.objects.get(), reason="chargeback", by=finance, now=MONDAY)
        assert row.status == "reversed"
    with platform(), pytest.raises(DomainError):
        funding.reverse(funding=row, reason="again", by=finance, now=MONDAY)
    assert ledger_story.prepaid(lab) == 0


def test_unused_money_goes_back_to_the_lab_once() -> None:
    lab, finance = ledger_story.new_lab(funded=1_000), ledger_story.new_user()
    expert = ledger_story.new_expert(ready=False)
    ledger_story.earn(expert, 300, lab=lab, fee=100)
    with platform():
        paid_in = Funding.objects.get()
        made = refunds.refund(funding=paid_in, reason="The project ended.", by=finance, now=MONDAY)
    assert (made.amount_minor, ledger_story.prepaid(lab)) == (600, 0)
    with pytest.raises(DomainError) as refused, platform():
        refunds.refund(funding=paid_in, reason="once more", by=finance, now=MONDAY)
    assert refused.value.code == "nothing_to_refund"


def test_no_more_is_given_back_than_was_paid_in_by_that_funding() -> None:
    lab, finance = ledger_story.new_lab(funded=1_000), ledger_story.new_user()
    with platform():
        paid_in = Funding.objects.get()
        funding.announce(tenant_id=lab.pk, amount=Money(500, "USD"), by=hours_world.PLATFORM, now=MONDAY)
        refunds.refund(funding=paid_in, reason="unused", by=finance, now=MONDAY)
    assert ledger_story.prepaid(lab) == 500


def test_a_transfer_that_does_not_come_is_closed() -> None:
    lab, finance = ledger_story.new_lab(), ledger_story.new_user()
    with platform():
        row = Funding.objects.create(
            tenant=lab, amount_minor=5, currency="USD", provider="bank", reference="CDR-1", requested_by="tests"
        )
        funding.fail(funding=row, reason="no transfer", by=finance, now=MONDAY)
    with pytest.raises(DomainError), platform():
        funding.confirm(funding=row, by=finance, now=MONDAY)
    assert ledger_story.prepaid(lab) == 0


def test_ledger_verify_says_that_all_holds() -> None:
    approve(hours(build(funded=300_000), 10_000, fee=3_000, source="tme_1"))
    out = StringIO()
    call_command("ledger_verify", stdout=out)
    assert "Trial balance USD: 0" in out.getvalue()


def test_ledger_verify_names_what_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [ledger_findings.Finding("balance_row", "The balance of x says 1, its legs sum to 2.")]
    monkeypatch.setattr(ledger_findings, "findings", lambda: broken)
    with pytest.raises(CommandError, match="1 findings"):
        call_command("ledger_verify", stderr=StringIO())
    monkeypatch.undo()


def test_fees_of_a_sandbox_are_nobodys_income() -> None:
    expert = ledger_story.new_expert()
    with platform():
        sandbox = Tenant.objects.create(name="Play", live=Tenant.objects.create(name="Real"))
        funding.announce(tenant_id=sandbox.pk, amount=Money(10_000, "USD"), by=ledger_story.SYSTEM, now=MONDAY)
    ledger_story.earn(expert, 1_000, lab=sandbox, fee=300)
    with platform():
        bonus = ExpertPay("adj_1", expert.pk, "USD", 500, MONDAY, tenant_id=sandbox.pk, fee_minor=150)
        beside_postings.bonuses_paid(bonuses=[bonus], now=MONDAY)
        earned = Posting.objects.filter(account__kind="fee_income").values_list("account__key", "amount")
        assert sorted(earned) == [("fee_income:sandbox:USD", 150), ("fee_income:sandbox:USD", 300)]
    assert ledger_story.owed(expert) == 0
