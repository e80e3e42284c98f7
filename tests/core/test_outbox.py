"""The outbox: news are delivered at least once, whatever dies in between."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import transaction

from core import outbox
from core.models import Event, EventHandling

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the events that the only subscriber of this test heard; "tests.fail" makes it fail."""
    names: list[str] = []

    def listen(event: Event, now: dt.datetime) -> None:
        names.append(event.name)
        if event.name == "tests.fail":
            Event.objects.create(name="half.done", subject="x", occurred_at=now)
            raise RuntimeError("not today")

    registry: dict[str, Any] = {"tests.listen": ("tests.*", listen)}
    monkeypatch.setattr(outbox, "_subscribers", registry)
    return names


def publish(name: str) -> Event:
    with transaction.atomic():
        return outbox.publish(name, subject="ten_1", now=NOW)


@pytest.mark.django_db(transaction=True)
class TestOutbox:
    def test_a_subscriber_hears_what_it_asked_for_once(self, heard: list[str]) -> None:
        publish("tests.happened")
        publish("other.happened")
        assert outbox.drain(now=NOW) == 1
        assert outbox.drain(now=NOW + dt.timedelta(days=1)) == 0
        assert heard == ["tests.happened"]

    def test_a_rollback_tells_nobody(self, heard: list[str]) -> None:
        with pytest.raises(ValueError, match="undo"), transaction.atomic():
            outbox.publish("tests.happened", subject="ten_1", now=NOW)
            raise ValueError("undo")
        assert outbox.drain(now=NOW) == 0
        assert heard == []

    def test_a_failure_leaves_nothing_half_done_and_is_tried_again(self, heard: list[str]) -> None:
        publish("tests.fail")
        outbox.drain(now=NOW)
        debt = EventHandling.objects.get()
        assert debt.done_at is None
        assert "not today" in debt.last_error
        assert not Event.objects.filter(name="half.done").exists()
        assert outbox.drain(now=NOW) == 0
        outbox.drain(now=debt.next_attempt_at)
        assert heard == ["tests.fail", "tests.fail"]

    def test_a_failing_debt_does_not_hold_up_the_others(self, heard: list[str]) -> None:
        publish("tests.fail")
        publish("tests.happened")
        outbox.drain(now=NOW)
        assert heard == ["tests.fail", "tests.happened"]
        assert EventHandling.objects.filter(done_at=None).count() == 1

    def test_two_subscribers_may_not_share_a_name(self, heard: list[str]) -> None:
        with pytest.raises(ValueError, match=r"tests\.listen"):
            outbox.subscribe("x.*", name="tests.listen")(print)
