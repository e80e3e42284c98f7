"""What a browser that obeys nobody can send to the desk, and whether a single row of the database noticed.

A fingerprint covers every table there is, so nothing has to be listed to be protected; only the sessions of those who
click are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group
from django.db import connection, models, transaction
from django.http import HttpRequest
from django.test import Client

from config import groups
from core.public import Principal, User, unit_of_work

STALE_SECONDS = 601
OURS = Principal.system("tests.crafted")
SESSIONS = "django_session"
NOBODY = 999_999_999
"""The key of no row."""
FORM_BUTTONS = ("_save", "_continue", "_addanother", "_saveasnew")


def thin_frame(folder: Path) -> list[dict[str, Any]]:
    """Pages without what stands around their content: most of their time, and drawn by other tests."""
    (folder / "admin").mkdir()
    for name in ("base", "base_site"):
        frame = "{% for message in messages %}{{ message }}{% endfor %}{% block content %}{% endblock %}"
        (folder / "admin" / f"{name}.html").write_text(frame, encoding="utf-8")
    (engine,) = settings.TEMPLATES
    return [{**engine, "DIRS": [folder, *engine["DIRS"]]}]


class Person:
    """A member of staff before the desk, who proved who he is ``seconds_ago``."""

    def __init__(self, name: str, *, group: str = "", seconds_ago: int = 0) -> None:
        self.name = name
        self.user = User.objects.create_user(f"{name}@desk.example", is_staff=True, is_superuser=not group)
        if group:
            groups.bring_up_to_date()
            self.user.groups.set([Group.objects.get(name=group)])
        self.client, self.strict = Client(), Client(enforce_csrf_checks=True)
        self.client.force_login(self.user)
        self.prove(seconds_ago)
        self.strict.cookies = self.client.cookies

    def prove(self, seconds_ago: int) -> None:
        """With the second factor, so long ago."""
        request = HttpRequest()
        request.session, request.user = self.client.session, self.user
        record_authentication(request, self.user, method="mfa", type="totp")
        request.session["account_authentication_methods"] = [
            {**record, "at": time.time() - seconds_ago}
            for record in request.session["account_authentication_methods"][-1:]
        ]
        request.session.save()

    def post(self, url: str, form: dict[str, Any]) -> Any:
        """The answer; one that says that we broke fails the test."""
        answer = self.client.post(url, form)
        assert answer.status_code < 500, (self.name, url, form)
        return answer


@dataclass(frozen=True)
class Page:
    """The pages of one model."""

    address: str
    site: ModelAdmin[Any]

    @property
    def model(self) -> type[models.Model]:
        return self.site.model

    @property
    def url(self) -> str:
        return f"/admin/{self.address}/"

    @property
    def actions(self) -> list[str]:
        """Names of its buttons."""
        return [action if isinstance(action, str) else action.__name__ for action in self.site.actions or ()]

    def rows(self) -> list[Any]:
        """All of them, as the desk shows them."""
        with unit_of_work(OURS):
            return list(self.site.get_queryset(HttpRequest()).order_by("pk"))


def pages(*apps: str) -> list[Page]:
    """Every model of some floors that is on the desk: whatever is registered tomorrow is attacked tomorrow."""
    found = [(model._meta, site) for model, site in admin.site._registry.items() if model._meta.app_label in apps]
    return sorted((Page(f"{m.app_label}/{m.model_name}", site) for m, site in found), key=lambda page: page.address)


def fingerprint() -> dict[str, str]:
    """Every table of the database → a digest of its rows."""
    with unit_of_work(OURS), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname <> %s ORDER BY relname",
            [SESSIONS],
        )
        tables = [name for (name,) in cursor.fetchall()]
        one = """SELECT '{0}', md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), '')) FROM "{0}" t"""
        cursor.execute(" UNION ALL ".join(one.format(table) for table in tables))
        return dict(cursor.fetchall())


class Watch:
    """Says which tables are not what they were when it looked last."""

    def __init__(self) -> None:
        self.seen = fingerprint()

    def changed(self) -> list[str]:
        former, self.seen = self.seen, fingerprint()
        return sorted(table for table in former.keys() | self.seen.keys() if former.get(table) != self.seen.get(table))


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens within leaves nothing behind."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def forms(page: Page, pk: int, *, thorough: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Every way in which Django itself would write to one row: (address, form); ``thorough``: also field by field."""
    values, picked = _values(page.model), {"_selected_action": str(pk)}
    add, change, delete = f"{page.url}add/", f"{page.url}{pk}/change/", f"{page.url}{pk}/delete/"
    for button in FORM_BUTTONS if thorough else FORM_BUTTONS[:1]:
        yield add, values | {button: "yes"}
        yield change, values | _inline_rows(page) | {button: "yes"}
    yield delete, {"post": "yes"}
    if not thorough:
        return
    yield delete, {}
    for field in page.model._meta.concrete_fields:
        yield change, {name: value for name, value in values.items() if name.startswith(field.name)} | {"_save": "yes"}
    yield page.url, _formset("form", page.model, pk) | {"_save": "Save"}
    yield page.url, {"action": "delete_selected", "post": "yes", **picked}
    yield page.url, {"action": "delete_selected", "post": "yes", "select_across": "1", **picked}


def _values(model: type[models.Model]) -> dict[str, str]:
    """A value for every column, also in the halves of split widgets and for columns that are on no form."""
    form = {field.name: _value(field) for field in model._meta.concrete_fields}
    form |= {field.attname: form[field.name] for field in model._meta.concrete_fields}
    return form | {f"{name}_0": value for name, value in form.items()} | {f"{name}_1": "10:00" for name in form}


def _value(field: models.Field[Any, Any]) -> str:
    if field.is_relation or field.primary_key:
        return "1"
    if field.choices:
        return str(field.flatchoices[-1][0])
    if isinstance(field, models.IntegerField):
        return "999"
    return "2026-11-16" if isinstance(field, models.DateField) else "XXX"


def _formset(prefix: str, model: type[models.Model], pk: int) -> dict[str, str]:
    """One row of a table in a page, changed and deleted."""
    head = {f"{prefix}-TOTAL_FORMS": "2", f"{prefix}-INITIAL_FORMS": "1", f"{prefix}-0-DELETE": "on"}
    rows = {f"{prefix}-{n}-{name}": value for n in (0, 1) for name, value in _values(model).items()}
    return head | rows | {f"{prefix}-0-id": str(pk), f"{prefix}-1-id": ""}


def _inline_rows(page: Page) -> dict[str, str]:
    """A changed, a deleted and a new row in each table that the page shows below its own."""
    sent: dict[str, str] = {}
    for inline in page.site.inlines:
        with unit_of_work(OURS):
            pk = inline.model._default_manager.order_by("pk").values_list("pk", flat=True).first() or NOBODY
        for relation in page.model._meta.related_objects:
            if relation.related_model is inline.model:
                sent |= _formset(relation.get_accessor_name() or "", inline.model, pk)
    return sent


@dataclass(frozen=True)
class Question:
    """What a button wants to know before it acts."""

    reason: bool
    choices: tuple[str, ...]
    asks: bool
    figures: str = ""
    """The seal of the page that asked."""
    another: str = "f" * 64
    """That of the page that another button shows of the same row."""

    def answers(self, **more: str) -> dict[str, str]:
        """All of it, as somebody would fill it in who is sure."""
        form = {"confirmed": "yes", "reason": "Because.", "given": "0.10"}
        return form | ({"choice": self.choices[0]} if self.choices else {}) | more

    def half(self) -> Iterator[dict[str, str]]:
        """What is not a confirmation: everything but the word, all rows at once, and each answer missing or made up."""
        full = self.answers()
        yield full | {"confirmed": "", "select_across": "1"}
        if self.reason:
            yield full | {"reason": "  \t\n"}
        if self.choices:
            yield full | {"choice": "nonsense"}
        if self.asks:
            yield full | {"given": " "}
        for figures in ("", "0" * 64, self.another):
            yield full | {"figures": figures}


def question(person: Person, page: Page, action: str, pk: int) -> Question:
    """Press a button once, as a browser does, and read what is asked."""
    asked = _asked(person, page, action, pk)
    assert asked is not None, f"{page.address} {action} acts without asking"
    assert asked["action"] == action
    choices = tuple(str(code) for code, _label in asked["choices"])
    others = (seal(person, page, other, pk) for other in page.actions if other != action)
    another = next(filter(None, others), "f" * 64)
    return Question(asked["needs_reason"], choices, bool(asked["asks"]), asked["figures"], another)


def seal(person: Person, page: Page, action: str, pk: int) -> str:
    """That of the page that a button shows; empty where it shows none."""
    return str((_asked(person, page, action, pk) or {}).get("figures", ""))


def _asked(person: Person, page: Page, action: str, pk: int) -> dict[str, Any] | None:
    """What a button's page is made of; None where it shows none."""
    answer = person.post(page.url, {"action": action, "_selected_action": str(pk)})
    shown: dict[str, Any] = getattr(answer, "context_data", None) or {}
    return shown if "figures" in shown else None


def press(person: Person, page: Page, action: str, row: Any, form: dict[str, str]) -> Any:
    """Send what a button sends for one row, with the seal of its page unless the form brings one."""
    sent = {"action": action, "_selected_action": str(row.pk), **form}
    if "figures" not in sent:
        sent["figures"] = seal(person, page, action, row.pk)
    return person.post(page.url, sent)
