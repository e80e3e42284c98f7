"""Answers about earnings: buckets, paydays, blockers, lines, and how one amount comes about."""

from __future__ import annotations

from typing import Annotated, TypedDict

from core.api.types import Currency, Day, Doc, Duration, Example, Link, MoneyOut, RateOut, Timestamp
from payments.api.adjustment_types import AdjustmentOut
from payments.api.hours_types import ContractId, CutBy, DisputeOut, MeasuredTimeOut, TimeEntryOut
from payments.api.payday_types import ArrivesBy, MovedBecause, MovedFrom

EarningId = Annotated[
    str,
    Doc("A time entry, an adjustment, a top-up, an exchange, a dispute or a payout."),
    Example("tme_01k9w3v6z8f2qr5t4h7xnm0ceg"),
]
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
    disputed: Annotated[list[MoneyOut], Doc("Contested by the lab, or set aside until a contest is decided.")]
    scheduled: Annotated[list[MoneyOut], Doc("In a pay run or on its way, with the tax withheld.")]
    paid: Annotated[list[MoneyOut], Doc("Sent to you, with the tax withheld.")]


class NextPayoutOut(TypedDict):
    """The next payday."""

    date: Annotated[Day, Doc("The day on which it is sent.")]
    arrives_by: ArrivesBy
    moved_from: MovedFrom
    moved_because: MovedBecause
    amount: Annotated[MoneyOut, Doc("What is approved until now, less the tax withheld.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back from it.")]
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
    subject: Annotated[str | None, Doc("What it is about."), Example("tsh_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    currency: Annotated[str | None, Example("USD")]
    until: Annotated[Timestamp | None, Doc("When the clock decides by itself, in your favour.")]
    remedy: BlockerRemedyOut | None


class EarningLineOut(TypedDict):
    """One thing that earns."""

    id: EarningId
    kind: Annotated[
        str,
        Doc(
            "time_entry, bonus, referral, correction, clawback, reinstatement, write_off, true_up, exchange, or dispute: "
            "what was set aside, and where it is now."
        ),
        Example("time_entry"),
    ]
    at: Timestamp
    contract: Annotated[ContractId | None, Doc("Null for what the platform itself paid.")]
    week: Annotated[str | None, Example("2026-W47")]
    activity: Annotated[str | None, Example("task")]
    time: Duration | None
    amount: MoneyOut
    bucket: Bucket
    is_estimate: bool


class ContractRateOut(TypedDict):
    """What an hour of one contract pays."""

    contract: ContractId
    nominal: Annotated[RateOut, Doc("The rate of paid time.")]
    planned_hourly_rate: Annotated[
        RateOut, Doc("What an hour of the first two weeks was planned to pay, unpaid and capped activities counted in.")
    ]
    actual: Annotated[RateOut | None, Doc("What decided weeks paid over all tracked time.")]
    link: Annotated[Link, Doc("Week by week.")]


class EarningsOut(TypedDict):
    """Everything on one page."""

    as_of: Timestamp
    buckets: BucketsOut
    next_payout: Annotated[NextPayoutOut | None, Doc("The earliest one that pays something.")]
    next_payouts: Annotated[list[NextPayoutOut], Doc("One for each currency.")]
    blockers: list[EarningBlockerOut]
    effective_rates: Annotated[list[ContractRateOut], Doc("Of your contracts, newest first, at most 50.")]
    lines: Annotated[list[EarningLineOut], Doc("The latest 200, newest first.")]


class TimeSegmentOut(TypedDict):
    """A part of the unbroken stretch of work that the entry was cut from."""

    id: Annotated[str, Example("tme_01k9w3v6z8f2qr5t4h7xnm0ceg")]
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

    cap: CutBy
    limit: Duration
    used: Duration


class PayShareOut(TypedDict):
    """A part computed in basis points of the rounded amount."""

    formula: Annotated[str, Example("ROUND_HALF_UP(amount × bp / 10000)")]
    bp: Annotated[int, Example(3000)]
    amount: MoneyOut


class HoldbackShareOut(PayShareOut):
    """What of the pay waits, and until when."""

    release_at: Annotated[Timestamp | None, Doc("Paid from then on, unless it is contested; null before the approval.")]


class TimeExplanationOut(TypedDict):
    """How the amount of a time entry comes about."""

    entry: TimeEntryOut
    segments: list[TimeSegmentOut]
    rounding: PayRoundingOut
    snapshot: FrozenTermsOut
    caps: list[CapUseOut]
    fee: Annotated[PayShareOut, Doc("Paid by the lab on top; nothing is taken from you.")]
    holdback: Annotated[HoldbackShareOut, Doc("Kept back until its date, then paid.")]
    adjustments: Annotated[list[AdjustmentOut], Doc("What was corrected, taken back and given back since.")]


class FlooredDayOut(TypedDict):
    """A day of the week, as it stood when the top-up was made."""

    day: Day
    worked: Duration
    floor: RateOut
    earned: MoneyOut


class TrueUpOut(TypedDict):
    """How a top-up to the wage floor comes about."""

    week: Annotated[str, Example("2026-W47")]
    timesheet: Annotated[str, Example("tsh_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    country: Annotated[str, Example("DE")]
    floor: Annotated[RateOut, Doc("The least an hour may pay there; the highest of the week.")]
    worked: Annotated[Duration, Doc("All working time, unpaid activities included.")]
    earned: Annotated[MoneyOut, Doc("The pay for it.")]
    due: Annotated[MoneyOut, Doc("Rounded up once, over all days.")]
    added_before: MoneyOut
    formula: Annotated[str, Example("⌈Σ worked seconds × floor / 3600⌉ - earned - added before")]
    days: list[FlooredDayOut]
    text: Annotated[str, Doc("The same in words.")]


class EarningMovementOut(TypedDict):
    """One line of the ledger. For hours: gross = ROUND_HALF_UP(seconds × rate ÷ 3600), amount = gross - held_back."""

    at: Timestamp
    kind: Annotated[str, Example("time_approved")]
    text: Annotated[str, Example("Approved hours: task")]
    reverses: Annotated[str | None, Doc("What it undoes: explain that by its id."), Example(None)]
    account: Annotated[str, Doc("payable (owed to you) or holdback (waits for its date)."), Example("payable")]
    amount: Annotated[MoneyOut, Doc("Negative when it left the account.")]
    seconds: Annotated[int | None, Doc("Negative where hours were taken back."), Example(5400)]
    rate: RateOut | None
    gross: MoneyOut | None
    held_back: MoneyOut | None


class PayoutExplanationOut(TypedDict):
    """How the amount of a payout comes about: opening + credited = gross + closing, and gross = sent + withheld.

    withheld = ROUND_HALF_UP(gross × withheld_bp / 10000).
    """

    statement: Annotated[str, Doc("Its lines are the sum."), Example("stm_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    opening: MoneyOut
    credited: Annotated[MoneyOut, Doc("Every other line of the statement.")]
    gross: Annotated[MoneyOut, Doc("What was owed and is paid out.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back of the gross.")]
    withheld_bp: Annotated[int, Example(0)]
    sent: MoneyOut
    closing: MoneyOut
    account: Annotated[str, Doc("Where to: its last characters."), Example("DE••••3000")]
    status: Annotated[str, Example("paid")]
    reason: Annotated[str | None, Doc("Why it failed, came back or waits."), Example(None)]
    reason_text: Annotated[str | None, Doc("The same in words."), Example(None)]


class DisputeExplanationOut(TypedDict):
    """What a dispute set aside: set_aside = min(contested, owed_then), and nothing where the pay had left already.

    contested is the pay of the claimed time less that of the proposed time, each without the part that is held back
    already: pay(s) = p - ROUND_HALF_UP(p × holdback_bp / 10000), p = ROUND_HALF_UP(s × rate / 3600).
    """

    dispute: DisputeOut
    claimed_seconds: Annotated[int, Example(9000)]
    proposed_seconds: Annotated[int, Example(3600)]
    counted_seconds: Annotated[int | None, Doc("What was decided."), Example(9000)]
    rate: RateOut
    holdback_bp: Annotated[int, Doc("Zero where nothing was held back any more."), Example(1000)]
    contested: MoneyOut
    owed_then: Annotated[MoneyOut | None, Doc("Your balance at that instant; null where nothing was set aside.")]
    set_aside: MoneyOut
    correction: Annotated[
        str | None, Doc("What the decision took, if it took anything."), Example("adj_01k9w3v6z8f2qr5t4h7xnm0ceg")
    ]


class ReferralExplanationOut(TypedDict):
    """What a referral bonus was paid for: the one you invited worked `hours` that were approved, before `reach_by`."""

    referral: Annotated[str, Example("ref_01k9w3v6z8f2qr5t4h7xnm0ceg")]
    programme: Annotated[str, Doc("Version of the terms, frozen when you invited."), Example("2026-01")]
    bonus: MoneyOut
    hours: Annotated[Duration, Doc("How many it takes; how many more there are is nobody's business but his.")]
    joined_at: Timestamp | None
    reach_by: Timestamp
    reached_at: Annotated[Timestamp | None, Doc("When it was found that they were reached, or an appeal was won.")]
    note: Annotated[str, Doc("Why it was refused at first, where an appeal was won."), Example("")]


class WriteOffExplanationOut(TypedDict):
    """A debt that was given up: balance_before + amount = balance_after."""

    balance_before: Annotated[MoneyOut, Doc("Below zero: what you owed.")]
    amount: MoneyOut
    balance_after: MoneyOut


class ExchangeExplanationOut(TypedDict):
    """How much an exchange bought: rounded once, to the smallest unit of what is bought."""

    quote: Annotated[str, Example("fxq_01m80neg09e0nt9th0cpkhb0m0")]
    instruction: Annotated[str | None, Doc("Your standing instruction that did it; null when you did."), Example(None)]
    source: Annotated[str, Doc("Where the rate came from."), Example("ECB reference rates")]
    quoted_at: Timestamp
    formula: Annotated[str, Example("ROUND_HALF_UP(sold × rate × (10000 - spread_bp) / 10000)")]
    sold: MoneyOut
    rate: Annotated[
        str, Doc("Major units of what is bought for one of what is sold, in the middle."), Example("0.9213")
    ]
    spread_bp: Annotated[int, Example(50)]
    exact: Annotated[str, Doc("Minor units before rounding, to six decimals."), Example("45834.675000")]
    bought: MoneyOut


class EarningExplanationOut(TypedDict):
    """One line, recomputable by hand."""

    id: EarningId
    kind: Annotated[str, Example("time_entry")]
    bucket: Annotated[Bucket | None, Doc("Null for a dispute, whose entry has one.")]
    amount: Annotated[MoneyOut, Doc("Of a payout: what was sent.")]
    is_estimate: bool
    exchange: Annotated[
        str,
        Doc("Contract, ledger and payout have one currency, unless you exchanged what you were owed."),
        Example("none"),
    ]
    currency: Currency
    time: TimeExplanationOut | None
    adjustment: AdjustmentOut | None
    changes: Annotated[list[AdjustmentOut], Doc("What took the adjustment back, or gave it back, since.")]
    true_up: TrueUpOut | None
    exchanged: ExchangeExplanationOut | None
    dispute: DisputeExplanationOut | None
    referral: ReferralExplanationOut | None
    write_off: WriteOffExplanationOut | None
    payout: PayoutExplanationOut | None
    movements: Annotated[list[EarningMovementOut], Doc("All that it did in the ledger, in order.")]
