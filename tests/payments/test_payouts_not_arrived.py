"""A payout that counts as paid and is not on the account: the expert says so at the one door, and is answered."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from core import outbox
from core.problems import InvalidInput
from core.states import InvalidTransition
from experts.models import Document
from experts.operations import appeals
from experts.public import Appeal, Expert, Notice, OwnWork
from payments.models import (
    Payout,
    PayoutDecision,
)
from payments.operations.pay.four_eyes import StepUpRequired
from payments.operations.rails.arrivals import ArrivalNotContested
from payments.queries import payout_contests
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story
from tests.payments.beside import Desk
from tests.payments.ledger_story import NOW, platform
from tests.payments.missing_payouts import (
    DAY,
    DUE,
    HOUR,
    SAID,
    UNTIL,
    answer,
    approve,
    caller_of,
    contest,
    finance,
    paid_to_ada,
    propose,
    standing,
    the_payout,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> Expert:
    """She was paid 200.00 USD, says the provider."""
    return paid_to_ada()


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
