"""What the rounds hear of transfers that are older than their payment, or that a provider made twice."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from payments.models import Payout, ProviderEntry
from payments.operations.rails import payout_decisions
from tests.payments import ledger_story as story
from tests.payments.ledger_story import platform
from tests.payments.rounds_world import all_paid, days, morning, reconcile, tick
from tests.payments.stripe_world import AMOUNT, DAY, HOUR, assert_the_books_hold, fake, onboarded, work
from tests.payments.test_asking_providers import statuses
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["fake"]


def test_what_was_under_way_for_weeks_is_heard_when_it_is_paid_and_when_it_comes_back(fake: Fake) -> None:
    """An account that Stripe stopped for three weeks: its transfer is older than the rounds look back."""
    story.earn(onboarded(fake), AMOUNT, lab=story.new_lab(funded=AMOUNT))
    story.released_run()
    began = morning(fake)
    work(began)
    paid = began + 20 * DAY
    assert statuses() == ["in_transit"]
    fake.books.settle()
    work(paid)
    assert statuses() == ["paid"]
    reconcile(paid + HOUR)
    assert list(ProviderEntry.objects.values_list("kind", "amount_minor")) == [("payout", -AMOUNT)]
    reconcile(paid + DAY)
    assert days() == [("closed", "")]
    (payout,) = fake.books.payouts
    fake.books.fail_payout(payout, "no_account")
    tick(paid + 10 * DAY)
    assert statuses() == ["returned"]
    assert_the_books_hold()


def test_a_second_transfer_that_was_taken_back_by_hand_is_no_return_of_the_first(fake: Fake) -> None:
    paid = all_paid(fake, 1)
    reconcile(paid)
    (first,) = fake.books.transfers.values()
    given = {name: first[name] for name in ("amount", "currency", "destination", "metadata", "transfer_group")}
    second = fake.books.create_transfer(given)
    fake.books.reverse(second["id"], {})
    with capture_logs() as logs:
        tick(paid + DAY)
    assert statuses() == ["paid"], "the first one stands, and its money arrived"
    assert [line["movement"] for line in logs if line["event"] == "payout_moved_twice"] == [second["id"]]
    assert_the_books_hold()


def test_an_attempt_that_failed_never_left_though_the_one_after_it_was_paid(fake: Fake) -> None:
    """Its transfer was reversed before any bank was paid: no movement to look for."""
    expert = onboarded(fake)
    story.earn(expert, AMOUNT, lab=story.new_lab(funded=AMOUNT))
    story.released_run()
    began = morning(fake)
    work(began)
    (payout,) = fake.books.payouts
    fake.books.fail_payout(payout, "no_account")
    work(began + HOUR)
    assert statuses() == ["failed"]
    one, two = story.new_user("One"), story.new_user("Two")
    with platform():
        made = payout_decisions.propose(
            payout=Payout.objects.get(), act="retry", reason="It works now.", recently_authenticated=True, by=one,
            now=began + 2 * HOUR,
        )  # fmt: skip
        assert made is not None
        payout_decisions.approve(decision=made, recently_authenticated=True, by=two, now=began + 2 * HOUR)
    work(began + 2 * HOUR)
    fake.books.settle()
    work(began + 3 * HOUR)
    assert statuses() == ["paid"]
    reconcile(began + 4 * HOUR)
    reconcile(began + DAY + HOUR)
    assert list(ProviderEntry.objects.values_list("kind", "amount_minor")) == [("payout", -AMOUNT)]
    assert days() == [("closed", "")]
    assert_the_books_hold()
