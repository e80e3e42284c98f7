"""Jobs of the floor: thin, named, safe to run twice."""

from __future__ import annotations

import datetime as dt

from core import clock
from core.jobs import job
from core.public import Principal, unit_of_work
from core.wake import wake
from payments.operations.bank import provider_books
from payments.operations.exchange import exchange_instructions
from payments.operations.hours import clocks
from payments.operations.labs import credit, invoices, reservations
from payments.operations.pay import holdbacks
from payments.operations.payee import onboarding
from payments.operations.rails import inbox, sending, tracking


@job(name="payments.send_payouts", bound=False)
def send_payouts() -> None:
    """Give due payouts to their providers, and come back for the rest."""
    if sending.send_due(now=clock.now()):
        wake("payments.track_payouts")
        wake("payments.send_payouts")


@job(name="payments.give_back_unsent", bound=False)
def give_back_unsent() -> None:
    """Let the next run pay what was released to a payout method that is not in use any more."""
    sending.give_back_unsent(now=clock.now())


@job(name="payments.track_payouts", bound=False)
def track_payouts() -> None:
    """Ask providers what became of payouts."""
    tracking.track_due(now=clock.now())


@job(name="payments.follow_settlements", bound=False)
def follow_settlements() -> None:
    """Catch up with what providers settled: money that came back."""
    tracking.follow_settlements(now=clock.now())


@job(name="payments.handle_inbound", bound=False)
def handle_inbound() -> None:
    """Look into what providers told us."""
    inbox.handle_due(now=clock.now())


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
    tracking.report_stuck(now=clock.now())


@job(name="payments.release_holdbacks")
def release_holdbacks() -> None:
    """Pay out what was held back long enough."""
    holdbacks.release_due(now=clock.now())


@job(name="payments.follow_terms")
def follow_terms() -> None:
    """Give labs back what contracts do not need any more under later terms."""
    reservations.follow_terms_due(now=clock.now())


@job(name="payments.stop_silent_timers", bound=False)
def stop_silent_timers() -> None:
    """Stop timers that fell silent."""
    clocks.stop_silent_timers(by=Principal.system("payments.stop_silent_timers"), now=clock.now())


@job(name="payments.submit_forgotten_weeks", bound=False)
def submit_forgotten_weeks() -> None:
    """Hand in weeks whose expert forgot them."""
    clocks.submit_forgotten_weeks(by=Principal.system("payments.submit_forgotten_weeks"), now=clock.now())


@job(name="payments.approve_silent_weeks", bound=False)
def approve_silent_weeks() -> None:
    """Approve weeks whose lab was silent."""
    clocks.approve_silent_weeks(by=Principal.system("payments.approve_silent_weeks"), now=clock.now())


@job(name="payments.remind_of_weeks", bound=False)
def remind_of_weeks() -> None:
    """Remind both sides of windows that end soon."""
    clocks.remind_of_weeks(by=Principal.system("payments.remind_of_weeks"), now=clock.now())


@job(name="payments.approve_silent_overages", bound=False)
def approve_silent_overages() -> None:
    """Let undecided time over caps count."""
    clocks.approve_silent_overages(by=Principal.system("payments.approve_silent_overages"), now=clock.now())


@job(name="payments.resolve_silent_disputes", bound=False)
def resolve_silent_disputes() -> None:
    """Pay disputed entries that nobody decided about."""
    clocks.resolve_silent_disputes(by=Principal.system("payments.resolve_silent_disputes"), now=clock.now())


@job(name="payments.remind_of_tax_papers", bound=False)
def remind_of_tax_papers() -> None:
    """Ask for tax papers again before they expire."""
    clocks.remind_of_tax_papers(by=Principal.system("payments.remind_of_tax_papers"), now=clock.now())


@job(name="payments.end_credit_limits")
def end_credit_limits() -> None:
    """Take away credit whose last day is over."""
    credit.end_expired(now=clock.now())


@job(name="payments.follow_exchange_instructions", bound=False)
def follow_exchange_instructions() -> None:
    """Exchange what experts are owed, as they asked beforehand, in the last hour before a cutoff."""
    by = Principal.system("payments.follow_exchange_instructions")
    exchange_instructions.follow_all(by=by, now=clock.now())


@job(name="payments.write_self_billing", bound=False)
def write_self_billing() -> None:
    """Write invoices in the name of experts who agreed to it."""
    clocks.write_self_billing(by=Principal.system("payments.write_self_billing"), now=clock.now())


@job(name="payments.true_up_weeks", bound=False)
def true_up_weeks() -> None:
    """Add what decided weeks lack to the wage floor."""
    clocks.true_up_weeks(by=Principal.system("payments.true_up_weeks"), now=clock.now())


@job(name="payments.issue_invoices", bound=False)
def issue_invoices() -> None:
    """Bill the months that are over, and note which invoices were paid."""
    invoices.issue_due(now=clock.now())
    with unit_of_work(Principal.system("payments.issue_invoices")):
        invoices.follow_payments(now=clock.now())


@job(name="payments.let_proposals_lapse", bound=False)
def let_proposals_lapse() -> None:
    """End proposals about pay that no second person decided."""
    clocks.let_proposals_lapse(by=Principal.system("payments.let_proposals_lapse"), now=clock.now())


@job(name="payments.collect_bank_files", bound=False)
def collect_bank_files() -> None:
    """Read what the bank left, and hand over again what somebody died over."""
    provider_books.read_bank(now=clock.now())


@job(name="payments.reconcile", bound=False)
def reconcile() -> None:
    """Lay the providers' books beside ours, and close the days that agree."""
    provider_books.reconcile_all(now=clock.now())


@job(name="payments.check_milestones", bound=False)
def check_milestones() -> None:
    """Award milestones that events did not tell of, and pay those that waited for money."""
    clocks.check_milestones(by=Principal.system("payments.check_milestones"), now=clock.now())


@job(name="payments.check_referrals", bound=False)
def check_referrals() -> None:
    """Pay referrals that reached their hours, and end those whose time is over."""
    clocks.check_referrals(by=Principal.system("payments.check_referrals"), now=clock.now())


PERIODIC = {
    "payments.issue_invoices": dt.timedelta(hours=1),
    "payments.check_milestones": dt.timedelta(minutes=10),
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
