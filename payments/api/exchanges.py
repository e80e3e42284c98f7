"""`/expert/exchange-quotes` and `/expert/exchanges`: what is owed in one currency becomes owed in another."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CurrencyField, MoneyField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import ExpertView
from experts.public import Expert, OwnWork
from payments import exchange
from payments.api.filters import ExchangedFilters
from payments.models import FxExchange, FxQuote
from payments.operations.exchange import exchanges, fx
from payments.queries import exchange_offers
from payments.queries.exchange_offers import Offer

Rate = Annotated[str, Doc("Major units of `buy` for one of `sell`, in the middle of the market."), Example("0.9213")]
AllIn = Annotated[str, Doc("What you get for one: rate × (10000 - spread_bp) / 10000."), Example("0.9166935")]
Spread = Annotated[int, Doc("What the exchange costs, in basis points of the rate."), Example(50)]


class ExchangeQuoteOut(TypedDict):
    """At what price you can exchange now, and what all of it would buy."""

    id: Annotated[str, IdOf("fxq")]
    sell: Currency
    buy: Currency
    rate: Rate
    spread_bp: Spread
    all_in_rate: AllIn
    source: Annotated[str, Example("ECB reference rates")]
    valid_until: Timestamp
    owed: Annotated[MoneyOut, Doc("All you could sell now; zero while a pay run that counts it is looked at.")]
    buys: Annotated[MoneyOut, Doc("What all of it would buy: ROUND_HALF_UP(owed × all_in_rate).")]


class ExchangeQuoteFilters(serializers.Serializer[None]):
    """Filters."""

    sell = CurrencyField(required=False)
    buy = CurrencyField(required=False)


class ExchangeIn(serializers.Serializer[None]):
    """Which quote, and how much of what you are owed."""

    quote = StrictCharField(max_length=40)
    amount = MoneyField()


class ExchangeOut(TypedDict):
    """What you were owed in one currency and are owed in another since."""

    id: Annotated[str, IdOf("fxe")]
    quote: Annotated[str, IdOf("fxq")]
    sold: MoneyOut
    bought: MoneyOut
    rate: Rate
    spread_bp: Spread
    all_in_rate: AllIn
    at: Timestamp


def render_offer(offer: Offer) -> ExchangeQuoteOut:
    """A quote, from the expert's side."""
    quote = offer.quote
    return {
        "id": quote.public_id,
        "sell": quote.sell,
        "buy": quote.buy,
        "rate": exchange.plain(quote.rate),
        "spread_bp": quote.spread_bp,
        "all_in_rate": exchange.plain(exchange.all_in(quote.rate, quote.spread_bp)),
        "source": quote.source,
        "valid_until": quote.valid_until,
        "owed": render_money(offer.sold),
        "buys": render_money(offer.bought),
    }


def render_exchange(row: FxExchange) -> ExchangeOut:
    """An exchange; its quote is joined."""
    return {
        "id": row.public_id,
        "quote": row.quote.public_id,
        "sold": render_money(row.sold),
        "bought": render_money(row.bought),
        "rate": exchange.plain(row.quote.rate),
        "spread_bp": row.quote.spread_bp,
        "all_in_rate": exchange.plain(exchange.all_in(row.quote.rate, row.quote.spread_bp)),
        "at": row.made_at,
    }


class ExchangeQuoteList(ExpertView):
    """What I could exchange."""

    @endpoint(summary="List quotes to exchange my pay by", query=ExchangeQuoteFilters, returns=list[ExchangeQuoteOut])
    def get(self, call: Call) -> list[ExchangeQuoteOut]:
        """Those that are valid now, newest first, at most 100, each with what all you are owed would buy by it."""
        me = call.principal.subject_id or 0
        return [render_offer(offer) for offer in exchange_offers.offers(expert_id=me, now=call.now, **call.query)]


class ExchangeList(ExpertView):
    """My exchanges."""

    @endpoint(
        summary="List my exchanges",
        query=ExchangedFilters,
        returns=ExchangeOut,
        paginated=True,
        render=render_exchange,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return FxExchange.objects.visible_to(call.principal).filter(**call.query).select_related("quote")

    @endpoint(
        summary="Exchange what I am owed",
        rate="money",
        body=ExchangeIn,
        returns=ExchangeOut,
        status=201,
        idempotency="required",
        errors=[
            fx.QuoteExpired,
            fx.TooLittleToExchange,
            exchanges.MoreThanOwed,
            exchanges.NowhereToPay,
            OwnWork,
            exchanges.PayInRun,
            exchanges.PayoutsBlocked,
        ],
        example={"quote": "fxq_01m80neg09e0nt9th0cpkhb0m0", "amount": {"amount": "500.00", "currency": "USD"}},
    )
    def post(self, call: Call) -> ExchangeOut:
        """By a quote that is valid now, at once and for good. It is rounded once, half up, to the smallest unit of what
        is bought. The next pay run of that currency, whose cutoff is in `/expert/pay-calendar`, pays it."""
        quote = get_or_404(FxQuote.objects.visible_to(call.principal), call.body["quote"])
        me = Expert.objects.visible_to(call.principal).select_related("user").get()
        made = exchanges.exchange(expert=me, quote=quote, sold=call.body["amount"], by=call.principal, now=call.now)
        return render_exchange(made)


class ExchangeDetail(ExpertView):
    """One exchange."""

    @endpoint(summary="Show one of my exchanges", returns=ExchangeOut)
    def get(self, call: Call, exchange_id: str) -> ExchangeOut:
        """What was sold and bought, and by which quote."""
        return render_exchange(
            get_or_404(FxExchange.objects.visible_to(call.principal).select_related("quote"), exchange_id)
        )
