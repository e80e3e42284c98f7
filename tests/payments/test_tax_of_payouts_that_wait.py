"""A payout that failed or waits is sent with the tax of its calculation, or, when that changed since, not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from core import clock
from core.public import unit_of_work
from experts.public import Expert
from payments.models import Payout, PayoutDecision, ProviderMovement, TaxProfile
from payments.operations.rails import payouts, sending
from payments.operations.rails.payout_tax import TaxChanged
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_api import expert_caller, post
from tests.payments.test_money_desk import RELEASE, Desk
from tests.payments.test_tax_papers import W8BEN, W9, profile_of
from tests.payments.test_withholding import assert_the_books_hold

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + dt.timedelta(days=5)
NEXT_RUN = NOW + dt.timedelta(days=7)


@pytest.fixture
def ada() -> Expert:
    """Ada's payout of 200.00 USD failed."""
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.fault("reject", code="AC04", account="acct-ada")
    story.released_run()
    story.send_and_track()
    assert Payout.objects.get().status == "failed"
    return expert


def withheld(expert: Expert) -> None:
    desk = Desk("withhold_tax")
    desk.act("taxprofile", "withhold", profile_of(expert).pk, confirmed="1", reason="CP2100A", choice="tin_incorrect")
    assert profile_of(expert).withholding_bp == 2_400


def signed_elsewhere(expert: Expert) -> None:
    assert post(expert_caller(expert), "expert/tax-profile", W8BEN).status_code == 201


def expired(expert: Expert) -> None:
    with unit_of_work(SYSTEM):
        TaxProfile.objects.filter(expert=expert).update(expires_at=LATER)


def missing(expert: Expert) -> None:
    with unit_of_work(SYSTEM):
        TaxProfile.objects.filter(expert=expert).delete()


CHANGES = [withheld, signed_elsewhere, expired, missing]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_two_people_cannot_send_it_with_the_tax_of_then(ada: Expert, change: Callable[[Expert], None]) -> None:
    one, two = Desk(*RELEASE), Desk(*RELEASE)
    payout = Payout.objects.get()
    with clock.frozen(LATER):
        one.prove()
        two.prove()
        one.act("payout", "retry", payout.pk, confirmed="yes", reason="The bank was closed.")
        proposal = PayoutDecision.objects.get()
        change(ada)
        page = two.act("payoutdecision", "approve", proposal.pk, confirmed="yes").content.decode()
        assert "cancel it, the next run pays" in page
        two.act("payoutdecision", "refuse", proposal.pk, confirmed="yes", reason="Its tax changed.")
        assert PayoutDecision.objects.get().status == "refused"
        page = one.act("payout", "retry", payout.pk, confirmed="yes", reason="Once more.").content.decode()
    assert "cancel it, the next run pays" in page
    assert PayoutDecision.objects.count() == 1
    story.send_and_track(LATER)
    payout.refresh_from_db()
    assert (payout.status, story.owed(ada)) == ("failed", 20_000)
    assert list(ProviderMovement.objects.values_list("state", flat=True)) == ["rejected"]
    assert_the_books_hold()


def test_cancelled_it_is_paid_by_the_next_run_with_the_tax_of_then(ada: Expert) -> None:
    with clock.frozen(LATER):
        withheld(ada)
    story.act(payouts.cancel, payout=Payout.objects.get(), now=LATER)
    story.released_run(now=NEXT_RUN)
    story.send_and_track(NEXT_RUN)
    paid = Payout.objects.get(status="paid")
    assert (paid.amount_minor, paid.withheld_minor) == (15_200, 4_800)
    assert_the_books_hold()


def test_the_same_tax_signed_again_changes_nothing(ada: Expert) -> None:
    assert post(expert_caller(ada), "expert/tax-profile", {**W9, "tax_id": "12-3456789"}).status_code == 201
    story.act(payouts.retry, payout=Payout.objects.get(), now=LATER)
    story.send_and_track(LATER)
    assert Payout.objects.get().status == "paid"
    assert_the_books_hold()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_held_before_anybody_was_asked_does_not_go_on_with_it(change: Callable[[Expert], None]) -> None:
    ada = story.new_expert(account="acct-ada")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    story.block(ada, by=story.new_user("Judge"))
    sending.send_due(now=NOW)
    held = Payout.objects.get(status="on_hold")
    assert not held.attempts.exists()
    story.unblock(ada)
    with clock.frozen(LATER):
        change(ada)
    with pytest.raises(TaxChanged):
        story.act(payouts.resume, payout=held, now=LATER)
    story.act(payouts.cancel, payout=held, now=LATER)
    assert (ProviderMovement.objects.exists(), story.owed(ada)) == (False, 20_000)
    assert_the_books_hold()
