"""What exchanges left on our own accounts: the open position, what spreads and rounding earned, and what is realised."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Sum

from core import scope
from core.money import Money
from payments import exchange
from payments.models import FxConversion, FxExchange, Posting


@dataclass(frozen=True, slots=True)
class FxResult:
    """One currency's trading account, in minor units.

    ``position`` is its balance: positive, we hold what others sold us; negative, we gave what we have not bought yet.
    ``spread`` is what exchanges into this currency kept of the middle rate. When positions are covered at a bank,
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
        for table in (FxConversion, FxExchange):
            rows = table._default_manager.values_list(
                "sell_minor", "buy_minor", "quote__sell", "quote__buy", "quote__rate"
            )
            for sold, got, sell, buy, rate in rows.iterator(chunk_size=2000):
                spreads[buy] += exchange.at_middle(Money(sold, sell), buy=buy, rate=rate).minor - got
    return [FxResult(currency, minor, spreads[currency]) for currency, minor in positions.items()]
