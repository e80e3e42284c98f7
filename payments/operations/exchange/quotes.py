"""Who quotes exchange rates: one person near the pair's last rate that two people decided, two people further away.

A quote can be used by everybody at once, so that a wrong one makes money. The measure is what two people decided, not
the last quote: small steps of one person lead nowhere. PostgreSQL keeps the same rule.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Self

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import BASIS_POINTS, Money, exponent_of
from core.problems import Conflict, InvalidInput, map_constraint
from core.public import User
from payments import exchange
from payments.models import AdjustmentProposal, FxQuote
from payments.models.fx import NEAR
from payments.operations.pay import four_eyes

ACT: Final = AdjustmentProposal.Act.QUOTE
JOB: Final = "job:payments.quote_fx"


class RateTakesTwo(Conflict):
    """The first rate of a pair, and one too far from the last that two people decided, are proposed by one person and
    approved by another. Quote it at the desk, or name at the command who proposes it."""

    code = "rate_takes_two"
    title = gettext_lazy("A second person has to approve this rate")


map_constraint(NEAR, RateTakesTwo)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a quote says. ``rate`` is major units of ``buy`` for one of ``sell`` in the middle of the market."""

    sell: str
    buy: str
    rate: Decimal
    spread_bp: int
    valid_until: dt.datetime
    source: str

    def as_terms(self) -> dict[str, Any]:
        """For a proposal."""
        return {
            "sell": self.sell,
            "buy": self.buy,
            "rate": exchange.plain(self.rate),
            "spread_bp": self.spread_bp,
            "valid_until": self.valid_until.isoformat(),
            "source": self.source,
        }

    @classmethod
    def from_terms(cls, terms: dict[str, Any]) -> Self:
        """From a proposal."""
        exact = {"rate": Decimal(terms["rate"]), "valid_until": dt.datetime.fromisoformat(terms["valid_until"])}
        return cls(**{**terms, **exact})

    def __str__(self) -> str:
        rate = exchange.plain(self.rate)
        return f"{self.sell}/{self.buy} {rate} - {self.spread_bp} bp, {self.valid_until:%Y-%m-%d %H:%M} ({self.source})"


def quote(*, offered: Offered, reason: str, by: User | None, now: dt.datetime) -> FxQuote | AdjustmentProposal:
    """Offer an exchange from now on, or propose it where the rate takes a second person. Former quotes stay valid.

    ``by`` is who enters it; a script has nobody, and gets RateTakesTwo instead of a proposal. Raises InvalidInput.
    """
    _require_sense(offered, now=now)
    if not reason.strip():
        raise InvalidInput(_("Say why."))
    if is_near(offered):
        return _write(offered, reason=reason, by=by, now=now)
    if by is None:
        raise RateTakesTwo
    one = Money(10 ** exponent_of(offered.sell), offered.sell)
    return four_eyes.propose(
        act=ACT,
        amount=one,
        before=Money(0, offered.sell),
        reason=f"{offered}: {reason.strip()}",
        terms=offered.as_terms() | {"reason": reason.strip()},
        proposed_by=by,
        now=now,
    )


def is_near(offered: Offered) -> bool:
    """Whether it pays within `FX_QUOTE_ALONE_BP` of the pair's last quote that two people decided, spreads included."""
    decided = FxQuote.objects.decided_by_two().filter(sell=offered.sell, buy=offered.buy).order_by("-pk").first()
    if decided is None:
        return False
    former, pays = (Fraction(exchange.all_in(row.rate, row.spread_bp)) for row in (decided, offered))
    return abs(pays - former) * BASIS_POINTS <= former * settings.FX_QUOTE_ALONE_BP


@four_eyes.carries_out(ACT)
def _quote_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    terms = dict(proposal.terms)
    reason = terms.pop("reason")
    offered = Offered.from_terms(terms)
    _require_sense(offered, now=now)
    return _write(offered, reason=reason, by=proposal.proposed_by, now=now, proposal=proposal).public_id


def _require_sense(offered: Offered, *, now: dt.datetime) -> None:
    for currency in (offered.sell, offered.buy):
        try:
            exponent_of(currency)
        except ValueError as error:
            raise InvalidInput(str(error)) from None
    is_pair = offered.sell != offered.buy and offered.rate > 0 and 0 <= offered.spread_bp < BASIS_POINTS
    if not is_pair or offered.valid_until <= now:
        raise InvalidInput(_("A quote has two currencies, a positive rate, a spread below 10000 and an end to come."))
    if offered.rate != round(offered.rate, 12):
        raise InvalidInput(_("A rate has at most twelve decimals."))


def _write(
    offered: Offered, *, reason: str, by: User | None, now: dt.datetime, proposal: AdjustmentProposal | None = None
) -> FxQuote:
    return FxQuote.objects.create(
        sell=offered.sell,
        buy=offered.buy,
        rate=offered.rate,
        spread_bp=offered.spread_bp,
        quoted_at=now,
        valid_until=offered.valid_until,
        source=offered.source,
        quoted_by=f"user:{by.public_id}" if by else JOB,
        entered_by=by,
        reason=reason.strip()[:300],
        proposal=proposal,
        tolerance_bp=settings.FX_QUOTE_ALONE_BP,
    )
