"""Euros by file, end to end against an independent bank: what leaves us, what it answers, and what our books say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from pytest_django import Settings

from core.public import unit_of_work
from experts.public import Notice
from payments.models import BankFile, BankTransfer, Payout, PayoutAttempt
from payments.operations.bank import bank_files, provider_books
from payments.operations.bank.bank_files import AlreadyBooked
from payments.operations.rails import payouts, sending
from payments.providers.bank_channel import DirectoryChannel, NotDelivered
from payments.providers.port import Standing
from payments.providers.sepa_file import SepaFileProvider
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import (
    CLOSED,
    DAY,
    GOOD,
    HOUR,
    NO_SUCH_BANK,
    OPENING,
    Bank,
    our_cash,
    paid_run,
    statuses,
    we_collect,
    we_send,
)
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


def test_a_payout_goes_out_is_booked_and_the_day_closes(bank: Bank) -> None:
    paid_run(bank, ("Zoë Łukasz & Söhne", GOOD, 20_000), ("Bob", GOOD, 12_345))
    we_send()
    assert statuses() == ["in_transit", "in_transit"]
    assert bank.read_our_files() == ["ACCP"]
    assert len(bank.movements()) == 2
    we_collect(NOW + HOUR)
    assert statuses() == ["paid", "paid"]
    assert (our_cash(), bank.balance()) == (0, OPENING - 32_345)
    bank.sleep()
    we_collect(NOW + DAY)
    assert world.open_items() == ["opening_balance"]
    world.take_over_opening()
    bank.sleep()
    we_collect(NOW + 2 * DAY)
    assert world.days() == [("2026-11-16", "closed", ""), ("2026-11-17", "closed", "")]
    assert our_cash() == bank.balance()


def test_the_file_is_committed_sealed_and_names_no_account_in_our_tables(bank: Bank) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    file = BankFile.objects.get()
    (path,) = bank.out.glob("*.xml")
    assert path.read_bytes() == bank_files.opened(file)
    assert GOOD.encode() in path.read_bytes()
    assert GOOD.encode() not in bytes(file.sealed_content)
    assert (path.stat().st_mode & 0o777, file.status, file.deliveries) == (0o600, "handed_over", 1)
    transfer = BankTransfer.objects.get()
    assert (transfer.account, transfer.end_to_end_id) == ("NL••••0005", transfer.key.replace("_", "."))


def test_a_run_goes_in_one_file(bank: Bank) -> None:
    paid_run(bank, *((f"Payee {n}", GOOD, 1_000 + n) for n in range(28)))
    we_send()
    assert bank.read_our_files() == ["ACCP"]
    we_collect(NOW + HOUR)
    assert (set(statuses()), BankFile.objects.get().orders, len(bank.movements())) == ({"paid"}, 28, 28)


def test_two_accepted_and_one_closed_account(bank: Bank) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", CLOSED, 10_000), ("Cem", GOOD, 5_000))
    we_send()
    assert bank.read_our_files() == ["PART"]
    we_collect(NOW + HOUR)
    assert statuses() == ["paid", "failed", "paid"]
    bob = Payout.objects.get(status="failed")
    assert (bob.reason_code, story.owed(bob.expert, "EUR")) == ("AC04", 10_000)
    assert list(Notice.objects.filter(kind="payout.failed").values_list("expert", flat=True)) == [bob.expert_id]
    assert sum(minor for _id, minor in bank.movements()) == 25_000
    assert BankFile.objects.get().status == "accepted"


def test_the_same_file_delivered_twice_moves_money_once(bank: Bank) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    (path,) = bank.out.glob("*.xml")
    copy = path.read_bytes()
    assert bank.read_our_files() == ["ACCP"]
    (bank.out / "again.xml").write_bytes(copy)
    assert bank.read_our_files() == ["RJCT"]
    we_collect(NOW + HOUR)
    assert (statuses(), bank.movements()) == (["paid"], [(BankTransfer.objects.get().end_to_end_id, 20_000)])
    assert BankFile.objects.get().status == "accepted"


def test_a_duplicate_s_refusal_that_comes_first_fails_nobody(bank: Bank) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    (path,) = bank.out.glob("*.xml")
    copy = path.read_bytes()
    bank.read_our_files()
    first = bank.hold_back("pain.002", "camt")
    (bank.out / "again.xml").write_bytes(copy)
    bank.read_our_files()
    we_collect(NOW + HOUR)
    assert statuses() == ["in_transit"]
    world.give_back(first)
    we_collect(NOW + 2 * HOUR)
    assert (statuses(), len(bank.movements())) == (["paid"], 1)


@pytest.mark.parametrize("obstacle", [RuntimeError, SoftTimeLimitExceeded])
def test_a_file_that_cannot_be_handed_over_stops_no_other(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, settings: Settings, obstacle: type[Exception]
) -> None:
    deliver = DirectoryChannel.deliver

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    settings.PAYOUT_BATCHES = {}
    monkeypatch.setattr(sending, "BATCH", 1)
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", GOOD, 10_000))
    for _name in ("Ada", "Bob"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(DirectoryChannel, "deliver", die)
            we_send()
    first, second = BankFile.objects.order_by("pk")
    assert (first.status, second.status) == ("sending", "sending")

    def fail_first(self: DirectoryChannel, name: str, content: bytes) -> None:
        if first.message_id in name:
            raise obstacle
        deliver(self, name, content)

    monkeypatch.setattr(DirectoryChannel, "deliver", fail_first)
    for ticks in (1, 2):  # whoever has no time left for the first begins with the second next time
        with suppress(SoftTimeLimitExceeded):
            provider_books.read_bank(now=NOW + ticks * HOUR)
    assert list(BankFile.objects.order_by("pk").values_list("status", flat=True)) == ["sending", "handed_over"]


def test_a_death_after_the_hand_over_hands_the_same_bytes_over_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    deliver = DirectoryChannel.deliver

    def die(self: DirectoryChannel, name: str, content: bytes) -> None:
        deliver(self, name, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(DirectoryChannel, "deliver", die)
    with pytest.raises(KeyboardInterrupt):
        we_send()
    monkeypatch.undo()
    assert (statuses(), BankFile.objects.get().status) == (["sending"], "sending")
    assert bank.read_our_files() == ["ACCP"]
    held = bank.hold_back("pain.002", "camt")
    provider_books.read_bank(now=NOW + HOUR)
    assert bank.read_our_files() == ["RJCT"]
    world.give_back(held)
    we_collect(NOW + 2 * HOUR)
    we_collect(NOW + 3 * HOUR)
    assert (statuses(), len(bank.movements())) == (["paid"], 1)
    assert (BankFile.objects.count(), BankFile.objects.get().deliveries, PayoutAttempt.objects.count()) == (1, 2, 1)


def test_a_channel_that_provably_failed_is_tried_again(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))

    def broken(*_args: object) -> None:
        raise NotDelivered("disk full")

    monkeypatch.setattr(DirectoryChannel, "deliver", broken)
    we_send()
    assert (statuses(), BankFile.objects.get().status) == (["ready"], "written")
    monkeypatch.undo()
    we_send(NOW + HOUR)
    assert bank.read_our_files() == ["ACCP"]
    we_collect(NOW + 2 * HOUR)
    assert (statuses(), len(bank.movements()), BankFile.objects.count()) == (["paid"], 1, 1)


def test_a_key_is_barred_only_where_nobody_can_have_the_file(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", GOOD, 10_000))

    def broken(*_args: object) -> None:
        raise NotDelivered("disk full")

    monkeypatch.setattr(DirectoryChannel, "deliver", broken)
    we_send()
    monkeypatch.undo()
    ada, bob = BankTransfer.objects.order_by("pk")
    provider = SepaFileProvider()
    assert provider.lookup([ada.key], now=NOW) == {}
    assert provider.cancel(ada.key, now=NOW).standing is Standing.CANCELLED
    assert (world.transfers(), BankFile.objects.get().status) == (["barred", "waiting"], "withdrawn")
    we_send(NOW + HOUR)  # Bob goes in a file of his own, Ada under a new key
    assert bank.read_our_files() == ["ACCP", "ACCP"][: len(list((bank.out / "processed").glob("*.xml"))) or 2]
    assert provider.cancel(bob.key, now=NOW).standing is not Standing.CANCELLED
    we_send(NOW + 2 * HOUR)
    bank.read_our_files()
    we_collect(NOW + 3 * HOUR)
    assert statuses() == ["paid", "paid"]
    assert sorted(minor for _id, minor in bank.movements()) == [10_000, 20_000]
    assert ada.end_to_end_id not in dict(bank.movements())


def test_money_that_comes_back_three_days_later(bank: Bank) -> None:
    bank.behave("ACME", behaviour="return-later", parameters={"days": 3, "reason": "MD07"})
    (payout,) = paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    bank.read_our_files()
    we_collect(NOW + HOUR)
    assert (statuses(), our_cash(), bank.balance()) == (["paid"], 0, OPENING - 20_000)
    for day in range(1, 4):
        bank.sleep()
        we_collect(NOW + day * DAY)
    assert (statuses(), our_cash(), bank.balance()) == (["returned"], 20_000, OPENING)
    payout.refresh_from_db()
    assert (payout.reason_code, story.owed(payout.expert, "EUR")) == ("MD07", 20_000)
    world.take_over_opening(NOW + 3 * DAY)
    bank.sleep()
    we_collect(NOW + 4 * DAY)
    assert {status for _day, status, _why in world.days()} == {"closed"}
    assert our_cash() == bank.balance()


def test_a_file_refused_as_a_whole_is_sent_anew_by_a_person(bank: Bank) -> None:
    bank.behave("ACME", behaviour="reject-file")
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", GOOD, 10_000))
    we_send()
    assert bank.read_our_files() == ["RJCT"]
    we_collect(NOW + HOUR)
    assert (statuses(), bank.movements()) == (["failed", "failed"], [])
    assert BankFile.objects.get().status == "rejected"
    bank.behave("ACME", behaviour="accept", parameters={})
    for payout in Payout.objects.order_by("pk"):
        story.act(payouts.retry, payout=payout, now=NOW + HOUR)
    we_send(NOW + HOUR)
    assert bank.read_our_files() == ["ACCP"]
    we_collect(NOW + 2 * HOUR)
    assert (statuses(), len(bank.movements())) == (["paid", "paid"], 2)


def test_a_bank_that_does_not_resolve(bank: Bank) -> None:
    paid_run(bank, ("Ada", NO_SUCH_BANK, 20_000))
    we_send()
    bank.read_our_files()
    we_collect(NOW + HOUR)
    assert (statuses(), Payout.objects.get().reason_code) == (["failed"], "RC01")


def test_silence_alarms_and_a_person_may_give_the_file_up(bank: Bank) -> None:
    (payout,) = paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    for path in bank.out.glob("*.xml"):
        path.unlink()  # the bank never got it
    with unit_of_work(SYSTEM):
        assert provider_books.alarm(now=NOW + 2 * DAY) == []
        assert provider_books.alarm(now=NOW + 4 * DAY) == ["bank_file_without_answer"]
        bank_files.never_arrived(
            file=BankFile.objects.get(), reason="Letter of the bank.", by=story.new_user("Fin"), now=NOW + 4 * DAY
        )
    assert statuses() == ["in_transit"]
    we_send(NOW + 4 * DAY + HOUR)
    assert (statuses(), story.owed(payout.expert, "EUR"), bank.movements()) == (["failed"], 20_000, [])


def test_what_was_booked_cannot_be_given_up(bank: Bank) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    bank.read_our_files()
    we_collect(NOW + HOUR)
    with pytest.raises(AlreadyBooked), unit_of_work(SYSTEM):
        bank_files.never_arrived(file=BankFile.objects.get(), reason="No.", by=story.new_user("Fin"), now=NOW + HOUR)
    assert statuses() == ["paid"]
