"""What one person does alone is added up: many small acts take a second person as one large act does."""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from core.money import Money
from core.public import User, unit_of_work
from marketplace.public import LabMember
from payments.models import Adjustment, AdjustmentProposal, Funding, LoneAct, PlatformPay, Refund
from payments.operations.labs import refunds
from payments.operations.pay import adjustments, bonuses, clawbacks, lone_acts, platform_pay
from payments.operations.pay.bonuses import Bonus
from payments.operations.pay.lone_acts import Part
from tests import browser
from tests.concurrency.together import together
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import DAY, LATER, approved, assert_the_books_hold, pay
from tests.payments.hours_world import PLATFORM, World, platform
from tests.payments.test_bonuses import bonus, row
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
CFO = "cfo@aurora.example"
CLERK = ("adjust_pay", "approve_adjustment")


@pytest.fixture
def world() -> World:
    with platform():
        made = hours.build()
        LabMember.objects.create(tenant=made.tenant, user=User.objects.create_user(CFO), role=LabMember.Role.ADMIN)
    return made


def sent(secret: str, body: dict[str, Any], at: dt.datetime, key: str) -> str:
    """A bonus asked for by a client of its own: what became of it."""
    return str(hours.Caller(secret)("POST", "/bonuses", body, at=at, key=key).json()["status"])


def counted(sort: str) -> list[int]:
    """What was counted on somebody, in the order of the acts."""
    with platform():
        rows = LoneAct.objects.filter(sort=sort).exclude(expert=None, tenant=None)
        return list(rows.order_by("pk").values_list("amount_minor", flat=True))


def test_small_bonuses_to_the_same_expert_are_added_up_and_the_answer_says_so(world: World) -> None:
    caller = hours.lab_caller(world)
    for _n in range(2):
        made = caller("POST", "/bonuses", bonus(world, "400.00"), at=LATER + _n * dt.timedelta(hours=1)).json()
        assert (made["status"], made["counted_with"]) == ("paid", None)
    third = caller("POST", "/bonuses", bonus(world, "200.01"), at=LATER + DAY).json()
    assert (third["status"], third["counted_with"]) == ("proposed", {"amount": "800.00", "currency": "USD"})
    assert pay(world) == (80_000, 0)
    exactly = caller("POST", "/bonuses", bonus(world, "200.00"), at=LATER + DAY).json()
    assert (exactly["status"], counted("bonus")) == ("paid", [40_000, 40_000, 20_000])
    (waiting,) = caller("GET", "/bonuses/proposals?status=proposed", at=LATER + DAY).json()["results"]
    assert waiting["counted_with"]["amount"] == "800.00"
    another = {**bonus(world, "900.00"), "decided_by": CFO}
    in_turn = caller("POST", "/bonuses", another, at=LATER + DAY).json()  # another name, the same lab's money
    assert (in_turn["status"], in_turn["counted_with"]["amount"]) == ("proposed", "1000.00")
    path = f"/bonuses/{third['id']}/approve"
    cfo = hours.member_caller(world, CFO)
    assert cfo("POST", path, {"decided_by": CFO}, at=LATER + DAY).json()["status"] == "approved"
    assert counted("bonus") == counted("lab_pay") == [40_000, 40_000, 20_000]  # what two decided is nobody's alone
    assert pay(world) == (80_000 + 20_000 + 20_001, 0)
    assert_the_books_hold()


@pytest.mark.parametrize(
    ("currency", "most"),
    [("USD", 100_000), ("EUR", 100_000), ("JPY", 150_000), ("IDR", 1_640_000_000), ("KWD", 307_000), ("XPF", 0)],
)
def test_the_threshold_is_worth_about_the_same_in_every_currency(currency: str, most: int) -> None:
    """A thousand dollars, not a hundred thousand of whatever the smallest unit is; where no work is priced, nothing."""
    assert not lone_acts.too_much(Money(most, currency))
    assert lone_acts.too_much(Money(most + 1, currency))
    assert lone_acts.too_much(Money(-most - 1, currency))


def test_the_threshold_of_a_currency_is_a_setting(settings: Settings) -> None:
    settings.ADJUSTMENT_FOUR_EYES_MINOR = {"KWD": 5, "*": 7}
    assert [lone_acts.too_much(Money(6, currency)) for currency in ("KWD", "USD")] == [True, False]
    settings.ADJUSTMENT_FOUR_EYES_MINOR = {"KWD": 0}
    assert [lone_acts.too_much(Money(1, currency)) for currency in ("KWD", "USD")] == [True, False]


def test_the_window_rolls(world: World, settings: Settings) -> None:
    caller = hours.lab_caller(world)
    assert caller("POST", "/bonuses", bonus(world, "900.00"), at=LATER).json()["status"] == "paid"
    week = dt.timedelta(days=settings.FOUR_EYES_WINDOW_DAYS)
    early = caller("POST", "/bonuses", bonus(world, "900.00"), at=LATER + week - dt.timedelta(seconds=1)).json()
    assert early["status"] == "proposed"
    assert caller("POST", "/bonuses", bonus(world, "900.00"), at=LATER + week).json()["status"] == "paid"
    settings.FOUR_EYES_WINDOW_DAYS = 0
    assert caller("POST", "/bonuses", bonus(world, "900.00"), at=LATER + week + DAY).json()["status"] == "paid"


def test_rows_of_a_bulk_count_with_single_ones(world: World) -> None:
    caller = hours.lab_caller(world)
    caller("POST", "/bonuses", bonus(world, "900.00"), at=LATER)
    body = {"bonuses": [row(world, "100.01")], "decided_by": world.member.email}
    answer = caller("POST", "/bonuses/bulk", body, at=LATER + DAY).json()
    assert (answer["status"], answer["proposal"]["counted_with"]["amount"]) == ("proposed", "900.00")
    body["bonuses"] = [row(world, "50.00"), {**row(world, "50.00"), "reason": "And this."}]
    assert caller("POST", "/bonuses/bulk", body, at=LATER + DAY, key="within").json()["status"] == "paid"
    assert counted("bonus") == [90_000, 10_000]


def test_what_was_refused_is_not_counted(world: World) -> None:
    with platform():
        poor = hours.build(name="Poor", funded_minor=0)
    caller = hours.lab_caller(poor)
    refused = caller("POST", "/bonuses", bonus(poor, "900.00"), at=LATER)
    assert (refused.status_code, counted("bonus")) == (409, [])


def test_two_at_once_each_just_below_the_threshold_are_not_both_done_alone(world: World) -> None:
    """Over the API, by the same member: one is paid, the other waits for a second person."""
    caller = hours.lab_caller(world)
    for n in range(3):
        at = LATER + n * 10 * DAY
        made = together([partial(sent, caller.secret, bonus(world, "600.00"), at, f"{n}-{i}") for i in range(2)])
        assert sorted(made) == ["paid", "proposed"]
    assert pay(world) == (3 * 60_000, 0)
    with platform():
        assert AdjustmentProposal.objects.filter(status="proposed", before_minor=60_000).count() == 3
    assert_the_books_hold()


def test_postgresql_keeps_the_sum_when_nobody_asked_before() -> None:
    expert, by = story.new_expert("Ada"), story.new_user("Fin")

    def write() -> str:
        try:
            with unit_of_work(story.SYSTEM):
                LoneAct.objects.create(
                    sort="platform_bonus", actor=by, expert=expert, amount_minor=60_000, currency="USD",
                    threshold_minor=100_000, since=LATER - DAY, done_at=LATER, created_at=LATER,
                )  # fmt: skip
        except IntegrityError as error:
            return str(error).partition("\n")[0]
        return "done"

    assert sorted(together([write] * 4)) == ["done", *["so much takes a second person"] * 3]
    with platform(), pytest.raises(Exception, match=r"append-only|permission denied"), transaction.atomic():
        LoneAct.objects.update(amount_minor=1)


def test_the_trigger_waits_for_the_same_turn_as_the_act() -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    with platform(), connection.cursor() as cursor:
        actor = story.new_user()
        lone_acts.take_turn(act="bonus", by=actor)
        assert cursor.execute(held).fetchone() == (1,)
        LoneAct.objects.create(
            sort="bonus",
            actor=actor,
            amount_minor=1,
            currency="USD",
            threshold_minor=1,
            since=LATER,
            done_at=LATER + DAY,
            created_at=LATER + DAY,
        )
        assert cursor.execute(held).fetchone() == (1,)


def test_a_bonus_of_the_platform_in_slices(world: World) -> None:
    one, other = Desk(*CLERK), Desk(*CLERK)
    for desk, amount in ((one, "600.00"), (other, "900.00"), (one, "400.01")):
        desk.act("payee", "pay_bonus", world.expert.pk, confirmed="1", given=f"{amount} USD", reason="Thanks.")
    with platform():
        assert sorted(PlatformPay.objects.values_list("amount_minor", flat=True)) == [60_000, 90_000]
        proposal = AdjustmentProposal.objects.get()
    assert (proposal.proposed_by, proposal.amount_minor, proposal.before_minor) == (one.user, 40_001, 60_000)
    page = other.get("adjustmentproposal/?status__exact=proposed").content.decode()
    assert "600.00 USD" in page
    listed = other.get("loneact/").content.decode()
    assert "1,000.00 USD" in listed or "1000.00 USD" in listed
    one.act("adjustmentproposal", "approve", proposal.pk, confirmed="1")
    with platform():
        assert PlatformPay.objects.count() == 2
    other.act("adjustmentproposal", "approve", proposal.pk, confirmed="1")
    with platform():
        assert PlatformPay.objects.filter(proposal=proposal).count() == 1


def test_corrections_and_clawbacks_in_slices_both_ways(world: World) -> None:
    by = story.new_user("Support")
    with platform():
        entry = approved(world, minutes=600)  # 1,100.00 and 330.00 of fee
        half = entry.seconds // 2
        down = adjustments.request_correction(entry=entry, counted=half, reason="Idle.", decided_by=by, now=LATER)
        assert isinstance(down, Adjustment)
        again = adjustments.request_correction(
            entry=entry, counted=entry.seconds, reason="Not idle.", decided_by=by, now=LATER
        )
        assert isinstance(again, AdjustmentProposal)
        assert again.before_minor == 55_000 + 16_500
        same = adjustments.request_correction(entry=entry, counted=half, reason="The same.", decided_by=by, now=LATER)
        assert same is None
        for minor, wanted in ((30_000, Adjustment), (25_000, Adjustment)):
            made = clawbacks.claw_back(
                source=entry, amount=Money(minor, "USD"), reason="Copied.", decided_by=by, now=LATER
            )
            assert isinstance(made, wanted)
    assert (counted("correction"), counted("clawback")) == ([71_500], [30_000, 25_000])


def test_slices_of_clawbacks_end_at_the_threshold(world: World) -> None:
    by, platform_desk = story.new_user("Fin"), story.new_user("Second")
    with platform():
        entry = approved(world, minutes=600)
        first = clawbacks.claw_back(
            source=entry, amount=Money(100_000, "USD"), reason="Copied.", decided_by=by, now=LATER
        )
        second = clawbacks.claw_back(source=entry, amount=Money(1, "USD"), reason="More.", decided_by=by, now=LATER)
        third = clawbacks.claw_back(
            source=entry, amount=Money(1, "USD"), reason="More.", decided_by=platform_desk, now=LATER
        )
    assert [type(made) for made in (first, second, third)] == [Adjustment, AdjustmentProposal, Adjustment]


def test_refunds_to_the_same_lab_are_added_up(settings: Settings) -> None:
    settings.REFUND_ALONE_MINOR = {"*": 50_000}
    lab, other = story.new_lab(funded=40_000), story.new_lab(funded=40_000)
    by = story.new_user()
    with platform():
        row = Funding.objects.get(tenant=lab)
        assert refunds.refund(funding=row, reason="Ended.", by=by, now=story.NOW).status == "paid"
    assert counted("refund") == [40_000]
    with platform():
        part = [Part(Money(10_001, "USD"), tenant_id=lab.pk)]
        thresholds = settings.REFUND_ALONE_MINOR
        asked: dict[str, Any] = {"act": lone_acts.REFUND, "by": by, "now": story.NOW, "thresholds": thresholds}
        assert not lone_acts.all_alone(parts=part, **asked)
        assert (
            refunds.refund(funding=Funding.objects.get(tenant=other), reason="x", by=by, now=story.NOW).status == "paid"
        )
        assert Refund.objects.filter(needs_two=True).count() == 0


def test_bonuses_of_two_labs_and_of_the_platform_are_not_mixed_up(world: World) -> None:
    with platform():
        second = hours.build(name="Borealis")
        LabMember.objects.create(tenant=second.tenant, user=world.member, role=LabMember.Role.MANAGER)
        for there in (world, second):
            made = bonuses.pay(
                bonus=Bonus(there.contract, Money(90_000, "USD"), "Well done."),
                decided_by=world.member,
                by=PLATFORM,
                now=LATER,
            )
            assert isinstance(made, Adjustment)
        paid = platform_pay.pay_bonus(
            expert=world.expert, amount=Money(90_000, "USD"), reason="Thanks.", decided_by=world.member, now=LATER
        )
    assert isinstance(paid, PlatformPay)


def many(desk: Desk, model: str, action: str, pks: list[int], **fields: str) -> str:
    """Use a button on several rows at once; the page that follows."""
    sent = {"action": action, "_selected_action": [str(pk) for pk in pks], "confirmed": "yes", **fields}
    return str(browser.press(desk.client, f"/admin/payments/{model}/", sent, follow=True).content.decode())


def people(n: int) -> list[int]:
    return [story.new_expert(f"Payee {i}").pk for i in range(n)]


def test_a_bonus_to_many_at_once_is_one_act_on_the_platforms_money() -> None:
    """Each of three gets less than the threshold, all three together more: the third waits for a second person."""
    desk, experts = Desk(*CLERK), people(3)
    terms = {"given": "400.00 USD", "reason": "Thanks."}
    page = many(desk, "payee", "pay_bonus", experts, **terms)
    assert "1,200.00" in page
    assert "Nothing is done yet" in page
    assert 'value="400.00 USD"' in page
    assert ">Thanks.</textarea>" in page
    assert not PlatformPay.objects.exists()
    (seen,) = re.findall(r'name="seen" value="(\w{64})"', page)
    unread = many(desk, "payee", "pay_bonus", experts, **terms, seen="1200.00 USD")
    assert "Nothing is done yet" in unread
    changed = many(desk, "payee", "pay_bonus", experts, **{**terms, "given": "500.00 USD"}, seen=seen)
    assert "1,500.00" in changed
    assert not PlatformPay.objects.exists()
    many(desk, "payee", "pay_bonus", experts, **terms, seen=seen)
    with platform():
        assert list(PlatformPay.objects.values_list("amount_minor", flat=True)) == [40_000, 40_000]
        waiting = AdjustmentProposal.objects.get()
    assert (waiting.act, waiting.amount_minor, waiting.before_minor) == ("platform_bonus", 40_000, 80_000)
    later = Desk(*CLERK)
    later.act("payee", "pay_bonus", experts[2], confirmed="1", given="1000.00 USD", reason="Another person's window.")
    with platform():
        assert PlatformPay.objects.count() == 3
    desk.act("payee", "pay_bonus", people(1)[0], confirmed="1", given="200.00 EUR", reason="Another currency.")
    with platform():
        assert PlatformPay.objects.count() == 4
    assert_the_books_hold()


def test_taking_from_many_is_added_up(world: World) -> None:
    first, second = Desk(*CLERK), Desk(*CLERK)
    for expert in people(2):
        for desk in (first, second):
            desk.act("payee", "pay_bonus", expert, confirmed="1", given="300.00 USD", reason="Thanks.")
    with platform():
        pays = list(PlatformPay.objects.order_by("pk").values_list("pk", flat=True))
    many(first, "platformpay", "take_back", pays, reason="A mistake.")
    with platform():
        assert PlatformPay.objects.filter(kind="clawback").count() == 3
        waiting = AdjustmentProposal.objects.get()
    assert (waiting.act, waiting.before_minor) == ("platform_clawback", 90_000)
    assert_the_books_hold()


def test_postgresql_keeps_the_sum_over_everybody() -> None:
    by = story.new_user("Fin")

    def pay_one(n: int) -> str:
        expert = story.new_expert(f"Payee {n}")
        with unit_of_work(story.SYSTEM):
            made = platform_pay.pay_bonus(
                expert=expert, amount=Money(60_000, "USD"), reason="Thanks.", decided_by=by, now=LATER
            )
        return type(made).__name__

    assert sorted(together([partial(pay_one, n) for n in range(3)])) == [*["AdjustmentProposal"] * 2, "PlatformPay"]
    with platform(), pytest.raises(IntegrityError, match="second person"), transaction.atomic():
        LoneAct.objects.create(
            sort="platform_bonus", actor=by, amount_minor=40_001, currency="USD",
            threshold_minor=100_000, since=LATER - DAY, done_at=LATER, created_at=LATER,
        )  # fmt: skip


def test_a_bonus_and_a_clawback_want_a_fresh_proof(world: World) -> None:
    with platform():
        entry = approved(world)
    desk = Desk(*CLERK, "correct_hours")
    desk.prove(seconds_ago=601)
    for model, action, pk, given in (
        ("payee", "pay_bonus", world.expert.pk, "1.00 USD"),
        ("timeentry", "take_back", entry.pk, "1.00"),
    ):
        page = desk.act(model, action, pk, confirmed="1", given=given, reason="Thanks.")
        assert page.redirect_chain[0][0].startswith("/accounts/reauthenticate/?next=")
    with platform():
        assert not PlatformPay.objects.exists()
        assert not Adjustment.objects.exists()
