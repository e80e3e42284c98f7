"""Nobody alone makes money move a second time, or elsewhere."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from core.public import User, unit_of_work
from core.states import InvalidTransition
from experts.public import Expert, Notice, OwnWork, ReasonMissing
from payments.models import Payout, PayoutDecision, ProviderFault, ProviderMovement
from payments.operations.pay.four_eyes import SamePerson, StepUpRequired
from payments.operations.rails import payout_decisions, payouts, sending
from payments.operations.rails.payout_decisions import DecisionPending, DestinationChanged
from payments.operations.rails.payouts import OutcomeOpen
from payments.queries import ledger_findings
from payments.queries.pay_calendar import arrival_of
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + dt.timedelta(days=5)


@pytest.fixture
def ada() -> Expert:
    """Ada's payout of 200.00 USD failed."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.fault("reject", code="AC04", account="acct-ada")
    story.released_run()
    return expert


@pytest.fixture
def failed(ada: Expert) -> Payout:
    story.send_and_track()
    return Payout.objects.get(status="failed")


def propose(
    payout: Payout, act: str, by: User, *, fresh: bool = True, reason: str = "Why not"
) -> PayoutDecision | None:
    with unit_of_work(SYSTEM):
        return payout_decisions.propose(
            payout=payout, act=act, reason=reason, recently_authenticated=fresh, by=by, now=LATER
        )


def approve(decision: PayoutDecision | None, by: User, *, fresh: bool = True) -> Payout:
    assert decision is not None
    with unit_of_work(SYSTEM):
        return payout_decisions.approve(decision=decision, recently_authenticated=fresh, by=by, now=LATER)


def status_of(payout: Payout) -> str:
    payout.refresh_from_db()
    return str(payout.status)


def test_two_people_send_it_again(failed: Payout) -> None:
    one, two = story.new_user("One"), story.new_user("Two")
    decision = propose(failed, "retry", one)
    assert status_of(failed) == "failed"
    approve(decision, two)
    story.send_and_track(LATER)
    assert status_of(failed) == "paid"
    kept = PayoutDecision.objects.get()
    assert (kept.status, kept.proposed_by, kept.decided_by, kept.reason) == ("approved", one, two, "Why not")
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def test_neither_alone_nor_without_a_fresh_proof_nor_about_his_own(failed: Payout, ada: Expert) -> None:
    one, two = story.new_user("One"), story.new_user("Two")
    with pytest.raises(StepUpRequired):
        propose(failed, "retry", one, fresh=False)
    with pytest.raises(ReasonMissing):
        propose(failed, "retry", one, reason=" ")
    with pytest.raises(OwnWork):
        propose(failed, "retry", ada.user)
    decision = propose(failed, "retry", one)
    with pytest.raises(SamePerson):
        approve(decision, one)
    with pytest.raises(StepUpRequired):
        approve(decision, two, fresh=False)
    with pytest.raises(OwnWork):
        approve(decision, ada.user)
    with pytest.raises(IntegrityError, match="two_people"), transaction.atomic():
        PayoutDecision.objects.update(decided_by=one, status="approved")
    story.send_and_track(LATER)
    assert (status_of(failed), ProviderMovement.objects.filter(state="paid").count()) == ("failed", 0)


def test_one_proposal_at_a_time_and_a_refused_one_changes_nothing(failed: Payout) -> None:
    one, two = story.new_user("One"), story.new_user("Two")
    decision = propose(failed, "retry", one)
    assert decision is not None
    with pytest.raises(DecisionPending):
        propose(failed, "cancel", two)
    with unit_of_work(SYSTEM), pytest.raises(SamePerson):
        payout_decisions.refuse(decision=decision, reason="No", by=one, now=LATER)
    with unit_of_work(SYSTEM):
        payout_decisions.refuse(decision=decision, reason="Ask him first", by=two, now=LATER)
    with pytest.raises(InvalidTransition):
        approve(decision, two)
    assert status_of(failed) == "failed"
    approve(propose(failed, "cancel", two), one)
    assert status_of(failed) == "cancelled"


def test_an_account_that_changed_after_the_proposal_gets_nothing(failed: Payout, ada: Expert) -> None:
    decision = propose(failed, "retry", story.new_user("One"))
    story.add_method(ada, account="thief-0001", now=NOW)
    with pytest.raises(DestinationChanged):
        approve(decision, story.new_user("Two"))
    story.send_and_track(LATER)
    assert status_of(failed) == "failed"


def test_what_the_state_forbids_cannot_be_proposed(failed: Payout) -> None:
    approve(propose(failed, "retry", story.new_user("One")), story.new_user("Two"))
    story.send_and_track(LATER)
    for act in ("retry", "resume", "cancel"):
        with pytest.raises(InvalidTransition):
            propose(failed, act, story.new_user("Three"))


def test_a_payout_that_nobody_heard_of_is_cancelled_by_one_and_he_is_told(ada: Expert) -> None:
    payout = Payout.objects.get()
    assert propose(payout, "cancel", story.new_user("One"), reason="Wrong cutoff.") is None
    assert (status_of(payout), story.owed(ada)) == ("cancelled", 20_000)
    notice = Notice.objects.get(kind="payout.cancelled", expert=ada)
    assert "Wrong cutoff." in notice.body
    assert f"/api/v1/expert/appeals with the subject {payout.public_id}." in notice.body


def test_one_that_a_provider_heard_of_needs_two(ada: Expert) -> None:
    story.fault("rate_limited", account="acct-ada", times=5)
    story.send_and_track()
    with unit_of_work(SYSTEM):
        sending.take(now=LATER)
    payout = Payout.objects.get()
    assert payout.attempts.exists()
    if status_of(payout) == "sending":
        with pytest.raises(InvalidTransition):
            propose(payout, "cancel", story.new_user("One"))
    else:
        assert propose(payout, "cancel", story.new_user("One")) is not None
    assert story.owed(ada) in {0, 20_000}


def test_the_database_asks_for_two_people_whoever_moves_it(failed: Payout) -> None:
    """Neither the operation alone nor SQL sends it again or gives it up; and a decision serves once."""
    one, two = story.new_user("One"), story.new_user("Two")
    for step in (payouts.retry, payouts.cancel):
        with pytest.raises(IntegrityError, match="two people decide"), unit_of_work(SYSTEM):
            step(payout=failed, by=one, now=LATER)
    with pytest.raises(IntegrityError, match="two people decide"), unit_of_work(SYSTEM):
        Payout.objects.filter(pk=failed.pk).update(status="ready", next_attempt_at=LATER)
    approve(propose(failed, "retry", one), two)
    story.fault("reject", code="AC04", account="acct-ada")
    story.send_and_track(LATER)
    assert status_of(failed) == "failed"
    with pytest.raises(IntegrityError, match="two people decide"), unit_of_work(SYSTEM):
        payouts.retry(payout=failed, by=one, now=LATER + dt.timedelta(hours=1))
    story.send_and_track(LATER + dt.timedelta(hours=2))
    assert (status_of(failed), ProviderMovement.objects.filter(state="paid").count()) == ("failed", 0)


@pytest.mark.parametrize(("act", "sent"), [("retry", True), ("resume", False)])
def test_the_database_knows_a_retry_from_a_resume(failed: Payout, act: str, sent: bool) -> None:
    """Whoever wrote the decision past the operations, and then moves the payout by SQL."""
    decided(failed, act)
    assert moved_by_sql(failed) is sent


@pytest.mark.parametrize(("act", "sent"), [("resume", True), ("retry", False)])
def test_the_database_knows_a_resume_from_a_retry(ada: Expert, act: str, sent: bool) -> None:
    story.block(ada, by=story.new_user("Judge"))
    sending.send_due(now=NOW)
    held = Payout.objects.get(status="on_hold")
    decided(held, act)
    assert moved_by_sql(held) is sent


def test_the_expert_hears_once_that_it_is_sent_again_and_when_it_comes(ada: Expert, failed: Payout) -> None:
    decision = propose(failed, "retry", story.new_user("One"))
    assert not Notice.objects.filter(expert=ada, kind="payout.retried").exists()
    approve(decision, story.new_user("Two"))
    message = Notice.objects.get(expert=ada, kind="payout.retried")
    assert (message.subject, message.title) == (failed.public_id, "Your payout of 200.00 USD is sent again")
    assert f"by {arrival_of('USD', LATER.date()).isoformat()}" in message.body
    assert failed.public_id in message.link


def test_the_expert_hears_once_that_it_goes_on_and_when_it_comes(ada: Expert) -> None:
    story.block(ada, by=story.new_user("Judge"))
    sending.send_due(now=NOW)
    held = Payout.objects.get(status="on_hold")
    story.unblock(ada)
    decision = propose(held, "resume", story.new_user("One"))
    assert decision is not None
    refused = story.new_user("Two")
    assert decision is not None
    with unit_of_work(SYSTEM):
        payout_decisions.refuse(decision=decision, reason="Not yet.", by=refused, now=LATER)
    assert not Notice.objects.filter(expert=ada, kind="payout.resumed").exists()
    approve(propose(held, "resume", story.new_user("Three")), refused)
    message = Notice.objects.get(expert=ada, kind="payout.resumed")
    assert (message.subject, message.title) == (held.public_id, "Your payout of 200.00 USD goes on")
    assert f"by {arrival_of('USD', LATER.date()).isoformat()}" in message.body


def decided(payout: Payout, act: str) -> None:
    with unit_of_work(SYSTEM):
        PayoutDecision.objects.create(
            payout=payout,
            act=act,
            status="approved",
            payout_method=payout.payout_method,
            reason="Why not",
            proposed_by=story.new_user("One"),
            proposed_at=LATER,
            decided_by=story.new_user("Two"),
            decided_at=LATER,
        )


def moved_by_sql(payout: Payout) -> bool:
    with contextlib.suppress(IntegrityError), unit_of_work(SYSTEM):
        Payout.objects.filter(pk=payout.pk).update(status="ready", next_attempt_at=LATER)
    return status_of(payout) == "ready"


def test_what_was_given_back_leaves_again_only_by_a_retry(ada: Expert, failed: Payout) -> None:
    """A refused payout is owed again: whoever let it go on unbooked would pay it now and with the next run."""
    with pytest.raises(InvalidTransition):
        propose(failed, "resume", story.new_user("One"))
    with pytest.raises(InvalidTransition):
        story.act(payouts.resume, payout=failed)
    story.send_and_track(LATER)
    assert (status_of(failed), story.owed(ada)) == ("failed", 20_000)
    assert list(ProviderMovement.objects.values_list("state", flat=True)) == ["rejected"]


def test_what_is_still_under_way_is_not_retried(ada: Expert) -> None:
    """It left the expert's account once: a retry would book it a second time, against his next pay."""
    ProviderFault.objects.all().delete()
    story.fault("timeout_executed", account="acct-ada")
    sending.send_due(now=NOW)
    unknown = Payout.objects.get(status="unknown")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    for act, operation in (("retry", payouts.retry), ("resume", payouts.resume), ("cancel", payouts.cancel)):
        with pytest.raises(InvalidTransition):
            propose(unknown, act, story.new_user("One"))
        with pytest.raises((InvalidTransition, OutcomeOpen)):
            story.act(operation, payout=unknown)
    assert (status_of(unknown), story.owed(ada)) == ("unknown", 20_000)


def test_what_waits_is_let_go_on_and_not_retried(ada: Expert) -> None:
    story.block(ada, by=story.new_user("Judge"))
    sending.send_due(now=NOW)
    held = Payout.objects.get(status="on_hold")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    with pytest.raises(InvalidTransition):
        propose(held, "retry", story.new_user("One"))
    with pytest.raises(InvalidTransition):
        story.act(payouts.retry, payout=held)
    assert (status_of(held), story.owed(ada)) == ("on_hold", 20_000)
