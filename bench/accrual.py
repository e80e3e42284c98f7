"""Approved hours into the ledger: our set-based writer against an object-by-object ledger and against django-hordak."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from bench import hordak, plain_ledger
from bench.measure import Result, compare
from core.money import Money, fee_for
from core.public import Principal, Tenant, User, unit_of_work
from experts.public import Expert
from payments.operations.labs import funding
from payments.operations.pay import postings
from payments.operations.pay.postings import ApprovedTime
from tests.payments.ledger_story import LONG_AGO, NOW

ENTRIES = 2000
PEOPLE = 200
SYSTEM = Principal.system("bench")


def run() -> list[Result]:
    """One entry has three legs, the unit is an entry. The database must be migrated."""
    lab, people = world()
    plain_ledger.make_tables()
    ways: list[tuple[str, float, Callable[[], None]]] = [("naive ORM ledger", 25, lambda: _naive(people))]
    with hordak.running() as other:
        if other is not None:
            ways.append(("django-hordak, row by row", 14, lambda: other.do("rows", ENTRIES)))
            ways.append(("django-hordak, bulk_create", 3, lambda: other.do("bulk", ENTRIES)))
        return [
            compare(
                f"accrual, {ENTRIES} entries",
                ours=lambda: approve(lab, people),
                other=way,
                other_name=name,
                units=ENTRIES,
                unit="entry",
                floor=floor,
            )
            for name, floor, way in ways
        ]


def world() -> tuple[int, list[int]]:
    """A lab with money and people to pay."""
    with unit_of_work(SYSTEM):
        lab = Tenant.objects.create(name=f"Bench {uuid.uuid4()}")
        users = User.objects.bulk_create(User(email=f"{uuid.uuid4()}@example.org") for _ in range(PEOPLE))
        people = Expert.objects.bulk_create(Expert(user=user, legal_name="Bench") for user in users)
        funding.announce(tenant_id=lab.pk, amount=Money(10**12, "USD"), by=SYSTEM, now=LONG_AGO)
    return lab.pk, [expert.pk for expert in people]


def approve(lab: int, people: list[int]) -> None:
    """A batch of hours approved, in a transaction."""
    batch = str(uuid.uuid4())[:8]
    entries = [
        ApprovedTime(
            source_id=f"{batch}-{n}",
            tenant_id=lab,
            contract_id=0,
            expert_id=people[n % PEOPLE],
            currency="USD",
            gross_minor=1000 + n,
            fee_minor=fee_for(1000 + n, 3000),
            effective_at=NOW,
        )
        for n in range(ENTRIES)
    ]
    with unit_of_work(SYSTEM):
        postings.time_approved(entries=entries, now=NOW)


def _naive(people: list[int]) -> None:
    batch = str(uuid.uuid4())[:8]
    for n in range(ENTRIES):
        gross, fee = 1000 + n, fee_for(1000 + n, 3000)
        legs = [("prepaid", -gross - fee), (f"payable:{people[n % PEOPLE]}", gross), ("fees", fee)]
        plain_ledger.post("time_approved", f"{batch}-{n}", legs)
