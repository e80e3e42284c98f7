"""Yesterday's backup is put back while the provider remembers today: nothing is sent until somebody has looked."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from core import clock
from payments.models import Payout, PayoutAttempt, ProviderMovement, SendingLatch
from tests.faults import pay_day
from tests.faults.own_cluster import OwnCluster
from tests.invariants import assert_money_is_whole
from tests.payments import ledger_story as story

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.xdist_group("crashes")]


def test_an_old_backup_sends_nothing_until_somebody_has_reconciled_it(crashing: OwnCluster, tmp_path: Path) -> None:
    pay_day.released(5)
    with story.platform():
        call_command("payouts", "enable", "--reason", "this is the database", verbosity=0)
    crashing.dump(tmp_path / "backup")
    story.send_and_track(clock.now())
    pay_day.everybody_was_paid_once(5)
    books = list(ProviderMovement.objects.order_by("pk"))

    crashing.restore(tmp_path / "backup")
    ProviderMovement.objects.bulk_create(books)  # the provider's books are not ours to restore
    assert (set(Payout.objects.values_list("status", flat=True)), PayoutAttempt.objects.count()) == ({"ready"}, 0)
    story.send_and_track(clock.now())
    assert (PayoutAttempt.objects.count(), SendingLatch.objects.get().is_open) == (0, False)
    with pytest.raises(CommandError, match=books[0].idem_key.partition("-")[0][:4]):
        call_command("payouts", "enable", "--reason", "hoping")
    story.send_and_track(clock.now())
    assert PayoutAttempt.objects.count() == 0

    call_command("payouts", "enable", "--reason", "the provider recognises the keys", "--despite")
    story.send_and_track(clock.now())
    assert set(ProviderMovement.objects.values_list("deliveries", flat=True)) == {2}
    pay_day.everybody_was_paid_once(5)
    assert_money_is_whole(at_rest=True)
