"""What exchanges left on our own accounts: the open position, what spreads and rounding earned, and what is realised."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Sum

from core import scope
from core.money import Money
from payments import exchange
from payments.models import FxConversion, Posting


@dataclass(frozen=True, slots=True)
class FxResult:
    """One currency's trading account, in minor units.

    ``position`` is its balance: positive, we hold what others sold us; negative, we gave what we have not bought yet.
    ``spread`` is what conversions into this currency kept of the middle rate. When positions are covered at a bank,
    what remains of ``position`` is the realised difference: income when positive.
    """

    currency: str
    position: int
    spread: int


def results() -> list[FxResult]:
    """Every currency that was ever exchanged."""
    with scope.as_platform():
        legs = Posting.objects.filter(account__kind="fx").values_list("currency").annotate(total=Sum("amount"))
        positions = {currency: int(total) for currency, total in legs.order_by("currency")}
        spreads: dict[str, int] = defaultdict(int)
        for made in FxConversion.objects.select_related("quote").iterator(chunk_size=2000):
            middle = exchange.at_middle(
                Money(made.sell_minor, made.quote.sell), buy=made.quote.buy, rate=made.quote.rate
            )
            spreads[made.quote.buy] += middle.minor - made.buy_minor
    return [FxResult(currency, minor, spreads[currency]) for currency, minor in positions.items()]
