"""Payouts that were released and wait: the expert hears why and what he can do, and none of them waits for ever."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from core import clock, outbox, tokens
from core.public import User
from experts.operations import appeals, restrictions
from experts.operations.appeals import SameDecider
from experts.public import Appeal, Expert, Notice, Restriction
from payments import jobs
from payments.models import Payout, PayoutDecision, PayoutMethod, ProviderMovement
from payments.operations.payee import payees
from payments.operations.rails import payouts, sending, stuck
from payments.queries import ledger_findings
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import Desk
from tests.payments.hours_world import Caller
from tests.payments.ledger_story import NOW, platform

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
DOOR = "/api/v1/expert/appeals with the subject %s."


@pytest.fixture
def ada() -> Expert:
    """Ada is owed 200.00 USD, and the run that pays her is released."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    return expert


def caller_of(expert: Expert) -> Caller:
    return hours.Caller(tokens.mint_expert_token(user=expert.user, name="tests").secret)


def lose_the_key(expert: Expert) -> None:
    PayoutMethod.objects.filter(expert=expert).update(sealed_details=b"\x01 sealed under a key that was lost")


def the_payout() -> Payout:
    return Payout.objects.order_by("pk")[0]


def told(expert: Expert, kind: str) -> Notice:
    return Notice.objects.get(expert=expert, kind=kind)


def waiting(caller: Caller) -> list[dict[str, Any]]:
    found = caller("GET", "/expert/earnings", at=NOW).json()["blockers"]
    return [row for row in found if row["code"] == "payout_on_hold"]


def appeal(caller: Caller, payout: Payout) -> Any:
    return caller("POST", "/expert/appeals", {"subject": payout.public_id, "reason": "I count on it."}, at=NOW)


def overturn(by: User) -> None:
    with platform():
        appeals.decide(appeal=Appeal.objects.get(), outcome="overturned", note="Send it.", by=by, now=NOW)
    outbox.drain(now=NOW)


def assert_the_books_hold() -> None:
    with platform():
        assert ledger_findings.findings() == []


def test_who_waits_hears_why_and_finds_what_to_do(ada: Expert) -> None:
    lose_the_key(ada)
    story.send_and_track()
    payout, caller = the_payout(), caller_of(ada)
    message = told(ada, "payout.on_hold")
    assert "The details of its payout method cannot be read." in message.body
    assert DOOR % payout.public_id in message.body
    shown = caller("GET", f"/expert/payouts/{payout.public_id}", at=NOW).json()
    assert (shown["status"], shown["reason"]) == ("on_hold", "details_unreadable")
    assert shown["reason_text"] == "The details of its payout method cannot be read."
    (blocker,) = waiting(caller)
    assert (blocker["subject"], blocker["currency"]) == (payout.public_id, "USD")
    assert blocker["text"] == "Your payout of 200.00 USD waits: The details of its payout method cannot be read."
    assert blocker["remedy"]["href"] == "/api/v1/expert/payout-methods"
    assert Notice.objects.filter(expert=ada, kind__startswith="payout.").count() == 1


def test_a_word_of_the_provider_that_nobody_knows_is_told_as_it_is(ada: Expert) -> None:
    story.fault("reject", code="XY99", account="acct-ada")
    story.send_and_track()
    (shown,) = caller_of(ada)("GET", "/expert/payouts", at=NOW).json()["results"]
    assert (shown["reason"], shown["reason_text"]) == ("XY99", "The provider's reason is XY99.")


def test_what_was_never_sent_to_a_method_that_is_gone_is_paid_by_the_next_run(ada: Expert) -> None:
    story.add_method(ada, account="acct-new", now=NOW)
    story.send_and_track()
    first = the_payout()
    assert (first.status, first.run.status, story.owed(ada)) == ("cancelled", "completed_with_failures", 20_000)
    message = told(ada, "payout.cancelled")
    assert "Nothing was sent." in message.body
    assert DOOR % first.public_id in message.body
    assert_the_books_hold()
    later = NOW + 7 * DAY
    story.released_run(now=later)
    story.send_and_track(later)
    assert list(ProviderMovement.objects.values_list("account", "amount_minor", "state")) == [
        ("acct-new", 20_000, "paid")
    ]
    assert not PayoutDecision.objects.exists()
    assert_the_books_hold()


def test_what_a_provider_heard_of_waits_for_two_people(ada: Expert) -> None:
    story.fault("rate_limited", account="acct-ada")
    story.send_and_track()
    with platform():
        payees.remove_method(method=the_payout().payout_method, now=NOW)
    story.send_and_track(NOW + HOUR)
    assert (the_payout().status, sending.give_back_unsent(now=NOW + HOUR), story.owed(ada)) == ("on_hold", 0, 0)
    caller = caller_of(ada)
    assert len(waiting(caller)) == 1
    assert appeal(caller, the_payout()).status_code == 201
    overturn(story.new_user("Judge"))
    assert (the_payout().status, story.owed(ada)) == ("on_hold", 0)
    with platform(), pytest.raises(Exception, match="two people decide"):
        payouts.give_back_unsent(payouts.locked([the_payout().pk], now=NOW), now=NOW)


def test_a_held_payout_whose_method_is_replaced_goes_back_by_itself(ada: Expert) -> None:
    lose_the_key(ada)
    story.send_and_track()
    jobs.give_back_unsent()
    assert the_payout().status == "on_hold"
    story.add_method(ada, account="acct-again", now=NOW)
    jobs.give_back_unsent()
    jobs.give_back_unsent()
    assert (the_payout().status, story.owed(ada)) == ("cancelled", 20_000)
    assert told(ada, "payout.cancelled").subject == the_payout().public_id
    assert waiting(caller_of(ada)) == []
    assert_the_books_hold()


def test_an_appeal_that_is_won_lets_the_next_run_pay(ada: Expert) -> None:
    lose_the_key(ada)
    story.send_and_track()
    assert appeal(caller_of(ada), the_payout()).status_code == 201
    overturn(story.new_user("Judge"))
    outbox.drain(now=NOW)
    assert (the_payout().status, story.owed(ada)) == ("cancelled", 20_000)
    assert_the_books_hold()


def test_whoever_blocked_the_payouts_does_not_decide_an_appeal_about_one(ada: Expert) -> None:
    by = story.new_user("Blocker")
    story.block(ada, by=by)
    story.send_and_track()
    caller = caller_of(ada)
    (blocker,) = waiting(caller)
    assert blocker["remedy"]["href"] == "/api/v1/expert/decisions"
    assert not Notice.objects.filter(expert=ada, kind="payout.on_hold").exists()
    assert appeal(caller, the_payout()).status_code == 201
    with pytest.raises(SameDecider):
        overturn(by)
    assert the_payout().status == "on_hold"


@pytest.mark.parametrize("end", ["appeal", "person", "time"])
def test_what_a_block_stopped_is_paid_by_the_next_run_when_it_ends(ada: Expert, end: str) -> None:
    with platform():
        imposed = restrictions.impose(
            expert=ada, kind="no_payouts", reason="A takeover?", by=story.new_user("Blocker"), now=NOW
        )
    story.send_and_track()
    jobs.give_back_unsent()
    assert (the_payout().status, the_payout().reason_code, story.owed(ada)) == ("on_hold", "blocked", 0)
    with clock.frozen(NOW + DAY):
        if end == "appeal":
            body = {"subject": imposed.public_id, "reason": "It was not me."}
            assert caller_of(ada)("POST", "/expert/appeals", body, at=NOW).status_code == 201
            overturn(story.new_user("Judge"))
        elif end == "person":
            with platform():
                restrictions.lift(restriction=imposed, now=NOW, by=story.new_user("Judge"))
        else:
            Restriction.objects.update(ends_at=NOW + HOUR)
        for _again in range(2):
            jobs.give_back_unsent()
    assert (the_payout().status, the_payout().reason_code, story.owed(ada)) == ("cancelled", "unblocked", 20_000)
    message = told(ada, "payout.cancelled")
    assert "The decision that blocked your payouts holds no longer." in message.body
    assert "the next pay run pays it" in message.body
    assert waiting(caller_of(ada)) == []
    assert_the_books_hold()
    later = NOW + 7 * DAY
    story.released_run(now=later)
    story.send_and_track(later)
    assert ProviderMovement.objects.values_list("account", "amount_minor", "state").get() == (
        "acct-ada",
        20_000,
        "paid",
    )
    assert not PayoutDecision.objects.exists()
    assert_the_books_hold()


def test_a_payout_that_a_provider_heard_of_waits_for_two_people_after_the_block_too(ada: Expert) -> None:
    story.fault("rate_limited", account="acct-ada")
    story.send_and_track()
    story.block(ada, by=story.new_user("Blocker"))
    story.send_and_track(NOW + HOUR)
    assert (the_payout().status, the_payout().reason_code) == ("on_hold", "blocked")
    with platform():
        restrictions.lift(restriction=Restriction.objects.get(), now=NOW + HOUR, by=story.new_user("Judge"))
    assert (sending.give_back_unsent(now=NOW + DAY), the_payout().status, story.owed(ada)) == (0, "on_hold", 0)


def test_what_a_block_stops_is_let_go_on_neither_by_the_first_nor_by_the_second_person(ada: Expert) -> None:
    """It would stop again at once, after its expert was told that it is on its way."""
    story.fault("rate_limited", account="acct-ada")
    story.send_and_track()
    one, two = (Desk("decide_payout") for _ in range(2))
    proposals = PayoutDecision.objects.filter(status="proposed")

    def resume() -> str:
        return one.act("payout", "resume", the_payout().pk, at=NOW + HOUR, reason="All is well.")

    story.block(ada, by=story.new_user("Blocker"))
    story.send_and_track(NOW + HOUR)
    assert "A decision blocks this expert&#x27;s payouts. It has no end: lift it first, or cancel this." in resume()
    Restriction.objects.update(ends_at=NOW + DAY)
    assert f"payouts until {NOW + DAY:%Y-%m-%d %H:%M} UTC. Wait, lift it first, or cancel this." in resume()
    assert not proposals.exists()
    Restriction.objects.update(ends_at=NOW + dt.timedelta(minutes=30))
    resume()
    Restriction.objects.update(ends_at=None)
    told_two = two.act("payoutdecision", "approve", proposals.get().pk, at=NOW + HOUR)
    assert "A decision blocks this expert&#x27;s payouts." in told_two
    assert (the_payout().status, proposals.count()) == ("on_hold", 1)
    assert not Notice.objects.filter(expert=ada, kind="payout.resumed").exists()
    Restriction.objects.update(ends_at=NOW + dt.timedelta(minutes=30))
    two.act("payoutdecision", "approve", proposals.get().pk, at=NOW + HOUR)
    story.send_and_track(NOW + HOUR)
    story.send_and_track(NOW + DAY)
    assert (the_payout().status, story.owed(ada)) == ("paid", 0)
    assert_the_books_hold()


def test_what_failed_is_not_sent_again_while_a_decision_blocks_its_expert(ada: Expert) -> None:
    story.fault("reject", code="AC04", account="acct-ada")
    story.send_and_track()
    story.block(ada, by=story.new_user("Blocker"))
    one, two = (Desk("decide_payout") for _ in range(2))
    refused = one.act("payout", "retry", the_payout().pk, at=NOW + HOUR, reason="Again.")
    assert "A decision blocks this expert&#x27;s payouts." in refused
    assert (the_payout().status, PayoutDecision.objects.count(), story.owed(ada)) == ("failed", 0, 20_000)
    one.act("payout", "cancel", the_payout().pk, at=NOW + HOUR, reason="The next run pays.")
    two.act("payoutdecision", "approve", PayoutDecision.objects.get().pk, at=NOW + HOUR)
    assert (the_payout().status, story.owed(ada)) == ("cancelled", 20_000)


def test_a_payout_on_its_way_or_of_somebody_else_is_not_contested(ada: Expert) -> None:
    early = appeal(caller_of(ada), the_payout())
    assert (early.status_code, early.json()["code"]) == (409, "appeal_too_early")
    lose_the_key(ada)
    story.send_and_track()
    assert appeal(caller_of(story.new_expert("Bob")), the_payout()).status_code == 400
    assert not Appeal.objects.exists()


def test_a_held_payout_that_was_never_sent_raises_the_alarm(ada: Expert) -> None:
    lose_the_key(ada)
    story.send_and_track()
    with platform():
        assert stuck.report(now=NOW + 6 * DAY) == 0
        assert stuck.report(now=NOW + 8 * DAY) == 1
        assert stuck.rows(now=NOW + 8 * DAY).get() == the_payout()
