"""What happens to hours when nobody does anything: each clock in a sweep that is harmless when run twice.

Each goes through all that is due, however much; a row that cannot move holds no other back (`core.sweeps`) and is tried
again at the next tick. ``after`` is where an earlier run of the same job stopped.
"""

from __future__ import annotations

import datetime as dt

from core.public import Principal, unit_of_work
from core.sweeps import sweep
from payments.models import (
    AdjustmentProposal,
    Dispute,
    Milestone,
    MilestoneAward,
    Overage,
    TaxProfile,
    TimeEntry,
    Timesheet,
)
from payments.operations.hours import disputes, overages, timers, timesheets
from payments.operations.pay import four_eyes, milestones, referrals, true_ups
from payments.operations.payee import tax_profiles
from payments.operations.runs import self_billing


def stop_silent_timers(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Stop timers that gave no sign of life for longer than the grace."""
    silent = TimeEntry.objects.silent(since=now - timers.GRACE)
    return sweep(by=by, due=silent, step=lambda pk: timers.stop_silent(entry_id=pk, now=now), after=after)


def submit_forgotten_weeks(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Hand in weeks whose expert let his window pass."""
    due = Timesheet.objects.forgotten(now=now)
    return sweep(
        by=by, due=due, step=lambda pk: timesheets.submit_forgotten(timesheet_id=pk, by=by, now=now), after=after
    )


def approve_silent_weeks(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Approve weeks whose lab let its window pass."""
    due = Timesheet.objects.overdue(now=now)
    return sweep(
        by=by, due=due, step=lambda pk: timesheets.approve_by_silence(timesheet_id=pk, by=by, now=now), after=after
    )


def remind_of_weeks(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Tell both sides of windows that end within a day."""
    due = Timesheet.objects.due(before=now + timesheets.REMIND_BEFORE)
    return sweep(by=by, due=due, step=lambda pk: timesheets.remind(timesheet_id=pk, now=now), after=after)


def approve_silent_overages(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Let time over a cap count that nobody decided about."""
    due = Overage.objects.overdue(now=now)
    return sweep(by=by, due=due, step=lambda pk: overages.approve_by_silence(overage_id=pk, now=now), after=after)


def resolve_silent_disputes(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Pay disputed entries that nobody decided about."""
    due = Dispute.objects.overdue(now=now)
    return sweep(by=by, due=due, step=lambda pk: disputes.resolve_by_silence(dispute_id=pk, now=now), after=after)


def remind_of_tax_papers(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Tell the owners of tax papers that expire soon. Those of one year all end at one instant: it may be everybody."""
    due = TaxProfile.objects.to_remind(now=now)
    return sweep(by=by, due=due, step=lambda pk: tax_profiles.remind(profile_id=pk, now=now), after=after)


def let_proposals_lapse(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """End proposals that no second person decided."""
    due = AdjustmentProposal.objects.overdue(now=now)
    return sweep(by=by, due=due, step=lambda pk: four_eyes.let_lapse(proposal_id=pk, now=now), after=after)


def true_up_weeks(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Hold decided weeks against the wage floor, and add what is missing."""
    due = true_ups.stale(now=now)
    return sweep(by=by, due=due, step=lambda pk: true_ups.check(timesheet_id=pk, now=now), after=after)


def write_self_billing(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Write the invoices and credit notes that payouts miss."""
    due = self_billing.due(now=now)
    return sweep(by=by, due=due, step=lambda pk: self_billing.issue(payout_id=pk, now=now), after=after)


def check_milestones(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Award what was reached and no news told of."""
    with unit_of_work(by):
        still = Milestone.objects.open().order_by("pk")
        there = {pk for milestone in still for pk in milestones.reached(milestone=milestone)}
    return sweep(by=by, due=there, step=lambda pk: milestones.check_one(contract_id=pk, now=now), after=after)


def end_milestones(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """End milestones whose time is over."""
    due = Milestone.objects.over(now=now)
    return sweep(by=by, due=due, step=lambda pk: milestones.end_if_over(milestone_id=pk, now=now), after=after)


def pay_waiting_milestones(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Try again to pay what waits for a lab's money, lab by lab."""
    with unit_of_work(by):
        waiting = MilestoneAward.objects.filter(status=MilestoneAward.Status.WAITING).order_by("tenant_id")
        labs = list(waiting.values_list("tenant_id", flat=True).distinct())
    return sweep(by=by, due=labs, step=lambda pk: milestones.pay_waiting(tenant_id=pk, now=now), after=after)


def check_referrals(*, by: Principal, now: dt.datetime, after: int = 0) -> int:
    """Pay referrals that reached their hours, and end those whose time is over."""
    due = referrals.due(now=now)
    return sweep(by=by, due=due, step=lambda pk: referrals.check(referral_id=pk, now=now), after=after)
