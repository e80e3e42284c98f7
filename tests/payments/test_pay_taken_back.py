"""Clawbacks, corrections, bonuses of the platform and write-offs at the desk: with reason, door, and four eyes."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, transaction

from core.public import User
from experts.public import Decision, Expert, Notice
from payments.models import Adjustment, AdjustmentProposal, Debt, PlatformPay, TimeEntry, WriteOff
from tests.payments import hours_world as hours
from tests.payments.beside import (
    DAY,
    LATER,
    Desk,
    approved,
    assert_the_books_hold,
    decide_appeal,
    lab,
    pay,
    told,
)
from tests.payments.hours_world import HOUR, World, platform

pytestmark = pytest.mark.django_db
WHY = "It was paid twice."


@pytest.fixture
def world() -> World:
    with platform():
        return hours.build()


@pytest.fixture
def entry(world: World) -> TimeEntry:
    with platform():
        return approved(world)


@pytest.fixture
def desk() -> Desk:
    return Desk("adjust_pay", "correct_hours", "write_off_debt")


@pytest.fixture
def second() -> Desk:
    return Desk("approve_adjustment", "adjust_pay")


def appeal(world: World, subject: str, at: object = LATER) -> str:
    expert = hours.expert_caller(world)
    filed = expert("POST", "/expert/appeals", {"subject": subject, "reason": "I earned it."}, at=LATER + DAY)
    assert filed.status_code == 201, filed.content
    return str(filed.json()["id"])


def somebody(name: str = "judge") -> User:
    return User.objects.create_user(f"{name}@cadre.example")


def test_pay_is_taken_back_with_its_fee_and_given_back_on_appeal(world: World, entry: TimeEntry, desk: Desk) -> None:
    before = lab(world)
    asked = desk.act("timeentry", "take_back", entry.pk, confirmed="", given="")
    assert "How much" in asked
    desk.act("timeentry", "take_back", entry.pk, given="33.33", reason=WHY)
    desk.act("timeentry", "take_back", entry.pk, given="76.67", at=LATER + DAY, reason=WHY)
    with platform():
        taken = list(Adjustment.objects.order_by("pk"))
        assert [(row.amount_minor, row.fee_minor) for row in taken] == [(-3_333, -1_000), (-7_667, -2_300)]
        assert Decision.objects.filter(subject=taken[0].public_id, act="pay.clawed_back").exists()
    assert pay(world) == (0, 0)
    assert lab(world) == (before[0] + 14_300, 0)
    assert all(taken[0].public_id in body for body in told(world, taken[0].public_id))
    judged = appeal(world, taken[0].public_id)
    decide_appeal(judged, "overturned", by=somebody(), at=LATER + 2 * DAY)
    assert pay(world) == (3_333, 0)
    assert lab(world) == (before[0] + 14_300 - 4_333, 0)
    with platform():
        given = Adjustment.objects.get(kind="reinstatement")
        assert (given.takes_back, given.fee_minor) == (taken[0], 1_000)
    assert_the_books_hold()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("110.01", "110.00 USD of it can"),
        ("0.00", "110.00 USD of it can"),
        ("-5.00", "110.00 USD of it can"),
        ("5", "decimals"),
        ("1e3", "plain decimal"),
        ("99999999999999999999999.00", "minor units"),
        ("5.00 EUR", "paid in USD"),
        ("5.00 XXX", "ISO 4217"),
    ],
)
def test_never_more_than_was_paid(world: World, entry: TimeEntry, desk: Desk, given: str, said: str) -> None:
    page = desk.act("timeentry", "take_back", entry.pk, given=given, reason=WHY)
    assert said in page.replace("&#x27;", "'"), page[:3000]
    with platform():
        assert not Adjustment.objects.exists()
    assert pay(world) == (11_000, 0)


def test_a_clawback_may_exceed_the_balance_and_is_netted(world: World, entry: TimeEntry, desk: Desk) -> None:
    caller = hours.lab_caller(world)
    body = {
        "contract": world.contract.public_id,
        "amount": {"amount": "900.00", "currency": "USD"},
        "reason": "Well done.",
        "decided_by": world.member.email,
    }
    made = caller("POST", "/bonuses", body).json()
    desk.act("timeentry", "correct", entry.pk, given="none", reason="Not worked.")
    with platform():
        bonus = Adjustment.objects.get(public_id=made["id"])
    desk.act("adjustment", "take_back", bonus.pk, given="900.00", reason=WHY)
    assert pay(world) == (0, 0)
    assert "0.00 USD of it can" in desk.act("adjustment", "take_back", bonus.pk, given="0.01", reason=WHY)
    with platform():
        clawback = Adjustment.objects.get(kind="clawback")
        assert (clawback.takes_back, clawback.fee_minor) == (bonus, -27_000)
    assert_the_books_hold()


def test_hours_are_not_corrected_below_what_was_taken_back(world: World, entry: TimeEntry, desk: Desk) -> None:
    desk.act("timeentry", "take_back", entry.pk, given="60.00", reason=WHY)
    page = desk.act("timeentry", "correct", entry.pk, given="0:30", reason="Half of it.")
    assert "taken back already" in page
    assert pay(world) == (5_000, 0)


def test_the_proposer_does_not_approve_and_the_second_does(world: World, desk: Desk, second: Desk) -> None:
    both = Desk("adjust_pay", "approve_adjustment")
    with platform():
        entry = approved(world, 600)
    both.act("timeentry", "take_back", entry.pk, given="1000.01", reason=WHY)
    assert pay(world) == (110_000, 0)
    with platform():
        proposal = AdjustmentProposal.objects.get()
        assert not Notice.objects.filter(kind="adjustment.made").exists()
    assert "Another person approves" in both.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (110_000, 0)
    assert "Acts on money for a second person" in second.client.get("/admin/").content.decode()
    second.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (9_999, 0)
    with platform():
        taken = Adjustment.objects.get()
        assert (taken.proposal, taken.decided_by) == (proposal, both.user)
    judged = appeal(world, taken.public_id)
    from experts.operations.appeals import SameDecider

    for biased in (both.user, second.user):
        with pytest.raises(SameDecider):
            decide_appeal(judged, "overturned", by=biased, at=LATER + 2 * DAY)
    decide_appeal(judged, "overturned", by=somebody(), at=LATER + 2 * DAY)
    assert pay(world) == (110_000, 0)
    assert_the_books_hold()


def test_a_refused_correction_in_favour_can_be_contested(world: World, desk: Desk, second: Desk) -> None:
    with platform():
        entry = approved(world, 600)
    desk.act("timeentry", "correct", entry.pk, given="none", reason="Not worked.")
    with platform():
        down = AdjustmentProposal.objects.get()
    second.act("adjustmentproposal", "approve", down.pk)
    assert pay(world) == (0, 0)
    desk.act("timeentry", "correct", entry.pk, given="all", reason="It was worked.", at=LATER + DAY)
    with platform():
        up = AdjustmentProposal.objects.get(status="proposed")
    second.act("adjustmentproposal", "refuse", up.pk, reason="No proof.", at=LATER + DAY)
    assert pay(world) == (0, 0)
    with platform():
        assert Decision.objects.get(subject=up.public_id).decided_by == second.user
    judged = appeal(world, up.public_id)
    decide_appeal(judged, "overturned", by=somebody(), at=LATER + 3 * DAY)
    assert pay(world) == (110_000, 0)
    assert_the_books_hold()


def test_hours_that_changed_make_a_proposal_stale(world: World, desk: Desk, second: Desk) -> None:
    with platform():
        entry = approved(world, 600)
        from payments.operations.pay import adjustments
    desk.act("timeentry", "correct", entry.pk, given="none", reason="Not worked.")
    with platform():
        adjustments.correct(entry=entry, counted=9 * HOUR, reason="r", decided_by=somebody("z"), now=LATER)
        proposal = AdjustmentProposal.objects.get()
    assert "changed since" in second.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (99_000, 0)


def test_the_platform_pays_a_bonus_and_takes_it_back_once(world: World, desk: Desk, second: Desk) -> None:
    page = desk.act("payee", "pay_bonus", world.expert.pk, given="200.00 USD", reason="You found a leak.")
    assert "done" in page
    with platform():
        bonus = PlatformPay.objects.get()
    assert pay(world) == (20_000, 0)
    expert = hours.expert_caller(world)
    shown = expert("GET", f"/expert/earnings/{bonus.public_id}/explain").json()
    assert (shown["amount"]["amount"], shown["adjustment"]["reason"]) == ("200.00", "You found a leak.")
    assert bonus.public_id in [line["id"] for line in expert("GET", "/expert/earnings").json()["lines"]]
    desk.act("platformpay", "take_back", bonus.pk, reason=WHY)
    assert "only once" in desk.act("platformpay", "take_back", bonus.pk, reason=WHY)
    assert pay(world) == (0, 0)
    with platform():
        clawback = PlatformPay.objects.get(kind="clawback")
    decide_appeal(appeal(world, clawback.public_id), "overturned", by=somebody(), at=LATER + 2 * DAY)
    assert pay(world) == (20_000, 0)
    desk.act("payee", "pay_bonus", world.expert.pk, given="2000.00 USD", reason="Large.")
    assert pay(world) == (20_000, 0)
    with platform():
        proposal = AdjustmentProposal.objects.get()
    second.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (220_000, 0)
    with platform():
        large = PlatformPay.objects.get(amount_minor=200_000)
    desk.act("platformpay", "take_back", large.pk, reason=WHY)
    assert pay(world) == (220_000, 0)
    with platform():
        proposal = AdjustmentProposal.objects.get(status="proposed")
    second.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (20_000, 0)
    with platform():
        taken = PlatformPay.objects.get(takes_back=large)
        assert (taken.decided_by, taken.proposal) == (desk.user, proposal)
    (message,) = told(world, taken.public_id)
    assert taken.public_id in message
    assert_the_books_hold()


def test_a_debt_is_written_off_by_two_people(world: World, desk: Desk, second: Desk) -> None:
    with platform():
        Expert.objects.filter(pk=world.expert.pk).update(tier="expert")
    desk.act("payee", "pay_bonus", world.expert.pk, given="50.00 USD", reason="Thanks.")
    with platform():
        from payments.operations.pay.beside_postings import ExpertPay, clawback

        clawback(pay=ExpertPay("adj_gone", world.expert.pk, "USD", 9_000, LATER), now=LATER)
    assert pay(world) == (-4_000, 0)
    with platform():
        debt = Debt.objects.get(kind="expert_payable", expert=world.expert)
    desk.act("debt", "write_off", debt.pk, reason="He has left for good.")
    assert pay(world) == (-4_000, 0)
    with platform():
        proposal = AdjustmentProposal.objects.get()
    second.act("adjustmentproposal", "approve", proposal.pk)
    assert pay(world) == (0, 0)
    with platform():
        row = WriteOff.objects.get()
    (message,) = told(world, row.public_id)
    assert "do not owe it" in message
    assert_the_books_hold()


def test_what_a_lab_owes_is_written_off(desk: Desk, second: Desk) -> None:
    with platform():
        world = hours.build(funded_minor=0)
        approved(world)
    assert lab(world) == (0, -14_300)
    with platform():
        debt = Debt.objects.get(kind="lab_receivable")
    desk.act("debt", "write_off", debt.pk, reason="The lab is insolvent.")
    with platform():
        proposal = AdjustmentProposal.objects.get()
    second.act("adjustmentproposal", "approve", proposal.pk)
    assert lab(world) == (0, 0)
    assert pay(world) == (11_000, 0)
    assert_the_books_hold()


def test_a_debt_that_was_paid_meanwhile_is_not_written_off(desk: Desk, second: Desk) -> None:
    with platform():
        world = hours.build(funded_minor=0)
        approved(world)
        debt = Debt.objects.get(kind="lab_receivable")
    desk.act("debt", "write_off", debt.pk, reason="The lab is insolvent.")
    from core.money import Money
    from payments.operations.labs import funding

    with platform():
        funding.announce(tenant_id=world.tenant.pk, amount=Money(14_300, "USD"), by=hours.PLATFORM, now=LATER)
        proposal = AdjustmentProposal.objects.get()
    assert "smaller than that" in second.act("adjustmentproposal", "approve", proposal.pk)
    assert lab(world) == (0, 0)
    with platform():
        assert AdjustmentProposal.objects.get().status == "proposed"
        assert not WriteOff.objects.exists()


def test_without_the_right_no_button_works(world: World, entry: TimeEntry) -> None:
    nobody = Desk()
    for model, action, pk in (
        ("timeentry", "take_back", entry.pk),
        ("payee", "pay_bonus", world.expert.pk),
    ):
        nobody.act(model, action, pk, given="10.00 USD", reason=WHY)
    assert pay(world) == (11_000, 0)
    with platform():
        assert not PlatformPay.objects.exists()


def test_the_database_refuses_one_pair_of_eyes(world: World) -> None:
    """Whoever bypasses the operations meets CHECKs and guards."""
    one = somebody()
    terms = {"act": "clawback", "side": "platform", "expert": world.expert, "amount_minor": 5, "currency": "USD"}
    with platform():
        proposal = AdjustmentProposal.objects.create(
            **terms, reason="r", proposed_by=one, expires_at=LATER, created_at=LATER
        )
    for change in (
        {"status": "approved", "decided_by": one, "decided_at": LATER},
        {"status": "approved", "decided_by": world.user, "decided_at": LATER},
        {"amount_minor": 6},
        {"terms": {"source": "tme_other"}},
    ):
        with pytest.raises((IntegrityError, InternalError, ProgrammingError)), platform(), transaction.atomic():
            AdjustmentProposal.objects.filter(pk=proposal.pk).update(**change)
    with pytest.raises(IntegrityError), platform():
        AdjustmentProposal.objects.create(
            **terms, reason="r", proposed_by=world.user, expires_at=LATER, created_at=LATER
        )
    with pytest.raises(IntegrityError), platform():
        PlatformPay.objects.create(
            expert=world.expert, kind="bonus", amount_minor=5, currency="USD", reason="r", decided_by=one,
            decided_at=LATER, proposal=proposal,
        )  # fmt: skip
