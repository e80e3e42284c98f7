"""Exchange: quotes in use, labs' conversions, and the legs of every exchange. Who quotes is in `quotes`.

Every currency balances on its own: what is sold goes to ``fx:{sell}``, what is bought comes from ``fx:{buy}``. These
two accounts hold the platform's open position until finance covers it at a bank (`bank_charges.exchanged`); what then
remains on them is the realised difference, which `queries.fx_results` derives.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope
from core.money import LARGEST_INPUT_MINOR, Money
from core.problems import Conflict, FieldError, InvalidInput
from core.public import Principal
from marketplace.ports import InsufficientFunds
from payments import accounts, exchange
from payments.accounts import AccountKey
from payments.ledger import Leg, NewEntry, post
from payments.models import FxConversion, FxQuote
from payments.operations.labs import lab_funds, reservations

EXCHANGED = "fx_exchanged"


class QuoteExpired(Conflict):
    """A quote can be used until it expires. Ask for the quotes that are valid now (labs at `GET /api/v1/fx-quotes`,
    experts at `GET /api/v1/expert/exchange-quotes`)."""

    code = "quote_expired"
    title = gettext_lazy("This quote is not valid any more")


class QuoteMissing(Conflict):
    """Nobody quotes this pair of currencies now."""

    code = "quote_missing"
    title = gettext_lazy("There is no quote for these currencies")


class TooLittleToExchange(Conflict):
    """The amount would buy nothing: less than half of the smallest unit of the other currency."""

    code = "too_little_to_exchange"
    title = gettext_lazy("The amount buys nothing")


def latest(*, sell: str, buy: str, now: dt.datetime) -> FxQuote:
    """The newest quote of a pair that is valid now. Raises QuoteMissing."""
    found = FxQuote.objects.valid_at(now).filter(sell=sell, buy=buy).order_by("-quoted_at", "-pk").first()
    if found is None:
        raise QuoteMissing(_("Nobody quotes %(sell)s for %(buy)s now.") % {"sell": sell, "buy": buy})
    return found


def newest(pairs: Iterable[tuple[str, str]], *, now: dt.datetime) -> dict[tuple[str, str], FxQuote]:
    """The newest quote that is valid now of each pair (sell, buy) that somebody quotes; one query."""
    wanted = set(pairs)
    valid = FxQuote.objects.valid_at(now).filter(sell__in={sell for sell, _buy in wanted})
    found = valid.order_by("sell", "buy", "-quoted_at", "-pk").distinct("sell", "buy")
    return {(row.sell, row.buy): row for row in found if (row.sell, row.buy) in wanted}


def require_valid(quote: FxQuote, *, now: dt.datetime) -> None:
    """Raise QuoteExpired unless the quote can be used now."""
    if not quote.quoted_at <= now < quote.valid_until:
        raise QuoteExpired


def bought(*, quote: FxQuote, sold: Money) -> Money:
    """What ``sold`` buys by a quote, spread included.

    Raises InvalidInput for another currency and for more than can be booked, TooLittleToExchange.
    """
    if sold.currency != quote.sell or sold.minor <= 0:
        detail = _("This quote sells %(currency)s.") % {"currency": quote.sell}
        raise InvalidInput(detail, errors=[FieldError("/amount/currency", "wrong_currency", detail)])
    exact = exchange.unrounded(sold, buy=quote.buy, rate=quote.rate, spread_bp=quote.spread_bp)
    if exact > LARGEST_INPUT_MINOR:
        detail = _("So much %(currency)s cannot be booked.") % {"currency": quote.buy}
        raise InvalidInput(detail, errors=[FieldError("/amount/amount", "too_large", detail)])
    got = exchange.exchanged(sold, buy=quote.buy, rate=quote.rate, spread_bp=quote.spread_bp)
    if got.minor <= 0:
        raise TooLittleToExchange
    return got


def exchange_legs(*, giver: AccountKey, taker: AccountKey, sold: Money, got: Money) -> list[Leg]:
    """The four legs of an exchange: from ``giver`` in one currency to ``taker`` in another, through ``fx``.

    Labs exchange between their prepaid accounts, experts between their payables.
    """
    return [
        (giver, -sold.minor),
        (accounts.fx(sold.currency), sold.minor),
        (accounts.fx(got.currency), -got.minor),
        (taker, got.minor),
    ]


def convert(*, tenant_id: int, quote: FxQuote, sold: Money, by: Principal, now: dt.datetime) -> FxConversion:
    """Turn prepaid money of a lab into another currency, at once.

    Raises QuoteExpired, InvalidInput, TooLittleToExchange, InsufficientFunds.
    """
    require_valid(quote, now=now)
    got = bought(quote=quote, sold=sold)
    with scope.as_platform():
        held = reservations.held_by(tenant_id=tenant_id, currency=got.currency)
        giver, taker = (accounts.lab_prepaid(tenant_id, money.currency) for money in (sold, got))
        into = [taker, lab_funds.keys(tenant_id, got.currency)[1], *map(reservations.account_of, held)]
        funds = lab_funds.locked(tenant_id=tenant_id, currency=sold.currency, now=now, also=into)
        if funds.prepaid < sold.minor:
            raise InsufficientFunds(
                _("Only prepaid money can be exchanged."),
                required=dict(sold.as_json()),
                available=dict(Money(funds.prepaid, sold.currency).as_json()),
            )
        made = FxConversion.objects.create(
            tenant_id=tenant_id,
            quote=quote,
            sell_minor=sold.minor,
            buy_minor=got.minor,
            made_by=by.label,
            made_at=now,
        )
        legs = exchange_legs(giver=giver, taker=taker, sold=sold, got=got)
        post(entries=[NewEntry(EXCHANGED, made.public_id, now, legs, tenant_id=tenant_id)], now=now)
        reservations.settle_debt(tenant_id=tenant_id, currency=got.currency, source_id=made.public_id, now=now)
        reservations.refill(reservations=held, now=now)
    outbox.publish("funding.converted", subject=made.public_id, tenant_id=tenant_id, now=now)
    return made
