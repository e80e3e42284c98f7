"""What a paper says, before it is a page or a PDF. Plain values in the reader's language; both views show exactly these."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RIGHT_TO_LEFT: Final = frozenset({"ar"})


@dataclass(frozen=True, slots=True)
class Text:
    """One piece of text; ``notes`` are smaller lines below it.

    ``ltr`` says that it is an amount, an id or the like, whose parts keep their order within Arabic text.
    """

    text: str
    ltr: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A label with one or several lines."""

    label: str
    lines: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, its share of the width, and whether its cells stand at the end, as figures do."""

    label: str
    share: int
    is_figure: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """As many cells as the table has columns; ``is_sum`` rows are set off from the others."""

    cells: tuple[Text, ...]
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns, with a title of its own."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]

    def labelled(self) -> list[tuple[Row, list[tuple[Column, Text]]]]:
        """Each row with its cells under their columns, for pages too narrow to have columns."""
        return [(row, list(zip(self.columns, row.cells, strict=True))) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Paper:
    """A whole paper. ``reference`` names it on every page, ``issued_at`` dates its file.

    ``spoken`` are the languages of who is named on it: they decide how Chinese characters look.
    """

    title: str
    reference: str
    language: str
    issued_at: dt.datetime
    facts: tuple[Fact, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()

    @property
    def is_rtl(self) -> bool:
        """Whether the language is written from right to left."""
        return self.language in RIGHT_TO_LEFT


EMPTY: Final = Text("")
