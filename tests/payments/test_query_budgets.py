"""Every list of hours and money costs as many queries for a full page as for a short one, and can be narrowed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern

from core.api.endpoint import spec_of
from core.money import Money
from marketplace.public import Contract, RateSnapshot
from payments.api import urls
from payments.models import FxQuote, Invoice, TimeEntry
from payments.operations.exchange import exchange_instructions, exchanges, fx
from payments.operations.hours import clocks, disputes, time_entries, timers, timesheets
from payments.operations.labs import credit_notes, funding, invoices, refunds
from payments.operations.pay import adjustments, bonuses, milestones, referrals
from payments.operations.pay.bonuses import Bonus
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments.hours_world import HOUR, PLATFORM, Caller, World, platform
from tests.payments.ledger_story import NOW
from tests.payments.paper_world import WORKED, worked
from tests.payments.test_self_billing import FRENCH, business

DAY, WEEK, MINUTE = dt.timedelta(days=1), dt.timedelta(days=7), dt.timedelta(minutes=1)
FEW: Final = 2
LATER = NOW + 3 * WEEK
READS = ("timesheets", "bonuses", "balance", "funding", "invoices", "projects", "contracts")


def paginated(patterns: list[URLPattern], prefix: str) -> dict[str, frozenset[str]]:
    """The paths of all lists in pages, each with its query parameters."""
    views: list[tuple[str, Any]] = [(str(pattern.pattern), pattern.callback) for pattern in patterns]
    specs = [(path, spec_of(view.view_class, "GET")) for path, view in views]
    return {f"{prefix}/{path}": spec.query_names for path, spec in specs if spec is not None and spec.paginated}


KNOWN: Final = {**paginated(urls.expert_urlpatterns, "/expert"), **paginated(urls.lab_urlpatterns, "")}
LISTS: Final = list(KNOWN)


def cost(caller: Caller, path: str) -> tuple[int, list[Any]]:
    """How many queries a list costs, and its rows."""
    with CaptureQueriesContext(connection) as seen:
        answer = caller("GET", path, at=LATER)
    assert answer.status_code == 200, answer.content
    return len(seen), answer.json()["results"]


CURRENCIES: Final = ("USD", "EUR", "CHF", "GBP", "JPY")


def assert_it_narrows(caller: Caller, path: str, known: frozenset[str]) -> None:
    """Each instant parts the list in two, and each row is listed under one currency."""

    def rows(query: str) -> list[Any]:
        answer = caller("GET", f"{path}?limit=200&{query}", at=LATER)
        assert answer.status_code == 200, answer.content
        found: list[Any] = answer.json()["results"]
        return found

    everything = rows("")
    if "created_after" in known:
        for at in (LATER - 99 * WEEK, NOW + WEEK, LATER, LATER + 99 * WEEK):
            text = f"{at:%Y-%m-%dT%H:%M:%SZ}"
            assert rows(f"created_after={text}") + rows(f"created_before={text}") == everything, text
        assert rows(f"created_before={LATER - 99 * WEEK:%Y-%m-%dT%H:%M:%SZ}") == []
    for name in {"currency", "sell", "buy"} & known:
        found = {currency: rows(f"{name}={currency}") for currency in CURRENCIES}
        assert sum(len(part) for part in found.values()) == len(everything), name
        assert all(f'"{currency}"' in str(row).replace("'", '"') for currency in found for row in found[currency])


def pay_a_week(world: World, n: int) -> None:
    """Two entries, approved, paid and invoiced in the expert's name."""
    with platform():
        worked(world, 60, 60, since=WORKED + n * WEEK)
    story.released_run(now=NOW + n * WEEK)
    story.send_and_track(NOW + n * WEEK)
    clocks.write_self_billing(by=PLATFORM, now=NOW + n * WEEK)


def contested_week(world: World) -> None:
    """Three days over the cap, and as many disputes."""
    start = WORKED + 3 * WEEK
    for n in range(3):
        at = start + n * DAY
        (entry,) = time_entries.log(
            contract=world.contract, activity="task", claim=None, started_at=at, ended_at=at + 55 * MINUTE,
            reason="offline", now=at + 55 * MINUTE,
        )  # fmt: skip
        timer = timers.start(contract=world.contract, activity="task", claim=None, now=at + 60 * MINUTE)
        timers.stop(entry=timer, now=at + 69 * MINUTE)
    sheet = timesheets.submit(timesheet=entry.timesheet, by=PLATFORM, now=start + 4 * DAY)
    for row in sheet.entries.filter(source="manual"):
        disputes.open_against(
            entry=row,
            reason="Too long.",
            proposed_seconds=60,
            decided_by=world.member,
            by=PLATFORM,
            now=start + 5 * DAY,
        )


def promised(world: World) -> None:
    """Milestones of both sorts, for the project and for an opening; bonuses, and some that wait for another's word."""
    contract = world.contract
    for n in range(4):
        milestones.define(
            project=contract.project,
            opening=contract.opening if n % 2 else None,
            title=f"Promise {n}",
            basis="approved_hours" if n in {0, 3} else "accepted_submissions",
            threshold=HOUR * 1000,
            amount=Money(100, "USD"),
            budget=Money(1000, "USD"),
            decided_by=world.member,
            now=LATER,
        )
    for n, minor in enumerate((1000, 1000, 1000, 200_000, 200_000, 200_000)):
        bonus = Bonus(contract, Money(minor, "USD"), f"Reason {n}")
        bonuses.pay(bonus=bonus, decided_by=world.member, by=PLATFORM, now=hours.SIGNED + n * DAY)


def exchanged(world: World) -> None:
    """Quotes, conversions, standing instructions and exchanges."""
    for buy in ("EUR", "GBP", "JPY"):
        story.add_method(world.expert, account=f"acct-{buy}", currency=buy)
        for sell in ("USD", "CHF"):
            story.quoted("0.9", sell=sell, buy=buy, valid_until=LATER + DAY, now=LATER - DAY)
    for n, quote in enumerate(FxQuote.objects.filter(sell="USD").order_by("pk")):
        fx.convert(tenant_id=world.tenant.pk, quote=quote, sold=Money(100 + n, "USD"), by=PLATFORM, now=LATER)
        exchanges.exchange(expert=world.expert, quote=quote, sold=Money(100 + n, "USD"), by=PLATFORM, now=LATER)
        exchange_instructions.agree(
            expert=world.expert, sell=("USD", "CHF", "SEK")[n], buy=("EUR", "GBP", "JPY")[n], most_spread_bp=100,
            least_rate=Decimal(0), consent=True, now=LATER,
        )  # fmt: skip


def funded_and_billed(world: World) -> None:
    """Funding that was given back, and invoices of which a part was."""
    for n in range(3):
        referrals.invite(referrer=world.expert, email=f"friend{n}@example.org", now=LATER)
        paid_in = funding.announce(tenant_id=world.tenant.pk, amount=Money(500 + n, "USD"), by=PLATFORM, now=LATER)
        refunds.refund(funding=paid_in, reason="Not needed.", by=story.new_user("Fin"), now=LATER)


def corrected(world: World) -> None:
    """Every approved entry a minute shorter, and a last bonus."""
    for entry in TimeEntry.objects.settled().order_by("pk"):
        adjustments.correct(entry=entry, counted=entry.seconds - 60, reason="Idle.", decided_by=world.member, now=LATER)
    last = Bonus(world.contract, Money(5000, "USD"), "Last")
    bonuses.pay(bonus=last, decided_by=world.member, by=PLATFORM, now=LATER)


def colleagues(world: World) -> None:
    """Two more contracts of the same project, with the same terms."""
    for n in range(2):
        contract = hours.contract_of(world, hours.make_expert(f"colleague{n}@example.org"))
        Contract.objects.filter(pk=contract.pk).update(project=world.contract.project)
        terms = RateSnapshot.objects.get(pk=world.snapshot.pk)
        terms.pk, terms.contract = None, contract
        terms.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_no_list_costs_more_the_longer_it_is(subtests: pytest.Subtests, settings: LazySettings) -> None:
    settings.ISSUER, settings.RATE_LIMITS_ENABLED = FRENCH, False
    ada = business()
    with platform():
        world = hours.build(expert=ada, day_cap=HOUR)
        promised(world)
        colleagues(world)
    year = f"/expert/statements/yearly?year={NOW.year}"
    expert, lab = hours.expert_caller(world), hours.lab_caller(world, *(f"{noun}:read" for noun in READS))
    pay_a_week(world, 0)
    after_one = yearly(expert, year)
    pay_a_week(world, 1)
    pay_a_week(world, 2)
    with subtests.test(path=year):
        after_three = yearly(expert, year)
        assert (after_one[1], after_three[1]) == (1, 3)
        assert after_three[0] <= after_one[0]
    with platform():
        corrected(world)
        contested_week(world)
        exchanged(world)
        funded_and_billed(world)
    invoices.issue_due(now=LATER + 60 * DAY, tenant_id=world.tenant.pk)
    with platform():
        for invoice in Invoice.objects.filter(tenant=world.tenant).order_by("pk")[:3]:
            credit_notes.credit(invoice=invoice, part="fee", reason="Sorry.", by=story.new_user("Fin"), now=LATER)
    for path in LISTS:
        filled = path.replace("<str:project_id>", world.contract.project.public_id)
        caller = expert if path.startswith("/expert") else lab
        with subtests.test(path=path):
            cost(caller, filled)  # whatever is read once in a process
            few, short = cost(caller, f"{filled}?limit={FEW}")
            many, long = cost(caller, f"{filled}?limit=200")
            assert len(short) == FEW < len(long)
            assert_it_narrows(caller, filled, KNOWN[path])
            assert many <= few, f"{few} queries for {len(short)} rows, {many} for {len(long)}"


def yearly(caller: Caller, path: str) -> tuple[int, int]:
    """How many queries a year costs, and how many payments it tells of."""
    with CaptureQueriesContext(connection) as seen:
        (dollars,) = caller("GET", path, at=LATER).json()["currencies"]
    return len(seen), len(dollars["payments"])
