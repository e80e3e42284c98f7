"""Ten thousand random hours against an oracle that shares no code with us: Decimal, and PostgreSQL's numeric."""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

import pytest
from django.db import connection

from core.money import Money, exponent_of, fee_for, pay_for, share
from payments.operations.pay.clawbacks import Paid

CASES = 10_000
CURRENCIES = ("JPY", "USD", "KWD")
SQL = """
    WITH priced AS (
        SELECT n, bp, seconds, rate, round(seconds::numeric * rate / 3600) AS gross
        FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) WITH ORDINALITY AS c (seconds, rate, bp, n)
    )
    SELECT gross::bigint, round(gross * bp / 10000)::bigint FROM priced ORDER BY n
"""

Case = tuple[int, int, int, list[int], str]  # the list: in what proportion the pay is taken back


def cases() -> list[Case]:
    """(seconds, rate, basis points, weights, currency): small, ordinary, huge, and halves on purpose."""
    dice = random.Random(20_261_116)  # noqa: S311  # the same cases every time
    found: list[Case] = []
    for n in range(CASES):
        currency = CURRENCIES[n % 3]
        seconds = dice.choice((dice.randint(0, 90), dice.randint(1, 90_000), 1800 * dice.randint(1, 99), 2**31 - 1))
        rate = dice.choice(
            (dice.randint(1, 500), dice.randint(1_000, 100_000), 2 * dice.randint(1, 999) + 1, 10**9 + 7)
        )
        weights = [dice.randint(0, 9) for _ in range(dice.randint(1, 7))]
        found.append(
            (seconds, rate, dice.choice((0, 1, 3_000, 5_000, dice.randint(1, 10_000))), [*weights, 1], currency)
        )
    return found


def oracle(seconds: int, rate: int, bp: int, currency: str) -> tuple[Decimal, Decimal]:
    """Gross and fee in major units, by the book."""
    unit = Decimal(1).scaleb(-exponent_of(currency))
    with localcontext(prec=60):
        per_hour = Decimal(rate).scaleb(-exponent_of(currency))
        gross = (Decimal(seconds) * per_hour / Decimal(3600)).quantize(unit, rounding=ROUND_HALF_UP)
        return gross, (gross * Decimal(bp) / Decimal(10_000)).quantize(unit, rounding=ROUND_HALF_UP)


def test_python_agrees_with_the_oracle_to_the_smallest_unit() -> None:
    for seconds, rate, bp, _weights, currency in cases():
        gross = pay_for(seconds, rate)
        ours = Money(gross, currency).decimal, Money(fee_for(gross, bp), currency).decimal
        assert ours == oracle(seconds, rate, bp, currency), (seconds, rate, bp, currency)


@pytest.mark.django_db
def test_postgresql_agrees_with_the_oracle_to_the_smallest_unit() -> None:
    given = cases()
    with connection.cursor() as cursor:
        cursor.execute(SQL, [[case[0] for case in given], [case[1] for case in given], [case[2] for case in given]])
        rows = cursor.fetchall()
    for (seconds, rate, bp, _weights, currency), (gross, fee) in zip(given, rows, strict=True):
        found = Money(gross, currency).decimal, Money(fee, currency).decimal
        assert found == oracle(seconds, rate, bp, currency), (seconds, rate, bp, currency)


def test_what_is_held_back_agrees_with_the_oracle_and_is_no_cent_beside_the_pay() -> None:
    for seconds, rate, bp, _weights, currency in cases():
        gross = pay_for(seconds, rate)
        held = share(gross, bp)
        whole, of_it = oracle(seconds, rate, bp, currency)
        assert Money(held, currency).decimal == of_it
        assert Money(gross - held, currency).decimal == whole - of_it


def test_a_fee_given_back_in_pieces_agrees_with_the_oracle_to_the_smallest_unit() -> None:
    """Pay is taken back in pieces until nothing is left; each gives back its part of the fee, by the product's own rule."""
    pieces = 0
    for seconds, rate, bp, weights, currency in cases():
        gross = pay_for(seconds, rate)
        fee = fee_for(gross, bp)
        taken = given = 0
        for piece, back in zip(*oracle_of_pieces(gross, fee, weights, currency), strict=True):
            minor = int(piece.scaleb(exponent_of(currency)))
            part = Paid(gross, fee, taken_minor=taken, fee_taken_minor=given).fee_of(minor)
            assert Money(part, currency).decimal == back, (gross, fee, taken, minor, currency)
            taken, given, pieces = taken + minor, given + part, pieces + 1
        assert (taken, given) == (gross, fee if gross else 0)
    assert pieces > CASES


def oracle_of_pieces(gross: int, fee: int, weights: list[int], currency: str) -> tuple[list[Decimal], list[Decimal]]:
    """Pieces of the pay in major units, and of the fee with each: by the book, what is due so far less what was given."""
    places = exponent_of(currency)
    unit = Decimal(1).scaleb(-places)
    with localcontext(prec=60):
        whole, all_of_the_fee = Decimal(gross).scaleb(-places), Decimal(fee).scaleb(-places)
        so_far = [
            (whole * sum(weights[: n + 1]) / sum(weights)).quantize(unit, ROUND_DOWN) for n in range(len(weights))
        ]
        marks = [mark for mark, before in zip(so_far, [Decimal(0), *so_far], strict=False) if mark > before]
        due = [(all_of_the_fee * mark / whole).quantize(unit, ROUND_HALF_UP) for mark in marks]
        return _steps(marks), _steps(due)


def _steps(marks: list[Decimal]) -> list[Decimal]:
    return [mark - before for mark, before in zip(marks, [Decimal(0), *marks], strict=False)]


def test_sums_grow_past_what_a_float_holds() -> None:
    grosses = [pay_for(seconds, rate) for seconds, rate, *_rest in cases()]
    total = Money.total((Money(minor, "USD") for minor in grosses), "USD")
    assert total.minor > 2**53
    assert total.minor == sum(grosses)
    assert total.amount == f"{sum(grosses) // 100}.{sum(grosses) % 100:02d}"
