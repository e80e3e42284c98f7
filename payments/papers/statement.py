"""The payout statement: what a payout consists of, line by line, and how to contest a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext as _

from core.durations import format_duration
from core.money import Money
from payments.models import Statement
from payments.papers import spreadsheet
from payments.papers.languages import Formats, speaking
from payments.papers.paper import EMPTY, Column, Fact, Paper, Row, Table, Text
from payments.queries import pay_calendar
from payments.queries.statement_lines import Line, label_of

CSV_HEAD: Final = (
    "at",
    "kind",
    "subject",
    "text",
    "day",
    "duration",
    "seconds",
    "rate_per_hour",
    "gross",
    "held_back",
    "amount",
    "currency",
    "time_entry",
    "contract",
    "lab",
    "reverses",
)


def paper(statement: Statement, lines: Sequence[Line], *, language: str) -> Paper:
    """As a paper; ``statement.payout`` with its method and expert is joined, ``lines`` are in the same language."""
    with speaking(language) as formats:
        return Paper(
            title=_("Payout statement %(number)s") % {"number": statement.number},
            reference=statement.public_id,
            language=language,
            issued_at=statement.issued_at,
            facts=_facts(statement, formats),
            tables=(_summary(statement, lines, formats), _movements(statement, lines, formats)),
            notes=_notes(),
            spoken=tuple(statement.payout.expert.languages),
        )


def csv(statement: Statement, lines: Sequence[Line]) -> str:
    """One line per segment of work and per other movement, between the opening and the closing balance."""
    balance = [""] * (len(CSV_HEAD) - 6)
    currency = statement.currency
    opening, closing = Money(statement.opening_minor, currency), Money(statement.closing_minor, currency)
    return spreadsheet.render(
        CSV_HEAD,
        [
            ["", "opening_balance", *balance[2:], opening, currency, "", "", "", ""],
            *map(_csv_row, lines),
            ["", "closing_balance", *balance[2:], closing, currency, "", "", "", ""],
        ],
    )


def _csv_row(line: Line) -> list[spreadsheet.Value]:
    return [
        line.at.isoformat(),
        line.kind,
        line.subject,
        line.text,
        line.day.isoformat() if line.day else "",
        format_duration(line.seconds) if line.seconds is not None and line.seconds >= 0 else "",
        line.seconds,
        line.rate,
        line.gross,
        line.held,
        line.amount,
        line.amount.currency,
        line.entry,
        line.contract,
        line.lab,
        line.reverses,
    ]


def _facts(statement: Statement, formats: Formats) -> tuple[Fact, ...]:
    payout = statement.payout
    currency = statement.currency
    gross, sent = Money(payout.gross_minor, currency), Money(payout.amount_minor, currency)
    amounts = [Fact(_("Paid out"), (formats.money(sent),))]
    if payout.withheld_minor:
        amounts = [
            Fact(_("Earnings paid out"), (formats.money(gross),)),
            Fact(_("Tax withheld"), (formats.money(Money(-payout.withheld_minor, currency)),)),
            *amounts,
        ]
    return (
        Fact(_("For"), (Text(payout.expert.legal_name), Text(payout.expert.public_id, ltr=True))),
        Fact(_("Issued"), (formats.instant(statement.issued_at),)),
        Fact(_("Payout reference"), (Text(payout.public_id, ltr=True),)),
        Fact(_("Paid to"), (Text(payout.payout_method.masked, ltr=True),)),
        *amounts,
        *_next_payday(statement, formats),
    )


def _next_payday(statement: Statement, formats: Formats) -> tuple[Fact, ...]:
    """The next day of pay by the calendar, for what is approved in time."""
    following = pay_calendar.after(statement)
    return (
        Fact(_("Next payday"), (formats.day(following.pays_on),)),
        Fact(_("For what is approved before"), (formats.instant(following.cutoff),)),
        Fact(_("Expected on your account by"), (formats.day(following.arrives_by),)),
    )


def _summary(statement: Statement, lines: Sequence[Line], formats: Formats) -> Table:
    """Opening, the sum of each kind of movement, closing."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.kind] += line.amount.minor
    currency = statement.currency
    return Table(
        _("Summary"),
        (Column(_("What"), 7), Column(_("Amount"), 3, is_figure=True)),
        [
            Row((Text(_("Opening balance")), formats.money(Money(statement.opening_minor, currency))), is_sum=True),
            *(Row((Text(label_of(kind)), formats.money(Money(minor, currency)))) for kind, minor in sums.items()),
            Row((Text(_("Closing balance")), formats.money(Money(statement.closing_minor, currency))), is_sum=True),
        ],
    )


def _movements(statement: Statement, lines: Sequence[Line], formats: Formats) -> Table:
    currency = statement.currency
    columns = (
        Column(_("Date"), 13),
        Column(_("What"), 28),
        Column(_("Time"), 8, is_figure=True),
        Column(_("Rate per hour"), 13, is_figure=True),
        Column(_("Pay"), 13, is_figure=True),
        Column(_("Held back"), 12, is_figure=True),
        Column(_("Amount"), 14, is_figure=True),
    )
    opening, closing = (Money(minor, currency) for minor in (statement.opening_minor, statement.closing_minor))
    return Table(
        _("Every movement"),
        columns,
        [
            _balance(_("Opening balance"), opening, formats),
            *(_row(line, formats) for line in lines),
            _balance(_("Closing balance"), closing, formats),
        ],
    )


def _row(line: Line, formats: Formats) -> Row:
    what = Text(line.text, notes=tuple(filter(None, (line.lab, line.contract, line.subject, _about(line)))))
    return Row(
        (
            formats.day(line.day or line.at.date()),
            what,
            EMPTY if line.seconds is None else formats.hours(line.seconds),
            formats.money(line.rate) if line.rate else EMPTY,
            formats.money(line.gross) if line.gross else EMPTY,
            formats.money(line.held) if line.held and line.held.minor else EMPTY,
            formats.money(line.amount),
        )
    )


def _about(line: Line) -> str:
    """The id of what a line undoes or is about, where its own id does not say it."""
    if line.reverses and line.reverses != line.subject:
        return _("undoes %(id)s") % {"id": line.reverses}
    return _("about %(id)s") % {"id": line.entry} if line.entry not in {"", line.subject} else ""


def _balance(label: str, money: Money, formats: Formats) -> Row:
    return Row((EMPTY, Text(label), EMPTY, EMPTY, EMPTY, EMPTY, formats.money(money)), is_sum=True)


def _notes() -> tuple[str, ...]:
    return (
        _(
            "Pay is seconds × rate ÷ 3600, rounded once per line, halves up. The amount is the pay less what is held back."
        ),
        _("Each line can be recomputed: ask for /api/v1/expert/earnings/{id}/explain with the id of the line."),
        _(
            "You may contest any line of pay: answer the notice about it, or appeal at /api/v1/expert/appeals with the id "
            "of the line. A person who did not decide about it before will decide, and silence past the deadline is "
            "decided in your favour."
        ),
    )
