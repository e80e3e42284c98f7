"""Nobody moves money by a crafted POST: every page of money and terms, every way to write, with every right there is.

The registry is walked, so a model, a button or a page that is registered tomorrow is attacked tomorrow, or the tables
below do not know it and fail. The world is built once, with real commits: what is attacked must not change, so nothing
has to be built again; what is allowed happens within ``undone()``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

import core.desk
from core import clock
from core.public import AccessToken, unit_of_work
from experts.public import Appeal
from marketplace.models import Lab, LabMember
from payments.models import Account, Payout
from tests import database
from tests.crafted import (
    NOBODY,
    OURS,
    Page,
    Person,
    Question,
    Watch,
    forms,
    pages,
    press,
    question,
    seal,
    thin_frame,
    undone,
)
from tests.invariants import assert_money_is_whole
from tests.marketplace import every_state as terms
from tests.payments import every_state as money
from tests.payments.own_pages import ODD_READS, own_pages

PAGES = pages("payments", "marketplace")
BUTTONS = [page for page in PAGES if page.actions]
BY_HAND = {"marketplace/conflictedge"}
"""Where an operator does write a form: who must not work with whom, which is neither money nor terms."""


ANY = ""
LEGAL = {
    "marketplace/amendment/withdraw": "proposed",
    "marketplace/application/review": "submitted waitlisted",
    "marketplace/application/waitlist": "submitted in_review",
    "marketplace/application/offer": "submitted in_review waitlisted",
    "marketplace/application/reject": "submitted in_review waitlisted",
    "marketplace/contract/pause": "active",
    "marketplace/contract/resume": "paused ending",
    "marketplace/contract/end": "onboarding active paused ending",
    "marketplace/lab/issue_key": "in_need",
    "marketplace/offer/withdraw": "extended",
    "marketplace/opening/open": "draft paused",
    "marketplace/opening/pause": "open",
    "marketplace/opening/close": "draft open paused filled",
    "marketplace/project/launch": "draft calibration paused",
    "marketplace/project/pause": "active",
    "marketplace/project/resume": "paused",
    "payments/adjustment/take_back": "bonus milestone",
    "payments/adjustmentproposal/approve": "proposed",
    "payments/adjustmentproposal/refuse": "proposed",
    "payments/adjustmentproposal/withdraw": "proposed",
    "payments/backupwithholding/end": "in_force",
    "payments/bankfile/send_again": "rejected",
    "payments/bankfile/give_up": "handed_over",
    "payments/bankmessage/admit": "held",
    "payments/bankmessage/turn_away": "held",
    "payments/bankmessage/read_again": "refused",
    "payments/bankmessage/apply_again": "received",
    "payments/bankmessage/settle": "refused",
    "payments/bankmessage/give_up": "received",
    "payments/creditlimit/approve": "proposed",
    "payments/creditlimit/refuse": "proposed",
    "payments/debt/write_off": ANY,
    "payments/dispute/uphold": "open answered",
    "payments/dispute/uphold_partly": "open answered",
    "payments/dispute/overturn": "open answered",
    "payments/funding/confirm": "pending",
    "payments/funding/fail": "pending",
    "payments/funding/reverse": "settled",
    "payments/funding/refund": "settled",
    "payments/inboundevent/handle_again": "failed",
    "payments/invoice/credit": "issued paid",
    "payments/labbillingprofile/issue_now": ANY,
    "payments/overage/approve": "open",
    "payments/overage/decline": "open",
    "payments/owedinvoice/look_again": "due waiting",
    "payments/owedinvoice/received": "waiting",
    "payments/payee/pay_bonus": ANY,
    "payments/payout/retry": "failed",
    "payments/payout/resume": "on_hold",
    "payments/payout/cancel": "ready on_hold failed",
    "payments/payout/answer": "paid/missed",
    "payments/payout/lost": "paid/lost",
    "payments/payout/arrived": "paid/lost",
    "payments/payoutdecision/approve": "proposed",
    "payments/payoutdecision/refuse": "proposed",
    "payments/payoutmethod/verify": "pending",
    "payments/payrun/recalculate": "draft calculating",
    "payments/payrun/send_back": "review",
    "payments/payrun/cancel": "draft review",
    "payments/payrunline/hold": "review",
    "payments/payrunline/put_back": "review/held",
    "payments/platformpay/take_back": "bonus referral",
    "payments/providerentry/give_suspense_to_funding": "provider_credit",
    "payments/reconciliationitem/give_to_funding": "open",
    "payments/reconciliationitem/post": "open",
    "payments/reconciliationitem/take_over": "open",
    "payments/reconciliationitem/explain": "open",
    "payments/refund/approve": "proposed",
    "payments/refund/refuse": "proposed",
    "payments/taxprofile/confirm_vat": "eu_vat eu_vat/done",
    "payments/taxprofile/withhold": "w9",
    "payments/timeentry/correct": "approved auto_approved adjusted",
    "payments/timeentry/take_back": "approved auto_approved adjusted",
    "payments/timesheet/approve": "submitted",
}
"""Every button, and the states of a row in which it may act: said here once more, so that no state machine can forget."""

IDLE = {
    "payments/adjustmentproposal/withdraw": "only its proposer may",
    "payments/labbillingprofile/issue_now": "everything is issued",
    "payments/reconciliationitem/take_over": "the stranger's money is no opening balance",
    "payments/reconciliationitem/explain": "the stranger's money has to be posted",
}
"""Buttons for which the world has no row that allows them, and why."""
ASKING = {"payments/adjustment/take_back", "payments/payee/pay_bonus", "payments/timeentry/take_back"}
"""Buttons that ask how much."""
TIMING = {"payments/timeentry/correct", "payments/dispute/uphold_partly"}
"""Buttons that ask how long."""
NAMING = {"payments/owedinvoice/received"}
"""Buttons that ask for a text."""
NO_AMOUNTS = (
    "-0.10", "0", "0.00", "0.1", "0.001", "1e3", "NaN", "0,10", "\uff10.10", " USD", "0.10 XXX", "0.10 USD USD", "0.10\x00",
    "9" * 30, f"{'9' * 15}.00",
)  # fmt: skip
NO_TIMES = (
    "-0:01", "+0:01", "half", "0", "0.10", "0:60", "0:01.5", "PT1M", "1e3", "NaN", "\uff10:01", "0:01 0:01", "0:01\x00",
    "9999:59", "9" * 30, f"{'9' * 30}:00",
)  # fmt: skip
GIVEN = {"payments/payee/pay_bonus": "0.10 USD"} | dict.fromkeys(TIMING, "0:02")
"""Where an amount needs its currency, or is a time."""
PROVEN = {
    "payments/adjustment/take_back",
    "payments/adjustmentproposal/approve",
    "payments/bankfile/give_up",
    "payments/bankfile/send_again",
    "payments/bankmessage/admit",
    "payments/creditlimit/approve",
    "payments/funding/confirm",
    "payments/funding/refund",
    "payments/funding/reverse",
    "payments/invoice/credit",
    "payments/payee/pay_bonus",
    "payments/payout/answer",
    "payments/payout/arrived",
    "payments/payout/cancel",
    "payments/payout/lost",
    "payments/payout/resume",
    "payments/payout/retry",
    "payments/payoutdecision/approve",
    "payments/payoutdecision/refuse",
    "payments/platformpay/take_back",
    "payments/providerentry/give_suspense_to_funding",
    "payments/reconciliationitem/give_to_funding",
    "payments/reconciliationitem/post",
    "payments/reconciliationitem/take_over",
    "payments/refund/approve",
    "payments/timeentry/correct",
    "payments/timeentry/take_back",
}
"""Buttons that want a proof not older than ten minutes."""


AGES = {"fresh": 0, "late": 601}
"""Seconds since somebody proved who he is; ten minutes are enough."""


@dataclass(frozen=True)
class Desk:
    """Who attacks."""

    root: Person
    releaser: Person
    late: Person
    late_root: Person
    watch: Watch


@pytest.fixture(scope="module")
def desk(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """Money and terms in every state; a superuser, and two who release pay, of whom one has not proven it lately."""
    wanted = {
        "DEVELOPMENT": False,
        "FUNDING_SETTLES_AT_ONCE": False,
        "PAYOUT_RAILS": money.RAILS,
        "BANK_FILES": str(tmp_path_factory.mktemp("bank")),
        "ISSUER": money.ISSUER,
        "BANK_ACCOUNT_NAME": "Cadre Payments B.V.",
        "BANK_ACCOUNT_IBAN": "NL41MOCK0000000001",
        "BANK_ACCOUNT_BIC": "MOCKNL2A",
        "UNFOLD": {**settings.UNFOLD, "SIDEBAR": {}},
        "TEMPLATES": thin_frame(tmp_path_factory.mktemp("frame")),
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    }
    with django_db_blocker.unblock(), override_settings(**wanted):
        try:
            terms.live()
            money.live()
            releasers = [Person(name, group="finance_release", seconds_ago=ago) for name, ago in AGES.items()]
            roots = [Person(f"root-{name}", seconds_ago=ago) for name, ago in AGES.items()]
            with clock.frozen(money.LATER):
                yield Desk(roots[0], releasers[0], releasers[1], roots[1], Watch())
            assert_money_is_whole()
        finally:
            connection.close()
            database.restore_snapshot()


def test_every_page_has_rows_to_attack(desk: Desk) -> None:
    assert [page.address for page in PAGES if not page.rows()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.address)
def test_no_form_writes(desk: Desk, page: Page) -> None:
    """Django's own: added, changed field by field, saved as new, deleted one by one or many, edited in the list."""
    pk, tried = page.rows()[-1].pk, 0
    crowd = [(desk.root, pk, True), (desk.root, NOBODY, False), (desk.releaser, pk, True), (desk.late, pk, False)]
    for person, row, thorough in crowd:
        if page.address in BY_HAND and person is desk.root:
            continue
        for url, form in forms(page, row, thorough=thorough):
            answer = person.post(url, form)
            assert url == page.url or answer.status_code in {302, 403}, (person.name, url, answer.status_code)
            tried += 1
    assert tried > 20
    assert desk.watch.changed() == []
    request = HttpRequest()
    request.user = desk.root.user
    assert not page.site.list_editable
    assert "delete_selected" not in page.site.get_actions(request)


def test_no_form_is_taken_from_another_site(desk: Desk) -> None:
    """Without the token of our own pages every POST is refused, and that of a right is no exception."""
    for page in PAGES:
        for action in ("", *page.actions):
            sent = {"action": action, "_selected_action": str(page.rows()[-1].pk), "confirmed": "yes", "reason": "x"}
            assert desk.root.strict.post(page.url, sent).status_code == 403, page.address
    for own in own_pages().values():
        assert desk.root.strict.post(own.url, own.form).status_code == 403, own.url
    assert desk.watch.changed() == []


def state_of(row: Any) -> str:
    """What decides whether a button may act on a row."""
    special: dict[str, Callable[[Any], str]] = {
        "lab": lambda lab: "in_need" if is_in_need(lab) else "provided",
        "bankmessage": lambda file: f"{file.status}{'/done' if file.handled_at else ''}",
        "payrunline": lambda line: f"{line.run.status}{'/held' if line.is_held else ''}",
        "payout": lambda payout: f"{payout.status}{missing(payout)}",
        "adjustment": lambda made: str(made.kind),
        "providerentry": lambda moved: moved.journal_entry.kind if moved.journal_entry else "unposted",
        "platformpay": lambda made: f"{made.kind}{'/back' if made.taken_by.exists() else ''}",
        "taxprofile": lambda profile: (
            f"{profile.form}{'/done' if profile.vat_confirmed_at or profile.withholding_bp else ''}"
        ),
    }
    find = special.get(row._meta.model_name)
    return find(row) if find else str(getattr(row, "status", ""))


def missing(payout: Payout) -> str:
    """Whether its expert says that it did not arrive, and whether he was found to be right."""
    said = Appeal.objects.filter(subject=payout.public_id).values_list("status", flat=True)
    return {"open": "/missed", "overturned": "/lost"}.get("".join(said), "")


def is_in_need(lab: Lab) -> bool:
    """Whether a lab has somebody who would hear of a key, and none to make one with."""
    admins = LabMember.objects.filter(tenant=lab.tenant_id, role=LabMember.Role.ADMIN)
    return admins.exists() and not AccessToken.objects.filter(tenant=lab.tenant_id).exists()


def states_for(page: Page, action: str) -> set[str]:
    """The states in which a button may act."""
    named = LEGAL[f"{page.address}/{action}"]
    return set(named.split()) if named else set(samples(page))


def given_at(page: Page, action: str) -> str:
    """What the line of a button takes."""
    return GIVEN.get(f"{page.address}/{action}", "0.10")


def samples(page: Page) -> dict[str, Any]:
    """One row of each state."""
    with unit_of_work(OURS):
        return {state_of(row): row for row in page.rows()}


@pytest.mark.parametrize("page", BUTTONS, ids=lambda page: page.address)
def test_no_button_acts_unless_it_is_allowed_confirmed_and_complete(desk: Desk, page: Page) -> None:
    rows, tried = samples(page), 0
    for action in page.actions:
        legal, given = states_for(page, action), given_at(page, action)
        some = next((row for state, row in rows.items() if state in legal), None) or next(iter(rows.values()))
        asked = question(desk.root, page, action, some.pk)
        for form in asked.half():
            press(desk.root, page, action, some, form)
            tried += 1
        for state, row in rows.items():
            for choice in asked.choices or ("",) if state not in legal else ():
                press(desk.root, page, action, row, asked.answers(choice=choice, given=given))
                tried += 1
        for form in ({"_selected_action": "x"}, {"_selected_action": "9" * 40}, {"_selected_action": str(NOBODY)}):
            desk.root.post(page.url, asked.answers(action=action, **form))
    assert tried >= len(page.actions)
    assert desk.watch.changed() == []


@pytest.mark.parametrize("page", BUTTONS, ids=lambda page: page.address)
def test_the_same_press_on_a_row_that_allows_it_is_noticed(desk: Desk, page: Page) -> None:
    """Otherwise everything above could pass without having pressed a button."""
    rows, idle = samples(page), []
    for action in page.actions:
        name = f"{page.address}/{action}"
        fit = [row for state, row in rows.items() if state in states_for(page, action)]
        done = False
        for row in fit:
            with undone():
                asked = question(desk.root, page, action, row.pk)
                assert asked.asks == (name in ASKING | TIMING | NAMING)
                press(desk.root, page, action, row, asked.answers(given=given_at(page, action)))
                done |= Watch().seen != desk.watch.seen
        idle += [] if done or name in IDLE else [name]
    assert idle == []
    assert desk.watch.changed() == []


def test_an_amount_that_is_none_moves_nothing(desk: Desk) -> None:
    """Signs, zeros, other currencies, other digits, too much, too many decimals, and text that is not text."""
    asking = [(page, action) for page in BUTTONS for action in page.actions if f"{page.address}/{action}" in ASKING]
    assert len(asking) == len(ASKING)
    for page, action in asking:
        for row in (row for state, row in samples(page).items() if state in states_for(page, action)):
            form = {"confirmed": "yes", "reason": "-", "figures": seal(desk.root, page, action, row.pk)}
            for given in (
                *NO_AMOUNTS,
                *(() if page.address == "payments/payee" else ("0.10 EUR", "0.10 JPY", "10 JPY")),
            ):
                if given != f"0.10 {getattr(row, 'currency', '')}":
                    press(desk.root, page, action, row, {**form, "given": given})
    assert desk.watch.changed() == []


def test_a_time_that_is_none_corrects_nothing(desk: Desk) -> None:
    """Signs, other units, other digits, more than was worked."""
    timing = [(page, action) for page in BUTTONS for action in page.actions if f"{page.address}/{action}" in TIMING]
    assert len(timing) == len(TIMING)
    for page, action in timing:
        for row in (row for state, row in samples(page).items() if state in states_for(page, action)):
            form = {"confirmed": "yes", "reason": "-", "figures": seal(desk.root, page, action, row.pk)}
            for given in NO_TIMES:
                press(desk.root, page, action, row, {**form, "given": given})
    assert desk.watch.changed() == []


def test_a_reason_that_cannot_be_kept_is_told_and_breaks_nothing(desk: Desk) -> None:
    """Text without end and U+0000, on rows that allow it: kept, or refused as a whole."""
    for page in BUTTONS:
        for action in page.actions:
            fit = [row for state, row in samples(page).items() if state in states_for(page, action)]
            asked = question(desk.root, page, action, fit[0].pk)
            for reason in ("x" * 20_000, "a\x00b"):
                with undone():
                    press(desk.root, page, action, fit[0], asked.answers(reason=reason, given=given_at(page, action)))
    assert desk.watch.changed() == []


def test_an_old_proof_presses_no_button_that_moves_money(desk: Desk) -> None:
    """Not even with the page that was shown while the proof was fresh."""
    tried = 0
    for page in BUTTONS:
        for action in (action for action in page.actions if f"{page.address}/{action}" in PROVEN):
            for row in (row for state, row in samples(page).items() if state in states_for(page, action)):
                answers = question(desk.root, page, action, row.pk).answers(given=given_at(page, action))
                for person in (desk.late, desk.late_root):
                    person.prove(AGES["fresh"])
                    shown = seal(person, page, action, row.pk)
                    person.prove(AGES["late"])
                    press(person, page, action, row, {**answers, "figures": shown})
                tried += 1
    assert tried >= len(PROVEN)
    for own in own_pages().values():
        if own.proven:
            assert desk.late_root.post(own.url, own.form).url.startswith("/accounts/reauthenticate/")
    assert desk.watch.changed() == []


def holds(person: Person, needs: str | Collection[str]) -> bool:
    """Whether somebody has a right, or one of several of which one is enough."""
    return any(person.user.has_perm(right) for right in ([needs] if isinstance(needs, str) else needs))


def test_nobody_presses_what_is_not_his(desk: Desk) -> None:
    """Who releases pay sees all of the money, and has only his own buttons and pages."""
    tried = 0
    for page in BUTTONS:
        for action in page.actions:
            if holds(desk.releaser, getattr(page.site, action).needs):
                continue
            for row in samples(page).values():
                press(desk.releaser, page, action, row, Question(True, ("all",), True).answers())
                tried += 1
    assert tried > 50
    for name, own in own_pages().items():
        if own.needs and not desk.releaser.user.has_perm(own.needs):
            assert desk.releaser.post(own.url, own.form).status_code == 403, name
    assert desk.watch.changed() == []


def test_every_own_page_is_known(desk: Desk) -> None:
    """So that the next test has attacked all of them."""
    stock = {pattern.name for page in PAGES for pattern in ModelAdmin(page.model, admin.site).get_urls()}
    found = {pattern.name for page in PAGES for pattern in page.site.get_urls()} | {
        page.name for page in core.desk.pages
    }
    assert found - stock == set(own_pages())


def test_no_own_page_takes_what_is_wrong(desk: Desk) -> None:
    tried = 0
    for own in own_pages().values():
        for name, values in own.worse.items():
            for value in values:
                desk.root.post(own.url, {**own.form, name: value})
                tried += 1
        for key in (NOBODY, "9" * 30):
            foreign = re.sub(r"/\d+/(?=release|arrived|statement|look|file)", f"/{key}/", own.url)
            if foreign != own.url:
                assert desk.root.post(foreign, own.form).status_code == 404, foreign
        if own.form:
            desk.root.post(own.url, {})
    assert tried > 100
    assert desk.watch.changed() == []


def test_the_same_pages_do_what_they_are_for(desk: Desk) -> None:
    for name, own in own_pages().items():
        if own.writes:
            with undone():
                desk.root.post(own.url, own.form)
                assert Watch().seen != desk.watch.seen, name
    assert desk.watch.changed() == []


@pytest.mark.parametrize("path", ODD_READS)
def test_odd_addresses_break_nothing(desk: Desk, path: str) -> None:
    with unit_of_work(OURS):
        account = Account.objects.latest("pk").pk
    assert desk.root.client.get(f"/admin/{path.format(account=account)}").status_code < 500
    assert desk.watch.changed() == []
