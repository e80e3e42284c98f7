"""Which language a paper is written in, and how that language writes amounts, days and hours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from core.money import Money, exponent_of
from payments.papers.paper import Text

SUPPORTED: Final = ("en", "ar")
"""Languages whose catalog of the papers' words is complete (a test holds them to it)."""

# Marks that CLDR puts around signs and dates in Arabic; we isolate figures ourselves, and no font draws the marks.
_MARKS: Final = dict.fromkeys(map(ord, "\u200e\u200f\u061c"))
_NO_BREAK: Final = "\u00a0"


def choose(*, accepted: str, spoken: Sequence[str] = ()) -> str:
    """The language of a paper: what the request prefers (``Accept-Language``), else what the reader speaks, else English."""
    wanted = [tag for tag, _weight in parse_accept_lang_header(accepted.lower())]
    for tag in [*wanted, *map(str.lower, spoken)]:
        if (language := tag.partition("-")[0]) in SUPPORTED:
            return language
    return SUPPORTED[0]


@contextmanager
def speaking(language: str) -> Iterator[Formats]:
    """Translate into ``language`` within the block, and write figures as it does."""
    with translation.override(language):
        yield Formats(language)


@dataclass(frozen=True, slots=True)
class Formats:
    """How a language writes figures. Digits are Western everywhere, as banks print them."""

    language: str

    def money(self, money: Money) -> Text:
        """With the decimals of its currency by ISO 4217 and its code: "1,275.00 USD"."""
        decimals = exponent_of(money.currency)
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        number = format_decimal(money.decimal, format=pattern, locale=self._locale)
        return Text(f"{number.translate(_MARKS)}{_NO_BREAK}{money.currency}", ltr=True)

    def day(self, day: dt.date) -> Text:
        """A calendar day, "16 Nov 2026"."""
        return Text(format_date(day, "d MMM y", locale=self._locale).translate(_MARKS).replace(" ", _NO_BREAK))

    def instant(self, at: dt.datetime) -> Text:
        """An instant to the minute, in UTC."""
        utc = at.astimezone(dt.UTC)
        comma = "،" if self.language == "ar" else ","
        text = format_datetime(utc, f"d MMM y{comma} HH:mm", tzinfo=dt.UTC, locale=self._locale)
        return Text(f"{text.translate(_MARKS)} UTC")

    def month(self, day: dt.date) -> Text:
        """A calendar month, "November 2026"."""
        return Text(format_skeleton("yMMMM", day, locale=self._locale).translate(_MARKS))

    def hours(self, seconds: int) -> Text:
        """Hours, minutes and seconds, "2:30:00"."""
        minutes, rest = divmod(abs(seconds), 60)
        sign = "-" if seconds < 0 else ""
        return Text(f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest:02d}", ltr=True)

    def country(self, code: str) -> str:
        """A country by its name: "Germany"."""
        return str(self._locale.territories.get(code, code))

    def percent(self, bp: int) -> Text:
        """Basis points as a percentage with what decimals it needs: "19%", "7.5%"."""
        whole, part = divmod(bp, 100)
        return Text(f"{whole}.{part:02d}".rstrip("0").rstrip(".") + "%", ltr=True)

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)
