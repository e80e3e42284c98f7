"""`/balance` with its statement and conversions, and `/fx-quotes`: what a lab has, in which currencies."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast
from urllib.parse import urlencode

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import CurrencyField, InstantField, MoneyField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, MoneyOut, Timestamp, render_money
from core.api.views import LabView
from core.money import Money
from core.problems import NotFound
from marketplace.ports import BalanceView, InsufficientFunds
from payments import accounts
from payments.api.filters import ExchangedFilters
from payments.models import FundsReservation, FxConversion, FxQuote
from payments.operations.exchange import fx
from payments.operations.labs import reservations
from payments.queries import account_statement
from payments.queries.account_statement import AccountStatement, Movement


class CurrencyBalanceOut(TypedDict):
    """What the lab has in one currency."""

    currency: Currency
    available: Annotated[MoneyOut, Doc("What reservations and bonuses may draw: prepaid, and the credit left.")]
    prepaid: Annotated[MoneyOut, Doc("Paid in, neither used nor reserved.")]
    reserved: Annotated[MoneyOut, Doc("Set aside for contracts: two weeks at the weekly cap, with the fee.")]
    owed: Annotated[MoneyOut, Doc("Used beyond what was paid in; beyond the credit limit, new claims pause.")]
    credit_limit: Annotated[MoneyOut, Doc("How much may be owed by choice; approved hours post beyond it.")]


class BalanceOut(TypedDict):
    """The lab's money, one line for each currency it ever had."""

    balances: list[CurrencyBalanceOut]
    may_claim: Annotated[bool, Doc("False while more is owed than the credit limit."), Example(True)]


class AccountLineOut(TypedDict):
    """One movement on the account."""

    entry: Annotated[int, Doc("The journal entry: a watermark."), Example(4711)]
    at: Timestamp
    kind: Annotated[str, Doc("What happened: lab_funded, budget_reserved, time_approved …"), Example("lab_funded")]
    source: Annotated[str, Doc("What caused it."), Example("fnd_01m80neg09e0nt9th0cpkhb0m0")]
    amount: Annotated[MoneyOut, Doc("Signed: what came is positive.")]


class AccountStatementOut(TypedDict):
    """An account between two watermarks; opening and lines come to closing."""

    account: Annotated[str, Example("prepaid")]
    currency: Currency
    since: Annotated[int, Doc("Watermark before the first line."), Example(0)]
    until: Annotated[int, Doc("Watermark of the end: asked with it again, the answer is the same."), Example(4711)]
    opening: MoneyOut
    lines: list[AccountLineOut]
    closing: MoneyOut
    next: Annotated[str | None, Doc("The page after this one.")]


class AccountStatementFilters(serializers.Serializer[None]):
    """Which account, and from where to where."""

    currency = CurrencyField()
    account = serializers.ChoiceField(choices=("prepaid", "owed", "reserved"), default="prepaid")
    reservation = StrictCharField(max_length=40, required=False)
    since = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    until = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False)
    as_of = InstantField(required=False)


class FxQuoteOut(TypedDict):
    """At what rate one currency buys another."""

    id: Annotated[str, IdOf("fxq")]
    sell: Currency
    buy: Currency
    rate: Annotated[str, Doc("Major units of `buy` for one of `sell`, in the middle."), Example("0.921300000000")]
    spread_bp: Annotated[int, Doc("What the exchange costs, in basis points of the rate."), Example(50)]
    source: Annotated[str, Example("ECB reference rates")]
    valid_until: Timestamp


class FxQuoteFilters(serializers.Serializer[None]):
    """Filters."""

    sell = CurrencyField(required=False)
    buy = CurrencyField(required=False)


class ConversionIn(serializers.Serializer[None]):
    """Which quote, and how much of what is sold."""

    quote = StrictCharField(max_length=40)
    amount = MoneyField()


class ConversionOut(TypedDict):
    """Prepaid money that became another currency."""

    id: Annotated[str, IdOf("fxc")]
    quote: Annotated[str, IdOf("fxq")]
    sold: MoneyOut
    bought: MoneyOut
    made_at: Timestamp


def render_balance(row: BalanceView) -> CurrencyBalanceOut:
    """One currency's line."""
    return {
        "currency": row.currency,
        "available": render_money(Money(row.available_minor, row.currency)),
        "prepaid": render_money(Money(row.prepaid_minor, row.currency)),
        "reserved": render_money(Money(row.reserved_minor, row.currency)),
        "owed": render_money(Money(row.receivable_minor, row.currency)),
        "credit_limit": render_money(Money(row.credit_limit_minor, row.currency)),
    }


def render_line(row: Movement, currency: str) -> AccountLineOut:
    """One movement."""
    return {
        "entry": row.entry,
        "at": row.at,
        "kind": row.kind,
        "source": row.source,
        "amount": render_money(Money(row.minor, currency)),
    }


def render_quote(row: FxQuote) -> FxQuoteOut:
    """A quote."""
    return {
        "id": row.public_id,
        "sell": row.sell,
        "buy": row.buy,
        "rate": f"{row.rate:f}",
        "spread_bp": row.spread_bp,
        "source": row.source,
        "valid_until": row.valid_until,
    }


def render_conversion(row: FxConversion) -> ConversionOut:
    """A conversion; its quote is joined."""
    return {
        "id": row.public_id,
        "quote": row.quote.public_id,
        "sold": render_money(Money(row.sell_minor, row.quote.sell)),
        "bought": render_money(Money(row.buy_minor, row.quote.buy)),
        "made_at": row.made_at,
    }


def conversions_of(call: Call) -> Any:
    """The lab's conversions with their quotes."""
    return FxConversion.objects.visible_to(call.principal).select_related("quote")


class Balance(LabView):
    """The lab's balance."""

    @endpoint(summary="Show the balance", scope="balance:read", returns=BalanceOut)
    def get(self, call: Call) -> BalanceOut:
        """What is available, reserved and owed now, in each currency."""
        tenant_id = cast(int, call.principal.tenant_id)
        rows = reservations.balances(tenant_id=tenant_id)
        return {
            "balances": [render_balance(row) for row in rows],
            "may_claim": reservations.may_claim(tenant_id=tenant_id),
        }


class BalanceStatement(LabView):
    """The movements behind the balance."""

    @endpoint(
        summary="Show the statement of an account",
        scope="balance:read",
        query=AccountStatementFilters,
        returns=AccountStatementOut,
        errors=[NotFound],
    )
    def get(self, call: Call) -> AccountStatementOut:
        """Opening, movements and closing of what is prepaid, owed, or reserved for one contract (name its
        `reservation`), up to a watermark (`until`), an instant (`as_of`) or now, oldest first, 200 lines a page."""
        asked = call.query
        key = _account_key(call, asked["account"], asked["currency"], asked.get("reservation", ""))
        found = account_statement.statement(
            key=key, since=asked["since"], until=asked.get("until"), at=asked.get("as_of")
        )
        return {
            "account": asked["account"],
            "currency": found.currency,
            "since": found.since,
            "until": found.until,
            "opening": render_money(Money(found.opening_minor, found.currency)),
            "lines": [render_line(row, found.currency) for row in found.movements],
            "closing": render_money(Money(found.closing_minor, found.currency)),
            "next": _next_page(asked, found),
        }


class FxQuoteList(LabView):
    """Quotes."""

    @endpoint(
        summary="List exchange quotes",
        scope="balance:read",
        query=FxQuoteFilters,
        returns=FxQuoteOut,
        paginated=True,
        render=render_quote,
    )
    def get(self, call: Call) -> Any:
        """Those that are valid now, newest first."""
        return FxQuote.objects.visible_to(call.principal).valid_at(call.now).filter(**call.query)


class ConversionList(LabView):
    """Conversions of the lab's money."""

    @endpoint(
        summary="List conversions",
        scope="balance:read",
        query=ExchangedFilters,
        returns=ConversionOut,
        paginated=True,
        render=render_conversion,
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return conversions_of(call).filter(**call.query)

    @endpoint(
        summary="Convert prepaid money",
        rate="money",
        scope="funding:write",
        body=ConversionIn,
        returns=ConversionOut,
        status=201,
        idempotency="required",
        errors=[fx.QuoteExpired, fx.TooLittleToExchange, InsufficientFunds],
        example={"quote": "fxq_01m80neg09e0nt9th0cpkhb0m0", "amount": {"amount": "500.00", "currency": "USD"}},
    )
    def post(self, call: Call) -> ConversionOut:
        """Sell prepaid money by a quote that is still valid; what it buys is there at once. It is rounded once, half
        up, to the smallest unit of the currency that is bought."""
        quote = get_or_404(FxQuote.objects.visible_to(call.principal), call.body["quote"])
        made = fx.convert(
            tenant_id=cast(int, call.principal.tenant_id),
            quote=quote,
            sold=call.body["amount"],
            by=call.principal,
            now=call.now,
        )
        return render_conversion(made)


class ConversionDetail(LabView):
    """One conversion."""

    @endpoint(summary="Show a conversion", scope="balance:read", returns=ConversionOut)
    def get(self, call: Call, conversion_id: str) -> ConversionOut:
        """What was sold and bought, and by which quote."""
        return render_conversion(get_or_404(conversions_of(call), conversion_id))


def _account_key(call: Call, account: str, currency: str, reservation: str) -> accounts.AccountKey:
    tenant_id = cast(int, call.principal.tenant_id)
    if account == "reserved":
        row = get_or_404(FundsReservation.objects.visible_to(call.principal), reservation)
        return reservations.account_of(row)
    return (accounts.lab_prepaid if account == "prepaid" else accounts.lab_receivable)(tenant_id, currency)


def _next_page(asked: dict[str, Any], found: AccountStatement) -> str | None:
    """The rest of the same answer: up to the same end, from where this page stops."""
    if not found.more:
        return None
    words = {"account": asked["account"], "currency": found.currency, "since": found.until, "until": found.end}
    if asked.get("reservation"):
        words["reservation"] = asked["reservation"]
    return f"/api/v1/balance/statement?{urlencode(words)}"
