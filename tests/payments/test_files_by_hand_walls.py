"""Files that people bring: what is refused at once, who may do what, and what PostgreSQL refuses whoever writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from payments.models import BankMessage
from payments.operations.bank import bank_files, provider_books
from tests import browser
from tests.payments import bank_world as world
from tests.payments.bank_world import DAY, HOUR, Bank
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_bank_messages import report, statement
from tests.payments.test_files_by_hand import TEN, UPLOAD, act, bring, came, latest, look, movements
from tests.payments.test_money_desk import ADMIN, Desk
from tests.payments.test_nobody_alone import REAUTHENTICATE, stale

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


@pytest.fixture
def one() -> Desk:
    return Desk("handle_bankfile")


@pytest.fixture
def two() -> Desk:
    return Desk("handle_bankfile")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<nonsense", "malformed"),
        (b"", "malformed"),
        (b"%PDF-1.7", "malformed"),
        (b"\xff\xfe\x00<", "malformed"),
        (b" " * 10_001, "too_large"),
        (b"<Document><Something/></Document>", "unknown_message"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "forbidden_xml"),
        (statement(closing="0.00", account="NL14MOCK0000000002"), "wrong_account"),
        (report("RJCT", original="NOTOURS"), "unknown_file"),
    ],
)
def test_what_cannot_be_used_asks_nobody_to_admit_it(
    bank: Bank, one: Desk, settings: Settings, content: bytes, problem: str
) -> None:
    settings.BANK_FILE_MOST_BYTES = 10_000
    assert problem in bring(one, content)
    assert set(BankMessage.objects.values_list("status", flat=True)) <= {"refused"}
    assert not BankMessage.objects.held().exists()
    assert not BankMessage.objects.exclude(bringer=one.user).exists()


def test_no_file_is_told_and_the_same_twice_is_kept_once(bank: Bank, one: Desk, two: Desk) -> None:
    with clock.frozen(NOW):
        assert "Choose a file." in one.post("bankmessage/upload/").content.decode()
        assert "Choose a file." in one.post("bankmessage/upload/", file="text").content.decode()
    bring(one, TEN)
    assert "duplicate" in bring(one, TEN)
    assert "duplicate" in bring(two, TEN)  # bringing it again is not admitting it
    assert came() == [("held", ""), ("refused", "duplicate"), ("refused", "duplicate")]
    assert movements() == 0
    act(two, "turn_away", BankMessage.objects.get(status="held"), reason="Not now.")
    bring(two, TEN)
    assert latest().status == "held"
    act(two, "admit", latest())
    assert latest().status == "held"  # he brought this one
    act(two, "turn_away", latest(), reason="I take it back.")
    assert (latest().status, movements()) == ("refused", 0)


def test_an_old_proof_brings_and_admits_nothing(bank: Bank, one: Desk) -> None:
    tired = stale("handle_bankfile")
    sent: Any = tired.client.post(UPLOAD, {"file": SimpleUploadedFile("x.xml", TEN)})
    assert sent.url.startswith(REAUTHENTICATE)
    asked: Any = tired.client.get(UPLOAD)
    assert asked.url.startswith(REAUTHENTICATE)
    assert not BankMessage.objects.exists()
    bring(one, TEN)
    form = {"action": "admit", "_selected_action": str(latest().pk), "confirmed": "1"}
    answer: Any = browser.press(tired.client, f"{ADMIN}/bankmessage/", form)
    assert answer.url.startswith(REAUTHENTICATE)
    assert (came(), movements()) == ([("held", "")], 0)


def test_whoever_may_only_look_brings_fetches_and_admits_nothing(bank: Bank, one: Desk) -> None:
    bring(one, TEN)
    row, viewer = latest(), Desk("reconcile")
    upload = viewer.client.post(UPLOAD, {"file": SimpleUploadedFile("x.xml", b"<a/>")})
    reads = [viewer.client.get(f"{ADMIN}/bankmessage/{row.pk}/{page}/").status_code for page in ("file", "look")]
    assert (upload.status_code, reads) == (403, [403, 403])
    act(viewer, "admit", row)
    act(viewer, "turn_away", row, reason="No.")
    assert came() == [("held", "")]
    fetched = one.client.get(f"{ADMIN}/bankmessage/{row.pk}/file/")
    assert (fetched.content, fetched["Content-Type"]) == (TEN, "application/octet-stream")


def test_the_database_asks_for_another_name_whoever_writes(bank: Bank, one: Desk, two: Desk) -> None:
    bring(one, TEN)
    held = BankMessage.objects.filter(pk=latest().pk)
    label = latest().brought_by
    now: dict[str, Any] = {"admitted_at": NOW}
    for change in (
        {"status": "received"},
        {"status": "applied"},
        {"status": "received", "admitted_by": one.user, **now},
        {"status": "received", "admitted_by": two.user},
        {"status": "applied", "admitted_by": two.user, **now},
        {"admitted_by": two.user, **now},
        {"bringer": None},
        {"bringer": two.user},
        {"bringer": None, "brought_by": "system:payments.collect_bank_files"},
        {"sha256": "0" * 64},
    ):
        with unit_of_work(SYSTEM), pytest.raises(DatabaseError), transaction.atomic():
            held.update(**change)
    copied = {"provider": "sepa_file", "sha256": "1" * 64, "size": 1, "sealed_content": b"x", "name": "x"}
    for made in (
        {"status": "received", "brought_by": label, "bringer": one.user},
        {"status": "received", "brought_by": label, "bringer": one.user, "admitted_by": two.user, **now},
        {"status": "received", "brought_by": label},
        {"status": "held", "brought_by": "system:x"},
        {"brought_by": "system:x"},
        {"status": "held", "brought_by": "system:x", "bringer": one.user},
    ):
        with unit_of_work(SYSTEM), pytest.raises(IntegrityError), transaction.atomic():
            BankMessage.objects.create(**copied, **made)
    assert came() == [("held", "")]
    act(two, "turn_away", latest(), reason="No.")
    for change in ({"status": "held"}, {"status": "received", "admitted_by": two.user, **now}):
        with unit_of_work(SYSTEM), pytest.raises(DatabaseError), transaction.atomic():
            held.update(**change, handled_by=None, handled_at=None, handled_note="")
    assert movements() == 0


def test_content_that_was_exchanged_after_it_was_admitted_is_not_applied(bank: Bank, one: Desk, two: Desk) -> None:
    """By somebody with the database and the keys; the hash is what was looked at, and PostgreSQL keeps that."""
    bring(one, TEN)
    row = latest()
    act(two, "admit", row)
    forged = bank_files.sealed(TEN.replace(b"10.00", b"99.00"), owner=row.public_id)
    BankMessage.objects.filter(pk=row.pk).update(sealed_content=forged)
    assert movements() == 0
    row.refresh_from_db()
    assert (row.status, row.problem, row.detail) == ("received", "cannot_apply", "Its content is not what came.")


def test_one_that_nobody_decides_about_raises_the_alarm(bank: Bank, one: Desk) -> None:
    bring(one, TEN)
    with unit_of_work(SYSTEM):
        assert provider_books.alarm(now=NOW + HOUR) == []
        assert provider_books.alarm(now=NOW + DAY) == ["bank_message_held"]


def test_content_that_cannot_be_opened_is_told(bank: Bank, one: Desk, two: Desk) -> None:
    bring(one, TEN)
    BankMessage.objects.update(sealed_content=b"\x01broken beyond opening")
    assert "1 credit" not in look(two, latest())
    assert two.act("bankmessage", "admit", latest().pk).status_code == 200
    act(two, "admit", latest())
    assert (came(), movements()) == ([("held", "")], 0)
