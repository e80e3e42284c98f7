"""Whatever is exchanged, in currencies of no, two or three decimals: no unit is lost, and each currency balances."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.money import Money, exponent_of
from core.public import unit_of_work
from payments import accounts, ledger
from payments.ledger import NewEntry
from payments.models import FxExchange, PayoutMethod
from payments.operations.exchange import exchanges
from payments.operations.exchange.fx import TooLittleToExchange
from payments.queries import explanation, fx_results, ledger_findings
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM

pytestmark = pytest.mark.django_db
CURRENCIES = ("JPY", "USD", "KWD")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([(sell, buy) for sell in CURRENCIES for buy in CURRENCIES if sell != buy]),
        st.integers(1, 10**9),
        st.decimals(min_value="0.000000000001", max_value="1000", places=12),
        st.integers(0, 9_999),
    ),
    min_size=1,
    max_size=4,
)
_ids = count(1)


def by_hand(minor: int, sell: str, buy: str, rate: Decimal, spread: int) -> int:
    with localcontext(prec=80):
        major = Decimal(minor).scaleb(-exponent_of(sell)) * rate * (10_000 - spread) / 10_000
        return int(major.scaleb(exponent_of(buy)).quantize(Decimal(1), ROUND_HALF_UP))


def give(expert_id: int, currency: str, minor: int) -> None:
    legs = [(accounts.expense("bonus", currency), -minor), (accounts.payable(expert_id, currency), minor)]
    ledger.post(entries=[NewEntry("bonus", f"adj_x{next(_ids)}", NOW, legs)], now=NOW)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_unit_is_lost_and_every_currency_balances(steps: list[tuple[tuple[str, str], int, Decimal, int]]) -> None:
    with unit_of_work(SYSTEM), transaction.atomic():
        expert = story.new_expert(ready=False)
        for currency in CURRENCIES:
            PayoutMethod.objects.create(
                expert=expert, type="sandbox", currency=currency, country="US", holder="Ada", masked="x",
                sealed_details=b"", provider="sandbox", status="active", usable_from=NOW,
            )  # fmt: skip
        owed: Counter[str] = Counter()
        fx_accounts: Counter[str] = Counter()
        for (sell, buy), minor, rate, spread in steps:
            give(expert.pk, sell, minor)
            owed[sell] += minor
            until = NOW + dt.timedelta(hours=1)
            quote = story.quoted(rate, sell=sell, buy=buy, spread_bp=spread, valid_until=until)
            got = by_hand(minor, sell, buy, rate, spread)
            try:
                made = exchanges.exchange(expert=expert, quote=quote, sold=Money(minor, sell), by=SYSTEM, now=NOW)
            except TooLittleToExchange:
                assert got == 0
                continue
            assert (made.sell_minor, made.buy_minor) == (minor, got)
            assert abs(Decimal(explanation.exact_of(made)) - got) <= Decimal("0.5")
            owed.update({sell: -minor, buy: got})
            fx_accounts.update({sell: minor, buy: -got})
        keys = [accounts.payable(expert.pk, currency) for currency in CURRENCIES]
        assert [ledger.balances(keys=keys)[key] for key in keys] == [owed[currency] for currency in CURRENCIES]
        positions = {row.currency: row.position for row in fx_results.results()}
        assert positions == {currency: fx_accounts[currency] for currency in positions}
        assert len(positions) >= (2 if FxExchange.objects.filter(expert=expert).exists() else 0)
        assert set(ledger_findings.trial_balance().values()) <= {0}
        assert ledger_findings.findings() == []
        transaction.set_rollback(True)
