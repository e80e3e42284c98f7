"""A provider that is asked about many at once: whoever dies over some of them died over one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.public import unit_of_work
from payments.models import ProviderEntry
from payments.operations.rails import rounds, tracking
from payments.providers.port import Movement, Settled
from payments.providers.sandbox import SandboxProvider
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.stripe_world import DAY, HOUR, assert_the_books_hold
from tests.payments.test_asking_providers import released, statuses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Keys over whose answer a worker dies."""
    found: set[str] = set()
    real: Callable[..., list[Settled]] = SandboxProvider.settlements

    def settlements(self: SandboxProvider, **options: Any) -> list[Settled]:
        def heard(line: Settled) -> Movement:
            if line.key in found:
                raise KeyboardInterrupt
            return line.hear()

        return [Settled(line.position, line.key, partial(heard, line)) for line in real(self, **options)]

    monkeypatch.setattr(SandboxProvider, "settlements", settlements)
    monkeypatch.setattr(SandboxProvider, "asked_together", 4)
    return found


def test_the_others_are_heard_and_the_one_is_found(deadly: set[str]) -> None:
    keys = released(7, kind="return", code="AC06")
    story.send_and_track()
    deadly.add(keys[2])
    at = NOW + 4 * DAY
    for heard in (0, 2):  # he died over four, then over the one
        with pytest.raises(KeyboardInterrupt):
            tracking.follow_settlements(now=at)
        with unit_of_work(SYSTEM):
            assert ProviderEntry.objects.filter(kind="payout").count() == heard
    with capture_logs() as logs:
        tracking.follow_settlements(now=at)
    assert [line["key"] for line in logs if line["event"] == "settlement_too_slow"] == [keys[2]]
    with unit_of_work(SYSTEM):
        told = set(ProviderEntry.objects.filter(kind="payout").values_list("key", flat=True))
    assert told == {*keys} - {keys[2]}
    assert statuses()[0] == "returned"
    assert rounds.heard_at(provider="sandbox") == at
    deadly.clear()
    tracking.follow_settlements(now=at + HOUR)
    with unit_of_work(SYSTEM):
        assert ProviderEntry.objects.filter(kind="payout").count() == 7
    assert_the_books_hold()


def test_a_round_that_stood_still_for_long_begins_again(deadly: set[str]) -> None:
    keys = released(3)
    story.send_and_track()
    deadly.add(keys[0])
    with pytest.raises(KeyboardInterrupt):
        tracking.follow_settlements(now=NOW + HOUR)
    deadly.clear()
    at = NOW + HOUR + rounds.STALE
    tracking.follow_settlements(now=at)
    assert rounds.heard_at(provider="sandbox") == at
    with unit_of_work(SYSTEM):
        assert ProviderEntry.objects.count() == 3
