"""`/expert/earnings`: what was earned, where it stands, when it is paid, what is in the way, and how it was computed."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import PublicIdField
from core.api.lookup import get_or_404
from core.api.types import (
    Currency,
    Day,
    Doc,
    Duration,
    Example,
    Link,
    MoneyOut,
    RateOut,
    Timestamp,
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import ExpertView
from core.money import Money
from payments.api.hours_types import (
    ENTRY_RELATIONS,
    AdjustmentOut,
    ContractId,
    MeasuredTimeOut,
    TimeEntryOut,
    render_adjustment,
    render_entry,
    render_time,
)
from payments.models import Adjustment, TimeEntry
from payments.queries import blockers, earnings, explanation
from payments.queries.blockers import Blocker
from payments.queries.earnings import Line
from payments.queries.next_payout import NextPayout

EarningId = Annotated[str, Doc("A time entry or an adjustment."), Example("tme_01k9w3v6z8f2qj5t4h7xnm0ceg")]
Bucket = Annotated[
    str,
    Doc("in_progress, in_review, approved, on_hold, disputed, scheduled or paid."),
    Example("in_review"),
]


class BucketsOut(TypedDict):
    """Every amount in exactly one bucket; one amount for each currency you have anything in."""

    in_progress: Annotated[list[MoneyOut], Doc("Logged in weeks that are not submitted yet; an estimate.")]
    in_review: Annotated[list[MoneyOut], Doc("Submitted, waiting for the lab or its clock.")]
    approved: Annotated[list[MoneyOut], Doc("Owed to you, for the next pay run.")]
    on_hold: Annotated[list[MoneyOut], Doc("Held back by contract, or held for a reason you were told.")]
    disputed: Annotated[list[MoneyOut], Doc("Contested by the lab.")]
    scheduled: Annotated[list[MoneyOut], Doc("In a pay run or on its way.")]
    paid: list[MoneyOut]


class NextPayoutOut(TypedDict):
    """The next payday."""

    date: Day
    amount: Annotated[MoneyOut, Doc("What is approved until now.")]
    cutoff: Annotated[Timestamp, Doc("What is approved before it is paid on that day.")]
    blocked_by: Annotated[str | None, Doc("Code of the blocker, if there is one."), Example("no_payout_method")]


class BlockerRemedyOut(TypedDict):
    """What you can do."""

    text: Annotated[str, Example("Add a payout method.")]
    href: Link


class EarningBlockerOut(TypedDict):
    """Why some money does not come yet."""

    code: Annotated[str, Example("no_payout_method")]
    text: Annotated[str, Example("There is no payout method for this currency.")]
    subject: Annotated[str | None, Doc("What it is about."), Example("tsh_01k9w3v6z8f2qj5t4h7xnm0ceg")]
    currency: Annotated[str | None, Example("USD")]
    until: Annotated[Timestamp | None, Doc("When the clock decides by itself, in your favour.")]
    remedy: BlockerRemedyOut | None


class EarningLineOut(TypedDict):
    """One thing that earns."""

    id: EarningId
    kind: Annotated[str, Doc("time_entry, bonus, referral, correction or clawback."), Example("time_entry")]
    at: Timestamp
    contract: ContractId
    week: Annotated[str | None, Example("2026-W47")]
    activity: Annotated[str | None, Example("task")]
    time: Duration | None
    amount: MoneyOut
    bucket: Bucket
    is_estimate: bool


class EarningsOut(TypedDict):
    """Everything on one page."""

    as_of: Timestamp
    buckets: BucketsOut
    next_payout: Annotated[NextPayoutOut | None, Doc("The earliest one that pays something.")]
    next_payouts: Annotated[list[NextPayoutOut], Doc("One for each currency.")]
    blockers: list[EarningBlockerOut]
    lines: Annotated[list[EarningLineOut], Doc("The latest 200, newest first.")]


class TimeSegmentOut(TypedDict):
    """A part of the unbroken stretch of work that the entry was cut from."""

    id: Annotated[str, Example("tme_01k9w3v6z8f2qj5t4h7xnm0ceg")]
    started_at: Timestamp
    ended_at: Timestamp | None
    time: MeasuredTimeOut


class PayRoundingOut(TypedDict):
    """How time became money."""

    formula: Annotated[str, Example("ROUND_HALF_UP(seconds × rate / 3600)")]
    seconds: Annotated[int, Example(5400)]
    rate_minor: Annotated[int, Doc("Minor units an hour."), Example(11000)]
    exact: Annotated[str, Doc("Minor units before rounding, to six decimals."), Example("16500.000000")]
    rounded: MoneyOut


class FrozenTermsOut(TypedDict):
    """The terms that were frozen for the time it was worked."""

    rate: RateOut
    valid_from: Timestamp | None
    valid_until: Timestamp | None
    card_version: str
    reason: Annotated[str, Example("offer accepted")]


class CapUseOut(TypedDict):
    """A cap that bounds this time, and what counts towards it by now."""

    cap: Annotated[str, Doc("day, week, activity or handling."), Example("week")]
    limit: Duration
    used: Duration


class PayShareOut(TypedDict):
    """A part computed in basis points of the rounded amount."""

    formula: Annotated[str, Example("ROUND_HALF_UP(amount × bp / 10000)")]
    bp: Annotated[int, Example(3000)]
    amount: MoneyOut


class TimeExplanationOut(TypedDict):
    """How the amount of a time entry comes about."""

    entry: TimeEntryOut
    segments: list[TimeSegmentOut]
    rounding: PayRoundingOut
    snapshot: FrozenTermsOut
    caps: list[CapUseOut]
    fee: Annotated[PayShareOut, Doc("Paid by the lab on top; nothing is taken from you.")]
    holdback: Annotated[PayShareOut, Doc("Kept back until its date, then paid.")]
    adjustments: list[AdjustmentOut]


class EarningExplanationOut(TypedDict):
    """One line, recomputable by hand."""

    id: EarningId
    kind: Annotated[str, Example("time_entry")]
    bucket: Bucket
    amount: MoneyOut
    is_estimate: bool
    exchange: Annotated[str, Doc("Contract, ledger and payout have one currency."), Example("none")]
    currency: Currency
    time: TimeExplanationOut | None
    adjustment: AdjustmentOut | None


class EarningsFilters(serializers.Serializer[None]):
    """Filters of the lines."""

    week = serializers.RegexField(r"^\d{4}-W\d{2}$", required=False)
    contract = PublicIdField("ctr", required=False)


def render_next(payout: NextPayout) -> NextPayoutOut:
    """A payday."""
    return {
        "date": payout.pays_on,
        "amount": render_money(payout.amount),
        "cutoff": payout.cutoff,
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
        "contract": line.contract,
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
            for use in explanation.caps_of(row)
        ],
        "fee": render_share(price.fee_bp, price.fee_minor, currency),
        "holdback": render_share(price.holdback_bp, price.holdback_minor, currency),
        "adjustments": [render_adjustment(change) for change in explanation.adjustments_of(row)],
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
            "lines": [render_line(line) for line in earnings.lines(expert_id=expert_id, now=call.now, **call.query)],
        }


class ExpertEarningExplain(ExpertView):
    """How one amount comes about."""

    @endpoint(summary="Explain one of my earnings", returns=EarningExplanationOut)
    def get(self, call: Call, earning_id: str) -> EarningExplanationOut:
        """Of a time entry (`tme_…`): segments, rounding, terms, caps, fee and holdback. Of an adjustment: its reason."""
        source = self._find(call, earning_id)
        line = earnings.line_of(source=source, now=call.now)
        is_entry = isinstance(source, TimeEntry)
        return {
            "id": line.id,
            "kind": line.kind,
            "bucket": line.bucket,
            "amount": render_money(line.amount),
            "is_estimate": line.is_estimate,
            "exchange": _("none"),
            "currency": line.amount.currency,
            "time": render_time_explanation(source) if isinstance(source, TimeEntry) else None,
            "adjustment": None if is_entry else render_adjustment(source),
        }

    @staticmethod
    def _find(call: Call, earning_id: str) -> Any:
        if earning_id.startswith("adj_"):
            return get_or_404(
                Adjustment.objects.visible_to(call.principal).select_related("contract", "entry"), earning_id
            )
        entries = TimeEntry.objects.live().visible_to(call.principal).select_related(*ENTRY_RELATIONS)
        return get_or_404(entries, earning_id)
