"""Labs fund, offer and dispute, experts work and exchange, finance pays, the provider misbehaves, in any order: after
every step the ledger agrees to the cent with a second set of books, and nothing that must hold is broken.

Everything goes through the product's operations, each in a transaction of its own that is really committed; the second
books say beforehand which acts have to be refused, and a refused one leaves no trace in the journal. At the end of a story
everything comes to rest, and the provider's books are ours. ``CADRE_MONEY_EXAMPLES`` plays more stories,
``CADRE_MONEY_STEPS`` longer ones; ``make stories`` does both, counts, and fails when something of `REQUIRED` never happened.
"""

from __future__ import annotations

import os
import sys
import time

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from pytest_django import Settings

from payments.models import Payout, ProviderMovement
from tests import database
from tests.invariants import assert_money_is_whole
from tests.payments.ledger_story import platform
from tests.properties.money.paying import Paying

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EXAMPLES = int(os.environ.get("CADRE_MONEY_EXAMPLES", "6"))
STEPS = int(os.environ.get("CADRE_MONEY_STEPS", "40"))
# Finding a shorter story takes many; `explain`, which looks at lines of code, slows every statement down.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
PROGRAMME = {
    "from": "2026-01-01", "version": "t1", "bonus_minor": 25_000, "currency": "USD", "threshold_seconds": 4 * 3600,
    "join_days": 30, "reach_days": 180, "cap": 2,
}  # fmt: skip

FULL = 40 * 80
"""From so many stories times steps on, everything of REQUIRED has to have happened."""
REQUIRED = frozenset({
    "fund", "charge back", "refund", "refuse a refund", "approve a refund", "offer", "work", "hand in", "approve",
    "dispute", "dispute approved hours", "answer", "decide a dispute", "withdraw a dispute", "correct", "bonus",
    "claw back", "give back", "platform bonus", "take a platform bonus back", "write off", "wage floor: added",
    "wage floor: kept", "referral: paid", "exchange", "approve what another proposed",
    "release a run", "cancel a run", "retry a payout", "resume a payout", "cancel a payout",
    "payout: ready → submitted", "payout: ready → unknown", "payout: unknown → ready", "payout: submitted → paid",
    "payout: submitted → failed", "payout: ready → failed", "payout: ready → on_hold", "payout: paid → returned",
    "approve one's own refund: own_proposal", "approve what one proposed: own_proposal", "release a run: same_person",
    "release a run: pay_run_changed", "bonus: insufficient_funds", "offer: insufficient_funds",
    "exchange: more_than_owed", "exchange: pay_in_run", "claw back: invalid", "decide a dispute: own_dispute",
    "retry a payout: invalid_transition", "resume a payout: invalid_transition",
})  # fmt: skip
"""What a series of stories must have seen, by the names of the tally: acts that went through, the moves of payouts,
and refusals. Without them it would prove less than it says."""

_POSITIONS = """
    SELECT a.currency, a.kind, COALESCE(a.tenant_id, a.expert_id, 0), sum(p.amount)
    FROM payments_posting p JOIN payments_account a ON a.id = p.account_id GROUP BY 1, 2, 3
"""


class MoneyMachine(Paying):
    """Everything that moves money, and what holds after every step."""

    @invariant()
    def every_cent_is_where_the_second_books_have_it(self) -> None:
        """By currency and position; then everything that `tests.invariants` knows."""
        if not hasattr(self, "contracts"):
            return
        self.TALLY["steps"] += 1
        found: dict[tuple[str, str, int], int] = {}
        with platform(), connection.cursor() as cursor:
            cursor.execute(_POSITIONS)
            for currency, kind, owner, minor in cursor.fetchall():
                position = currency, "lab" if kind.startswith("lab_") else kind, owner
                found[position] = found.get(position, 0) + int(minor)
        assert {key: minor for key, minor in found.items() if minor} == self._wanted()
        assert [book.unaccounted() for book in self.books.values()] == [0, 0]
        assert_money_is_whole(now=self.now)

    @invariant()
    def the_provider_moved_what_we_call_paid(self) -> None:
        """Its books, by payout: what we call paid is out, and what is out is paid or still open with us."""
        if not hasattr(self, "contracts"):
            return
        out = set(ProviderMovement.objects.filter(state__in=("accepted", "paid")).values_list("reference", flat=True))
        rows = dict(Payout.objects.values_list("public_id", "status"))
        assert all(rows[reference] not in {"failed", "cancelled"} for reference in out)

    def teardown(self) -> None:
        """It comes to rest and both books agree; the next story begins in an empty database."""
        try:
            if hasattr(self, "contracts"):
                self.come_to_rest()
                self.every_cent_is_where_the_second_books_have_it()
                assert_money_is_whole(now=self.now, at_rest=True)
        finally:
            connection.close()
            database.restore_snapshot()

    def _wanted(self) -> dict[tuple[str, str, int], int]:
        wanted: dict[tuple[str, str, int], int] = {}
        for currency, book in self.books.items():
            alone = {"cash": -book.cash, "fee_income": book.fees, "transit": book.transit, "tax_withheld": book.tax}
            alone |= {"expense": -book.expense, "fx": book.fx}
            wanted |= {(currency, kind, 0): minor for kind, minor in alone.items()}
            owned = {"lab": book.labs, "expert_payable": book.payable, "expert_holdback": book.held}
            wanted |= {(currency, kind, pk): minor for kind, rows in owned.items() for pk, minor in rows.items()}
        return {key: minor for key, minor in wanted.items() if minor}


def test_money_is_conserved_whatever_happens_in_whatever_order(settings_: Settings) -> None:
    began = time.monotonic()
    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,  # a seed plays the same stories, whatever failed before
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    sys.stdout.write(tally(time.monotonic() - began))
    unseen = sorted(REQUIRED - set(MoneyMachine.TALLY))
    assert EXAMPLES * STEPS < FULL or not unseen, f"Never played: {', '.join(unseen)}"


def tally(seconds: float) -> str:
    """What was played, for whoever looks (`pytest -s`)."""
    counted = dict(sorted(MoneyMachine.TALLY.items()))
    head = f"{counted.pop('stories')} stories, {counted.pop('steps')} times both books compared, {seconds:.0f} s"
    return "\n".join(["", head, *(f"{times:7} {act}" for act, times in counted.items()), ""])


@pytest.fixture
def settings_(settings: Settings) -> Settings:
    """Wage floors just above and well below what the machine's labs pay, and a referral programme that is reached in a few weeks."""
    settings.REFERRAL_PROGRAMME = [PROGRAMME]
    settings.WAGE_FLOORS = [f"{country}:USD:2026-01-01:{minor}" for country, minor in MoneyMachine.floors.items()]
    return settings
