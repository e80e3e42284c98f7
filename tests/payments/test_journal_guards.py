"""A batch with one thing wrong in it is refused whole, wherever in the batch it stands."""

from __future__ import annotations

import datetime as dt
from typing import Final

import pytest
from django.db import IntegrityError, connection

from core.public import Principal, unit_of_work
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import Account, JournalEntry, Posting

NOW = dt.datetime(2026, 11, 16, 9, 30, tzinfo=dt.UTC)
SYSTEM = Principal.system("tests")
USD, USD_FEES = accounts.expense("bench", "USD"), accounts.fee_income("USD")
EUR, EUR_FEES = accounts.expense("bench", "EUR"), accounts.fee_income("EUR")
BATCH = 5
NOBODYS: Final = 10**12
"""An id that no entry and no account has."""

pytestmark = pytest.mark.django_db

Leg = tuple[int, str, int, str]
"""Position, account, amount, currency."""

RIGHT: Final[list[Leg]] = [(1, "expense:bench:USD", -100, "USD"), (2, "fee_income:USD", 100, "USD")]
SHAPES: Final[dict[str, tuple[str, list[Leg]]]] = {
    "a cent is missing": ("payments_entry_balances", [RIGHT[0], (2, "fee_income:USD", 99, "USD")]),
    "currencies make zero together": ("payments_entry_balances", [RIGHT[0], (2, "fee_income:EUR", 100, "EUR")]),
    "one leg": ("payments_entry_balances", RIGHT[:1]),
    "a leg too many": (
        "payments_entry_complete",
        [RIGHT[0], (2, "fee_income:USD", 60, "USD"), (3, "fee_income:USD", 40, "USD")],
    ),
    "a gap": ("payments_entry_complete", [RIGHT[0], (3, "fee_income:USD", 100, "USD")]),
    "no legs": ("payments_entry_has_legs", []),
    "another currency than the account's": (
        "payments_leg_currency",
        [(1, "expense:bench:USD", -100, "EUR"), (2, "fee_income:EUR", 100, "EUR")],
    ),
    "no such account": ("payments_leg_currency", [RIGHT[0], (2, "nobody's", 100, "USD")]),
}

_WRITE = """
    WITH entries AS (
        INSERT INTO payments_journalentry (kind, source_id, seq, legs, effective_at, created_at)
        SELECT 'bench', 'new_' || n, 0, 2, %(now)s, %(now)s FROM generate_series(0, %(last)s) n RETURNING id, source_id
    )
    INSERT INTO payments_posting (entry_id, position, account_id, amount, currency)
    SELECT COALESCE(e.id, old.id, %(nobodys)s), l.position, COALESCE(a.id, %(nobodys)s), l.amount, l.currency
    FROM unnest(%(events)s::text[], %(positions)s::int[], %(keys)s::text[], %(amounts)s::bigint[], %(currencies)s::text[])
        WITH ORDINALITY AS l (event, position, key, amount, currency, n)
    LEFT JOIN entries e ON e.source_id = l.event LEFT JOIN payments_journalentry old ON old.source_id = l.event
    LEFT JOIN payments_account a ON a.key = l.key ORDER BY l.n
"""


@pytest.fixture(autouse=True)
def books() -> None:
    """An entry in each currency from before."""
    legs = ([(USD, -7), (USD_FEES, 7)], [(EUR, -7), (EUR_FEES, 7)])
    with unit_of_work(SYSTEM):
        ledger.post(entries=[NewEntry("bench", f"old_{n}", NOW, pair) for n, pair in enumerate(legs)], now=NOW)


def write(batch: list[tuple[str, list[Leg]]]) -> None:
    """One statement that makes BATCH entries and these legs, each list for an event."""
    legs = [(event, *leg) for event, its in batch for leg in its]
    names = ("events", "positions", "keys", "amounts", "currencies")
    columns = dict(zip(names, map(list, zip(*legs, strict=True)), strict=True))
    with unit_of_work(SYSTEM), connection.cursor() as cursor:
        cursor.execute(_WRITE, {**columns, "last": BATCH - 1, "now": NOW, "nobodys": NOBODYS})


def rightly() -> list[tuple[str, list[Leg]]]:
    return [(f"new_{n}", RIGHT) for n in range(BATCH)]


def rows() -> tuple[int, int]:
    with unit_of_work(SYSTEM):
        return JournalEntry.objects.count(), Posting.objects.count()


def test_a_batch_with_nothing_wrong_is_written() -> None:
    assert rows() == (2, 4)
    write(rightly())
    assert rows() == (2 + BATCH, 4 + 2 * BATCH)


def test_legs_may_come_in_any_order() -> None:
    write(rightly()[::-1])
    assert rows() == (2 + BATCH, 4 + 2 * BATCH)


@pytest.mark.parametrize("place", [0, BATCH // 2, BATCH - 1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_wrong_entry_among_right_ones_is_refused(shape: str, place: int) -> None:
    constraint, legs = SHAPES[shape]
    batch = rightly()
    batch[place] = f"new_{place}", legs
    refused(batch, constraint)


@pytest.mark.parametrize("place", [0, BATCH], ids=["before", "after"])
@pytest.mark.parametrize("event", ["old_0", "nobody's"])
def test_legs_of_an_entry_that_is_complete_or_was_never_made_are_refused(event: str, place: int) -> None:
    batch = rightly()
    batch.insert(place, (event, [(position + 2, *rest) for position, *rest in RIGHT]))  # type: ignore[misc]  # of a Leg
    refused(batch, "payments_entry_complete")


def test_whole_legs_of_an_entry_that_was_never_made_are_refused() -> None:
    refused([*rightly(), ("nobody's", RIGHT)], "payments_entry_complete")


def refused(batch: list[tuple[str, list[Leg]]], constraint: str) -> None:
    with pytest.raises(IntegrityError) as refusal:
        write(batch)
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]  # psycopg's error
    assert rows() == (2, 4)
    with unit_of_work(SYSTEM):
        assert Account.objects.count() == 4
