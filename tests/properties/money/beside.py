"""Pay beside the hours: corrections, bonuses, what is taken back and given back, the platform's own pocket, exchanges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.money import Money
from payments import accounts
from payments.models import Account, Adjustment, FxQuote, PlatformPay, TimeEntry
from payments.operations.exchange import exchanges
from payments.operations.pay import (
    adjustments,
    bonuses,
    clawbacks,
    holdbacks,
    platform_pay,
    referrals,
    true_ups,
    write_offs,
)
from payments.operations.pay.bonuses import Bonus
from tests.payments import ledger_story as story
from tests.payments.ledger_story import SYSTEM, platform
from tests.properties.money.book import Taken, half_up
from tests.properties.money.story import AMOUNTS, DAY, WHICH, sheet_of
from tests.properties.money.work import Working

RATES = ["0.9213", "1.0854", "0.0000037"]


class Beside(Working):
    """Everything that changes pay after the hours."""

    @precondition(lambda self: self.entries("approved", "contested"))
    @rule(which=WHICH, tenths=st.integers(0, 10))
    def correct(self, which: int, tenths: int) -> None:
        """Approved hours are corrected, downward and upward again; not contested ones, nor below what was taken back."""
        pk, stretch = self.pick(self.entries("approved", "contested"), which)
        counted = stretch.measured * tenths // 10
        with platform():
            entry = TimeEntry.objects.get(pk=pk)
        is_less_than_taken = stretch.terms.priced(counted)[0] < stretch.back.taken
        made = self.attempt(
            "correct",
            lambda: adjustments.correct(
                entry=entry, counted=counted, reason="Checked.", decided_by=self.staff[2], now=self.later()
            ),
            allowed=stretch.state == "approved" and (counted == stretch.counted or not is_less_than_taken),
        )
        if stretch.state == "approved":
            assert (made is None) is (counted == stretch.counted or is_less_than_taken)
        if made is not None:
            self.book.correct(pk, counted)

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH, minor=AMOUNTS)
    def bonus(self, which: int, minor: int) -> None:
        """A lab pays a bonus if it has the money; above the threshold a second member approves it."""
        contract, terms = self.contract(which)
        covered = story.prepaid(contract.tenant) >= minor + terms.fee(minor)
        given = Bonus(contract, Money(minor, "USD"), "Because.")
        made = self.by_two(
            "bonus",
            lambda: bonuses.pay(bonus=given, decided_by=self.staff[1], by=SYSTEM, now=self.later()),
            side="lab",
            allowed=covered,
        )
        if made:
            self.book.grant(contract.tenant_id, contract.expert_id, minor, terms.fee(minor))
            self.bonuses.append((made, Taken(minor, terms.fee(minor))))

    @precondition(lambda self: self.bonuses)
    @rule(which=WHICH, percent=st.integers(1, 130))
    def claw_back_a_bonus(self, which: int, percent: int) -> None:
        """Pay is taken back, never more than was paid; the balance may fall below zero."""
        public_id, paid = self.pick(self.bonuses, which)
        self._claw_back(public_id, paid, percent, most=paid.gross)

    @precondition(lambda self: self.entries("approved", "contested"))
    @rule(which=WHICH, percent=st.integers(1, 130))
    def claw_back_hours(self, which: int, percent: int) -> None:
        """The same for approved hours, at what they came to with their corrections; not while they are contested, and
        never below the wage floor of their week."""
        pk, stretch = self.pick(self.entries("approved", "contested"), which)
        stretch.back.gross, stretch.back.fee = stretch.gross, stretch.fee
        with platform():
            public_id = TimeEntry.objects.get(pk=pk).public_id
        above = self.book.above_floor(stretch.sheet, self.floor_of(stretch.expert))
        self._claw_back(public_id, stretch.back, percent, most=above if stretch.state == "approved" else 0)

    def _claw_back(self, public_id: str, paid: Taken, percent: int, *, most: int) -> None:
        minor = max(1, paid.gross * percent // 100)
        with platform():
            source = clawbacks.find(public_id)
        terms: dict[str, Any] = {
            "source": source,
            "amount": Money(minor, "USD"),
            "reason": "Twice.",
            "decided_by": self.staff[1],
        }
        made = self.by_two(
            "claw back",
            lambda: clawbacks.claw_back(**terms, now=self.later()),
            side="platform",
            allowed=minor <= most and paid.taken + minor <= paid.gross,
        )
        if made:
            self.book.grant(source.tenant_id, source.expert_id, -minor, -paid.take(minor))
            self.clawbacks.append((made, paid))

    @precondition(lambda self: self.clawbacks)
    @rule(which=WHICH)
    def give_back(self, which: int) -> None:
        """What was taken is given back, once."""
        public_id, paid = self.pick(self.clawbacks, which)
        with platform():
            taken = Adjustment.objects.select_related("expert").get(public_id=public_id)
        known: dict[str, Any] = {"clawback": taken, "reason": "It was right.", "decided_by": self.staff[2]}
        given = self.attempt("give back", lambda: clawbacks.reinstate(**known, now=self.later()), allowed=True)
        if given is not None:
            self.book.grant(taken.tenant_id, taken.expert_id, -taken.amount_minor, -taken.fee_minor)
            paid.give(-taken.amount_minor, -taken.fee_minor)
        with self.unchanged():
            assert self.attempt("give back", lambda: clawbacks.reinstate(**known, now=self.later())) is None

    # -- The platform's own pocket

    @rule(who=WHICH, minor=AMOUNTS)
    def gift(self, who: int, minor: int) -> None:
        """The platform pays a bonus; above the threshold two people do."""
        expert = self.experts[who % 2]
        terms: dict[str, Any] = {
            "expert": expert,
            "amount": Money(minor, "USD"),
            "reason": "Thanks.",
            "decided_by": self.staff[0],
        }
        made = self.by_two(
            "platform bonus",
            lambda: platform_pay.pay_bonus(**terms, now=self.later()),
            side="platform",
            allowed=True,
        )
        self.gifts.append(made)
        self.book.gift(expert.pk, minor)

    @precondition(lambda self: self.gifts)
    @rule(which=WHICH)
    def take_a_gift_back(self, which: int) -> None:
        """All of it, once."""
        public_id = self.pick(self.gifts, which)
        with platform():
            pay = PlatformPay.objects.select_related("expert").get(public_id=public_id)
            allowed = not pay.taken_by.exists()
        terms: dict[str, Any] = {"pay": pay, "reason": "Wrong person.", "decided_by": self.staff[0]}
        made = self.by_two(
            "take a platform bonus back",
            lambda: platform_pay.take_back(**terms, now=self.later()),
            side="platform",
            allowed=allowed,
        )
        if made:
            self.book.gift(pay.expert_id, -pay.amount_minor)

    @precondition(lambda self: min(self.owed(), default=0) < 0)
    @rule(who=WHICH, percent=st.integers(1, 120))
    def write_off(self, who: int, percent: int) -> None:
        """A part of a balance below zero is given up, by two people; never more than is owed."""
        expert = self.experts[who % 2]
        owes = max(-self.book.payable[expert.pk], 0)
        minor = max(1, owes * percent // 100)
        key = accounts.payable(expert.pk, "USD").text
        with platform():
            account = Account.objects.select_related("expert").filter(key=key).first()
        if account is None:
            return
        terms: dict[str, Any] = {
            "account": account,
            "amount": Money(minor, "USD"),
            "reason": "Lost.",
            "proposed_by": self.staff[0],
        }
        made = self.by_two(
            "write off",
            lambda: write_offs.propose(**terms, now=self.later()),
            side="platform",
            allowed=minor <= owes,
        )
        if made:
            self.book.gift(expert.pk, minor)

    @precondition(lambda self: self.entries("approved", "contested"))
    @rule(which=WHICH, raised=st.booleans())
    def look_at_the_wage_floor(self, which: int, raised: bool) -> None:
        """A decided week that pays less than the floor gets the difference, and nothing when it is looked at again."""
        _pk, stretch = self.pick(self.entries("approved", "contested"), which)
        with platform():
            is_decided = sheet_of(stretch).is_decided
            added = true_ups.check(timesheet_id=stretch.sheet, now=self.later())
        wanted = self.book.top_up(stretch.sheet, self.floor_of(stretch.expert)) if is_decided else 0
        assert (0 if added is None else added.amount_minor) == wanted
        self.TALLY["wage floor: added" if wanted else "wage floor: kept"] += 1
        with platform(), self.unchanged():
            assert true_ups.check(timesheet_id=stretch.sheet, now=self.later()) is None

    @precondition(lambda self: self.referral.status == "joined" and self.entries("approved", "contested"))
    @rule()
    def look_at_the_referral(self) -> None:
        """Whoever brought the other is paid once that one has worked enough in time."""
        self.referral.refresh_from_db()
        brought, by = self.experts[1], self.experts[0]
        until = self.referral.expires_at
        worked = sum(
            stretch.counted
            for stretch in self.book.stretches.values()
            if stretch.expert == brought.pk
            and stretch.is_settled
            and stretch.approved_at
            and stretch.approved_at < until
        )
        is_due = self.referral.status == "joined" and worked >= self.referral.threshold_seconds
        with platform():
            referrals.check(referral_id=self.referral.pk, now=self.later())
        if is_due:
            self.TALLY["referral: paid"] += 1
            self.book.gift(by.pk, self.referral.bonus_minor)

    # -- Exchanges and holdbacks

    @precondition(lambda self: max(self.owed(), default=0) > 0)
    @rule(who=WHICH, percent=st.integers(1, 120), back=st.booleans(), rate=st.sampled_from(RATES))
    def exchange(self, who: int, percent: int, back: bool, rate: str) -> None:
        """An expert exchanges what he is owed, at most that, and not while a run that counts it is looked at."""
        expert = self.experts[who % 2]
        sell, buy = ("EUR", "USD") if back else ("USD", "EUR")
        owed = max(self.books[sell].payable[expert.pk], 0)
        sold = max(1, owed * percent // 100)
        bought = half_up(sold * Decimal(rate) * 9_950 / 10_000)
        quote = self._quote(sell, buy, rate)
        in_a_run = any(known.run.currency == sell and known.pays(expert.pk) for known in self.open_runs)
        terms: dict[str, Any] = {"expert": expert, "quote": quote, "sold": Money(sold, sell), "by": SYSTEM}
        made = self.attempt(
            "exchange",
            lambda: exchanges.exchange(**terms, now=self.later()),
            allowed=sold <= owed and bought > 0 and not in_a_run,
        )
        if made is not None:
            assert made.buy_minor == bought
            self.books[sell].exchange(expert.pk, -sold)
            self.books[buy].exchange(expert.pk, bought)

    def _quote(self, sell: str, buy: str, rate: str) -> FxQuote:
        with platform():
            return story.quoted(rate, sell=sell, buy=buy, spread_bp=50, valid_until=self.now + DAY, now=self.now)

    @precondition(lambda self: any(self.book.held.values()))
    @rule(days=st.integers(0, 25))
    def release_holdbacks(self, days: int) -> None:
        """What was held back long enough is owed."""
        self.now += days * DAY
        with platform():
            holdbacks.release_due(now=self.now)
        self.book.release_held(now=self.now)
