"""Reading what the bank left: whoever dies, runs out of time or stumbles over one file leaves the others no later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import current_app
from pytest_django import Settings
from structlog.testing import capture_logs

from core import sweeps
from core.money import Money
from core.public import Tenant, unit_of_work
from payments.models import BankFile, BankMessage, Funding, ProviderEntry
from payments.operations.bank import bank_matching, bank_messages, provider_books
from payments.operations.labs import funding
from payments.operations.rails import tracking
from payments.providers.bank_channel import DirectoryChannel
from payments.queries import ledger_findings
from tests.payments import bank_world as world
from tests.payments import ledger_story as story
from tests.payments.bank_world import DAY, GOOD, HOUR, Bank, paid_run, statuses, we_send
from tests.payments.hours_world import platform
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_asking_providers import released
from tests.payments.test_bank_messages import entry, leave, statement

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)
SOON = NOW + 5 * MINUTE


@pytest.fixture
def bank(settings: Settings, tmp_path: Path) -> Iterator[Bank]:
    opened = world.open_bank(settings, tmp_path)
    yield opened
    opened.close()
    with unit_of_work(SYSTEM):
        assert ledger_findings.findings() == []


def dying(*_args: object, **_kwargs: object) -> None:
    raise KeyboardInterrupt


def read(now: dt.datetime) -> None:
    provider_books.read_bank(now=now)


def test_whoever_dies_before_the_payouts_followed_costs_one_tick(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_run(bank, ("Ada", GOOD, 20_000), ("Bob", world.CLOSED, 30_000))
    we_send()
    bank.read_our_files()
    with monkeypatch.context() as death:
        death.setattr(tracking, "follow_settlements", dying)
        with pytest.raises(KeyboardInterrupt):
            read(NOW)
    assert world.transfers() == ["booked", "rejected"]
    assert statuses() == ["in_transit", "in_transit"]
    read(SOON)
    assert statuses() == ["paid", "failed"]
    with monkeypatch.context() as idle:
        idle.setattr(tracking, "follow_settlements", dying)
        read(SOON + DAY)  # nothing is left to follow


def test_whoever_dies_before_a_transfer_was_looked_at_costs_one_tick(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(bank, "1.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    with monkeypatch.context() as death:
        death.setattr(provider_books, "reconcile", dying)
        with pytest.raises(KeyboardInterrupt):
            read(NOW)
    assert (ProviderEntry.objects.count(), world.open_items()) == (1, [])
    read(SOON)
    assert world.open_items()[:1] == ["unknown_credit"]
    assert not Funding.objects.exists()


def test_a_file_that_cannot_be_put_away_leaves_no_other_in_the_channel(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(bank, "1.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    leave(bank, "2.xml", b"nothing that can be read")
    real = DirectoryChannel.put_away

    def full(self: DirectoryChannel, name: str, *, refused: bool) -> None:
        if name == "1.xml":
            raise OSError("no space is left")
        real(self, name, refused=refused)

    with monkeypatch.context() as disk, capture_logs() as logs:
        disk.setattr(DirectoryChannel, "put_away", full)
        read(NOW)
    assert [path.name for path in bank.waiting()] == ["1.xml"]
    assert list(BankMessage.objects.order_by("name").values_list("status", flat=True)) == ["applied", "refused"]
    assert "bank_message_not_taken" in [line["event"] for line in logs if line["log_level"] == "error"]
    read(SOON)
    assert (bank.waiting(), BankMessage.objects.count()) == ([], 2)


def test_money_of_a_lab_that_cannot_be_booked_keeps_no_other_lab_from_its_own(
    bank: Bank, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FUNDING_SETTLES_AT_ONCE = False
    first, second = announced(10_000), announced(20_000)
    lines = [
        entry(f"{row.amount_minor / 100:.2f}", reference=f"B{row.pk}", text=row.reference) for row in (first, second)
    ]
    leave(bank, "1.xml", statement(*lines, closing="300.00"))
    real = funding.arrived

    def stumble(*, funding: Funding, now: dt.datetime) -> Funding:
        done = real(funding=funding, now=now)
        if funding.pk == first.pk:
            raise RuntimeError("a defect")
        return done

    with monkeypatch.context() as defect, capture_logs() as logs:
        defect.setattr(funding, "arrived", stumble)
        read(NOW)
        assert fundings() == ["pending", "settled"]
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["movement_not_matched"]
        read(NOW + DAY)
        assert [status for _day, status, _why in world.days()] == ["open"]
    read(NOW + DAY)
    assert fundings() == ["settled", "settled"]
    assert [status for _day, status, _why in world.days()] == ["closed"]


def announced(minor: int) -> Funding:
    with platform():
        lab = Tenant.objects.create(name=f"Lab of {minor}")
        return funding.announce(tenant_id=lab.pk, amount=Money(minor, world.EUR), by=SYSTEM, now=NOW)


def fundings() -> list[str]:
    with platform():
        return list(Funding.objects.order_by("pk").values_list("status", flat=True))


def test_a_file_that_takes_all_the_time_there_is_comes_last_and_alarms(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(bank, "1.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    leave(bank, "2.xml", statement(entry("20.00", reference="B2"), closing="30.00", number=2))
    real, tried = bank_messages.apply, []

    def slow(*, pk: int, now: dt.datetime) -> Any:
        name = BankMessage.objects.get(pk=pk).name
        tried.append(name)
        if name == "1.xml":
            raise SoftTimeLimitExceeded
        return real(pk=pk, now=now)

    monkeypatch.setattr(bank_messages, "apply", slow)
    for now in (NOW, SOON):
        with pytest.raises(SoftTimeLimitExceeded):
            read(now)
    assert tried == ["1.xml", "2.xml", "1.xml"]
    assert list(BankMessage.objects.order_by("name").values_list("status", "problem")) == [
        ("received", BankMessage.CANNOT_APPLY),
        ("applied", ""),
    ]

    def too_much(**_kwargs: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(provider_books, "reconcile", too_much)
    with capture_logs() as logs, pytest.raises(SoftTimeLimitExceeded):
        provider_books.reconcile_all(now=NOW + 2 * HOUR)
    alarms = [line["event"] for line in logs if line["log_level"] == "error"]
    assert alarms[:2] == ["reconciliation_too_slow", "bank_message_not_applied"]


def test_a_file_that_takes_all_the_time_there_is_keeps_no_payout_from_the_bank(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gave our file to the bank died over it: that is mended by the job which reads what the bank left."""
    paid_run(bank, ("Ada", GOOD, 20_000))
    with monkeypatch.context() as death, pytest.raises(KeyboardInterrupt):
        death.setattr(DirectoryChannel, "deliver", dying)
        we_send()
    leave(bank, "slow.xml", statement(entry("10.00", reference="B1"), closing="10.00"))
    real = bank_messages.apply

    def slow(*, pk: int, now: dt.datetime) -> Any:
        if BankMessage.objects.get(pk=pk).name == "slow.xml":
            raise SoftTimeLimitExceeded
        return real(pk=pk, now=now)

    monkeypatch.setattr(bank_messages, "apply", slow)
    for minutes in (60, 65):
        with pytest.raises(SoftTimeLimitExceeded):
            read(NOW + minutes * MINUTE)
    assert (BankFile.objects.get().status, bank.read_our_files()) == ("handed_over", ["ACCP"])
    with pytest.raises(SoftTimeLimitExceeded):
        read(NOW + 70 * MINUTE)
    tracking.track_due(now=NOW + 70 * MINUTE)
    assert (statuses(), len(bank.movements())) == (["paid"], 1)


def test_books_of_a_day_too_long_for_one_job_are_closed_by_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job here has the time for one movement alone, and the movements of the day are three."""
    released()
    story.send_and_track()
    monkeypatch.setattr(bank_matching, "TOGETHER", 1, raising=False)
    real, done = bank_matching.link, 0

    def at_the_end(*args: Any, **kwargs: Any) -> None:
        nonlocal done
        done += 1
        if done > 1:
            raise SoftTimeLimitExceeded
        real(*args, **kwargs)

    monkeypatch.setattr(bank_matching, "link", at_the_end)
    for _job in range(2):
        done = 0
        with pytest.raises(SoftTimeLimitExceeded):
            provider_books.reconcile(provider="sandbox", now=NOW + DAY)
    done = 0
    provider_books.reconcile(provider="sandbox", now=NOW + DAY)
    assert ProviderEntry.objects.exclude(journal_entry=None).count() == 3
    provider_books.reconcile(provider="sandbox", now=NOW + 2 * DAY)
    assert [status for _day, status, _why in world.days()] == ["closed"]


def test_whoever_has_no_time_left_for_the_rest_of_a_day_has_it_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released()
    story.send_and_track()
    woken: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_options: woken.append(name))
    monkeypatch.setattr(bank_matching, "TOGETHER", 2, raising=False)
    monkeypatch.setattr(sweeps, "SECONDS", 0.0)
    for matched in (2, 3):
        provider_books.reconcile(provider="sandbox", now=NOW + DAY)
        assert ProviderEntry.objects.exclude(journal_entry=None).count() == matched
    assert woken.count("payments.reconcile") == 2
    provider_books.reconcile(provider="sandbox", now=NOW + DAY)
    assert woken.count("payments.reconcile") == 2
