"""What happens when two things happen at once: one of them, whole, and the other is told why not."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from core import clock, long_work, outbox
from core.problems import DomainError
from core.public import Event, Principal, unit_of_work
from marketplace.models import Amendment, Application, Contract, Exposure, Lab, Offer, Opening, RateSnapshot
from marketplace.operations import amendments, closing, conflicts, contracts, offers, projects
from tests.concurrency.together import together
from tests.core.api.conftest import Caller
from tests.invariants import assert_money_is_whole
from tests.marketplace.test_acceptance import accept
from tests.marketplace.test_amendments import V1, World
from tests.marketplace.world import (
    NOW,
    admin_of,
    again,
    balance,
    expert_principal,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

pytestmark = pytest.mark.django_db(transaction=True)


def outcome(act: Callable[[], object]) -> Callable[[], str]:
    """The act's problem code, or "done"."""

    def run() -> str:
        try:
            act()
        except DomainError as error:
            return error.code
        return "done"

    return run


def test_one_expert_accepting_two_rivals_offers_at_once_gets_one() -> None:
    ours, rival = make_lab("Ours"), make_lab("Rival")
    conflicts_from = NOW.date() - dt.timedelta(days=1)
    with platform():
        conflicts.declare(one=ours.tenant, other=rival.tenant, starts_on=conflicts_from, cooling_off_days=90)
    ada = make_expert()
    made = [make_offer(make_opening(make_project(lab)), ada) for lab in (ours, rival)]
    signed = [signatures_for(offer) for offer in made]
    acts = [outcome(partial(accept, *each)) for each in zip(made, signed, strict=True)]
    assert sorted(together(acts)) == ["done", "not_eligible"]
    with platform():
        assert Contract.objects.count() == 1
        assert Exposure.objects.count() == 1
        assert sum(Opening.objects.values_list("seats_taken", flat=True)) == 1
    assert sorted(balance(lab).reserved_minor for lab in (ours, rival)) == [0, 371_800]


@pytest.mark.parametrize("other", ["withdraw", "expire", "close"])
def test_accepting_races_with_the_labs_own_acts(other: str) -> None:
    opening = make_opening(make_project(make_lab()))
    offer = make_offer(opening, make_expert())
    signatures = signatures_for(offer)

    def against() -> None:
        with platform():
            if other == "withdraw":
                offers.withdraw(offer=offer, now=NOW)
            elif other == "expire":
                offers.expire_due(now=offer.expires_at)
            else:
                closing.close_opening(opening=opening, now=NOW)

    first, second = together([outcome(lambda: accept(offer, signatures)), outcome(against)])
    is_accepted = again(offer).status == Offer.Status.ACCEPTED
    assert first == "done" if is_accepted else first in {"invalid_transition", "not_hiring"}
    assert second == "done" if other != "withdraw" or not is_accepted else second == "invalid_transition"
    with platform():
        assert Contract.objects.count() == int(is_accepted)
        assert again(opening).seats_taken == int(is_accepted)
        assert Event.objects.filter(name="offer.accepted").count() == int(is_accepted)


def test_parallel_acceptances_do_not_overdraw_the_balance() -> None:
    lab = make_lab(funds=2 * 371_800 + 371_799)
    opening = make_opening(make_project(lab), seats=6)
    made = [make_offer(opening, make_expert(f"e{n}@example.org")) for n in range(6)]
    signed = [signatures_for(offer) for offer in made]
    acts = [outcome(partial(accept, *each)) for each in zip(made, signed, strict=True)]
    assert sorted(together(acts)) == ["done"] * 2 + ["insufficient_funds"] * 4
    assert (balance(lab).available_minor, balance(lab).reserved_minor) == (371_799, 2 * 371_800)
    assert again(opening).seats_taken == 2


def test_leaving_and_ending_at_once_ends_once() -> None:
    contract = make_contract(make_opening(make_project(make_lab())), make_expert())

    def leave() -> None:
        with platform():
            contracts.leave(contract=contract, now=NOW)

    assert sorted(together([outcome(leave) for _ in range(4)])) == ["done"] + ["invalid_transition"] * 3
    with platform():
        assert Event.objects.filter(name="contract.ended").count() == 1
        assert Opening.objects.get().seats_taken == 0
        assert not Application.objects.exists()
        assert balance(Lab.objects.get(tenant_id=contract.tenant_id)).reserved_minor == 0


def test_an_amendment_is_answered_once_however_many_answer_at_once() -> None:
    world = World()
    amendment = proposed(world)
    acts = [outcome(lambda: as_expert(world, amendment, amendments.accept)) for _ in range(3)]
    assert sorted(together(acts)) == ["done", "invalid_transition", "invalid_transition"]
    with platform():
        assert RateSnapshot.objects.filter(contract=world.contract).count() == 2
        assert Event.objects.filter(name="contract.amended").count() == 1
    assert balance(world.lab).reserved_minor == 2 * 10 * 19_500


def test_an_amendment_withdrawn_while_it_is_accepted_is_one_or_the_other() -> None:
    world = World()
    amendment = proposed(world)
    acts = [
        outcome(lambda: as_expert(world, amendment, amendments.accept)),
        outcome(lambda: as_platform(amendment, amendments.withdraw)),
    ]
    assert sorted(together(acts)) == ["done", "invalid_transition"]
    with platform():
        after = Amendment.objects.get()
        agreed = after.status == Amendment.Status.ACCEPTED
        assert RateSnapshot.objects.filter(contract=world.contract).count() == 1 + agreed
        assert (after.snapshot_id is not None) == agreed


@pytest.mark.parametrize("_round", range(3))
@pytest.mark.parametrize("other", ["leave", "end"])
def test_an_amendment_accepted_while_the_contract_ends_binds_nobody_afterwards(other: str, _round: int) -> None:
    """Over the API: agreed and then ended, or ended and then refused; the lab gets all of its money back."""
    world = World()
    with clock.frozen(NOW):
        amendment = world.propose().json()
    total = balance(world.lab).available_minor + balance(world.lab).reserved_minor

    def at_now(caller: Caller, path: str, body: object = None) -> str:
        with clock.frozen(NOW):
            answer = Caller(**caller.headers)("POST", path, body, Idempotency_Key=path)
        return "done" if answer.status_code < 300 else str(answer.json()["code"])

    why = {"decided_by": world.admin, "reason": "policy_violation", "explanation": "As discussed."}
    ends = {
        "leave": partial(at_now, world.me, f"{world.mine}/leave"),
        "end": partial(at_now, world.api, f"{world.path}/end", why),
    }
    accept_it = partial(at_now, world.me, f"{V1}/expert/amendments/{amendment['id']}/accept")
    accepted, ended = together([accept_it, ends[other]])
    assert ended == "done"
    assert accepted in {"done", "contract_not_amendable"}
    with platform():
        assert again(world.contract).status == Contract.Status.ENDED
        assert RateSnapshot.objects.filter(contract=world.contract).count() == 1 + (accepted == "done")
    outbox.drain(now=NOW)
    with platform():
        status = Amendment.objects.get(public_id=amendment["id"]).status
    assert status == ("accepted" if accepted == "done" else "withdrawn")
    assert (balance(world.lab).available_minor, balance(world.lab).reserved_minor) == (total, 0)
    assert_money_is_whole()


def test_two_raises_accepted_at_once_reserve_no_more_than_the_lab_has() -> None:
    """Each contract holds two weeks at 143.00; what is free covers one of the raises to 150.00."""
    lab = make_lab(funds=2 * 371_800 + 20_000)
    project = make_project(lab)
    api, admin = lab_caller(lab), admin_of(lab).email
    signed = [make_contract(make_opening(project), make_expert(f"e{n}@example.org")) for n in range(2)]
    body = {
        "decided_by": admin,
        "reason": "Second round.",
        "effective_at": (NOW + dt.timedelta(days=3)).isoformat(),
        "rate": {"amount": "150.00", "currency": "USD", "per": "hour"},
    }
    acts = []
    for n, contract in enumerate(signed):
        with clock.frozen(NOW):
            made = api("POST", f"{V1}/contracts/{contract.public_id}/amendments", body, Idempotency_Key=f"p{n}").json()
        with platform():
            amendment = Amendment.objects.select_related("contract__project", "contract__expert").get(
                public_id=made["id"]
            )
        acts.append(outcome(lambda amendment=amendment: as_platform(amendment, amendments.accept)))  # type: ignore[misc]  # bound early
    assert sorted(together(acts)) == ["done", "insufficient_funds"]
    view = balance(lab)
    assert (view.available_minor, view.reserved_minor) == (20_000 - 18_200, 2 * 371_800 + 18_200)
    assert_money_is_whole()


def proposed(world: World) -> Amendment:
    with clock.frozen(NOW):
        made = world.propose().json()
    with platform():
        rows = Amendment.objects.select_related("contract__project", "contract__expert")
        return rows.get(public_id=made["id"])


def as_expert(world: World, amendment: Amendment, act: Callable[..., object]) -> None:
    with unit_of_work(expert_principal(world.expert, world.lab)):
        act(amendment=amendment, now=NOW)


def as_platform(amendment: Amendment, act: Callable[..., object]) -> None:
    with platform():
        act(amendment=amendment, now=NOW)


def test_whoever_leaves_while_his_project_winds_down_leaves_and_the_others_get_their_notice() -> None:
    """He has his contract when the worker comes to it, and needs his opening, where his seat becomes free."""
    project = make_project(make_lab())
    ada, bob = (make_contract(make_opening(project), make_expert(f"{name}@example.org")) for name in ("ada", "bob"))
    with platform():
        operation = projects.wind_down(project=project, by=Principal.system("tests"), now=NOW)
    with ThreadPoolExecutor(1) as pool:
        with platform():
            contracts.lock(ada)
            worker = pool.submit(run_and_hang_up, operation.pk)
            until_somebody_waits_for(worker)
            contracts.leave(contract=ada, now=NOW)
        worker.result()
    assert (again(ada).status, again(bob).status) == ("ended", "ending")
    assert (again(operation).state, again(ada.opening).status) == ("succeeded", "closed")


def run_and_hang_up(operation_id: int) -> None:
    try:
        long_work.run(operation_id, now=NOW)
    finally:
        connection.close()


def until_somebody_waits_for(worker: Future[None]) -> None:
    with connection.cursor() as cursor:
        while not worker.done():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            threading.Event().wait(0.01)
    worker.result()
