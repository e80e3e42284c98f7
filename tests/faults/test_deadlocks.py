"""Two transactions wait for each other: PostgreSQL ends one, its client is told to come again, and it happens once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from payments import accounts, ledger
from payments.models import Adjustment
from tests.faults.workers import wait_until
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import MONDAY, lab_caller, platform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

_LOCK = """
    SELECT 1 FROM payments_accountbalance b JOIN payments_account a ON a.id = b.account_id
    WHERE a.key = %s FOR NO KEY UPDATE OF b
"""


def take(key: accounts.AccountKey) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [key.text])


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        return bool(cursor.fetchone()[0])


def test_the_victim_of_a_deadlock_is_told_to_come_again_and_then_it_happens_once() -> None:
    with platform():
        world = hours.build()
        prepaid = accounts.lab_prepaid(world.tenant.pk, "USD")
        payable = accounts.payable(world.expert.pk, "USD")
        ledger.lock(keys=[prepaid, payable], now=MONDAY)
    call = lab_caller(world)
    body = {
        "contract": world.contract.public_id,
        "amount": {"amount": "150.00", "currency": "USD"},
        "reason": "Found a mistake.",
        "decided_by": world.member.email,
    }

    def pay() -> Any:
        try:
            return call("POST", "/bonuses", body, key="the-same")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, platform():
        take(payable)
        asked = pool.submit(pay)  # takes the prepaid balance and waits for the payable one
        wait_until(somebody_waits, what="the request waits")
        take(prepaid)  # so each waits for the other, and PostgreSQL ends the request
        answer = asked.result(timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"]
    assert story.owed(world.expert) == 0
    again = call("POST", "/bonuses", body, key="the-same")
    assert again.status_code == 201
    with platform():
        assert Adjustment.objects.count() == 1
    assert story.owed(world.expert) == 15_000
    assert_money_is_whole()
