"""What an expert was paid in a year: by the day of payment, equal to the journal, whatever came back."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.db.models import Sum

from core import clock
from core.money import Money
from experts.public import Expert
from payments.models import Payout, Posting, TaxProfile
from payments.operations.rails import payouts
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import Caller, World, platform
from tests.payments.ledger_story import NOW

pytestmark = pytest.mark.django_db(transaction=True)
YEAR = "/expert/statements/yearly"
WEEK = dt.timedelta(days=7)


def ask(world: World, query: str, *, at: dt.datetime = NOW, path: str = YEAR) -> Any:
    caller: Caller = hours.expert_caller(world)
    return caller("GET", f"{path}?{query}", at=at)


def sent(expert: Expert, currency: str = "USD") -> int:
    """What left for the expert and did not come back, by the journal."""
    with platform():
        found = Posting.objects.filter(
            entry__kind__in=("payout_settled", "payout_returned"),
            entry__source_id__in=Payout.objects.filter(expert=expert).values("public_id"),
            account__kind="cash",
            currency=currency,
        )
        return found.aggregate(total=Sum("amount"))["total"] or 0


@pytest.fixture
def world() -> World:
    """Two payouts with tax withheld from the second, of two labs and a week apart."""
    world = papers.with_extras(papers.build())
    papers.paid(world)
    with platform():
        TaxProfile.objects.filter(expert=world.expert).update(withholding_bp=2400)
    story.earn(world.expert, 10_001, lab=story.new_lab(funded=100_000), at=NOW)
    story.released_run(now=NOW + WEEK)
    story.send_and_track(NOW + WEEK)
    return world


def test_the_year_equals_the_journal(world: World) -> None:
    answer = ask(world, "year=2026", at=NOW + WEEK).json()
    (part,) = answer["currencies"]
    assert part["net"]["amount"] == Money(sent(world.expert), "USD").amount
    assert part["withheld"] == {"amount": "24.00", "currency": "USD"}
    paid = [payment["gross"]["amount"] for payment in part["payments"]]
    assert paid == ["512.98", "100.01"]
    assert [quarter["gross"]["amount"] for quarter in part["quarters"]] == ["0.00", "0.00", "0.00", "612.99"]
    by_lab = {share["lab"]: share["gross"]["amount"] for share in part["labs"]}
    assert by_lab == {"Lab of Ada": "512.98", None: "100.01"}  # the second tenant shows no name to experts
    assert ask(world, "year=2025").json()["currencies"] == []


def test_what_came_back_is_taken_off_again(world: World) -> None:
    with platform():
        second = Payout.objects.filter(expert=world.expert).latest("pk")
        payouts.returned(second, code="AC04", now=NOW + 2 * WEEK)
    (part,) = ask(world, "year=2026", at=NOW + 2 * WEEK).json()["currencies"]
    assert (part["net"]["amount"], part["withheld"]["amount"]) == ("512.98", "0.00")
    assert part["net"]["amount"] == Money(sent(world.expert), "USD").amount
    assert [payment["net"]["amount"] for payment in part["payments"]] == ["512.98", "76.01", "-76.01"]


def test_it_can_be_kept(world: World) -> None:
    at = NOW + WEEK
    rows = list(
        csv.DictReader(io.StringIO(ask(world, "year=2026&format=csv", at=at, path=f"{YEAR}/download").content.decode()))
    )
    assert [(row["gross"], row["withheld"], row["net"]) for row in rows] == [
        ("512.98", "0.00", "512.98"),
        ("100.01", "24.00", "76.01"),
    ]
    page = ask(world, "year=2026", at=at, path=f"{YEAR}/download").content.decode()
    for figure in ("612.99", "24.00", "588.99"):
        assert f"{figure}\u00a0USD" in page
    file = ask(world, "year=2026&format=pdf", at=at, path=f"{YEAR}/download").content
    assert file.startswith(b"%PDF-")


@pytest.mark.parametrize(
    "query", ["", "year=", "year=1999", "year=2101", "year=x", "year=2026.5", "year=2028", "year=2026&q=1"]
)
def test_impossible_years_are_refused(query: str) -> None:
    world = papers.build()
    for path in (YEAR, f"{YEAR}/download"):
        assert ask(world, query, path=path).status_code == 400
    with clock.frozen(NOW):
        assert ask(world, "year=2026&format=xml", path=f"{YEAR}/download").status_code == 400


def test_a_year_begins_in_the_payer_s_zone(settings: Any) -> None:
    """At midnight in London it is still the old year in New York."""
    settings.TAX_ZONE = "America/New_York"
    world = papers.build()
    midnight = dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.UTC)
    story.earn(world.expert, 5_000, lab=story.new_lab(funded=10_000))
    story.released_run()
    story.send_and_track(midnight)
    assert ask(world, "year=2027", at=midnight).status_code == 400
    at = midnight + WEEK
    assert ask(world, "year=2027", at=at).json()["currencies"] == []
    assert ask(world, "year=2026", at=at).json()["currencies"][0]["payments"][0]["paid_on"] == "2026-12-31"
