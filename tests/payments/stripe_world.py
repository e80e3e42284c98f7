"""Cadre beside the counterpart of Stripe, over real HTTP on the loopback address, driven through the real jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from core import clock
from core.public import unit_of_work
from experts.public import Expert
from payments import jobs
from payments.models import InboundEvent, PayeeAccount, Payout, PayoutAttempt
from payments.operations.payee import onboarding, payees, tax_profiles
from payments.operations.rails import stuck
from payments.providers.port import Movement, Order, Provider
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments.ledger_story import LONG_AGO, NOW, SYSTEM
from tests.shared_data import shared_json
from tests.stripe_fake.server import Fake, Fault, serving

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
AMOUNT = 20_000
ON_CONNECTED = "POST /v1/payouts"


@pytest.fixture
def fake(settings: Settings) -> Iterator[Fake]:
    """Stripe with 1,000.00 USD of the platform's; at the end it must not have seen a request that it does not allow."""
    spec = shared_json("payments", "stripe-connect-trim.json")
    shapes = shared_json("payments", "fixtures-2026-08-21.json")
    with serving(spec=spec, shapes=shapes) as served:
        served.books.balances["", "usd"] = 100_000
        settings.STRIPE_API_KEY = "sk_test_cadre"
        settings.STRIPE_API_BASE = served.base
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_former", served.secret]
        settings.STRIPE_TIMEOUT_SECONDS = 0.5
        settings.PAYOUT_RAILS = {"stripe_account:*:*": "stripe_connect"}
        yield served
        assert served.violations == []


@pytest.fixture
def hooked(fake: Fake, live_server: LiveServer) -> Fake:
    """Stripe that can reach our webhook."""
    fake.webhook_url = f"{live_server.url}/api/v1/providers/stripe_connect/events"
    return fake


def start() -> dt.datetime:
    """When the tests begin: real time, since webhooks come in real time."""
    return max(clock.now(), NOW + HOUR)


def send(at: dt.datetime) -> None:
    """The jobs that move money alone, before anybody looked at the accounts again."""
    with clock.frozen(at):
        jobs.send_payouts()
        jobs.track_payouts()


def work(at: dt.datetime, *, settle: bool = False) -> None:
    """All jobs of payouts, as the beat would wake them at an instant; ``settle``: the hourly one too."""
    with clock.frozen(at):
        jobs.handle_inbound()
        jobs.onboard_payees()
        jobs.send_payouts()
        jobs.track_payouts()
        if settle:
            jobs.follow_settlements()


def onboarded(fake: Fake, name: str = "Ada") -> Expert:
    """An expert whose account at Stripe is ready, owed nothing."""
    expert = story.new_expert(name, ready=False)
    with unit_of_work(SYSTEM):
        tax_profiles.declare(
            expert=expert,
            form="w9",
            legal_name=name,
            country="US",
            tax_id="123-45-6780",
            signed_name=name,
            now=LONG_AGO,
        )
        payees.add_method(
            expert=expert,
            method_type="stripe_account",
            currency="USD",
            country="US",
            holder=name,
            details={},
            now=LONG_AGO,
        )
    onboarding.onboard_due(now=LONG_AGO)
    account = PayeeAccount.objects.get(expert=expert).account
    fake.books.finish_onboarding(account)
    onboarding.onboard_due(now=LONG_AGO + DAY)
    fake.books.events.clear()
    fake.asked.clear()
    return expert


def to_be_paid(fake: Fake, *names: str) -> Expert:
    """Onboarded experts (Ada unless named) who are owed 200.00 USD each by a released run; the last one."""
    lab = story.new_lab(funded=100_000)
    for name in names or ("Ada",):
        expert = onboarded(fake, name)
        story.earn(expert, AMOUNT, lab=lab)
    story.released_run()
    return expert


def alarms(at: dt.datetime) -> int:
    """How many payouts are reported as stuck."""
    with unit_of_work(SYSTEM):
        return stuck.report(now=at)


def the_payout() -> Payout:
    return Payout.objects.get()


def attempts() -> list[tuple[int, str, str]]:
    return list(PayoutAttempt.objects.order_by("pk").values_list("n", "outcome", "code"))


def events() -> list[tuple[str, str, str]]:
    return list(InboundEvent.objects.order_by("pk").values_list("kind", "status", "code"))


def break_once(fake: Fake, kind: str, *, match: str = "POST /v1/transfers", times: int = 1) -> None:
    fake.faults.append(Fault(kind, match, times))


def moved(fake: Fake) -> tuple[int, int, int]:
    """In minor units: what left the platform and did not come back, what lies on experts' accounts, what banks have."""
    books = fake.books
    left = sum(transfer["amount"] - transfer["amount_reversed"] for transfer in books.transfers.values())
    waiting = sum(amount for (owner, _currency), amount in books.balances.items() if owner)
    banked = sum(payout["amount"] for payout in books.payouts.values() if payout["status"] != "failed")
    return left, waiting, banked


def paid_once(fake: Fake) -> bool:
    """Exactly one payment reached the bank, and nothing lies between."""
    return moved(fake) == (AMOUNT, 0, AMOUNT)


def assert_the_books_hold() -> None:
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def all_at_once(fake: Fake, event: dict[str, Any], times: int) -> list[int]:
    """Deliver an event several times in parallel; the statuses."""
    with ThreadPoolExecutor(times) as pool:
        statuses = list(pool.map(lambda _n: fake.deliver(event), range(times)))
    connection.ensure_connection()
    return statuses


def all_settled(provider: Provider, *, since: dt.datetime, now: dt.datetime) -> list[Movement]:
    """Everything that a provider settled, page by page to the end."""
    movements: list[Movement] = []
    after = ""
    while lines := provider.settlements(since=since, now=now, after=after):
        movements += [line.hear() for line in lines]
        after = lines[-1].position
    return movements


def order_of(payout: Payout) -> Order:
    """What would be asked for a payout."""
    account = PayeeAccount.objects.get(expert=payout.expert_id).account
    return Order(
        key=f"{payout.public_id}-1",
        reference=payout.public_id,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        holder="Ada",
        method_type="stripe_account",
        details={"account": account},
        request_hash="0" * 64,
    )
