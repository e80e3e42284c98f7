"""Jobs of the floor: thin, named, safe to run twice. ``after`` is where a sweep goes on that ran out of time."""

from __future__ import annotations

import datetime as dt

import structlog

from core import clock, sweeps
from core.jobs import job
from core.public import Principal
from core.wake import wake
from payments.operations.bank import provider_books
from payments.operations.exchange import exchange_instructions
from payments.operations.hours import clocks
from payments.operations.labs import credit, invoices, reservations
from payments.operations.pay import holdbacks
from payments.operations.payee import onboarding
from payments.operations.rails import inbox, sending, stuck, tracking
from payments.queries import trial_balance

log = structlog.get_logger(__name__)


@job(name="payments.send_payouts", bound=False)
def send_payouts() -> None:
    """Give due payouts to their providers, and come back for the rest."""
    sent = 0

    def send() -> int:
        nonlocal sent
        some = sending.send_due(now=clock.now(), limit=1)
        sent += some
        return some

    if sweeps.rounds(send):
        wake("payments.send_payouts")
    if sent:
        wake("payments.track_payouts")


@job(name="payments.give_back_unsent", bound=False)
def give_back_unsent(after: int = 0) -> None:
    """Let the next run pay what was released to a method that is not in use any more, or stopped by a block that is over."""
    sending.give_back_unsent(now=clock.now(), after=after)


@job(name="payments.track_payouts", bound=False)
def track_payouts() -> None:
    """Ask providers what became of payouts."""
    sweeps.rounds(lambda: tracking.track_some(now=clock.now()))


@job(name="payments.follow_settlements", bound=False)
def follow_settlements(only: str = "") -> None:
    """Catch up with what providers settled: money that came back. ``only``: go on with this one's round."""
    tracking.follow_settlements(now=clock.now(), only=only, begins=not only)


@job(name="payments.handle_inbound", bound=False)
def handle_inbound() -> None:
    """Look into what providers told us."""
    sweeps.rounds(lambda: inbox.handle_some(now=clock.now()))


@job(name="payments.forget_event_bodies", bound=False)
def forget_event_bodies() -> None:
    """Let go of what providers' events said long ago."""
    inbox.forget_bodies(now=clock.now())


@job(name="payments.onboard_payees", bound=False)
def onboard_payees() -> None:
    """Open accounts at providers, and learn which of them can be paid out."""
    onboarding.onboard_due(now=clock.now())


@job(name="payments.report_stuck_payouts")
def report_stuck_payouts() -> None:
    """Raise the alarm about payouts that have been open for too long."""
    stuck.report(now=clock.now())


@job(name="payments.release_holdbacks", bound=False)
def release_holdbacks(after: int = 0) -> None:
    """Pay out what was held back long enough."""
    holdbacks.release_due(now=clock.now(), after=after)


@job(name="payments.follow_terms", bound=False)
def follow_terms(after: int = 0) -> None:
    """Give labs back what contracts do not need any more under later terms."""
    reservations.follow_terms_due(now=clock.now(), after=after)


@job(name="payments.stop_silent_timers", bound=False)
def stop_silent_timers(after: int = 0) -> None:
    """Stop timers that fell silent."""
    by = Principal.system("payments.stop_silent_timers")
    clocks.stop_silent_timers(by=by, now=clock.now(), after=after)


@job(name="payments.submit_forgotten_weeks", bound=False)
def submit_forgotten_weeks(after: int = 0) -> None:
    """Hand in weeks whose expert forgot them."""
    by = Principal.system("payments.submit_forgotten_weeks")
    clocks.submit_forgotten_weeks(by=by, now=clock.now(), after=after)


@job(name="payments.approve_silent_weeks", bound=False)
def approve_silent_weeks(after: int = 0) -> None:
    """Approve weeks whose lab was silent."""
    by = Principal.system("payments.approve_silent_weeks")
    clocks.approve_silent_weeks(by=by, now=clock.now(), after=after)


@job(name="payments.remind_of_weeks", bound=False)
def remind_of_weeks(after: int = 0) -> None:
    """Remind both sides of windows that end soon."""
    by = Principal.system("payments.remind_of_weeks")
    clocks.remind_of_weeks(by=by, now=clock.now(), after=after)


@job(name="payments.approve_silent_overages", bound=False)
def approve_silent_overages(after: int = 0) -> None:
    """Let undecided time over caps count."""
    by = Principal.system("payments.approve_silent_overages")
    clocks.approve_silent_overages(by=by, now=clock.now(), after=after)


@job(name="payments.resolve_silent_disputes", bound=False)
def resolve_silent_disputes(after: int = 0) -> None:
    """Pay disputed entries that nobody decided about."""
    by = Principal.system("payments.resolve_silent_disputes")
    clocks.resolve_silent_disputes(by=by, now=clock.now(), after=after)


@job(name="payments.remind_of_tax_papers", bound=False)
def remind_of_tax_papers(after: int = 0) -> None:
    """Ask for tax papers again before they expire."""
    by = Principal.system("payments.remind_of_tax_papers")
    clocks.remind_of_tax_papers(by=by, now=clock.now(), after=after)


@job(name="payments.end_credit_limits", bound=False)
def end_credit_limits(after: int = 0) -> None:
    """Take away credit whose last day is over."""
    credit.end_expired(now=clock.now(), after=after)


@job(name="payments.follow_exchange_instructions", bound=False)
def follow_exchange_instructions(after: int = 0) -> None:
    """Exchange what experts are owed, as they asked beforehand, in the last hour before a cutoff."""
    by = Principal.system("payments.follow_exchange_instructions")
    exchange_instructions.follow_all(by=by, now=clock.now(), after=after)


@job(name="payments.write_self_billing", bound=False)
def write_self_billing(after: int = 0) -> None:
    """Write invoices in the name of experts who agreed to it."""
    by = Principal.system("payments.write_self_billing")
    clocks.write_self_billing(by=by, now=clock.now(), after=after)


@job(name="payments.true_up_weeks", bound=False)
def true_up_weeks(after: int = 0) -> None:
    """Add what decided weeks lack to the wage floor."""
    by = Principal.system("payments.true_up_weeks")
    clocks.true_up_weeks(by=by, now=clock.now(), after=after)


@job(name="payments.issue_invoices", bound=False)
def issue_invoices(after: int = 0, currency: str = "") -> None:
    """Bill the months that are over; a later run those behind a lab's books in a currency."""
    invoices.issue_due(now=clock.now(), after=(after, currency))


@job(name="payments.follow_invoices", bound=False)
def follow_invoices(after: int = 0) -> None:
    """Note which invoices were paid."""
    invoices.follow_payments(now=clock.now(), after=after)


@job(name="payments.let_proposals_lapse", bound=False)
def let_proposals_lapse(after: int = 0) -> None:
    """End proposals about pay that no second person decided."""
    by = Principal.system("payments.let_proposals_lapse")
    clocks.let_proposals_lapse(by=by, now=clock.now(), after=after)


@job(name="payments.collect_bank_files", bound=False)
def collect_bank_files() -> None:
    """Read what the bank left, and hand over again what somebody died over."""
    provider_books.read_bank(now=clock.now())


@job(name="payments.reconcile", bound=False)
def reconcile() -> None:
    """Lay the providers' books beside ours, and close the days that agree."""
    provider_books.reconcile_all(now=clock.now())


@job(name="payments.check_milestones", bound=False)
def check_milestones(after: int = 0) -> None:
    """Award milestones that events did not tell of."""
    by = Principal.system("payments.check_milestones")
    clocks.check_milestones(by=by, now=clock.now(), after=after)


@job(name="payments.end_milestones", bound=False)
def end_milestones(after: int = 0) -> None:
    """End milestones whose time is over."""
    by = Principal.system("payments.end_milestones")
    clocks.end_milestones(by=by, now=clock.now(), after=after)


@job(name="payments.pay_waiting_milestones", bound=False)
def pay_waiting_milestones(after: int = 0) -> None:
    """Pay milestones that waited for their labs' money."""
    by = Principal.system("payments.pay_waiting_milestones")
    clocks.pay_waiting_milestones(by=by, now=clock.now(), after=after)


@job(name="payments.check_referrals", bound=False)
def check_referrals(after: int = 0) -> None:
    """Pay referrals that reached their hours, and end those whose time is over."""
    by = Principal.system("payments.check_referrals")
    clocks.check_referrals(by=by, now=clock.now(), after=after)


@job(name="payments.count_trial_balance")
def count_trial_balance() -> None:
    """Count every leg of the journal for the lamp of the desk, and say so where they are not zero."""
    broken = trial_balance.count(now=clock.now()).broken
    if broken:
        log.error("books_broken", sums=[str(money) for money in broken])


PERIODIC = {
    "payments.count_trial_balance": dt.timedelta(minutes=10),
    "payments.issue_invoices": dt.timedelta(hours=1),
    "payments.follow_invoices": dt.timedelta(hours=1),
    "payments.check_milestones": dt.timedelta(minutes=10),
    "payments.end_milestones": dt.timedelta(minutes=10),
    "payments.pay_waiting_milestones": dt.timedelta(minutes=10),
    "payments.check_referrals": dt.timedelta(hours=1),
    "payments.let_proposals_lapse": dt.timedelta(hours=1),
    "payments.stop_silent_timers": dt.timedelta(minutes=1),
    "payments.submit_forgotten_weeks": dt.timedelta(minutes=5),
    "payments.approve_silent_weeks": dt.timedelta(minutes=1),
    "payments.remind_of_weeks": dt.timedelta(minutes=15),
    "payments.approve_silent_overages": dt.timedelta(minutes=5),
    "payments.resolve_silent_disputes": dt.timedelta(minutes=5),
    "payments.true_up_weeks": dt.timedelta(minutes=15),
    "payments.send_payouts": dt.timedelta(minutes=1),
    "payments.give_back_unsent": dt.timedelta(minutes=15),
    "payments.track_payouts": dt.timedelta(minutes=1),
    "payments.follow_settlements": dt.timedelta(hours=1),
    "payments.follow_terms": dt.timedelta(hours=1),
    "payments.write_self_billing": dt.timedelta(hours=1),
    "payments.remind_of_tax_papers": dt.timedelta(hours=6),
    "payments.handle_inbound": dt.timedelta(minutes=1),
    "payments.forget_event_bodies": dt.timedelta(hours=24),
    "payments.onboard_payees": dt.timedelta(minutes=1),
    "payments.report_stuck_payouts": dt.timedelta(hours=1),
    "payments.collect_bank_files": dt.timedelta(minutes=5),
    "payments.reconcile": dt.timedelta(hours=1),
    "payments.release_holdbacks": dt.timedelta(hours=1),
    "payments.end_credit_limits": dt.timedelta(minutes=15),
    "payments.follow_exchange_instructions": dt.timedelta(minutes=5),
}
