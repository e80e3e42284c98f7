"""An expert's own account at Stripe: opened, linked, ready, restricted; over HTTP and through the jobs."""

from __future__ import annotations

from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from core import clock
from core.problems import DomainError
from experts.public import Notice
from payments import jobs
from payments.models import PayeeAccount, PayoutMethod
from payments.operations.payee import onboarding, payees
from payments.providers.port import Payee, PayeeStanding
from payments.providers.stripe_connect import StripeConnectProvider
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.stripe_world import DAY, HOUR, MINUTE, break_once, events, fake, hooked, start, work
from tests.payments.test_money_api import expert_caller, get, post
from tests.stripe_fake.server import Fake

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["fake", "hooked"]
STRIPE = {"type": "stripe_account", "currency": "USD", "country": "US", "holder": "Ada", "details": {}}


@pytest.fixture
def ada(fake: Fake) -> Caller:
    return expert_caller(story.new_expert(ready=False))


def added(caller: Caller, **changed: Any) -> str:
    answer = post(caller, "expert/payout-methods", {**STRIPE, **changed})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def shown(caller: Caller, method: str) -> Any:
    return get(caller, f"expert/payout-methods/{method}").json()


def test_from_the_first_call_to_an_account_that_can_be_paid(hooked: Fake, ada: Caller) -> None:
    (option,) = get(ada, "expert/payout-methods/options?currency=USD&country=US").json()
    assert (option["type"], option["details"], option["onboarding"]) == ("stripe_account", [], True)
    method = added(ada)
    assert shown(ada, method)["onboarding"] == {"status": "opening", "url": None, "expires_at": None, "due": []}
    work(start())
    pending = shown(ada, method)
    account = PayeeAccount.objects.get().account
    assert (pending["status"], pending["onboarding"]["status"]) == ("pending", "onboarding")
    assert pending["onboarding"]["url"].startswith(f"{hooked.base}/setup/{account}/")
    assert pending["onboarding"]["due"] == ["external_account"]
    hooked.books.finish_onboarding(account)
    assert hooked.deliver(hooked.books.events[-1]) == 200
    work(start())
    ready = shown(ada, method)
    assert (ready["status"], ready["onboarding"]["status"]) == ("active", "ready")
    assert (ready["account"], ready["onboarding"]["url"]) == (f"••••{account[-4:]}", None)
    assert ready["usable_from"] > ready["created_at"]
    assert events() == [("account.updated", "handled", "")]
    (opened,) = hooked.posts("/v1/accounts")
    assert opened.params["settings"]["payouts"]["schedule"]["interval"] == "manual"


def test_the_account_is_found_ready_without_any_event(fake: Fake, ada: Caller) -> None:
    method = added(ada)
    work(start())
    fake.books.finish_onboarding(PayeeAccount.objects.get().account)
    work(start() + HOUR)
    assert shown(ada, method)["status"] == "active"


def test_an_answer_that_an_event_overtook_is_not_written_over_what_came_after_it(
    hooked: Fake, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who asked first was told that the account is not ready, and writes it down last."""
    method, at = added(ada), start() + HOUR
    work(start())
    account = PayeeAccount.objects.get().account
    real = StripeConnectProvider.payee_standing
    overtaken: list[bool] = []

    def slow(self: StripeConnectProvider, name: str) -> PayeeStanding:
        found = real(self, name)
        if not overtaken:
            overtaken.append(found.is_ready)
            hooked.books.finish_onboarding(account)
            assert hooked.deliver(hooked.books.events[-1]) == 200
            with clock.frozen(at + MINUTE):
                jobs.handle_inbound()
        return found

    monkeypatch.setattr(StripeConnectProvider, "payee_standing", slow)
    with clock.frozen(at):
        jobs.onboard_payees()
    assert overtaken == [False]
    assert shown(ada, method)["status"] == "active"
    told = Notice.objects.filter(kind__startswith="payout_account.")
    assert list(told.values_list("kind", flat=True)) == ["payout_account.ready"]


def test_a_link_is_good_once_and_a_fresh_one_is_asked_for(fake: Fake, ada: Caller) -> None:
    method = added(ada)
    work(start())
    first = shown(ada, method)["onboarding"]["url"]
    with clock.frozen(start() + HOUR):
        assert shown(ada, method)["onboarding"]["url"] is None
    answer = post(ada, f"expert/payout-methods/{method}/onboarding", {})
    assert (answer.status_code, answer.json()["onboarding"]["url"]) == (202, None)
    work(start())
    second = shown(ada, method)["onboarding"]["url"]
    assert first != second
    assert second.startswith(f"{fake.base}/setup/")


def test_there_is_nothing_to_onboard_elsewhere_or_when_it_is_done(fake: Fake, ada: Caller) -> None:
    method = added(ada)
    work(start())
    fake.books.finish_onboarding(PayeeAccount.objects.get().account)
    work(start() + HOUR)
    stranger = expert_caller(story.new_expert(ready=False))
    assert post(ada, f"expert/payout-methods/{method}/onboarding", {}).json()["code"] == "nothing_to_onboard"
    assert post(stranger, f"expert/payout-methods/{method}/onboarding", {}).status_code == 404
    assert post(ada, f"expert/payout-methods/{method}/onboarding", {"return_url": "https://evil"}).status_code == 400


@pytest.mark.parametrize("kind", ["timeout_executed", "timeout_not_executed", "rate_limited"])
def test_one_account_is_opened_whatever_stripe_answers(fake: Fake, ada: Caller, kind: str) -> None:
    added(ada)
    break_once(fake, kind, match="POST /v1/accounts")
    work(start())
    assert PayeeAccount.objects.get().status == "opening"
    work(start() + HOUR)
    assert (PayeeAccount.objects.get().status, len(fake.books.accounts)) == ("onboarding", 1)


def test_the_same_account_serves_the_next_method_at_once_and_the_hold_runs_all_the_same(
    fake: Fake, ada: Caller
) -> None:
    added(ada)
    work(start())
    fake.books.finish_onboarding(PayeeAccount.objects.get().account)
    work(start() + HOUR)
    second = shown(ada, added(ada))
    assert (second["status"], second["usable_from"] > second["created_at"]) == ("active", True)
    assert list(PayoutMethod.objects.order_by("pk").values_list("status", flat=True)) == ["replaced", "active"]
    assert len(fake.books.accounts) == 1


def test_a_restricted_account_is_not_paid_to_until_stripe_says_so(hooked: Fake, ada: Caller) -> None:
    method = added(ada)
    work(start())
    account = PayeeAccount.objects.get().account
    hooked.books.finish_onboarding(account)
    work(start() + HOUR)
    hooked.books.restrict(account, "requirements.past_due")
    hooked.deliver(hooked.books.events[-1])
    work(start() + HOUR)
    restricted = shown(ada, method)
    assert (restricted["status"], restricted["onboarding"]["status"]) == ("pending", "restricted")
    assert restricted["onboarding"]["due"] == ["individual.id_number"]
    assert "requirements.past_due" in Notice.objects.get(kind="payout_account.restricted").body
    hooked.books.finish_onboarding(account)
    work(start() + 2 * DAY)
    assert shown(ada, method)["status"] == "active"


def test_an_account_that_is_gone_is_closed_and_a_new_one_is_opened_for_the_next_method(fake: Fake, ada: Caller) -> None:
    method = added(ada)
    work(start())
    first = PayeeAccount.objects.get().account
    fake.books.finish_onboarding(first)
    work(start() + HOUR)
    del fake.books.accounts[first]
    work(start() + 2 * DAY)
    closed = shown(ada, method)
    assert (closed["status"], closed["onboarding"]["status"]) == ("pending", "closed")
    assert Notice.objects.filter(kind="payout_account.closed").count() == 1
    added(ada)
    work(start() + 2 * DAY)
    assert list(PayeeAccount.objects.order_by("pk").values_list("status", flat=True)) == ["closed", "onboarding"]


def test_nobody_at_the_desk_vouches_for_an_account_at_stripe(fake: Fake, ada: Caller) -> None:
    added(ada)
    with pytest.raises(DomainError) as refusal, story.platform():
        payees.verify_method(method=PayoutMethod.objects.get(), by=story.new_user("Fin"), now=start())
    assert refusal.value.code == "provider_verifies"


def test_a_country_that_stripe_refuses_is_told(fake: Fake, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stripe_fake.idempotency import Refusal

    def refuse(_params: Any) -> Any:
        raise Refusal(400, "invalid_request_error", "country_unsupported")

    monkeypatch.setattr(fake.books, "create_account", refuse)
    method = added(ada)
    work(start())
    assert shown(ada, method)["onboarding"]["status"] == "refused"
    assert "country_unsupported" in Notice.objects.get(kind="payout_account.refused").body
    with clock.frozen(start() + MINUTE):
        jobs.onboard_payees()
    assert len(fake.posts("/v1/accounts")) == 1


def test_the_others_do_not_wait_behind_an_account_that_takes_all_the_time(
    fake: Fake, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = added(ada)
    added(expert_caller(story.new_expert("Bob", ready=False)), holder="Bob")
    mine = PayeeAccount.objects.get(methods__public_id=slow).public_id
    real = StripeConnectProvider.open_account

    def open_account(self: StripeConnectProvider, payee: Payee) -> str:
        if payee.reference == mine:
            raise SoftTimeLimitExceeded
        return real(self, payee)

    monkeypatch.setattr(StripeConnectProvider, "open_account", open_account)
    for at in (start(), start() + onboarding.LEASE):
        with pytest.raises(SoftTimeLimitExceeded):
            onboarding.onboard_due(now=at)
    assert list(PayeeAccount.objects.order_by("pk").values_list("status", flat=True)) == ["opening", "onboarding"]
