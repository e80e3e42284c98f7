"""Pay runs of two people, the provider that misbehaves, and what finance decides about payouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from payments.models import Payout, PayRun, ProviderFault, TaxProfile
from payments.operations.rails import payouts, sending, tracking
from payments.operations.runs import pay_runs
from tests.payments import ledger_story as story
from tests.payments.ledger_story import platform
from tests.properties.money.beside import Beside
from tests.properties.money.book import UNDER_WAY, Book, half_up
from tests.properties.money.story import CURRENCIES, DAY, MINUTE, WHICH, OpenRun

FAULTS = [
    "timeout_executed", "timeout_not_executed", "server_error", "cached_error", "rate_limited", "reject",
    "late_failure", "return",
]  # fmt: skip
FATES: dict[str, tuple[str, str, Callable[..., Payout] | None]] = {
    "failed": ("reject", "AC04", payouts.retry),
    "on_hold": ("reject", "balance_insufficient", payouts.resume),
    "returned": ("return", "", None),
}
"""Where a payout ends: the provider's fault that brings it there, and what finance does about it."""
MINIMUM = 100  # of what is sent, after tax
CURRENCY = st.sampled_from([*CURRENCIES[:1] * 3, *CURRENCIES])


class Paying(Beside):
    """Everything from what is owed to what is on an account."""

    @precondition(lambda self: max(self.owed(), default=0) > 0)
    @rule(currency=CURRENCY)
    def pay_run(self, currency: str) -> None:
        """Finance pays everybody what he is owed, no more, and nobody below zero."""
        self.prepare_a_run(currency)
        if self.open_runs:
            self.release_a_run(-1, gives_up=False)

    @precondition(lambda self: max(self.owed(), default=0) > 0)
    @rule(currency=CURRENCY)
    def prepare_a_run(self, currency: str) -> None:
        """Somebody calculates a run, and it is looked at for a while; he does not release it himself."""
        now, book = self.later(), self.books[currency]
        with platform():
            run = pay_runs.prepare(currency=currency, by=self.staff[0], now=now, off_cycle=True)
        lines = dict(run.lines.values_list("expert_id", "amount_minor"))
        assert lines == {pk: self._net(minor) for pk, minor in book.payable.items() if self._net(minor) >= MINIMUM}
        self._release(run, by=0, allowed=False)
        if lines:
            self.open_runs.append(OpenRun(run, self._owed(book), self.withheld_bp))
            self.bp_of_runs[run.pk] = self.withheld_bp
        else:
            self._release(run, by=1, allowed=False)
            self._give_up(run)

    @precondition(lambda self: self.open_runs)
    @rule(which=WHICH, gives_up=st.booleans())
    def release_a_run(self, which: int, gives_up: bool) -> None:
        """Another person releases what he looked at; it is refused once anybody's line would be another."""
        known = self.open_runs.pop(which % len(self.open_runs) if which >= 0 else which)
        run, book = known.run, self.books[known.run.currency]
        is_same = (known.owed, known.withheld_bp) == (self._owed(book), self.withheld_bp)
        if gives_up or not self._release(run, by=1, allowed=is_same or None):
            self._give_up(run)
            self._release(run, by=1, allowed=False)
            return
        lines = dict(run.lines.values_list("expert_id", "amount_minor"))
        assert dict(Payout.objects.filter(run=run).values_list("expert_id", "amount_minor")) == lines
        self._release(run, by=1, allowed=False)
        self.follow_payouts()
        assert all(book.payable[pk] >= 0 for pk in lines)

    @staticmethod
    def _owed(book: Book) -> dict[int, int]:
        return {pk: minor for pk, minor in book.payable.items() if minor}

    def _net(self, minor: int) -> int:
        return minor - half_up(minor * self.withheld_bp / Book.WHOLE)

    def _release(self, run: PayRun, *, by: int, allowed: bool | None) -> bool:
        known: dict[str, Any] = {"digest": run.lines_digest, "recently_authenticated": True, "by": self.staff[by]}
        made = self.attempt(
            "release a run", lambda: pay_runs.release(run=run, **known, now=self.later()), allowed=allowed
        )
        return made is not None

    def _give_up(self, run: PayRun) -> None:
        known: dict[str, Any] = {"reason": "Look again.", "by": self.staff[0]}
        for allowed in (True, False):
            self.attempt("cancel a run", lambda: pay_runs.cancel(run=run, **known, now=self.later()), allowed=allowed)

    @rule(bp=st.sampled_from([0, 1, 2_400]))
    def tax_is_withheld(self, bp: int) -> None:
        """From now on so much is kept back of everybody's payouts."""
        with platform():
            TaxProfile.objects.update(withholding_bp=bp)
        self.withheld_bp = bp

    # -- The provider and finance

    @rule(who=WHICH, kind=st.sampled_from(FAULTS), currency=CURRENCY)
    def provider_will_misbehave(self, who: int, kind: str, currency: str) -> None:
        """The next order for an account meets a fault."""
        story.fault(kind, account=f"acct-{who % 2}-{currency}", code="AC04")

    @precondition(lambda self: self.has_payouts())
    @rule(minutes=st.sampled_from([1, 10, 60, 24 * 60]), turn=st.sampled_from(["send", "ask", "both"]))
    def send_and_ask(self, minutes: int, turn: str) -> None:
        """The workers' turn: what was sent into silence is looked up before it is sent again."""
        self.now += minutes * MINUTE
        before = {pk: sent.status for book in self.books.values() for pk, sent in book.payouts.items()}
        if turn != "ask":
            sending.send_due(now=self.now)
            self.follow_payouts()
            self._count_moves(before)
        if turn != "send":
            tracking.track_due(now=self.now)
            self.follow_payouts()
            self._count_moves(before)

    def _count_moves(self, before: dict[int, str]) -> None:
        for pk, sent in [row for book in self.books.values() for row in book.payouts.items()]:
            if before.get(pk, "ready") != sent.status:
                self.TALLY[f"payout: {before.get(pk, 'ready')} → {sent.status}"] += 1
            before[pk] = sent.status

    @precondition(lambda self: self.has_payouts())
    @rule(days=st.integers(1, 4))
    def read_settlements(self, days: int) -> None:
        """The provider's account tells what came back."""
        self.now += days * DAY
        before = {pk: sent.status for book in self.books.values() for pk, sent in book.payouts.items()}
        tracking.follow_settlements(now=self.now)
        self.follow_payouts()
        self._count_moves(before)

    @precondition(lambda self: self.has_payouts())
    @rule(which=WHICH, act=st.sampled_from([payouts.retry, payouts.cancel, payouts.resume]), failed=st.booleans())
    def finance_decides(self, which: int, act: Callable[..., Payout], failed: bool) -> None:
        """A failed payout is sent again if it is still owed, and taxed as it was; or given up; else refused or harmless."""
        rows = Payout.objects.order_by("pk")
        chosen = list(rows.filter(status="failed")) if failed else list(rows)
        if not chosen:
            return
        self._decide_about(self.pick(chosen, which), act)

    def _decide_about(self, payout: Payout, act: Callable[..., Payout]) -> None:
        owed = self.books[payout.currency].payable[payout.expert_id]
        is_taxed_alike = self.bp_of_runs[payout.run_id] == self.withheld_bp
        allowed = {
            "retry": payout.status == "failed" and owed >= payout.gross_minor and is_taxed_alike,
            "cancel": {"failed": True, "ready": None, "on_hold": None}.get(payout.status, False),
            "resume": {"on_hold": None}.get(payout.status, False),
        }[act.__name__]
        self.attempt(
            f"{act.__name__} a payout", lambda: story.act(act, payout=payout, now=self.later()), allowed=allowed
        )
        self.follow_payouts()

    @precondition(lambda self: self._payees())
    @rule(which=WHICH, fate=st.sampled_from(sorted(FATES)), currency=CURRENCY)
    def a_payday_goes_wrong(self, which: int, fate: str, currency: str) -> None:
        """Somebody's payout fails, waits or comes back, and finance does what helps; the workers go on."""
        payees = self._payees()
        n, currency = self.pick([row for row in payees if row[1] == currency] or payees, which)
        kind, code, act = FATES[fate]
        account = f"acct-{n}-{currency}"
        ProviderFault.objects.filter(account=account).delete()  # whatever else waits for the next order
        story.fault(kind, account=account, code=code)
        self.pay_run(currency)
        self.send_and_ask(10, "both")
        if act is None:
            self.read_settlements(4)
            return
        for payout in Payout.objects.filter(expert=self.experts[n], currency=currency, status=fate).order_by("pk"):
            self._decide_about(payout, act)
        self.send_and_ask(60, "both")

    def _payees(self) -> list[tuple[int, str]]:
        """Whom a run would pay, and in what."""
        owed = [(n, currency, self.books[currency].payable[expert.pk]) for n, expert in enumerate(self.experts)
                for currency in CURRENCIES]  # fmt: skip
        return [(n, currency) for n, currency, minor in owed if self._net(minor) >= MINIMUM]

    def has_payouts(self) -> bool:
        """Whether anything was ever sent on its way."""
        return any(book.payouts for book in self.books.values())

    def come_to_rest(self) -> None:
        """The workers go on until nothing is under way but what waits for a person."""
        for _day in range(40):
            self.send_and_ask(24 * 60, "both")
            if not self._under_way():
                break
        self.read_settlements(1)
        assert not self._under_way(), [sent for book in self.books.values() for sent in book.payouts.values()]

    def _under_way(self) -> bool:
        open_ones = UNDER_WAY - {"on_hold"}
        return any(sent.status in open_ones for book in self.books.values() for sent in book.payouts.values())
