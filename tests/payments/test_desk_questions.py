"""What the desk says before and after a button is pressed: what will happen, to whom, how much, and who else decides."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin

from core import clock
from core.confirming import Question
from core.money import Money
from core.public import Tenant
from payments.models import CreditLimit, Funding, PayoutMethod, PlatformPay, Refund
from payments.operations.labs import credit, funding, refunds
from payments.operations.pay.four_eyes import OwnProposal
from payments.operations.rails import payout_decisions
from tests.payments import ledger_story as story
from tests.payments.hours_world import platform
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "Asked the bank."


def questions() -> dict[str, Question]:
    """Every button of the desk that asks first, on every floor."""
    found: dict[str, Question] = {}
    for model, site in admin.site._registry.items():
        for name in site.actions or ():
            asks = getattr(getattr(site, str(name)), "question", None)
            if asks is not None:
                found[f"{model._meta.label}.{name}"] = asks
    return found


def page_of(answer: Any) -> str:
    """Its text, without markup and doubled spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def arrived(lab: Tenant, minor: int) -> int:
    """The key of a transfer that settled at once."""
    with platform():
        return funding.announce(tenant_id=lab.pk, amount=Money(minor, "USD"), by=SYSTEM, now=NOW).pk


def test_every_button_says_what_will_happen_and_what_its_choice_is() -> None:
    found = questions()
    assert len(found) > 75
    assert [name for name, asks in found.items() if not str(asks.effect).endswith(".")] == []
    assert [name for name, asks in found.items() if asks.choices and not asks.which] == []
    silent = [name for name, asks in found.items() if str(asks.description) in str(asks.effect)]
    assert silent == [], "These say no more than their button does."


def test_a_confirmation_tells_who_where_to_and_who_else() -> None:
    ada = story.new_expert("Ada Lovelace", account="acct-ada")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    story.fault("reject", code="AC04", account="acct-ada")
    run = story.released_run()
    story.send_and_track()
    payout = run.payouts.get()
    one = Desk("decide_payout")
    asked = page_of(one.act("payout", "retry", payout.pk))
    assert "Nothing is sent yet: another person with the same right approves it first" in asked
    with platform():
        account = PayoutMethod.objects.get().masked
    for fact in ("This concerns 1 payout. $200.00", "Expert Ada Lovelace", f"Payout method {account}", "Status failed"):
        assert fact in asked, fact
    with platform():
        made = payout_decisions.propose(
            payout=payout, act="retry", reason=WHY, recently_authenticated=True, by=one.user, now=NOW
        )
    assert made is not None
    asked = page_of(Desk("decide_payout").act("payoutdecision", "approve", made.pk))
    for fact in (f"Goes to {account}", f"Reason {WHY}", f"Proposed by {one.user}", "cannot be called back"):
        assert fact in asked, fact


def test_what_only_waits_is_not_told_as_done() -> None:
    ada, desk = story.new_expert(), Desk("adjust_pay")
    with clock.frozen(NOW):
        told = page_of(desk.act("payee", "pay_bonus", ada.pk, confirmed="1", given="2000.00 USD", reason="Thanks."))
    assert "“Pay a bonus from the platform”: 1 proposed, $2,000.00." in told
    assert "Nothing has happened yet: another person has to approve it." in told
    assert "1 done" not in told
    with platform():
        assert not PlatformPay.objects.exists()


def test_what_was_done_is_told_with_its_sum() -> None:
    ada, desk = story.new_expert(), Desk("adjust_pay")
    with clock.frozen(NOW):
        told = page_of(desk.act("payee", "pay_bonus", ada.pk, confirmed="1", given="20.00 USD", reason="Thanks."))
    assert "“Pay a bonus from the platform”: 1 done, $20.00." in told
    assert "approve it" not in told


def test_a_refund_that_waits_says_so_and_shows_its_lab_and_proposer() -> None:
    lab, one = story.new_lab(), Desk("refund_lab")
    told = page_of(one.act("funding", "refund", arrived(lab, 900_000), confirmed="1", reason=WHY))
    assert "1 proposed" in told
    assert "1 done" not in told
    with platform():
        row = Refund.objects.get()
        assert row.status == "proposed"
    asked = page_of(Desk("approve_refund").act("refund", "approve", row.pk))
    for fact in (f"Lab {lab}", f"Proposed by {one.user}", f"Reason {WHY}", "$9,000.00"):
        assert fact in asked, fact
    with platform(), pytest.raises(OwnProposal):
        refunds.approve(refund=row, by=one.user, now=NOW)


def test_nothing_is_chosen_before_somebody_chooses() -> None:
    lab, desk = story.new_lab(), Desk("issue_invoice", "record_charge", "propose_credit", "quote_fx")
    for path in ("bankcharge/fee/", "bankcharge/exchange/", "creditlimit/propose/", "fxquote/quote/"):
        shown = desk.get(path).content.decode()
        selects = re.findall(r"<select[^>]*name=\"\w*(?:currency|sell|buy)\".*?</option>", shown, re.DOTALL)
        assert selects, path
        assert all('value=""' in select for select in selects), path
    sent = {"lab": str(lab.pk), "amount": "10.00", "reason": WHY}
    assert "This field is required." in desk.post("creditlimit/propose/", **sent).content.decode()
    with platform():
        assert not CreditLimit.objects.exists()


def test_a_page_with_a_form_has_its_title_its_effect_and_a_way_back() -> None:
    lab, desk = story.new_lab(), Desk("record_charge", "propose_credit")
    page = desk.get("bankcharge/fee/")
    assert "<h1" in page.content.decode()
    told = page_of(page)
    assert "Record a fee The fee is booked as the platform's cost" in told.replace("&#x27;", "'")
    assert 'href="/admin/payments/bankcharge/"' in page.content.decode()
    fields = {"provider": "bank", "reference": "F-1", "amount": "2.50", "currency": "USD", "reason": WHY}
    with clock.frozen(NOW):
        assert "“Record a fee”: done." in page_of(desk.post("bankcharge/fee/", **fields))
        limit = {"lab": str(lab.pk), "amount": "10.00", "currency": "USD", "reason": WHY}
        told = page_of(desk.post("creditlimit/propose/", **limit))
    assert "10.00 USD: another person has to approve it." in told
    assert "done." not in told
    journal = desk.get("journalentry/export/")
    assert "Export the journal" in page_of(journal)
    assert ">Download</button>" in journal.content.decode()


def test_a_missing_reason_is_said_and_what_was_filled_in_stays() -> None:
    lab, desk = story.new_lab(), Desk("approve_credit")
    with platform():
        row = credit.propose(tenant=lab, limit=Money(900, "USD"), reason=WHY, by=story.new_user(), now=NOW)
    told = page_of(desk.act("creditlimit", "refuse", row.pk, confirmed="yes", reason=" "))
    assert "The reason is missing: say why. Nothing was done." in told
    with platform():
        assert CreditLimit.objects.get().status == "proposed"


def test_who_has_to_prove_himself_is_told_why_before_he_fills_anything_in() -> None:
    """And comes back to the list as he had filtered it."""
    lab = story.new_lab()
    with platform():
        row = credit.propose(tenant=lab, limit=Money(900, "USD"), reason=WHY, by=story.new_user(), now=NOW)
    desk = Desk("approve_credit")
    session = desk.client.session
    session["account_authentication_methods"] = []
    session.save()
    desk.prove(seconds_ago=601)
    sent = {"action": "approve", "_selected_action": str(row.pk)}
    answer = desk.client.post("/admin/payments/creditlimit/?status__exact=proposed", sent)
    assert answer["Location"].endswith("next=%2Fadmin%2Fpayments%2Fcreditlimit%2F%3Fstatus__exact%3Dproposed")
    desk.prove()
    assert "prove who you are first. Then press the button again." in page_of(desk.get("creditlimit/"))


def test_an_empty_list_says_what_would_stand_there() -> None:
    desk = Desk()
    assert "No payouts yet They appear by themselves" in page_of(desk.get("payout/"))
    assert "No payouts fit these filters In a queue that is good news: nothing waits." in page_of(
        desk.get("payout/?status__exact=failed")
    )


def test_a_list_is_headed_by_words() -> None:
    lab, desk = story.new_lab(), Desk()
    arrived(lab, 500)
    shown = page_of(desk.get("funding/"))
    assert " Lab " in shown
    assert "Tenant" not in shown


def test_what_is_told_as_done_is_what_was_truly_moved() -> None:
    """The page knows the most that can go back; less does where the lab has used some of it."""
    lab, one = story.new_lab(funded=100_000), Desk("refund_lab")
    story.earn(story.new_expert(), 20_000, lab=lab)
    with platform():
        row = Funding.objects.get(tenant=lab)
    with clock.frozen(NOW):
        told = page_of(one.act("funding", "refund", row.pk, confirmed="1", reason=WHY))
    with platform():
        made = Refund.objects.get()
    assert 0 < made.amount_minor < 100_000
    assert f"1 done, ${made.amount_minor / 100:.2f}." in told
