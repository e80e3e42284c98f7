"""What the bank has not executed: one person says it of a small file, two of a large one, for it may be paid again."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from core import clock
from payments.models import AdjustmentProposal, BankFile, LoneAct
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import DAY, GOOD, HOUR, Bank, statuses, we_collect, we_send
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_money_desk import Desk
from tests.payments.test_nobody_alone import approve, assert_the_books_hold, stale, waiting

pytestmark = pytest.mark.django_db(transaction=True)
HANDLE = "handle_bankfile"
LETTER = "Letter of the bank."
MUCH, LITTLE = 100_001, 60_000


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    yield bank
    bank.close()


def silent(minor: int, *, name: str = "Ada", at: dt.datetime = NOW) -> BankFile:
    """A file under way that nobody has answered."""
    story.earn(world.payee(name, GOOD), minor, lab=world.euro_lab(minor), currency="EUR", at=at - 9 * DAY)
    story.released_run(currency="EUR", now=at)
    we_send(at)
    with platform():
        return BankFile.objects.latest("pk")


def give_up(desk: Desk, file: BankFile, *, reason: str = LETTER, at: dt.datetime = NOW + DAY) -> str:
    with clock.frozen(at):
        answer = desk.act("bankfile", "give_up", file.pk, confirmed="yes", reason=reason)
    return html.unescape(str(answer.content.decode()))


def status_of(file: BankFile) -> str:
    with platform():
        file.refresh_from_db()
    return file.status


def test_a_large_file_is_given_up_by_two(bank: Bank) -> None:
    file, one = silent(MUCH), Desk(HANDLE, "approve_adjustment")
    assert "another person has to approve it" in give_up(one, file)
    assert "A proposal about this file is open" in give_up(Desk(HANDLE), file)
    we_send(NOW + DAY)
    assert (status_of(file), statuses(), world.transfers()) == ("handed_over", ["in_transit"], ["filed"])
    proposal = waiting()
    assert (proposal.act, proposal.amount_minor, proposal.proposed_by) == ("not_executed", MUCH, one.user)
    assert LETTER in proposal.reason
    approve(proposal, one, at=NOW + 2 * DAY)
    assert (status_of(file), waiting().status) == ("handed_over", "proposed")
    approve(proposal, Desk("approve_adjustment"), at=NOW + 2 * DAY)
    assert (status_of(file), file.code, LETTER in file.reason) == ("rejected", "not_executed", True)
    assert str(one.user) in file.reason
    we_send(NOW + 2 * DAY)
    assert statuses() == ["failed"]
    with platform():
        proposal.refresh_from_db()
        assert (proposal.status, proposal.outcome, LoneAct.objects.count()) == ("approved", file.public_id, 0)
    assert_the_books_hold()


def test_what_the_bank_booked_meanwhile_is_not_given_up(bank: Bank) -> None:
    file = silent(MUCH)
    give_up(Desk(HANDLE), file)
    bank.read_our_files()
    we_collect(NOW + HOUR)
    assert statuses() == ["paid"]
    assert "were booked" in html.unescape(approve(waiting(), Desk("approve_adjustment"), at=NOW + DAY))
    assert (status_of(file), statuses(), waiting().status) == ("accepted", ["paid"], "proposed")
    assert "were booked" in give_up(Desk(HANDLE), file)
    with platform():
        assert AdjustmentProposal.objects.count() == 1


def test_little_is_given_up_by_one_until_it_is_much(bank: Bank) -> None:
    first, one = silent(LITTLE, at=NOW - 7 * DAY), Desk(HANDLE)
    give_up(one, first, at=NOW)
    assert status_of(first) == "rejected"
    second = silent(LITTLE, name="Bob")
    assert second.pk != first.pk
    give_up(one, second)
    assert (status_of(second), waiting().before_minor) == ("handed_over", LITTLE)
    with platform():
        assert LoneAct.objects.values_list("sort", "amount_minor").get() == ("not_executed", LITTLE)
    one.act("adjustmentproposal", "withdraw", waiting().pk, confirmed="yes")
    give_up(Desk(HANDLE), second)  # another person's first
    assert status_of(second) == "rejected"
    assert "cannot become" in give_up(one, second)


def test_an_old_proof_no_right_and_no_reason_give_nothing_up(bank: Bank) -> None:
    file = silent(LITTLE)
    give_up(stale(HANDLE), file)
    give_up(Desk("decide_payout"), file)
    give_up(Desk(HANDLE), file, reason=" ")
    assert (status_of(file), statuses()) == ("handed_over", ["in_transit"])
    with platform():
        assert AdjustmentProposal.objects.count() + LoneAct.objects.count() == 0
