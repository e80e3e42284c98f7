"""What one currency buys of another, exactly: whole numbers and one rounding."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from core.money import BASIS_POINTS, Money, divide_half_up, exponent_of


def exchanged(sold: Money, *, buy: str, rate: Decimal, spread_bp: int) -> Money:
    """ROUND_HALF_UP(sold x rate x (10000 - spread) / 10000), once, in minor units of ``buy``.

    ``rate`` is major units of ``buy`` for one major unit of what is sold. The same amount by the same quote buys the
    same; what rounding takes or gives is part of the difference that stays on the ``fx`` accounts.
    """
    exact = unrounded(sold, buy=buy, rate=rate, spread_bp=spread_bp)
    return Money(divide_half_up(exact.numerator, exact.denominator), buy)


def unrounded(sold: Money, *, buy: str, rate: Decimal, spread_bp: int) -> Fraction:
    """The same before it is rounded, in minor units of ``buy``."""
    return _exact(sold, buy=buy, rate=rate) * Fraction(BASIS_POINTS - spread_bp, BASIS_POINTS)


def all_in(rate: Decimal, spread_bp: int) -> Decimal:
    """What whoever exchanges gets for one major unit, exactly."""
    with localcontext(prec=60):
        return rate * (BASIS_POINTS - spread_bp) / BASIS_POINTS


def plain(rate: Decimal) -> str:
    """A rate without trailing zeros or exponent: "0.9213"."""
    with localcontext(prec=60):
        return f"{rate.normalize():f}"


def at_middle(sold: Money, *, buy: str, rate: Decimal) -> Money:
    """The same without the spread: what the market would have given."""
    exact = _exact(sold, buy=buy, rate=rate)
    return Money(divide_half_up(exact.numerator, exact.denominator), buy)


def _exact(sold: Money, *, buy: str, rate: Decimal) -> Fraction:
    scale = Fraction(10) ** (exponent_of(buy) - exponent_of(sold.currency))
    return sold.minor * Fraction(rate) * scale
