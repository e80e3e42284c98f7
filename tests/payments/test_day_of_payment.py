"""The year of a payment is that of the bank's own day, whenever its statement is read."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from experts.public import Expert
from payments.models import BankTransfer, DayClose, Payout, ProviderEntry
from payments.operations.bank import provider_books
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import EUR, Bank
from tests.payments.ledger_story import SYSTEM
from tests.payments.test_bank_messages import entry, leave, statement
from tests.payments.test_money_api import expert_caller, get
from tests.payments.test_money_desk import Desk
from tests.payments.test_tax_papers import W9
from tests.payments.test_tax_years import signed

pytestmark = pytest.mark.django_db(transaction=True)
SENT = dt.datetime(2026, 12, 29, 10, tzinfo=dt.UTC)
OLD_YEAR, NEW_YEAR = "2026-12-31", "2027-01-01"
SECOND_OF_JANUARY = dt.datetime(2027, 1, 2, 10, tzinfo=dt.UTC)
STILL_OLD_IN_NEW_YORK = dt.datetime(2027, 1, 1, 3, tzinfo=dt.UTC)
LATER = dt.datetime(2027, 1, 8, 10, tzinfo=dt.UTC)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    settings.TAX_ZONE = "America/New_York"
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


@pytest.fixture
def ada(bank: Bank) -> Expert:
    """200.00 EUR for a US person are with the bank since 29 December."""
    expert = world.payee("Ada")
    signed(expert, W9)
    story.earn(expert, 20_000, lab=world.euro_lab(20_000), currency=EUR)
    story.released_run(currency=EUR, now=SENT)
    world.we_send(SENT)
    return expert


def booked(bank: Bank, day: str, *, read_at: dt.datetime, side: str = "DBIT", number: int = 1) -> None:
    """The bank books the transfer (or its return) on a day, and we read its statement."""
    e2e = BankTransfer.objects.get().end_to_end_id
    line = entry("200.00", side=side, reference=f"B{number}", e2e=e2e).replace("2026-11-16", day)
    figures = ("200.00", "0.00") if side == "DBIT" else ("0.00", "200.00")
    content = statement(line, number=number, day=day, opening=figures[0], closing=figures[1])
    leave(bank, f"{number}.xml", content)
    with clock.frozen(read_at):
        world.we_collect(read_at)


def summary(expert: Expert, year: int) -> list[tuple[str, str]]:
    """Days and amounts of the yearly summary, the same in its table."""
    caller = expert_caller(expert)
    with clock.frozen(LATER):
        parts = get(caller, f"expert/statements/yearly?year={year}").json()["currencies"]
        table = get(caller, f"expert/statements/yearly/download?year={year}&format=csv").content.decode()
    rows = [(row["paid_on"], row["net"]["amount"]) for part in parts for row in part["payments"]]
    assert [(row["paid_on"], row["net"]) for row in csv.DictReader(io.StringIO(table))] == rows
    return rows


def reported(expert: Expert, year: int) -> list[str]:
    """Box 1 on his own page, the same at the desk."""
    with clock.frozen(LATER):
        totals: list[Any] = get(expert_caller(expert), f"expert/tax-forms/{year}").json()["totals"]
        page = Desk().get(f"taxprofile/nec/?year={year}").content.decode()
    amounts = [str(total["nonemployee_compensation"]["amount"]) for total in totals]
    assert ("convert and add" in page) is bool(amounts)
    return amounts


def test_a_statement_of_the_last_day_read_in_the_new_year_tells_of_the_old_one(bank: Bank, ada: Expert) -> None:
    booked(bank, OLD_YEAR, read_at=SECOND_OF_JANUARY)
    payout = Payout.objects.get()
    assert (payout.status, payout.paid_at) == ("paid", SECOND_OF_JANUARY)
    assert (summary(ada, 2026), summary(ada, 2027)) == ([(OLD_YEAR, "200.00")], [])
    assert (reported(ada, 2026), reported(ada, 2027)) == (["200.00"], [])
    provider_books.reconcile_all(now=SECOND_OF_JANUARY)
    with unit_of_work(SYSTEM):
        assert ProviderEntry.objects.get().journal_entry is not None
    assert (summary(ada, 2026), summary(ada, 2027)) == ([(OLD_YEAR, "200.00")], [])


def test_a_booking_of_the_new_year_read_while_ours_is_still_the_old_one(bank: Bank, ada: Expert) -> None:
    booked(bank, NEW_YEAR, read_at=STILL_OLD_IN_NEW_YORK)
    assert (summary(ada, 2026), summary(ada, 2027)) == ([], [(NEW_YEAR, "200.00")])
    assert (reported(ada, 2026), reported(ada, 2027)) == ([], ["200.00"])


def test_what_came_back_counts_on_the_bank_s_day_too(bank: Bank, ada: Expert) -> None:
    booked(bank, "2026-12-30", read_at=SENT + dt.timedelta(days=2))
    booked(bank, OLD_YEAR, read_at=SECOND_OF_JANUARY, side="CRDT", number=2)
    assert Payout.objects.get().status == "returned"
    assert summary(ada, 2026) == [("2026-12-30", "200.00"), (OLD_YEAR, "-200.00")]
    assert (reported(ada, 2026), summary(ada, 2027), reported(ada, 2027)) == ([], [], [])


def test_a_day_that_cannot_be_meant_is_not_believed(bank: Bank, ada: Expert) -> None:
    booked(bank, "2020-12-31", read_at=SECOND_OF_JANUARY)
    assert (summary(ada, 2020), summary(ada, 2027)) == ([], [("2027-01-02", "200.00")])


def test_a_provider_that_names_no_day_counts_when_it_was_read() -> None:
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=20_000))
    story.released_run(now=SENT)
    story.send_and_track(SECOND_OF_JANUARY)
    provider_books.reconcile_all(now=SECOND_OF_JANUARY)
    assert not DayClose.objects.filter(statement__isnull=False).exists()
    assert (summary(expert, 2026), summary(expert, 2027)) == ([], [("2027-01-02", "200.00")])
