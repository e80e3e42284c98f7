"""A bank with sixteen clients at once: ten thousand operations, and the books balance whenever anybody looks.

An operation is one act of one client, committed in a transaction of its own; what was refused, or found nothing to do,
does not count. Clients look at the books in between, an auditor all the time.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection

from core import scope
from core.money import Money
from core.problems import DomainError
from core.public import Principal, Tenant, unit_of_work
from experts.public import Expert
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import Funding, JournalEntry
from payments.operations.labs import funding, refunds, reservations
from payments.operations.labs.credit import approve, propose
from payments.operations.pay import beside_postings, postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.postings import ApprovedTime
from payments.queries import ledger_findings
from tests.concurrency.together import together
from tests.payments import hours_world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 16
OPERATIONS = 10_000
LOOKS_EVERY = 50
BROKEN = """
    SELECT (SELECT count(*) FROM (SELECT currency FROM payments_posting GROUP BY 1 HAVING sum(amount) <> 0) t),
        (SELECT count(*) FROM (SELECT b.account_id FROM payments_accountbalance b LEFT JOIN payments_posting p
            ON p.account_id = b.account_id GROUP BY 1, b.balance HAVING b.balance <> COALESCE(sum(p.amount), 0)) d)
"""


class Bank:
    """Labs, experts, and what a client may do with them; every act is one transaction."""

    def __init__(self, labs: list[Tenant], experts: list[Expert]) -> None:
        self.labs, self.experts = labs, experts
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.reads: Counter[tuple[int, int]] = Counter()

    def look(self) -> None:
        """Read the books as they are at this instant."""
        with unit_of_work(Principal.system("audit")), scope.as_platform(), connection.cursor() as cursor:
            cursor.execute(BROKEN)
            self.reads[cursor.fetchone()] += 1

    def act(self, name: str, dice: random.Random, n: str) -> bool:
        """Do it, or be refused; whether it posted anything."""
        lab, expert = dice.choice(self.labs), dice.choice(self.experts)
        minor = dice.randint(1, 5_000)
        try:
            with unit_of_work(SYSTEM):
                posted = ACTS[name](lab, expert, minor, n)
        except DomainError as error:
            self.refused[error.code] += 1
            return False
        self.done[name] += posted
        return posted


def fund(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    funding.announce(tenant_id=lab.pk, amount=Money(minor * 3, "USD"), by=SYSTEM, now=NOW)
    return True


def approve_hours(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    week = [
        ApprovedTime(
            source_id=f"tme_{n}-{day}",
            tenant_id=lab.pk,
            contract_id=0,
            expert_id=expert.pk,
            currency="USD",
            gross_minor=minor,
            fee_minor=minor * 3 // 10,
            holdback_minor=minor // 10,
            effective_at=NOW,
        )
        for day in range(2)
    ]
    postings.time_approved(entries=week, now=NOW)
    return True


def bonus(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    beside_postings.bonuses_paid(
        bonuses=[ExpertPay(f"adj_{n}", expert.pk, "USD", minor, NOW, lab.pk, fee_minor=minor // 10)], now=NOW
    )
    return True


def claw_back(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    beside_postings.clawback(pay=ExpertPay(f"clw_{n}", expert.pk, "USD", minor // 4 + 1, NOW, lab.pk), now=NOW)
    return True


def contest(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    pay = ExpertPay(f"dsp_{n}", expert.pk, "USD", minor, NOW, lab.pk)
    beside_postings.dispute_opened(dispute=pay, now=NOW)
    beside_postings.dispute_resolved(dispute=pay, now=NOW)
    return True


def pay_out(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    key = accounts.payable(expert.pk, "USD")
    owed = min(minor, ledger.lock(keys=[key], now=NOW)[key])
    transit, cash = accounts.transit("bank", "USD"), accounts.cash("bank", "USD")
    if owed <= 0:
        return False
    ledger.post(entries=[NewEntry("bank_initiated", n, NOW, [(key, -owed), (transit, owed)])], now=NOW)
    ledger.post(entries=[NewEntry("bank_settled", n, NOW, [(transit, -owed), (cash, owed)])], now=NOW)
    return True


def give_back(lab: Tenant, expert: Expert, minor: int, n: str) -> bool:
    paid_in = Funding.objects.filter(tenant=lab, status="settled").order_by("-pk").first()
    if paid_in is None:
        return False
    refunds.refund(funding=paid_in, reason="unused", by=expert.user, now=NOW)
    return True


Act = Callable[[Tenant, Expert, int, str], bool]
ACTS: dict[str, Act] = {
    "fund": fund,
    "approve": approve_hours,
    "bonus": bonus,
    "claw_back": claw_back,
    "contest": contest,
    "pay_out": pay_out,
    "give_back": give_back,
}
WEIGHTS = (3, 5, 3, 1, 1, 3, 1)


@pytest.fixture
def _connections(transactional_db: None) -> Iterator[None]:
    """One for each client and the auditor."""
    pool = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's wrapper
    pool.open()
    former = pool.min_size, pool.max_size
    pool.resize(4, CLIENTS + 4)
    yield
    pool.resize(*former)


@pytest.mark.slow
@pytest.mark.usefixtures("_connections")
def test_ten_thousand_operations_of_sixteen_clients_balance_at_every_read() -> None:
    bank = Bank([story.new_lab(funded=50_000) for _ in range(24)], [story.new_expert(ready=False) for _ in range(48)])
    over = threading.Event()

    def client(number: int) -> None:
        dice = random.Random(number)  # noqa: S311  # a story, not a secret
        done = n = 0
        while done < OPERATIONS / CLIENTS:
            n += 1
            done += bank.act(dice.choices(list(ACTS), WEIGHTS)[0], dice, f"{number}-{n}")
            if n % LOOKS_EVERY == 0:
                bank.look()

    def auditor() -> None:
        while not over.wait(0.05):
            bank.look()

    def work() -> None:
        try:
            answers = together([partial(client, number) for number in range(CLIENTS)])
            assert [answer for answer in answers if answer is not None] == []
        finally:
            over.set()

    assert [answer for answer in together([work, auditor]) if answer is not None] == []
    assert sum(bank.done.values()) >= OPERATIONS
    with story.platform():
        assert JournalEntry.objects.count() >= OPERATIONS
    assert set(bank.done) == set(ACTS)
    assert set(bank.refused) <= {"insufficient_funds", "nothing_to_refund"}
    assert bank.done["bonus"] > 0
    assert set(bank.reads) == {(0, 0)}
    assert bank.reads.total() >= OPERATIONS / LOOKS_EVERY
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_thirty_two_acceptances_at_once_stay_within_the_credit() -> None:
    """Each reserves two weeks; credit is enough for ten of them, and PostgreSQL counts."""
    with unit_of_work(SYSTEM):
        world = hours_world.build(funded_minor=0)
        row = propose(tenant=world.tenant, limit=Money(2_860_000, "USD"), reason="x", by=story.new_user(), now=NOW)
        approve(limit=row, by=story.new_user(), now=NOW)
        others = [_another_contract(world, n) for n in range(31)]

    def accept(contract: Any) -> None:
        with unit_of_work(SYSTEM):
            reservations.reserve_contract(contract=contract, snapshot=world.snapshot, now=NOW)

    answers = together([partial(accept, contract) for contract in (world.contract, *others)])
    assert sum(answer is None for answer in answers) == 10
    assert {getattr(answer, "code", "") for answer in answers if answer is not None} == {"insufficient_funds"}
    with unit_of_work(SYSTEM):
        (view,) = reservations.balances(tenant_id=world.tenant.pk)
        assert (view.reserved_minor, view.receivable_minor, view.available_minor) == (2_860_000, 2_860_000, 0)
        assert ledger_findings.findings() == []


def _another_contract(world: hours_world.World, n: int) -> Any:
    expert = hours_world.make_expert(f"other-{n}@example.org")
    return hours_world.contract_of(world, expert)
