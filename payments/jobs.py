"""Jobs of the floor: thin, named, safe to run twice."""

from __future__ import annotations

import datetime as dt

from core import clock
from core.jobs import job
from core.wake import wake
from payments.operations import holdbacks, sending, tracking


@job(name="payments.send_payouts", bound=False)
def send_payouts() -> None:
    """Give due payouts to their providers, and come back for the rest."""
    if sending.send_due(now=clock.now()):
        wake("payments.track_payouts")
        wake("payments.send_payouts")


@job(name="payments.track_payouts", bound=False)
def track_payouts() -> None:
    """Ask providers what became of payouts."""
    tracking.track_due(now=clock.now())


@job(name="payments.follow_settlements", bound=False)
def follow_settlements() -> None:
    """Catch up with what providers settled: money that came back."""
    tracking.follow_settlements(now=clock.now())


@job(name="payments.release_holdbacks")
def release_holdbacks() -> None:
    """Pay out what was held back long enough."""
    holdbacks.release_due(now=clock.now())


PERIODIC = {
    "payments.send_payouts": dt.timedelta(minutes=1),
    "payments.track_payouts": dt.timedelta(minutes=1),
    "payments.follow_settlements": dt.timedelta(hours=1),
    "payments.release_holdbacks": dt.timedelta(hours=1),
}
