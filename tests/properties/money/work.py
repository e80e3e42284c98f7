"""Labs' money, offers, hours, and what labs contest before and after they approved."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.money import Money
from payments.models import Dispute, Funding, Refund, TimeEntry, Timesheet
from payments.operations.hours import clocks, disputes, time_entries, timesheets
from payments.operations.labs import funding, refunds, reservations
from tests.payments.ledger_story import SYSTEM, platform
from tests.properties.money.book import Stretch
from tests.properties.money.story import AMOUNTS, DAY, WHICH, Story, sheet_of

OUTCOMES = ["upheld", "partly_upheld", "overturned", "withdrawn"]
DISPUTE_DAYS = 30


class Working(Story):
    """Everything until hours are money."""

    def first_weeks(self) -> None:
        """Each lab has an expert, as far as its money goes, with an approved week, one handed in and one begun."""
        for n in range(2):
            self.sign(n, n)
        for then in ("approve", "hand in", "wait", ""):
            for n, _contract in enumerate(self.contracts):
                self.work(n, 4_321 + 1_234 * n, "")
                self.work(n, 7_207, "")
            if then:
                for sheet in sorted({stretch.sheet for _pk, stretch in self.entries("logged")}):
                    with platform():
                        found = Timesheet.objects.get(pk=sheet)
                    self._go_on(found, then)

    # -- Labs' money

    @rule(which=WHICH, minor=AMOUNTS, scale=st.sampled_from([1, 10]))
    def fund(self, which: int, minor: int, scale: int) -> None:
        """A lab pays in."""
        tenant, amount = self.lab(which).tenant_id, Money(minor * scale, "USD")
        announced: dict[str, Any] = {"tenant_id": tenant, "amount": amount, "by": SYSTEM}
        self.attempt("fund", lambda: funding.announce(**announced, now=self.later()), allowed=True)
        self.book.pay_in(tenant, amount.minor)

    @rule(which=WHICH)
    def charge_back(self, which: int) -> None:
        """The bank takes a payment back, except what went back already; once."""
        paid_in = self._funding(which)
        if paid_in is None:
            return
        with platform():
            left = paid_in.arrived_minor - refunds.given_back(paid_in)
        for allowed in (True, False):
            self.attempt(
                "charge back",
                lambda: funding.reverse(funding=paid_in, reason="No.", by=self.staff[0], now=self.later()),
                allowed=allowed,
            )
        self.book.pay_in(paid_in.tenant_id, -left)

    @rule(which=WHICH, is_refused=st.booleans())
    def refund(self, which: int, is_refused: bool) -> None:
        """What a lab has not used goes back to it; much of it by two people."""
        paid_in = self._funding(which)
        if paid_in is None:
            return
        asked: dict[str, Any] = {"funding": paid_in, "reason": "Unused.", "by": self.staff[0]}
        made = self.attempt("refund", lambda: refunds.refund(**asked, now=self.later()))
        if made is None:
            return
        assert 0 < made.amount_minor <= paid_in.arrived_minor
        if made.status == Refund.Status.PROPOSED:
            self._decide_refund(made, is_refused)
        if made.needs_two and is_refused:
            return
        self.book.pay_in(paid_in.tenant_id, -made.amount_minor)

    def _decide_refund(self, made: Refund, is_refused: bool) -> None:
        one, two = self.staff[0], self.staff[1]
        self.attempt(
            "approve one's own refund", lambda: refunds.approve(refund=made, by=one, now=self.now), allowed=False
        )
        if is_refused:
            self.attempt(
                "refuse a refund", lambda: refunds.refuse(refund=made, reason="-", by=two, now=self.now), allowed=True
            )
        for allowed in (not is_refused, False):
            self.attempt(
                "approve a refund",
                lambda: refunds.approve(refund=made, by=two, now=self.later()),
                allowed=allowed,
            )

    # -- Offers and contracts

    @rule(lab=WHICH, who=WHICH)
    def offer_and_accept(self, lab: int, who: int) -> None:
        """An offer is signed, or not."""
        self.sign(lab, who)

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH)
    def give_up_the_reservation(self, which: int) -> None:
        """What a contract has set aside goes back to its lab; later hours draw on what is prepaid."""
        contract, _terms = self.contract(which)
        with platform():
            reservations.release_contract(contract=contract, now=self.later())

    # -- Hours

    @precondition(lambda self: self.contracts)
    @rule(which=WHICH, seconds=st.integers(1, 6 * 3600), then=st.sampled_from(["", "hand in", "approve", "wait"]))
    def work(self, which: int, seconds: int, then: str) -> None:
        """An expert enters time; caps and closed weeks may refuse all of it. Often it becomes money at once."""
        contract, terms = self.contract(which)
        began = self.later()
        self.now = began + dt.timedelta(seconds=seconds)
        entries = self.attempt(
            "work",
            lambda: time_entries.log(
                contract=contract,
                activity="meeting",
                claim=None,
                started_at=began,
                ended_at=self.now,
                reason="no timer at hand",
                now=self.now,
            ),
        )
        for entry in entries or []:
            self.book.stretches[entry.pk] = Stretch(
                contract.tenant_id, contract.expert_id, terms, entry.timesheet_id, entry.seconds
            )
        assert entries is None or sum(entry.seconds for entry in entries) == seconds
        if entries and then:
            self._go_on(entries[0].timesheet, then)

    def _go_on(self, sheet: Timesheet, then: str) -> None:
        """Hand the week in, and let the lab or its silence approve it."""
        submit: dict[str, Any] = {"timesheet": sheet, "by": SYSTEM}
        self.attempt("hand in", lambda: timesheets.submit(**submit, now=self.later()), allowed=True)
        self._submitted(sheet.pk)
        if then == "approve":
            known: dict[str, Any] = {"timesheet": sheet, "decided_by": self.staff[1], "by": SYSTEM}
            self.attempt("approve", lambda: timesheets.approve(**known, now=self.later()), allowed=True)
            self._approved(sheet.pk, now=self.now, by_silence=False)
        elif then == "wait":
            self.nobody_does_anything(5)
        monday = self.now.date() + dt.timedelta(days=7 - self.now.weekday())
        self.now = dt.datetime.combine(monday, dt.time(9), tzinfo=dt.UTC)  # that week is closed

    @precondition(lambda self: self.book.stretches)
    @rule(which=WHICH, out_of_turn=st.booleans())
    def hand_in(self, which: int, out_of_turn: bool) -> None:
        """An expert hands a week in; one that was handed in already is refused."""
        rows = list(self.book.stretches.items()) if out_of_turn else self.entries("logged")
        if not rows:
            return
        sheet = sheet_of(self.pick(rows, which)[1])
        allowed = sheet.status == Timesheet.Status.OPEN
        known: dict[str, Any] = {"timesheet": sheet, "by": SYSTEM}
        self.attempt("hand in", lambda: timesheets.submit(**known, now=self.later()), allowed=allowed)
        if allowed:
            self._submitted(sheet.pk)

    @precondition(lambda self: self.book.stretches)
    @rule(which=WHICH, out_of_turn=st.booleans())
    def approve(self, which: int, out_of_turn: bool) -> None:
        """The lab approves a week; one that was not handed in, or is decided, is refused."""
        rows = list(self.book.stretches.items()) if out_of_turn else self.entries("submitted")
        if not rows:
            return
        sheet, now = sheet_of(self.pick(rows, which)[1]), self.later()
        allowed = sheet.status == Timesheet.Status.SUBMITTED
        known: dict[str, Any] = {"timesheet": sheet, "decided_by": self.staff[1], "by": SYSTEM, "now": now}
        self.attempt("approve", lambda: timesheets.approve(**known), allowed=allowed)
        if allowed:
            self._approved(sheet.pk, now=now, by_silence=False)

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
                self._approved(pk, now=self.now, by_silence=True)
        for pk, stretch in self.entries("disputed", "contested"):
            if pk in decided:
                self._decided(pk, stretch.measured if stretch.state == "disputed" else stretch.counted, now=self.now)

    # -- Disputes

    @precondition(lambda self: self.book.stretches)
    @rule(
        which=WHICH,
        tenths=st.integers(0, 9),
        after=st.booleans(),
        knows_more=st.booleans(),
        then=st.sampled_from(["", *OUTCOMES]),
    )
    def dispute(self, which: int, tenths: int, after: bool, knows_more: bool, then: str) -> None:
        """A lab contests one entry, before its approval or after; what it may not contest is refused."""
        rows = self.entries("approved", "contested") if after else self.entries("submitted", "logged", "disputed")
        if not rows:
            return
        pk, stretch = self.pick(rows, which)
        proposed = (stretch.counted if after else stretch.measured) * tenths // 10
        now = self.later()
        opened = self.attempt(
            "dispute approved hours" if after else "dispute",
            lambda: disputes.open_against(
                entry=TimeEntry.objects.get(pk=pk),
                reason="Too long.",
                proposed_seconds=proposed,
                decided_by=self.staff[1],
                what_changed="The log came in." if knows_more else "",
                by=SYSTEM,
                now=now,
            ),
            allowed=self._contestable(stretch, proposed, knows_more, now) if after else stretch.state == "submitted",
        )
        if opened is None:
            return
        if after:
            self.book.contest(pk, proposed)
            assert opened.set_aside_minor == stretch.aside
        else:
            stretch.state, stretch.was_disputed = "disputed", True
        if then:
            self._hear_and_decide(pk, stretch, then, is_heard=True)

    @staticmethod
    def _contestable(stretch: Stretch, proposed: int, knows_more: bool, now: dt.datetime) -> bool:
        return (
            not stretch.was_disputed
            and stretch.approved_at is not None
            and now < stretch.approved_at + dt.timedelta(days=DISPUTE_DAYS)
            and (stretch.by_silence or knows_more)
            and proposed < stretch.counted
            and stretch.terms.priced(proposed)[0] >= stretch.back.taken
        )

    @precondition(lambda self: self.entries("disputed", "contested"))
    @rule(which=WHICH, outcome=st.sampled_from(OUTCOMES), is_heard=st.booleans())
    def decide(self, which: int, outcome: str, is_heard: bool) -> None:
        """Somebody decides it after the expert was heard, once, and not whoever opened it."""
        pk, stretch = self.pick(self.entries("disputed", "contested"), which)
        self._hear_and_decide(pk, stretch, outcome, is_heard=is_heard)

    def _hear_and_decide(self, pk: int, stretch: Stretch, outcome: str, *, is_heard: bool) -> None:
        with platform():
            row = Dispute.objects.get(entry=pk)
        full = stretch.measured if stretch.state == "disputed" else stretch.counted
        middle = (row.proposed_seconds + full) // 2
        counted = {"upheld": row.proposed_seconds, "partly_upheld": middle}.get(outcome, full)
        if outcome == "partly_upheld" and not row.proposed_seconds < middle < full:
            return
        if is_heard:
            self.attempt("answer", lambda: disputes.answer(dispute=row, text="No.", by=SYSTEM, now=self.later()))
        self._decide(row, outcome, middle, by=1, allowed=False if outcome != "withdrawn" else None)
        if outcome == "withdrawn":
            self._decided(pk, counted, now=self.now)
            return
        is_too_early = counted < full and not is_heard and self.now < row.answer_by
        self._decide(row, outcome, middle, by=2, allowed=not is_too_early)
        if not is_too_early:
            self._decided(pk, counted, now=self.now)
            self._decide(row, outcome, middle, by=2, allowed=False)

    def _decide(self, row: Dispute, outcome: str, seconds: int, *, by: int, allowed: bool | None) -> None:
        known: dict[str, Any] = {"dispute": row, "decided_by": self.staff[by], "note": "-", "now": self.later()}
        if outcome == "withdrawn":
            self.attempt("withdraw a dispute", lambda: disputes.withdraw(**known), allowed=True)
            self.attempt("withdraw a decided dispute", lambda: disputes.withdraw(**known), allowed=False)
            return
        given = seconds if outcome == "partly_upheld" else None
        self.attempt(
            "decide a dispute", lambda: disputes.decide(**known, outcome=outcome, seconds=given), allowed=allowed
        )

    # -- What the second books make of it

    def _funding(self, which: int) -> Funding | None:
        with platform():
            rows = list(Funding.objects.filter(status="settled").order_by("pk"))
        return rows[which % len(rows)] if rows else None

    def _submitted(self, sheet: int) -> None:
        for _pk, stretch in self.entries("logged"):
            if stretch.sheet == sheet:
                stretch.state = "submitted"

    def _approved(self, sheet: int, *, now: dt.datetime, by_silence: bool) -> None:
        for pk, stretch in self.entries("submitted"):
            if stretch.sheet == sheet:
                stretch.by_silence = by_silence
                self.book.approve(pk, stretch.measured, now=now)

    def _decided(self, pk: int, counted: int, *, now: dt.datetime) -> None:
        if self.book.stretches[pk].state == "contested":
            self.book.resolve(pk, counted)
        else:
            self.book.approve(pk, counted, now=now)
