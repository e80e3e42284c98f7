"""Every page of the money at the desk, opened by those who may: lists, searches, filters, details, history."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from pytest_django import Settings

from config import groups
from core import clock, desk
from core.money import Money
from core.public import User
from payments.models import Payout
from payments.operations.bank import bank_messages, provider_books
from payments.operations.labs import funding, invoices
from payments.operations.pay import clawbacks
from payments.operations.rails import payouts
from tests.payments import bank_world
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.bank_world import EUR
from tests.payments.hours_world import platform
from tests.payments.ledger_story import NOW
from tests.payments.test_bank_messages import entry, statement
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = dt.timedelta(days=7)
ANSWERS = (200, 302)  # a history of nothing leads back to the list


def superuser() -> Client:
    person = Desk()
    User.objects.filter(pk=person.user.pk).update(is_superuser=True)
    return person.client


def member_of(group: str) -> Desk:
    person = Desk()
    person.user.user_permissions.clear()
    person.user.groups.set([Group.objects.get(name=group)])
    return person


def tables() -> list[Any]:
    return [found for model, found in admin.site._registry.items() if model._meta.app_label == "payments"]


def url_of(model: type[Model]) -> str:
    return f"/admin/payments/{model._meta.model_name}/"


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[bank_world.Bank]:
    known = settings.PAYOUT_RAILS
    bank = bank_world.open_bank(settings, tmp_path)
    settings.PAYOUT_RAILS = {**known, **settings.PAYOUT_RAILS}
    yield bank
    bank.close()


def live_through(*names: str, now: dt.datetime = NOW) -> None:
    """Hours, a bonus, a correction, pay taken back, payouts that fail or come back; each of another lab and expert."""
    worlds = [papers.with_extras(papers.build(name)) for name in names]
    idle = story.new_expert("Idle", ready=False)
    story.earn(idle, 4_000, lab=worlds[0].tenant)
    run = story.released_run(now=now)
    story.send_and_track(now)
    with platform():
        first, *_others = Payout.objects.filter(run=run).order_by("pk")
        payouts.returned(first, code="AC04", now=now + WEEK)
        for world in worlds:
            when = now + WEEK
            spoiled = world.contract.time_entries.order_by("pk")[0]
            clawbacks.claw_back(
                source=spoiled, amount=Money(1_000, "USD"), reason="Twice", decided_by=world.member, now=when
            )
            funding.announce(tenant_id=world.tenant.pk, amount=Money(500, EUR), by=story.SYSTEM, now=now)
    invoices.issue_due(now=now + 3 * WEEK)


def at_the_bank() -> None:
    """A statement with money of an unknown payer."""
    content = statement(entry("10.00", reference="B1", text="hello"), closing="10.00")
    with platform():
        bank_messages.receive(provider="sepa_file", content=content, size=len(content), name="camt.xml", now=NOW)
    provider_books.read_bank(now=NOW)


def addresses(table: Any, client: Client) -> Iterator[str]:
    """The list, a search, every filter with the first choice that it offers, and the newest row with its history."""
    url = url_of(table.model)
    yield url
    if table.search_fields:
        yield f"{url}?q=a"
    page: Any = client.get(url)
    listed = page.context_data["cl"]
    for spec in listed.filter_specs:
        found = [choice["query_string"] for choice in spec.choices(listed) if "query_string" in choice]
        yield from (f"{url}{query}" for query in found[1:2])
    row = table.model._default_manager.order_by("pk").last()
    if row is not None:
        yield f"{url}{row.pk}/change/"
        yield f"{url}{row.pk}/history/"


def cost_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200, url
    return len(queries)


BARE = re.compile(
    r">\s*(?:Public id|Seq|Iso week|Line count|Source id|Vat id|Masked\b[a-z ]*|Idem key)\s*<|>\s*[A-Z][a-z ]*\b(?:minor|seconds|bp)\s*<|\d{4}-\d\d-\d\d \d\d:\d\d(?! UTC|:)|\d\d:\d\d:\d\d\.\d+"
)
"""A heading that names a unit of storage, an instant without its zone, or one as the database writes it."""


def bare_figures(client: Client, path: str) -> list[str]:
    """What a page shows as it is kept, instead of as people say it."""
    shown = client.get(path, follow=True).content.decode()
    return [f"{path}: {found.strip('> <')}" for found in BARE.findall(shown.split("<body", 1)[-1])]


def rows_of() -> dict[str, int]:
    with platform():
        return {url_of(table.model): table.model._default_manager.count() for table in tables()}


def test_every_page_opens_and_costs_the_same_however_many_rows(bank: bank_world.Bank) -> None:
    live_through("Ada")
    at_the_bank()
    client, few = superuser(), rows_of()
    with clock.frozen(NOW):
        before = {url: cost_of(client, url) for url in few}
        broken = []
        for table in tables():
            with platform():
                paths = list(addresses(table, client))
            broken += [path for path in paths if client.get(path).status_code not in ANSWERS]
        assert broken == []
        with platform():
            seen = [path for table in tables() for path in addresses(table, client) if "?" not in path]
        assert [bare for path in seen for bare in bare_figures(client, path)] == []
        live_through("Bob", "Cyd", "Dan", now=NOW + 4 * WEEK)
        many = rows_of()
        grown = [url for url in many if many[url] > few[url] > 0]
        assert len(grown) > 15
        dearer = {url: (before[url], cost) for url in grown if (cost := cost_of(client, url)) > before[url]}
        assert dearer == {}, {url: many[url] for url in dearer}


def test_every_page_of_every_floor_makes_its_forms() -> None:
    """Of a row and of the rows below it, whichever columns take the place of fields."""
    request, tried = HttpRequest(), 0
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    for model, table in admin.site._registry.items():
        table.get_form(request, model(), change=True)
        for inline in table.get_inline_instances(request, model()):
            inline.get_formset(request, model())
            tried += 1
    assert tried > 5


@pytest.mark.parametrize("group", ["finance_prepare", "finance_release", "support", "reviewer", "auditor"])
def test_everybody_s_queues_lead_to_pages_that_open(group: str, bank: bank_world.Bank) -> None:
    groups.bring_up_to_date()
    story.new_lab()
    at_the_bank()
    person = member_of(group)
    with clock.frozen(NOW):
        text = person.client.get("/admin/").content.decode()
        mine = [queue for queue in desk.queues if person.user.has_perm(queue.permission)]
        for queue in (queue for queue in desk.queues if "?" in queue.path):  # whole lists stand below, too
            assert (f'href="{escape(queue.path)}"' in text) == (queue in mine), queue.name
        closed = [queue.path for queue in mine if person.client.get(queue.path).status_code != 200]
        assert closed == []
        books = person.client.get("/admin/finance/")
    assert (books.status_code == 200) == ("/admin/finance/" in text) == (group != "reviewer")
    assert ("Differences with providers" in text) == (group == "finance_release")
    assert bool(mine) == (group != "auditor")


def test_both_sides_of_finance_open_every_list() -> None:
    groups.bring_up_to_date()
    live_through("Ada")
    for group in ("finance_prepare", "finance_release"):
        client = member_of(group).client
        with clock.frozen(NOW):
            assert [url for table in tables() if client.get(url := url_of(table.model)).status_code != 200] == []
