"""The journal's own laws, kept by PostgreSQL, and its one writer."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from core import scope
from core.public import Principal, Tenant, unit_of_work
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.ledger import NewEntry
from payments.models import AccountBalance, JournalEntry, Posting

NOW = dt.datetime(2026, 11, 16, 9, 30, tzinfo=dt.UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.invented_books("the journal alone")]


@pytest.fixture
def prepaid() -> AccountKey:
    return accounts.lab_prepaid(Tenant.objects.create(name="Orion").pk, "USD")


def funded(key: AccountKey, minor: int, source: str = "fnd_1", seq: int = 0) -> NewEntry:
    return NewEntry("lab_funded", source, NOW, [(accounts.cash("bank", key.currency), -minor), (key, minor)], seq=seq)


def post(*entries: NewEntry) -> list[ledger.Written]:
    with unit_of_work(Principal.system("tests")):
        return ledger.post(entries=entries, now=NOW)


def balance(key: AccountKey) -> int:
    with unit_of_work(Principal.system("tests")):
        return ledger.balances(keys=[key])[key]


def run_sql(statement: str, *params: dt.datetime) -> None:
    with unit_of_work(Principal.system("tests")), connection.cursor() as cursor:
        cursor.execute(statement, params)


def test_an_entry_moves_the_balances_of_its_accounts(prepaid: AccountKey) -> None:
    written = post(funded(prepaid, 50_000))
    assert [(entry.kind, entry.source_id) for entry in written] == [("lab_funded", "fnd_1")]
    assert balance(prepaid) == 50_000


def test_an_event_is_written_once_however_often_it_is_told(prepaid: AccountKey) -> None:
    for _ in range(3):
        post(funded(prepaid, 50_000))
    assert post(funded(prepaid, 99)) == []
    assert balance(prepaid) == 50_000
    with unit_of_work(Principal.system("tests")):
        assert JournalEntry.objects.count() == 1
        assert Posting.objects.count() == 2


def test_a_batch_may_hold_new_events_beside_old_ones(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    written = post(funded(prepaid, 100), funded(prepaid, 7, source="fnd_2"))
    assert [entry.source_id for entry in written] == ["fnd_2"]
    assert balance(prepaid) == 107


def test_two_currencies_stand_side_by_side_and_balance_each(prepaid: AccountKey) -> None:
    euro = accounts.lab_prepaid(prepaid.tenant_id or 0, "EUR")
    post(funded(prepaid, 100), funded(euro, 40, source="fnd_2"))
    assert (balance(prepaid), balance(euro)) == (100, 40)
    mixed = NewEntry("fx", "fx_1", NOW, [(prepaid, -10), (euro, 10)])
    with pytest.raises(IntegrityError, match="does not balance"):
        post(mixed)


def test_legs_of_zero_are_left_out_and_legs_of_one_account_are_one(prepaid: AccountKey) -> None:
    entry = NewEntry("x", "x_1", NOW, [(prepaid, 5), (prepaid, 5), (accounts.cash("bank", "USD"), -10), (prepaid, 0)])
    post(entry, NewEntry("x", "x_2", NOW, [(prepaid, 0)]))
    with unit_of_work(Principal.system("tests")):
        assert sorted(Posting.objects.values_list("amount", flat=True)) == [-10, 10]
        assert JournalEntry.objects.count() == 1


def test_sums_past_two_to_the_53rd_stay_exact(prepaid: AccountKey) -> None:
    large = 2**60 + 1
    post(funded(prepaid, large), funded(prepaid, 1, source="fnd_2"))
    assert balance(prepaid) == large + 1


def test_an_unbalanced_entry_is_refused_and_nothing_stays(prepaid: AccountKey) -> None:
    lopsided = NewEntry("lab_funded", "fnd_9", NOW, [(accounts.cash("bank", "USD"), -99), (prepaid, 100)])
    with pytest.raises(IntegrityError, match="does not balance"):
        post(funded(prepaid, 5), lopsided)
    with unit_of_work(Principal.system("tests")):
        assert not JournalEntry.objects.exists()


def test_a_prepaid_balance_does_not_fall_below_zero(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    taken = NewEntry("lab_refunded", "rfd_1", NOW, [(prepaid, -101), (accounts.cash("bank", "USD"), 101)])
    with pytest.raises(IntegrityError, match="payments_balance_not_below_zero"):
        post(taken)
    assert balance(prepaid) == 100


def test_a_payable_may_fall_below_zero() -> None:
    with unit_of_work(Principal.system("tests")):
        ledger.lock(keys=[accounts.fee_income("USD")], now=NOW)
        assert AccountBalance.objects.count() == 0
    # Platform-wide accounts have no row that everybody would queue for.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_posting SET amount = amount + 1",
        "DELETE FROM payments_posting",
        "UPDATE payments_journalentry SET kind = 'other'",
        "DELETE FROM payments_journalentry",
        "UPDATE payments_account SET currency = 'EUR'",
        "UPDATE payments_accountbalance SET balance = balance + 1",
        "DELETE FROM payments_accountbalance",
        "TRUNCATE payments_posting",
        "SELECT set_config('pgtrigger.ignore', '{all}', true); UPDATE payments_accountbalance SET balance = 7",
    ],
)
def test_the_application_cannot_rewrite_the_books(prepaid: AccountKey, statement: str) -> None:
    post(funded(prepaid, 100))
    with pytest.raises(ProgrammingError, match=r"permission denied|append-only|follow the journal"):
        run_sql(statement)
    assert balance(prepaid) == 100


def test_an_entry_without_legs_is_refused(prepaid: AccountKey) -> None:
    insert = (
        "INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)"
        " VALUES ('x', 'x_1', 0, 2, %s, %s)"
    )
    with pytest.raises(IntegrityError, match="has no legs"):
        run_sql(insert, NOW, NOW)


def test_legs_cannot_be_added_to_an_entry_later(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    more = (
        "INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)"
        " SELECT entry_id, position + 2, account_id, amount, currency FROM payments_posting"
    )
    with pytest.raises(IntegrityError, match="did not come complete"):
        run_sql(more)
    assert balance(prepaid) == 100


def test_the_journal_takes_no_copy(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    with (
        pytest.raises(psycopg.errors.FeatureNotSupported),
        unit_of_work(Principal.system("tests")),
        connection.cursor() as cursor,
        cursor.copy("COPY payments_posting (entry_id, position, account_id, amount, currency) FROM STDIN") as copy,
    ):
        copy.write_row((1, 3, 1, 5, "USD"))
    assert balance(prepaid) == 100


def test_a_leg_carries_the_currency_of_its_account(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    wrong = """
        WITH entry AS (
            INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)
            VALUES ('x', 'x_1', 0, 2, %s, %s) RETURNING id)
        INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
        SELECT entry.id, old.position, old.account_id, old.amount, 'EUR' FROM entry, payments_posting old
    """
    with pytest.raises(IntegrityError, match="another currency"):
        run_sql(wrong, NOW, NOW)


def test_only_the_platform_sees_the_ledger(prepaid: AccountKey) -> None:
    post(funded(prepaid, 100))
    with transaction.atomic():
        scope.bind(Principal.anonymous())
        assert not JournalEntry.objects.exists()
        assert not Posting.objects.exists()
        assert not AccountBalance.objects.exists()


def test_a_reversal_is_exact_and_happens_once(prepaid: AccountKey) -> None:
    entry_id = post(funded(prepaid, 100))[0].id
    with unit_of_work(Principal.system("tests")):
        opposite = ledger.reversal(entry_id=entry_id, kind="funding_reversed", source_id="fnd_1", now=NOW)
    post(opposite)
    assert balance(prepaid) == 0
    with pytest.raises(IntegrityError, match="reverses"), unit_of_work(Principal.system("tests")):
        again = ledger.reversal(entry_id=entry_id, kind="funding_reversed", source_id="fnd_2", now=NOW)
        ledger.post(entries=[again, funded(prepaid, 500, source="fnd_3")], now=NOW)
    assert balance(prepaid) == 0
