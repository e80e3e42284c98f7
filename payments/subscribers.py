"""What payments does on news from the floors below."""

from __future__ import annotations

import datetime as dt

from core import outbox
from core.public import Event
from experts.public import Appeal
from marketplace.public import Contract
from payments.models import Timesheet
from payments.operations.hours import timers
from payments.operations.pay import contests, milestones, referrals, true_ups
from payments.operations.payee import backup_withholding
from payments.operations.rails import payout_decisions
from payments.operations.runs import pay_run_holds
from tasks.public import Submission


@outbox.subscribe("appeal.decided", name="payments.apply_appeal")
def apply_appeal(event: Event, now: dt.datetime) -> None:
    """Pay what a decision about hours or pay had taken, when the appeal was won."""
    appeal = Appeal.objects.select_related("decided_by").filter(public_id=event.subject).first()
    if appeal is not None:
        for apply in (contests.apply_outcome, backup_withholding.apply_outcome, pay_run_holds.apply_outcome):
            apply(subject=appeal.subject, outcome=appeal.status, decided_by=appeal.decided_by, now=now)
        payout_decisions.apply_outcome(subject=appeal.subject, outcome=appeal.status, now=now)


@outbox.subscribe("timesheet.*approved", name="payments.true_up_week")
@outbox.subscribe("adjustment.*", name="payments.true_up_adjusted")
@outbox.subscribe("dispute.*", name="payments.true_up_disputed")
@outbox.subscribe("overage.*", name="payments.true_up_over_a_cap")
def true_up(event: Event, now: dt.datetime) -> None:
    """Hold a week against the wage floor when its hours were decided or corrected."""
    sheet = true_ups.week_of(event.subject)
    if sheet is not None:
        true_ups.check(timesheet_id=sheet, now=now)


@outbox.subscribe("contract.*", name="payments.stop_timers")
def stop_timers(event: Event, now: dt.datetime) -> None:
    """A contract that was paused or has ended measures no more work from that instant on."""
    if event.name not in {"contract.paused", "contract.ended"}:
        return
    stopped = (Contract.Status.PAUSED, Contract.Status.ENDED)
    contract = Contract.objects.filter(public_id=event.subject, status__in=stopped).first()
    if contract is not None:
        timers.stop_with_contract(contract=contract, at=event.occurred_at, now=now)


@outbox.subscribe("submission.accepted", name="payments.milestones_of_work")
def milestones_of_work(event: Event, now: dt.datetime) -> None:
    """Accepted work may have reached a milestone."""
    rows = Submission.objects.select_related("claim__contract__expert", "claim__contract__lab_expert")
    work = rows.filter(public_id=event.subject).first()
    if work is not None and work.claim.contract is not None:
        milestones.check(contract=work.claim.contract, now=now)


@outbox.subscribe("timesheet.*", name="payments.bonuses_of_hours")
def bonuses_of_hours(event: Event, now: dt.datetime) -> None:
    """Approved hours may have reached a milestone, or the threshold of a referral."""
    sheets = Timesheet.objects.select_related("contract__expert", "contract__lab_expert")
    sheet = sheets.filter(public_id=event.subject, decided_at__isnull=False).first()
    if sheet is not None:
        milestones.check(contract=sheet.contract, now=now)
        referrals.check_of(expert_id=sheet.expert_id, now=now)
