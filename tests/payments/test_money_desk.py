"""Finance at the desk: two people, a fresh proof, count and sum before anything moves, and books nobody can edit."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from core import clock
from core.money import Money
from core.public import User
from experts.public import Expert
from payments.models import Account, Funding, JournalEntry, Payout, PayoutDecision, PayRun, ProviderFault
from payments.operations.labs import funding
from tests import browser
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

ADMIN = "/admin/payments"
PREPARE = ("prepare_payrun", "confirm_funding", "verify_payoutmethod")
RELEASE = ("release_payrun", "decide_payout")
pytestmark = pytest.mark.django_db(transaction=True)


class Desk:
    """A member of staff with a second factor, proven just now."""

    def __init__(self, *permissions: str) -> None:
        self.user = story.new_user("Staff")
        User.objects.filter(pk=self.user.pk).update(is_staff=True)
        self.user.refresh_from_db()
        seeing = Permission.objects.filter(content_type__app_label="payments", codename__startswith="view_")
        self.user.user_permissions.set([*Permission.objects.filter(codename__in=permissions), *seeing])
        self.client = Client()
        self.client.force_login(self.user)
        self.prove()

    def prove(self, *, seconds_ago: int = 0) -> None:
        request = HttpRequest()
        request.session = self.client.session
        request.user = self.user
        record_authentication(request, self.user, method="mfa", type="totp")
        for record in request.session["account_authentication_methods"]:
            record["at"] -= seconds_ago
        request.session.save()

    def get(self, path: str) -> Any:
        return self.client.get(f"{ADMIN}/{path}", follow=True)

    def post(self, path: str, **fields: str) -> Any:
        return browser.press(self.client, f"{ADMIN}/{path}", fields, follow=True)

    def act(self, model: str, action: str, pk: int, **fields: str) -> Any:
        return self.post(f"{model}/", action=action, _selected_action=str(pk), **fields)


@pytest.fixture
def ada() -> Expert:
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    return expert


@pytest.fixture
def preparer() -> Desk:
    return Desk(*PREPARE)


@pytest.fixture
def releaser() -> Desk:
    return Desk(*RELEASE)


def prepared(desk: Desk) -> PayRun:
    with clock.frozen(NOW):
        desk.post("payrun/prepare/", currency="USD")
    return PayRun.objects.get()


def test_one_prepares_another_looks_and_releases(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    with clock.frozen(NOW):
        assert "$200.00" in preparer.get("payrun/prepare/").content.decode()
    run = prepared(preparer)
    assert (run.status, run.prepared_by) == ("review", preparer.user)
    assert "Pay runs to release" in releaser.client.get("/admin/").content.decode()
    page = releaser.get(f"payrun/{run.pk}/change/").content.decode()
    assert "new payee" in page
    asked = releaser.get(f"payrun/{run.pk}/release/").content.decode()
    assert "This sends 1 payout" in asked
    assert "$200.00" in asked
    with clock.frozen(NOW):
        releaser.post(f"payrun/{run.pk}/release/", digest=run.lines_digest)
    run.refresh_from_db()
    assert (run.status, run.released_by, Payout.objects.get().status) == ("approved", releaser.user, "ready")


def test_a_crafted_release_by_the_preparer_is_refused(ada: Expert) -> None:
    both = Desk(*PREPARE, *RELEASE)
    run = prepared(both)
    with clock.frozen(NOW):
        page = both.post(f"payrun/{run.pk}/release/", digest=run.lines_digest)
    assert "somebody else has to release it" in page.content.decode()
    run.refresh_from_db()
    assert (run.status, run.released_by, Payout.objects.count()) == ("review", None, 0)


def test_without_the_right_nothing_is_prepared_or_released(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    assert releaser.post("payrun/prepare/", currency="USD").status_code == 403
    run = prepared(preparer)
    assert Desk().post(f"payrun/{run.pk}/release/", digest=run.lines_digest).status_code == 403
    assert preparer.post(f"payrun/{run.pk}/release/", digest=run.lines_digest).status_code == 403
    assert PayRun.objects.get().status == "review"


def test_an_old_proof_sends_to_reauthentication(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    run = prepared(preparer)
    session = releaser.client.session
    session["account_authentication_methods"] = []
    session.save()
    releaser.prove(seconds_ago=601)
    answer = releaser.client.post(f"{ADMIN}/payrun/{run.pk}/release/", {"digest": run.lines_digest})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=")
    assert PayRun.objects.get().status == "review"


def test_a_stale_page_releases_nothing(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    run = prepared(preparer)
    story.claw_back(ada, 500, lab=story.new_lab(funded=1_000))
    with clock.frozen(NOW):
        page = releaser.post(f"payrun/{run.pk}/release/", digest=run.lines_digest)
    assert "changed since the calculation" in page.content.decode()
    assert Payout.objects.count() == 0
    releaser.act("payrun", "send_back", run.pk, confirmed="yes", reason="somebody was paid back")
    run.refresh_from_db()
    assert run.status == "draft"
    with clock.frozen(NOW):
        preparer.act("payrun", "recalculate", run.pk, confirmed="yes")
    run.refresh_from_db()
    assert (run.status, run.total_minor) == ("review", 19_500)


def test_a_line_is_held_with_a_reason(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    run = prepared(preparer)
    line = run.lines.get()
    releaser.act("payrunline", "hold", line.pk, confirmed="yes")
    line.refresh_from_db()
    assert not line.is_held
    releaser.act("payrunline", "hold", line.pk, confirmed="yes", reason="unusual hours")
    line.refresh_from_db()
    assert (line.held_reason, line.held_by) == ("unusual hours", releaser.user)


def test_a_failed_payout_is_sent_again_after_a_confirmation(ada: Expert, releaser: Desk) -> None:
    story.fault("reject", code="AC04", account="acct-ada")
    story.released_run()
    story.send_and_track()
    payout = Payout.objects.get()
    assert "Failed payouts" in releaser.client.get("/admin/").content.decode()
    asked = releaser.act("payout", "retry", payout.pk)
    assert "$200.00" in asked.content.decode()
    releaser.act("payout", "retry", payout.pk, confirmed="yes", reason="The bank was closed.")
    payout.refresh_from_db()
    assert payout.status == "failed"
    proposal = PayoutDecision.objects.get()
    assert "Proposals about payouts" in releaser.client.get("/admin/").content.decode()
    page = releaser.act("payoutdecision", "approve", proposal.pk, confirmed="yes").content.decode()
    assert "somebody else has to approve it" in page
    payout.refresh_from_db()
    assert payout.status == "failed"
    Desk(*RELEASE).act("payoutdecision", "approve", proposal.pk, confirmed="yes")
    story.send_and_track(clock.now())
    payout.refresh_from_db()
    assert payout.status == "paid"


def test_an_old_proof_is_not_enough_to_decide_about_a_payout(ada: Expert, releaser: Desk) -> None:
    story.fault("reject", code="AC04", account="acct-ada")
    story.released_run()
    story.send_and_track()
    session = releaser.client.session
    session["account_authentication_methods"] = []
    session.save()
    releaser.prove(seconds_ago=601)
    fields = {"action": "retry", "_selected_action": str(Payout.objects.get().pk), "confirmed": "yes", "reason": "x"}
    answer = browser.press(releaser.client, f"{ADMIN}/payout/", fields)
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=")
    assert PayoutDecision.objects.count() == 0


def test_a_transfer_is_confirmed(settings: Settings, preparer: Desk) -> None:
    settings.FUNDING_SETTLES_AT_ONCE = False
    lab = story.new_lab()
    with story.platform():
        row = funding.announce(tenant_id=lab.pk, amount=Money(5_000, "USD"), by=SYSTEM, now=NOW)
    assert Desk().act("funding", "confirm", row.pk, confirmed="yes", reason="x").status_code in {200, 403}
    assert story.prepaid(lab) == 0
    preparer.act("funding", "confirm", row.pk, confirmed="yes", reason="On the statement.")
    assert story.prepaid(lab) == 5_000
    with story.platform():
        assert Funding.objects.get().decided_by == preparer.user


def test_the_journal_is_shown_and_cannot_be_touched(ada: Expert) -> None:
    desk = Desk(*PREPARE, *RELEASE)
    User.objects.filter(pk=desk.user.pk).update(is_superuser=True)
    with story.platform():
        entry = JournalEntry.objects.get(kind="time_approved")
        account = Account.objects.get(kind="expert_payable")
    listed = desk.get("journalentry/").content.decode()
    assert "Trial balance zero: USD" in listed
    assert "200.00 USD" in desk.get(f"journalentry/{entry.pk}/change/").content.decode()
    assert "200.00 USD" in desk.get(f"account/?q={account.key}").content.decode()
    for path in ("journalentry/add/", f"journalentry/{entry.pk}/change/", f"journalentry/{entry.pk}/delete/"):
        assert desk.client.post(f"{ADMIN}/{path}", {"kind": "x"}).status_code == 403, path
    desk.act("journalentry", "delete_selected", entry.pk, post="yes")
    with story.platform():
        assert JournalEntry.objects.get(pk=entry.pk).kind == "time_approved"


def test_every_page_of_the_floor_opens(ada: Expert, preparer: Desk, releaser: Desk) -> None:
    story.released_run()
    story.send_and_track()
    prepared_later = PayRun.objects.get()
    models = (
        "account funding fundsreservation journalentry payout payoutmethod payrun payrunexclusion payrunline"
        " payoutdecision providerfault providermovement refund sendinglatch statement taxprofile"
    )
    for model in models.split():
        assert releaser.get(f"{model}/").status_code == 200, model
    payout = Payout.objects.get()
    for path in (
        f"payrun/{prepared_later.pk}/change/",
        f"payrun/{prepared_later.pk}/history/",
        f"payout/{payout.pk}/change/",
        f"payoutmethod/{payout.payout_method_id}/change/",
        f"payrunline/{payout.line_id}/change/",
    ):
        assert releaser.get(path).status_code == 200, path


def test_faults_are_switched_in_development_only(settings: Settings, releaser: Desk) -> None:
    form = {"account": "acct-ada", "type": "reject", "code": "AC04", "remaining": "1"}
    releaser.post("providerfault/add/", **form)
    assert ProviderFault.objects.count() == 1
    settings.DEVELOPMENT = False
    assert releaser.post("providerfault/add/", **form).status_code == 403
    assert ProviderFault.objects.count() == 1
