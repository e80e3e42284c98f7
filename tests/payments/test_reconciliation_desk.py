"""Finance at the desk: differences decided with a name and a reason, nothing edited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from payments.models import (
    AdjustmentProposal,
    BankFile,
    BankMessage,
    DayClose,
    JournalEntry,
    ProviderEntry,
    ReconciliationItem,
)
from payments.operations.bank import bank_messages, provider_books
from payments.operations.pay import four_eyes
from payments.operations.pay.four_eyes import OwnProposal
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import DAY, GOOD, Bank, paid_run, we_send
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_bank_messages import entry, statement
from tests.payments.test_money_desk import ADMIN, Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


@pytest.fixture
def clerk() -> Desk:
    return Desk("handle_bankfile")


@pytest.fixture
def bookkeeper() -> Desk:
    return Desk("reconcile")


def bring(content: bytes, name: str = "statement.xml") -> None:
    """By the bank's own road, not yet applied."""
    with unit_of_work(SYSTEM):
        bank_messages.receive(provider="sepa_file", name=name, content=content, size=len(content), now=NOW)


def posted() -> list[int]:
    """The movements that people's decisions put into the journal."""
    with unit_of_work(SYSTEM):
        written = JournalEntry.objects.filter(kind__in=("provider_credit", "provider_debit"))
        return list(written.values_list("at_provider", flat=True))


def unknown_credit() -> ReconciliationItem:
    return ReconciliationItem.objects.get(kind="unknown_credit")


def test_a_difference_is_searched_decided_and_told_who_and_why(bank: Bank, clerk: Desk, bookkeeper: Desk) -> None:
    bring(statement(entry("10.00", reference="B1", text="Rent of Mr Smith"), closing="10.00"))
    provider_books.read_bank(now=NOW)
    assert "Differences with providers" in bookkeeper.client.get("/admin/").content.decode()
    assert "B1" in bookkeeper.get("reconciliationitem/?q=smith&status__exact=open").content.decode()
    item = unknown_credit()
    asked = bookkeeper.act("reconciliationitem", "post", item.pk).content.decode()
    assert "€10.00" in asked
    assert posted() == []
    with clock.frozen(NOW):
        done = bookkeeper.act(
            "reconciliationitem", "post", item.pk, confirmed="yes", reason="Asked the bank.", choice="suspense"
        )
    assert "1 done" in done.content.decode()
    item.refresh_from_db()
    assert (item.status, item.decided_by) == ("explained", bookkeeper.user)
    assert "Asked the bank." in item.reason
    assert posted() == [item.entry_id]
    history = bookkeeper.get(f"reconciliationitem/{item.pk}/history/").content.decode()
    assert f"user:{bookkeeper.user.public_id}" in history
    provider_books.reconcile_all(now=NOW + DAY)
    assert DayClose.objects.get().status == "closed"


@pytest.mark.parametrize("choice", ["", "somewhere", "expert_payable:1:EUR"])
def test_money_goes_nowhere_but_to_the_named_places(bank: Bank, clerk: Desk, bookkeeper: Desk, choice: str) -> None:
    bring(statement(entry("10.00", reference="B1"), closing="10.00"))
    provider_books.read_bank(now=NOW)
    before = posted()
    bookkeeper.act("reconciliationitem", "post", unknown_credit().pk, confirmed="yes", reason="Mine.", choice=choice)
    assert (unknown_credit().status, posted()) == ("open", before)


def test_crafted_posts_change_no_row(bank: Bank, clerk: Desk) -> None:
    bring(statement(entry("10.00", reference="B1"), closing="10.00"))
    provider_books.read_bank(now=NOW)
    item, close = unknown_credit(), DayClose.objects.get()
    nosy = Desk()
    for desk in (nosy, clerk):
        desk.act("reconciliationitem", "post", item.pk, confirmed="yes", reason="x", choice="capital")
        desk.post(f"reconciliationitem/{item.pk}/change/", status="explained", reason="x")
        desk.post(f"dayclose/{close.pk}/change/", status="closed")
        desk.post("providerentry/add/", reference="x")
        desk.post(f"providerentry/{ProviderEntry.objects.get().pk}/delete/", post="yes")
    item.refresh_from_db()
    close.refresh_from_db()
    assert (item.status, close.status, ProviderEntry.objects.count()) == ("open", "open", 1)


def test_a_file_is_given_up_only_by_a_named_person_with_a_reason(bank: Bank, clerk: Desk) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    file = BankFile.objects.get()
    nosy = Desk()
    nosy.act("bankfile", "give_up", file.pk, confirmed="yes", reason="I said so.")
    clerk.act("bankfile", "give_up", file.pk, confirmed="yes", reason="")
    file.refresh_from_db()
    assert file.status == "handed_over"
    with clock.frozen(NOW):
        clerk.act("bankfile", "give_up", file.pk, confirmed="yes", reason="Letter of the bank.")
    file.refresh_from_db()
    assert (file.status, "Letter of the bank." in file.reason) == ("rejected", True)
    assert world.transfers() == ["rejected"]


def test_a_file_that_breaks_us_waits_and_alarms_and_stops_no_other(
    bank: Bank, clerk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(statement(entry("10.00", reference="B1"), closing="10.00"), "one.xml")
    row = BankMessage.objects.get()
    sealed = bytes(row.sealed_content)
    BankMessage.objects.update(sealed_content=b"\x01broken beyond opening")
    bring(statement(entry("5.00", reference="B2"), number=2, day="2026-11-17", opening="10.00", closing="15.00"))
    provider_books.read_bank(now=NOW)
    assert list(BankMessage.objects.order_by("pk").values_list("status", flat=True)) == ["received", "applied"]
    with unit_of_work(SYSTEM):
        assert "bank_message_not_applied" in provider_books.alarm(now=NOW + DAY)
    BankMessage.objects.filter(pk=row.pk).update(sealed_content=sealed)
    assert bank_messages.apply_received(now=NOW + DAY, again=True) == 1
    assert sorted(ProviderEntry.objects.values_list("reference", flat=True)) == ["B1", "B2"]


def test_much_money_is_placed_by_two(bank: Bank, clerk: Desk, bookkeeper: Desk) -> None:
    """Whoever says what it was proposes; the item stays open until somebody else agrees."""
    bring(statement(entry("2000.00", reference="B1", text="?"), closing="2000.00"))
    provider_books.read_bank(now=NOW)
    item = unknown_credit()
    with clock.frozen(NOW):
        for _time in range(2):
            bookkeeper.act(
                "reconciliationitem", "post", item.pk, confirmed="yes", reason="Asked the bank.", choice="loss"
            )
    item.refresh_from_db()
    assert (item.status, posted()) == ("open", [])
    with unit_of_work(SYSTEM):
        (proposal,) = AdjustmentProposal.objects.filter(act="movement")
        with pytest.raises(OwnProposal):
            four_eyes.approve(proposal=proposal, decided_by=bookkeeper.user, side="platform", now=NOW)
    with unit_of_work(SYSTEM):
        four_eyes.approve(proposal=proposal, decided_by=story.new_user("Second"), side="platform", now=NOW)
    item.refresh_from_db()
    assert (item.status, item.decided_by) == ("written_off", bookkeeper.user)
    assert posted() == [item.entry_id]


def test_finance_sees_at_one_look_what_is_open_and_gets_there(bank: Bank, clerk: Desk, bookkeeper: Desk) -> None:
    with clock.frozen(NOW):
        assert "The providers' books and ours agree." in bookkeeper.client.get("/admin/finance/").content.decode()
    bring(statement(entry("10.00", reference="B1", text="hello"), closing="10.00"))
    with clock.frozen(NOW):
        provider_books.read_bank(now=NOW)
        page = bookkeeper.client.get("/admin/finance/").content.decode()
    row = unknown_credit()
    assert "money came in that we do not know" in page
    assert "1 day is not closed" in page
    link = f"{ADMIN}/reconciliationitem/?status__exact=open&amp;kind__exact=unknown_credit&amp;provider=sepa_file&amp;currency=EUR"
    assert link in page
    with clock.frozen(NOW):
        assert row.reference in bookkeeper.client.get(link.replace("&amp;", "&")).content.decode()
        days = f"{ADMIN}/dayclose/?status__exact=open&provider=sepa_file&currency=EUR"
        assert days.replace("&", "&amp;") in page
        assert "2026-11-16" in page
        assert bookkeeper.client.get(days).status_code == 200
