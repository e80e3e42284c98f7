"""Experts exchange what they are owed, so that the run of a currency they can be paid in pays it.

Nothing of the pay runs changes: money leaves what is owed in one currency and is owed in the other from this instant
on. A line that a run has calculated already would not be the one that was looked at, so it is left alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money
from core.problems import Conflict, FieldError, InvalidInput, Remedy
from core.public import Principal
from experts import public as experts
from experts.public import Expert, OwnWork, Restriction
from payments import accounts, ledger
from payments.exchange import plain
from payments.ledger import NewEntry
from payments.models import ExchangeInstruction, FxExchange, FxQuote, PayoutMethod, PayRun, PayRunLine
from payments.operations.exchange import fx

_UNRELEASED = (PayRun.Status.DRAFT, PayRun.Status.CALCULATING, PayRun.Status.REVIEW)
USABLE = (PayoutMethod.Status.PENDING, PayoutMethod.Status.ACTIVE)


class MoreThanOwed(Conflict):
    """You can exchange at most what is owed to you in this currency now; `available` tells how much that is.

    What is held back or contested is not exchanged, nor what is in a payout already, nor anything of a lab's sandbox.
    """

    code = "more_than_owed"
    title = gettext_lazy("You are not owed that much")
    example_members: ClassVar[Mapping[str, Any]] = {
        "required": {"amount": "500.00", "currency": "USD"},
        "available": {"amount": "412.50", "currency": "USD"},
    }


class PayInRun(Conflict):
    """A pay run has calculated what you are owed in this currency and is being looked at: it pays you, or holds it.

    Exchange what is left once the run is released or cancelled; `/api/v1/expert/pay-runs` tells.
    """

    code = "pay_in_run"
    title = gettext_lazy("This money is in a pay run")
    example_members: ClassVar[Mapping[str, Any]] = {"run": "run_01k9w3v6z8f2qr5t4h7xnm0ceg"}


class PayoutsBlocked(Conflict):
    """Your payouts are held by a decision, so what you are owed stays as it is. You can appeal against the decision."""

    code = "payouts_blocked"
    title = gettext_lazy("Your payouts are held")


class NowhereToPay(Conflict):
    """You have no payout method in the currency you want to buy, so nobody could pay it to you. Add one first."""

    code = "nowhere_to_pay"
    title = gettext_lazy("There is no payout method for this currency")


def exchange(
    *,
    expert: Expert,
    quote: FxQuote,
    sold: Money,
    by: Principal,
    now: dt.datetime,
    instruction: ExchangeInstruction | None = None,
) -> FxExchange:
    """Turn what the expert is owed in one currency into what he is owed in another, at once, by a quote valid now.

    He asks for it himself, or asked for it beforehand by a standing ``instruction``.

    Raises OwnWork where he had a part in the quote, QuoteExpired, InvalidInput, PayoutsBlocked, NowhereToPay, PayInRun,
    MoreThanOwed, TooLittleToExchange.
    """
    fx.require_valid(quote, now=now)
    if sold.currency != quote.sell:
        detail = _("This quote sells %(currency)s.") % {"currency": quote.sell}
        raise InvalidInput(detail, errors=[FieldError("/amount/currency", "wrong_currency", detail)])
    _refuse_own_rate(expert, quote)
    _require_payable(expert, quote, now=now)
    giver, taker = (accounts.payable(expert.pk, currency) for currency in (quote.sell, quote.buy))
    with scope.as_platform():
        owed = Money(ledger.lock(keys=[giver, taker], now=now)[giver], quote.sell)
        _require_free(expert, quote.sell)
        if sold.minor > owed.minor:
            available = Money(max(owed.minor, 0), quote.sell)
            raise MoreThanOwed(required=dict(sold.as_json()), available=dict(available.as_json()))
        got = fx.bought(quote=quote, sold=sold)
        made = FxExchange.objects.create(
            expert=expert, quote=quote, sell_minor=sold.minor, buy_minor=got.minor, made_by=by.label, made_at=now,
            instruction=instruction,
        )  # fmt: skip
        legs = fx.exchange_legs(giver=giver, taker=taker, sold=sold, got=got)
        ledger.post(entries=[NewEntry(fx.EXCHANGED, made.public_id, now, legs)], now=now)
    _tell(made, now=now)
    return made


def free_to_exchange(*, expert_id: int, currency: str) -> Money:
    """What he could exchange now: all that is payable, or nothing while a run is looked at that counts it."""
    key = accounts.payable(expert_id, currency)
    minor = 0 if _open_line(expert_id, currency) else max(ledger.balances(keys=[key])[key], 0)
    return Money(minor, currency)


def in_a_run(*, expert_id: int, currency: str) -> bool:
    """Whether a run that is not released yet counts what he is owed."""
    return _open_line(expert_id, currency) is not None


def _refuse_own_rate(expert: Expert, quote: FxQuote) -> None:
    """Nobody exchanges at a rate that he entered, proposed or approved."""
    with scope.as_platform():
        proposal = quote.proposal
    people = {quote.entered_by_id, *((proposal.proposed_by_id, proposal.decided_by_id) if proposal else ())}
    if expert.user_id in people:
        raise OwnWork(_("You had a part in this quote: exchange by one that others made."))


def _require_payable(expert: Expert, quote: FxQuote, *, now: dt.datetime) -> None:
    held = experts.restrictions_for(expert_id=expert.pk, now=now).filter(kind=Restriction.Kind.NO_PAYOUTS, tenant=None)
    if held.exists():
        raise PayoutsBlocked(remedy=Remedy(_("Read the decision and appeal."), "/api/v1/expert/decisions"))
    methods = PayoutMethod.objects.filter(expert=expert, currency=quote.buy, status__in=USABLE)
    if not methods.exists():
        raise NowhereToPay(remedy=Remedy(_("Add a payout method."), "/api/v1/expert/payout-methods"))


def _require_free(expert: Expert, currency: str) -> None:
    """Asked with the balance locked: a release that is under way has either paid the line or waits for us."""
    line = _open_line(expert.pk, currency)
    if line is not None:
        raise PayInRun(run=line.run.public_id, remedy=Remedy(_("See how the run goes on."), "/api/v1/expert/pay-runs"))


def _open_line(expert_id: int, currency: str) -> PayRunLine | None:
    lines = PayRunLine.objects.filter(expert=expert_id, run__currency=currency, run__status__in=_UNRELEASED)
    return lines.select_related("run").order_by("run").first()


def _tell(made: FxExchange, *, now: dt.datetime) -> None:
    body = _("You exchanged what you were owed. If it was not you who asked for it, tell us at once.")
    if made.instruction is not None:
        body = _(
            "Your standing instruction did it before the next cutoff, by the quote %(quote)s of %(source)s: %(rate)s in the "
            "middle, %(spread)d basis points of spread. The link shows the whole computation. You revoke the instruction at "
            "%(door)s."
        ) % {
            "quote": made.quote.public_id,
            "source": made.quote.source,
            "rate": plain(made.quote.rate),
            "spread": made.quote.spread_bp,
            "door": f"/api/v1/expert/exchange-instructions/{made.instruction.public_id}/revoke",
        }
    experts.send_notice(
        expert=made.expert,
        kind="pay.exchanged",
        subject=made.public_id,
        title=_("%(sold)s became %(bought)s") % {"sold": made.sold, "bought": made.bought},
        body=body,
        link=f"/api/v1/expert/earnings/{made.public_id}/explain",
        now=now,
    )
