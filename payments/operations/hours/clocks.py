"""What happens to hours when nobody does anything: each clock in a sweep that is harmless when run twice.

Every row has its own unit of work, so one that cannot move holds no other back; it is tried again at the next sweep
and alarms in the log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import structlog

from core.public import Principal, unit_of_work
from payments import tax
from payments.models import (
    AdjustmentProposal,
    Dispute,
    Milestone,
    MilestoneAward,
    Overage,
    Referral,
    TaxProfile,
    TimeEntry,
    Timesheet,
)
from payments.operations.hours import disputes, overages, timers, timesheets
from payments.operations.pay import four_eyes, milestones, referrals, true_ups
from payments.operations.payee import tax_profiles
from payments.operations.runs import self_billing

BATCH = 500

log = structlog.get_logger(__name__)


def stop_silent_timers(*, by: Principal, now: dt.datetime) -> int:
    """Stop timers that gave no sign of life for longer than the grace."""
    silent = TimeEntry.objects.silent(since=now - timers.GRACE)
    return _sweep(by, silent.values_list("pk", flat=True), lambda pk: timers.stop_silent(entry_id=pk, now=now))


def submit_forgotten_weeks(*, by: Principal, now: dt.datetime) -> int:
    """Hand in weeks whose expert let his window pass."""
    forgotten = Timesheet.objects.forgotten(now=now).values_list("pk", flat=True)
    return _sweep(by, forgotten, lambda pk: timesheets.submit_forgotten(timesheet_id=pk, by=by, now=now))


def approve_silent_weeks(*, by: Principal, now: dt.datetime) -> int:
    """Approve weeks whose lab let its window pass."""
    overdue = Timesheet.objects.overdue(now=now).values_list("pk", flat=True)
    return _sweep(by, overdue, lambda pk: timesheets.approve_by_silence(timesheet_id=pk, by=by, now=now))


def remind_of_weeks(*, by: Principal, now: dt.datetime) -> int:
    """Tell both sides of windows that end within a day."""
    due = Timesheet.objects.due(before=now + timesheets.REMIND_BEFORE).values_list("pk", flat=True)
    return _sweep(by, due, lambda pk: timesheets.remind(timesheet_id=pk, now=now))


def approve_silent_overages(*, by: Principal, now: dt.datetime) -> int:
    """Let time over a cap count that nobody decided about."""
    overdue = Overage.objects.overdue(now=now).values_list("pk", flat=True)
    return _sweep(by, overdue, lambda pk: overages.approve_by_silence(overage_id=pk, now=now))


def resolve_silent_disputes(*, by: Principal, now: dt.datetime) -> int:
    """Pay disputed entries that nobody decided about."""
    overdue = Dispute.objects.overdue(now=now).values_list("pk", flat=True)
    return _sweep(by, overdue, lambda pk: disputes.resolve_by_silence(dispute_id=pk, now=now))


def remind_of_tax_papers(*, by: Principal, now: dt.datetime) -> int:
    """Tell the owners of tax papers that expire soon."""
    soon = TaxProfile.objects.expiring(before=now + dt.timedelta(days=max(tax.REMIND_DAYS)), now=now)
    due = [
        pk
        for pk, expires_at, reminded in soon.values_list("pk", "expires_at", "reminded_days")
        if expires_at and tax.reminder_due(expires_at=expires_at, reminded_days=reminded, now=now) is not None
    ]
    return _sweep(by, due, lambda pk: tax_profiles.remind(profile_id=pk, now=now))


def let_proposals_lapse(*, by: Principal, now: dt.datetime) -> int:
    """End proposals that no second person decided."""
    overdue = AdjustmentProposal.objects.overdue(now=now).values_list("pk", flat=True)
    return _sweep(by, overdue, lambda pk: four_eyes.let_lapse(proposal_id=pk, now=now))


def true_up_weeks(*, by: Principal, now: dt.datetime) -> int:
    """Hold decided weeks against the wage floor, and add what is missing."""
    with unit_of_work(by):
        due = true_ups.stale(now=now)
    return _sweep(by, due, lambda pk: true_ups.check(timesheet_id=pk, now=now))


def write_self_billing(*, by: Principal, now: dt.datetime) -> int:
    """Write the invoices and credit notes that payouts miss."""
    due = self_billing.due(now=now).values_list("pk", flat=True)
    return _sweep(by, due, lambda pk: self_billing.issue(payout_id=pk, now=now))


def check_milestones(*, by: Principal, now: dt.datetime) -> int:
    """Award what was reached, end what is over, and try again to pay what waits for a lab's money."""
    with unit_of_work(by):
        still = list(Milestone.objects.open().order_by("pk"))
        there = {pk for milestone in still for pk in milestones.reached(milestone=milestone)}
    found = _sweep(by, there, lambda pk: milestones.check_one(contract_id=pk, now=now))
    _sweep(by, [row.pk for row in still], lambda pk: milestones.end_if_over(milestone_id=pk, now=now))
    waiting = MilestoneAward.objects.filter(status=MilestoneAward.Status.WAITING).order_by("tenant_id")
    labs = waiting.values_list("tenant_id", flat=True).distinct()
    return found + _sweep(by, labs, lambda pk: milestones.pay_waiting(tenant_id=pk, now=now))


def check_referrals(*, by: Principal, now: dt.datetime) -> int:
    """Pay referrals that reached their hours, and end those whose time is over."""
    still = Referral.objects.undecided().values_list("pk", flat=True)
    return _sweep(by, still, lambda pk: referrals.check(referral_id=pk, now=now))


def _sweep(by: Principal, due: Iterable[int], step: Callable[[int], object]) -> int:
    """Take one batch of due rows, each alone; how many moved."""
    with unit_of_work(by):
        pks = sorted(due)[:BATCH]
    moved = 0
    for pk in pks:
        try:
            with unit_of_work(by):
                step(pk)
            moved += 1
        except Exception:  # one row's failure must not stop the others
            log.exception("clock_failed", job=by.label, row=pk)
    return moved
