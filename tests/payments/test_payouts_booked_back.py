"""What a trace finds of a payout that did not arrive: it is booked back by two, or proven, and never paid twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from django.db import IntegrityError
from pytest_django import Settings

from core import outbox
from core.states import InvalidTransition
from experts.operations import appeals
from experts.public import Appeal, Decision, Expert, Notice
from payments.models import (
    BankTransfer,
    Payout,
    PayoutDecision,
    Posting,
    ProviderMovement,
    ReconciliationItem,
)
from payments.operations.bank import reconciliation_acts
from payments.operations.pay.four_eyes import SamePerson
from payments.operations.rails import payouts, stuck, tracking
from payments.operations.rails.arrivals import ArrivalNotContested
from payments.operations.rails.traces import NoOpenAppeal
from payments.queries import paid_in_year, payout_contests, statement_lines
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import bank_world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, platform
from tests.payments.missing_payouts import (
    DAY,
    DUE,
    HOUR,
    SAID,
    answer,
    approve,
    caller_of,
    contest,
    finance,
    given_back,
    paid_to_ada,
    propose,
    silence,
    standing,
    the_payout,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> Expert:
    """She was paid 200.00 USD, says the provider."""
    return paid_to_ada()


def test_what_did_not_arrive_is_booked_back_by_two_and_paid_by_the_next_run(ada: Expert) -> None:
    contest(ada)
    one, two, payout = finance(), finance(), the_payout()
    one.act("payout", "answer", payout.pk, at=DUE + DAY, choice="overturned", reason="The bank lost it, trace TR-7.")
    outbox.drain(now=DUE + DAY)
    assert Appeal.objects.get().status == "overturned"
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)  # whoever decides the appeal moves no money
    told = Notice.objects.get(expert=ada, kind="payout.traced")
    assert "Two people of finance book it back" in told.body
    decision = PayoutDecision.objects.get()
    assert (decision.act, decision.status, decision.proposed_by) == ("lost", "proposed", one.user)
    one.act("payoutdecision", "approve", decision.pk, at=DUE + DAY)
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    two.act("payoutdecision", "approve", decision.pk, at=DUE + DAY)
    assert (standing(), story.owed(ada)) == (("returned", 1), 20_000)
    message = Notice.objects.get(expert=ada, kind="payout.returned")
    assert message.title == "Your payout of 200.00 USD is booked back"
    assert "It was traced, and did not arrive." in message.body
    shown = caller_of(ada)("GET", f"/expert/payouts/{payout.public_id}", at=DUE + DAY).json()
    assert (shown["status"], shown["reason"], shown["contest_from"]) == ("returned", "not_arrived", None)
    assert not payout_contests.taken_as_lost().exists()
    assert_money_is_whole(now=DUE + DAY, at_rest=True)
    paid_again(ada)


def paid_again(ada: Expert) -> None:
    """By the next run, once; the year counts it once, and the statement says why it was owed again."""
    later = NOW + 7 * DAY
    story.released_run(now=later)
    story.send_and_track(later)
    assert [row.status for row in Payout.objects.order_by("pk")] == ["returned", "paid"]
    with platform():
        payments = paid_in_year.payments_of(expert_id=ada.pk, year=2026)
        lines = statement_lines.lines_of(Payout.objects.order_by("pk")[1].statement)
    assert [row.gross_minor for row in payments] == [20_000, -20_000, 20_000]
    (back,) = [line for line in lines if line.kind == "payout_lost"]
    assert "Payout that did not arrive, booked back" in back.text
    assert (back.amount.minor, back.reverses) == (20_000, the_payout().public_id)
    assert_money_is_whole(now=later, at_rest=True)


def test_silence_makes_her_word_count_and_pays_nothing_blindly(ada: Expert, caplog: pytest.LogCaptureFixture) -> None:
    silence(ada)
    assert Appeal.objects.get().status == "resolved_by_timeout"
    assert "it is taken as not arrived" in Notice.objects.get(expert=ada, kind="payout.traced").body
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    assert [row.pk for row in payout_contests.taken_as_lost()] == [the_payout().pk]
    assert the_payout().public_id in finance().client.get("/admin/payments/payout/?contested=won").content.decode()
    stuck.report(now=DUE + 8 * DAY)
    assert "payout_taken_as_lost" in caplog.text
    desk = finance()
    desk.act("payout", "lost", the_payout().pk, at=DUE + 8 * DAY, reason="The bank does not find it.")
    decision = PayoutDecision.objects.get()
    with pytest.raises(SamePerson):
        approve(decision, desk.user)
    approve(decision, finance().user)
    assert (standing(), story.owed(ada)) == (("returned", 1), 20_000)
    assert_money_is_whole(now=DUE + 8 * DAY, at_rest=True)


def test_what_arrived_after_all_is_a_decision_that_she_may_contest(ada: Expert) -> None:
    silence(ada)
    one, two = story.new_user("One"), story.new_user("Two")
    approve(propose("arrived", one), two)
    assert not payout_contests.taken_as_lost().exists()
    decision = Decision.objects.get(expert=ada)
    assert (decision.act, decision.subject, decision.decided_by) == (
        "pay.payout_arrived", the_payout().public_id, one,
    )  # fmt: skip
    message = Notice.objects.get(expert=ada, kind="payout.arrived")
    assert "Trace TR-7 says so." in message.body
    assert f"appeals with the subject {the_payout().public_id}." in message.body
    with pytest.raises(ArrivalNotContested):
        propose("lost", one, at=DUE + 9 * DAY)
    filed = contest(ada, at=DUE + 9 * DAY)
    assert (filed.status_code, filed.json()["decision"]) == (201, decision.public_id)
    for decided_so in (one, two):  # neither who wanted it nor who approved it
        with platform(), pytest.raises(appeals.SameDecider):
            answer("upheld", by=decided_so, at=DUE + 9 * DAY)
    with platform():
        answer("overturned", by=story.new_user("Three"), at=DUE + 9 * DAY)
    outbox.drain(now=DUE + 9 * DAY)
    assert payout_contests.taken_as_lost().exists()
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    assert_money_is_whole(now=DUE + 9 * DAY, at_rest=True)


def test_what_the_bank_sends_back_meanwhile_is_not_booked_back_twice(ada: Expert) -> None:
    silence(ada)
    decision = propose("lost", story.new_user("One"))
    ProviderMovement.objects.update(state="returned", code="AC04", changed_at=DUE + 8 * DAY)
    tracking.follow_settlements(now=DUE + 8 * DAY)
    assert (the_payout().status, the_payout().reason_code, story.owed(ada)) == ("returned", "AC04", 20_000)
    with pytest.raises(InvalidTransition):
        approve(decision, story.new_user("Two"))
    assert story.owed(ada) == 20_000
    assert given_back() == ["payout_returned"]
    assert not payout_contests.taken_as_lost().exists()
    assert contest(ada, at=DUE + 9 * DAY).json()["errors"][0]["code"] == "unknown_subject"
    assert_money_is_whole(now=DUE + 8 * DAY, at_rest=True)


def test_two_approvals_and_the_banks_return_at_once(ada: Expert) -> None:
    """Whoever comes first gives the money back, and nobody else does."""
    silence(ada)
    decision = propose("lost", story.new_user("One"))
    approvers = [story.new_user("Two"), story.new_user("Three")]
    ProviderMovement.objects.update(state="returned", code="AC04", changed_at=DUE + 8 * DAY)
    said = together(
        [
            *(partial(approve, decision, by) for by in approvers),
            partial(tracking.follow_settlements, now=DUE + 8 * DAY),
        ]
    )
    assert {type(word) for word in said} <= {Payout, type(None), InvalidTransition}, said
    assert (the_payout().status, story.owed(ada)) == ("returned", 20_000)
    assert len(given_back()) == 1
    assert_money_is_whole(now=DUE + 8 * DAY)


def test_nothing_is_booked_back_that_nobody_contested(ada: Expert) -> None:
    one, two = story.new_user("One"), story.new_user("Two")
    for act in ("lost", "arrived"):
        with pytest.raises(ArrivalNotContested):
            propose(act, one)
    with platform(), pytest.raises(NoOpenAppeal):
        answer("overturned", by=one)
    with pytest.raises(IntegrityError, match="two people decide"), platform():
        payouts.lost(payout=the_payout(), by=two, now=DUE)
    with pytest.raises(IntegrityError, match="two people decide"), platform():
        Payout.objects.update(status="returned", reason_code="not_arrived")
    contest(ada)
    with pytest.raises(ArrivalNotContested):  # filed, and not decided
        propose("lost", one)
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    assert_money_is_whole(now=DUE, at_rest=True)


def test_a_payout_by_bank_file_is_traced_lost_and_comes_back_late(settings: Settings, tmp_path: Path) -> None:
    """The loss is the platform's until the bank sends the money back after all: it is the platform's then."""
    bank = bank_world.open_bank(settings, tmp_path)
    try:
        bank.behave("ACME", behaviour="return-later", parameters={"days": 5, "reason": "MD07"})
        bank_world.paid_run(bank, ("Zoë", bank_world.GOOD, 20_000))
        bank_world.we_send()
        bank.read_our_files()
        bank_world.we_collect(NOW + HOUR)
        zoe, order = the_payout().expert, BankTransfer.objects.get()
        window = payout_contests.window(the_payout())
        assert (window and window.since) == DUE - DAY  # euros arrive on the next banking day
        assert contest(zoe, at=DUE).status_code == 201
        desk, payout = finance(), the_payout()
        told = desk.client.get(f"/admin/payments/payout/{payout.pk}/change/").content.decode()
        assert order.file is not None
        for fact in (order.end_to_end_id, order.file.message_id, "NL••••0005", SAID):
            assert fact in told, fact
        desk.act("payout", "answer", payout.pk, at=DUE + DAY, choice="overturned", reason="camt.029: not found.")
        finance().act("payoutdecision", "approve", PayoutDecision.objects.get().pk, at=DUE + DAY)
        assert (bank_world.statuses(), story.owed(zoe, "EUR"), lost()) == (["returned"], 20_000, 20_000)
        assert bank_world.our_cash() == 0
        assert_money_is_whole(now=DUE + DAY)
        late = NOW + 8 * DAY
        bank.sleep(8)
        bank_world.we_collect(late)
        bank_world.we_collect(late + 2 * HOUR)
        item = ReconciliationItem.objects.get(status="open", entry__kind="return")
        assert "post it as a loss" in item.detail
        assert (item.kind, item.amount_minor, item.payout, story.owed(zoe, "EUR")) == (
            "missing_here", 20_000, payout, 20_000,
        )  # fmt: skip
        with platform():
            reconciliation_acts.post(
                item=item, place=reconciliation_acts.LOSS, reason="It came back after all.", by=desk.user, now=late
            )
        assert (lost(), bank_world.our_cash(), story.owed(zoe, "EUR")) == (0, 20_000, 20_000)
        assert_money_is_whole(now=late + 2 * HOUR)
    finally:
        bank.close()


def lost() -> int:
    """What the platform lost, in minor units of euros."""
    with platform():
        return -sum(Posting.objects.filter(account__key="expense:loss:EUR").values_list("amount", flat=True))
