"""Nobody moves or creates money alone: whoever proposes may take it back, and a second person proves who he is."""

from __future__ import annotations

import pytest

from core.money import Money
from experts.public import Expert
from payments.models import AdjustmentProposal, PlatformPay
from payments.operations import four_eyes, platform_pay
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, platform
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def stale(*permissions: str) -> Desk:
    """A member of staff whose last proof is older than ten minutes."""
    desk = Desk(*permissions)
    session = desk.client.session
    session["account_authentication_methods"] = []
    session.save()
    desk.prove(seconds_ago=601)
    return desk


def large_bonus(ada: Expert, by: Desk) -> AdjustmentProposal:
    with platform():
        made = platform_pay.pay_bonus(
            expert=ada, amount=Money(100_001, "USD"), reason="Thanks.", decided_by=by.user, now=NOW
        )
    assert isinstance(made, AdjustmentProposal)
    return made


def test_the_second_person_proves_who_he_is() -> None:
    ada, one = story.new_expert(), Desk("adjust_pay")
    proposal = large_bonus(ada, one)
    page = stale("approve_adjustment").act("adjustmentproposal", "approve", proposal.pk, confirmed="yes")
    assert "Prove again who you are" in page.content.decode()
    with platform():
        proposal.refresh_from_db()
        assert (proposal.status, PlatformPay.objects.count()) == ("proposed", 0)
    Desk("approve_adjustment").act("adjustmentproposal", "approve", proposal.pk, confirmed="yes")
    assert story.owed(ada) == 100_001


@pytest.mark.parametrize(
    ("act", "permission"),
    [("correction", "correct_hours"), ("credit_note", "issue_invoice"), ("movement", "reconcile")],
)
def test_whoever_may_propose_withdraws_his_own(act: str, permission: str) -> None:
    one, other = Desk(permission), Desk(permission)
    with platform():
        proposal = four_eyes.propose(
            act=act, amount=Money(100_001, "USD"), reason="Too much.", terms={}, proposed_by=one.user, now=NOW
        )
    page = other.act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    assert "Only its proposer withdraws" in page.content.decode()
    Desk().act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    with platform():
        proposal.refresh_from_db()
        assert proposal.status == "proposed"
    one.act("adjustmentproposal", "withdraw", proposal.pk, confirmed="yes")
    with platform():
        proposal.refresh_from_db()
        assert (proposal.status, proposal.decided_by) == ("withdrawn", one.user)
