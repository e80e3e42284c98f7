"""Whatever happens in whatever order, no money appears or disappears, and the ledger agrees with a model of six numbers."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.money import Money
from core.public import unit_of_work
from marketplace.ports import InsufficientFunds
from payments import accounts, ledger
from payments.operations.labs import funding
from payments.operations.pay import beside_postings, postings
from payments.operations.pay.beside_postings import ExpertPay
from payments.operations.pay.postings import ApprovedTime
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db
AMOUNTS = st.integers(min_value=1, max_value=50_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fund"), AMOUNTS, st.just(0)),
        st.tuples(st.just("hours"), AMOUNTS, st.integers(0, 9_000)),
        st.tuples(st.just("hours_again"), AMOUNTS, st.just(0)),
        st.tuples(st.just("bonus"), AMOUNTS, st.integers(0, 9_000)),
        st.tuples(st.just("clawback"), AMOUNTS, st.integers(0, 900)),
        st.tuples(st.just("contest"), AMOUNTS, st.integers(0, 900)),
    ),
    max_size=12,
)


class Model:
    """What the accounts should hold."""

    def __init__(self, lab: Any, expert: Any) -> None:
        self.lab, self.expert = lab, expert
        self.sums: Counter[str] = Counter()
        self.ids = count(1)

    def do(self, step: str, minor: int, fee: int) -> None:
        getattr(self, f"_{step}")(minor, fee)

    def _fund(self, minor: int, _fee: int) -> None:
        funding.announce(tenant_id=self.lab.pk, amount=Money(minor, "USD"), by=SYSTEM, now=NOW)
        self.sums.update(cash=minor)
        self._credit_lab(minor)

    def _credit_lab(self, minor: int) -> None:
        """What comes to a lab pays its debt first."""
        debt = min(self.sums["owed"], minor)
        self.sums.update(owed=-debt, prepaid=minor - debt)

    def _hours(self, minor: int, fee: int) -> None:
        self._post_hours(minor, fee, next(self.ids))
        drawn = min(self.sums["prepaid"], minor + fee)
        self.sums.update(prepaid=-drawn, owed=minor + fee - drawn, payable=minor, fees=fee)

    def _hours_again(self, minor: int, _fee: int) -> None:
        """The same event once more, with other amounts: it must change nothing."""
        known = next(self.ids)
        self._post_hours(1, 0, known)
        drawn = min(self.sums["prepaid"], 1)
        self.sums.update(prepaid=-drawn, owed=1 - drawn, payable=1)
        self._post_hours(minor, 0, known)

    def _bonus(self, minor: int, fee: int) -> None:
        try:
            with transaction.atomic():
                beside_postings.bonuses_paid(bonuses=[self._pay(minor, fee)], now=NOW)
        except InsufficientFunds:
            assert self.sums["prepaid"] < minor + fee
            return
        self.sums.update(prepaid=-minor - fee, payable=minor, fees=fee)

    def _clawback(self, minor: int, fee: int) -> None:
        beside_postings.clawback(pay=self._pay(minor, fee), now=NOW)
        self.sums.update(payable=-minor, fees=-fee)
        self._credit_lab(minor + fee)

    def _contest(self, minor: int, fee: int) -> None:
        pay = self._pay(minor, fee)
        beside_postings.dispute_opened(dispute=pay, now=NOW)
        beside_postings.dispute_resolved(dispute=pay, now=NOW)
        if minor % 2:
            self._clawback(minor, fee)

    def _pay(self, minor: int, fee: int) -> ExpertPay:
        return ExpertPay(f"adj_{self.lab.pk}_{next(self.ids)}", self.expert.pk, "USD", minor, NOW, self.lab.pk, fee)

    def _post_hours(self, minor: int, fee: int, number: int) -> None:
        item = ApprovedTime(f"tme_{self.lab.pk}_{number}", self.lab.pk, 0, self.expert.pk, "USD", minor, fee, NOW)
        postings.time_approved(entries=[item], now=NOW)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_money_is_conserved(steps: list[tuple[str, int, int]]) -> None:
    with unit_of_work(SYSTEM):
        model = Model(story.new_lab(), story.new_expert(ready=False))
        for step in steps:
            model.do(*step)
        keys = {
            "prepaid": accounts.lab_prepaid(model.lab.pk, "USD"),
            "owed": accounts.lab_receivable(model.lab.pk, "USD"),
            "payable": accounts.payable(model.expert.pk, "USD"),
        }
        found = ledger.balances(keys=keys.values())
        assert found[keys["prepaid"]] == model.sums["prepaid"]
        assert -found[keys["owed"]] == model.sums["owed"]
        assert found[keys["payable"]] == model.sums["payable"]
        sums = model.sums
        assert sums["prepaid"] + sums["payable"] + sums["fees"] == sums["cash"] + sums["owed"]
        assert ledger_findings.findings() == []
