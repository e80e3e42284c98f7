"""`/expert/earnings/{id}/explain`: how one amount comes about, for everything that a statement can name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import render_money, render_rate
from core.api.views import ExpertView
from core.money import Money
from payments import exchange
from payments.api.earnings import render_time_explanation, render_true_up
from payments.api.earnings_types import (
    EarningExplanationOut,
    EarningMovementOut,
    ExchangeExplanationOut,
    PayoutExplanationOut,
)
from payments.api.hours_types import ENTRY_RELATIONS, AdjustmentOut, render_adjustment, render_platform_pay
from payments.models import Adjustment, Dispute, FxExchange, Payout, PlatformPay, TimeEntry, TrueUp, WriteOff
from payments.queries import earnings, explanation, statement_lines
from payments.queries.movements import Movement, movements_of


def render_movement(movement: Movement) -> EarningMovementOut:
    """A line of the ledger; what is held back is told on the payable side alone."""
    line = movement.line
    is_payable = movement.account == "payable"
    return {
        "at": line.at,
        "kind": line.kind,
        "text": line.text,
        "account": movement.account,
        "amount": render_money(line.amount),
        "seconds": line.seconds,
        "rate": render_rate(line.rate) if line.rate is not None else None,
        "gross": render_money(line.gross) if line.gross is not None else None,
        "held_back": render_money(line.held) if line.held is not None and is_payable else None,
    }


def render_payout_explanation(payout: Payout) -> PayoutExplanationOut:
    """From the opening balance to what was sent; its statement and method are joined."""
    statement, currency = payout.statement, payout.currency
    credited = statement.closing_minor + payout.gross_minor - statement.opening_minor
    return {
        "statement": statement.public_id,
        "opening": render_money(Money(statement.opening_minor, currency)),
        "credited": render_money(Money(credited, currency)),
        "gross": render_money(Money(payout.gross_minor, currency)),
        "withheld": render_money(Money(payout.withheld_minor, currency)),
        "sent": render_money(Money(payout.amount_minor, currency)),
        "closing": render_money(Money(statement.closing_minor, currency)),
        "account": payout.payout_method.masked,
        "status": payout.status,
    }


def render_exchange_explanation(made: FxExchange) -> ExchangeExplanationOut:
    """From what was sold to what was bought; its quote is joined."""
    quote = made.quote
    return {
        "quote": quote.public_id,
        "source": quote.source,
        "quoted_at": quote.quoted_at,
        "formula": "ROUND_HALF_UP(sold × rate × (10000 - spread_bp) / 10000)",
        "sold": render_money(made.sold),
        "rate": exchange.plain(quote.rate),
        "spread_bp": quote.spread_bp,
        "exact": explanation.exact_of(made),
        "bought": render_money(made.bought),
    }


class ExpertEarningExplain(ExpertView):
    """How one amount comes about."""

    @endpoint(summary="Explain one of my earnings", returns=EarningExplanationOut)
    def get(self, call: Call, earning_id: str) -> EarningExplanationOut:
        """Of a time entry (`tme_…`): segments, rounding, terms, caps, fee and holdback. Of an adjustment: its reason. Of a
        top-up to the wage floor (`tru_…`): time, pay and floor of its week. Of an exchange (`fxe_…`): its quote and rounding. Of a payout (`pay_…`): what
        it consists of. Of each, and of a dispute (`dsp_…`), everything it did in the ledger."""
        source = self._find(call, earning_id)
        kind, bucket, amount, is_estimate = self._summary(call, source)
        moved = movements_of(source=earning_id, expert_id=call.principal.subject_id or 0)
        return {
            "id": earning_id,
            "kind": kind,
            "bucket": bucket,
            "amount": render_money(amount),
            "is_estimate": is_estimate,
            "exchange": statement_lines.priced(source) if isinstance(source, FxExchange) else _("none"),
            "currency": amount.currency,
            "time": render_time_explanation(source) if isinstance(source, TimeEntry) else None,
            "adjustment": self._adjustment(source),
            "true_up": render_true_up(source) if isinstance(source, TrueUp) else None,
            "exchanged": render_exchange_explanation(source) if isinstance(source, FxExchange) else None,
            "payout": render_payout_explanation(source) if isinstance(source, Payout) else None,
            "movements": [render_movement(movement) for movement in moved],
        }

    @staticmethod
    def _summary(call: Call, source: Any) -> tuple[str, str | None, Money, bool]:
        """Kind, bucket, amount, and whether it may still change."""
        if isinstance(source, Payout):
            return "payout", earnings.bucket_of_payout(source), Money(source.amount_minor, source.currency), False
        if isinstance(source, FxExchange):
            return "exchange", earnings.bucket_of_exchange(source), source.bought, False
        if isinstance(source, Dispute):
            line = earnings.line_of(source=source.entry, now=call.now)
            return "dispute", None, line.amount, source.is_undecided
        line = earnings.line_of(source=source, now=call.now)
        return line.kind, line.bucket, line.amount, line.is_estimate

    @staticmethod
    def _adjustment(source: Any) -> AdjustmentOut | None:
        if isinstance(source, PlatformPay | WriteOff):
            return render_platform_pay(source)
        return render_adjustment(source) if isinstance(source, Adjustment) else None

    @staticmethod
    def _find(call: Call, earning_id: str) -> Any:
        who = call.principal
        rows: dict[str, Any] = {
            "tru": TrueUp.objects.visible_to(who).select_related("contract", "timesheet"),
            "ppy": PlatformPay.objects.visible_to(who),
            "fxe": FxExchange.objects.visible_to(who).select_related("quote"),
            "wof": WriteOff.objects.visible_to(who),
            "adj": Adjustment.objects.visible_to(who).select_related("contract", "entry"),
            "pay": Payout.objects.visible_to(who).select_related("statement", "payout_method"),
            "dsp": Dispute.objects.visible_to(who).select_related(*(f"entry__{name}" for name in ENTRY_RELATIONS)),
        }
        entries = TimeEntry.objects.live().visible_to(who).select_related(*ENTRY_RELATIONS)
        return get_or_404(rows.get(earning_id.partition("_")[0], entries), earning_id)
