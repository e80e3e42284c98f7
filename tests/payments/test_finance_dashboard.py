"""Finance at one look: every figure is that of the ledger, and a broken book lights the lamp."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from core import clock
from core.db import as_owner
from core.money import Money
from core.public import unit_of_work
from payments import jobs
from payments.models import JournalEntry, Payout
from payments.queries import finances, trial_balance
from tests.payments import ledger_story as story
from tests.payments.ledger_story import MONDAY, NOW, SYSTEM
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
LOOK = NOW + dt.timedelta(minutes=5)


def page(desk: Desk) -> str:
    with clock.frozen(NOW):
        answer = desk.client.get("/admin/finance/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_empty_house_says_so() -> None:
    text = page(Desk())
    assert "Nobody is owed anything." in text
    assert "None failed" in text


def test_only_who_may_see_the_books_sees_them() -> None:
    desk = Desk()
    desk.user.user_permissions.clear()
    assert desk.client.get("/admin/finance/").status_code == 403
    assert 'href="/admin/finance/"' not in desk.client.get("/admin/").content.decode()


def test_the_figures_are_those_of_the_ledger() -> None:
    lab = story.new_lab(funded=1_000_000)
    ada, bob, eve = story.new_expert("Ada"), story.new_expert("Bob", ready=False), story.new_expert("Eve")
    story.earn(ada, 30_000, lab=lab, fee=9_000, at=NOW - dt.timedelta(days=3))
    story.earn(ada, 5_000, lab=lab, at=NOW - dt.timedelta(days=20))
    story.earn(bob, 7_000, lab=lab, at=NOW - dt.timedelta(days=200))
    story.earn(eve, 100, lab=lab)
    story.claw_back(eve, 2_100, lab=lab)
    with unit_of_work(SYSTEM):
        found = {line.kind: (line.we_owe.minor, line.we_own.minor) for line in finances.positions()["USD"]}
        (run,) = finances.next_runs(currencies=["USD"], now=NOW)
        old = finances.ages(now=NOW)["USD"]
    assert found["expert_payable"] == (42_000, 2_000)
    assert found["fee_income"] == (9_000, 0)
    assert sum(owe - own for owe, own in found.values()) == 0
    assert [money.minor for money in old] == [30_000, 5_000, 0, 7_000]
    assert (run.people, run.total) == (1, Money(35_000, "USD"))
    assert run.cutoff == MONDAY + dt.timedelta(days=7)
    assert [(people, owed.minor) for _reason, people, owed in run.left_out] == [(1, -2_000), (1, 7_000)]
    text = page(Desk())
    for figure in ("$350.00", "$420.00", "$300.00", "$70.00", "The trial balance is zero in every currency: USD."):
        assert figure in text


def test_what_is_owed_is_the_latest_pay() -> None:
    ada, lab = story.new_expert(account="acct-ada"), story.new_lab(funded=1_000_000)
    story.earn(ada, 10_000, lab=lab, at=NOW - dt.timedelta(days=40))
    story.released_run()
    story.earn(ada, 6_000, lab=lab, at=NOW - dt.timedelta(days=1))
    story.claw_back(ada, 1_000, lab=lab)
    with unit_of_work(SYSTEM):
        assert [money.minor for money in finances.ages(now=NOW)["USD"]] == [5_000, 0, 0, 0]


def test_payouts_that_failed_are_counted_where_they_can_be_found() -> None:
    ada = story.new_expert(account="acct-ada")
    story.earn(ada, 20_000, lab=story.new_lab(funded=100_000))
    story.fault("reject", account="acct-ada", code="AC04")
    story.released_run()
    story.send_and_track()
    desk = Desk()
    assert "?status__exact=failed&amp;currency=USD" in page(desk)
    listed = desk.client.get("/admin/payments/payout/?status__exact=failed&currency=USD")
    assert listed.status_code == 200
    assert Payout.objects.get().public_id in listed.content.decode()


def test_a_broken_book_lights_the_lamp() -> None:
    story.earn(story.new_expert(), 10_000, lab=story.new_lab(funded=100_000))
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_posting DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE payments_posting SET amount = amount + 7 WHERE id = (SELECT min(id) FROM payments_posting)"
        )
    try:
        text = page(Desk())
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payments_posting ENABLE TRIGGER USER")
    assert "The trial balance is not zero" in text
    assert "$0.07" in text


def break_a_leg(by: int) -> None:
    """The books of the first entry, as no guard lets anybody."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_posting DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE payments_posting SET amount = amount + %s WHERE id = (SELECT min(id) FROM payments_posting)", [by]
        )
        cursor.execute("ALTER TABLE payments_posting ENABLE TRIGGER USER")


def seen(desk: Desk) -> tuple[str, set[str]]:
    """The journal's page: the line of its lamp, and what it asked of the legs as such."""
    with clock.frozen(LOOK), CaptureQueriesContext(connection) as asked:
        text = desk.client.get("/admin/payments/journalentry/").content.decode()
    (line,) = re.findall('<p class="told[^>]*>(● [^<]*)</p>', text)
    sums = {query["sql"] for query in asked if "sum(" in query["sql"].lower() and "payments_posting" in query["sql"]}
    return html.unescape(line.strip()), sums


def test_the_lamp_reads_every_leg_once_and_then_what_came_since() -> None:
    """However often it is looked at. What it has counted before is dated; what is booked since is in it at once."""
    lab, desk = story.new_lab(funded=100_000), Desk()
    with clock.frozen(NOW):
        jobs.count_trial_balance()
    zero = "● Trial balance zero: USD (counted {at:%Y-%m-%d %H:%M} UTC, and what was booked since)"
    story.earn(story.new_expert(), 10_000, lab=lab)
    line, sums = seen(desk)
    assert line == zero.format(at=NOW)
    assert all("entry_id > " in query for query in sums)
    assert len(sums) == 1
    break_a_leg(7)
    assert seen(desk)[0] == zero.format(at=NOW)
    with clock.frozen(LOOK), capture_logs() as logged:
        jobs.count_trial_balance()
    assert [(entry["event"], entry["sums"]) for entry in logged] == [("books_broken", ["0.07 USD"])]
    assert seen(desk)[0] == "● The books are broken: 0.07 USD"
    break_a_leg(-7)
    with clock.frozen(LOOK):
        jobs.count_trial_balance()
    assert seen(desk)[0] == zero.format(at=LOOK)


def test_a_leg_that_is_broken_after_the_count_is_seen_at_once() -> None:
    with clock.frozen(NOW):
        jobs.count_trial_balance()
    story.earn(story.new_expert(), 10_000, lab=story.new_lab(funded=100_000))
    break_a_leg(7)
    assert seen(Desk())[0] == "● The books are broken: 0.07 USD"


def test_without_a_count_or_after_a_backup_was_restored_whoever_looks_counts() -> None:
    story.earn(story.new_expert(), 10_000, lab=story.new_lab(funded=100_000))
    desk = Desk()
    assert f"counted {LOOK:%Y-%m-%d %H:%M} UTC" in seen(desk)[0]
    with story.platform():
        later = JournalEntry.objects.latest("pk").pk + 1
    cache.set(trial_balance.KEY, ({"USD": 0, "EUR": 5}, later, NOW), 60)
    assert f"counted {LOOK:%Y-%m-%d %H:%M} UTC" in seen(desk)[0]


def test_the_page_costs_the_same_however_many_are_owed(django_assert_max_num_queries: Any) -> None:
    lab, desk = story.new_lab(funded=1_000_000), Desk()
    for n in range(12):
        story.earn(story.new_expert(f"E{n}"), 1_000, lab=lab)
    with django_assert_max_num_queries(31):
        page(desk)
