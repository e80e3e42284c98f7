"""Nobody decides about people or work by a crafted POST: every page of experts, tasks and core, with every right there is.

The registry is walked as for money (`tests/payments/test_admin_walls.py`): a page or a button that is registered
tomorrow is attacked tomorrow, or the tables below do not know it and fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from core import clock
from core.public import unit_of_work
from tests import database
from tests.crafted import NOBODY, OURS, Page, Person, Question, Watch, forms, pages, press, question, thin_frame, undone
from tests.tasks import every_state
from tests.tasks.world import NOW

PAGES = pages("core", "experts", "tasks")
BUTTONS = [page for page in PAGES if page.actions]
PUBLISHED = "experts/agreementversion"
"""Where an operator does write a form: the next text to sign, which is never changed afterwards."""
ANY = ""
VERIFIED = {"verify": "pending", "reject": "pending", "revoke": "verified"}
LEGAL = {
    "experts/appeal/answer": "open",
    "experts/appeal/decide": "open answered",
    **{f"experts/credential/{act}": state for act, state in VERIFIED.items()},
    **{f"experts/identityverification/{act}": state for act, state in VERIFIED.items()},
    "experts/expert/set_tier": ANY,
    "experts/expert/return_tier_to_rule": ANY,
    "experts/expert/restrict": ANY,
    "experts/restriction/lift": "in force",
    "tasks/submission/accept": "submitted",
    "tasks/submission/request_rework": "submitted",
    "tasks/submission/reject": "submitted",
}
"""Every button, and the states of a row in which it may act."""


@dataclass(frozen=True)
class Desk:
    """Who attacks: one who may everything, and one who may only look."""

    root: Person
    auditor: Person
    watch: Watch


@pytest.fixture(scope="module")
def desk(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """People and work in every state, built once with real commits."""
    wanted = {
        "DEVELOPMENT": False,
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
        "TEMPLATES": thin_frame(tmp_path_factory.mktemp("frame")),
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    }
    with django_db_blocker.unblock(), override_settings(**wanted):
        try:
            every_state.live()
            people = Person("root"), Person("auditor", group="auditor")
            with clock.frozen(NOW):
                yield Desk(*people, Watch())
        finally:
            connection.close()
            database.restore_snapshot()


def state_of(row: Any) -> str:
    """What decides whether a button may act on a row."""
    if row._meta.model_name == "restriction":
        return "lifted" if row.ends_at else "in force"
    if row._meta.model_name == "submission":
        return str(row.status if row.task.status == "in_review" or row.status != "submitted" else "elsewhere")
    return str(getattr(row, "status", ""))


def samples(page: Page) -> dict[str, Any]:
    """One row of each state."""
    with unit_of_work(OURS):
        return {state_of(row): row for row in page.rows()}


def states_for(page: Page, action: str) -> set[str]:
    """The states in which a button may act."""
    named = LEGAL[f"{page.address}/{action}"]
    return {state for state in samples(page) if not named or state in split(named)}


def split(named: str) -> set[str]:
    """Several states, or one of two words."""
    return {named} if named == "in force" else set(named.split())


def test_every_page_has_rows_and_every_button_is_known(desk: Desk) -> None:
    assert [page.address for page in PAGES if not page.rows()] == []
    assert {f"{page.address}/{action}" for page in BUTTONS for action in page.actions} == set(LEGAL)


def test_no_page_has_addresses_of_its_own(desk: Desk) -> None:
    """One that gets some is attacked by a test of its own."""
    stock = {pattern.name for page in PAGES for pattern in ModelAdmin(page.model, admin.site).get_urls()}
    assert {pattern.name for page in PAGES for pattern in page.site.get_urls()} == stock


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.address)
def test_no_form_writes(desk: Desk, page: Page) -> None:
    """Django's own: added, changed field by field, saved as new, deleted one by one or many, edited in the list."""
    pk, tried = page.rows()[-1].pk, 0
    for person, row, thorough in ((desk.root, pk, True), (desk.root, NOBODY, False), (desk.auditor, pk, False)):
        for url, form in forms(page, row, thorough=thorough):
            is_new = url.endswith("/add/") or "_saveasnew" in form
            if page.address == PUBLISHED and person is desk.root and is_new:
                continue
            answer = person.post(url, form)
            assert url == page.url or answer.status_code in {302, 403}, (person.name, url, answer.status_code)
            tried += 1
    assert tried > 15
    assert desk.watch.changed() == []
    request = HttpRequest()
    request.user = desk.root.user
    assert not page.site.list_editable
    assert "delete_selected" not in page.site.get_actions(request)


@pytest.mark.parametrize("page", BUTTONS, ids=lambda page: page.address)
def test_no_button_acts_unless_it_is_allowed_confirmed_and_complete(desk: Desk, page: Page) -> None:
    rows, tried = samples(page), 0
    for action in page.actions:
        legal = states_for(page, action)
        some = next(row for state, row in rows.items() if state in legal)
        asked = question(desk.root, page, action, some.pk)
        for form in asked.half():
            press(desk.root, page, action, some, form)
            tried += 1
        for row in (row for state, row in rows.items() if state not in legal):
            for choice in asked.choices or ("",):
                press(desk.root, page, action, row, asked.answers(choice=choice))
                tried += 1
        for key in ("x", "9" * 40, str(NOBODY), "\x00", "1'--"):
            desk.root.post(page.url, asked.answers(action=action, _selected_action=key))
        desk.root.client.get(page.url, {"action": action, "_selected_action": str(some.pk), **asked.answers()})
    assert tried >= len(page.actions)
    assert desk.watch.changed() == []


@pytest.mark.parametrize("page", BUTTONS, ids=lambda page: page.address)
def test_the_same_press_on_a_row_that_allows_it_is_noticed(desk: Desk, page: Page) -> None:
    """Otherwise everything above could pass without having pressed a button."""
    idle = []
    for action in page.actions:
        done = False
        for state in states_for(page, action):
            row = samples(page)[state]
            with undone():
                press(desk.root, page, action, row, question(desk.root, page, action, row.pk).answers())
                done |= Watch().seen != desk.watch.seen
        idle += [] if done else [action]
    assert idle == []
    assert desk.watch.changed() == []


@pytest.mark.parametrize("page", BUTTONS, ids=lambda page: page.address)
def test_whoever_may_only_look_presses_nothing(desk: Desk, page: Page) -> None:
    """Nor does a form that another site sends in the name of one who may."""
    rows = samples(page).values()
    for action in page.actions:
        asked = question(desk.root, page, action, next(iter(rows)).pk)
        for row in rows:
            for choice in ("all", *asked.choices[:1]):
                press(desk.auditor, page, action, row, Question(True, (choice,), True).answers())
            sent = {"action": action, "_selected_action": str(row.pk), "confirmed": "yes", "reason": "x"}
            assert desk.root.strict.post(page.url, sent).status_code == 403
    assert desk.watch.changed() == []


def test_a_reason_that_cannot_be_kept_is_told_and_breaks_nothing(desk: Desk) -> None:
    for page in BUTTONS:
        for action in page.actions:
            row = samples(page)[min(states_for(page, action))]
            asked = question(desk.root, page, action, row.pk)
            for reason in ("x" * 20_000, "a\x00b"):
                with undone():
                    press(desk.root, page, action, row, asked.answers(reason=reason))
    assert desk.watch.changed() == []


def test_a_text_to_sign_is_published_as_a_whole_by_whoever_may(desk: Desk) -> None:
    url = f"/admin/{PUBLISHED}/add/"
    whole = {"code": "house-rules", "title": "House rules", "body": "Be kind."}
    assert desk.auditor.post(url, whole).status_code == 403
    odd: dict[str, tuple[str, ...]] = {
        "code": ("", " ", "two words", "x" * 61, "a\x00b"),
        "title": ("", "  ", "x" * 5_000, "a\x00b"),
        "body": ("", " \n", "a\x00b"),
    }
    for name, values in odd.items():
        for value in values:
            desk.root.post(url, {**whole, name: value})
    assert desk.watch.changed() == []
    with undone():
        desk.root.post(url, whole)
        assert Watch().seen != desk.watch.seen


@pytest.mark.parametrize(
    "path",
    [
        "core/user/x/change/",
        "core/operation/99999999999999999999999/change/",
        "core/event/?q=%00",
        "experts/expert/?tier__exact=%00&p=-1",
        "experts/appeal/?waiting=x&o=99.99.x",
        "experts/appeal/x/history/",
        "tasks/submission/?awaits=%00",
        "tasks/submission/?awaits=nobody&q=%00",
        "tasks/task/99999999999999999999999/history/",
    ],
)
def test_odd_addresses_break_nothing(desk: Desk, path: str) -> None:
    assert desk.root.client.get(f"/admin/{path}").status_code < 500
    assert desk.watch.changed() == []
