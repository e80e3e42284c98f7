"""Money is exact, keeps its currency, and never loses a minor unit in a split."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.money import (
    CurrencyMismatch,
    Money,
    divide_half_up,
    exponent_of,
    fee_for,
    pay_for,
    share,
)


def test_the_wire_form_has_the_decimals_of_the_currency() -> None:
    assert Money(127_500, "USD").as_json() == {"amount": "1275.00", "currency": "USD"}
    assert Money(1275, "JPY").amount == "1275"
    assert Money(1275, "BHD").amount == "1.275"
    assert Money(-5, "USD").amount == "-0.05"
    assert Money(5, "CLF").amount == "0.0005"


def test_an_amount_is_read_exactly_even_past_what_a_float_holds() -> None:
    assert Money.parse("9999999999999.99", "USD").minor == 999_999_999_999_999
    assert (Money(2**53, "USD") + Money(1, "USD")).amount == "90071992547409.93"
    assert Money.parse("-0.05", "EUR").minor == -5
    assert Money.parse("7", "JPY") == Money(7, "JPY")
    assert Money.parse("1.275", "KWD").decimal == Decimal("1.275")


@pytest.mark.parametrize(
    ("amount", "currency", "rule"),
    [
        ("12.5", "USD", "exactly 2 decimals"),
        ("12.500", "USD", "exactly 2 decimals"),
        ("12.50", "JPY", "exactly 0 decimals"),
        ("12", "USD", "exactly 2 decimals"),
        ("NaN", "USD", "plain decimal"),
        ("Infinity", "USD", "plain decimal"),
        ("1e3", "JPY", "plain decimal"),
        ("1,275.00", "USD", "plain decimal"),
        (" 1.00", "USD", "plain decimal"),
        ("1.00\n", "USD", "plain decimal"),
        ("+1.00", "USD", "plain decimal"),
        ("01.00", "USD", "plain decimal"),
        ("\u0661.\u0660\u0660", "USD", "plain decimal"),
        ("", "USD", "plain decimal"),
        ("10000000000000.01", "USD", "may not exceed"),
        ("9" * 5000, "JPY", "may not exceed"),
        ("1.00", "usd", "ISO 4217"),
        ("1.00", "XXX", "ISO 4217"),
    ],
)
def test_an_amount_that_breaks_a_rule_is_refused_by_name(amount: str, currency: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Money.parse(amount, currency)


def test_a_number_is_not_an_amount() -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        Money.parse(12.50, "USD")  # type: ignore[arg-type]  # what a JSON client may send
    with pytest.raises(TypeError):
        Money(12.50, "USD")  # type: ignore[arg-type]  # a float must not slip in
    with pytest.raises(TypeError):
        Money(True, "USD")


def test_more_than_a_bigint_is_refused() -> None:
    assert Money(2**63 - 1, "USD").minor == 9_223_372_036_854_775_807
    with pytest.raises(ValueError, match="64 bits"):
        Money(2**63 - 1, "USD") + Money(1, "USD")


def test_currencies_never_mix() -> None:
    dollars, euros = Money(100, "USD"), Money(100, "EUR")
    assert dollars != euros
    with pytest.raises(CurrencyMismatch):
        dollars + euros
    with pytest.raises(CurrencyMismatch):
        dollars - euros
    with pytest.raises(CurrencyMismatch):
        assert dollars < euros
    with pytest.raises(CurrencyMismatch):
        Money.total([dollars, euros], "USD")


def test_sums_and_comparisons() -> None:
    assert Money(70, "USD") + Money(5, "USD") - Money(80, "USD") == Money(-5, "USD")
    assert Money(1, "USD") < Money(2, "USD") <= Money(2, "USD")
    assert Money(3, "USD") > Money(2, "USD") >= Money(2, "USD")
    assert -Money(3, "USD") == Money(-3, "USD")
    assert Money.total([], "JPY") == Money.zero("JPY")
    assert str(Money(1999, "EUR")) == "19.99 EUR"


def test_pay_rounds_half_a_minor_unit_up() -> None:
    assert pay_for(3600, 11_000) == 11_000
    assert pay_for(1800, 1) == 1  # exactly half a cent
    assert pay_for(1799, 1) == 0
    assert pay_for(-1800, 1) == -1  # a correction mirrors what it corrects
    assert pay_for(9000, 10_999) == 27_498  # 27497.5
    assert pay_for(0, 11_000) == 0


def test_the_fee_is_taken_from_the_rounded_gross() -> None:
    assert fee_for(27_498, 2_000) == 5_500  # 5499.6
    assert fee_for(25, 200) == 1  # exactly half
    assert fee_for(-25, 200) == -1
    assert fee_for(100, 0) == 0


def test_a_share_is_rounded_half_up_like_its_mirror_image() -> None:
    assert share(27_498, 1_900) == 5_225  # 5224.62
    assert share(50, 1_000) == 5
    assert share(45, 1_000) == 5  # exactly half
    assert share(-45, 1_000) == -5
    assert share(44, 1_000) == 4
    assert share(12_345, 10_000) == 12_345


def test_a_division_needs_a_positive_denominator() -> None:
    with pytest.raises(ValueError, match="positive"):
        divide_half_up(1, 0)


def test_the_exponents_of_iso_4217() -> None:
    assert [exponent_of(code) for code in ("JPY", "USD", "TND", "CLF")] == [0, 2, 3, 4]
    with pytest.raises(ValueError, match="'XAU'"):
        exponent_of("XAU")
