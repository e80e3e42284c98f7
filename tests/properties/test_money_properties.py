"""Laws of money that hold for every amount."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.money import EXPONENTS, LARGEST_INPUT_MINOR, Money, fee_for, pay_for, share

currencies = st.sampled_from(sorted(EXPONENTS))
inputs = st.integers(-LARGEST_INPUT_MINOR, LARGEST_INPUT_MINOR)


@given(minor=inputs, currency=currencies)
def test_what_is_written_is_read_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.amount, currency) == money
    assert money.decimal.scaleb(EXPONENTS[currency]) == minor


@given(text=st.text(max_size=30), currency=currencies)
def test_any_text_is_read_canonically_or_refused(text: str, currency: str) -> None:
    try:
        money = Money.parse(text, currency)
    except ValueError:
        return
    assert money.amount == text or (money.minor == 0 and text == f"-{money.amount}")


@given(seconds=st.integers(-(10**7), 10**7), rate=st.integers(0, 10**7))
def test_pay_is_decimals_half_up(seconds: int, rate: int) -> None:
    exact = Decimal(seconds * rate) / 3600
    assert pay_for(seconds, rate) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert pay_for(-seconds, rate) == -pay_for(seconds, rate)


@given(gross=st.integers(-(10**14), 10**14), bp=st.integers(0, 10_000))
def test_a_share_is_decimals_half_up(gross: int, bp: int) -> None:
    exact = Decimal(gross * bp) / 10_000
    assert share(gross, bp) == fee_for(gross, bp) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))
