"""Every act on pay sends one message, and what the message names can be contested at the door that it names."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Callable, Iterator

import pytest
from django.test import override_settings
from pytest_django import Settings

from core import outbox
from core.money import Money
from core.public import User
from experts.operations import appeals, restrictions
from experts.operations.appeals import SameDecider
from experts.public import Appeal, Decision, Notice
from payments.models import (
    Adjustment,
    AdjustmentProposal,
    Debt,
    Dispute,
    Milestone,
    Overage,
    Payout,
    PayoutAttempt,
    PayoutMethod,
    TimeEntry,
)
from payments.operations.hours import clocks, disputes, overages, time_entries, timesheets
from payments.operations.pay import (
    adjustments,
    bonuses,
    clawbacks,
    four_eyes,
    milestones,
    platform_pay,
    referrals,
    write_offs,
)
from payments.operations.pay.bonuses import Bonus
from payments.operations.payee import backup_withholding, payees, tax_profiles
from payments.operations.rails import payout_decisions, payouts, sending
from payments.operations.runs import pay_run_holds, pay_runs
from tests.architecture.source import ROOT
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, DECIDED, LATER, approved, assert_the_books_hold
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform
from tests.payments.test_referrals import HOUR_PROGRAMME

pytestmark = pytest.mark.django_db
Story = Callable[[World], Iterator[None]]
WHY = "Because of what the record says."
DOOR = re.compile(r"/api/v1/expert/appeals with the subject (\w+)\.")
SIDE = AdjustmentProposal.Side.PLATFORM


def staff(name: str) -> User:
    return User.objects.get_or_create(email=f"{name}@cadre.example", defaults={"is_staff": True})[0]


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def bonus(world: World) -> Iterator[None]:
    yield
    given = Bonus(world.contract, usd(5_000), WHY)
    bonuses.pay(bonus=given, decided_by=world.member, by=PLATFORM, now=LATER)


def bonuses_at_once(world: World) -> Iterator[None]:
    yield
    given = [Bonus(world.contract, usd(5_000), WHY)]
    bonuses.pay_many(bonuses=given, decided_by=world.member, by=PLATFORM, now=LATER)


def correction_down(world: World) -> Iterator[None]:
    entry = approved(world)
    yield
    adjustments.correct(entry=entry, counted=1800, reason=WHY, decided_by=staff("ann"), now=LATER)


def correction_up(world: World) -> Iterator[None]:
    entry = approved(world)
    adjustments.correct(entry=entry, counted=1800, reason=WHY, decided_by=staff("ann"), now=LATER)
    yield
    adjustments.correct(entry=entry, counted=2400, reason=WHY, decided_by=staff("ann"), now=LATER)


def correction_by_two(world: World) -> Iterator[None]:
    entry = approved(world, minutes=600)
    adjustments.request_correction(entry=entry, counted=0, reason=WHY, decided_by=staff("ann"), now=LATER)
    yield
    proposal = AdjustmentProposal.objects.get()
    four_eyes.approve(proposal=proposal, decided_by=staff("ben"), side=SIDE, now=LATER)


def refused_correction(world: World) -> Iterator[None]:
    entry = approved(world, minutes=600)
    adjustments.correct(entry=entry, counted=0, reason=WHY, decided_by=staff("ann"), now=LATER)
    adjustments.request_correction(entry=entry, counted=600 * 60, reason=WHY, decided_by=staff("ann"), now=LATER)
    yield
    proposal = AdjustmentProposal.objects.get()
    four_eyes.refuse(proposal=proposal, decided_by=staff("ben"), side=SIDE, note=WHY, now=LATER)


def lapsed_correction(world: World) -> Iterator[None]:
    entry = approved(world, minutes=600)
    adjustments.correct(entry=entry, counted=0, reason=WHY, decided_by=staff("ann"), now=LATER - 20 * DAY)
    adjustments.request_correction(
        entry=entry, counted=600 * 60, reason=WHY, decided_by=staff("ann"), now=LATER - 20 * DAY
    )
    yield
    four_eyes.let_lapse(proposal_id=AdjustmentProposal.objects.get().pk, now=LATER)


def clawback_of_hours(world: World) -> Iterator[None]:
    entry = approved(world)
    yield
    clawbacks.claw_back(source=entry, amount=usd(100), reason=WHY, decided_by=staff("ann"), now=LATER)


def clawback_of_a_bonus(world: World) -> Iterator[None]:
    given = Bonus(world.contract, usd(5_000), WHY)
    paid = bonuses.pay(bonus=given, decided_by=world.member, by=PLATFORM, now=LATER)
    assert isinstance(paid, Adjustment)
    yield
    clawbacks.claw_back(source=paid, amount=usd(100), reason=WHY, decided_by=staff("ann"), now=LATER)


def given_back(world: World) -> Iterator[None]:
    entry = approved(world)
    taken = clawbacks.claw_back(source=entry, amount=usd(100), reason=WHY, decided_by=staff("ann"), now=LATER)
    assert isinstance(taken, Adjustment)
    yield
    clawbacks.reinstate(clawback=taken, reason=WHY, decided_by=staff("ben"), now=LATER)


def bonus_of_the_platform(world: World) -> Iterator[None]:
    yield
    platform_pay.pay_bonus(expert=world.expert, amount=usd(100), reason=WHY, decided_by=staff("ann"), now=LATER)


def clawback_of_the_platform(world: World) -> Iterator[None]:
    paid = platform_pay.pay_referral(expert=world.expert, amount=usd(100), reason=WHY, now=LATER)
    yield
    platform_pay.take_back(pay=paid, reason=WHY, decided_by=staff("ann"), now=LATER)


def write_off(world: World) -> Iterator[None]:
    paid = platform_pay.pay_referral(expert=world.expert, amount=usd(100), reason=WHY, now=LATER)
    platform_pay.take_back(pay=paid, reason=WHY, decided_by=staff("ann"), now=LATER)
    entry = approved(world)
    adjustments.correct(entry=entry, counted=0, reason=WHY, decided_by=staff("ann"), now=LATER)
    hours_owed = postings_below_zero(world)
    write_offs.propose(account=hours_owed, amount=usd(100), reason=WHY, proposed_by=staff("ann"), now=LATER)
    yield
    proposal = AdjustmentProposal.objects.get()
    four_eyes.approve(proposal=proposal, decided_by=staff("ben"), side=SIDE, now=LATER)


def postings_below_zero(world: World) -> Debt:
    from payments.operations.pay.beside_postings import ExpertPay, clawback

    clawback(pay=ExpertPay("adj_gone", world.expert.pk, "USD", 100, LATER), now=LATER)
    return Debt.objects.get(kind="expert_payable", expert=world.expert)


def submitted(world: World) -> TimeEntry:
    end = MONDAY + dt.timedelta(hours=1)
    (entry,) = time_entries.log(
        contract=world.contract, activity="task", claim=None, started_at=MONDAY, ended_at=end, reason=WHY, now=end
    )
    timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=DECIDED)
    return entry


def disputed(world: World, entry: TimeEntry) -> Dispute:
    return disputes.open_against(
        entry=entry, reason=WHY, proposed_seconds=1800, decided_by=world.member, by=PLATFORM, now=LATER
    )


def dispute(world: World) -> Iterator[None]:
    entry = submitted(world)
    yield
    disputed(world, entry)


def dispute_upheld(world: World) -> Iterator[None]:
    case = disputed(world, submitted(world))
    yield
    disputes.decide(dispute=case, outcome="upheld", note=WHY, decided_by=staff("ann"), now=LATER + 4 * DAY)


def late_dispute_upheld(world: World) -> Iterator[None]:
    case = disputed(world, approved(world, by_silence=True))
    yield
    disputes.decide(dispute=case, outcome="upheld", note=WHY, decided_by=staff("ann"), now=LATER + 4 * DAY)


def dispute_by_silence(world: World) -> Iterator[None]:
    case = disputed(world, approved(world, by_silence=True))
    yield
    disputes.resolve_by_silence(dispute_id=case.pk, now=LATER + 7 * DAY)


def overage(world: World) -> Overage:
    entry = submitted(world)
    TimeEntry.objects.filter(pk=entry.pk).update(seconds=0, overage_seconds=HOUR)
    entry.refresh_from_db()
    return overages.open_for(entry=entry, cap="handling", now=LATER)


def overage_opened(world: World) -> Iterator[None]:
    yield
    overage(world)


def overage_declined(world: World) -> Iterator[None]:
    held = overage(world)
    yield
    overages.decline(overage=held, decided_by=world.member, note=WHY, now=LATER)


def overage_approved(world: World) -> Iterator[None]:
    held = overage(world)
    yield
    overages.approve(overage=held, decided_by=world.member, now=LATER)


def overage_by_silence(world: World) -> Iterator[None]:
    held = overage(world)
    yield
    overages.approve_by_silence(overage_id=held.pk, now=LATER + 4 * DAY)


def top_up(world: World) -> Iterator[None]:
    approved(world)
    yield
    with override_settings(WAGE_FLOORS=["CH:USD:2026-01-01:1000000"]):
        clocks.true_up_weeks(by=PLATFORM, now=LATER)


def referral_joined(world: World) -> Iterator[None]:
    made = referrals.invite(referrer=world.expert, email="", now=LATER)
    newcomer = hours.make_expert("grace@example.org")
    User.objects.filter(pk=newcomer.user_id).update(created_at=LATER + DAY)
    newcomer.user.refresh_from_db()
    yield
    referrals.join(expert=newcomer, code=made.code, now=LATER + DAY)


def milestone_unfunded(world: World) -> Iterator[None]:
    milestones.define(
        project=world.contract.project, opening=None, title="An hour", basis="approved_hours", threshold=HOUR,
        amount=usd(90_000), budget=usd(90_000), decided_by=world.member, now=MONDAY,
    )  # fmt: skip
    approved(world)
    yield
    clocks.check_milestones(by=PLATFORM, now=LATER)


def milestone_ended(world: World) -> Iterator[None]:
    promised = milestones.define(
        project=world.contract.project, opening=None, title="An hour", basis="approved_hours", threshold=HOUR,
        amount=usd(5_000), budget=usd(50_000), decided_by=world.member, now=MONDAY,
    )  # fmt: skip
    assert isinstance(promised, Milestone)
    yield
    milestones.end(milestone=promised, reason=WHY, decided_by=world.member, now=LATER)


def ready_for_pay(world: World) -> None:
    """Pay of 110.00 USD, a payout method and tax papers."""
    approved(world)
    story.add_method(world.expert, account="acct-acts", now=LATER - 20 * DAY)
    story.sign_tax(world.expert)


def line_held(world: World) -> Iterator[None]:
    ready_for_pay(world)
    run = pay_runs.prepare(currency="USD", by=staff("ann"), now=LATER + 7 * DAY)
    yield
    pay_run_holds.hold(line=run.lines.get(), reason=WHY, by=staff("ben"), now=LATER + 7 * DAY)


def pay_run_cancelled(world: World) -> Iterator[None]:
    ready_for_pay(world)
    run = pay_runs.prepare(currency="USD", by=staff("ann"), now=LATER + 7 * DAY)
    yield
    pay_runs.send_back(run=run, reason="Look at it again.", by=staff("ben"))
    pay_runs.cancel(run=run, reason=WHY, by=staff("ben"), now=LATER + 7 * DAY)


def released(world: World) -> Payout:
    ready_for_pay(world)
    run = pay_runs.prepare(currency="USD", by=staff("ann"), now=LATER + 7 * DAY)
    pay_runs.release(
        run=run, digest=run.lines_digest, recently_authenticated=True, by=staff("ben"), now=LATER + 7 * DAY
    )
    return Payout.objects.get()


def payout_paid(world: World) -> Iterator[None]:
    """Whoever misses the money says so once it should be there."""
    payout = released(world)
    sending.take(now=LATER + 7 * DAY)
    payout.refresh_from_db()
    payouts.submitted(payout, movement_id="mov_1", now=LATER + 7 * DAY)
    yield
    payouts.settled(payouts.locked([payout.pk], now=LATER)[0], now=LATER + 7 * DAY)


def payout_cancelled(world: World) -> Iterator[None]:
    payout = released(world)
    yield
    payout_decisions.propose(
        payout=payout, act="cancel", reason=WHY, recently_authenticated=True, by=staff("ann"), now=LATER + 7 * DAY
    )


def payout_cancelled_by_two(world: World) -> Iterator[None]:
    payout = released(world)
    sending.take(now=LATER + 7 * DAY)
    payouts.failed(payouts.locked([payout.pk], now=LATER)[0], code="AC04", now=LATER + 7 * DAY)
    PayoutAttempt.objects.update(outcome="rejected", finished_at=LATER + 7 * DAY)
    wanted = payout_decisions.propose(
        payout=payout, act="cancel", reason=WHY, recently_authenticated=True, by=staff("ann"), now=LATER + 7 * DAY
    )
    yield
    assert wanted is not None
    payout_decisions.approve(decision=wanted, recently_authenticated=True, by=staff("ben"), now=LATER + 7 * DAY)


def payout_held(world: World) -> Iterator[None]:
    payout = released(world)
    PayoutMethod.objects.filter(pk=payout.payout_method_id).update(sealed_details=b"\x01 a key that was lost")
    yield
    sending.take(now=LATER + 7 * DAY)
    payout.refresh_from_db()
    assert (payout.status, payout.reason_code) == ("on_hold", "details_unreadable")


def payout_not_sent(world: World) -> Iterator[None]:
    payout = released(world)
    payees.remove_method(method=payout.payout_method, now=LATER + 7 * DAY)
    yield
    sending.take(now=LATER + 7 * DAY)
    payout.refresh_from_db()
    assert (payout.status, payout.reason_code) == ("cancelled", "method_changed")


def payouts_blocked(world: World) -> Iterator[None]:
    """The payout that waits because of it sends nothing of its own: the decision said so."""
    payout = released(world)
    yield
    restrictions.impose(expert=world.expert, kind="no_payouts", reason=WHY, by=staff("cid"), now=LATER + 7 * DAY)
    sending.take(now=LATER + 7 * DAY)
    payout.refresh_from_db()
    assert (payout.status, payout.reason_code) == ("on_hold", "blocked")


def tax_withheld(world: World) -> Iterator[None]:
    tax_profiles.declare(
        expert=world.expert, form="w9", legal_name="Ada", country="US", tax_id="123-45-6789", signed_name="Ada",
        now=MONDAY,
    )  # fmt: skip
    yield
    backup_withholding.start(
        expert=world.expert, cause="tin_incorrect", reason=WHY, by=staff("ann"), now=LATER + 7 * DAY
    )


STORIES: list[Story] = [
    bonus, bonuses_at_once, correction_down, correction_up, correction_by_two, refused_correction, lapsed_correction,
    clawback_of_hours, clawback_of_a_bonus, given_back, bonus_of_the_platform, clawback_of_the_platform, write_off,
    dispute, dispute_upheld, late_dispute_upheld, dispute_by_silence, overage_opened, overage_declined,
    overage_approved, overage_by_silence, top_up, referral_joined, milestone_unfunded, milestone_ended, line_held,
    pay_run_cancelled, payout_paid, payout_cancelled, payout_cancelled_by_two, payout_held, payout_not_sent, payouts_blocked, tax_withheld,
]  # fmt: skip
COSTLY = {
    correction_down, correction_by_two, refused_correction, clawback_of_hours, clawback_of_a_bonus,
    clawback_of_the_platform, dispute_upheld, late_dispute_upheld, overage_declined, line_held, payout_cancelled,
    payout_cancelled_by_two, payouts_blocked, tax_withheld,
}  # fmt: skip


@pytest.fixture
def world(settings: Settings) -> World:
    settings.REFERRAL_PROGRAMME = [HOUR_PROGRAMME]
    with platform():
        return hours.build(funded_minor=300_000)


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.__name__)
def test_one_message_names_what_the_door_takes(world: World, told: Story) -> None:
    steps = told(world)
    with platform():
        next(steps)
    with platform():
        before = set(Notice.objects.values_list("pk", flat=True))
        decided = Decision.objects.count()
        assert next(steps, "over") == "over"
    with platform():
        (message,) = Notice.objects.filter(expert=world.expert).exclude(pk__in=before)
        assert Decision.objects.count() - decided == (told in COSTLY)
    (subject,) = DOOR.findall(message.body)
    expert = hours.expert_caller(world)
    filed = expert("POST", "/expert/appeals", {"subject": subject, "reason": "I worked."}, at=LATER + 13 * DAY)
    assert filed.status_code == 201, filed.content
    if told in COSTLY:
        assert "until" in message.body
        with platform():
            assert Appeal.objects.get().first_decider_id is not None
    outbox.drain(now=LATER)
    assert_the_books_hold()


def test_whoever_corrected_an_entry_does_not_decide_an_appeal_about_it(world: World) -> None:
    with platform():
        entry = approved(world)
        adjustments.correct(entry=entry, counted=1800, reason=WHY, decided_by=staff("ann"), now=LATER)
    expert = hours.expert_caller(world)
    body = {"subject": entry.public_id, "reason": "I worked."}
    assert expert("POST", "/expert/appeals", body, at=LATER).status_code == 201
    with platform(), pytest.raises(SameDecider):
        appeals.decide(appeal=Appeal.objects.get(), outcome="upheld", note=WHY, by=staff("ann"), now=LATER)


def test_nothing_is_contested_where_nobody_had_joined(world: World) -> None:
    with platform():
        referrals.invite(referrer=world.expert, email="", now=MONDAY - 60 * DAY)
    clocks.check_referrals(by=PLATFORM, now=LATER)
    with platform():
        (message,) = Notice.objects.filter(kind="referral.expired")
    assert "appeals" not in message.body


def test_neither_of_the_two_who_cancelled_a_payout_decides_an_appeal_about_it(world: World) -> None:
    with platform():
        steps = payout_cancelled_by_two(world)
        next(steps)
        assert next(steps, "over") == "over"
        payout = Payout.objects.get()
    body = {"subject": payout.public_id, "reason": "I count on it."}
    assert hours.expert_caller(world)("POST", "/expert/appeals", body, at=LATER + 8 * DAY).status_code == 201
    for name in ("ann", "ben"):
        with platform(), pytest.raises(SameDecider):
            appeals.decide(appeal=Appeal.objects.get(), outcome="upheld", note=WHY, by=staff(name), now=LATER + 8 * DAY)


NO_ACT_ON_PAY = {
    "arrivals._tell": "his own appeal was won: what happens next, and that no money moved yet",
    "backup_withholding._end": "nothing is taken any more",
    "exchange_instructions._tell_failure": "nothing was done; what is owed stays owed",
    "exchanges._tell": "his own consent",
    "milestones._announce": "a promise of more, or the end of its budget; what its lab ends is told by the door",
    "onboarding._tell": "the provider's word about his account there",
    "owed_invoices._ask": "asks for a paper about what was paid",
    "pay_run_holds._put_back": "what was held is in the run again",
    "payees._warn": "his own payout method",
    "payees.remove_method": "his own payout method",
    "payouts._tell": "the provider's word: refused or sent back, or what two people booked back; what is owed stays owed",
    "payouts._tell_on_its_way": "what failed or waited is sent; nothing is taken, and it waits no longer",
    "referrals._tell": "nobody had joined yet; the message about somebody who had names the door",
    "self_billing.issue": "a paper about what was paid",
    "tax_profiles._warn": "his own tax papers",
    "tax_profiles.confirm_vat": "a paper",
    "tax_profiles.remind": "a paper",
    "timers._stop_silent": "minutes without a sign of life count once he confirms them",
    "timers.stop_with_contract": "everything measured counts",
    "timesheets.remind": "nothing was decided",
    "timesheets.submit_forgotten": "nothing was decided",
}


def test_whatever_is_told_past_the_door_is_no_act_on_pay() -> None:
    """A new message about pay goes by `pay_notices` or stands here with why it is none."""
    found = set()
    for path in sorted((ROOT / "payments").rglob("*.py")):
        for function in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)):
            calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
            names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
            if names & {"send_notice", "send_notices"} and path.stem != "pay_notices":
                found.add(f"{path.stem}.{function.name}")
    assert found == set(NO_ACT_ON_PAY)
