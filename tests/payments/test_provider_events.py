"""The inbox: what Stripe tells us is verified, kept once, answered, and looked into; it may be late, doubled or missing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from core import clock
from payments import jobs
from payments.models import InboundEvent
from payments.operations.payee import onboarding
from payments.operations.rails import inbox
from payments.operations.rails.inbox import EventInHand
from tests.payments import ledger_story as story
from tests.payments.stripe_world import (
    AMOUNT,
    DAY,
    HOUR,
    MINUTE,
    all_at_once,
    assert_the_books_hold,
    break_once,
    events,
    fake,
    hooked,
    moved,
    paid_once,
    start,
    the_payout,
    to_be_paid,
    work,
)
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["fake", "hooked"]
ADDRESS = "/api/v1/providers/stripe_connect/events"


def post(raw: bytes, signature: str = "", *, path: str = ADDRESS, kind: str = "application/json") -> Any:
    headers = {"Stripe-Signature": signature} if signature else {}
    return Client().post(path, raw, content_type=kind, headers=headers)


def of_kind(fake: Fake, kind: str) -> dict[str, Any]:
    return next(event for event in fake.books.events if event["type"] == kind)


def sent_and_paid_at_stripe(fake: Fake) -> None:
    """The payout is under way here, and paid there."""
    to_be_paid(fake)
    work(start())
    assert the_payout().status == "in_transit"
    fake.books.settle()


def test_a_webhook_five_times_in_parallel_is_one_row_and_one_payment(hooked: Fake) -> None:
    sent_and_paid_at_stripe(hooked)
    assert all_at_once(hooked, of_kind(hooked, "payout.paid"), 5) == [200] * 5
    assert events() == [("payout.paid", "received", "")]
    work(start())
    assert (events(), the_payout().status) == ([("payout.paid", "handled", "")], "paid")
    assert hooked.deliver(of_kind(hooked, "payout.paid")) == 200
    work(start())
    assert (events(), paid_once(hooked)) == ([("payout.paid", "handled", "")], True)
    assert_the_books_hold()


def test_events_in_the_wrong_order_lead_to_the_same_end(hooked: Fake) -> None:
    sent_and_paid_at_stripe(hooked)
    for event in reversed(hooked.books.events):
        assert hooked.deliver(event) == 200
    work(start())
    assert (the_payout().status, {status for _kind, status, _code in events()}) == ("paid", {"handled"})
    assert_the_books_hold()


def test_paid_then_failed_three_days_later(hooked: Fake) -> None:
    sent_and_paid_at_stripe(hooked)
    hooked.deliver(of_kind(hooked, "payout.paid"))
    work(start())
    payout = the_payout()
    assert payout.status == "paid"
    (payout_id,) = hooked.books.payouts
    hooked.books.fail_payout(payout_id, "account_closed")
    assert hooked.deliver(of_kind(hooked, "payout.failed")) == 200
    hooked.deliver(of_kind(hooked, "payout.paid"))
    work(start() + 3 * DAY)
    assert (the_payout().status, the_payout().reason_code) == ("returned", "account_closed")
    assert (story.owed(payout.expert), moved(hooked)) == (AMOUNT, (0, 0, 0))
    assert_the_books_hold()


def test_a_webhook_that_never_comes_costs_time_only(fake: Fake) -> None:
    sent_and_paid_at_stripe(fake)
    work(start() + 10 * MINUTE)
    assert (the_payout().status, InboundEvent.objects.count()) == ("paid", 0)


@pytest.mark.parametrize(
    "forge",
    [
        lambda fake, raw: fake.sign({"id": "evt_1"}, secret="whsec_wrong")[1],
        lambda fake, raw: fake.sign({"id": "evt_other"})[1],
        lambda fake, raw: fake.sign({"id": "evt_1"}, at=int(time.time()) - 301)[1],
        lambda fake, raw: "t=now,v1=abc",
        lambda fake, raw: "",
    ],
    ids=["another secret", "other bytes", "stale", "no timestamp", "no signature"],
)
def test_what_stripe_did_not_sign_just_now_leaves_no_trace(fake: Fake, forge: Any) -> None:
    raw, _signature = fake.sign({"id": "evt_1"})
    answer = post(raw, forge(fake, raw))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event_signature")
    assert not InboundEvent.objects.exists()


def test_the_age_of_a_signature_is_real_time_whatever_the_application_thinks(fake: Fake) -> None:
    raw, signature = fake.sign(of_something())
    with clock.frozen(start() + 30 * DAY):
        assert post(raw, signature).status_code == 200


def test_a_former_secret_still_counts_and_any_media_type_is_read_as_it_came(fake: Fake) -> None:
    raw, signature = fake.sign(of_something(), secret="whsec_former")
    assert post(raw, signature, kind="text/plain").json() == {"received": 1}
    assert bytes(InboundEvent.objects.get().raw) == raw


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"", b"[]", b"null", b'{"id": "evt_1"}'])
def test_nonsense_is_refused_even_when_it_is_signed(fake: Fake, raw: bytes) -> None:
    try:
        import stripe

        signature = stripe.WebhookSignature.generate_signature_header(raw.decode(), fake.secret)
    except UnicodeDecodeError:
        signature = "t=1,v1=1"
    assert post(raw, signature).status_code == 400
    assert not InboundEvent.objects.exists()


def test_only_providers_that_send_events_have_an_address(fake: Fake) -> None:
    for name in ("sandbox", "nobody", "stripe_connect%00"):
        assert post(b"{}", "x", path=f"/api/v1/providers/{name}/events").status_code == 404
    assert Client().get(ADDRESS).status_code == 405


def test_a_body_that_is_too_large_is_not_read(fake: Fake) -> None:
    assert post(b"x" * (512 * 1024 + 1), "t=1,v1=1").status_code == 413


def test_events_of_no_concern_are_kept_and_ignored(fake: Fake) -> None:
    raw, signature = fake.sign({**of_something(), "type": "customer.created"})
    assert post(raw, signature).status_code == 200
    assert events() == [("customer.created", "ignored", "")]


def test_money_that_we_know_nothing_of_waits_for_a_person(fake: Fake) -> None:
    raw, signature = fake.sign(of_something())
    assert post(raw, signature).status_code == 200
    now = start()
    for wait in (0, 5, 15, 30):
        work(now + wait * MINUTE)
    assert events() == [("payout.paid", "failed", "unknown_object")]
    event = InboundEvent.objects.get()
    with story.platform():
        inbox.handle_again(event=event, now=now + HOUR)
    assert events() == [("payout.paid", "received", "")]
    with pytest.raises(EventInHand), story.platform():
        inbox.handle_again(event=event, now=now + HOUR)


def test_a_payout_of_ours_that_this_database_never_heard_of_stops_all_sending(fake: Fake) -> None:
    """The database was restored from before it: nothing more is sent until finance has reconciled."""
    raw, signature = fake.sign(of_something(cadre_key="pay_01k9w3v6z8f2qr5t4h7xnm0ceg-1"))
    assert post(raw, signature).status_code == 200
    to_be_paid(fake)
    work(start())
    assert (the_payout().status, fake.posts("/v1/transfers")) == ("ready", [])


def test_an_event_is_looked_into_again_while_stripe_cannot_be_asked(hooked: Fake) -> None:
    sent_and_paid_at_stripe(hooked)
    hooked.deliver(of_kind(hooked, "payout.paid"))
    break_once(hooked, "dropped_executed", match="GET /v1/transfers", times=1)
    now = start()
    with clock.frozen(now):
        jobs.handle_inbound()
    assert events() == [("payout.paid", "received", "provider_unavailable")]
    with clock.frozen(now + 5 * MINUTE):
        jobs.handle_inbound()
    assert (events(), the_payout().status) == ([("payout.paid", "handled", "")], "paid")


def test_one_event_that_breaks_its_handler_does_not_stop_the_others(
    hooked: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_and_paid_at_stripe(hooked)
    with story.platform():
        inbox.receive(
            provider="stripe_connect", event_id="evt_0", kind="x", raw=b"", account="acct_bad", now=start() - HOUR
        )
    hooked.deliver(of_kind(hooked, "payout.paid"))

    def breaks(**_: Any) -> bool:
        raise RuntimeError

    monkeypatch.setattr(onboarding, "look_again", breaks)
    with clock.frozen(start()):
        jobs.handle_inbound()
    assert events() == [("x", "received", "internal_error"), ("payout.paid", "handled", "")]


def test_the_rate_of_one_sender_is_limited(fake: Fake, settings: Settings) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "events": "2/600"}
    assert [post(b"{}", "x").status_code for _ in range(3)] == [400, 400, 429]


def of_something(**metadata: str) -> dict[str, Any]:
    """A payout of somebody else's, or of an unknown key of ours."""
    about = {"id": "po_9", "object": "payout", "metadata": metadata}
    return {"id": "evt_9", "object": "event", "type": "payout.paid", "data": {"object": about}}
