"""What everybody must end up with, computed a second time: from raw facts, in exact fractions and Decimal, by rules written here anew.

Nothing of ``payments`` or ``core.money`` is imported: an error there must show as a difference here. The rules:

* a stretch counts whole seconds, both ends cut to the second; ``unpaid`` activities count nothing, ``capped`` ones up
  to their cap per contract and week, in order of time
* gross = seconds × rate ÷ 3600, rounded half up to the currency's smallest unit, once for each stretch
* the fee and the holdback are shares of that rounded gross, each rounded half up
* a contract reserves two weeks at the weekly cap, each week's gross and fee rounded as one stretch
* a raise prices what begins at its instant or later, and is reserved as soon as it is agreed
* hours that are contested after their approval keep their price; what the lab contests is set aside until it is decided
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

RESERVED_WEEKS = 2
ZERO = Decimal("0.00")
SAID_LATER = ("is_held", "counted", "proposed")


@dataclass(frozen=True)
class Terms:
    """What a signed offer promises. ``rate`` is per hour in major units; basis points are of 10,000."""

    contract: str
    expert: str
    lab: str
    currency: str
    rate: Decimal
    fee_bp: int
    holdback_bp: int
    weekly_cap_seconds: int
    pay_policy: Mapping[str, Mapping[str, object]]
    raises: tuple[tuple[dt.datetime, Decimal], ...] = ()

    def at(self, instant: dt.datetime) -> Terms:
        """The same with the rate in force at an instant."""
        agreed = [rate for since, rate in self.raises if since <= instant]
        return replace(self, rate=agreed[-1]) if agreed else self

    def latest(self) -> Terms:
        """The same with the rate that was agreed last."""
        return replace(self, rate=self.raises[-1][1]) if self.raises else self


@dataclass(frozen=True)
class Stretch:
    """One time entry as the API shows it.

    ``counted`` replaces its length once a dispute was decided; ``proposed`` is what a lab would let count of hours
    that are approved already.
    """

    entry: str
    contract: str
    week: str
    activity: str
    started_at: dt.datetime
    ended_at: dt.datetime
    is_held: bool = False
    counted: int | None = None
    proposed: int | None = None

    @property
    def seconds(self) -> int:
        """Whole seconds from start to end."""
        return int(self.ended_at.timestamp()) - int(self.started_at.timestamp())


@dataclass(frozen=True)
class Earned:
    """What one stretch comes to."""

    stretch: Stretch
    terms: Terms
    seconds: int
    gross: Decimal
    fee: Decimal
    holdback: Decimal
    set_aside: Decimal = ZERO


@dataclass(frozen=True)
class Bonus:
    """Pay beside the hours; the lab pays the fee of the contract on top."""

    contract: str
    amount: Decimal


@dataclass(frozen=True)
class Check:
    """One comparison: what it is about, what must be, what the site says."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        """Whether both agree."""
        return self.expected == self.found


@dataclass
class Books:
    """The facts of the story, and what follows from them."""

    terms: dict[str, Terms] = field(default_factory=dict)
    stretches: dict[str, Stretch] = field(default_factory=dict)
    bonuses: list[Bonus] = field(default_factory=list)
    funded: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    approved: set[tuple[str, str]] = field(default_factory=set)

    def signed(self, terms: Terms) -> None:
        """A contract was signed."""
        self.terms[terms.contract] = terms

    def funded_by(self, lab: str, amount: Decimal, currency: str) -> None:
        """A lab paid in."""
        self.funded[lab, currency] += amount

    def worked(self, stretches: Iterable[Stretch]) -> None:
        """Time entries as they stand now; what was said about one before stays."""
        for stretch in stretches:
            former = self.stretches.get(stretch.entry)
            said = {name: getattr(former, name) for name in SAID_LATER} if former else {}
            self.stretches[stretch.entry] = replace(stretch, **said)

    def raised(self, contract: str, *, since: dt.datetime, rate: Decimal) -> None:
        """Expert and lab agreed on a higher rate from an instant on."""
        terms = self.terms[contract]
        self.terms[contract] = replace(terms, raises=(*terms.raises, (since, rate)))

    def week_approved(self, contract: str, week: str) -> None:
        """A week was approved, by the lab or by its silence."""
        self.approved.add((contract, week))

    def disputed(self, entry: str) -> None:
        """A lab contests one entry: it is held back."""
        self.stretches[entry] = replace(self.stretches[entry], is_held=True)

    def disputed_late(self, entry: str, *, proposed: int) -> None:
        """A lab contests hours that its silence approved: the difference to what it proposes is set aside."""
        self.stretches[entry] = replace(self.stretches[entry], proposed=proposed)

    def dispute_decided(self, entry: str, seconds: int) -> None:
        """Somebody decided how long a contested entry counts."""
        self.stretches[entry] = replace(self.stretches[entry], is_held=False, counted=seconds, proposed=None)

    def bonus(self, contract: str, amount: Decimal) -> None:
        """The lab granted a bonus."""
        self.bonuses.append(Bonus(contract, amount))

    def earned(self) -> list[Earned]:
        """Every stretch with its pay, whether approved or not, in order of time."""
        used: dict[tuple[str, str, str], int] = defaultdict(int)
        found = []
        for stretch in sorted(self.stretches.values(), key=lambda row: (row.started_at, row.entry)):
            terms = self.terms[stretch.contract].at(stretch.started_at)
            key = (stretch.contract, stretch.week, stretch.activity)
            seconds = self._payable_seconds(stretch, terms, used[key])
            used[key] += seconds
            found.append(_price(stretch, terms, seconds))
        return found

    def settled(self) -> list[Earned]:
        """The stretches that became money: their week is approved and nobody contests them."""
        return [
            line
            for line in self.earned()
            if (line.stretch.contract, line.stretch.week) in self.approved and not line.stretch.is_held
        ]

    def held(self) -> list[Earned]:
        """The contested stretches of approved weeks."""
        return [line for line in self.earned() if line.stretch.is_held]

    def set_aside(self, expert: str, currency: str) -> Decimal:
        """What waits for the decision about hours that were contested after their approval."""
        own = [line for line in self.settled() if (line.terms.expert, line.terms.currency) == (expert, currency)]
        return sum((line.set_aside for line in own), ZERO)

    def payable(self, expert: str, currency: str) -> Decimal:
        """Everything an expert has earned in one currency, without what is held back or set aside for later."""
        hours = [
            line.gross - line.holdback - line.set_aside
            for line in self.settled()
            if (line.terms.expert, line.terms.currency) == (expert, currency)
        ]
        extra = [bonus.amount for bonus in self._bonuses_of(expert=expert, currency=currency)]
        return sum([*hours, *extra], ZERO)

    def spent(self, lab: str, currency: str) -> Decimal:
        """What a lab has paid for approved hours and bonuses, fees included."""
        lines = [line for line in self.settled() if (line.terms.lab, line.terms.currency) == (lab, currency)]
        hours = sum((line.gross + line.fee for line in lines), ZERO)
        bonuses = self._bonuses_of(lab=lab, currency=currency)
        return hours + sum((bonus.amount + self._bonus_fee(bonus) for bonus in bonuses), ZERO)

    def reserved(self, lab: str, currency: str) -> Decimal:
        """What is set aside for a lab's contracts: full again after each approval, as long as the balance covers it."""
        own = [terms for terms in self.terms.values() if (terms.lab, terms.currency) == (lab, currency)]
        return sum((_reservation(terms) for terms in own), ZERO)

    def available(self, lab: str, currency: str) -> Decimal:
        """What is left to a lab."""
        return self.funded[lab, currency] - self.spent(lab, currency) - self.reserved(lab, currency)

    def fees(self, currency: str) -> Decimal:
        """What the platform has earned."""
        hours = sum((line.fee for line in self.settled() if line.terms.currency == currency), ZERO)
        return hours + sum((self._bonus_fee(bonus) for bonus in self._bonuses_of(currency=currency)), ZERO)

    def experts(self) -> list[tuple[str, str]]:
        """Who was promised pay in which currency, in order."""
        return sorted({(terms.expert, terms.currency) for terms in self.terms.values()})

    def labs(self) -> list[tuple[str, str]]:
        """Which lab pays in which currency, in order."""
        return sorted(self.funded)

    def _bonuses_of(self, *, expert: str = "", lab: str = "", currency: str) -> list[Bonus]:
        found = []
        for bonus in self.bonuses:
            terms = self.terms[bonus.contract]
            if terms.currency == currency and expert in {"", terms.expert} and lab in {"", terms.lab}:
                found.append(bonus)
        return found

    def _bonus_fee(self, bonus: Bonus) -> Decimal:
        return share(bonus.amount, self.terms[bonus.contract].fee_bp)

    @staticmethod
    def _payable_seconds(stretch: Stretch, terms: Terms, used: int) -> int:
        if stretch.counted is not None:
            return stretch.counted
        line = terms.pay_policy.get(stretch.activity, {"pay": "paid"})
        if line["pay"] == "unpaid":
            return 0
        if line["pay"] == "capped":
            cap = line["cap_seconds"]
            if not isinstance(cap, int):
                raise TypeError(f"A capped activity without a cap: {stretch.activity}")
            return max(min(stretch.seconds, cap - used), 0)
        return stretch.seconds


def pay(seconds: int, rate: Decimal) -> Decimal:
    """seconds × rate ÷ 3600, rounded half up to the cent; exact in between."""
    return _half_up(Fraction(rate) * seconds / 3600)


def share(amount: Decimal, basis_points: int) -> Decimal:
    """A share of an amount, rounded half up to the cent."""
    return _half_up(Fraction(amount) * basis_points / 10_000)


def _price(stretch: Stretch, terms: Terms, seconds: int) -> Earned:
    gross = pay(seconds, terms.rate)
    fee, holdback = share(gross, terms.fee_bp), share(gross, terms.holdback_bp)
    aside = ZERO
    if stretch.proposed is not None:
        left = pay(stretch.proposed, terms.rate)
        aside = gross - holdback - left + share(left, terms.holdback_bp)
    return Earned(stretch, terms, seconds, gross, fee, holdback, aside)


def _reservation(terms: Terms) -> Decimal:
    week = pay(terms.weekly_cap_seconds, terms.latest().rate)
    return RESERVED_WEEKS * (week + share(week, terms.fee_bp))


def _half_up(amount: Fraction) -> Decimal:
    """To the cent. Amounts here are not negative, so adding half a cent and cutting off is half up."""
    if amount < 0:
        raise ValueError("The story pays nobody less than nothing.")
    cents = (amount * 100 + Fraction(1, 2)).__floor__()
    return Decimal(f"{cents // 100}.{cents % 100:02d}")
