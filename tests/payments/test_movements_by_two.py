"""What a bank shows and does not explain: one person says what a little was, two say what a lot was."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from core import clock
from core.money import Money
from core.public import Principal, Tenant
from payments import accounts
from payments.models import AdjustmentProposal, Funding, LoneAct, Posting, ProviderEntry, ReconciliationItem
from payments.operations.bank import provider_books
from payments.operations.labs import funding
from payments.queries import ledger_findings
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import DAY, EUR, HOUR, Bank, we_collect
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_bank_messages import entry, leave, statement
from tests.payments.test_money_desk import Desk
from tests.payments.test_nobody_alone import approve, stale, waiting

pytestmark = pytest.mark.django_db(transaction=True)
RECONCILE = "reconcile"
SUSPENSE = accounts.suspense("sepa_file", EUR)
MUCH, LITTLE = 100_001, 60_000


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Bank:
    bank = world.open_bank(settings, tmp_path)
    settings.FUNDING_SETTLES_AT_ONCE = False
    bank.close()
    return bank


def announced(minor: int, *, lab: Tenant | None = None) -> Funding:
    tenant = lab or Tenant.objects.create(name="Acme")
    with platform():
        return funding.announce(tenant_id=tenant.pk, amount=Money(minor, EUR), by=Principal.system("lab"), now=NOW)


def came(bank: Bank, *amounts: int, text: str = "PAYMENT", opening: int = 0) -> None:
    """The bank's statement of a day shows these credits."""
    lines = [entry(f"{n / 100:.2f}", reference=f"C{i}", text=text) for i, n in enumerate(amounts)]
    closing = f"{(opening + sum(amounts)) / 100:.2f}"
    leave(bank, "s.xml", statement(*lines, opening=f"{opening / 100:.2f}", closing=closing))
    we_collect(NOW + HOUR)


def items() -> list[ReconciliationItem]:
    with platform():
        return list(ReconciliationItem.objects.filter(status="open").order_by("pk"))


def say(desk: Desk, row: ReconciliationItem | ProviderEntry, action: str, **given: str) -> str:
    with clock.frozen(NOW + DAY):
        page = desk.act(type(row).__name__.lower(), action, row.pk, confirmed="yes", **given)
    return str(page.content.decode())


def status_of(row: Funding | ReconciliationItem) -> str:
    with platform():
        row.refresh_from_db()
    return str(row.status)


def held(key: accounts.AccountKey) -> int:
    with platform():
        return sum(Posting.objects.filter(account__key=key.text).values_list("amount", flat=True))


def books_hold() -> bool:
    provider_books.reconcile(provider="sepa_file", now=NOW + DAY)
    with platform():
        return ledger_findings.findings() == []


def test_much_that_nobody_named_is_a_labs_only_when_two_say_so(bank: Bank) -> None:
    one, wanted = Desk(RECONCILE, "approve_adjustment"), announced(MUCH)
    came(bank, MUCH)
    (item,) = items()
    assert "another person has to approve it" in say(one, item, "give_to_funding", choice=wanted.reference)
    assert (status_of(wanted), status_of(item), held(accounts.lab_prepaid(wanted.tenant_id, EUR))) == (
        "pending",
        "open",
        0,
    )
    proposal = waiting()
    assert (proposal.act, proposal.tenant_id, proposal.amount_minor) == ("assignment", wanted.tenant_id, MUCH)
    again = say(Desk(RECONCILE), item, "post", choice="suspense", reason="Until we know.")
    assert "A proposal about this item is open" in again
    approve(proposal, one, at=NOW + DAY)
    assert (status_of(wanted), waiting()) == ("pending", proposal)
    approve(proposal, Desk("approve_adjustment"), at=NOW + DAY)
    assert (status_of(wanted), status_of(item)) == ("settled", "matched")
    assert (held(accounts.lab_prepaid(wanted.tenant_id, EUR)), books_hold()) == (MUCH, True)


def test_the_second_person_finds_the_world_changed(bank: Bank) -> None:
    wanted = announced(MUCH)
    came(bank, MUCH)
    (item,) = items()
    say(Desk(RECONCILE), item, "give_to_funding", choice=wanted.reference)
    with platform():
        funding.fail(funding=wanted, reason="It never left.", by=story.new_user("Fin"), now=NOW)
    approve(waiting(), Desk("approve_adjustment"), at=NOW + DAY)
    assert (waiting().status, status_of(item)) == ("proposed", "open")


def test_little_is_said_by_one_until_it_is_much(bank: Bank) -> None:
    lab = Tenant.objects.create(name="Acme")
    first, second = announced(LITTLE, lab=lab), announced(LITTLE, lab=lab)
    came(bank, LITTLE, LITTLE)
    one = Desk(RECONCILE)
    for item, wanted in zip(items(), (first, second), strict=True):
        say(one, item, "give_to_funding", choice=wanted.reference)
    assert (status_of(first), status_of(second), waiting().before_minor) == ("settled", "pending", LITTLE)
    with platform():
        assert LoneAct.objects.values_list("sort", "amount_minor").get() == ("assignment", LITTLE)


def test_what_the_bank_names_takes_one_person(bank: Bank) -> None:
    """Another amount than announced: nobody here chooses a lab."""
    wanted = announced(MUCH + 1)
    came(bank, MUCH, text=f"INVOICE {wanted.reference}")
    (item,) = items()
    say(Desk(RECONCILE), item, "give_to_funding", choice=wanted.reference)
    assert (status_of(wanted), status_of(item), AdjustmentProposal.objects.count()) == ("settled", "matched", 0)


def test_much_in_suspense_leaves_it_by_two(bank: Bank) -> None:
    came(bank, MUCH)
    say(Desk(RECONCILE), items()[0], "post", choice="suspense", reason="Asked the bank.")
    approve(waiting(), Desk("approve_adjustment"), at=NOW + DAY)
    assert held(SUSPENSE) == MUCH
    wanted, one = announced(MUCH), Desk(RECONCILE)
    with platform():
        kept = ProviderEntry.objects.get(kind="credit")
    say(one, kept, "give_suspense_to_funding", choice=wanted.reference)
    assert "A proposal about this item is open" in say(one, kept, "give_suspense_to_funding", choice=wanted.reference)
    assert (held(SUSPENSE), status_of(wanted)) == (MUCH, "pending")
    approve(waiting(), Desk("approve_adjustment"), at=NOW + DAY)
    assert (held(SUSPENSE), status_of(wanted), books_hold()) == (0, "settled", True)


def test_a_large_opening_balance_is_taken_over_by_two(bank: Bank) -> None:
    came(bank, opening=MUCH)
    (item,) = items()
    capital = accounts.capital(EUR)
    say(Desk(RECONCILE), item, "take_over", reason="Our own deposit.")
    assert (status_of(item), held(capital)) == ("open", 0)
    approve(waiting(), Desk("approve_adjustment"), at=NOW + DAY)
    assert (status_of(item), held(capital), books_hold()) == ("explained", MUCH, True)


@pytest.mark.parametrize("action", ["give_to_funding", "post"])
def test_an_old_proof_is_no_proof(bank: Bank, action: str) -> None:
    wanted = announced(LITTLE)
    came(bank, LITTLE)
    (item,) = items()
    given = {"choice": wanted.reference} if action == "give_to_funding" else {"choice": "loss", "reason": "Why not."}
    page = stale(RECONCILE).act("reconciliationitem", action, item.pk, confirmed="yes", **given)
    assert page.redirect_chain[0][0].startswith("/accounts/reauthenticate/?next=")
    assert (status_of(item), status_of(wanted)) == ("open", "pending")
