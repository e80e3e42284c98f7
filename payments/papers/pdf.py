"""A paper as a PDF: the same description as the page, drawn with fonts of our own. The same paper gives the same bytes.

A paper in Arabic is set from right to left; columns stand in the reader's order. Amounts and ids are drawn from left to
right whatever stands around them. Every name is drawn in its own letters, or in Latin ones where no font has them.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from django.utils.translation import gettext as _

from payments.papers.languages import speaking
from payments.papers.letters import Letters
from payments.papers.paper import Fact, Paper, Row, Table, Text
from payments.papers.pen import INK, Pen, Style

MEDIA_TYPE: Final = "application/pdf"
_GREY, _LINE, _SHADE = (89, 97, 107), (223, 227, 232), (244, 246, 248)
_BODY: Final = 8.0
_SMALL: Final = 6.5
_PAD: Final = 1.1
_LABELS: Final = 42.0
_LABELS_MOST: Final = 70.0
_MARGIN: Final = 14.0
_SLACK: Final = 0.2


def render(paper: Paper) -> bytes:
    """The whole file."""
    letters = Letters(paper)
    with TemporaryDirectory() as fonts:
        sheet = _Sheet(paper, letters, Path(fonts))
        sheet.add_page()
        sheet.heading()
        labels = sheet.room_for_labels()
        for fact in paper.facts:
            sheet.fact(fact, labels)
        for table in paper.tables:
            sheet.grid(table)
        sheet.ln(4)
        for note in (*paper.notes, *_about(letters, paper.language)):
            sheet.paragraph(note)
        return bytes(sheet.output())


def _about(letters: Letters, language: str) -> tuple[str, ...]:
    """Says so where a name is not in its own letters."""
    if not letters.is_romanised:
        return ()
    with speaking(language):
        return (
            _(
                "Some words could not be drawn in their own letters and stand here in Latin ones. "
                "The page (HTML) shows them as they were given."
            ),
        )


class _Sheet(Pen):
    """A4 pages of one paper; "start" is the side reading begins at."""

    def __init__(self, paper: Paper, letters: Letters, fonts: Path) -> None:
        super().__init__(letters, fonts, is_rtl=paper.is_rtl)
        self.paper = paper
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(False, margin=16)
        self.set_creation_date(paper.issued_at)
        self.set_title(f"{paper.title} {paper.reference}")
        self.set_lang(paper.language)
        self.set_producer("Cadre")

    @property
    def bottom(self) -> float:
        """Where the footer begins."""
        return float(self.h) - 16

    def footer(self) -> None:
        """The reference and the page, on every page."""
        self.set_y(-11)
        self.shape("", "", _SMALL)
        self.set_text_color(*_GREY)
        self.cell(0, 4, f"{self.paper.reference} · {self.page_no()} / {{nb}}", align="C")

    def heading(self) -> None:
        """Title, reference and a rule."""
        self.put(self.l_margin, self.epw, Text(self.paper.title), "B", 17, 8)
        self.ln(8.5)
        self.put(self.l_margin, self.epw, Text(self.paper.reference, ltr=True), "", 9, 4.5, _GREY)
        self.ln(6)
        self.set_draw_color(*INK)
        self.set_line_width(0.5)
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw, self.get_y())
        self.set_line_width(0.2)
        self.ln(4)

    def room_for_labels(self) -> float:
        """As wide as the longest label of a fact wants to be, within reason."""
        widths = (self.width_of(Text(fact.label), "", 8.5) + 3 for fact in self.paper.facts)
        return min(max([_LABELS, *widths]), _LABELS_MOST)

    def fact(self, fact: Fact, labels: float) -> None:
        """A label of at most ``labels`` millimetres, and its lines beside it."""
        label_x, value_x = self.l_margin, self.l_margin + labels
        if self.is_rtl:
            label_x, value_x = self.l_margin + self.epw - labels, self.l_margin
        names = [Text(part) for part in self.wrapped(Text(fact.label), labels, "", 8.5)]
        values = [
            Text(part, line.ltr) for line in fact.lines for part in self.wrapped(line, self.epw - labels, "", 8.5)
        ]
        for name, value in zip_longest(names, values):
            self.make_room(5)
            if name:
                self.put(label_x, labels, name, "", 8.5, 5, _GREY)
            if value:
                self.put(value_x, self.epw - labels, value, "", 8.5, 5)
            self.ln(5)

    def paragraph(self, text: str) -> None:
        """Words below the tables."""
        for part in self.wrapped(Text(text), self.epw, "", _BODY):
            self.make_room(4.2)
            self.put(self.l_margin, self.epw, Text(part), "", _BODY, 4.2)
            self.ln(4.2)
        self.ln(1.2)

    def grid(self, table: Table) -> None:
        """A title and the rows; the heading comes again on each page."""
        self.make_room(24)
        self.ln(4)
        self.put(self.l_margin, self.epw, Text(table.title), "B", 10.5, 6)
        self.ln(7)
        places = self.places(table)
        self.head(table, places)
        for row in table.rows:
            height = self.height(row, places)
            if self.get_y() + height > self.bottom:
                self.add_page()
                self.head(table, places)
            self.row(table, row, places, height)

    def places(self, table: Table) -> list[tuple[float, float]]:
        """Left edge and width of each column, in the reader's order."""
        total = sum(column.share for column in table.columns)
        widths = [self.epw * column.share / total for column in table.columns]
        found, used = [], 0.0
        for width in widths:
            left = self.epw - used - width if self.is_rtl else used
            found.append((float(self.l_margin) + left, width))
            used += width
        return [self.for_figures(table, n, *place) for n, place in enumerate(found)] if self.is_rtl else found

    def for_figures(self, table: Table, n: int, x: float, width: float) -> tuple[float, float]:
        """In a page that ends on the left, a column of figures is as wide as they are: they stand at its right edge."""
        if not table.columns[n].is_figure:
            return x, width
        cells = [(row.cells[n], _style(row), _BODY) for row in table.rows]
        heads = self.wrapped(Text(table.columns[n].label), width, "B", 7.5)
        widths = [self.width_of(*cell) for cell in [*cells, *((Text(head), "B", 7.5) for head in heads)]]
        return x, min(width, max(widths) + _SLACK)

    def head(self, table: Table, places: list[tuple[float, float]]) -> None:
        """The columns' names over a rule."""
        names = [
            self.wrapped(Text(column.label), width, "B", 7.5)
            for column, (_x, width) in zip(table.columns, places, strict=True)
        ]
        top, height = self.get_y(), 3.6 * max(map(len, names)) + 2
        for column, (x, width), lines in zip(table.columns, places, names, strict=True):
            for n, line in enumerate(lines):
                self.set_y(top + 3.6 * n)
                self.put(x, width, Text(line), "B", 7.5, 3.6, _GREY, at_end=column.is_figure)
        self.rule(top + height - 0.2, INK)
        self.set_y(top + height)

    def height(self, row: Row, places: list[tuple[float, float]]) -> float:
        """What the row needs."""
        style: Style = "B" if row.is_sum else ""
        tallest = 0.0
        for cell, (_x, width) in zip(row.cells, places, strict=True):
            lines = 4.0 if cell.ltr else len(self.wrapped(cell, width, style, _BODY)) * 4.0
            notes = sum(len(self.wrapped(Text(note), width, "", _SMALL)) for note in cell.notes) * 3.2
            tallest = max(tallest, lines + notes)
        return tallest + 2 * _PAD

    def row(self, table: Table, row: Row, places: list[tuple[float, float]], height: float) -> None:
        """One row with the rule below it."""
        top, style = self.get_y(), _style(row)
        if row.is_sum:
            self.set_fill_color(*_SHADE)
            self.rect(self.l_margin, top + _SLACK, self.epw, height - _SLACK, style="F")
        for cell, column, (x, width) in zip(row.cells, table.columns, places, strict=True):
            self.set_y(top + _PAD)
            if cell.text and cell.ltr:  # an amount or an id is never cut: it is written smaller
                size = min(_BODY, _BODY * width / self.width_of(cell, style, _BODY))
                self.put(x, width, cell, style, size, 4.0, at_end=column.is_figure)
                self.ln(4.0)
            elif cell.text:
                for line in self.wrapped(cell, width, style, _BODY):
                    self.put(x, width, Text(line, cell.ltr), style, _BODY, 4.0, at_end=column.is_figure)
                    self.ln(4.0)
            for line in (line for note in cell.notes for line in self.wrapped(Text(note), width, "", _SMALL)):
                self.put(x, width, Text(line), "", _SMALL, 3.2, _GREY, at_end=column.is_figure)
                self.ln(3.2)
        self.rule(top + height, _LINE)
        self.set_y(top + height)

    def rule(self, y: float, colour: tuple[int, int, int]) -> None:
        """A line across the page."""
        self.set_draw_color(*colour)
        self.line(self.l_margin, y, self.l_margin + self.epw, y)

    def make_room(self, height: float) -> None:
        """Go on to the next page unless so much is left of this one."""
        if self.get_y() + height > self.bottom:
            self.add_page()


def _style(row: Row) -> Style:
    return "B" if row.is_sum else ""
