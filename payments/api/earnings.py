"""`/expert/earnings`: what was earned, where it stands, when it is paid, what is in the way, and how it was computed."""

from __future__ import annotations

import datetime as dt

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField
from core.api.types import (
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import ExpertView
from core.money import Money
from marketplace import public as marketplace
from marketplace.public import Contract
from payments.api.adjustment_types import render_adjustment
from payments.api.earnings_types import (
    BucketsOut,
    ContractRateOut,
    EarningBlockerOut,
    EarningLineOut,
    EarningsOut,
    NextPayoutOut,
    PayShareOut,
    TimeExplanationOut,
    TimeSegmentOut,
    TrueUpOut,
)
from payments.api.effective_rates import render_effective_rate
from payments.api.filters import WeekField
from payments.api.hours_types import render_entry, render_time
from payments.api.payday_types import render_date
from payments.models import TimeEntry, TrueUp
from payments.operations.pay import true_ups
from payments.queries import blockers, cap_use, earnings, effective_rates, explanation
from payments.queries.blockers import Blocker
from payments.queries.earnings import Line
from payments.queries.effective_rates import EffectiveRate
from payments.queries.next_payout import NextPayout


class EarningsFilters(serializers.Serializer[None]):
    """Filters of the lines."""

    week = WeekField(required=False)
    contract = PublicIdField("ctr", required=False)


def render_next(payout: NextPayout) -> NextPayoutOut:
    """A payday with what it pays."""
    date = render_date(payout.date)
    return {
        "date": date["pays_on"],
        "arrives_by": date["arrives_by"],
        "moved_from": date["moved_from"],
        "moved_because": date["moved_because"],
        "amount": render_money(payout.amount),
        "withheld": render_money(payout.withheld),
        "cutoff": date["cutoff"],
        "blocked_by": payout.obstacle.code if payout.obstacle else None,
    }


def render_blocker(blocker: Blocker) -> EarningBlockerOut:
    """A blocker with its remedy."""
    remedy = blocker.remedy
    return {
        "code": blocker.code,
        "text": blocker.text,
        "subject": blocker.subject or None,
        "currency": blocker.currency or None,
        "until": blocker.until,
        "remedy": {"text": str(remedy.text), "href": remedy.href} if remedy else None,
    }


def render_line(line: Line) -> EarningLineOut:
    """A line."""
    return {
        "id": line.id,
        "kind": line.kind,
        "at": line.at,
        "contract": line.contract or None,
        "week": line.week or None,
        "activity": line.activity or None,
        "time": render_duration(line.seconds) if line.kind == "time_entry" else None,
        "amount": render_money(line.amount),
        "bucket": line.bucket,
        "is_estimate": line.is_estimate,
    }


def render_buckets(sums: earnings.Sums) -> BucketsOut:
    """The buckets, each with its amounts in order of their currencies."""
    amounts = {
        bucket: [render_money(Money(minor, currency)) for currency, minor in sorted(parts.items())]
        for bucket, parts in sums.items()
    }
    return {
        "in_progress": amounts["in_progress"],
        "in_review": amounts["in_review"],
        "approved": amounts["approved"],
        "on_hold": amounts["on_hold"],
        "disputed": amounts["disputed"],
        "scheduled": amounts["scheduled"],
        "paid": amounts["paid"],
    }


def render_share(bp: int, minor: int, currency: str) -> PayShareOut:
    """A fee or a holdback."""
    formula = "ROUND_HALF_UP(amount × bp / 10000)"
    return {"formula": formula, "bp": bp, "amount": render_money(Money(minor, currency))}


def render_segment(row: TimeEntry) -> TimeSegmentOut:
    """A part of the stretch."""
    return {
        "id": row.public_id,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "time": render_time(row),
    }


def render_time_explanation(row: TimeEntry) -> TimeExplanationOut:
    """The whole computation of an entry."""
    price, terms = explanation.price_of(row), row.snapshot
    currency = terms.currency
    return {
        "entry": render_entry(row),
        "segments": [render_segment(part) for part in explanation.segments_of(row)],
        "rounding": {
            "formula": "ROUND_HALF_UP(seconds × rate / 3600)",
            "seconds": price.seconds,
            "rate_minor": price.rate_minor,
            "exact": price.exact,
            "rounded": render_money(Money(price.gross_minor, currency)),
        },
        "snapshot": {
            "rate": render_rate(Money(terms.rate_minor, currency)),
            "valid_from": terms.valid.lower,
            "valid_until": terms.valid.upper,
            "card_version": terms.card_version,
            "reason": terms.reason,
        },
        "caps": [
            {"cap": use.cap, "limit": render_duration(use.limit), "used": render_duration(use.used)}
            for use in cap_use.caps_of(row)
        ],
        "fee": render_share(price.fee_bp, price.fee_minor, currency),
        "holdback": {
            **render_share(price.holdback_bp, price.holdback_minor, currency),
            "release_at": row.approved_at and row.approved_at + dt.timedelta(days=terms.holdback_days),
        },
        "adjustments": [render_adjustment(change) for change in explanation.adjustments_of(row)],
    }


def render_true_up(row: TrueUp) -> TrueUpOut:
    """The whole computation of a top-up."""
    currency = row.currency
    return {
        "week": row.timesheet.iso_week,
        "timesheet": row.timesheet.public_id,
        "country": row.country,
        "floor": render_rate(Money(row.floor_minor, currency)),
        "worked": render_duration(row.worked_seconds),
        "earned": render_money(Money(row.gross_minor, currency)),
        "due": render_money(Money(row.due_minor, currency)),
        "added_before": render_money(Money(row.before_minor, currency)),
        "formula": "⌈Σ worked seconds × floor / 3600⌉ - earned - added before",
        "days": [
            {
                "day": on,
                "worked": render_duration(day.worked_seconds),
                "floor": render_rate(Money(floor, currency)),
                "earned": render_money(Money(day.gross_minor, currency)),
            }
            for on, day, floor in true_ups.days_behind(row)
        ],
        "text": true_ups.explain(row),
    }


def render_contract_rate(contract: Contract, found: EffectiveRate) -> ContractRateOut:
    """A contract's effective rate in short."""
    shown = render_effective_rate(contract, found)
    return {
        "contract": contract.public_id,
        "nominal": shown["nominal"],
        "planned_hourly_rate": shown["planned_hourly_rate"],
        "actual": shown["actual"],
        "link": f"/api/v1/expert/contracts/{contract.public_id}/effective-rate",
    }


class ExpertEarnings(ExpertView):
    """All money of the expert."""

    @endpoint(summary="Show my earnings", query=EarningsFilters, returns=EarningsOut)
    def get(self, call: Call) -> EarningsOut:
        """Buckets, the next payday, everything that stands in the way, and the latest lines."""
        expert_id = call.principal.subject_id or 0
        payouts = blockers.next_payouts(expert_id=expert_id, now=call.now)
        paying = [payout for payout in payouts if payout.amount.minor > 0]
        ready = [payout for payout in paying if payout.obstacle is None] or paying
        return {
            "as_of": call.now,
            "buckets": render_buckets(earnings.buckets(expert_id=expert_id, now=call.now)),
            "next_payout": render_next(ready[0]) if ready else None,
            "next_payouts": [render_next(payout) for payout in payouts],
            "blockers": [
                render_blocker(blocker) for blocker in blockers.blockers(expert_id=expert_id, payouts=payouts)
            ],
            "effective_rates": self._rates(call),
            "lines": [render_line(line) for line in earnings.lines(expert_id=expert_id, now=call.now, **call.query)],
        }

    @staticmethod
    def _rates(call: Call) -> list[ContractRateOut]:
        latest = list(marketplace.contracts_of(call.principal).order_by("-pk")[:50])
        found = effective_rates.of_contracts(latest, now=call.now)
        return [render_contract_rate(contract, found[contract.pk]) for contract in latest]
