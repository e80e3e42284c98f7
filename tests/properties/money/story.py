"""What every part of the machine needs: two labs with an opening each, two experts who may work for both, and finance."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from core import tokens
from core.problems import DomainError
from core.public import Kind, Principal, User
from experts.public import Expert
from marketplace.models import Lab
from marketplace.public import Contract, RateSnapshot
from payments.models import AdjustmentProposal, JournalEntry, Payout, PayRun, Referral, TaxProfile, Timesheet
from payments.operations.pay import four_eyes, referrals
from tests.marketplace import world
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM, platform
from tests.properties.money.book import Book, Sent, Stretch, Taken, Terms

AMOUNTS = st.integers(1, 400_000)
WHICH = st.integers(0, 99)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
CURRENCIES = ("USD", "EUR")


@dataclass(frozen=True)
class OpenRun:
    """A run that is looked at, with everybody's balance and the rate of tax when it was calculated."""

    run: PayRun
    owed: dict[int, int]
    withheld_bp: int

    def pays(self, expert_id: int) -> bool:
        """Whether it has a line for him."""
        return self.run.lines.filter(expert=expert_id).exists()


class Story(RuleBasedStateMachine):
    """The people, the books, and the words in which the rules are written."""

    TALLY: ClassVar[Counter[str]] = Counter()
    """How often each act was played and how often it was refused, over all stories."""

    floors: ClassVar[dict[str, int]] = {"US": 15_000, "CH": 9_000}
    """What an hour has to pay at least, in cents, where each of the two lives: every week of the first is topped up, and
    of the other's some can be taken back."""

    books: dict[str, Book]

    @initialize(
        holdback_bp=st.sampled_from([0, 1_000, 3_333]),
        funds=st.sampled_from([20_000_000, 2_000_000, 300_000, 100]),
        withheld_bp=st.sampled_from([0, 0, 2_400]),
    )
    def begin(self, holdback_bp: int, funds: int, withheld_bp: int) -> None:
        """Somebody opens two labs, which pay in much, hardly enough or nearly nothing, and has them find experts."""
        self.TALLY["stories"] += 1
        self.now, self.withheld_bp = world.NOW + HOUR, withheld_bp
        self.books = {currency: Book() for currency in CURRENCIES}
        self.labs = [world.make_lab(name, funds=funds) for name in ("Acme", "Borealis")]
        for lab in self.labs:
            self.book.pay_in(lab.tenant_id, funds)
        with platform():
            Lab.objects.update(holdback_bp=holdback_bp, holdback_days=20)
            for lab in self.labs:
                lab.refresh_from_db()
        self.openings = [world.make_opening(world.make_project(lab), weekly_cap_seconds=8 * 3600) for lab in self.labs]
        self.experts = [self._expert(n) for n in range(2)]
        self.staff = [User.objects.create_user(f"staff{n}@cadre.example") for n in range(4)]
        with platform():
            TaxProfile.objects.update(withholding_bp=withheld_bp)
        self.referral = self._refer(*self.experts)
        self.contracts: list[tuple[Contract, Terms]] = []
        self.bonuses: list[tuple[str, Taken]] = []
        self.gifts: list[str] = []
        self.clawbacks: list[tuple[str, Taken]] = []
        self.open_runs: list[OpenRun] = []
        self.bp_of_runs: dict[int, int] = {}
        self.first_weeks()

    def first_weeks(self) -> None:
        """What is there when the story begins."""

    def sign(self, lab: int, who: int) -> None:
        """An offer is signed when the lab's money covers two weeks of it; else nothing has happened."""
        opening, expert = self.openings[lab % 2], self.experts[who % 2]
        contract = self.attempt("offer", lambda: world.make_contract(opening, expert, now=self.later()))
        if contract is None:
            return
        with platform():
            Contract.objects.filter(pk=contract.pk).update(status="active", activated_at=self.now)
            contract.refresh_from_db()
            terms = RateSnapshot.objects.get(contract=contract)
        known = Terms(terms.rate_minor, terms.fee_bp, terms.holdback_bp, terms.holdback_days)
        self.contracts.append((contract, known))

    # -- Acts

    def attempt(self, name: str, act: Callable[[], Any], *, allowed: bool | None = None) -> Any:
        """What it returned; None when it was refused, and then nothing was written at all.

        ``allowed`` is what the second books say; None where they cannot tell.
        """
        before = self._written()
        made, refusal = self._try(act)
        if refusal is None:
            self.TALLY[name] += 1
            assert allowed is not False, f"{name} should have been refused"
            return made
        self.TALLY[f"{name}: {refusal.code}"] += 1
        assert allowed is not True, f"{name} was refused: {refusal!r}"
        assert self._written() == before, f"{name} was refused and left something behind"
        return None

    @staticmethod
    def _try(act: Callable[[], Any]) -> tuple[Any, DomainError | None]:
        try:
            with platform():
                return act(), None
        except DomainError as refusal:
            return None, refusal

    def by_two(self, name: str, act: Callable[[], Any], *, side: str, allowed: bool) -> str:
        """The id of what was made, at once or after somebody else approved the proposal; empty when it was refused.

        What cannot be done may be proposed, and then cannot be approved.
        """
        made = self.attempt(name, act, allowed=True if allowed else None)
        if not isinstance(made, AdjustmentProposal):
            assert (made is not None) is allowed, name
            return "" if made is None else str(made.public_id)
        one, two = (User.objects.get(pk=made.proposed_by_id), self.staff[2])
        self.attempt(
            "approve what one proposed",
            lambda: four_eyes.approve(proposal=made, decided_by=one, side=side, now=self.now),
            allowed=False,
        )
        approved = self.attempt(
            "approve what another proposed",
            lambda: four_eyes.approve(
                proposal=made, decided_by=two, side=side, by=self.key_of(made, two), now=self.later()
            ),
            allowed=allowed,
        )
        return str(approved.outcome) if allowed else ""

    @staticmethod
    def key_of(proposal: AdjustmentProposal, who: User) -> Principal:
        """A caller of the lab with a key that is this person's own."""
        if proposal.tenant is None:
            return SYSTEM
        token = tokens.mint_lab_key(tenant=proposal.tenant, name="own", scopes=["bonuses:write"], user=who).token
        return Principal(Kind.LAB, "key", tenant_id=proposal.tenant_id, token_id=token.pk, only_member_id=who.pk)

    def follow_payouts(self) -> None:
        """Where the product says that each payout is."""
        for payout in Payout.objects.select_related("run"):
            sent = Sent(payout.status, payout.expert_id, payout.amount_minor, payout.withheld_minor, payout.run.cutoff)
            self.books[payout.currency].follow(payout.pk, sent)

    def later(self) -> dt.datetime:
        self.now += MINUTE
        return self.now

    # -- Small words

    @property
    def book(self) -> Book:
        """The book of dollars, in which everything but exchanges happens."""
        return self.books["USD"]

    def lab(self, which: int) -> Lab:
        return self.labs[which % 2]

    def contract(self, which: int) -> tuple[Contract, Terms]:
        return self.contracts[which % len(self.contracts)]

    def entries(self, *states: str) -> list[tuple[int, Stretch]]:
        return [(pk, stretch) for pk, stretch in sorted(self.book.stretches.items()) if stretch.state in states]

    def owed(self) -> list[int]:
        """What experts are owed or owe, in all currencies."""
        return [minor for book in self.books.values() for minor in book.payable.values()]

    @staticmethod
    def pick(rows: list[Any], which: int) -> Any:
        return rows[which % len(rows)]

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing is written to the journal within."""
        before = self._written()
        yield
        assert self._written() == before

    @staticmethod
    def _written() -> tuple[int, int]:
        with platform():
            last = JournalEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
            return last or 0, JournalEntry.objects.count()

    def _expert(self, n: int) -> Expert:
        expert = world.make_expert(f"expert{n}@example.org", languages=["en"])
        for currency in CURRENCIES:
            story.add_method(expert, account=f"acct-{n}-{currency}", currency=currency)
        story.sign_tax(expert)
        with platform():
            Expert.objects.filter(pk=expert.pk).update(country=list(self.floors)[n])
        expert.refresh_from_db()
        return expert

    def floor_of(self, expert: int) -> int:
        """What an hour of this expert has to pay at least."""
        return self.floors[next(known.country for known in self.experts if known.pk == expert)]

    @staticmethod
    def _refer(one: Expert, other: Expert) -> Referral:
        """The first one has brought the second."""
        with platform():
            made = referrals.invite(referrer=one, email="", now=world.NOW)
            User.objects.filter(pk=other.user_id).update(created_at=world.NOW + MINUTE)
            other.user.refresh_from_db()
            return referrals.join(expert=other, code=made.code, now=world.NOW + 2 * MINUTE)


def sheet_of(stretch: Stretch) -> Timesheet:
    """The week of an entry."""
    with platform():
        return Timesheet.objects.get(pk=stretch.sheet)
