"""Files that went wrong wait at the desk, with the reason and what to do next, until somebody has done it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from payments.models import BankFile, BankMessage, Payout, PayoutDecision, ProviderEntry
from payments.operations.bank import provider_books, reconciliation
from tests.payments import bank_world as world
from tests.payments.bank_world import CLOSED, DAY, GOOD, HOUR, Bank, paid_run, statuses, we_collect, we_send
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_bank_messages import entry, leave, report, statement
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
CLERK = ("handle_bankfile", "decide_payout")
FOREIGN = "NL14MOCK0000000002"


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


@pytest.fixture
def clerk() -> Desk:
    return Desk(*CLERK)


def page(desk: Desk, path: str, at: Any = NOW) -> str:
    with clock.frozen(at):
        answer = desk.client.get(path)
    assert answer.status_code == 200, path
    return html.unescape(answer.content.decode())


def act(desk: Desk, model: str, action: str, pk: int, *, at: Any = NOW, **fields: str) -> str:
    with clock.frozen(at):
        answer = desk.act(model, action, pk, confirmed="1", **fields)
    return html.unescape(str(answer.content.decode()))


def refused_message(bank: Bank, name: str, content: bytes) -> BankMessage:
    leave(bank, name, content)
    provider_books.read_bank(now=NOW)
    return BankMessage.objects.get(name=name, status="refused")


def test_a_refused_file_stands_in_the_queue_until_somebody_says_what_was_done(bank: Bank, clerk: Desk) -> None:
    assert "Every file was handed over, answered and applied." in page(clerk, "/admin/finance/")
    row = refused_message(bank, "cut.xml", b"<Document")
    assert "Files from the bank to look into (1)" in page(clerk, "/admin/")
    finance = page(clerk, "/admin/finance/")
    assert "Files from the bank: malformed" in finance
    assert "Ask the bank to send it again" in finance
    listed = page(clerk, "/admin/payments/bankmessage/?waits=yes&problem=malformed")
    assert "cut.xml" in listed
    assert "Ask the bank to send it again" in listed
    assert "Ask the bank to send it again" in page(clerk, f"/admin/payments/bankmessage/{row.pk}/change/")
    assert "confirm" in act(clerk, "bankmessage", "settle", row.pk)  # no reason, no act
    assert BankMessage.objects.get().handled_at is None
    act(clerk, "bankmessage", "settle", row.pk, reason="Sent anew as full.xml.")
    row.refresh_from_db()
    assert (row.status, row.handled_by, row.handled_at) == ("refused", clerk.user, NOW)
    assert row.handled_note == "Sent anew as full.xml."
    assert "cut.xml" not in page(clerk, "/admin/payments/bankmessage/?waits=yes")
    assert "Every file was handed over, answered and applied." in page(clerk, "/admin/finance/")
    assert "Nothing is left to do" in act(clerk, "bankmessage", "settle", row.pk, reason="Twice.")
    assert "Nothing is left to do" in act(clerk, "bankmessage", "read_again", row.pk)
    row.refresh_from_db()
    assert row.handled_note == "Sent anew as full.xml."


def test_a_file_is_read_again_once_what_stood_in_the_way_is_mended(bank: Bank, clerk: Desk, settings: Settings) -> None:
    settings.BANK_ACCOUNT_IBAN = FOREIGN
    row = refused_message(bank, "day.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    assert "BANK_ACCOUNT_IBAN" in page(clerk, "/admin/payments/bankmessage/?waits=yes")
    assert "wrong_account" in act(clerk, "bankmessage", "read_again", row.pk)
    assert (BankMessage.objects.count(), ProviderEntry.objects.count()) == (1, 0)
    settings.BANK_ACCOUNT_IBAN = world.OURS
    act(clerk, "bankmessage", "read_again", row.pk)
    provider_books.read_bank(now=NOW)
    fresh = BankMessage.objects.exclude(pk=row.pk).get()
    row.refresh_from_db()
    assert (fresh.status, fresh.brought_by, fresh.bringer) == ("applied", row.brought_by, None)
    assert (row.status, row.handled_by) == ("refused", clerk.user)
    assert fresh.public_id in row.handled_note
    assert list(ProviderEntry.objects.values_list("reference", flat=True)) == ["B1"]
    assert not BankMessage.objects.waiting().exists()


def test_what_was_not_kept_is_brought_by_hand(bank: Bank, clerk: Desk, settings: Settings) -> None:
    settings.BANK_FILE_MOST_BYTES = 100
    row = refused_message(bank, "big.xml", b" " * 101)
    assert "bring it by hand" in page(clerk, "/admin/payments/bankmessage/?waits=yes")
    assert "not kept" in act(clerk, "bankmessage", "read_again", row.pk)


def test_a_second_copy_asks_for_nothing_and_a_number_used_twice_does(bank: Bank, clerk: Desk) -> None:
    content = statement(entry("10.00", reference="B1"), closing="10.00")
    for name, copy in (("1.xml", content), ("2.xml", content), ("3.xml", content + b"\n")):
        leave(bank, name, copy)
    provider_books.read_bank(now=NOW)
    listed = page(clerk, "/admin/payments/bankmessage/?waits=yes")
    assert ("3.xml" in listed, "2.xml" in listed) == (True, False)
    assert "gave two different files one number" in listed


def test_a_file_that_cannot_be_applied_tells_why_and_is_applied_or_given_up(
    bank: Bank, clerk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_fields: object) -> int:
        raise ZeroDivisionError(world.OURS)

    monkeypatch.setattr(reconciliation, "take_report", fail)
    leave(bank, "1.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    provider_books.read_bank(now=NOW)
    provider_books.read_bank(now=NOW)
    row = BankMessage.objects.get()
    assert (row.status, row.problem, row.detail) == ("received", "cannot_apply", "ZeroDivisionError")
    assert "Mend the cause and apply it" in page(clerk, "/admin/finance/")
    assert "ZeroDivisionError" in act(clerk, "bankmessage", "apply_again", row.pk)
    assert ProviderEntry.objects.count() == 0
    monkeypatch.undo()
    act(clerk, "bankmessage", "apply_again", row.pk)
    row.refresh_from_db()
    assert (row.status, row.problem, ProviderEntry.objects.count()) == ("applied", "", 1)
    assert "Nothing is left to do" in act(clerk, "bankmessage", "give_up", row.pk, reason="No.")
    assert "Nothing is left to do" in act(clerk, "bankmessage", "apply_again", row.pk)
    assert ProviderEntry.objects.count() == 1

    monkeypatch.setattr(reconciliation, "take_report", fail)
    leave(
        bank,
        "2.xml",
        statement(entry("5.00", reference="B2"), number=2, day="2026-11-17", opening="10.00", closing="15.00"),
    )
    provider_books.read_bank(now=NOW)
    second = BankMessage.objects.get(name="2.xml")
    act(clerk, "bankmessage", "give_up", second.pk, reason="The bank sends it anew tomorrow.")
    second.refresh_from_db()
    assert (second.status, second.problem, second.handled_by) == ("refused", "given_up", clerk.user)
    assert not BankMessage.objects.waiting().exists()


def test_payouts_of_a_refused_file_are_sent_again_by_two_people(bank: Bank, clerk: Desk) -> None:
    bank.behave("ACME", behaviour="reject-file")
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", GOOD, 10_000))
    we_send()
    assert bank.read_our_files() == ["RJCT"]
    we_collect(NOW + HOUR)
    assert statuses() == ["failed", "failed"]
    file = BankFile.objects.get()
    assert "Payment files that the bank refused (1)" in page(clerk, "/admin/", NOW + HOUR)
    finance = page(clerk, "/admin/finance/", NOW + HOUR)
    assert "Payment files that the bank refused, in whole or in part" in finance
    assert "€300.00" in finance
    listed = page(clerk, "/admin/payments/bankfile/?trouble=refused", NOW + HOUR)
    assert file.message_id in listed
    assert "Find out why the bank refused it" in listed
    asked = html.unescape(clerk.act("bankfile", "send_again", file.pk).content.decode())
    assert "€300.00" in asked
    clerk.prove(seconds_ago=3600)
    act(clerk, "bankfile", "send_again", file.pk, reason="The bank had blocked us.", at=NOW + HOUR)
    assert PayoutDecision.objects.count() == 0
    clerk.prove()
    told = act(clerk, "bankfile", "send_again", file.pk, reason="The bank had blocked us.", at=NOW + HOUR)
    assert "2 payouts wait for another person's approval." in told
    assert statuses() == ["failed", "failed"]
    assert file.message_id not in page(clerk, "/admin/payments/bankfile/?trouble=refused", NOW + HOUR)
    assert "No payout of this file waits" in act(clerk, "bankfile", "send_again", file.pk, reason="x", at=NOW + HOUR)
    for decision in PayoutDecision.objects.order_by("pk"):
        act(clerk, "payoutdecision", "approve", decision.pk, at=NOW + HOUR)
    assert statuses() == ["failed", "failed"]  # not by the same person
    other = Desk("decide_payout")
    for decision in PayoutDecision.objects.order_by("pk"):
        act(other, "payoutdecision", "approve", decision.pk, at=NOW + HOUR)
    assert statuses() == ["ready", "ready"]
    bank.behave("ACME", behaviour="accept", parameters={})
    we_send(NOW + HOUR)
    assert bank.read_our_files() == ["ACCP"]
    we_collect(NOW + 2 * HOUR)
    assert (statuses(), len(bank.movements())) == (["paid", "paid"], 2)
    assert "Every file was handed over, answered and applied." in page(clerk, "/admin/finance/", NOW + 2 * HOUR)


def test_one_refused_transfer_puts_its_file_into_the_queue_until_it_is_cancelled(bank: Bank, clerk: Desk) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", CLOSED, 10_000))
    we_send()
    bank.read_our_files()
    we_collect(NOW + HOUR)
    assert sorted(statuses()) == ["failed", "paid"]
    assert "€100.00" in page(clerk, "/admin/finance/", NOW + HOUR)
    failed = Payout.objects.get(status="failed")
    act(clerk, "payout", "cancel", failed.pk, reason="His account is closed.", at=NOW + HOUR)
    other = Desk("decide_payout")
    act(other, "payoutdecision", "approve", PayoutDecision.objects.get().pk, at=NOW + HOUR)
    assert sorted(statuses()) == ["cancelled", "paid"]
    assert "Every file was handed over, answered and applied." in page(clerk, "/admin/finance/", NOW + HOUR)


def test_silence_stands_in_the_queue_when_it_has_lasted_too_long(bank: Bank, clerk: Desk) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    for path in bank.out.glob("*.xml"):
        path.unlink()
    file = BankFile.objects.get()
    assert file.message_id not in page(clerk, "/admin/payments/bankfile/?trouble=silent", NOW + DAY)
    later = NOW + 4 * DAY
    assert "about which the bank is silent" in page(clerk, "/admin/finance/", later)
    listed = page(clerk, "/admin/payments/bankfile/?trouble=silent", later)
    assert file.message_id in listed
    assert "Only when it says in writing" in listed
    act(clerk, "bankfile", "give_up", file.pk, reason="Letter of the bank.", at=later)
    we_send(later + HOUR)
    assert statuses() == ["failed"]
    assert file.message_id in page(clerk, "/admin/payments/bankfile/?trouble=refused", later + HOUR)


def test_nobody_else_acts_and_the_database_asks_for_a_name(bank: Bank) -> None:
    row = refused_message(bank, "e.xml", report("ACCP", original="NOTOURS"))
    guest = Desk()
    listed = page(guest, "/admin/payments/bankmessage/?waits=yes")
    assert "e.xml" in listed
    assert "It answers the file NOTOURS." in listed
    assert "read_again" not in listed
    for action in ("read_again", "settle", "apply_again", "give_up"):
        act(guest, "bankmessage", action, row.pk, reason="Mine now.")
    row.refresh_from_db()
    assert (row.status, row.handled_at, BankMessage.objects.count()) == ("refused", None, 1)
    with unit_of_work(SYSTEM), pytest.raises(IntegrityError), transaction.atomic():
        BankMessage.objects.filter(pk=row.pk).update(handled_at=NOW)
