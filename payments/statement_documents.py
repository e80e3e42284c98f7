"""A statement as a document: HTML is the source, CSV the same lines for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from django.template.loader import render_to_string

from core.durations import format_duration
from core.money import Money
from payments.models import Statement
from payments.queries.statement_lines import Line

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_HEAD = ("at", "kind", "subject", "text", "day", "duration", "rate_per_hour", "gross", "amount", "currency")


def html(statement: Statement, lines: Sequence[Line]) -> str:
    """The page that is printed or kept; ``statement.payout`` with its method is joined."""
    currency = statement.currency
    return render_to_string(
        "payments/statement.html",
        {
            "statement": statement,
            "payout": statement.payout,
            "lines": lines,
            "opening": Money(statement.opening_minor, currency),
            "closing": Money(statement.closing_minor, currency),
            "paid": Money(statement.payout.amount_minor, currency),
        },
    )


def csv_text(statement: Statement, lines: Sequence[Line]) -> str:
    """One line per movement, opening and closing balance first and last. Texts cannot become formulas."""
    currency = statement.currency
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEAD)
    writer.writerow(_balance("opening_balance", statement.opening_minor, currency))
    for line in lines:
        writer.writerow(
            [
                line.at.isoformat(),
                line.kind,
                line.subject,
                _defused(line.text),
                line.day.isoformat() if line.day else "",
                format_duration(line.seconds) if line.seconds is not None else "",
                line.rate.amount if line.rate else "",
                line.gross.amount if line.gross else "",
                line.amount.amount,
                currency,
            ]
        )
    writer.writerow(_balance("closing_balance", statement.closing_minor, currency))
    return out.getvalue()


def _balance(kind: str, minor: int, currency: str) -> list[str]:
    return ["", kind, "", "", "", "", "", "", Money(minor, currency).amount, currency]


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text
