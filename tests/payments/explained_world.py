"""Everything that can happen to what an expert is owed, once and in order: material for statements that are done again.

Ada works for two labs, one of which pays less than the wage floor asks for. Her lab contests, corrects and takes back,
the provider refuses a payout, loses it when it is sent again, and a bank returns another, she exchanges dollars, brings somebody, and ends below zero.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pytest_django import Settings

from core import outbox
from core.money import Money
from core.public import User
from payments import accounts
from payments.models import (
    Account,
    Adjustment,
    AdjustmentProposal,
    Dispute,
    Payout,
    PlatformPay,
    Referral,
    TaxProfile,
    TimeEntry,
)
from payments.operations.hours import disputes, time_entries, timesheets
from payments.operations.pay import adjustments, clawbacks, four_eyes, holdbacks, platform_pay, referrals, write_offs
from payments.operations.rails import payouts
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import PLATFORM, Caller, World, platform
from tests.payments.ledger_story import MONDAY, NOW
from tests.payments.paper_world import APPROVED, DAY, WORKED

HOUR = dt.timedelta(hours=1)
WEEK = 7 * DAY
SUNDAY = MONDAY - 10 * HOUR
WITHHELD_BP = 2_400
PROGRAMME = {
    "from": "2026-01-01", "version": "t1", "bonus_minor": 25_000, "currency": "USD", "threshold_seconds": 3_600,
    "join_days": 30, "reach_days": 180, "cap": 2,
}  # fmt: skip
# The floor rises in the middle of the week, so no single rate explains what is added.
FLOORS = ["US:USD:2026-01-01:1500", "US:USD:2026-11-12:1725"]


@dataclass(frozen=True)
class Told:
    """Whoever is asked afterwards: the expert, her lab, and staff that decided."""

    world: World
    other: World
    expert: Caller
    lab: Caller
    staff: tuple[User, User]


def play(settings: Settings) -> Told:
    """The whole story."""
    settings.REFERRAL_PROGRAMME, settings.WAGE_FLOORS = [PROGRAMME], FLOORS
    ada = story.new_expert("Ada")
    invited = invites(ada)
    with platform():
        world = hours.build(name="Lab of Ada", expert=ada, holdback_bp=1_000)
        other = hours.build(name="Lab of Low", expert=ada, rate_minor=2_000)
    staff = (story.new_user("One"), story.new_user("Two"))
    told = Told(world, other, hours.expert_caller(world), hours.lab_caller(world), staff)
    first_week(told, invited)
    contested(told)
    exchanged(told)
    refused_and_sent_again(told)
    decided_and_returned(told)
    never_arrived()
    corrected_and_taken_back(told)
    below_zero(told)
    return told


def invites(ada: Any) -> World:
    """Somebody new joins by her code."""
    with platform():
        referral = referrals.invite(referrer=ada, email="", now=WORKED - 10 * DAY)
        grace = hours.make_expert("grace@example.org", country="US")
        User.objects.filter(pk=grace.user_id).update(created_at=WORKED - 9 * DAY)
        grace.user.refresh_from_db()
        referrals.join(expert=grace, code=referral.code, now=WORKED - 8 * DAY)
        return hours.build(name="Lab of Grace", expert=grace)


def first_week(told: Told, invited: World) -> None:
    """Hours, a correction, a bonus; unpaid work below the wage floor; the one she brought has worked enough."""
    papers.with_extras(told.world)
    with platform():
        papers.worked(invited, 75)
        contract = told.other.contract
        for activity, day, seconds in (("task", 1, 7_207), ("assessment", 3, 10_859)):
            start = WORKED + day * DAY + 6 * HOUR
            end = start + dt.timedelta(seconds=seconds)
            (entry,) = time_entries.log(
                contract=contract, activity=activity, claim=None, started_at=start, ended_at=end, reason="call",
                now=end,
            )  # fmt: skip
        sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=APPROVED)
        timesheets.approve(timesheet=sheet, by=PLATFORM, decided_by=told.other.member, now=APPROVED)
    outbox.drain(now=APPROVED + 4 * HOUR)
    assert Referral.objects.get().status == "paid"


def contested(told: Told) -> None:
    """The lab contests hours that it had approved."""
    entry = entry_of(told, 2)
    body = {
        "decided_by": told.world.member.email,
        "reason": "Half of it was a break.",
        "proposed": "PT20M",
        "what_changed": "The log of the call came in.",
    }
    made = told.lab("POST", f"/time-entries/{entry.public_id}/dispute", body, at=SUNDAY)
    assert made.status_code == 201, made.content


def exchanged(told: Told) -> None:
    """She buys euros, and the run in euros pays them."""
    story.add_method(told.world.expert, account="acct-eur", currency="EUR")
    with platform():
        quote = story.quoted("0.9213", spread_bp=50, valid_until=MONDAY, now=SUNDAY)
    body = {"quote": quote.public_id, "amount": {"amount": "100.01", "currency": "USD"}}
    assert told.expert("POST", "/expert/exchanges", body, at=SUNDAY + HOUR).status_code == 201
    story.released_run(currency="EUR")
    story.send_and_track()


def refused_and_sent_again(told: Told) -> None:
    """The provider refuses the first payout; finance sends it again."""
    story.fault("reject", account=f"acct-{told.world.expert.pk}", code="AC04")
    story.released_run()
    story.send_and_track()
    with platform():
        (failed,) = Payout.objects.filter(status="failed")
    story.act(payouts.retry, payout=failed, now=NOW + HOUR)
    story.send_and_track(NOW + 2 * HOUR)


def decided_and_returned(told: Told) -> None:
    """A part of the contested hours counts; what is paid then, with tax withheld, comes back from the bank."""
    with platform():
        dispute = Dispute.objects.get()
        disputes.answer(dispute=dispute, text="It took that long.", by=PLATFORM, now=NOW + DAY)
        disputes.decide(
            dispute=dispute, outcome="partly_upheld", seconds=1_801, note="I heard both.", decided_by=told.staff[0],
            now=NOW + 2 * DAY,
        )  # fmt: skip
        papers.worked(told.world, 77, 241, since=WORKED + WEEK)
        TaxProfile.objects.filter(expert=told.world.expert).update(withholding_bp=WITHHELD_BP)
    story.released_run(now=NOW + WEEK)
    story.send_and_track(NOW + WEEK)
    with platform():
        payouts.returned(Payout.objects.latest("pk"), code="MD07", now=NOW + WEEK + DAY)


def never_arrived() -> None:
    """The payout that was sent again did not arrive either, whatever its provider says."""
    story.booked_back(Payout.objects.get(initiations=2), now=NOW + 2 * WEEK)


def corrected_and_taken_back(told: Told) -> None:
    """Released holdbacks, a correction after that, and pay of three kinds taken back, one of them given back."""
    now = NOW + 5 * WEEK
    with platform():
        assert holdbacks.release_due(now=now) == 5
        adjustments.correct(
            entry=entry_of(told, 0), counted=8_111, reason="Idle", decided_by=told.staff[0], now=now + HOUR
        )
        bonus = Adjustment.objects.get(kind="bonus")
        take_back(told, entry_of(told, 0), 1_234, now=now + 2 * HOUR)
        take_back(told, bonus, 5_001, now=now + 3 * HOUR)
        taken = Adjustment.objects.get(kind="clawback", takes_back=bonus)
        clawbacks.reinstate(clawback=taken, reason="It was right.", decided_by=told.staff[1], now=now + 5 * HOUR)
        referral = PlatformPay.objects.get(kind="referral")
        platform_pay.take_back(pay=referral, reason="One person.", decided_by=told.staff[0], now=now + 6 * HOUR)
    story.released_run(now=NOW + 6 * WEEK)
    story.send_and_track(NOW + 6 * WEEK)


def below_zero(told: Told) -> None:
    """What is taken back of pay that has left is a debt; a part of it is given up, later hours are paid against it."""
    now = NOW + 6 * WEEK + DAY
    key = accounts.payable(told.world.expert.pk, "USD").text
    with platform():
        take_back(told, Adjustment.objects.get(kind="bonus"), 7_345, now=now)
        account = Account.objects.get(key=key)
        amount = Money(4_000, "USD")
        write_offs.propose(account=account, amount=amount, reason="Our mistake", proposed_by=told.staff[0], now=now)
        proposal = AdjustmentProposal.objects.get(status="proposed")
        four_eyes.approve(proposal=proposal, decided_by=told.staff[1], side="platform", now=now + HOUR)
        papers.worked(told.world, 133, since=WORKED + 7 * WEEK)
    story.released_run(now=NOW + 8 * WEEK)
    story.send_and_track(NOW + 8 * WEEK)


def take_back(told: Told, source: TimeEntry | Adjustment, minor: int, *, now: dt.datetime) -> None:
    amount = Money(minor, "USD")
    clawbacks.claw_back(source=source, amount=amount, reason="Paid twice", decided_by=told.staff[0], now=now)


def entry_of(told: Told, n: int) -> TimeEntry:
    """The entries of her first lab, in order."""
    with platform():
        return TimeEntry.objects.filter(contract=told.world.contract).order_by("pk").select_related("expert")[n]
