"""Providers at the desk: the inbox, the experts' accounts, the rails and what is stuck; to look at, with one action."""

from __future__ import annotations

import pytest

from core import clock
from payments.models import InboundEvent, PayeeAccount, Payout, PayoutAttempt
from tests.payments import ledger_story as story
from tests.payments.stripe_world import DAY, events, fake, start, to_be_paid, work
from tests.payments.test_money_desk import Desk
from tests.payments.test_provider_events import of_something, post
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["fake"]


@pytest.fixture
def failed(fake: Fake) -> InboundEvent:
    """An event about money that we know nothing of."""
    raw, signature = fake.sign(of_something())
    assert post(raw, signature).status_code == 200
    for days in range(4):
        work(start() + days * DAY)
    assert events() == [("payout.paid", "failed", "unknown_object")]
    return InboundEvent.objects.get()


def test_a_failed_event_is_handled_again_by_those_who_decide_payouts(failed: InboundEvent) -> None:
    looking, deciding = Desk("verify_payoutmethod"), Desk("decide_payout")
    assert "evt_9" in looking.get("inboundevent/?status__exact=failed").content.decode()
    looking.act("inboundevent", "handle_again", failed.pk, confirmed="yes")
    assert events() == [("payout.paid", "failed", "unknown_object")]
    deciding.act("inboundevent", "handle_again", failed.pk, confirmed="yes")
    assert events() == [("payout.paid", "received", "")]
    page = deciding.get(f"inboundevent/{failed.pk}/change/").content.decode()
    assert ("po_9" in page, "metadata" in page) == (True, False)


def test_crafted_posts_change_neither_events_nor_accounts(fake: Fake, failed: InboundEvent) -> None:
    to_be_paid(fake)
    account = PayeeAccount.objects.get()
    desk = Desk("decide_payout", "verify_payoutmethod")
    for path, fields in (
        (f"inboundevent/{failed.pk}/change/", {"status": "handled"}),
        (f"inboundevent/{failed.pk}/delete/", {"post": "yes"}),
        (f"payeeaccount/{account.pk}/change/", {"account": "acct_mine", "status": "ready"}),
        (f"payeeaccount/{account.pk}/delete/", {"post": "yes"}),
        ("payeeaccount/add/", {"account": "acct_mine"}),
    ):
        assert desk.post(path, **fields).status_code == 403
    assert (InboundEvent.objects.get().status, PayeeAccount.objects.get().account) == ("failed", account.account)


def test_the_link_to_the_providers_pages_is_the_experts_alone(fake: Fake) -> None:
    to_be_paid(fake)
    PayeeAccount.objects.update(link_url="https://stripe.example/setup/secret")
    page = Desk("decide_payout").get(f"payeeaccount/{PayeeAccount.objects.get().pk}/change/").content.decode()
    assert "acct_" in page
    assert "setup/secret" not in page


def test_the_rails_are_shown_beside_the_methods(fake: Fake) -> None:
    page = Desk("verify_payoutmethod").get("payoutmethod/").content.decode()
    assert "stripe_account * * → stripe_connect" in page


def test_methods_that_the_provider_verifies_are_not_in_the_queue(fake: Fake) -> None:
    to_be_paid(fake)
    page = Desk("verify_payoutmethod").get("payoutmethod/?status__exact=pending&payee_account__isnull=True")
    assert (page.status_code, page.redirect_chain) == (200, [])


def test_what_is_stuck_stands_in_a_queue(fake: Fake) -> None:
    to_be_paid(fake)
    work(start())
    desk = Desk("decide_payout")
    payout = Payout.objects.get()
    assert payout.public_id not in desk.get("payout/?stuck=yes").content.decode()
    with story.platform():
        PayoutAttempt.objects.update(first_sent_at=clock.now() - 8 * DAY)
    assert payout.public_id in desk.get("payout/?stuck=yes").content.decode()
