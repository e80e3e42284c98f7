"""Rate cards: over HTTP, from a lab's own card to a card that was retired, and what PostgreSQL refuses of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from core import clock
from core.money import EXPONENTS
from marketplace.models import Rate, RateCard, RateSnapshot
from marketplace.operations import acceptance, offers, rate_cards
from marketplace.operations.rate_cards import Line
from marketplace.rates import HARD_CAPS
from tests.core.api.conftest import problem
from tests.marketplace.test_journey import ok
from tests.marketplace.world import (
    NOW,
    expert_caller,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
    signatures_for,
)

V1 = "/api/v1"


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


def publish(*lines: Line, tenant: Any = None, title: str = "Later") -> RateCard:
    with platform():
        return rate_cards.publish(title=title, lines=lines, tenant=tenant, valid_from=NOW, now=NOW)


def test_a_labs_own_card_goes_first_and_its_rivals_never_see_it(db: None) -> None:
    ours, rival = make_lab(), make_lab("Rival")
    card = publish(Line("expert", 20_000, "USD", domain="medicine"), tenant=ours.tenant, title="Acme")
    shown = ok(lab_caller(ours)("GET", f"{V1}/rate-cards/{card.public_id}?currency=USD&tier=expert"))
    assert (shown["own"], shown["version"], [line["rate"]["amount"] for line in shown["rates"]]) == (
        True,
        1,
        ["200.00"],
    )
    problem(lab_caller(rival)("GET", f"{V1}/rate-cards/{card.public_id}"), 404, "not_found")
    assert {row["own"] for row in ok(lab_caller(rival)("GET", f"{V1}/rate-cards"))["results"]} == {False}
    ada = make_expert()
    assert make_offer(make_opening(make_project(ours)), ada).rate_minor == 20_000
    assert make_offer(make_opening(make_project(rival)), ada).rate_minor == 14_300


def test_a_named_work_type_goes_before_any_other_line(db: None) -> None:
    lab = make_lab()
    publish(
        Line("expert", 20_000, "USD", domain="medicine"),
        Line("expert", 17_000, "USD", work_type="rubric_authoring"),
        tenant=lab.tenant,
    )
    project = make_project(lab)
    named = make_opening(project, work_type="rubric_authoring")
    assert make_offer(named, make_expert()).rate_minor == 17_000
    assert make_offer(make_opening(project), make_expert("bob@example.org")).rate_minor == 20_000


def test_a_retired_card_keeps_what_it_promised(db: None) -> None:
    lab = make_lab()
    first = publish(Line("expert", 20_000, "USD"), tenant=lab.tenant)
    opening = make_opening(make_project(lab), seats=3)
    ada, bob, eve = (make_expert(f"{name}@example.org") for name in ("ada", "bob", "eve"))
    held, out = make_contract(opening, ada), make_offer(opening, bob)
    second = publish(Line("expert", 18_000, "USD"), tenant=lab.tenant)
    assert (first.version, second.version) == (1, 2)
    shown = ok(expert_caller(bob)("GET", f"{V1}/expert/offers/{out.public_id}"))
    assert shown["rate"]["amount"] == "200.00"
    signatures = signatures_for(out)
    with platform():
        accepted = acceptance.accept(offer=offers.lock(out), signatures=signatures, now=NOW)
        kept = RateSnapshot.objects.filter(contract__in=(held, accepted))
        assert {(row.rate_minor, row.card_version) for row in kept} == {(20_000, f"{first.public_id} v1")}
    assert make_offer(opening, eve).rate_minor == 18_000
    assert len(ok(lab_caller(lab)("GET", f"{V1}/rate-cards"))["results"]) == 3


@pytest.mark.parametrize(
    "line",
    [
        Line("expert", 100_001, "USD"),
        Line("expert", 150_001, "JPY"),
        Line("expert", 307_001, "KWD"),
        Line("expert", 1_000, "XTS"),
        Line("expert", 0, "USD"),
        Line("expert", 10_000, "USD", band="low"),
        Line("specialist", 10_000, "USD", band="high"),
    ],
)
def test_the_database_refuses_what_no_card_may_say(db: None, line: Line) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        publish(line)
    with platform():
        assert RateCard.objects.count() == 1


def test_the_cap_itself_and_a_band_of_an_entry_tier_are_fine(db: None) -> None:
    publish(
        Line("principal", 100_000, "USD"), Line("principal", 150_000, "JPY"), Line("skilled", 900, "USD", band="low")
    )


def test_a_published_card_never_changes(db: None) -> None:
    for act in (
        lambda: Rate.objects.update(amount_minor=1),
        lambda: Rate.objects.all().delete(),
        lambda: RateCard.objects.update(title="Other"),
    ):
        with pytest.raises(DatabaseError), platform(), transaction.atomic():
            act()


def test_every_cap_is_of_a_currency_and_at_least_its_price_of_an_hour() -> None:
    assert set(HARD_CAPS) <= set(EXPONENTS)
    assert all(cap >= 100_000 for cap in HARD_CAPS.values())
