"""What one person may hold, and when he may take more, judged on what is really there: with real threads and commits."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from core.problems import DomainError
from core.public import unit_of_work
from marketplace.models import Contract
from marketplace.operations import contracts
from marketplace.public import ContractNotActive
from tasks.models import Claim
from tasks.operations import claims
from tests.marketplace.world import admin_of, expert_principal, platform
from tests.tasks.world import NOW, authoring, make_batch, make_desk, make_worker


@pytest.mark.django_db(transaction=True)
def test_one_person_asking_many_times_at_once_holds_no_more_than_allowed() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk, [authoring() for _ in range(7)])
    by = expert_principal(worker.expert, desk.lab)
    gate, outcomes = threading.Barrier(7), list[Any]()

    def ask() -> None:
        try:
            gate.wait(timeout=30)
            with unit_of_work(by):
                contract = Contract.objects.get(pk=worker.contract.pk)
                outcomes.append(claims.take(contract=contract, by=by, now=NOW))
        except DomainError as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert outcomes.count("too_many_claims") == 2
    with platform():
        assert Claim.objects.active().filter(contract=worker.contract).count() == claims.CONCURRENT_CLAIMS


@pytest.mark.django_db
def test_a_pause_counts_though_the_contract_was_read_before_it() -> None:
    desk = make_desk()
    worker = make_worker(desk)
    make_batch(desk)
    by = expert_principal(worker.expert, desk.lab)
    with unit_of_work(by):
        read_before = Contract.objects.get(pk=worker.contract.pk)
    with platform():
        contracts.pause(
            contract=read_before, decided_by=admin_of(desk.lab), reason_code="other", explanation="Wait.", now=NOW
        )
    with unit_of_work(by), pytest.raises(ContractNotActive):
        claims.take(contract=read_before, by=by, now=NOW)
    with platform():
        assert not Claim.objects.exists()
