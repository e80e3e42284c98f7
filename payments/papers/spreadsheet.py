"""Tables for spreadsheets: amounts as plain decimals, texts that cannot become formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from core.money import Money

MEDIA_TYPE: Final = "text/csv"
# What spreadsheets take for the beginning of a formula, also in full width and after blanks.
_DANGEROUS: Final = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")  # noqa: RUF001  # full width on purpose
_BLANKS: Final = " \t\r\n\u00a0\u3000"

Value = str | int | Money | None


def render(head: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """CSV by RFC 4180. Money becomes its decimal amount; its currency is a column of its own."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_written(value) for value in row] for row in rows)
    return out.getvalue()


def _written(value: Value) -> str | int:
    if value is None:
        return ""
    if isinstance(value, Money):
        return value.amount
    return defused(value) if isinstance(value, str) else value


def defused(text: str) -> str:
    """The text, or the text behind an apostrophe where a spreadsheet would calculate it."""
    looks_like_formula = text.lstrip(_BLANKS).startswith(_DANGEROUS) or text[:1] in set("\t\r\n")
    return f"'{text}" if looks_like_formula else text
