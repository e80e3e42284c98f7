"""Pay runs: prepared by one person, released by another, frozen in between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope, states
from core.money import exponent_of
from core.problems import Conflict, InvalidInput, map_constraint
from core.public import User
from core.wake import wake_after_commit
from experts.public import ReasonMissing
from payments import accounts, calendar
from payments.ledger import NewEntry
from payments.models import Payout, PayRun
from payments.operations.pay.four_eyes import SamePerson, StepUpRequired
from payments.operations.runs import pay_run_calculation, pay_run_news, pay_run_release
from payments.operations.runs.pay_run_calculation import PayRunChanged
from payments.paydays import open_day, payday_of, schedule_of

EDITABLE = (PayRun.Status.DRAFT, PayRun.Status.CALCULATING, PayRun.Status.REVIEW)


class NothingToPay(Conflict):
    """Every line of the run is held, or it has none: there is nothing to release. Cancel it instead."""

    code = "nothing_to_pay"
    title = gettext_lazy("Nothing to pay")


class PayRunExists(Conflict):
    """There is a run with this currency and cutoff already, or a regular one of this currency is still open."""

    code = "pay_run_exists"
    title = gettext_lazy("There is such a pay run already")


map_constraint("payments_payrun_cutoff", PayRunExists)
map_constraint("payments_payrun_one_open", PayRunExists)
map_constraint("payments_payrun_two_people", SamePerson)


def prepare(*, currency: str, by: User, now: dt.datetime, off_cycle: bool = False) -> PayRun:
    """Open a run for the last cutoff (off-cycle: for this instant) and calculate it. Raises PayRunExists."""
    try:
        exponent_of(currency)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    schedule = schedule_of(currency)
    cutoff = now if off_cycle else calendar.last_cutoff(schedule, now)
    kind = PayRun.Type.OFF_CYCLE if off_cycle else PayRun.Type.REGULAR
    standing = PayRun.objects.filter(currency=currency).exclude(status=PayRun.Status.CANCELLED)
    if standing.filter(cutoff=cutoff).exists():
        raise PayRunExists(_("The run of this cutoff was prepared already."))
    if not off_cycle and standing.filter(type=kind, status__in=EDITABLE).exists():
        raise PayRunExists(_("Finish or cancel the open run of this currency first."))
    run = PayRun.objects.create(
        currency=currency,
        type=kind,
        cutoff=cutoff,
        pays_on=open_day(currency, now) if off_cycle else max(open_day(currency, now), payday_of(currency, cutoff)),
        prepared_by=by,
    )
    return _calculate(run, now=now)


def recalculate(*, run: PayRun, by: User, now: dt.datetime) -> PayRun:
    """Calculate a run again that was sent back; who does it is its preparer from now on. Held lines stay held.

    A run that says it is being calculated, and is not locked by whoever does so, was left by a fault: begun anew.
    """
    run = _locked(run)
    if run.status == PayRun.Status.CALCULATING:
        states.move(run, PayRun.Status.DRAFT)
    run.prepared_by, run.note, run.stopped_by = by, "", None
    return _calculate(run, now=now)


def send_back(*, run: PayRun, reason: str, by: User) -> PayRun:
    """Give the run back to be calculated again, without cancelling it. Raises ReasonMissing."""
    run = _locked(run)
    states.move(run, PayRun.Status.DRAFT)
    _note(run, reason, by=by)
    run.save()
    return run


def cancel(*, run: PayRun, reason: str, by: User, now: dt.datetime) -> PayRun:
    """Give the run up; everybody's money stays payable, and whoever was in it hears why. Raises ReasonMissing."""
    run = _locked(run)
    states.move(run, PayRun.Status.CANCELLED)
    _note(run, reason, by=by)
    run.finished_at = now
    run.save()
    following = payday_of(run.currency, calendar.next_cutoff(schedule_of(run.currency), now))
    pay_run_news.tell_cancelled(run=run, reason=run.note, payday=following, now=now)
    return run


def release(*, run: PayRun, digest: str, recently_authenticated: bool, by: User, now: dt.datetime) -> PayRun:
    """Send the money of a run on its way, as it was looked at (``digest``), in one transaction.

    Raises SamePerson, StepUpRequired, PayRunChanged, NothingToPay; then nothing was changed.
    """
    run = _locked(run)
    states.move(run, PayRun.Status.APPROVED)
    _require_release(run, recently_authenticated=recently_authenticated, by=by)
    with scope.as_platform():
        pay_run_release.lock(run)
        _require_unchanged(run, digest, now=now)
        if not run.line_count:
            raise NothingToPay
        payouts = pay_run_release.initiate(run, now=now)
    run.released_by, run.released_at = by, now
    run.save()
    outbox.publish("pay_run.released", subject=run.public_id, for_lab=False, now=now, payload={"payouts": payouts})
    wake_after_commit("payments.send_payouts")
    return run


def note_progress(*, run_ids: Iterable[int], now: dt.datetime) -> None:
    """Follow the payouts: executing while any is under way, then completed, with failures where one failed."""
    runs = PayRun.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=set(run_ids)).order_by("pk")
    for run in runs:
        found = set(run.payouts.values_list("status", flat=True).distinct())
        if found & set(Payout.UNDER_WAY):
            outcome = PayRun.Status.EXECUTING
        elif found & {Payout.Status.FAILED, Payout.Status.RETURNED, Payout.Status.CANCELLED}:
            outcome = PayRun.Status.COMPLETED_WITH_FAILURES
        else:
            outcome = PayRun.Status.COMPLETED
        if outcome != run.status and states.can_move(run, outcome):
            states.move(run, outcome)
            run.finished_at = None if outcome == PayRun.Status.EXECUTING else now
            run.save(update_fields=["status", "finished_at"])


def _calculate(run: PayRun, *, now: dt.datetime) -> PayRun:
    states.move(run, PayRun.Status.CALCULATING)
    run.save()
    found = pay_run_calculation.write_lines(run, now=now)
    states.move(run, PayRun.Status.REVIEW)
    run.line_count, run.total_minor, run.lines_digest = found.line_count, found.total_minor, found.digest
    run.calculated_at = now
    run.save()
    return run


def _require_release(run: PayRun, *, recently_authenticated: bool, by: User) -> None:
    if run.prepared_by_id == by.pk:
        raise SamePerson(_("You prepared this run: somebody else has to release it."))
    if run.lines.filter(expert__user=by).exists():
        raise SamePerson(_("This run pays you: somebody else has to release it."))
    if not recently_authenticated:
        raise StepUpRequired


def _require_unchanged(run: PayRun, digest: str, *, now: dt.datetime) -> None:
    frozen = pay_run_calculation.totals(run)
    if not run.lines_digest == frozen.digest == digest:
        raise PayRunChanged(_("The run is not the one you confirmed: look at it again."), changed=0)
    changed = pay_run_calculation.changed_experts(run, now=now)
    if changed:
        raise PayRunChanged(
            _("What people are owed changed since the calculation: send it back."), changed=len(changed)
        )


def initiation(payout: Payout, *, now: dt.datetime) -> NewEntry:
    """The entry that takes a payout's money out of what we owe and puts it on its way."""
    legs = [
        (accounts.payable(payout.expert_id, payout.currency), -payout.gross_minor),
        (accounts.transit(payout.provider, payout.currency), payout.amount_minor),
        (accounts.tax_withheld(payout.currency), payout.withheld_minor),
    ]
    return NewEntry(pay_run_release.INITIATED, payout.public_id, now, legs, seq=payout.initiations)


def _note(run: PayRun, reason: str, *, by: User) -> None:
    """Who stopped it and why; the people in it read the reason."""
    if not reason.strip():
        raise ReasonMissing
    run.note, run.stopped_by = reason.strip()[:300], by


def _locked(run: PayRun) -> PayRun:
    return PayRun.objects.select_for_update(no_key=True, of=("self",)).get(pk=run.pk)
