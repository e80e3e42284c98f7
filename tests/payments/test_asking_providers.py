"""Asking providers: what one key, one movement or one provider breaks is not lost to the others, whoever runs out of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from structlog.testing import capture_logs

from core.public import unit_of_work
from payments.models import InboundEvent, Payout, PayoutAttempt, ProviderMovement
from payments.operations.rails import inbox, sending, tracking
from payments.providers.port import Movement, ProviderUnavailable
from payments.providers.sandbox import SandboxProvider
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments.hours_world import platform
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_sweeps import poisoned

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
Lookup = Callable[..., dict[str, Movement]]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The provider is asked for each key by itself, as Stripe is; the keys that it was asked for."""
    asked: list[str] = []
    real: Lookup = SandboxProvider.lookup

    def lookup(self: SandboxProvider, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        asked.extend(keys := list(keys))
        return real(self, keys, now=now)

    monkeypatch.setattr(SandboxProvider, "asked_together", 1)
    monkeypatch.setattr(SandboxProvider, "lookup", lookup)
    yield asked
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def released(count: int = 3, **fault: Any) -> list[str]:
    """So many payouts that are due; the keys of their attempts to come. ``fault`` is the first one's."""
    lab = story.new_lab(funded=1_000_000)
    for n in range(count):
        expert = story.new_expert(f"Expert {n}", account=f"acct-{n}")
        story.earn(expert, 20_000, lab=lab)
    if fault:
        story.fault(**fault, account="acct-0")
    story.released_run()
    with platform():
        return [f"{payout.public_id}-1" for payout in Payout.objects.order_by("pk")]


def statuses() -> list[str]:
    with platform():
        return list(Payout.objects.order_by("pk").values_list("status", flat=True))


def failing(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, *bad: str) -> None:
    """Let the provider fail where it is asked about one of these keys."""
    real = getattr(SandboxProvider, method)

    def fail(self: SandboxProvider, keys: Any, *, now: dt.datetime) -> Any:
        keys = keys if isinstance(keys, str) else list(keys)
        if any(key in bad for key in ([keys] if isinstance(keys, str) else keys)):
            raise error
        return real(self, keys, now=now)

    monkeypatch.setattr(SandboxProvider, method, fail)


def test_a_key_that_cannot_be_barred_costs_itself_alone_and_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_others = released(kind="timeout_not_executed")
    sending.send_due(now=NOW)
    assert statuses() == ["unknown", "submitted", "submitted"]
    with platform():
        failing(monkeypatch, "cancel", ProviderUnavailable("no"), first)
        with capture_logs() as logs:
            tracking.track_due(now=NOW + DAY)
        assert statuses() == ["unknown", "paid", "paid"]
        assert [line["event"] for line in logs] == ["payout_key_not_barred"]
        sending.send_due(now=NOW + DAY)
        assert ProviderMovement.objects.count() == 2
        monkeypatch.undo()
        again = NOW + DAY + tracking.ASK_AGAIN
        tracking.track_due(now=again)
        assert statuses()[0] == "ready"
    story.send_and_track(again + MINUTE)
    assert statuses() == ["paid"] * 3
    assert PayoutAttempt.objects.get(idem_key=first).outcome == "rejected"


def test_whoever_runs_out_of_time_has_written_down_what_he_heard(
    monkeypatch: pytest.MonkeyPatch, one_by_one: list[str]
) -> None:
    first, second, third = released()
    sending.send_due(now=NOW)
    failing(monkeypatch, "lookup", SoftTimeLimitExceeded(), second)
    with pytest.raises(SoftTimeLimitExceeded):
        tracking.track_due(now=NOW)
    assert (statuses(), one_by_one) == (["paid", "submitted", "submitted"], [first])
    with platform():  # the next payout of all is due since a moment before the slow one
        Payout.objects.filter(public_id=third.removesuffix("-1")).update(next_attempt_at=NOW)
    with pytest.raises(SoftTimeLimitExceeded):
        tracking.track_due(now=NOW + MINUTE)
    assert (statuses(), one_by_one) == (["paid", "submitted", "paid"], [first, third])


def test_the_others_of_a_batch_do_not_wait_behind_the_one_that_takes_all_the_time(
    monkeypatch: pytest.MonkeyPatch, one_by_one: list[str]
) -> None:
    """Both slow ones were due first, and are due again with the rest of their batch, time after time."""
    first, second, third = released()
    sending.send_due(now=NOW)
    failing(monkeypatch, "lookup", SoftTimeLimitExceeded(), first, second)
    for minutes in range(3):
        with pytest.raises(SoftTimeLimitExceeded):
            tracking.track_due(now=NOW + minutes * MINUTE)
    assert (statuses(), one_by_one) == (["submitted", "submitted", "paid"], [third])


def test_a_key_without_an_answer_costs_itself_alone(monkeypatch: pytest.MonkeyPatch, one_by_one: list[str]) -> None:
    first, *_others = released()
    sending.send_due(now=NOW)
    failing(monkeypatch, "lookup", ProviderUnavailable("429"), first)
    tracking.track_due(now=NOW)
    assert statuses() == ["submitted", "paid", "paid"]


def test_a_silent_provider_is_left_alone_and_those_he_was_not_asked_about_come_first(
    monkeypatch: pytest.MonkeyPatch, one_by_one: list[str]
) -> None:
    keys = released(5)
    sending.send_due(now=NOW)
    with monkeypatch.context() as silence:
        failing(silence, "lookup", ProviderUnavailable("down"), *keys)
        tracking.track_due(now=NOW)
    assert statuses() == ["submitted"] * 5
    tracking.track_due(now=NOW + MINUTE)
    assert statuses() == [*["submitted"] * tracking.SILENCES, "paid", "paid"]
    tracking.track_due(now=NOW + tracking.ASK_AGAIN)
    assert statuses() == ["paid"] * 5


def test_returned_money_comes_back_though_one_movement_cannot_be_followed() -> None:
    released(kind="return", code="AC06")
    story.fault("return", code="AC06", account="acct-1")
    story.send_and_track()
    assert statuses() == ["paid"] * 3
    with platform():
        first = Payout.objects.order_by("pk")[0]
    with poisoned(
        "payments_journalentry", "INSERT", "kind", "payout_returned' AND NEW.source_id = '" + first.public_id
    ):
        with capture_logs() as logs:
            tracking.follow_settlements(now=NOW + 4 * DAY)
        assert statuses() == ["paid", "returned", "paid"]
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["settlement_not_followed"]
    tracking.follow_settlements(now=NOW + 4 * DAY)
    assert statuses() == ["returned", "returned", "paid"]


def test_an_event_that_takes_all_the_time_there_is_is_nobody_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _third = released()
    sending.send_due(now=NOW)
    with platform():
        for key in (first, second):
            inbox.receive(provider="sandbox", event_id=key, kind="transfer", raw=b"{}", keys=[key], now=NOW)
    with monkeypatch.context() as slow:
        failing(slow, "lookup", SoftTimeLimitExceeded(), first)
        with pytest.raises(SoftTimeLimitExceeded):
            inbox.handle_due(now=NOW)
        assert set(InboundEvent.objects.values_list("status", "code")) == {("received", "")}
        assert statuses() == ["submitted"] * 3
        with pytest.raises(SoftTimeLimitExceeded):  # the other one was heard first this time
            inbox.handle_due(now=NOW + inbox.LEASE)
        assert list(InboundEvent.objects.order_by("pk").values_list("status", flat=True)) == ["received", "handled"]
        assert statuses() == ["submitted", "paid", "submitted"]
    inbox.handle_due(now=NOW + 2 * inbox.LEASE)
    assert set(InboundEvent.objects.values_list("status", flat=True)) == {"handled"}
    assert statuses() == ["paid", "paid", "submitted"]
