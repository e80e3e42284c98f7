"""What Form 1099-NEC reports: payments of a calendar year to US persons, by the day they were paid.

Box 1 is the gross of what was paid in the year, box 4 the tax withheld from it: the same payments of the journal, in the
payer's time zone (``TAX_ZONE``), as the yearly summary and the statements tell the expert. What came back counts against
the year in which it came back, so that a year that is over never changes. A form is due from the year's threshold on, and
wherever tax was withheld. Pay in other currencies than the dollar is listed apart: it is converted by whoever files, at the
rate of each day of payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import connection

from core import scope
from core.money import Money
from payments import tax
from payments.queries import paid_in_year

DOLLAR = "USD"

_TOTALS: Final = """
    SELECT p.expert_id, p.currency, sum(s.sign * (p.amount_minor + p.withheld_minor))::bigint,
        sum(s.sign * p.withheld_minor)::bigint, sum(s.sign)::int
    FROM payments_journalentry e
    JOIN (VALUES ('payout_settled', 1), ('payout_returned', -1)) s (kind, sign) ON s.kind = e.kind
    JOIN payments_payout p ON p.public_id = e.source_id
    JOIN payments_taxprofile t ON t.expert_id = p.expert_id AND t.form = 'w9'
    WHERE e.effective_at >= %(start)s AND e.effective_at < %(end)s
        AND (%(expert)s::bigint IS NULL OR p.expert_id = %(expert)s)
    GROUP BY 1, 2 HAVING sum(s.sign * (p.amount_minor + p.withheld_minor)) <> 0 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class NecTotal:
    """One person's year in one currency."""

    expert_id: int
    year: int
    compensation: Money
    withheld: Money
    payments: int

    @property
    def is_reportable(self) -> bool:
        """Whether a form is due on these payments alone."""
        return self.withheld.minor > 0 or (
            self.compensation.currency == DOLLAR and self.compensation.minor >= tax.nec_threshold(self.year)
        )


def nec_totals(*, year: int, expert_id: int | None = None) -> list[NecTotal]:
    """The totals of everybody who signed a W-9 (or of one of them), by expert and currency."""
    values = {"start": paid_in_year.start_of(year), "end": paid_in_year.start_of(year + 1), "expert": expert_id}
    with scope.as_platform(), connection.cursor() as cursor:
        cursor.execute(_TOTALS, values)
        return [
            NecTotal(
                expert_id=owner,
                year=year,
                compensation=Money(gross, currency),
                withheld=Money(withheld, currency),
                payments=payments,
            )
            for owner, currency, gross, withheld, payments in cursor.fetchall()
        ]
