"""A pay day of many people in three currencies, and a provider that will misbehave."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Final

from core import clock
from experts.public import Expert
from payments.models import ProviderFault
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime
from tests.payments import ledger_story as story

CURRENCIES: Final = ("USD", "JPY", "KWD")  # two decimals, none, three
SPOILED: Final = ("reject", "late_failure", "return")
"""What a few payouts meet beside silence: refused, failed after acceptance, sent back days later."""
EARNED_BEFORE: Final = dt.timedelta(days=8)


def release(*, payouts: int, unknown: int, chance: random.Random) -> None:
    """Release one run per currency; ``unknown`` payouts get no answer when they are sent first."""
    people = [_expert(n) for n in range(payouts)]
    for currency in CURRENCIES:
        _earn([expert for n, expert in enumerate(people) if _currency(n) == currency], currency, chance)
    accounts = [f"acct-{n}" for n in range(payouts)]
    chance.shuffle(accounts)
    silent, others = accounts[:unknown], accounts[unknown:]
    rows = [ProviderFault(account=name, type=_silence(chance)) for name in silent]
    rows += [
        ProviderFault(account=name, type=chance.choice(SPOILED), code="AC04") for name in others[: len(others) // 10]
    ]
    ProviderFault.objects.bulk_create(rows)
    for currency in CURRENCIES:
        story.released_run(currency=currency, now=clock.now())


def _silence(chance: random.Random) -> str:
    return chance.choice(("timeout_executed", "timeout_not_executed"))


def _currency(n: int) -> str:
    return CURRENCIES[n % 5 if n % 5 < len(CURRENCIES) else 0]


def _expert(n: int) -> Expert:
    return story.new_expert(f"E{n}", account=f"acct-{n}", currency=_currency(n))


def _earn(people: Sequence[Expert], currency: str, chance: random.Random) -> None:
    """Hours of all of them, approved at once."""
    at = clock.now() - EARNED_BEFORE
    lab = story.new_lab(funded=10**9, currency=currency)
    with story.platform():
        postings.time_approved(
            entries=[
                ApprovedTime(
                    source_id=f"tme_{currency}_{expert.pk}",
                    tenant_id=lab.pk,
                    contract_id=0,
                    expert_id=expert.pk,
                    currency=currency,
                    gross_minor=chance.randint(100, 500_000),
                    fee_minor=0,
                    effective_at=at,
                )
                for expert in people
            ],
            now=at,
        )
