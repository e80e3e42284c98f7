"""Where sending, tracking and reconciliation meet: fees, money that came back, silence, and answers that come late."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from payments import jobs
from payments.models import (
    BankCharge,
    BankFile,
    BankMessage,
    DayClose,
    InboundEvent,
    Payout,
    ProviderEntry,
    ReconciliationItem,
    SendingLatch,
)
from payments.operations.rails import inbox, payouts, sending, tracking
from payments.providers import iso20022
from payments.providers.port import Answer, Verdict
from payments.providers.sandbox import SandboxProvider
from tests.payments import bank_world
from tests.payments import ledger_story as story
from tests.payments.bank_world import GOOD, Bank, paid_run, we_collect, we_send
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.stripe_world import (
    AMOUNT,
    DAY,
    HOUR,
    MINUTE,
    assert_the_books_hold,
    attempts,
    break_once,
    fake,
    paid_once,
    start,
    the_payout,
    to_be_paid,
    work,
)
from tests.payments.test_bank_messages import entry, leave, statement
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["fake"]


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = bank_world.open_bank(settings, tmp_path)
    settings.FUNDING_SETTLES_AT_ONCE = False
    yield bank
    bank.close()


def reconcile(at: dt.datetime) -> None:
    with clock.frozen(at):
        jobs.reconcile()


def items() -> list[tuple[str, str]]:
    return list(ReconciliationItem.objects.order_by("pk").values_list("kind", "status"))


class TestStripe:
    def test_what_was_paid_and_failed_later_is_no_open_difference(self, fake: Fake, settings: Settings) -> None:
        to_be_paid(fake)
        now = start()
        work(now)
        fake.books.settle()
        work(now + HOUR)
        reconcile(now + HOUR)
        (payout_id,) = fake.books.payouts
        fake.books.fail_payout(payout_id, "account_closed")
        for days in (3, 4):
            work(now + days * DAY, settle=True)
        assert the_payout().status == "returned"
        for days in (4, 5 + settings.RECONCILE_GRACE_DAYS):
            reconcile(now + days * DAY)
        assert items() == []
        kinds = ProviderEntry.objects.order_by("pk").values_list("kind", "amount_minor")
        assert list(kinds) == [("payout", -AMOUNT), ("return", AMOUNT)]
        assert set(DayClose.objects.values_list("status", flat=True)) == {"closed"}
        assert_the_books_hold()

    def test_a_fee_is_booked_once_whoever_reads_it_first(self, fake: Fake) -> None:
        fake.books.fee = 25
        to_be_paid(fake)
        now = start()
        work(now)
        fake.books.settle()
        work(now + HOUR)
        reconcile(now + HOUR)  # before the tracker's hourly round
        work(now + 2 * HOUR, settle=True)
        reconcile(now + 2 * HOUR)
        assert list(BankCharge.objects.values_list("amount_minor", flat=True)) == [25]
        assert (items(), ProviderEntry.objects.filter(journal_entry=None).count()) == ([], 0)

    def test_the_fee_of_a_transfer_that_failed_is_no_open_difference(self, fake: Fake, settings: Settings) -> None:
        fake.books.fee = 25
        to_be_paid(fake)
        now = start()
        work(now)
        (payout_id,) = fake.books.payouts
        fake.books.fail_payout(payout_id, "no_account")
        work(now + HOUR, settle=True)
        assert (the_payout().status, BankCharge.objects.count()) == ("failed", 1)
        for days in (1, 2 + settings.RECONCILE_GRACE_DAYS):
            reconcile(now + days * DAY)
        assert items() == []

    def test_no_day_closes_while_stripe_is_silent(self, fake: Fake) -> None:
        to_be_paid(fake)
        now = start()
        work(now)
        fake.books.settle()
        work(now + HOUR, settle=True)
        reconcile(now + HOUR)
        break_once(fake, "dropped_executed", match="GET /v1/balance_transactions", times=5)
        reconcile(now + 2 * DAY)
        assert not DayClose.objects.exists()
        fake.faults.clear()
        reconcile(now + 2 * DAY)
        assert set(DayClose.objects.values_list("status", flat=True)) == {"closed"}

    def test_the_other_mode_of_stripe_neither_stops_us_nor_is_believed(self, fake: Fake, settings: Settings) -> None:
        """A staging system in test mode, at the same Stripe, whose payouts this database never heard of."""
        about = {"id": "tr_x", "object": "transfer", "metadata": {"cadre_key": "pay_01k9w3v6z8f2qr5t4h7xnm0ceg-1"}}
        event = {"id": "evt_test", "type": "transfer.created", "livemode": True, "data": {"object": about}}
        raw, signature = fake.sign(event)
        with unit_of_work(SYSTEM):
            inbox.deliver(provider="stripe_connect", raw=raw, headers={"Stripe-Signature": signature}, now=start())
        inbox.handle_due(now=start())
        assert InboundEvent.objects.get().status == "ignored"
        assert not SendingLatch.objects.filter(is_open=False).exists()

    def test_a_key_in_use_is_asked_about_again_and_moves_money_once(self, fake: Fake) -> None:
        """Another request under the key still runs at Stripe: 409 says so, and proves nothing else."""
        to_be_paid(fake)
        now = start()
        entered, leave_it = threading.Event(), threading.Event()
        make = fake.books.create_transfer

        def slowly(params: dict[str, object]) -> dict[str, object]:
            entered.set()
            fake.books.lock.release()
            leave_it.wait(20)
            fake.books.lock.acquire()
            return make(params)

        fake.books.create_transfer = slowly  # type: ignore[method-assign]  # the pretended provider, out of breath
        with clock.frozen(now):
            jobs.send_payouts()  # the client gives up while Stripe is at it
        assert entered.is_set()
        assert the_payout().status == "unknown"
        work(now + 2 * MINUTE)
        work(now + 4 * MINUTE)
        assert [asked.answer for asked in fake.posts("/v1/transfers")][1:] == [409]
        assert (the_payout().status, attempts()) == ("ready", [(1, "unknown", "APIConnectionError")])
        leave_it.set()
        for minutes in (10, 20, 30):
            work(now + minutes * MINUTE)
        assert [n for n, _outcome, _code in attempts()] == [1]
        assert paid_once(fake)


class TestBodies:
    def test_what_old_events_said_is_forgotten_and_that_they_came_is_not(self, fake: Fake, settings: Settings) -> None:
        settings.INBOUND_BODIES_KEPT_DAYS = 30
        for number, (status, days) in enumerate([("handled", 31), ("ignored", 31), ("failed", 31), ("handled", 29)]):
            InboundEvent.objects.create(
                provider="stripe_connect",
                event_id=f"evt_{number}",
                kind="payout.paid",
                raw=b"{}",
                status=status,
                received_at=NOW - days * DAY,
                next_attempt_at=NOW,
            )
        with clock.frozen(NOW):
            jobs.forget_event_bodies()
        kept = InboundEvent.objects.order_by("pk").values_list("raw", flat=True)
        assert [bytes(raw) for raw in kept] == [b"", b"", b"{}", b"{}"]
        with unit_of_work(SYSTEM):
            again = inbox.receive(provider="stripe_connect", event_id="evt_0", kind="payout.paid", raw=b"{}", now=NOW)
        assert (again.status, InboundEvent.objects.count()) == ("handled", 4)


class TestSending:
    def test_a_refusal_of_a_key_that_was_sent_again_meanwhile_proves_nothing(self) -> None:
        """The first sender slept; the second one's order stands at the provider when the refusal is told."""
        ada = story.new_expert()
        story.earn(ada, AMOUNT, lab=story.new_lab(funded=100_000))
        story.released_run()
        with unit_of_work(SYSTEM):
            first, _rows = sending.take(now=NOW)
        tracking.track_due(now=NOW + 2 * MINUTE)
        with unit_of_work(SYSTEM):
            second, _rows = sending.take(now=NOW + 2 * MINUTE)
        answers = SandboxProvider().submit(second.orders, now=NOW + 2 * MINUTE)
        refusal = Answer(answers[0].key, Verdict.REJECTED, code="AC04")
        with unit_of_work(SYSTEM):
            sending.record([refusal], sends=first.sends, now=NOW + 2 * MINUTE)
        assert (the_payout().status, story.owed(ada)) == ("sending", 0)
        with unit_of_work(SYSTEM):
            sending.record(answers, sends=second.sends, now=NOW + 2 * MINUTE)
        assert the_payout().status == "submitted"


class TestBank:
    @pytest.mark.parametrize("word", ["NONREF", "NOTPROVIDED", ""])
    def test_banks_that_give_no_reference_tell_of_different_movements(self, word: str) -> None:
        """The same placeholder, and the same number within each message, on two days."""
        numbered = entry("1.00", reference=word, text="a").replace("<Ntry>", "<Ntry><NtryRef>1</NtryRef>")
        (monday,) = iso20022.read(statement(numbered, closing="1.00")).reports
        later = statement(numbered, closing="2.00", opening="1.00", day="2026-11-17", number=2)
        (tuesday,) = iso20022.read(later.replace(b"<BookgDt><Dt>2026-11-16", b"<BookgDt><Dt>2026-11-17")).reports
        assert monday.entries[0].reference != tuesday.entries[0].reference

    def test_a_statement_id_that_begins_anew_is_read(self, bank: Bank) -> None:
        first = statement(entry("1.00", reference="A"), closing="1.00")
        second = statement(entry("2.00", reference="B"), opening="1.00", closing="3.00", day="2026-11-17", number=2)
        leave(bank, "a.xml", first.replace(b"<Id>S1-2026-11-16", b"<Id>1"))
        leave(bank, "b.xml", second.replace(b"<Id>S2-2026-11-17", b"<Id>1"))
        we_collect(NOW + 2 * DAY)
        assert set(BankMessage.objects.values_list("status", flat=True)) == {"applied"}
        assert ProviderEntry.objects.filter(kind="credit").count() == 2

    def test_a_file_whose_transfers_were_booked_is_not_handed_over_again(self, bank: Bank) -> None:
        """The sender died over it; the bank has executed it, and might execute it again."""
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        BankFile.objects.update(status="sending")
        bank.read_our_files()
        bank.sleep()
        for path in bank.waiting():
            if b"CstmrPmtStsRpt" in path.read_bytes():
                path.unlink()
        we_collect(NOW + DAY)
        assert bank_world.transfers() == ["booked"]
        assert [path.name for path in bank.out.iterdir() if path.is_file()] == []
        assert (BankFile.objects.get().status, BankFile.objects.get().deliveries) == ("handed_over", 1)

    def test_what_is_executed_after_its_refusal_stays_a_difference_although_the_payout_was_sent_anew(
        self, bank: Bank
    ) -> None:
        bank.behave("ACME", behaviour="reject-file")
        (payout,) = paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        bank.read_our_files()
        we_collect(NOW + HOUR)
        bank.behave("ACME", behaviour="accept", parameters={})
        story.act(payouts.retry, payout=payout, now=NOW + HOUR)
        we_send(NOW + HOUR)
        bank.read_our_files()
        we_collect(NOW + 2 * HOUR)
        assert bank_world.statuses() == ["paid"]
        first = Payout.objects.get().attempts.order_by("n")[0].idem_key.replace("_", ".")
        late = entry("200.00", side="DBIT", reference="LATE-1", e2e=first, code="ESCT")
        camt = statement(late, opening="0.00", closing="0.00", number=9, day="2026-11-15")
        leave(bank, "late.xml", camt)
        we_collect(NOW + 3 * HOUR)
        mine = ReconciliationItem.objects.filter(reference="LATE-1")
        assert list(mine.values_list("kind", "status")) == [("conflict", "open")]
        assert ProviderEntry.objects.get(reference="LATE-1").journal_entry is None


def test_rounds_that_stood_still_for_longer_than_they_look_back_miss_nothing() -> None:
    """An outage of four weeks: the provider is asked since the first payment that it never told us of."""
    ada = story.new_expert(account="acct-ada")
    story.earn(ada, 20_000, lab=story.new_lab(funded=20_000))
    story.released_run()
    story.send_and_track()
    for later in (NOW + dt.timedelta(days=28), NOW + dt.timedelta(days=29)):
        reconcile(later)
    assert items() == []
    with unit_of_work(SYSTEM):
        assert ProviderEntry.objects.get(provider="sandbox").journal_entry is not None
        assert not DayClose.objects.exclude(status=DayClose.Status.CLOSED).exists()
        assert DayClose.objects.exists()
