"""Hours as they are answered: types and plain renderers, shared by both audiences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, TypedDict

from core.api.types import Day, Doc, Duration, Example, IdOf, MoneyOut, RateOut, Timestamp, render_money, render_rate
from core.api.types import render_duration as duration
from core.money import Money
from payments.api.payday_types import PayDateOut, render_date
from payments.models import Cap, Dispute, Overage, TimeEntry, Timesheet
from payments.queries import pay_calendar
from payments.queries.entry_changes import Standing, standing_of
from payments.queries.explanation import price_of

ContractId = Annotated[str, IdOf("ctr")]
TimeEntryId = Annotated[str, IdOf("tme")]
TimesheetId = Annotated[str, IdOf("tsh")]
Pseudonym = Annotated[str, Doc("The expert, as this lab knows him."), IdOf("pex")]
Week = Annotated[str, Doc("ISO week in the entry's zone."), Example("2026-W47")]
Zone = Annotated[str, Doc("IANA time zone that days and weeks are counted in."), Example("Europe/Berlin")]
Activity = Annotated[str, Example("task")]

CUTTING = [cap.value for cap in Cap if cap is not Cap.OWN_DAY]
"""Caps that cut measured time. At his own daily limit an expert starts nothing, and nothing is cut."""
CutBy = Annotated[
    str, Doc(f"{', '.join(CUTTING[:-1])} or {CUTTING[-1]}; handling is the time per item."), Example("day")
]

ENTRY_RELATIONS = ("contract__lab_expert", "claim", "timesheet", "snapshot", "overage", "dispute")


class MeasuredTimeOut(TypedDict):
    """Where every second went: the five always add up to the measured length."""

    billable: Duration
    unconfirmed: Annotated[Duration, Doc("After the last sign of life of a timer; counts once confirmed.")]
    overage: Annotated[Duration, Doc("Over a cap; counts once approved.")]
    unpaid: Annotated[Duration, Doc("Unpaid by the contract's pay policy.")]
    disallowed: Annotated[Duration, Doc("Refused by a decision that can be contested.")]


class TimeEntryOut(TypedDict):
    """One stretch of work within one local day, ISO week and rate."""

    id: TimeEntryId
    contract: ContractId
    timesheet: TimesheetId
    claim: Annotated[str | None, IdOf("clm")]
    activity: Activity
    source: Annotated[str, Doc("timer, manual or import."), Example("timer")]
    status: Annotated[
        str,
        Doc("running, stopped, submitted, approved, auto_approved, disputed, adjusted or void."),
        Example("stopped"),
    ]
    started_at: Timestamp
    ended_at: Timestamp | None
    zone: Zone
    day: Annotated[Day, Doc("The expert's calendar day.")]
    week: Week
    time: MeasuredTimeOut
    reason: Annotated[str, Doc("The expert's, for time that no timer saw."), Example("Call with the lab.")]
    rate: RateOut
    amount: Annotated[MoneyOut, Doc("What the billable time earns.")]
    is_estimate: Annotated[bool, Doc("False once approved: the amount is final."), Example(True)]
    overage: Annotated[str | None, IdOf("ovg")]
    dispute: Annotated[str | None, IdOf("dsp")]


class LabTimeEntryOut(TimeEntryOut):
    """One stretch of work, with what it costs the lab: as it was approved, and after what was changed since."""

    expert: Pseudonym
    fee: Annotated[MoneyOut, Doc("The platform's, on top of the amount.")]
    adjustments: Annotated[
        list[Annotated[str, IdOf("adj")]], Doc("What was corrected, taken back and given back since, in order.")
    ]
    net_amount: Annotated[MoneyOut, Doc("The amount after all adjustments that moved money.")]
    net_fee: Annotated[MoneyOut, Doc("The fee after them.")]


class TimePiecesOut(TypedDict):
    """The entries that one stretch of work became: cut at midnights, rate changes, silence and caps."""

    entries: list[TimeEntryOut]


class TimesheetOut(TypedDict):
    """One week of a contract."""

    id: TimesheetId
    contract: ContractId
    week: Week
    zone: Zone
    status: Annotated[str, Doc("open, submitted, approved or auto_approved."), Example("submitted")]
    ends_at: Timestamp
    submit_by: Annotated[Timestamp, Doc("An open week submits itself then.")]
    submitted_at: Timestamp | None
    approve_by: Annotated[Timestamp | None, Doc("A submitted week is approved by silence then.")]
    decided_at: Timestamp | None
    time: MeasuredTimeOut
    amount: Annotated[MoneyOut | None, Doc("What the billable time earns; null for an empty week.")]
    payday: Annotated[
        PayDateOut | None,
        Doc("When its approved hours are paid. Before the decision: if it is approved now, or as soon as it is over."),
    ]
    latest_payday: Annotated[
        PayDateOut | None, Doc("If the clocks decide: it submits itself, and the lab's silence approves it.")
    ]


class LabTimesheetOut(TimesheetOut):
    """One week of a contract, with what it costs the lab."""

    expert: Pseudonym
    fee: Annotated[MoneyOut | None, Doc("The platform's, on top of the amount.")]


class TimesheetDetailOut(TimesheetOut):
    """One week with its entries."""

    entries: list[TimeEntryOut]


class LabTimesheetDetailOut(LabTimesheetOut):
    """One week with its entries."""

    entries: list[LabTimeEntryOut]


class OverageOut(TypedDict):
    """Time over a cap, which the lab decides before a clock runs out."""

    id: Annotated[str, IdOf("ovg")]
    time_entry: TimeEntryId
    cap: CutBy
    time: Duration
    status: Annotated[str, Doc("open, approved, auto_approved, declined or withdrawn."), Example("open")]
    decide_by: Annotated[Timestamp, Doc("Silence until then approves it.")]
    decided_at: Timestamp | None
    note: Annotated[str, Doc("The decider's reason."), Example("Agreed by e-mail.")]
    created_at: Timestamp


class DisputeOut(TypedDict):
    """One entry that the lab contests, while the rest of its week is paid."""

    id: Annotated[str, IdOf("dsp")]
    time_entry: TimeEntryId
    status: Annotated[
        str,
        Doc(
            "open, answered, upheld, partly_upheld, overturned, withdrawn or resolved_by_timeout; said of the dispute."
        ),
        Example("open"),
    ]
    reason: Annotated[str, Example("The task was handed in after half of this time.")]
    claimed: Annotated[Duration, Doc("What the expert logged.")]
    proposed: Annotated[Duration, Doc("What the lab thinks should count.")]
    counted: Annotated[Duration | None, Doc("What was decided.")]
    after_approval: Annotated[bool, Doc("Whether the hours were approved already when it was opened."), Example(False)]
    what_changed: Annotated[str, Doc("What a lab that had approved them itself did not know then."), Example("")]
    set_aside: Annotated[MoneyOut | None, Doc("Approved pay that waits for the decision.")]
    answer: Annotated[str, Example("The rest was the revision you asked for.")]
    answer_by: Annotated[Timestamp, Doc("Nothing is cut before then unless the expert has answered.")]
    answered_at: Timestamp | None
    decide_by: Annotated[Timestamp, Doc("Silence until then pays the expert in full.")]
    decided_at: Timestamp | None
    outcome_note: Annotated[str, Example("The revision was asked for by the lab.")]
    created_at: Timestamp


def render_time(row: TimeEntry) -> MeasuredTimeOut:
    """Where the seconds of an entry went."""
    return {
        "billable": duration(row.seconds),
        "unconfirmed": duration(row.unconfirmed_seconds),
        "overage": duration(row.overage_seconds),
        "unpaid": duration(row.unpaid_seconds),
        "disallowed": duration(row.disallowed_seconds),
    }


def render_entry(row: TimeEntry) -> TimeEntryOut:
    """An entry; `ENTRY_RELATIONS` are joined."""
    price = price_of(row)
    currency = row.snapshot.currency
    overage: Overage | None = getattr(row, "overage", None)
    dispute: Dispute | None = getattr(row, "dispute", None)
    return {
        "id": row.public_id,
        "contract": row.contract.public_id,
        "timesheet": row.timesheet.public_id,
        "claim": row.claim.public_id if row.claim else None,
        "activity": row.activity,
        "source": row.source,
        "status": row.status,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "zone": row.zone,
        "day": row.local_day,
        "week": row.iso_week,
        "time": render_time(row),
        "reason": row.reason,
        "rate": render_rate(Money(price.rate_minor, currency)),
        "amount": render_money(Money(price.gross_minor, currency)),
        "is_estimate": not row.is_settled,
        "overage": overage.public_id if overage else None,
        "dispute": dispute.public_id if dispute else None,
    }


def render_lab_entry(row: TimeEntry, standing: Standing) -> LabTimeEntryOut:
    """An entry as the lab sees it."""
    price, currency = price_of(row), row.snapshot.currency
    return {
        **render_entry(row),
        "expert": row.contract.lab_expert.public_id,
        "fee": render_money(Money(price.fee_minor, currency)),
        "adjustments": [change.public_id for change in standing.changes],
        "net_amount": render_money(Money(price.gross_minor + standing.amount_minor, currency)),
        "net_fee": render_money(Money(price.fee_minor + standing.fee_minor, currency)),
    }


def render_lab_entries(rows: Sequence[TimeEntry]) -> list[LabTimeEntryOut]:
    """Entries as the lab sees them; what changed any of them since is read for all at once."""
    standing = standing_of(rows)
    return [render_lab_entry(row, standing[row.pk]) for row in rows]


def render_timesheet(row: Timesheet, *, now: dt.datetime) -> TimesheetOut:
    """A week; its contract is joined and its totals are annotated (`with_totals`)."""
    totals = vars(row)
    currency = totals["pay_currency"]
    window = totals["longest_window_seconds"]
    paydays = (
        pay_calendar.of_week(sheet=row, currency=currency, approval_window_seconds=window, now=now) if currency else ()
    )
    first, latest = map(render_date, paydays) if paydays else (None, None)
    return {
        "id": row.public_id,
        "contract": row.contract.public_id,
        "week": row.iso_week,
        "zone": row.zone,
        "status": row.status,
        "ends_at": row.ends_at,
        "submit_by": row.submit_by,
        "submitted_at": row.submitted_at,
        "approve_by": row.approve_by,
        "decided_at": row.decided_at,
        "time": {
            "billable": duration(totals["total_seconds"]),
            "unconfirmed": duration(totals["total_unconfirmed_seconds"]),
            "overage": duration(totals["total_overage_seconds"]),
            "unpaid": duration(totals["total_unpaid_seconds"]),
            "disallowed": duration(totals["total_disallowed_seconds"]),
        },
        "amount": render_money(Money(totals["total_minor"], currency)) if currency else None,
        "payday": first,
        "latest_payday": latest,
    }


def render_lab_timesheet(row: Timesheet, *, now: dt.datetime) -> LabTimesheetOut:
    """A week as the lab sees it; the fee is the sum of its entries' fees."""
    totals = vars(row)
    currency = totals["pay_currency"]
    fee = render_money(Money(totals["total_fee_minor"], currency)) if currency else None
    return {**render_timesheet(row, now=now), "expert": row.contract.lab_expert.public_id, "fee": fee}


def render_overage(row: Overage) -> OverageOut:
    """Time over a cap; its entry is joined."""
    return {
        "id": row.public_id,
        "time_entry": row.entry.public_id,
        "cap": row.cap,
        "time": duration(row.seconds),
        "status": row.status,
        "decide_by": row.decide_by,
        "decided_at": row.decided_at,
        "note": row.note,
        "created_at": row.created_at,
    }


def render_dispute(row: Dispute) -> DisputeOut:
    """A contested entry; the entry is joined."""
    counted = row.decided_seconds
    return {
        "id": row.public_id,
        "time_entry": row.entry.public_id,
        "status": row.status,
        "reason": row.reason,
        "claimed": duration(row.claimed(row.entry)),
        "proposed": duration(row.proposed_seconds),
        "counted": None if counted is None else duration(counted),
        "after_approval": row.after_approval,
        "what_changed": row.what_changed,
        "set_aside": render_money(Money(row.set_aside_minor, row.entry.currency)) if row.after_approval else None,
        "answer": row.answer,
        "answer_by": row.answer_by,
        "answered_at": row.answered_at,
        "decide_by": row.decide_by,
        "decided_at": row.decided_at,
        "outcome_note": row.outcome_note,
        "created_at": row.created_at,
    }
