"""A database that is not the one that sent last sends nothing until somebody has reconciled it."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from core import clock
from core.db import as_owner
from core.desk import queues
from core.public import unit_of_work
from experts.public import Expert
from payments.models import Payout, PayoutAttempt, ProviderMovement, SendingLatch
from payments.operations.rails import sending_latch, tracking
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def ada() -> Expert:
    expert = story.new_expert(account="acct-ada")
    story.earn(expert, 20_000, lab=story.new_lab(funded=100_000))
    story.released_run()
    return expert


def payouts(*words: str) -> str:
    out = io.StringIO()
    call_command("payouts", *words, stdout=out)
    return out.getvalue()


def test_a_fresh_database_sends(ada: Expert) -> None:
    story.send_and_track()
    assert Payout.objects.get().status == "paid"
    assert SendingLatch.objects.get().is_open


def test_it_is_closed_and_opened_by_hand_with_a_reason(ada: Expert) -> None:
    with pytest.raises(CommandError, match="--reason"):
        payouts("disable")
    assert "disabled" in payouts("disable", "--reason", "bank holiday")
    story.send_and_track()
    assert (Payout.objects.get().status, PayoutAttempt.objects.count()) == ("ready", 0)
    assert "enabled" in payouts("enable", "--reason", "over")
    story.send_and_track()
    assert Payout.objects.get().status == "paid"


def test_another_database_with_the_same_rows_sends_nothing(ada: Expert) -> None:
    """A restore into a new database, a promoted replica, a copy for tests: the name that was written down is not its own."""
    with unit_of_work(SYSTEM):
        assert sending_latch.is_open(now=NOW)
        SendingLatch.objects.update(database="7300000000000000000:00000001:16384")
    story.send_and_track()
    latch = SendingLatch.objects.get()
    assert (latch.is_open, latch.changed_by, Payout.objects.get().status) == (False, "latch", "ready")
    assert ProviderMovement.objects.count() == 0
    assert "restored" in payouts("status")
    payouts("enable", "--reason", "reconciled with the provider")
    story.send_and_track()
    assert Payout.objects.get().status == "paid"


def test_the_name_of_a_database_says_cluster_timeline_and_number() -> None:
    with unit_of_work(SYSTEM):
        cluster, timeline, number = sending_latch.database_name().split(":")
    assert (int(cluster) > 0, timeline, int(number) > 0) == (True, "00000001", True)


@pytest.mark.invented_books("a restored database lacks what its provider has")
def test_a_provider_that_knows_payouts_unknown_here_closes_it(ada: Expert) -> None:
    """A snapshot of the files was put back: the name is the same, the newest attempts are gone."""
    story.send_and_track()
    key = PayoutAttempt.objects.get().idem_key
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE payments_payoutattempt DISABLE TRIGGER USER; DELETE FROM payments_payoutattempt;"
            " ALTER TABLE payments_payoutattempt ENABLE TRIGGER USER"
        )
    tracking.follow_settlements(now=NOW + HOUR)
    latch = SendingLatch.objects.get()
    assert not latch.is_open
    assert key in latch.reason
    with clock.frozen(NOW + HOUR), pytest.raises(CommandError, match=key):
        payouts("enable", "--reason", "hoping")
    assert not SendingLatch.objects.get().is_open
    payouts("enable", "--reason", "written down by hand", "--despite")
    assert SendingLatch.objects.get().is_open


def test_what_others_move_at_the_provider_closes_nothing() -> None:
    with unit_of_work(SYSTEM):
        assert sending_latch.strangers(["", "rent-2026-11", "pay_1"]) == []
        sending_latch.fall_before_strangers(["rent-2026-11"], now=NOW)
        assert sending_latch.is_open(now=NOW)


def test_the_desk_says_that_nothing_is_sent_and_what_to_do(ada: Expert) -> None:
    """After a fail-over pay must not stop unseen."""
    desk = Desk("decide_payout", "view_sendinglatch")
    (stopped,) = [queue for queue in queues if queue.name == "payments.sending_stopped"]
    with unit_of_work(SYSTEM):
        assert sending_latch.is_open(now=NOW)
        assert stopped.waiting().count() == 0
        SendingLatch.objects.update(database="7300000000000000000:00000001:16384")
    story.send_and_track()
    with unit_of_work(SYSTEM):
        assert stopped.waiting().count() == 1
    assert "manage.py payouts enable" in desk.client.get("/admin/payments/sendinglatch/").content.decode()
