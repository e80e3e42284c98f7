"""Labs fund, offer and dispute, experts work, finance pays, the provider misbehaves, in any order: after every step
the ledger agrees to the cent with a second set of books, and nothing that must hold is broken.

Everything goes through the product's operations, each in a transaction of its own that is really committed.
``CADRE_MONEY_EXAMPLES`` plays more stories, ``CADRE_MONEY_STEPS`` longer ones.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.money import Money
from core.problems import DomainError
from core.public import User
from marketplace.models import Lab
from marketplace.public import Contract, RateSnapshot
from payments.models import (
    Adjustment,
    AdjustmentProposal,
    Dispute,
    Funding,
    Payout,
    ProviderMovement,
    TimeEntry,
    Timesheet,
)
from payments.operations import (
    adjustments,
    bonuses,
    clawbacks,
    clocks,
    disputes,
    four_eyes,
    funding,
    holdbacks,
    pay_runs,
    payouts,
    refunds,
    reservations,
    sending,
    time_entries,
    timesheets,
    tracking,
)
from payments.operations.bonuses import Bonus
from tests import database
from tests.invariants import assert_money_is_whole
from tests.marketplace import world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM, platform
from tests.properties.money_book import Book, Stretch, Taken, Terms

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EXAMPLES = int(os.environ.get("CADRE_MONEY_EXAMPLES", "6"))
STEPS = int(os.environ.get("CADRE_MONEY_STEPS", "40"))
AMOUNTS = st.integers(1, 400_000)
WHICH = st.integers(0, 99)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
FAULTS = [
    "timeout_executed", "timeout_not_executed", "server_error", "cached_error", "rate_limited", "reject",
    "late_failure", "return",
]  # fmt: skip

_POSITIONS = """
    SELECT a.kind, COALESCE(a.tenant_id, a.expert_id, 0), sum(p.amount)
    FROM payments_posting p JOIN payments_account a ON a.id = p.account_id GROUP BY 1, 2
"""


class MoneyMachine(RuleBasedStateMachine):
    """Two labs with an opening each, two experts who may work for both."""

    @initialize(holdback_bp=st.sampled_from([0, 1_000, 3_333]), funds=st.sampled_from([20_000_000, 300_000, 100]))
    def begin(self, holdback_bp: int, funds: int) -> None:
        """Somebody opens two labs, which pay in much, hardly enough or nearly nothing; one has an expert already."""
        self.now = world.NOW + HOUR
        self.book = Book()
        self.labs = [world.make_lab(name, funds=funds) for name in ("Acme", "Borealis")]
        for lab in self.labs:
            self.book.pay_in(lab.tenant_id, funds)
        with platform():
            Lab.objects.update(holdback_bp=holdback_bp, holdback_days=20)
            for lab in self.labs:
                lab.refresh_from_db()
        self.openings = [world.make_opening(world.make_project(lab), weekly_cap_seconds=8 * 3600) for lab in self.labs]
        self.experts = [world.make_expert(f"expert{n}@example.org", languages=["en"]) for n in range(2)]
        for n, expert in enumerate(self.experts):
            story.add_method(expert, account=f"acct-{n}")
            story.sign_tax(expert)
        self.staff = [User.objects.create_user(f"staff{n}@cadre.example") for n in range(3)]
        self.contracts: list[tuple[Contract, Terms]] = []
        self.bonuses: list[tuple[str, Taken]] = []
        self.hours_taken: dict[int, Taken] = {}
        self.offer_and_accept(0, 0)

    # -- Labs' money

    @rule(which=WHICH, minor=AMOUNTS, scale=st.sampled_from([1, 10]))
    def fund(self, which: int, minor: int, scale: int) -> None:
        """A lab pays in."""
        tenant = self._lab(which).tenant_id
        with platform():
            funding.announce(tenant_id=tenant, amount=Money(minor * scale, "USD"), by=SYSTEM, now=self._later())
        self.book.pay_in(tenant, minor * scale)

    @rule(which=WHICH)
    def charge_back(self, which: int) -> None:
        """The bank takes a payment back, except what went back already."""
        paid_in = self._funding(which)
        if paid_in is None:
            return
        with platform():
            left = paid_in.arrived_minor - refunds.given_back(paid_in)
            funding.reverse(funding=paid_in, reason="Charged back.", by=self.staff[0], now=self._later())
        self.book.pay_in(paid_in.tenant_id, -left)

    @rule(which=WHICH)
    def refund(self, which: int) -> None:
        """What a lab has not used goes back to it."""
        paid_in = self._funding(which)
        if paid_in is None:
            return
        made = self._try(lambda: refunds.refund(funding=paid_in, reason="Unused.", by=self.staff[0], now=self._later()))
        if made is not None and made.refunded_at is not None:
            assert 0 < made.amount_minor <= paid_in.arrived_minor
            self.book.pay_in(paid_in.tenant_id, -made.amount_minor)

    # -- Offers and contracts

    @rule(lab=WHICH, who=WHICH)
    def offer_and_accept(self, lab: int, who: int) -> None:
        """An offer is signed when the lab's money covers two weeks of it; else nothing has happened."""
        opening, expert = self.openings[lab % 2], self.experts[who % 2]
        contract = self._try(lambda: world.make_contract(opening, expert, now=self._later()))
        if contract is None:
            return
        with platform():
            Contract.objects.filter(pk=contract.pk).update(status="active", activated_at=self.now)
            contract.refresh_from_db()
            terms = RateSnapshot.objects.get(contract=contract)
        known = Terms(terms.rate_minor, terms.fee_bp, terms.holdback_bp, terms.holdback_days)
        self.contracts.append((contract, known))

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH)
    def give_up_the_reservation(self, which: int) -> None:
        """What a contract has set aside goes back to its lab; later hours draw on what is prepaid."""
        contract, _terms = self._contract(which)
        with platform():
            reservations.release_contract(contract=contract, now=self._later())

    # -- Hours

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH, seconds=st.integers(1, 6 * 3600))
    def work(self, which: int, seconds: int) -> None:
        """An expert enters time; caps and closed weeks may refuse all of it."""
        contract, terms = self._contract(which)
        began = self._later()
        self.now = began + dt.timedelta(seconds=seconds)
        entries = self._try(
            lambda: time_entries.log(
                contract=contract,
                activity="meeting",
                claim=None,
                started_at=began,
                ended_at=self.now,
                reason="no timer at hand",
                now=self.now,
            )
        )
        for entry in entries or []:
            self.book.stretches[entry.pk] = Stretch(
                contract.tenant_id, contract.expert_id, terms, entry.timesheet_id, entry.seconds
            )
        assert entries is None or sum(entry.seconds for entry in entries) == seconds

    @precondition(lambda self: self._entries("logged"))
    @rule(which=WHICH)
    def hand_in(self, which: int) -> None:
        """An expert hands a week in."""
        stretch = self._pick(self._entries("logged"), which)[1]
        if self._try(lambda: timesheets.submit(timesheet=_sheet(stretch), by=SYSTEM, now=self._later())) is not None:
            self._submitted(stretch.sheet)

    @precondition(lambda self: self._entries("submitted"))
    @rule(which=WHICH)
    def approve(self, which: int) -> None:
        """The lab approves a week."""
        stretch = self._pick(self._entries("submitted"), which)[1]
        now = self._later()
        with platform():
            timesheets.approve(timesheet=_sheet(stretch), decided_by=self.staff[1], by=SYSTEM, now=now)
        self._approved(stretch.sheet, now=now)

    @rule(days=st.integers(1, 8))
    def nobody_does_anything(self, days: int) -> None:
        """Time passes, and clocks strike: weeks hand themselves in and approve themselves, disputes pay the expert."""
        self.now += days * DAY
        for strike in (clocks.submit_forgotten_weeks, clocks.approve_silent_weeks, clocks.resolve_silent_disputes):
            strike(by=SYSTEM, now=self.now)
        with platform():
            sheets = dict(Timesheet.objects.values_list("pk", "status"))
            decided = set(Dispute.objects.exclude(decided_at=None).values_list("entry_id", flat=True))
        for pk, status in sheets.items():
            if status in {"submitted", "auto_approved"}:
                self._submitted(pk)
            if status == "auto_approved":
                self._approved(pk, now=self.now)
        for pk, stretch in self._entries("disputed"):
            if pk in decided:
                self.book.approve(pk, stretch.measured, now=self.now)

    # -- Disputes, corrections, bonuses, clawbacks

    @precondition(lambda self: self._entries("submitted"))
    @rule(which=WHICH, tenths=st.integers(0, 9))
    def dispute(self, which: int, tenths: int) -> None:
        """A lab contests one entry."""
        pk, stretch = self._pick(self._entries("submitted"), which)
        with platform():
            disputes.open_against(
                entry=TimeEntry.objects.get(pk=pk),
                reason="Too long.",
                proposed_seconds=stretch.measured * tenths // 10,
                decided_by=self.staff[1],
                by=SYSTEM,
                now=self._later(),
            )
        stretch.state = "disputed"

    @precondition(lambda self: self._entries("disputed"))
    @rule(which=WHICH, outcome=st.sampled_from(["upheld", "overturned", "withdrawn"]))
    def decide(self, which: int, outcome: str) -> None:
        """Somebody decides it after the expert was heard."""
        pk, stretch = self._pick(self._entries("disputed"), which)
        now = self._later()
        with platform():
            row = Dispute.objects.get(entry=pk)
            if outcome == "withdrawn":
                disputes.withdraw(dispute=row, decided_by=self.staff[1], note="-", now=now)
            else:
                row = disputes.answer(dispute=row, text="It took that long.", by=SYSTEM, now=now)
                disputes.decide(dispute=row, outcome=outcome, note="-", decided_by=self.staff[2], now=now)
        counted = row.proposed_seconds if outcome == "upheld" else stretch.measured
        self.book.approve(pk, counted, now=now)

    @precondition(lambda self: self._entries("approved"))
    @rule(which=WHICH, tenths=st.integers(0, 10))
    def correct(self, which: int, tenths: int) -> None:
        """Approved hours are corrected, downward and upward again."""
        pk, stretch = self._pick(self._entries("approved"), which)
        counted = stretch.measured * tenths // 10
        with platform():
            entry = TimeEntry.objects.get(pk=pk)
        made = self._try(
            lambda: adjustments.correct(
                entry=entry, counted=counted, reason="Checked.", decided_by=self.staff[2], now=self._later()
            )
        )
        if made is not None and made.status == "posted":
            self.book.correct(pk, counted)

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH, minor=AMOUNTS)
    def bonus(self, which: int, minor: int) -> None:
        """A lab pays a bonus if it has the money; above the threshold a second member approves it."""
        contract, terms = self._contract(which)
        covered = story.prepaid(contract.tenant) >= minor + terms.fee(minor)
        bonus = Bonus(contract, Money(minor, "USD"), "Because.")
        made = self._by_two(
            lambda: bonuses.pay(bonus=bonus, decided_by=self.staff[1], by=SYSTEM, now=self._later()), side="lab"
        )
        assert (made is not None) is covered
        if made is not None:
            self.book.grant(contract.tenant_id, contract.expert_id, minor, terms.fee(minor))
            self.bonuses.append((made.public_id, Taken(minor, terms.fee(minor))))

    @precondition(lambda self: self.bonuses)
    @rule(which=WHICH, percent=st.integers(1, 130))
    def claw_back_a_bonus(self, which: int, percent: int) -> None:
        """Pay is taken back, never more than was paid; the balance may fall below zero."""
        public_id, paid = self.bonuses[which % len(self.bonuses)]
        self._claw_back(public_id, paid, percent)

    @precondition(lambda self: self._entries("approved"))
    @rule(which=WHICH, percent=st.integers(1, 130))
    def claw_back_hours(self, which: int, percent: int) -> None:
        """The same for approved hours, at what they came to with their corrections."""
        pk, stretch = self._pick(self._entries("approved"), which)
        former = self.hours_taken.get(pk, Taken(0, 0))
        paid = Taken(stretch.gross, stretch.fee, former.taken, former.fee_taken)
        with platform():
            public_id = TimeEntry.objects.get(pk=pk).public_id
        self._claw_back(public_id, paid, percent)
        self.hours_taken[pk] = paid

    def _claw_back(self, public_id: str, paid: Taken, percent: int) -> None:
        minor = max(1, paid.gross * percent // 100)
        with platform():
            source = clawbacks.find(public_id)
        made = self._by_two(
            lambda: clawbacks.claw_back(
                source=source,
                amount=Money(minor, "USD"),
                reason="Paid twice.",
                decided_by=self.staff[1],
                now=self._later(),
            ),
            side="platform",
        )
        assert (made is not None) is (paid.taken + minor <= paid.gross)
        if made is not None:
            self.book.grant(source.tenant_id, source.expert_id, -minor, -paid.take(minor))

    @rule(days=st.integers(0, 25))
    def release_holdbacks(self, days: int) -> None:
        """What was held back long enough is owed."""
        self.now += days * DAY
        with platform():
            holdbacks.release_due(now=self.now)
        self.book.release_held(now=self.now)

    # -- Paying

    @rule()
    def pay_run(self) -> None:
        """Finance pays everybody what he is owed, no more, and nobody below zero."""
        now = self._later()
        with platform():
            run = pay_runs.prepare(currency="USD", by=self.staff[0], now=now, off_cycle=True)
            if not run.line_count:
                pay_runs.cancel(run=run, reason="Nothing to pay.", by=self.staff[0], now=now)
                return
            pay_runs.release(run=run, digest=run.lines_digest, recently_authenticated=True, by=self.staff[1], now=now)
            owed = {pk: minor for pk, minor in self.book.payable.items() if minor >= 100}
            assert dict(Payout.objects.filter(run=run).values_list("expert_id", "amount_minor")) == owed
        self._follow_payouts()

    @rule(who=WHICH, kind=st.sampled_from(FAULTS))
    def provider_will_misbehave(self, who: int, kind: str) -> None:
        """The next order for an account meets a fault."""
        story.fault(kind, account=f"acct-{who % 2}", code="AC04")

    @rule(minutes=st.sampled_from([1, 10, 60, 24 * 60]))
    def send_and_ask(self, minutes: int) -> None:
        """The workers' turn."""
        self.now += minutes * MINUTE
        sending.send_due(now=self.now)
        tracking.track_due(now=self.now)
        self._follow_payouts()

    @rule(days=st.integers(1, 4))
    def read_settlements(self, days: int) -> None:
        """The provider's account tells what came back."""
        self.now += days * DAY
        tracking.follow_settlements(now=self.now)
        self._follow_payouts()

    @rule(which=WHICH, act=st.sampled_from([payouts.retry, payouts.cancel]))
    def finance_decides(self, which: int, act: Callable[..., Payout]) -> None:
        """A failed payout is sent again or given up."""
        failed = list(Payout.objects.filter(status="failed").order_by("pk"))
        if failed:
            chosen = failed[which % len(failed)]
            self._try(lambda: act(payout=chosen, by=self.staff[2], now=self._later()))
            self._follow_payouts()

    # -- What holds after every step

    @invariant()
    def every_cent_is_where_the_second_books_have_it(self) -> None:
        """By position; then everything that `tests.invariants` knows."""
        if not hasattr(self, "contracts"):
            return
        found: dict[tuple[str, int], int] = {}
        with platform(), connection.cursor() as cursor:
            cursor.execute(_POSITIONS)
            for kind, owner, minor in cursor.fetchall():
                position = "lab" if kind.startswith("lab_") else kind
                found[position, owner] = found.get((position, owner), 0) + int(minor)
        assert {key: minor for key, minor in found.items() if minor} == self._wanted()
        assert self.book.unaccounted() == 0
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
        """The next story begins in an empty database."""
        connection.close()
        database.restore_snapshot()

    # -- Small words

    def _wanted(self) -> dict[tuple[str, int], int]:
        book = self.book
        wanted = {("cash", 0): -book.cash, ("fee_income", 0): book.fees, ("transit", 0): book.transit}
        wanted |= {("lab", pk): minor for pk, minor in book.labs.items()}
        wanted |= {("expert_payable", pk): minor for pk, minor in book.payable.items()}
        wanted |= {("expert_holdback", pk): minor for pk, minor in book.held.items()}
        return {key: minor for key, minor in wanted.items() if minor}

    def _later(self) -> dt.datetime:
        self.now += MINUTE
        return self.now

    def _lab(self, which: int) -> Lab:
        return self.labs[which % 2]

    def _contract(self, which: int) -> tuple[Contract, Terms]:
        return self.contracts[which % len(self.contracts)]

    def _funding(self, which: int) -> Funding | None:
        with platform():
            rows = list(Funding.objects.filter(status="settled").order_by("pk"))
        return rows[which % len(rows)] if rows else None

    def _entries(self, state: str) -> list[tuple[int, Stretch]]:
        return [(pk, stretch) for pk, stretch in sorted(self.book.stretches.items()) if stretch.state == state]

    @staticmethod
    def _pick(rows: list[tuple[int, Stretch]], which: int) -> tuple[int, Stretch]:
        return rows[which % len(rows)]

    def _submitted(self, sheet: int) -> None:
        for _pk, stretch in self._entries("logged"):
            if stretch.sheet == sheet:
                stretch.state = "submitted"

    def _approved(self, sheet: int, *, now: dt.datetime) -> None:
        for pk, stretch in self._entries("submitted"):
            if stretch.sheet == sheet:
                self.book.approve(pk, stretch.measured, now=now)

    def _by_two(self, act: Callable[[], Any], *, side: str) -> Any:
        """What was made at once, or after somebody else approved the proposal; None when it was refused."""
        made = self._try(act)
        if not isinstance(made, AdjustmentProposal):
            return made
        approved = self._try(
            lambda: four_eyes.approve(proposal=made, decided_by=self.staff[2], side=side, now=self._later())
        )
        with platform():
            return None if approved is None else Adjustment.objects.get(proposal=approved)

    def _follow_payouts(self) -> None:
        for pk, status, expert, minor in Payout.objects.values_list("pk", "status", "expert_id", "amount_minor"):
            self.book.follow(pk, status, expert, minor)

    @staticmethod
    def _try(act: Callable[[], Any]) -> Any:
        """What it returned; None when it was refused, and then nothing has changed (the invariants say so)."""
        try:
            with platform():
                return act()
        except DomainError:
            return None


def _sheet(stretch: Stretch) -> Timesheet:
    return Timesheet.objects.get(pk=stretch.sheet)


def test_money_is_conserved_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
