"""The series itself: prepare a pay day, kill while it runs, wait until nothing is open, count."""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import django

django.setup()

from core import clock
from payments.models import Payout, ProviderMovement
from payments.operations.rails import tracking
from tests.faults.own_cluster import OwnCluster
from tests.faults.series import pay_day, tally
from tests.faults.series.tally import Tally
from tests.faults.series.victims import Victims

UNPAUSED = 2.0
"""Seconds without enough progress after which the next victim is killed all the same."""
HURRY = dt.timedelta(seconds=15)
FINAL = ("paid", "failed", "returned", "cancelled", "on_hold")


def series(cluster: OwnCluster, home: Path, chosen: argparse.Namespace, stack: ExitStack) -> int:
    """Play one series with what the command line chose; 0 when everything held."""
    chance = random.Random(chosen.seed)  # noqa: S311  # repeatable on purpose
    began = time.monotonic()
    _say(
        f"Seed {chosen.seed}. Releasing runs of {chosen.payouts} payouts, {chosen.unknown} of them without an answer …"
    )
    pay_day.release(payouts=chosen.payouts, unknown=chosen.unknown, chance=chance)
    victims = Victims(cluster, home, chance)
    stack.callback(victims.end)
    ends = time.monotonic() + chosen.minutes * 60
    seen = Tally(seed=chosen.seed, chosen=(chosen.kills, chosen.unknown, chosen.payouts))
    _kill(victims, seen, kills=chosen.kills, payouts=chosen.payouts, ends=ends)
    _come_to_rest(victims, ends=ends)
    _let_money_come_back()
    victims.end()
    tally.count(seen)
    seen.seconds = round(time.monotonic() - began)
    text = tally.text(seen, chosen)
    sys.stdout.write(text + "\n")
    if chosen.write:
        tally.write(text)
    return 0 if seen.holds else 1


def _kill(victims: Victims, seen: Tally, *, kills: int, payouts: int, ends: float) -> None:
    """Spread the kills over the run: one more whenever another share of the payouts has come to its end.

    Time runs faster than usual, so that leases end while their owners live and both ask the provider.
    """
    for n in range(kills):
        due, patience = (n + 1) * payouts // (kills + 1), time.monotonic() + UNPAUSED
        while time.monotonic() < min(patience, ends) and payouts - _open() < due:
            time.sleep(0.05)
        if time.monotonic() > ends or not _open():
            break
        in_flight = Payout.objects.filter(status="sending").exists()
        seen.kills[victims.kill_one()] += 1
        seen.in_flight += in_flight
        victims.replace_the_dead()
        clock.advance(HURRY)
        if not (n + 1) % 20:
            _say(f"{n + 1} kills, {ProviderMovement.objects.count()} orders at the provider, {_open()} payouts open")


def _come_to_rest(victims: Victims, *, ends: float) -> None:
    """Until every payout is final or alarms. Waits of minutes are made short by the clock that development can move."""
    while (left := _open()) and time.monotonic() < ends:
        _say(f"{left} payouts open")
        clock.advance(dt.timedelta(minutes=1))
        for _ in range(4):
            victims.replace_the_dead()
            time.sleep(0.5)


def _let_money_come_back() -> None:
    """Some payees' banks send the money back three days later; the follow-up of settlements finds it."""
    clock.advance(dt.timedelta(days=4))
    tracking.follow_settlements(now=clock.now())


def _open() -> int:
    return Payout.objects.exclude(status__in=FINAL).count()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
