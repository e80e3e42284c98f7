"""What an expert could exchange now, at which price, and whether it would help him to be paid."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from core.money import Money
from core.problems import Remedy
from payments import exchange
from payments.models import ExchangeInstruction, FxQuote, PayoutMethod
from payments.operations.exchange.exchanges import free_to_exchange

SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """A quote, what the expert is owed and could sell by it, and what all of it would buy."""

    quote: FxQuote
    sold: Money
    bought: Money


def offers(*, expert_id: int, sell: str = "", buy: str = "", now: dt.datetime) -> list[Offer]:
    """Quotes that are valid now, newest first, at most SHOWN; optionally of these currencies."""
    wanted = {name: code for name, code in (("sell", sell), ("buy", buy)) if code}
    quotes = list(FxQuote.objects.valid_at(now).filter(**wanted).order_by("-pk")[:SHOWN])
    free = {code: free_to_exchange(expert_id=expert_id, currency=code) for code in {row.sell for row in quotes}}
    return [Offer(row, free[row.sell], _bought(row, free[row.sell])) for row in quotes]


def way_out(*, expert_id: int, currency: str, now: dt.datetime) -> Remedy | None:
    """What somebody does who has no payout method in a currency, but in one that somebody sells for it now."""
    standing = ExchangeInstruction.objects.filter(expert=expert_id, sell=currency, status="active").first()
    if standing is not None:
        told = _("Your standing instruction exchanges it into %(currency)s before the next cutoff.")
        return Remedy(told % {"currency": standing.buy}, f"/api/v1/expert/exchange-instructions/{standing.public_id}")
    own = PayoutMethod.objects.filter(expert=expert_id, status=PayoutMethod.Status.ACTIVE).values("currency")
    quotes = FxQuote.objects.valid_at(now).filter(sell=currency, buy__in=own)
    found = quotes.order_by("-pk").values_list("buy", flat=True).first()
    if found is None:
        return None
    text = _("Exchange it into %(currency)s, or add a payout method.") % {"currency": found}
    return Remedy(text, f"/api/v1/expert/exchange-quotes?{urlencode({'sell': currency, 'buy': found})}")


def _bought(quote: FxQuote, sold: Money) -> Money:
    return exchange.exchanged(sold, buy=quote.buy, rate=quote.rate, spread_bp=quote.spread_bp)
