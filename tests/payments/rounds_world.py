"""Rounds through what was settled with experts who were paid by the counterpart of Stripe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app

from core import clock, sweeps
from core.public import unit_of_work
from payments import jobs
from payments.models import DayClose
from payments.operations.rails import tracking
from payments.providers import stripe_connect, stripe_movements
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM
from tests.payments.stripe_world import (
    AMOUNT,
    DAY,
    HOUR,
    fake,
    onboarded,
    start,
    work,
)
from tests.payments.test_asking_providers import statuses
from tests.stripe_fake.idempotency import Answer
from tests.stripe_fake.server import Asked, Fake

__all__ = ["fake"]

STRIPE = "stripe_connect"
ACCOUNT = "/v1/payouts"


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Jobs that were left to workers, with their arguments."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args=(), **_options: found.append((name, tuple(args))))
    return found


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on a job has the time for one step, and pages have two lines."""

    def hurry() -> None:
        monkeypatch.setattr(sweeps, "SECONDS", 0.0)
        monkeypatch.setattr(stripe_connect, "PAGE", 2)
        monkeypatch.setattr(stripe_movements, "PAGE", 2)

    return hurry


def morning(fake: Fake) -> dt.datetime:
    """One o'clock of the next day, here and there: days close by the date, and hours from now may be another one."""
    began = (start() + DAY).replace(hour=1, minute=0, second=0, microsecond=0)
    fake.books.advance(began.timestamp() - fake.books.now())
    return began


def all_paid(fake: Fake, count: int, *, fee: int = 0) -> dt.datetime:
    """So many experts who were paid into accounts of their own; when Stripe said so."""
    fake.books.balances["", "usd"], fake.books.fee = count * 2 * AMOUNT, fee
    lab = story.new_lab(funded=count * AMOUNT)
    for n in range(count):
        story.earn(onboarded(fake, f"Expert {n}"), AMOUNT, lab=lab)
    story.released_run()
    now = morning(fake)
    work(now)
    fake.books.settle()
    work(now + HOUR)
    assert statuses() == ["paid"] * count
    fake.asked.clear()
    return now + HOUR


def asked_about(fake: Fake) -> list[str]:
    """The accounts whose payouts were read, in order."""
    return [asked.headers["Stripe-Account"] for asked in fake.asked if (asked.method, asked.path) == ("GET", ACCOUNT)]


def in_order(fake: Fake) -> list[str]:
    """All accounts, in the order in which Stripe lists what was transferred to them: the newest first."""
    sources = [line["source"] for line in reversed(fake.books.lines) if line["type"] == "transfer"]
    return [fake.books.transfers[source]["destination"] for source in sources]


def go_on(woken: list[tuple[str, Any]], at: dt.datetime) -> int:
    """Do what was left to workers, and what that leaves; how many runs of the job that took."""
    runs = 0
    while woken:
        name, args = woken.pop(0)
        if name == tracking.ROUNDS:
            assert woken.count((name, args)) == 0, "one run at a time"
            runs += 1
            with clock.frozen(at):
                jobs.follow_settlements(*args)
    return runs


def tick(at: dt.datetime) -> None:
    with clock.frozen(at):
        jobs.follow_settlements()


def reconcile(at: dt.datetime) -> None:
    with clock.frozen(at):
        jobs.reconcile()


def days() -> list[tuple[str, str]]:
    with unit_of_work(SYSTEM):
        return list(DayClose.objects.order_by("day").values_list("status", "obstacle"))


def while_asked(fake: Fake, account: str, do: Callable[[], object]) -> None:
    """Let something happen, once, while Stripe is asked about an account."""
    real: Callable[[Asked, str], Answer | None] = fake._with_faults
    left = [account]

    def meanwhile(asked: Asked, template: str) -> Answer | None:
        if (asked.method, asked.path) == ("GET", ACCOUNT) and asked.headers.get("Stripe-Account") in left:
            left.clear()
            do()
        return real(asked, template)

    fake._with_faults = meanwhile  # type: ignore[method-assign]  # the pretended provider, watched
