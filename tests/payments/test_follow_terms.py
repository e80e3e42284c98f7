"""Money that later terms set free or ask for, contract by contract: one that cannot be moved stops no other."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from payments import jobs
from payments.models import FundsReservation
from tests.payments import hours_world as hours
from tests.payments.beside import assert_the_books_hold
from tests.payments.hours_world import MONDAY, World, platform

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, LATER = 2 * 10 * 14_300, 2 * 10 * 15_600
"""Two weeks of ten hours with the fee, at $110.00 and at $120.00."""


def amended(name: str, *, funded_minor: int) -> World:
    """A lab that has agreed on a raise, and whose reservation does not know of it."""
    with platform():
        world = hours.build(name=name, funded_minor=funded_minor)
        hours.raise_rate(world, rate_minor=12_000, at=MONDAY)
    return world


def follow() -> dict[str, int]:
    with clock.frozen(MONDAY):
        jobs.follow_terms()
    with platform():
        return dict(FundsReservation.objects.values_list("tenant__name", "target_minor"))


def test_a_lab_that_cannot_cover_its_terms_stops_no_other() -> None:
    amended("Poor", funded_minor=FIRST)
    amended("Rich", funded_minor=10 * FIRST)
    assert follow() == {"Poor": FIRST, "Rich": LATER}
    with platform():
        hours.fund(FundsReservation.objects.get(tenant__name="Poor").tenant, "USD", LATER - FIRST)
    assert follow() == {"Poor": LATER, "Rich": LATER}
    assert_the_books_hold()


def test_what_is_right_already_is_not_locked() -> None:
    amended("Rich", funded_minor=10 * FIRST)
    assert follow() == {"Rich": LATER}
    with CaptureQueriesContext(connection) as asked:
        assert follow() == {"Rich": LATER}
    assert not [query["sql"] for query in asked.captured_queries if "FOR NO KEY UPDATE" in query["sql"]]
