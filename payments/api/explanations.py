"""`/expert/earnings/{id}/explain`: how one amount comes about, for everything that a statement can name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import render_duration, render_money, render_rate
from core.api.views import ExpertView
from core.money import Money
from payments import exchange, payout_reasons
from payments.api.adjustment_types import AdjustmentOut, render_adjustment, render_platform_pay
from payments.api.earnings import render_time_explanation, render_true_up
from payments.api.earnings_types import (
    DisputeExplanationOut,
    EarningExplanationOut,
    EarningMovementOut,
    ExchangeExplanationOut,
    PayoutExplanationOut,
    ReferralExplanationOut,
    WriteOffExplanationOut,
)
from payments.api.hours_types import ENTRY_RELATIONS, render_dispute
from payments.models import Adjustment, Dispute, FxExchange, Payout, PlatformPay, Referral, TimeEntry, TrueUp, WriteOff
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
        "reverses": line.reverses or None,
        "account": movement.account,
        "amount": render_money(line.amount),
        "seconds": line.seconds,
        "rate": render_rate(line.rate) if line.rate is not None else None,
        "gross": render_money(line.gross) if line.gross is not None else None,
        "held_back": render_money(line.held) if line.held is not None and is_payable else None,
    }


def render_payout_explanation(payout: Payout) -> PayoutExplanationOut:
    """From the opening balance to what was sent; its statement, method and run are joined."""
    statement, currency = payout.statement, payout.currency
    credited = statement.closing_minor + payout.gross_minor - statement.opening_minor
    return {
        "statement": statement.public_id,
        "opening": render_money(Money(statement.opening_minor, currency)),
        "credited": render_money(Money(credited, currency)),
        "gross": render_money(Money(payout.gross_minor, currency)),
        "withheld": render_money(Money(payout.withheld_minor, currency)),
        "withheld_bp": explanation.withholding_of(payout),
        "sent": render_money(Money(payout.amount_minor, currency)),
        "closing": render_money(Money(statement.closing_minor, currency)),
        "account": payout.payout_method.masked,
        "status": payout.status,
        "reason": payout.reason_code or None,
        "reason_text": payout_reasons.text_of(payout.reason_code) or None,
    }


def render_exchange_explanation(made: FxExchange) -> ExchangeExplanationOut:
    """From what was sold to what was bought; its quote is joined."""
    quote = made.quote
    return {
        "quote": quote.public_id,
        "instruction": made.instruction.public_id if made.instruction else None,
        "source": quote.source,
        "quoted_at": quote.quoted_at,
        "formula": "ROUND_HALF_UP(sold × rate × (10000 - spread_bp) / 10000)",
        "sold": render_money(made.sold),
        "rate": exchange.plain(quote.rate),
        "spread_bp": quote.spread_bp,
        "exact": explanation.exact_of(made),
        "bought": render_money(made.bought),
    }


def render_dispute_explanation(row: Dispute) -> DisputeExplanationOut:
    """What waited while hours were contested; its entry with the snapshot is joined."""
    entry, found = row.entry, explanation.contested_by(row)
    currency = entry.snapshot.currency
    owed = found.owed_then
    return {
        "dispute": render_dispute(row),
        "claimed_seconds": row.claimed(entry),
        "proposed_seconds": row.proposed_seconds,
        "counted_seconds": row.decided_seconds,
        "rate": render_rate(Money(explanation.price_of(entry).rate_minor, currency)),
        "holdback_bp": found.holdback_bp,
        "contested": render_money(Money(found.minor, currency)),
        "owed_then": None if owed is None else render_money(Money(owed, currency)),
        "set_aside": render_money(Money(row.set_aside_minor, currency)),
        "correction": found.correction or None,
    }


def render_referral_explanation(row: Referral) -> ReferralExplanationOut:
    """The terms that were met, and when."""
    return {
        "referral": row.public_id,
        "programme": row.programme,
        "bonus": render_money(Money(row.bonus_minor, row.currency)),
        "hours": render_duration(row.threshold_seconds),
        "joined_at": row.joined_at,
        "reach_by": row.expires_at,
        "reached_at": row.decided_at,
        "note": row.note,
    }


def render_write_off_explanation(row: WriteOff) -> WriteOffExplanationOut:
    """The balance below zero, and what is left of it."""
    owed = explanation.balance_before(kind="write_off", source=row.public_id, expert_id=row.expert_id or 0) or 0
    return {
        "balance_before": render_money(Money(owed, row.currency)),
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "balance_after": render_money(Money(owed + row.amount_minor, row.currency)),
    }


class ExpertEarningExplain(ExpertView):
    """How one amount comes about."""

    @endpoint(summary="Explain one of my earnings", returns=EarningExplanationOut)
    def get(self, call: Call, earning_id: str) -> EarningExplanationOut:
        """Of a time entry (`tme_…`): segments, rounding, terms, caps, fee and holdback. Of an adjustment (`adj_…`, `ppy_…`):
        its reason, and what it takes back. Of a referral bonus: the terms that were met. Of a write-off (`wof_…`): the
        balance before. Of a top-up to the wage floor (`tru_…`): time, pay and floor of its days. Of an exchange
        (`fxe_…`): its quote and rounding. Of a dispute (`dsp_…`): what was set aside. Of a payout (`pay_…`): what it
        consists of. Of each everything it did in the ledger, and what each movement undoes."""
        source = self._find(call, earning_id)
        kind, bucket, amount, is_estimate = self._summary(call, source)
        moved = movements_of(source=earning_id, expert_id=call.principal.subject_id or 0)
        referral = explanation.referral_behind(source) if isinstance(source, PlatformPay) else None
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
            "changes": self._changes(source),
            "true_up": render_true_up(source) if isinstance(source, TrueUp) else None,
            "exchanged": render_exchange_explanation(source) if isinstance(source, FxExchange) else None,
            "dispute": render_dispute_explanation(source) if isinstance(source, Dispute) else None,
            "referral": render_referral_explanation(referral) if referral else None,
            "write_off": render_write_off_explanation(source) if isinstance(source, WriteOff) else None,
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
    def _changes(source: Any) -> list[AdjustmentOut]:
        if not isinstance(source, Adjustment | PlatformPay):
            return []
        return [
            render_adjustment(row) if isinstance(row, Adjustment) else render_platform_pay(row)
            for row in explanation.changes_of(source)
        ]

    @staticmethod
    def _find(call: Call, earning_id: str) -> Any:
        who = call.principal
        rows: dict[str, Any] = {
            "tru": TrueUp.objects.visible_to(who).select_related("contract", "timesheet"),
            "ppy": PlatformPay.objects.visible_to(who).select_related("takes_back"),
            "fxe": FxExchange.objects.visible_to(who).select_related("quote", "instruction"),
            "wof": WriteOff.objects.visible_to(who),
            "adj": Adjustment.objects.visible_to(who).select_related("contract", "entry", "takes_back"),
            "pay": Payout.objects.visible_to(who).select_related("statement", "payout_method", "run"),
            "dsp": Dispute.objects.visible_to(who).select_related(*(f"entry__{name}" for name in ENTRY_RELATIONS)),
        }
        entries = TimeEntry.objects.live().visible_to(who).select_related(*ENTRY_RELATIONS)
        return get_or_404(rows.get(earning_id.partition("_")[0], entries), earning_id)
