"""What an expert has earned, and where each amount stands.

Hours that nobody approved yet are priced at their own terms; from approval on the ledger says what is owed, and
payouts say what was sent, so the later buckets add up to the books.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import F, QuerySet, Sum

from core.money import Money, pay_for
from payments import accounts, ledger, timekeeping
from payments.models import (
    Adjustment,
    Dispute,
    FxExchange,
    Payout,
    PayRun,
    PayRunLine,
    PlatformPay,
    TimeEntry,
    TrueUp,
    WriteOff,
)
from payments.models.time_entry import SETTLED, TimeEntryQuerySet, pay_of
from payments.queries.next_payout import currencies_of

BUCKETS: Final = ("in_progress", "in_review", "approved", "on_hold", "disputed", "scheduled", "paid")
LINES: Final = 200

_BUCKET_OF_STATUS: Final[dict[str, str]] = {
    TimeEntry.Status.RUNNING: "in_progress",
    TimeEntry.Status.STOPPED: "in_progress",
    TimeEntry.Status.SUBMITTED: "in_review",
    TimeEntry.Status.DISPUTED: "disputed",
}
_BUCKET_OF_PAYOUT: Final[dict[str, str]] = {
    Payout.Status.READY: "scheduled",
    Payout.Status.SENDING: "scheduled",
    Payout.Status.UNKNOWN: "scheduled",
    Payout.Status.SUBMITTED: "scheduled",
    Payout.Status.IN_TRANSIT: "scheduled",
    Payout.Status.ON_HOLD: "on_hold",
    Payout.Status.PAID: "paid",
}
_CALCULATED: Final = (PayRun.Status.CALCULATING, PayRun.Status.REVIEW, PayRun.Status.APPROVED)

Sums = dict[str, dict[str, int]]
"""Bucket → currency → minor units."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that earns: a time entry, or an adjustment beside the hours; or one side of an exchange or a contest."""

    id: str
    kind: str
    at: dt.datetime
    contract: str
    week: str
    activity: str
    seconds: int
    amount: Money
    bucket: str
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class Paid:
    """What was credited before ``cutoff`` in this currency went into a run, and stands in ``bucket`` there."""

    currency: str
    cutoff: dt.datetime
    bucket: str


def buckets(*, expert_id: int, now: dt.datetime) -> Sums:
    """All seven buckets, each with an amount in every currency the expert has anything in."""
    sums: Sums = {bucket: defaultdict(int) for bucket in BUCKETS}
    _add_unsettled(sums, expert_id, now=now)
    _add_owed(sums, expert_id)
    _add_payouts(sums, expert_id)
    currencies = sorted({currency for amounts in sums.values() for currency in amounts})
    return {bucket: {currency: sums[bucket][currency] for currency in currencies} for bucket in BUCKETS}


def lines(*, expert_id: int, now: dt.datetime, week: str = "", contract: str = "") -> list[Line]:
    """The latest things that earn, newest first, at most LINES; optionally of one ISO week or one contract."""
    runs = runs_of(expert_id)
    entries = _hours_of(expert_id).select_related("contract", "snapshot")
    extras = Adjustment.objects.filter(expert=expert_id, status=Adjustment.Status.POSTED, tenant__live=None)
    if week:
        entries, extras = entries.filter(iso_week=week), extras.filter(entry__iso_week=week)
    if contract:
        entries = entries.filter(contract__public_id=contract)
        extras = extras.filter(contract__public_id=contract)
    found = [_line_of_entry(entry, runs, now=now) for entry in entries.order_by("-pk")[:LINES]]
    rows = extras.select_related("contract", "entry").order_by("-pk")[:LINES]
    found += [_line_of_adjustment(row, runs) for row in rows]
    added = TrueUp.objects.filter(expert=expert_id, tenant__live=None, **_narrowed(week, contract))
    found += [
        _line_of_true_up(row, runs) for row in added.select_related("contract", "timesheet").order_by("-pk")[:LINES]
    ]
    contested = _set_aside(expert_id).filter(**_of_entry(week, contract)).order_by("-pk")[:LINES]
    found += [line for row in contested for line in _lines_of_dispute(row, runs)]
    if not week and not contract:
        found += [_line_of_platform(row, runs) for row in _from_the_platform(expert_id)]
        found += [line for row in _exchanges_of(expert_id) for line in _lines_of_exchange(row, runs)]
    return sorted(found, key=lambda line: (line.at, line.id), reverse=True)[:LINES]


def _narrowed(week: str, contract: str) -> dict[str, str]:
    wanted = {"timesheet__iso_week": week, "contract__public_id": contract}
    return {path: value for path, value in wanted.items() if value}


def _of_entry(week: str, contract: str) -> dict[str, str]:
    wanted = {"entry__iso_week": week, "entry__contract__public_id": contract}
    return {path: value for path, value in wanted.items() if value}


def line_of(*, source: TimeEntry | Adjustment | TrueUp | PlatformPay | WriteOff, now: dt.datetime) -> Line:
    """One entry or adjustment as a line; what it refers to is joined."""
    runs = runs_of(source.expert_id or 0)
    if isinstance(source, TimeEntry):
        return _line_of_entry(source, runs, now=now)
    if isinstance(source, TrueUp):
        return _line_of_true_up(source, runs)
    return _line_of_adjustment(source, runs) if isinstance(source, Adjustment) else _line_of_platform(source, runs)


def _from_the_platform(expert_id: int) -> list[PlatformPay | WriteOff]:
    """What the platform itself paid, took back or gave up."""
    return [
        *PlatformPay.objects.filter(expert=expert_id).order_by("-pk")[:LINES],
        *WriteOff.objects.filter(expert=expert_id).order_by("-pk")[:LINES],
    ]


def _exchanges_of(expert_id: int) -> list[FxExchange]:
    return list(FxExchange.objects.filter(expert=expert_id).select_related("quote").order_by("-pk")[:LINES])


def bucket_of_exchange(made: FxExchange) -> str:
    """Where what was bought stands; the quote is joined."""
    return bucket_after(runs_of(made.expert_id), currency=made.quote.buy, credited_at=made.made_at)


def runs_of(expert_id: int) -> list[Paid]:
    """The pay runs in which the expert has a line, in order of their cutoffs."""
    rows = PayRunLine.objects.filter(expert=expert_id).exclude(run__status=PayRun.Status.CANCELLED)
    ordered = rows.select_related("run", "payout").order_by("run__cutoff", "pk")
    return [Paid(line.run.currency, line.run.cutoff, bucket_of_pay_line(line)) for line in ordered]


def bucket_of_pay_line(line: PayRunLine) -> str:
    """Where the amount of a pay-run line stands; what a run gave back is approved again."""
    payout: Payout | None = getattr(line, "payout", None)
    if payout is not None:
        return _BUCKET_OF_PAYOUT.get(payout.status, "approved")
    if line.is_held:
        return "on_hold"
    return "scheduled" if line.run.status in _CALCULATED else "approved"


def bucket_of_payout(payout: Payout) -> str:
    """Where a payout stands; one that came back is approved again."""
    return _BUCKET_OF_PAYOUT.get(payout.status, "approved")


def bucket_after(runs: Iterable[Paid], *, currency: str, credited_at: dt.datetime) -> str:
    """Where an amount credited at an instant stands: in the first run after it that did not give it back."""
    for run in runs:
        if run.currency == currency and credited_at < run.cutoff and run.bucket != "approved":
            return run.bucket
    return "approved"


def _hours_of(expert_id: int) -> TimeEntryQuerySet:
    """Hours that earn real money: nothing in a lab's sandbox does."""
    return TimeEntry.objects.live().filter(expert=expert_id, tenant__live=None)


def _add_unsettled(sums: Sums, expert_id: int, *, now: dt.datetime) -> None:
    entries = _hours_of(expert_id).exclude(status__in=SETTLED)
    rows = entries.values_list("status", "snapshot__currency").annotate(minor=Sum(pay_of()))
    for status, currency, minor in rows.order_by():
        sums[_BUCKET_OF_STATUS[status]][currency] += minor
    for timer in entries.running().select_related("snapshot"):
        sums["in_progress"][timer.snapshot.currency] += _ticked(timer, now=now)


def _add_owed(sums: Sums, expert_id: int) -> None:
    """What the ledger owes him, less what a calculated run has marked already."""
    for currency in currencies_of(expert_id=expert_id):
        payable, held = accounts.payable(expert_id, currency), accounts.holdback(expert_id, currency)
        balances = ledger.balances(keys=[payable, held])
        sums["approved"][currency] += balances[payable]
        sums["on_hold"][currency] += balances[held]
    for row in _set_aside(expert_id).filter(decided_at=None):  # it waits in the holdback
        sums["on_hold"][row.entry.snapshot.currency] -= row.set_aside_minor
        sums["disputed"][row.entry.snapshot.currency] += row.set_aside_minor
    calculated = PayRunLine.objects.filter(expert=expert_id, payout=None, run__status__in=_CALCULATED)
    for line in calculated.select_related("run"):
        sums[bucket_of_pay_line(line)][line.run.currency] += line.gross_minor
        sums["approved"][line.run.currency] -= line.gross_minor


def _set_aside(expert_id: int) -> QuerySet[Dispute]:
    """Contests of hours that were money already, and for which something was set aside."""
    rows = Dispute.objects.filter(expert=expert_id, set_aside_minor__gt=0, tenant__live=None)
    return rows.select_related("entry__contract", "entry__snapshot")


def _add_payouts(sums: Sums, expert_id: int) -> None:
    payouts = Payout.objects.filter(expert=expert_id, status__in=list(_BUCKET_OF_PAYOUT))
    gross = Sum(F("amount_minor") + F("withheld_minor"))
    for status, currency, minor in payouts.values_list("status", "currency").annotate(minor=gross):
        sums[_BUCKET_OF_PAYOUT[status]][currency] += minor


def _ticked(timer: TimeEntry, *, now: dt.datetime) -> int:
    """What a running timer has earned so far, before caps."""
    return pay_for(timekeeping.seconds_between(timer.started_at, max(now, timer.started_at)), timer.snapshot.rate_minor)


def _line_of_entry(entry: TimeEntry, runs: list[Paid], *, now: dt.datetime) -> Line:
    currency = entry.snapshot.currency
    if entry.approved_at is not None and entry.gross_minor is not None:
        minor = entry.gross_minor
        bucket = bucket_after(runs, currency=currency, credited_at=entry.approved_at)
    else:
        minor = _ticked(entry, now=now) if entry.is_running else pay_for(entry.seconds, entry.snapshot.rate_minor)
        bucket = _BUCKET_OF_STATUS.get(entry.status, "in_progress")
    return Line(
        id=entry.public_id,
        kind="time_entry",
        at=entry.started_at,
        contract=entry.contract.public_id,
        week=entry.iso_week,
        activity=entry.activity,
        seconds=entry.seconds,
        amount=Money(minor, currency),
        bucket=bucket,
        is_estimate=not entry.is_settled,
    )


def _line_of_adjustment(row: Adjustment, runs: list[Paid]) -> Line:
    return Line(
        id=row.public_id,
        kind=row.kind,
        at=row.decided_at,
        contract=row.contract.public_id,
        week=row.entry.iso_week if row.entry else "",
        activity=row.entry.activity if row.entry else "",
        seconds=row.seconds,
        amount=Money(row.amount_minor, row.currency),
        bucket=bucket_after(runs, currency=row.currency, credited_at=row.decided_at),
        is_estimate=False,
    )


def _line_of_true_up(row: TrueUp, runs: list[Paid]) -> Line:
    return Line(
        id=row.public_id,
        kind="true_up",
        at=row.posted_at,
        contract=row.contract.public_id,
        week=row.timesheet.iso_week,
        activity="",
        seconds=0,
        amount=row.amount,
        bucket=bucket_after(runs, currency=row.currency, credited_at=row.posted_at),
        is_estimate=False,
    )


def _line_of_platform(row: PlatformPay | WriteOff, runs: list[Paid]) -> Line:
    return Line(
        id=row.public_id,
        kind=row.kind if isinstance(row, PlatformPay) else "write_off",
        at=row.decided_at,
        contract="",
        week="",
        activity="",
        seconds=0,
        amount=Money(row.amount_minor, row.currency),
        bucket=bucket_after(runs, currency=row.currency, credited_at=row.decided_at),
        is_estimate=False,
    )


def _lines_of_exchange(row: FxExchange, runs: list[Paid]) -> list[Line]:
    """Two lines of one exchange: what was sold, and what was bought."""
    return [
        Line(
            id=row.public_id,
            kind="exchange",
            at=row.made_at,
            contract="",
            week="",
            activity="",
            seconds=0,
            amount=amount,
            bucket=bucket_after(runs, currency=amount.currency, credited_at=row.made_at),
            is_estimate=False,
        )
        for amount in (Money(-row.sell_minor, row.quote.sell), row.bought)
    ]


def _lines_of_dispute(row: Dispute, runs: list[Paid]) -> list[Line]:
    """What was set aside out of what was owed, and where it is now."""
    currency = row.entry.snapshot.currency
    taken = bucket_after(runs, currency=currency, credited_at=row.created_at)
    given = "disputed" if row.decided_at is None else bucket_after(runs, currency=currency, credited_at=row.decided_at)
    parts = (
        (row.created_at, -row.set_aside_minor, taken),
        (row.decided_at or row.created_at, row.set_aside_minor, given),
    )
    return [
        Line(
            id=row.public_id,
            kind="dispute",
            at=at,
            contract=row.entry.contract.public_id,
            week=row.entry.iso_week,
            activity=row.entry.activity,
            seconds=0,
            amount=Money(minor, currency),
            bucket=bucket,
            is_estimate=False,
        )
        for at, minor, bucket in parts
    ]
