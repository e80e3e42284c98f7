"""The providers' books beside ours: matched one to one, every difference before people, days closed only when equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db.models import Model
from pytest_django import Settings

from core import clock
from core.money import Money
from core.public import Principal, Tenant, unit_of_work
from payments import accounts
from payments.models import DayClose, Funding, JournalEntry, Posting, ProviderEntry, ReconciliationItem
from payments.models.sandbox_provider import ProviderMovement
from payments.operations.bank import provider_books, reconciliation_acts
from payments.operations.bank.reconciliation_acts import AlreadyDecided, FundingDiffers, NeedsPosting, NothingToPost
from payments.operations.labs import funding
from payments.queries import ledger_findings
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import DAY, EUR, GOOD, HOUR, OPENING, Bank, our_cash, paid_run, we_collect, we_send
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_bank_messages import entry, leave, statement

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    bank = world.open_bank(settings, tmp_path)
    settings.FUNDING_SETTLES_AT_ONCE = False
    yield bank
    bank.close()


def announced(minor: int, currency: str = EUR) -> Funding:
    tenant = Tenant.objects.create(name="Acme")
    with unit_of_work(SYSTEM):
        return funding.announce(tenant_id=tenant.pk, amount=Money(minor, currency), by=Principal.system("lab"), now=NOW)


def item() -> ReconciliationItem:
    return ReconciliationItem.objects.get(status="open")


def decide(operation: Callable[..., object], **arguments: object) -> None:
    with unit_of_work(SYSTEM):
        operation(by=story.new_user("Fin"), now=NOW + DAY, **arguments)


def fresh(row: Model) -> None:
    """Read again, as the platform."""
    with unit_of_work(SYSTEM):
        row.refresh_from_db()


def balance_of(key: accounts.AccountKey) -> int:
    with unit_of_work(SYSTEM):
        return sum(Posting.objects.filter(account__key=key.text).values_list("amount", flat=True))


def end_day(bank: Bank, number: int = 1) -> None:
    """The bank closes a day and sends its statement; the first opening balance is the platform's."""
    bank.sleep()
    we_collect(NOW + number * DAY)
    if ReconciliationItem.objects.filter(kind="opening_balance", status="open").exists():
        world.take_over_opening(NOW + number * DAY)
        with unit_of_work(SYSTEM):
            pass
        provider_books.reconcile(provider="sepa_file", now=NOW + number * DAY)


class TestMoneyThatComesIn:
    @pytest.mark.parametrize(("note", "wrap"), [("Invoice 7 {}", 140), ("{}", 35), ("PAYMENT FOR WORK OF NOV {}", 35)])
    def test_an_exact_transfer_settles_its_funding(self, bank: Bank, note: str, wrap: int) -> None:
        wanted = announced(118_000)
        bank.credit(118_000, note=note.format(wanted.reference), wrap=wrap)
        we_collect(NOW + HOUR)
        fresh(wanted)
        assert (wanted.status, our_cash(), world.open_items()) == ("settled", 118_000, [])
        we_collect(NOW + HOUR)
        end_day(bank)
        assert (our_cash(), world.days()) == (bank.balance(), [("2026-11-16", "closed", "")])
        with unit_of_work(SYSTEM):
            assert JournalEntry.objects.filter(kind="lab_funded").count() == 1

    def test_another_amount_is_only_proposed(self, bank: Bank) -> None:
        wanted = announced(118_000)
        bank.credit(117_999, note=wanted.reference)
        we_collect(NOW + HOUR)
        fresh(wanted)
        assert (wanted.status, world.open_items(), item().funding_id) == ("pending", ["funding_proposed"], wanted.pk)
        with pytest.raises(NeedsPosting):
            decide(reconciliation_acts.explain, item=item(), reason="Never mind.")
        dollars = announced(118_000, "USD")
        with pytest.raises(FundingDiffers):
            decide(reconciliation_acts.give_to_funding, item=item(), reference=dollars.reference)
        decide(reconciliation_acts.give_to_funding, item=item(), reference=wanted.reference)
        fresh(wanted)
        assert (wanted.status, wanted.received_minor, our_cash()) == ("settled", 117_999, 117_999)
        end_day(bank)
        assert [day[1] for day in world.days()] == ["closed"]

    def test_unless_finance_wants_to_confirm_each_one(self, bank: Bank, settings: Settings) -> None:
        settings.FUNDING_SETTLES_BY_STATEMENT = False
        wanted = announced(118_000)
        bank.credit(118_000, note=wanted.reference)
        we_collect(NOW + HOUR)
        assert world.open_items() == ["funding_proposed"]
        item_ = item()
        decide(reconciliation_acts.give_to_funding, item=item_, reference=wanted.reference)
        fresh(wanted)
        fresh(item_)
        assert (wanted.status, item_.status, item_.decided_by is not None) == ("settled", "matched", True)
        with pytest.raises(AlreadyDecided):
            decide(reconciliation_acts.explain, item=item_, reason="Again.")

    def test_what_was_confirmed_with_another_amount_is_found_by_what_came(self, bank: Bank) -> None:
        wanted = announced(50_000)
        decide(funding.confirm, funding=wanted, received=Money(49_000, EUR))
        bank.credit(49_000, note=wanted.reference)
        we_collect(NOW + HOUR)
        assert (our_cash(), world.open_items()) == (49_000, [])

    def test_a_transfer_confirmed_by_hand_before_is_not_counted_twice(self, bank: Bank) -> None:
        wanted = announced(50_000)
        decide(funding.confirm, funding=wanted)
        bank.credit(50_000, note=wanted.reference)
        we_collect(NOW + HOUR)
        assert (our_cash(), world.open_items(), ProviderEntry.objects.get().journal_entry_id is not None) == (
            50_000,
            [],
            True,
        )

    def test_an_unknown_payer_is_kept_in_suspense_until_his_funding_is_found(self, bank: Bank) -> None:
        bank.credit(70_000, note="PAYMENT", name="Somebody B.V.")
        end_day(bank)
        assert (world.open_items(), world.days()) == (["unknown_credit"], [("2026-11-16", "open", "1 item is open.")])
        decide(reconciliation_acts.post, item=item(), place="suspense", reason="Asked the bank.")
        provider_books.reconcile(provider="sepa_file", now=NOW + DAY)
        assert world.days() == [("2026-11-16", "closed", "")]
        suspense = accounts.suspense("sepa_file", EUR)
        assert (balance_of(suspense), our_cash()) == (70_000, bank.balance())
        wanted = announced(70_000)
        credit = ProviderEntry.objects.get(kind="credit")
        decide(reconciliation_acts.give_suspense_to_funding, entry=credit, reference=wanted.reference)
        fresh(wanted)
        assert (wanted.status, balance_of(suspense), our_cash()) == ("settled", 0, bank.balance())
        with pytest.raises(NothingToPost):
            decide(reconciliation_acts.give_suspense_to_funding, entry=credit, reference=wanted.reference)
        end_day(bank, 2)
        assert [status for _day, status, _why in world.days()] == ["closed", "closed"]


class TestStatements:
    def test_an_entry_left_out_of_a_statement_is_found(self, bank: Bank) -> None:
        bank.behave("ACME", behaviour="statement-gap")
        paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", GOOD, 10_000))
        we_send()
        bank.read_our_files()
        end_day(bank)
        gap = item()
        assert (gap.kind, gap.amount_minor) == ("statement_gap", -10_000)
        assert "MB-PMT-2" in gap.detail
        assert world.days() == [("2026-11-16", "open", "1 item is open.")]
        decide(reconciliation_acts.explain, item=gap, reason="The bank forgot to list it; camt.054 has it.")
        provider_books.reconcile(provider="sepa_file", now=NOW + DAY)
        assert world.days() == [("2026-11-16", "closed", "")]
        assert our_cash() == bank.balance()

    def test_a_statement_that_never_came_is_asked_for_and_its_coming_ends_the_gap(self, bank: Bank) -> None:
        end_day(bank)
        bank.sleep()
        lost = bank.hold_back("camt.053")
        we_collect(NOW + 2 * DAY)
        bank.sleep()
        we_collect(NOW + 3 * DAY)
        assert (world.open_items(), [day[1] for day in world.days()]) == (["statement_gap"], ["closed", "open"])
        world.give_back(lost)
        we_collect(NOW + 3 * DAY)
        assert (world.open_items(), [day[1] for day in world.days()]) == ([], ["closed", "closed", "closed"])

    def test_files_in_the_wrong_order_end_in_the_same_books(self, bank: Bank) -> None:
        bank.behave("ACME", behaviour="return-later", parameters={"days": 1, "reason": "AC04"})
        paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        bank.read_our_files()
        bank.sleep()
        bank.sleep()
        files = bank.hold_back("pain", "camt", "pacs")
        for held in sorted(files, key=lambda one: -int(one[0].stem.rpartition("-")[2])):
            world.give_back([held])
            we_collect(NOW + 2 * DAY)
        assert (world.statuses(), our_cash()) == (["returned"], 0)
        world.take_over_opening(NOW + 2 * DAY)
        provider_books.reconcile(provider="sepa_file", now=NOW + 2 * DAY)
        assert (world.open_items(), {day[1] for day in world.days()}) == ([], {"closed"})
        assert our_cash() == bank.balance() == OPENING

    def test_a_fee_of_the_bank_is_posted_and_closes(self, bank: Bank) -> None:
        bank.close()
        content = statement(
            entry("100.00", reference="C1", text="capital"),
            entry("2.50", side="DBIT", reference="F1", code="CHRG"),
            closing="97.50",
        )
        leave(bank, "s.xml", content)
        we_collect(NOW + DAY)
        assert world.open_items() == ["unknown_credit"]
        decide(reconciliation_acts.post, item=item(), place="capital", reason="Our own deposit.")
        provider_books.reconcile(provider="sepa_file", now=NOW + DAY)
        assert (balance_of(accounts.expense("provider_fee", EUR)), our_cash()) == (-250, 9_750)
        assert [day[1] for day in world.days()] == ["closed"]

    def test_money_that_left_without_us_can_be_written_off_with_a_reason(self, bank: Bank) -> None:
        leave(bank, "s.xml", statement(entry("40.00", side="DBIT", reference="X1"), opening="100.00", closing="60.00"))
        we_collect(NOW + DAY)
        assert sorted(world.open_items()) == ["opening_balance", "unknown_debit"]
        lost = ReconciliationItem.objects.get(kind="unknown_debit")
        decide(reconciliation_acts.post, item=lost, place="loss", reason="Fraud, reported.")
        lost.refresh_from_db()
        assert (lost.status, balance_of(accounts.expense("loss", EUR))) == ("written_off", -4_000)
        world.take_over_opening(NOW + DAY)
        provider_books.reconcile(provider="sepa_file", now=NOW + DAY)
        assert ([day[1] for day in world.days()], our_cash()) == (["closed"], 6_000)

    def test_a_transfer_that_was_booked_twice_is_a_duplicate(self, bank: Bank) -> None:
        (payout,) = paid_run(bank, ("Ada", GOOD, 20_000))
        we_send()
        bank.read_our_files()
        we_collect(NOW + HOUR)
        e2e = ProviderEntry.objects.get().key.replace("_", ".")
        twice = entry("200.00", side="DBIT", reference="SECOND", e2e=e2e)
        leave(bank, "s.xml", statement(twice, opening="100.00", closing="-1.00".replace("-", "")))
        we_collect(NOW + HOUR)
        assert "duplicate" in world.open_items()
        payout.refresh_from_db()
        assert payout.status == "paid"

    def test_what_we_posted_and_the_bank_never_shows_is_found_after_its_grace(self, bank: Bank) -> None:
        end_day(bank)
        wanted = announced(50_000)
        with unit_of_work(SYSTEM):
            funding.confirm(funding=wanted, by=story.new_user("Fin"), now=NOW + DAY)
        end_day(bank, 2)
        assert world.days()[-1][1:] == ("closed", "")  # under way: shown as ours only
        assert DayClose.objects.order_by("-day")[0].outstanding_minor == 50_000
        bank.sleep(6)
        we_collect(NOW + 8 * DAY)
        assert world.open_items() == ["missing_there"]
        assert world.days()[-1][1] == "open"
        with unit_of_work(SYSTEM):
            funding.reverse(funding=wanted, reason="Never came.", by=story.new_user("Fin"), now=NOW + 8 * DAY)
        decide(reconciliation_acts.explain, item=item(), reason="Reversed: it never came.")
        provider_books.reconcile(provider="sepa_file", now=NOW + 8 * DAY)
        assert world.days()[-1][1:] == ("closed", "")


class TestProvidersWithoutStatements:
    def test_what_settled_is_matched_and_the_day_closes(self, settings: Settings) -> None:
        expert = story.new_expert(account="acct-ada")
        story.earn(expert, 20_000, lab=story.new_lab(funded=100_000), fee=6_000)
        story.released_run()
        story.send_and_track()
        provider_books.reconcile_all(now=NOW)
        provider_books.reconcile_all(now=NOW + DAY)
        assert [
            (row.kind, row.amount_minor, row.journal_entry_id is not None) for row in ProviderEntry.objects.all()
        ] == [("payout", -20_000, True)]
        assert (world.open_items(), world.days()) == ([], [("2026-11-16", "closed", "")])

    @pytest.mark.invented_books("the provider moved what nobody asked for")
    def test_a_movement_that_we_know_nothing_of_is_before_people(self) -> None:
        expert = story.new_expert(account="acct-ada")
        story.earn(expert, 20_000, lab=story.new_lab(funded=100_000), fee=6_000)
        story.released_run()
        story.send_and_track()
        paid = ProviderMovement.objects.get()
        paid.pk, paid.idem_key, paid.movement_id = None, "pay_other-1", "mov_other"
        paid.save()
        with clock.frozen(NOW):
            for hours in (0, 2):
                provider_books.reconcile_all(now=NOW + hours * HOUR)
        assert world.open_items() == ["missing_here"]
        provider_books.reconcile_all(now=NOW + 2 * DAY)
        assert world.days()[0][1] == "open"
        with unit_of_work(SYSTEM):
            assert provider_books.alarm(now=NOW + 2 * DAY) == ["reconciliation_item_open"]
            assert ledger_findings.findings() == []
