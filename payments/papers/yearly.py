"""The yearly summary: what an expert was paid in a year, by the day of payment, equal to the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from experts.public import Expert
from payments.papers import spreadsheet
from payments.papers.languages import Formats, speaking
from payments.papers.paper import Column, Fact, Paper, Row, Table, Text
from payments.queries.paid_in_year import Payment, Year, YearInCurrency

CSV_HEAD: Final = ("paid_on", "payout", "quarter", "gross", "withheld", "net", "currency")


def paper(year: Year, *, expert: Expert, language: str, now: dt.datetime) -> Paper:
    """As a paper; the tables of each currency follow one another."""
    with speaking(language) as formats:
        return Paper(
            title=_("Payments in %(year)s") % {"year": year.year},
            reference=f"{expert.public_id} · {year.year}",
            language=language,
            issued_at=now,
            facts=(
                Fact(_("For"), (Text(expert.legal_name), Text(expert.public_id, ltr=True))),
                Fact(_("Issued"), (formats.instant(now),)),
                *(Fact(_("Paid out"), (_money(_net(part.payments), part, formats),)) for part in year.currencies),
            ),
            tables=tuple(table for part in year.currencies for table in _tables(part, formats)),
            notes=(
                *(() if year.currencies else (_("Nothing was paid in this year."),)),
                _(
                    "A payment counts on the day that the bank names; where it names none, on the day on which it was "
                    "settled, by the calendar of %(zone)s. One that the bank sent back is taken off again."
                )
                % {"zone": year.zone},
            ),
            spoken=tuple(expert.languages),
        )


def csv(year: Year) -> str:
    """One line per payment."""
    return spreadsheet.render(
        CSV_HEAD,
        [
            [
                row.day.isoformat(),
                row.payout,
                (row.day.month + 2) // 3,
                Money(row.gross_minor, row.currency),
                Money(row.withheld_minor, row.currency),
                Money(row.net_minor, row.currency),
                row.currency,
            ]
            for part in year.currencies
            for row in part.payments
        ],
    )


def _tables(part: YearInCurrency, formats: Formats) -> tuple[Table, Table, Table]:
    sums = (Column(_("Earnings"), 3, is_figure=True), Column(_("Tax withheld"), 3, is_figure=True))
    figures = (*sums, Column(_("Paid out"), 3, is_figure=True))
    quarters = [_sums(_("Quarter %(n)s") % {"n": n}, part.of_quarter(n), part, formats) for n in (1, 2, 3, 4)]
    whole = _sums(_("Whole year"), part.payments, part, formats, is_sum=True)
    shares = [
        Row((Text(share.lab or _("Without a lab, carried over or returned")), _money(share.gross_minor, part, formats)))
        for share in part.shares
    ]
    gross = Row((Text(_("Whole year")), _money(_gross(part.payments), part, formats)), is_sum=True)
    return (
        Table(
            _("By quarter, %(currency)s") % {"currency": part.currency},
            (Column(_("What"), 4), *figures),
            [*quarters, whole],
        ),
        Table(
            _("By lab, %(currency)s") % {"currency": part.currency},
            (Column(_("Lab"), 7), Column(_("Earnings"), 3, is_figure=True)),
            [*shares, gross],
        ),
        Table(
            _("Every payment, %(currency)s") % {"currency": part.currency},
            (Column(_("Date"), 3), Column(_("Payout reference"), 5), *figures),
            [Row((formats.day(row.day), Text(row.payout), *_figures([row], part, formats))) for row in part.payments],
        ),
    )


def _sums(label: str, rows: list[Payment], part: YearInCurrency, formats: Formats, *, is_sum: bool = False) -> Row:
    return Row((Text(label), *_figures(rows, part, formats)), is_sum=is_sum)


def _figures(rows: list[Payment], part: YearInCurrency, formats: Formats) -> tuple[Text, Text, Text]:
    withheld = sum(row.withheld_minor for row in rows)
    return (
        _money(_gross(rows), part, formats),
        _money(withheld, part, formats),
        _money(_net(rows), part, formats),
    )


def _gross(rows: Iterable[Payment]) -> int:
    return sum(row.gross_minor for row in rows)


def _net(rows: Iterable[Payment]) -> int:
    return sum(row.net_minor for row in rows)


def _money(minor: int, part: YearInCurrency, formats: Formats) -> Text:
    return formats.money(Money(minor, part.currency))
