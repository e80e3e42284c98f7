"""What Form 1099-NEC reports: payments of a calendar year to US persons, by the day they were paid.

Box 1 is the gross of what was paid in the year, box 4 the tax withheld from it: the same payments of the journal, with the
same days, as the yearly summary tells the expert. What came back counts against
the year in which it came back, so that a year that is over never changes. A form is due from the year's threshold on, and
wherever tax was withheld. Pay in other currencies than the dollar is listed apart: it is converted by whoever files, at the
rate of each day of payment.

A payment counts by the papers that its run was calculated from, whatever was signed before or since: those of a US person
(a W-9, or in former releases any other paper that named the United States), and all from which tax was kept back. Name and
number are those of the last W-9.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import connection

from core import scope, vault
from core.money import Money
from payments import tax
from payments.models import TaxProfile
from payments.queries import paid_in_year
from payments.queries.tax_in_force import PAPERS

DOLLAR = "USD"

_TOTALS: Final = f"""
    WITH {paid_in_year.PAID}
    SELECT p.expert_id, p.currency, sum(p.net + p.withheld)::bigint, sum(p.withheld)::bigint, sum(p.sign)::int
    FROM paid p JOIN payments_payrun r ON r.id = p.run_id
    LEFT JOIN LATERAL ({PAPERS}) papers ON true
    WHERE p.day >= %(first)s AND p.day < %(end)s AND (papers.country = %(us)s OR p.withheld <> 0)
    GROUP BY 1, 2 HAVING sum(p.net + p.withheld) <> 0 ORDER BY 1, 2
"""  # noqa: S608  # our own text


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


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a form is about, by his last W-9. Without a number it cannot be filed: he has to sign one."""

    legal_name: str
    address: str
    masked_tax_id: str
    owner: str
    sealed_tax_id: bytes | None

    def tax_id(self) -> str:
        """The number in clear; "" when there is none. Raises CannotOpen."""
        return vault.open_sealed(self.sealed_tax_id, owner=self.owner)["tax_id"] if self.sealed_tax_id else ""


def nec_totals(*, year: int, expert_id: int | None = None) -> list[NecTotal]:
    """The totals of everybody who was paid as a US person (or of one of them), by expert and currency."""
    values = {**paid_in_year.bounds(year, expert_id=expert_id), "us": tax.UNITED_STATES}
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


def has_signed_w9(*, expert_id: int) -> bool:
    """Whether he ever did, whatever he signed since."""
    with scope.as_platform():
        return bool(_w9s([expert_id]).exists())


def recipients(*, expert_ids: Collection[int]) -> dict[int, Recipient]:
    """Whom the forms are about, by expert."""
    with scope.as_platform():
        last = {row.expert_id: row for row in _w9s(expert_ids).order_by("expert_id", "-pgh_id").distinct("expert_id")}
        profiles = TaxProfile.objects.filter(expert__in=expert_ids).select_related("expert")
        return {row.expert_id: _recipient(row, last.get(row.expert_id)) for row in profiles}


def _w9s(expert_ids: Collection[int]) -> Any:
    """Rows of the history: it has no class of its own to name."""
    history = apps.get_model("payments", "TaxProfileHistoryRow")
    return history.objects.filter(expert__in=expert_ids, form=TaxProfile.Form.W9)


def _recipient(profile: TaxProfile, w9: Any) -> Recipient:
    is_current = profile.form == TaxProfile.Form.W9
    sealed = profile.sealed_tax_id if is_current else profile.sealed_w9_tax_id
    return Recipient(
        legal_name=w9.legal_name if w9 else profile.legal_name,
        address=w9.address if w9 else profile.address,
        masked_tax_id=w9.masked_tax_id if w9 else "",
        owner=profile.expert.public_id,
        sealed_tax_id=bytes(sealed) if sealed else None,
    )
