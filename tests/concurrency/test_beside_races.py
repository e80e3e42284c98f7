"""Pay beside the hours when two things happen at once: bonuses, milestones, referrals, write-offs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from core import outbox, tokens
from core.money import Money
from core.public import User
from marketplace.public import Contract, LabMember, RateSnapshot
from payments.models import (
    Adjustment,
    AdjustmentProposal,
    Debt,
    Milestone,
    MilestoneAward,
    PlatformPay,
    Referral,
    TaxProfile,
    WriteOff,
)
from payments.operations.hours import clocks
from payments.operations.labs import funding
from payments.operations.pay import milestones, referrals
from tests.concurrency.at_once import DONE, PROPOSED, Clerk, asked, doing
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import test_referrals as inviting
from tests.payments.beside import LATER, approved, lab, pay
from tests.payments.hours_world import PLATFORM, World, platform
from tests.payments.ledger_story import NOW
from tests.payments.test_milestones import body as promise

pytestmark = pytest.mark.django_db(transaction=True)
CFO, CEO = "cfo@aurora.example", "ceo@aurora.example"
RESERVED = 2 * 10 * 14_300
"""What the contract's two weeks keep of the lab's money."""


@pytest.fixture(autouse=True)
def _money_is_whole(transactional_db: None) -> Iterator[None]:
    yield
    assert_money_is_whole(now=LATER)


def world_of(*, free: int = 1_000_000) -> World:
    """A lab with so much to spend, and two more members who decide about money."""
    with platform():
        world = hours.build(funded_minor=RESERVED + free)
        for email in (CFO, CEO):
            user = User.objects.create_user(email)
            LabMember.objects.create(tenant=world.tenant, user=user, role=LabMember.Role.ADMIN)
    return world


def bulk(world: World, *amounts: str, reason: str = "Well done") -> dict[str, Any]:
    rows = [
        {
            "contract": world.contract.public_id,
            "amount": {"amount": amount, "currency": "USD"},
            "reason": f"{reason} {n}.",
        }
        for n, amount in enumerate(amounts)
    ]
    return {"bonuses": rows, "decided_by": world.member.email}


def count(model: Any, **fields: Any) -> int:
    with platform():
        return int(model.objects.filter(**fields).count())


def test_many_bonuses_under_one_key_eight_times_at_once_are_paid_once() -> None:
    world = world_of()
    caller = hours.lab_caller(world)
    send = partial(asked, caller, "/bonuses/bulk", bulk(world, "60.00", "40.00"), at=LATER, key="the-same")
    outcomes = together([send] * 8)
    assert DONE in outcomes
    assert set(outcomes) <= {DONE, "idempotency_in_flight"}, outcomes
    assert send() == DONE
    assert (count(Adjustment), pay(world), lab(world)) == (2, (10_000, 0), (1_000_000 - 13_000, 0))


def test_many_bonuses_under_different_keys_are_each_paid_as_far_as_the_money_goes() -> None:
    """All rows of one request or none, whoever else asks."""
    world = world_of(free=2 * 13_000 + 12_999)
    caller = hours.lab_caller(world)
    outcomes = together(
        [
            partial(asked, caller, "/bonuses/bulk", bulk(world, "60.00", "40.00"), at=LATER, key=f"key-{n}")
            for n in range(6)
        ]
    )
    assert sorted(outcomes) == [DONE] * 2 + ["insufficient_funds"] * 4
    assert (count(Adjustment), pay(world), lab(world)) == (4, (20_000, 0), (12_999, 0))


def test_what_takes_two_people_is_proposed_once_and_decided_once() -> None:
    """Each row is below the threshold, their sum is not; the proposer approves as well, and never succeeds."""
    world = world_of()
    caller = hours.lab_caller(world)
    decided = dict.fromkeys(("approved", "refused"), 0)
    for n in range(4):
        body = bulk(world, "600.00", "600.00", reason=f"Round {n}")
        together([partial(asked, caller, "/bonuses/bulk", body, at=LATER, key=f"bulk-{n}")] * 4)
        with platform():
            (proposal,) = AdjustmentProposal.objects.filter(status="proposed")
        path = f"/bonuses/{proposal.public_id}"
        acts = [(CFO, "approve"), (CEO, "approve"), (world.member.email, "approve"), (CFO, "refuse")]
        outcomes = together(
            [
                partial(
                    asked,
                    caller,
                    f"{path}/{act}",
                    {"decided_by": who} | ({"reason": "No."} if act == "refuse" else {}),
                    at=LATER,
                    key=f"{n}-{i}",
                )
                for i, (who, act) in enumerate(acts)
            ]
        )
        assert outcomes[2] in {"own_proposal", "invalid_transition"}
        assert outcomes.count(DONE) == 1, outcomes
        with platform():
            proposal.refresh_from_db()
        assert proposal.status == ("refused" if outcomes[3] == DONE else "approved")
        decided[proposal.status] += 1
    assert count(Adjustment) == 2 * decided["approved"]
    assert pay(world) == (120_000 * decided["approved"], 0)


def colleague(world: World) -> World:
    """Another expert in the same project, on the same terms, with an approved hour."""
    with platform():
        expert = hours.make_expert("colleague@example.org")
        other = hours.contract_of(world, expert)
        Contract.objects.filter(pk=other.pk).update(project=world.contract.project, opening=world.contract.opening)
        terms = RateSnapshot.objects.get(pk=world.snapshot.pk)
        terms.pk, terms.contract = None, other
        terms.save(force_insert=True)
        same = replace(world, expert=expert, contract=Contract.objects.get(pk=other.pk), snapshot=terms)
        approved(same)
    return same


def test_two_who_reach_a_milestone_at_once_share_no_more_than_its_budget() -> None:
    world = world_of()
    other = colleague(world)
    with platform():
        approved(world)
    fifty = {"amount": "50.00", "currency": "USD"}
    hours.lab_caller(world)("POST", "/milestones", promise(world, budget=fifty))
    looks = [doing(partial(milestones.check_one, contract_id=one.contract.pk, now=LATER)) for one in (world, other) * 2]
    sweeps = [partial(clocks.check_milestones, by=PLATFORM, now=LATER)] * 2
    assert together([*looks, *sweeps])[:4] == [DONE] * 4
    assert count(MilestoneAward) == count(Adjustment) == 1
    assert sorted([pay(world), pay(other)]) == [(11_000, 0), (16_000, 0)]
    with platform():
        assert Milestone.objects.get().status == "ended"


def test_a_milestone_that_waited_for_money_is_paid_once_when_it_comes() -> None:
    """Sweeps and the payment meet; a sweep that came before the money leaves it to the next one."""
    with platform():
        world = hours.build(name="Poor", funded_minor=0)
    hours.lab_caller(world)("POST", "/milestones", promise(world))
    with platform():
        approved(world)
    together([partial(clocks.check_milestones, by=PLATFORM, now=LATER)] * 4)
    sweep = partial(clocks.pay_waiting_milestones, by=PLATFORM, now=LATER)
    together([sweep] * 4)
    assert (count(MilestoneAward, status="waiting"), pay(world)) == (1, (11_000, 0))
    arrives = doing(
        lambda: funding.announce(tenant_id=world.tenant.pk, amount=Money(100_000, "USD"), by=PLATFORM, now=LATER)
    )
    assert together([arrives, sweep, sweep, sweep])[0] == DONE
    together([sweep] * 4)
    assert (count(MilestoneAward, status="paid"), count(Adjustment), pay(world)) == (1, 1, (16_000, 0))


def test_a_referral_that_reaches_its_hours_is_paid_once_whoever_notices(settings: Settings) -> None:
    settings.REFERRAL_PROGRAMME = [inviting.HOUR_PROGRAMME]
    ada = inviting.person("ada@example.org", since=inviting.INVITED - dt.timedelta(days=90))
    for n in range(2):
        grace = inviting.person(f"grace{n}@example.org", since=inviting.INVITED + dt.timedelta(days=1))
        assert inviting.join(grace, inviting.invite(ada, email=grace.user.email).json()["code"]).status_code == 200
        with platform():
            approved(hours.build(name=f"Lab{n}", expert=grace))
        told = [doing(partial(referrals.check_of, expert_id=grace.pk, now=LATER))] * 3
        sweeps = [partial(clocks.check_referrals, by=PLATFORM, now=LATER), partial(outbox.drain, now=LATER)] * 2
        outcomes = together([*told, *sweeps])
        assert outcomes[:3] == [DONE] * 3
        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert (count(PlatformPay), count(Referral, status="paid"), story.owed(ada)) == (n + 1, n + 1, 25_000 * (n + 1))


def proposed_write_off(clerk: Clerk, kind: str, **whose: Any) -> AdjustmentProposal:
    with platform():
        debt = Debt.objects.get(kind=kind, currency="USD", detail="", **whose)
    assert clerk.button("debt", "write_off", debt.pk) == PROPOSED
    with platform():
        return AdjustmentProposal.objects.get(status="proposed")


@pytest.fixture
def clerks() -> list[Clerk]:
    rights = ("write_off_debt", "approve_adjustment", "adjust_pay")
    return [Clerk(*rights) for _ in range(3)]


def test_a_debt_of_an_expert_is_written_off_once_or_was_worked_off(clerks: list[Clerk]) -> None:
    for n in range(3):
        ada, its_lab = story.new_expert(), story.new_lab(funded=100_000)
        story.claw_back(ada, 5_000, lab=its_lab)
        proposal = proposed_write_off(clerks[0], "expert_payable", expert=ada)
        approve = [partial(clerk.button, "adjustmentproposal", "approve", proposal.pk) for clerk in clerks]
        own, *others, earned = together([*approve, partial(story.earn, ada, 3_000, lab=its_lab, source=f"tme_{n}")])
        assert own != DONE
        assert earned == f"tme_{n}"
        written = others.count(DONE)
        assert (written, story.owed(ada)) in {(1, 3_000), (0, -2_000)}, others
        assert count(WriteOff, expert=ada) == written
        if not written:
            assert clerks[1].button("adjustmentproposal", "refuse", proposal.pk) == DONE


def test_a_debt_of_a_lab_is_written_off_once_or_was_paid(clerks: list[Clerk]) -> None:
    ada = story.new_expert()
    for n in range(3):
        poor = story.new_lab()
        story.earn(ada, 10_000, lab=poor)
        proposal = proposed_write_off(clerks[0], "lab_receivable", tenant=poor)
        approve = [partial(clerk.button, "adjustmentproposal", "approve", proposal.pk) for clerk in clerks]
        amount = {"amount": {"amount": "40.00", "currency": "USD"}}
        caller = hours.Caller(tokens.mint_lab_key(tenant=poor, name="tests", scopes=["funding:write"]).secret)
        own, *others, paid = together([*approve, partial(asked, caller, "/funding", amount, at=NOW, key=f"f-{n}")])
        assert own != DONE
        assert paid == DONE
        written = others.count(DONE)
        with platform():
            owed = Debt.objects.get(kind="lab_receivable", tenant=poor).running.balance
        assert (written, story.prepaid(poor), owed) in {(1, 4_000, 0), (0, 0, -6_000)}, others
        if not written:
            assert clerks[1].button("adjustmentproposal", "refuse", proposal.pk) == DONE


def test_whoever_joins_with_two_codes_at_once_joins_with_one(settings: Settings) -> None:
    settings.REFERRAL_PROGRAMME = [inviting.HOUR_PROGRAMME]
    long_ago = inviting.INVITED - dt.timedelta(days=90)
    inviters = [inviting.person(f"inviter{n}@example.org", since=long_ago) for n in range(3)]
    for n in range(2):
        grace = inviting.person(f"grace{n}@example.org", since=inviting.INVITED + dt.timedelta(days=1))
        me = inviting.caller_of(grace)
        codes = [inviting.invite(one, email=grace.user.email).json()["code"] for one in inviters]
        at = inviting.INVITED + dt.timedelta(days=2)
        joins = [partial(asked, me, "/expert/referrals/join", {"code": code}, at=at, key=code) for code in codes]
        assert sorted(together(joins)) == ["cannot_join", "cannot_join", DONE]
        assert count(Referral, referred=grace) == 1


def test_tax_papers_signed_by_several_windows_at_once_are_one_profile() -> None:
    with platform():
        ada = hours.make_expert("ada@example.org")
    me = inviting.caller_of(ada)
    papers = [
        {"form": "self_declaration", "legal_name": f"Ada {n}", "country": "DE", "signed_name": "Ada"} for n in range(6)
    ]
    signing = [partial(asked, me, "/expert/tax-profile", body, at=NOW, key=f"k{n}") for n, body in enumerate(papers)]
    assert together(signing) == [DONE] * 6
    assert count(TaxProfile, expert=ada) == 1
