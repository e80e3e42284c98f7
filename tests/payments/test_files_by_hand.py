"""Nobody writes the bank's word alone: what a person brings has no effect before another person has admitted it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from pytest_django import Settings

from core import clock
from core.money import Money
from core.public import Tenant, unit_of_work
from payments.models import BankFile, BankMessage, Funding, ProviderEntry
from payments.operations.bank import provider_books
from payments.operations.labs import funding
from tests.payments import bank_world as world
from tests.payments.bank_world import EUR, GOOD, HOUR, Bank, paid_run, statuses, we_collect, we_send
from tests.payments.ledger_story import NOW, SYSTEM, platform
from tests.payments.test_bank_messages import entry, leave, report, statement, transfer
from tests.payments.test_money_desk import ADMIN, Desk

pytestmark = pytest.mark.django_db(transaction=True)
UPLOAD = f"{ADMIN}/bankmessage/upload/"
HELD = "/admin/payments/bankmessage/?status__exact=held"
TEN = statement(entry("10.00", reference="B1", text="hello"), closing="10.00")


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    settings.FUNDING_SETTLES_AT_ONCE = False
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


@pytest.fixture
def one() -> Desk:
    return Desk("handle_bankfile")


@pytest.fixture
def two() -> Desk:
    return Desk("handle_bankfile")


def bring(desk: Desk, content: bytes, name: str = "statement.xml") -> str:
    with clock.frozen(NOW):
        sent = desk.client.post(UPLOAD, {"file": SimpleUploadedFile(name, content)}, follow=True)
    return html.unescape(str(sent.content.decode()))


def act(desk: Desk, action: str, row: BankMessage, *, at: Any = NOW, **fields: str) -> str:
    with clock.frozen(at):
        answer = desk.act("bankmessage", action, row.pk, **{"confirmed": "1", **fields})
    return html.unescape(str(answer.content.decode()))


def look(desk: Desk, row: BankMessage) -> str:
    answer = desk.client.get(f"{ADMIN}/bankmessage/{row.pk}/look/")
    assert answer.status_code == 200
    return " ".join(html.unescape(answer.content.decode()).split())


def latest() -> BankMessage:
    return BankMessage.objects.latest("pk")


def came() -> list[tuple[str, str]]:
    return list(BankMessage.objects.order_by("pk").values_list("status", "problem"))


def movements() -> int:
    provider_books.read_bank(now=NOW)
    return ProviderEntry.objects.count()


def announced(minor: int) -> Funding:
    with platform():
        lab = Tenant.objects.create(name="Acme")
        return funding.announce(tenant_id=lab.pk, amount=Money(minor, EUR), by=SYSTEM, now=NOW)


def settled(wanted: Funding) -> str:
    with platform():
        wanted.refresh_from_db()
    return wanted.status


def test_a_crafted_statement_makes_no_money_until_another_person_admits_it(bank: Bank, one: Desk, two: Desk) -> None:
    wanted = announced(50_000)
    paid = entry("500.00", reference="B1", text=wanted.reference)
    assert "another person has to admit it" in bring(one, statement(paid, closing="500.00"))
    row = latest()
    assert (row.status, row.bringer, row.admitted_by) == ("held", one.user, None)
    assert (movements(), settled(wanted)) == (0, "pending")
    assert "Another person admits this file" in act(one, "admit", row)
    act(one, "apply_again", row)
    act(one, "give_up", row, reason="-")
    act(one, "read_again", row)
    assert (movements(), settled(wanted), came()) == (0, "pending", [("held", "")])

    assert "Files brought by hand, waiting for a second person (1)" in two.client.get("/admin/").content.decode()
    assert "Files brought by hand, waiting for a second person" in two.client.get("/admin/finance/").content.decode()
    assert "it has no effect yet" in two.client.get(HELD).content.decode()
    page = look(two, row)
    for shown in (str(one.user), "camt.053", world.OURS, "2026-11-16", "1 credit:", "€500.00", "0 debits", "Admit"):
        assert shown in page, shown
    assert f"transfer of a lab: {wanted.reference} (pending, announced 500.00 EUR)" in page
    assert f"/admin/payments/bankmessage/{row.pk}/file/" in page
    asked = html.unescape(two.act("bankmessage", "admit", row.pk).content.decode())
    assert "1 in (500.00 EUR), 0 out (–)" in asked
    assert (movements(), settled(wanted)) == (0, "pending")

    assert "is applied within a minute" in act(two, "admit", row)
    assert (movements(), settled(wanted)) == (1, "settled")
    row.refresh_from_db()
    assert (row.status, row.bringer, row.admitted_by, row.admitted_at) == ("applied", one.user, two.user, NOW)
    assert "waits for nobody" in act(two, "admit", row)
    history = two.client.get(f"{ADMIN}/bankmessage/{row.pk}/history/").content.decode()
    assert "held" in history
    assert str(two.user.pk) in history
    assert "Every file was handed over, answered and applied." in two.client.get("/admin/finance/").content.decode()


def test_a_crafted_report_fails_no_payout_until_another_person_admits_it(bank: Bank, one: Desk, two: Desk) -> None:
    (payout,) = paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    file = BankFile.objects.get()
    e2e = file.transfers.get().end_to_end_id
    bring(one, report("RJCT", original=file.message_id, transfers=transfer(e2e, "RJCT", "AC04")), "no.xml")
    row = latest()
    we_collect(NOW + HOUR)
    assert (statuses(), world.transfers()) == (["in_transit"], ["filed"])
    page = look(two, row)
    for shown in (
        file.message_id,
        "RJCT",
        "1 transfer is refused",
        "€200.00",
        payout.public_id,
        "in a file → RJCT AC04",
    ):
        assert shown in page, shown
    act(two, "turn_away", row, reason="")
    assert latest().status == "held"
    act(two, "turn_away", row, reason="The bank knows of no refusal.")
    row.refresh_from_db()
    assert (row.status, row.problem, row.handled_by, row.admitted_by) == ("refused", "not_admitted", two.user, None)
    assert row.handled_note == row.detail == "The bank knows of no refusal."
    assert not BankMessage.objects.waiting().exists()
    assert "waits for nobody" in act(two, "admit", row)
    bank.read_our_files()
    we_collect(NOW + 2 * HOUR)
    assert (statuses(), len(bank.movements())) == (["paid"], 1)


def test_a_true_report_that_the_road_lost_is_brought_by_two(bank: Bank, one: Desk, two: Desk) -> None:
    bank.behave("ACME", behaviour="reject-file")
    paid_run(bank, ("Ada", GOOD, 20_000))
    we_send()
    bank.read_our_files()
    ((path, content),) = bank.hold_back("pain002", "pain.002", "PAIN", "pain")
    bring(one, content, path.name)
    we_collect(NOW + HOUR)
    assert statuses() == ["in_transit"]
    act(two, "admit", latest())
    we_collect(NOW + HOUR)
    assert statuses() == ["failed"]


def test_the_banks_own_road_needs_nobody(bank: Bank, one: Desk, two: Desk) -> None:
    """Also when it brings what waits: then the held one is only a second copy."""
    bring(one, TEN)
    leave(bank, "from-the-bank.xml", TEN)
    assert movements() == 1
    assert came() == [("refused", "duplicate"), ("applied", "")]
    held, own = BankMessage.objects.order_by("pk")
    assert (held.bringer, own.bringer, own.admitted_by) == (one.user, None, None)
    assert "nobody has to admit it" in held.detail
    assert not BankMessage.objects.waiting().exists()
    assert "waits for nobody" in act(two, "admit", held)
    assert (movements(), bank.waiting()) == (1, [])


def test_a_crafted_file_does_not_stand_in_the_way_of_the_banks_own(bank: Bank, one: Desk, two: Desk) -> None:
    """The same message id, other bytes: the bank's counts, and the other can only be refused."""
    bring(one, statement(entry("9000.00", reference="B1"), closing="9000.00"))
    leave(bank, "from-the-bank.xml", TEN)
    assert movements() == 1
    assert ProviderEntry.objects.get().amount_minor == 1_000
    held = BankMessage.objects.get(status="held")
    assert "id_reused" in act(two, "admit", held)
    held.refresh_from_db()
    assert (held.status, held.admitted_by, movements()) == ("refused", None, 1)


def test_what_another_person_admitted_makes_the_banks_own_a_second_copy(bank: Bank, one: Desk, two: Desk) -> None:
    bring(one, TEN)
    act(two, "admit", latest())
    assert movements() == 1
    leave(bank, "late.xml", TEN)
    assert movements() == 1
    assert came() == [("applied", ""), ("refused", "duplicate")]
    assert "duplicate" in bring(two, TEN)


def test_a_copy_that_the_road_brought_in_the_same_moment_wins(bank: Bank, one: Desk, two: Desk) -> None:
    """The road committed its copy after the second person looked: what he admits is refused as a second copy."""
    bring(one, TEN)
    held = latest()
    leave(bank, "own.xml", TEN)
    provider_books.read_bank(now=NOW)
    with unit_of_work(SYSTEM), pytest.raises(DatabaseError), transaction.atomic():
        BankMessage.objects.filter(pk=held.pk).update(status="received", admitted_by=two.user, admitted_at=NOW)
    assert movements() == 1


def test_a_file_keeps_its_origin_when_it_is_read_again(bank: Bank, one: Desk, two: Desk, settings: Settings) -> None:
    settings.BANK_ACCOUNT_IBAN = "NL14MOCK0000000002"
    leave(bank, "own.xml", TEN)
    provider_books.read_bank(now=NOW)
    own = latest()
    bring(one, statement(entry("5.00", reference="B2"), number=2, day="2026-11-17", opening="10.00", closing="15.00"))
    mine = latest()
    assert came() == [("refused", "wrong_account")] * 2
    settings.BANK_ACCOUNT_IBAN = world.OURS
    act(one, "read_again", own)
    assert (latest().status, latest().bringer, latest().brought_by) == ("received", None, own.brought_by)
    assert movements() == 1
    act(two, "read_again", mine)
    fresh = latest()
    assert (fresh.status, fresh.bringer, movements()) == ("held", one.user, 1)
    act(one, "admit", fresh)
    assert (latest().status, movements()) == ("held", 1)
    act(two, "admit", fresh)
    assert (latest().status, movements()) == ("received", 2)
