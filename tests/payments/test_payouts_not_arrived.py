"""A payout that counts as paid and is not on the account: the expert says so at the one door, and nothing is paid twice."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from pytest_django import Settings

from core import outbox, tokens
from core.problems import InvalidInput
from core.states import InvalidTransition
from experts.models import Document
from experts.operations import appeals
from experts.public import Appeal, Decision, Expert, Notice, OwnWork
from payments.models import (
    BankTransfer,
    JournalEntry,
    Payout,
    PayoutDecision,
    Posting,
    ProviderMovement,
    ReconciliationItem,
)
from payments.operations.bank import reconciliation_acts
from payments.operations.pay.four_eyes import SamePerson, StepUpRequired
from payments.operations.rails import payout_decisions, payouts, stuck, traces, tracking
from payments.operations.rails.arrivals import ArrivalNotContested
from payments.operations.rails.traces import NoOpenAppeal
from payments.queries import paid_in_year, payout_contests, statement_lines
from tests.concurrency.together import together
from tests.invariants import assert_money_is_whole
from tests.payments import bank_world
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import Desk
from tests.payments.hours_world import Caller
from tests.payments.ledger_story import NOW, platform

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
DUE = dt.datetime(2026, 11, 19, tzinfo=dt.UTC)
"""The day after the second banking day from Monday 16: from then on it can be said that it did not arrive."""
UNTIL = NOW + dt.timedelta(days=90)
SAID = "My bank statement of the whole week has no such credit."


@pytest.fixture
def ada() -> Expert:
    """Ada was paid 200.00 USD, says the provider."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    story.send_and_track()
    return expert


def caller_of(expert: Expert) -> Caller:
    return hours.Caller(tokens.mint_expert_token(user=expert.user, name="tests").secret)


def the_payout() -> Payout:
    return Payout.objects.order_by("pk")[0]


def contest(expert: Expert, *, at: dt.datetime = DUE, subject: str = "") -> Any:
    body = {"subject": subject or the_payout().public_id, "reason": SAID}
    return caller_of(expert)("POST", "/expert/appeals", body, at=at)


def silence(expert: Expert) -> None:
    """She contests it, and nobody decides in time."""
    assert contest(expert).status_code == 201
    appeals.resolve_overdue(now=DUE + 7 * DAY)
    outbox.drain(now=DUE + 7 * DAY)


def propose(act: str, by: Any, *, at: dt.datetime = DUE + 8 * DAY, fresh: bool = True) -> PayoutDecision:
    with platform():
        made = payout_decisions.propose(
            payout=the_payout(), act=act, reason="Trace TR-7 says so.", recently_authenticated=fresh, by=by, now=at
        )
    assert made is not None
    return made


def approve(decision: PayoutDecision, by: Any, *, at: dt.datetime = DUE + 8 * DAY) -> Payout:
    with platform():
        return payout_decisions.approve(decision=decision, recently_authenticated=True, by=by, now=at)


def given_back() -> list[str]:
    with platform():
        kinds = JournalEntry.objects.filter(kind__in=("payout_lost", "payout_returned")).order_by("pk")
        return list(kinds.values_list("kind", flat=True))


def standing() -> tuple[str, int]:
    return the_payout().status, ProviderMovement.objects.filter(state="paid").count()


def finance() -> Desk:
    return Desk("decide_payout")


def test_who_was_paid_hears_how_to_say_that_it_did_not_come(ada: Expert) -> None:
    message = Notice.objects.get(expert=ada, kind="payout.paid")
    assert message.title == "You were paid 200.00 USD"
    assert "It should be on your account by 2026-11-18." in message.body
    assert f"until {UNTIL.date().isoformat()}: appeal at /api/v1/expert/appeals with the subject" in message.body
    assert the_payout().public_id in message.body
    shown = caller_of(ada)("GET", message.link.removeprefix("/api/v1"), at=NOW).json()
    assert (shown["contest_from"], shown["contest_until"]) == ("2026-11-19T00:00:00Z", "2027-02-14T10:00:00Z")


def test_an_appeal_is_taken_when_it_should_be_there_and_once(ada: Expert) -> None:
    early = contest(ada, at=DUE - HOUR)
    assert (early.status_code, early.json()["code"]) == (409, "appeal_too_early")
    assert early.json()["contest_from"] == "2026-11-19T00:00:00Z"
    filed = contest(ada)
    assert (filed.status_code, filed.json()["status"], filed.json()["decision"]) == (201, "open", None)
    assert contest(ada, at=DUE + HOUR).json()["code"] == "appeal_already_open"
    assert Appeal.objects.get().due_at == DUE + 7 * DAY
    withdrawn = caller_of(ada)("POST", f"/expert/appeals/{filed.json()['id']}/withdraw", at=DUE)
    assert withdrawn.status_code == 200
    late = contest(ada, at=UNTIL + HOUR)
    assert (late.status_code, late.json()["code"]) == (409, "appeal_window_over")
    assert contest(ada, at=UNTIL).status_code == 201


def test_another_ones_payout_is_nobodys(ada: Expert) -> None:
    bob = story.new_expert("Bob")
    for subject in (the_payout().public_id, "pay_01k9w3v6z8f2qr5t4h7xnm0ceg"):
        answer = contest(bob, subject=subject)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_subject")
    assert not Appeal.objects.exists()


def appeal_files_of(expert: Expert) -> None:
    """She contests it with a scanned document beside."""
    document = Document.objects.create(
        expert=expert, name="statement.pdf", storage_name="kept/1", media_type="application/pdf", size=9, sha256="0" * 64,
        status=Document.Status.CLEAN,
    )  # fmt: skip
    body = {"subject": the_payout().public_id, "reason": SAID, "files": [document.public_id]}
    assert caller_of(expert)("POST", "/expert/appeals", body, at=DUE).status_code == 201


def test_it_arrived_says_the_bank_and_that_is_final(ada: Expert) -> None:
    appeal_files_of(ada)
    desk, payout = finance(), the_payout()
    page = desk.client.get("/admin/payments/payout/?contested=open").content.decode()
    assert payout.public_id in page
    told = desk.client.get(f"/admin/payments/payout/{payout.pk}/change/").content.decode()
    facts = (
        SAID,
        payout.provider_reference,
        payout.payout_method.masked,
        "200.00 USD",
        "statement.pdf</a>",
        "/downloads/",
    )
    for fact in facts:
        assert fact in told, fact
    desk.act("payout", "answer", payout.pk, at=DUE + DAY, choice="upheld", reason="Credited on the 17th, ref. A-1.")
    outbox.drain(now=DUE + DAY)
    appeal = Appeal.objects.get()
    assert (appeal.status, appeal.decided_by, appeal.outcome_note) == (
        "upheld", desk.user, "Credited on the 17th, ref. A-1.",
    )  # fmt: skip
    assert "ref. A-1" in Notice.objects.get(expert=ada, kind="appeal.decided").body
    again = contest(ada, at=DUE + 2 * DAY)
    assert (again.status_code, again.json()["code"], again.json()["appeal"]) == (
        409, "appeal_decided", appeal.public_id,
    )  # fmt: skip
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    assert not PayoutDecision.objects.exists()
    assert_money_is_whole(now=DUE + 2 * DAY, at_rest=True)


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
    with platform():
        with pytest.raises(appeals.SameDecider):
            answer("overturned", by=one, at=DUE + 9 * DAY)
    with platform():
        answer("overturned", by=story.new_user("Three"), at=DUE + 9 * DAY)
    outbox.drain(now=DUE + 9 * DAY)
    assert payout_contests.taken_as_lost().exists()
    assert (standing(), story.owed(ada)) == (("paid", 1), 0)
    assert_money_is_whole(now=DUE + 9 * DAY, at_rest=True)


def answer(found: str, *, by: Any, at: dt.datetime = DUE, fresh: bool = True) -> PayoutDecision | None:
    return traces.answer(
        payout=the_payout(), found=found, reason="Trace TR-8.", recently_authenticated=fresh, by=by, now=at
    )


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
    assert {type(word) for word in said} <= {Payout, int, InvalidTransition}, said
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


def test_nobody_decides_about_his_own_nor_without_a_fresh_proof(ada: Expert) -> None:
    contest(ada)
    one = story.new_user("One")
    with platform(), pytest.raises(InvalidInput):  # it arrived, or it did not
        appeals.decide(appeal=Appeal.objects.get(), outcome="partly_upheld", note="Half.", by=one, now=DUE)
    with platform(), pytest.raises(OwnWork):
        answer("overturned", by=ada.user)
    with platform(), pytest.raises(StepUpRequired):
        answer("overturned", by=one, fresh=False)
    assert Appeal.objects.get().status == "open"
    appeals.resolve_overdue(now=DUE + 7 * DAY)
    with pytest.raises(OwnWork):
        propose("lost", ada.user)
    with pytest.raises(StepUpRequired):
        propose("lost", one, fresh=False)
    decision = propose("lost", one)
    with pytest.raises(OwnWork):
        approve(decision, ada.user)
    assert standing() == ("paid", 1)


def test_who_may_not_decide_about_payouts_sees_no_button(ada: Expert) -> None:
    contest(ada)
    support = Desk()
    support.user.user_permissions.add(Permission.objects.get(codename="decide_appeal"))
    support.act("payout", "answer", the_payout().pk, at=DUE, choice="upheld", reason="No.")
    assert Appeal.objects.get().status == "open"


def test_what_a_provider_has_for_too_long_is_contested_and_not_paid_again() -> None:
    bob = story.new_expert("Bob", account="acct-bob")
    story.earn(bob, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    Payout.objects.update(created_at=NOW)
    shown = caller_of(bob)("GET", "/expert/payouts", at=NOW).json()["results"][0]
    assert (shown["contest_from"], shown["contest_until"]) == ("2026-11-23T10:00:00Z", None)
    assert contest(bob, at=NOW + DAY).json()["code"] == "appeal_too_early"
    assert contest(bob, at=NOW + 7 * DAY).status_code == 201
    by = story.new_user("One")
    with platform():
        assert answer("overturned", by=by, at=NOW + 7 * DAY) is None
    outbox.drain(now=NOW + 7 * DAY)
    assert "nobody can pay it a second time" in Notice.objects.get(expert=bob, kind="payout.traced").body
    with pytest.raises(InvalidTransition):
        propose("lost", by)
    story.send_and_track(NOW + 8 * DAY)
    assert (standing(), story.owed(bob)) == (("paid", 1), 0)
    with pytest.raises(ArrivalNotContested):  # what was said before it was paid is about something else
        propose("lost", by)
    assert_money_is_whole(now=NOW + 8 * DAY, at_rest=True)


def test_what_was_paid_after_it_was_contested_is_not_promised_anew() -> None:
    """He said that it was under way for too long. Since then it was paid, and whether that arrived he has not said."""
    bob = story.new_expert("Bob", account="acct-bob")
    story.earn(bob, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    Payout.objects.update(created_at=NOW)
    assert contest(bob, at=NOW + 7 * DAY).status_code == 201
    story.send_and_track(NOW + 8 * DAY)
    appeals.resolve_overdue(now=NOW + 14 * DAY)
    outbox.drain(now=NOW + 14 * DAY)
    assert (Appeal.objects.get().status, standing()) == ("resolved_by_timeout", ("paid", 1))
    told = Notice.objects.get(expert=bob, kind="payout.traced").body
    assert not payout_contests.taken_as_lost().exists()
    assert "is taken as not arrived" not in told
    assert "until 2027-02-22" in told
    assert contest(bob, at=NOW + 14 * DAY).status_code == 201


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
