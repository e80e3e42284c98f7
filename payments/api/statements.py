"""`/expert/statements`: what payouts consist of, and what was paid in a year, to read and to keep."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictIntegerField
from core.api.lookup import get_or_404
from core.api.types import (
    Currency,
    Day,
    Doc,
    Duration,
    Example,
    IdOf,
    Link,
    MoneyOut,
    RateOut,
    Timestamp,
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import ExpertView
from core.money import Money
from core.problems import FieldError, InvalidInput
from experts.public import Expert
from payments.api.filters import MoneyFilters
from payments.api.paper_download import PAPER_FILE, PaperFormat, drawn, language_of, table
from payments.api.payday_types import PayDateOut, render_date
from payments.models import Statement
from payments.papers import statement as statement_paper
from payments.papers import yearly as yearly_paper
from payments.papers.languages import speaking
from payments.queries import paid_in_year, pay_calendar, statement_lines
from payments.queries.paid_in_year import Payment, Share
from payments.queries.statement_lines import Line

StatementId = Annotated[str, IdOf("stm")]
FIRST_YEAR = 2000


class StatementOut(TypedDict):
    """What a payout consists of."""

    id: StatementId
    number: Annotated[int, Doc("Counts your statements in this currency."), Example(3)]
    payout: Annotated[str, IdOf("pay")]
    currency: Currency
    opening: MoneyOut
    closing: Annotated[MoneyOut, Doc("What was earned since the cutoff: it opens the next statement.")]
    paid: Annotated[MoneyOut, Doc("What was sent.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back; with what was sent it is what you were owed.")]
    issued_at: Timestamp
    next_payday: Annotated[PayDateOut, Doc("The day of pay after this one, by the calendar.")]
    download: Link


class StatementLineOut(TypedDict):
    """One movement on your account. For hours: amount = gross - held_back, and gross is seconds × rate ÷ 3600."""

    at: Timestamp
    kind: Annotated[str, Example("time_approved")]
    subject: Annotated[str, Doc("What it is about: a time entry, an adjustment, a payout. Explain it by this id.")]
    text: Annotated[str, Example("Approved hours: task")]
    time_entry: Annotated[str | None, Doc("The segment of work that it is about.")]
    contract: Annotated[str | None, Doc("Under which contract.")]
    lab: Annotated[str | None, Doc("The lab, by the name it shows."), Example("A lab in Zurich")]
    day: Day | None
    duration: Annotated[Duration | None, Doc("Null also where hours were taken back: see seconds.")]
    seconds: Annotated[int | None, Doc("Negative where hours were taken back."), Example(9000)]
    rate: RateOut | None
    gross: Annotated[MoneyOut | None, Doc("The pay before any holdback.")]
    held_back: Annotated[MoneyOut | None, Doc("What of the pay waits for its date.")]
    amount: Annotated[MoneyOut, Doc("What it changed; negative when it left your account.")]
    reverses: Annotated[str | None, Doc("What it undoes: explain that by its id."), Example(None)]


class StatementDetailOut(StatementOut):
    """A statement with its lines: opening + lines = closing."""

    lines: list[StatementLineOut]


class YearlyFilters(serializers.Serializer[None]):
    """Which year."""

    year = StrictIntegerField(min_value=FIRST_YEAR, max_value=2100)


class YearlyFormat(PaperFormat):
    """Which year, and which view of it."""

    year = StrictIntegerField(min_value=FIRST_YEAR, max_value=2100)


class PaidSumOut(TypedDict):
    """Sums of payments; gross = net + withheld."""

    gross: Annotated[MoneyOut, Doc("What you were owed and what was settled.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back.")]
    net: Annotated[MoneyOut, Doc("What was sent to you.")]


class QuarterOut(PaidSumOut):
    """A quarter of the year."""

    quarter: Annotated[int, Example(4)]


class LabShareOut(TypedDict):
    """What the payments consist of, by lab."""

    lab: Annotated[
        str | None, Doc("By the name it shows; null for what came from nobody's lab, was carried over or came back.")
    ]
    gross: MoneyOut


class YearlyPaymentOut(PaidSumOut):
    """A payment, or one that came back (negative)."""

    paid_on: Annotated[Day, Doc("The day on which it was settled, in the payer's zone.")]
    payout: Annotated[str, IdOf("pay")]


class YearlyCurrencyOut(PaidSumOut):
    """A year in one currency."""

    currency: Currency
    quarters: list[QuarterOut]
    labs: list[LabShareOut]
    payments: list[YearlyPaymentOut]


class YearlySummaryOut(TypedDict):
    """What was paid to you in a year, by the day of payment."""

    year: Annotated[int, Example(2026)]
    zone: Annotated[str, Doc("Whose calendar decides about the day."), Example("UTC")]
    currencies: list[YearlyCurrencyOut]
    download: Link


def render_statement(row: Statement) -> StatementOut:
    """A statement; its payout and run are joined."""
    currency = row.currency
    return {
        "id": row.public_id,
        "number": row.number,
        "payout": row.payout.public_id,
        "currency": currency,
        "opening": render_money(Money(row.opening_minor, currency)),
        "closing": render_money(Money(row.closing_minor, currency)),
        "paid": render_money(Money(row.payout.amount_minor, currency)),
        "withheld": render_money(Money(row.payout.withheld_minor, currency)),
        "issued_at": row.issued_at,
        "next_payday": render_date(pay_calendar.after(row)),
        "download": f"/api/v1/expert/statements/{row.public_id}/download",
    }


def render_line(line: Line) -> StatementLineOut:
    """One movement."""
    return {
        "at": line.at,
        "kind": line.kind,
        "subject": line.subject,
        "text": line.text,
        "time_entry": line.entry or None,
        "contract": line.contract or None,
        "lab": line.lab or None,
        "day": line.day,
        "duration": None if line.seconds is None or line.seconds < 0 else render_duration(line.seconds),
        "seconds": line.seconds,
        "rate": None if line.rate is None else render_rate(line.rate),
        "gross": None if line.gross is None else render_money(line.gross),
        "held_back": None if line.held is None else render_money(line.held),
        "amount": render_money(line.amount),
        "reverses": line.reverses or None,
    }


def _sum(payments: list[Payment], currency: str) -> PaidSumOut:
    return {
        "gross": render_money(Money(sum(row.gross_minor for row in payments), currency)),
        "withheld": render_money(Money(sum(row.withheld_minor for row in payments), currency)),
        "net": render_money(Money(sum(row.net_minor for row in payments), currency)),
    }


def _share(share: Share, currency: str) -> LabShareOut:
    return {"lab": share.lab or None, "gross": render_money(Money(share.gross_minor, currency))}


def render_year(year: paid_in_year.Year) -> list[YearlyCurrencyOut]:
    """Each currency of a year."""
    return [
        {
            "currency": part.currency,
            **_sum(part.payments, part.currency),
            "quarters": [{"quarter": n, **_sum(part.of_quarter(n), part.currency)} for n in (1, 2, 3, 4)],
            "labs": [_share(share, part.currency) for share in part.shares],
            "payments": [
                {"paid_on": row.day, "payout": row.payout, **_sum([row], part.currency)} for row in part.payments
            ],
        }
        for part in year.currencies
    ]


def _statements(call: Call) -> Any:
    return Statement.objects.visible_to(call.principal).select_related(
        "payout__payout_method", "payout__expert", "payout__run"
    )


def _reader(call: Call) -> Expert:
    return Expert.objects.visible_to(call.principal).get(pk=call.principal.subject_id or 0)


def _year(call: Call) -> paid_in_year.Year:
    """Raises InvalidInput for a year that has not begun."""
    year: int = call.query["year"]
    if not paid_in_year.has_begun(year, now=call.now):
        raise InvalidInput(errors=[FieldError("?year", "out_of_range", _("That year has not begun."))])
    return paid_in_year.of_expert(expert_id=call.principal.subject_id or 0, year=year)


class StatementList(ExpertView):
    """The expert's statements."""

    @endpoint(
        summary="List my statements", query=MoneyFilters, returns=StatementOut, paginated=True, render=render_statement
    )
    def get(self, call: Call) -> Any:
        """Newest first; one for each payout, without a gap between them."""
        return _statements(call).filter(**call.query)


class StatementDetail(ExpertView):
    """One statement."""

    @endpoint(summary="Show a statement", returns=StatementDetailOut)
    def get(self, call: Call, statement_id: str) -> StatementDetailOut:
        """With every movement of the ledger in it."""
        row = get_or_404(_statements(call), statement_id)
        return {**render_statement(row), "lines": [render_line(line) for line in statement_lines.lines_of(row)]}


class StatementDownload(ExpertView):
    """A statement to keep."""

    @endpoint(summary="Download a statement", query=PaperFormat, returns=PAPER_FILE)
    def get(self, call: Call, statement_id: str) -> HttpResponse:
        """As a page (`html`), to print and keep (`pdf`) or for a spreadsheet (`csv`); in English or Arabic, as
        `Accept-Language` or your languages ask."""
        row = get_or_404(_statements(call), statement_id)
        wanted, language = call.query["format"], language_of(call, row.payout.expert.languages)
        with speaking(language):
            lines = statement_lines.lines_of(row)
        if wanted == "csv":
            return table(statement_paper.csv(row, lines), name=row.public_id, language=language)
        return drawn(statement_paper.paper(row, lines, language=language), wanted=wanted, name=row.public_id)


class StatementYearly(ExpertView):
    """A year of payments."""

    @endpoint(summary="Show what I was paid in a year", query=YearlyFilters, returns=YearlySummaryOut)
    def get(self, call: Call) -> YearlySummaryOut:
        """By the day of payment: gross, tax withheld and net, by quarter and by lab, for each currency."""
        year = _year(call)
        return {
            "year": year.year,
            "zone": year.zone,
            "currencies": render_year(year),
            "download": f"/api/v1/expert/statements/yearly/download?year={year.year}",
        }


class StatementYearlyDownload(ExpertView):
    """A year of payments to keep."""

    @endpoint(summary="Download what I was paid in a year", query=YearlyFormat, returns=PAPER_FILE)
    def get(self, call: Call) -> HttpResponse:
        """As `html`, `pdf` or `csv`, in English or Arabic."""
        year, reader = _year(call), _reader(call)
        wanted, language, name = call.query["format"], language_of(call, reader.languages), f"paid-{year.year}"
        if wanted == "csv":
            return table(yearly_paper.csv(year), name=name, language=language)
        made = yearly_paper.paper(year, expert=reader, language=language, now=call.now)
        return drawn(made, wanted=wanted, name=name)
