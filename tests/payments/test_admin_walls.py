"""Nobody edits money by a crafted POST: every admin model of money and terms, every way to write, with every right.

The registry is walked, so a model that is registered tomorrow is attacked tomorrow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group
from django.db import connection, models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from config import groups
from core import clock
from core.money import Money
from core.public import User
from payments.operations import (
    bonuses,
    disputes,
    funding,
    invoices,
    pay_runs,
    refunds,
    time_entries,
    timers,
    timesheets,
)
from payments.operations.bonuses import Bonus
from tests.invariants import assert_money_is_whole
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.beside import Desk
from tests.payments.hours_world import HOUR, MONDAY, PLATFORM, World, platform
from tests.payments.ledger_story import NOW

pytestmark = pytest.mark.django_db(transaction=True)

DAY = dt.timedelta(days=1)
LATER = NOW + 8 * DAY
FLOORS = ("payments", "marketplace")
"""Whose tables are fingerprinted and whose pages are attacked: the money, and the terms it follows from."""
BY_HAND = {"marketplace/conflictedge"}
"""Pages on which an operator does write: who must not work with whom, which is neither money nor terms."""


@pytest.fixture
def world(settings: Settings) -> World:
    """Money in every state: approved, contested, running, paid, failed, unknown, billed, given back."""
    settings.DEVELOPMENT = False
    with platform():
        built = hours.build(holdback_bp=1000)
        _hours(built)
        amount = Money(5_000, "USD")
        bonuses.pay(
            bonus=Bonus(built.contract, amount, "-"), decided_by=built.member, by=PLATFORM, now=MONDAY - 7 * DAY
        )
        paid_in = funding.announce(tenant_id=built.tenant.pk, amount=amount, by=PLATFORM, now=MONDAY)
        refunds.refund(funding=paid_in, reason="-", by=story.new_user(), now=MONDAY)
        timers.start(contract=built.contract, activity="task", claim=None, now=MONDAY + 9 * DAY)
    _payouts()
    invoices.issue_due(now=MONDAY + 20 * DAY)
    return built


def _hours(world: World) -> None:
    """One approved week, one that waits with an entry that is contested."""
    first, second = _log(world, MONDAY - 14 * DAY), _log(world, MONDAY)
    sheet = timesheets.submit(timesheet=first.timesheet, by=PLATFORM, now=MONDAY - 8 * DAY)
    timesheets.approve(timesheet=sheet, decided_by=world.member, by=PLATFORM, now=MONDAY - 8 * DAY)
    sheet = timesheets.submit(timesheet=second.timesheet, by=PLATFORM, now=MONDAY + DAY)
    entry = sheet.entries.get()
    disputes.open_against(
        entry=entry, reason="-", proposed_seconds=0, decided_by=world.member, by=PLATFORM, now=MONDAY + DAY
    )


def _log(world: World, start: dt.datetime) -> Any:
    (entry,) = time_entries.log(
        contract=world.contract,
        activity="task",
        claim=None,
        started_at=start,
        ended_at=start + dt.timedelta(seconds=HOUR),
        reason="-",
        now=start + DAY / 4,
    )
    return entry


def _payouts() -> None:
    """One paid, one refused, one of which nobody knows; and a run that waits to be released."""
    ready = [story.new_expert(f"E{n}", account=f"acct-{n}") for n in range(3)]
    lab = story.new_lab(funded=1_000_000)
    for expert in ready:
        story.earn(expert, 20_000, lab=lab)
    story.fault("reject", code="AC04", account="acct-0")
    story.fault("timeout_executed", account="acct-1")
    story.released_run()
    story.send_and_track()
    for expert in ready:
        story.earn(expert, 30_000, lab=lab, at=NOW + DAY)
    with platform():
        pay_runs.prepare(currency="USD", by=story.new_user(), now=NOW + 7 * DAY)


def superuser() -> Desk:
    """Somebody with every right there is, also Django's add, change and delete."""
    desk = Desk()
    User.objects.filter(pk=desk.user.pk).update(is_superuser=True)
    return desk


def finance() -> Desk:
    """Somebody who releases pay."""
    groups.bring_up_to_date()
    desk = Desk()
    desk.user.groups.add(Group.objects.get(name="finance_release"))
    return desk


def onlooker() -> Desk:
    """Somebody who sees every table of money and may do nothing."""
    return Desk()


def pages() -> list[tuple[str, ModelAdmin[Any]]]:
    """Every page of the floors: (address below the admin, page)."""
    found = [(model._meta, page) for model, page in admin.site._registry.items() if model._meta.app_label in FLOORS]
    named = [(f"{meta.app_label}/{meta.model_name}", page) for meta, page in found]
    return sorted((row for row in named if row[0] not in BY_HAND), key=lambda row: row[0])


def everything() -> dict[str, str]:
    """A fingerprint of every table of the floors."""
    tables = [model._meta.db_table for app in FLOORS for model in apps.get_app_config(app).get_models()]
    assert {"payments_posting", "payments_timeentry", "marketplace_ratesnapshot"} <= set(tables)
    one = "SELECT '{0}', md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {0} t"
    with platform(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(one.format(table) for table in tables))
        return dict(cursor.fetchall())


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [table for table in before if before[table] != after[table]]


def crafted(model: type[models.Model]) -> dict[str, str]:
    """A form with a value for every field that the model has, also in the halves of split widgets."""
    form = {field.name: _value(field) for field in model._meta.concrete_fields if not field.primary_key}
    return form | {f"{name}_0": value for name, value in form.items()} | {f"{name}_1": "10:00" for name in form}


def _value(field: models.Field[Any, Any]) -> str:
    if field.is_relation:
        return "1"
    if field.choices:
        return str(next(reversed(field.flatchoices))[0])
    if isinstance(field, models.IntegerField):
        return "999"
    return "2026-11-16" if isinstance(field, models.DateField) else "XXX"


def attacks(page: ModelAdmin[Any], pk: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Every way in which a browser could write to one row: (page, form)."""
    form, row, picked = crafted(page.model), f"{pk}/change/", {"_selected_action": str(pk)}
    rows = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(pk), "_save": "Save"}
    yield "add/", form | {"_save": "Save"}
    yield row, form | inline_rows(page) | {"_save": "Save"}
    yield row, form | {"_saveasnew": "Save as new"}
    yield f"{pk}/delete/", {"post": "yes"}
    yield "", rows | {f"form-0-{name}": value for name, value in form.items()}
    yield "", {"action": "delete_selected", "post": "yes", **picked}
    for action in actions(page):
        yield "", {"action": action, **picked}  # nobody has confirmed anything


def inline_rows(page: ModelAdmin[Any]) -> dict[str, str]:
    """A changed, deleted row in each table that the page shows below its own."""
    sent: dict[str, str] = {}
    for inline in page.inlines:
        related = [r for r in page.model._meta.related_objects if r.related_model is inline.model]
        for prefix in {relation.get_accessor_name() or "" for relation in related}:
            sent |= {f"{prefix}-TOTAL_FORMS": "1", f"{prefix}-INITIAL_FORMS": "1", f"{prefix}-0-DELETE": "on"}
            sent |= {f"{prefix}-0-{name}": value for name, value in crafted(inline.model).items()}
            sent |= {f"{prefix}-0-id": str(pk) for pk in rows_of(inline.model)}
    return sent


def actions(page: ModelAdmin[Any]) -> list[str]:
    return [action if isinstance(action, str) else action.__name__ for action in page.actions or ()]


def rows_of(model: type[models.Model]) -> list[int]:
    """The key of one row, if there is any."""
    with platform():
        return list(model._default_manager.order_by("-pk").values_list("pk", flat=True)[:1])


def own_pages(page: ModelAdmin[Any], pks: list[int]) -> Iterator[str]:
    """Addresses of the pages beside Django's own, with a row's key where they take one argument."""
    stock = {pattern.name for pattern in ModelAdmin(page.model, admin.site).get_urls()}
    for name in {pattern.name for pattern in page.get_urls()} - stock - {None}:
        for args in ([], *([pk] for pk in pks)):
            try:
                yield reverse(f"admin:{name}", args=args)
            except NoReverseMatch:
                continue


@pytest.mark.parametrize("who", [superuser, finance])
def test_no_crafted_post_writes_a_row_of_money_or_terms(world: World, who: Any) -> None:
    desk, before, changed, tried, bare = who(), everything(), [], 0, []
    for address, page in pages():
        pks = rows_of(page.model)
        bare += [] if pks else [address]
        with clock.frozen(LATER):
            for path, form in attacks(page, *(pks or [1])):
                answer = desk.client.post(f"/admin/{address}/{path}", form)
                assert answer.status_code < 500, (address, path, form)
                tried += 1
            for url in own_pages(page, pks):
                assert desk.client.post(url, {}).status_code < 500, url
        changed += [(address, table) for table in differing(before, everything())]
        assert changed == []
    assert tried > 6 * len(pages())
    assert len(bare) * 2 < len(pages()), f"without a row there is little to attack: {bare}"
    assert_money_is_whole()


def test_who_may_only_look_moves_nothing_even_with_a_confirmation(world: World) -> None:
    desk, before = onlooker(), everything()
    sure = {"confirmed": "yes", "reason": "because", "amount": "5.00", "given": "5.00", "currency": "USD"}
    for address, page in pages():
        pks = rows_of(page.model)
        with clock.frozen(LATER):
            for action in actions(page) if pks else ():
                form = crafted(page.model) | sure | {"action": action, "_selected_action": str(pks[0])}
                assert desk.client.post(f"/admin/{address}/", form).status_code < 500, (address, action)
            for url in own_pages(page, pks):
                assert desk.client.post(url, sure).status_code < 500, url
        assert differing(before, everything()) == [], address


def test_a_page_without_rows_gives_no_right_to_write_either(settings: Settings) -> None:
    settings.DEVELOPMENT = False
    request = HttpRequest()
    request.user = superuser().user
    request.user.refresh_from_db()
    assert request.user.has_perm("payments.change_posting")
    for address, page in pages():
        rights = (page.has_add_permission(request), page.has_change_permission(request))
        assert (*rights, page.has_delete_permission(request)) == (False, False, False), address
        assert not page.list_editable, address
        assert "delete_selected" not in page.get_actions(request), address
        for inline in page.get_inline_instances(request):
            assert not inline.has_change_permission(request), (address, inline)
            assert not inline.has_add_permission(request, None), (address, inline)
            assert not inline.has_delete_permission(request), (address, inline)
