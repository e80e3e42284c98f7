"""What Form 1099-NEC reports: payments of a calendar year to US persons, by the day they were paid.

Box 1 is the gross of all payouts that were paid in the year and did not come back, box 4 the tax withheld from them.
The year is that of the payer's time zone (``TAX_ZONE``). A form is due from the year's threshold on, and wherever tax
was withheld. Pay in other currencies than the dollar is listed apart: it is converted by whoever files, at the rate of
each day of payment.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, F, Sum

from core.money import Money
from payments import tax
from payments.models import Payout, TaxProfile

DOLLAR = "USD"


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


def year_bounds(year: int) -> tuple[dt.datetime, dt.datetime]:
    """The instants [first, end) of a calendar year where the payer is."""
    zone = ZoneInfo(settings.TAX_ZONE)
    first, end = (dt.datetime(start, 1, 1, tzinfo=zone).astimezone(dt.UTC) for start in (year, year + 1))
    return first, end


def nec_totals(*, year: int, expert_id: int | None = None) -> list[NecTotal]:
    """The totals of everybody who signed a W-9 (or of one of them), by expert and currency."""
    first, end = year_bounds(year)
    paid = Payout.objects.filter(
        status=Payout.Status.PAID,
        paid_at__gte=first,
        paid_at__lt=end,
        expert__in=TaxProfile.objects.filter(form=TaxProfile.Form.W9).values("expert"),
    )
    if expert_id is not None:
        paid = paid.filter(expert=expert_id)
    rows = (
        paid.values("expert_id", "currency")
        .annotate(gross=Sum(F("amount_minor") + F("withheld_minor")), tax=Sum("withheld_minor"), n=Count("pk"))
        .order_by("expert_id", "currency")
    )
    return [
        NecTotal(
            expert_id=row["expert_id"],
            year=year,
            compensation=Money(int(row["gross"]), row["currency"]),
            withheld=Money(int(row["tax"]), row["currency"]),
            payments=row["n"],
        )
        for row in rows
    ]
