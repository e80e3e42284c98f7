"""`/expert/exchange-instructions`: exchange what I am owed before each cutoff, until I revoke it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import CurrencyField, StrictCharField, StrictIntegerField
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, Timestamp
from core.api.views import ExpertView
from core.problems import InvalidTransition
from experts.public import Expert
from payments import exchange
from payments.api.payday_types import PayDateOut, render_date
from payments.models import ExchangeInstruction, FxQuote
from payments.operations.exchange import exchange_instructions, exchanges, fx
from payments.queries import pay_calendar

RATE = r"\A[0-9]{1,11}(\.[0-9]{1,12})?\Z"


class QuoteOfTheHourOut(TypedDict):
    """The quote by which it would exchange if its hour were now."""

    id: Annotated[str, IdOf("fxq")]
    rate: Annotated[str, Doc("Major units of `buy` for one of `sell`, in the middle of the market."), Example("0.9213")]
    spread_bp: Annotated[int, Doc("What the exchange costs, in basis points of the rate."), Example(50)]
    all_in_rate: Annotated[str, Doc("What you get for one."), Example("0.9166935")]
    source: Annotated[str, Example("ECB reference rates")]
    valid_until: Timestamp
    refused_because: Annotated[
        str | None, Doc("spread_too_high or rate_too_low: worse than you agreed to."), Example(None)
    ]


class ExchangeInstructionOut(TypedDict):
    """What you agreed to."""

    id: Annotated[str, IdOf("fxi")]
    status: Annotated[str, Doc("active or revoked."), Example("active")]
    sell: Currency
    buy: Currency
    most_spread_bp: Annotated[int, Doc("Nothing is exchanged at a higher spread."), Example(75)]
    least_rate: Annotated[str | None, Doc("Nothing is exchanged for less than this, spread taken off."), Example("0.9")]
    consent: Annotated[
        str,
        Doc("What you agreed to, in words."),
        Example("Before each cutoff of EUR all that is payable in USD is exchanged."),
    ]
    agreed_at: Timestamp
    revoked_at: Timestamp | None
    next_payday: Annotated[PayDateOut | None, Doc("The next day on which what it bought is sent; null once revoked.")]
    exchanges_from: Annotated[Timestamp | None, Doc("From then until the cutoff it exchanges, once.")]
    quote_now: Annotated[QuoteOfTheHourOut | None, Doc("Null while nobody quotes these currencies.")]
    obstacle: Annotated[str | None, Doc("Why it could not exchange the last time it tried."), Example(None)]


class ExchangeInstructionIn(serializers.Serializer[None]):
    """What to exchange, the worst price that you accept, and your consent."""

    sell = CurrencyField()
    buy = CurrencyField()
    most_spread_bp = StrictIntegerField(min_value=0, max_value=9_999)
    least_rate = StrictCharField(required=False, max_length=24, validators=[RegexValidator(RATE, code="invalid")])
    consent = serializers.BooleanField()


def render_instructions(rows: list[ExchangeInstruction], *, now: dt.datetime) -> list[ExchangeInstructionOut]:
    """Instructions with their next hours and the quotes of this one, which are read together."""
    pairs = {(row.sell, row.buy) for row in rows if row.status == ExchangeInstruction.Status.ACTIVE}
    quotes = fx.newest(pairs, now=now) if pairs else {}
    return [_render(row, quotes.get((row.sell, row.buy)), now=now) for row in rows]


def render_instruction(row: ExchangeInstruction, *, now: dt.datetime) -> ExchangeInstructionOut:
    """One of them."""
    (shown,) = render_instructions([row], now=now)
    return shown


def _render(row: ExchangeInstruction, quote: FxQuote | None, *, now: dt.datetime) -> ExchangeInstructionOut:
    active = row.status == ExchangeInstruction.Status.ACTIVE
    date = pay_calendar.approved_at(currency=row.buy, at=now) if active else None
    return {
        "id": row.public_id,
        "status": row.status,
        "sell": row.sell,
        "buy": row.buy,
        "most_spread_bp": row.most_spread_bp,
        "least_rate": exchange.plain(row.least_rate) if row.least_rate else None,
        "consent": _(
            "Before each cutoff of %(buy)s all that is payable in %(sell)s is exchanged by the newest quote, for good, "
            "until I revoke this."
        )
        % {"buy": row.buy, "sell": row.sell},
        "agreed_at": row.agreed_at,
        "revoked_at": row.revoked_at,
        "next_payday": render_date(date) if date else None,
        "exchanges_from": exchange_instructions.begins(date.cutoff) if date else None,
        "quote_now": _render_quote(row, quote) if active and quote else None,
        "obstacle": row.obstacle or None,
    }


def _render_quote(row: ExchangeInstruction, quote: FxQuote) -> QuoteOfTheHourOut:
    return {
        "id": quote.public_id,
        "rate": exchange.plain(quote.rate),
        "spread_bp": quote.spread_bp,
        "all_in_rate": exchange.plain(exchange.all_in(quote.rate, quote.spread_bp)),
        "source": quote.source,
        "valid_until": quote.valid_until,
        "refused_because": row.refuses(quote) or None,
    }


def _mine(call: Call) -> Any:
    return ExchangeInstruction.objects.visible_to(call.principal)


class ExchangeInstructionList(ExpertView):
    """My standing instructions."""

    @endpoint(summary="List my standing instructions to exchange", returns=ExchangeInstructionOut, paginated=True)
    def get(self, call: Call) -> Listed:
        """Newest first, revoked ones too."""
        return Listed(_mine(call), lambda page: render_instructions(page, now=call.now), together=True)

    @endpoint(
        summary="Let what I am owed be exchanged before each cutoff",
        rate="money",
        idempotency="required",
        body=ExchangeInstructionIn,
        returns=ExchangeInstructionOut,
        status=201,
        errors=[
            exchange_instructions.NotAgreed,
            exchange_instructions.InstructionExists,
            exchanges.NowhereToPay,
        ],
        example={"sell": "USD", "buy": "EUR", "most_spread_bp": 75, "least_rate": "0.9", "consent": True},
    )
    def post(self, call: Call) -> ExchangeInstructionOut:
        """Look at `/expert/exchange-quotes` first: it tells today's rate and spread.

        In the last hour before each cutoff of `buy` all that is payable to you in `sell` is exchanged, by the newest quote
        of that hour, never at a higher spread or a lower rate than you say here. Each exchange comes with a notice and can
        be recomputed at `/expert/earnings/{id}/explain`. Revoke it whenever you like.
        """
        given = call.body
        made = exchange_instructions.agree(
            expert=Expert.objects.visible_to(call.principal).select_related("user").get(),
            sell=given["sell"],
            buy=given["buy"],
            most_spread_bp=given["most_spread_bp"],
            least_rate=Decimal(given.get("least_rate", "0")),
            consent=given["consent"],
            now=call.now,
        )
        return render_instruction(made, now=call.now)


class ExchangeInstructionDetail(ExpertView):
    """One of them."""

    @endpoint(summary="Show one of my standing instructions", returns=ExchangeInstructionOut)
    def get(self, call: Call, instruction_id: str) -> ExchangeInstructionOut:
        """With the quote by which it would exchange now, and when it does next."""
        return render_instruction(get_or_404(_mine(call), instruction_id), now=call.now)


class ExchangeInstructionRevoke(ExpertView):
    """No more of it."""

    @endpoint(summary="Revoke a standing instruction", returns=ExchangeInstructionOut, errors=[InvalidTransition])
    def post(self, call: Call, instruction_id: str) -> ExchangeInstructionOut:
        """From now on nothing is exchanged by it; what was exchanged stays exchanged."""
        row = exchange_instructions.revoke(instruction=get_or_404(_mine(call), instruction_id), now=call.now)
        return render_instruction(row, now=call.now)
