"""What became of every cent, counted in our books and in the provider's."""

from __future__ import annotations

import argparse
import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from core import clock
from payments.models import Payout, PayoutAttempt, ProviderFault, ProviderMovement
from payments.queries import ledger_findings
from tests import invariants
from tests.faults.workers import ROOT
from tests.payments import ledger_story as story

PAGE: Final = ROOT / "docs" / "faults.md"
_BEGIN, _END = "<!-- tally -->\n", "<!-- end of tally -->\n"

_BY_CENT: Final = """
    SELECT o.currency, count(*), sum(o.amount_minor),
        sum(o.amount_minor) FILTER (WHERE o.status = 'paid'),
        COALESCE(sum(o.amount_minor) FILTER (WHERE o.status IN ('failed', 'returned', 'cancelled')), 0),
        COALESCE(sum(m.sent), 0),
        COALESCE(sum(o.amount_minor - COALESCE(m.sent, 0)) FILTER (WHERE o.status = 'paid'), 0),
        COALESCE(sum(m.sent) FILTER (WHERE o.status <> 'paid'), 0)
    FROM payments_payout o LEFT JOIN (
        SELECT reference, sum(amount_minor) AS sent FROM payments_providermovement
        WHERE state IN ('accepted', 'paid') GROUP BY reference
    ) m ON m.reference = o.public_id
    GROUP BY o.currency ORDER BY o.currency
"""

_OWED: Final = """
    SELECT COALESCE(sum(b.balance), 0) FROM payments_accountbalance b JOIN payments_account a ON a.id = b.account_id
    WHERE a.kind = 'expert_payable' AND a.currency = %s
"""

_UNKNOWN: Final = """
    SELECT reason_code, count(*) FROM payments_payouthistoryrow WHERE status = 'unknown' GROUP BY 1 ORDER BY 1
"""


@dataclass
class Currency:
    """One currency in minor units: released, paid by us, owed again, out at the provider, and what does not fit."""

    code: str
    payouts: int
    released: int
    paid: int
    back: int
    at_provider: int
    lost: int
    twice: int
    owed: int


@dataclass
class Tally:
    """What happened and what it came to."""

    seed: int
    chosen: tuple[int, int, int]
    """Kills, silences of the provider, payouts."""
    kills: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    seconds: int = 0
    payouts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    silences: Counter[str] = field(default_factory=Counter)
    movements: Counter[str] = field(default_factory=Counter)
    redelivered: int = 0
    sent_again: int = 0
    new_keys: int = 0
    currencies: list[Currency] = field(default_factory=list)
    trial_balance: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Payouts that came to no end."""
        ended = ("paid", "failed", "returned", "cancelled", "on_hold")
        return sum(n for status, n in self.payouts.items() if status not in ended)

    @property
    def is_whole(self) -> bool:
        """Everything that was chosen did happen: kills, silences of the provider, payouts. Too little proves nothing."""
        happened = (self.kills.total(), self.silences.total(), self.payouts.total())
        return happened == self.chosen

    @property
    def holds(self) -> bool:
        """Not a cent was lost or paid twice, nothing is open, and the series was played to its end."""
        in_order = all(
            (row.lost, row.twice) == (0, 0) and row.released == row.paid + row.back and row.owed == row.back
            for row in self.currencies
        )
        return self.is_whole and in_order and not self.open and not self.broken and not any(self.trial_balance.values())


def count(seen: Tally) -> None:
    """Fill the tally from the rows."""
    with story.platform():
        seen.payouts.update(Payout.objects.values_list("status", flat=True))
        seen.movements.update(ProviderMovement.objects.values_list("state", flat=True))
        spent = ProviderFault.objects.filter(remaining=0, type__startswith="timeout")
        seen.silences.update(spent.values_list("type", flat=True))
        seen.redelivered = ProviderMovement.objects.filter(deliveries__gt=1).count()
        seen.sent_again = PayoutAttempt.objects.filter(sends__gt=1).count()
        seen.new_keys = PayoutAttempt.objects.filter(n__gt=1).count()
        seen.unknown.update(dict(_rows(_UNKNOWN)))
        seen.currencies = [Currency(*map(_plain, (*row, _rows(_OWED, row[0])[0][0]))) for row in _rows(_BY_CENT)]
        seen.trial_balance = ledger_findings.trial_balance()
    seen.broken = invariants.broken(now=clock.now(), at_rest=True)


def text(seen: Tally, chosen: argparse.Namespace) -> str:
    """The tally as it is printed and kept."""
    options = f"--payouts {chosen.payouts} --kills {chosen.kills} --unknown {chosen.unknown} --seed {chosen.seed}"
    lines: list[str] = [
        f'make faults ARGS="{options}"',
        f"seed {seen.seed} · {seen.seconds} s · {os.cpu_count()} cores · Python {platform.python_version()}",
        f"kills: {seen.kills.total()} ({_listed(seen.kills)}); {seen.in_flight} of them with payouts in flight",
        f"silences of the provider: {seen.silences.total()} ({_listed(seen.silences)})",
        f"unknown outcomes: {seen.unknown.total()} ({_listed(seen.unknown)}), resolved by looking them up",
        f"keys: {seen.sent_again} sent again, {seen.redelivered} met by the provider again, {seen.new_keys} new ones",
        f"payouts: {seen.payouts.total()} ({_listed(seen.payouts)}); open at the end: {seen.open}",
        f"movements at the provider: {seen.movements.total()} ({_listed(seen.movements)})",
    ]
    lines += [
        f"{row.code}: {row.payouts} payouts, released {row.released} = paid {row.paid} + owed again {row.back} "
        f"(payable {row.owed}); out at the provider {row.at_provider}; lost {row.lost}, paid twice {row.twice}"
        for row in seen.currencies
    ]
    lines.append(f"trial balance: {', '.join(f'{code} {minor}' for code, minor in seen.trial_balance.items())}")
    lines.append(f"invariants: {'all hold' if not seen.broken else ''}{'; '.join(seen.broken)}")
    if not seen.is_whole:
        lines.append("the series ended before everything that was asked for had happened: it proves nothing")
    lines.append("RESULT: zero cents lost or paid twice" if seen.holds else "RESULT: FAILED")
    return "\n".join(lines)


def write(tally: str) -> None:
    """Put the tally into docs/faults.md, in the place of the last one."""
    page = PAGE.read_text(encoding="utf-8")
    before, _begin, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    PAGE.write_text(f"{before}{_BEGIN}\n```text\n{tally}\n```\n\n{_END}{after}", encoding="utf-8")


def _rows(query: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value or 0)


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name or '-'} {n}" for name, n in sorted(counted.items()))
