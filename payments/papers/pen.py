"""Writes lines of text into a PDF: straight into the page where letters stand side by side, by HarfBuzz where they join."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fpdf import FPDF
from fpdf.enums import PDFResourceType, XPos, YPos
from fpdf.fonts import TTFFont

from payments.papers.letters import OWN, Letters, cut, is_simple, runs_left
from payments.papers.paper import Text

INK: Final = (26, 29, 33)
_FAMILY: Final = "paper"
# A letter with the signs that belong to it.
_CLUSTER: Final = re.compile(
    r".[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31-\u0e3a\u0e47-\u0e4e\u200c\u200d]*"
)

_LATIN: Final = re.compile(r"[0-9A-Za-z]")

Style = Literal["", "B"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Joined:
    """A line as drawn from the origin, and its width in millimetres."""

    codes: str
    width: float


class Pen(FPDF):
    """A4 pages. Coordinates are millimetres from the top left; sizes are points."""

    def __init__(self, letters: Letters, fonts: Path, *, is_rtl: bool) -> None:
        """``fonts`` is a directory for the fonts of this paper; it must stay until the file is made."""
        super().__init__(format="A4")
        self.letters, self.is_rtl = letters, is_rtl
        for style, path in OWN.items():
            self.add_font(_FAMILY, style, path)
        for font, wanted in letters.of_font.items():
            path = fonts / f"{font.family}.otf"
            path.write_bytes(cut(font, wanted))
            self.add_font(font.family, "", path)
        self.others = [font.family for font in letters.of_font]
        self.set_fallback_fonts([*self.others, _FAMILY] if self.others else [], exact_match=False)
        self.lines_of: dict[tuple[str, float, str, float, bool], list[str]] = {}
        self.font_of_line: dict[tuple[str, str], TTFFont | None] = {}
        self.units_of: dict[tuple[int, str], float] = {}
        self.codes_of: dict[tuple[int, str], str] = {}
        self.joined_of: dict[tuple[str, str, float, bool], Joined] = {}
        self.runs_left_of: dict[str, bool] = {}
        self.within: bool | None = None
        self.caught: list[str] | None = None

    def put(
        self,
        x: float,
        width: float,
        text: Text,
        style: Style,
        size: float,
        height: float,
        colour: Colour = INK,
        *,
        at_end: bool = False,
    ) -> None:
        """One line of text into a box at the current height; the height stays. Figures stand right in every language."""
        line, down = self.letters.written(text.text), self.h - self.y - 0.5 * height - 0.3 * size / self.k
        left = x + self.c_margin
        if at_end or self.is_rtl:
            left = x + width - self.c_margin - self.measure(line, style, size, ltr=text.ltr)
        red, green, blue = (f"{part / 255:.3f}" for part in colour)
        ink = f"{red} {green} {blue} rg"
        if font := self.font_of(line, style):
            if (font.i, line) not in self.codes_of:
                self.codes_of[font.i, line] = font.encode_text(line)
            codes = self.codes_of[font.i, line]
            self.out(f"{ink} BT /F{font.i} {size:.2f} Tf {left * self.k:.2f} {down * self.k:.2f} Td {codes} ET", font)
        elif line:
            codes = self.joined(line, style, size, ltr=text.ltr).codes
            fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
            self.out(f"1 0 0 1 {left * self.k:.2f} {down * self.k:.2f} cm {ink} {codes}", *fonts)

    def out(self, codes: str, *fonts: TTFFont) -> None:
        """Codes into the page, with fonts that they use; what they set is forgotten after them."""
        for font in fonts:
            self._resource_catalog.add(PDFResourceType.FONT, font.i, self.page)
        self._out(f"q {codes} Q")

    def _out(self, s: str | bytes) -> None:
        if self.caught is None:
            super()._out(s)
        else:
            self.caught.append(s if isinstance(s, str) else s.decode("latin-1"))

    def font_of(self, line: str, style: Style) -> TTFFont | None:
        """The one font that draws the line letter by letter; none where letters join or come from several fonts."""
        key = (line, style)
        if key not in self.font_of_line:
            self.font_of_line[key] = self.find_font(line, style) if is_simple(line) else None
        return self.font_of_line[key]

    def find_font(self, line: str, style: Style) -> TTFFont | None:
        """The paper's own, else the first that has every letter of a line that is wholly foreign."""
        others = () if _LATIN.search(line) else self.others
        return next((font for name in (_FAMILY + style, *others) if (font := self.having(name, line))), None)

    def having(self, name: str, letters: str) -> TTFFont | None:
        """The font, if it has all these letters."""
        font = self.fonts[name]
        return font if isinstance(font, TTFFont) and all(ord(letter) in font.cmap for letter in letters) else None

    def joined(self, line: str, style: Style, size: float, *, ltr: bool) -> Joined:
        """A line whose letters join or come from several fonts, as ``cell`` draws it: written once, used again and again."""
        key = (line, style, size, ltr)
        if key not in self.joined_of:
            self.joined_of[key] = self.join(line, style, size, ltr=ltr)
        return self.joined_of[key]

    def join(self, line: str, style: Style, size: float, *, ltr: bool) -> Joined:
        """Draw it with its baseline at the page's bottom left, and catch what is drawn."""
        place, self.caught = (self.x, self.y), []
        self.shape(line, style, size, ltr=ltr)
        self.set_text_color(*INK)
        self.set_fill_color(*INK)  # as the text: then ``cell`` writes no colour, and the line takes that of its place
        self.current_font_is_set_on_page, self.caught = False, []
        width = float(self.get_string_width(line))
        self.x, self.y = -self.c_margin, self.h - 0.3 * size / self.k
        self.cell(width + 2 * self.c_margin, 0, line, new_x=XPos.LMARGIN, new_y=YPos.TOP)
        codes, self.caught = " ".join(self.caught), None
        self.x, self.y = place
        return Joined(codes, width)

    def shape(self, line: str, style: Style, size: float, *, ltr: bool = False) -> None:
        """Font and direction of such a line: a foreign script that joins is drawn by its font with all that is between."""
        own = self.fonts[_FAMILY + style]
        foreign = "".join(letter for letter in line if not is_simple(letter) and not self.having(own.fontkey, letter))
        name = next((name for name in self.others if foreign and self.having(name, foreign)), None)
        self.set_font(name or _FAMILY, "" if name else style, size)
        if is_simple(line):
            self.text_shaping = None
        else:
            whole = runs_left(line) if self.within is None else self.within
            is_left = self.runs_left_of.setdefault(line, whole)  # a part is read as its text is
            self.set_text_shaping(True, direction="rtl" if is_left and not ltr else "ltr")

    def measure(self, line: str, style: Style, size: float, *, ltr: bool = False) -> float:
        """How wide a line is, in millimetres."""
        font = self.font_of(line, style)
        if font is None:
            return self.joined(line, style, size, ltr=ltr).width
        key = (font.i, line)
        if key not in self.units_of:
            self.units_of[key] = sum(font.cw[ord(letter)] for letter in line) / 1000
        return self.units_of[key] * size / float(self.k)

    def width_of(self, text: Text, style: Style, size: float) -> float:
        """How wide a box must be for a text in one line."""
        return self.measure(self.letters.written(text.text), style, size, ltr=text.ltr) + 2 * float(self.c_margin)

    def wrapped(self, text: Text, width: float, style: Style, size: float) -> list[str]:
        """The text in lines that fit into a box; words that do not are cut."""
        key = (text.text, width, style, size, text.ltr)
        if key not in self.lines_of:
            line, room = self.letters.written(text.text), width - 2 * float(self.c_margin)
            self.within = runs_left(line)
            self.lines_of[key] = self.break_lines(line, room, style, size)
            self.within = None
        return self.lines_of[key]

    def break_lines(self, text: str, room: float, style: Style, size: float) -> list[str]:
        """Greedily, at spaces."""
        if self.measure(text, style, size) <= room:
            return [text]
        lines, line = [], ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if self.measure(longer, style, size) <= room:
                line = longer
                continue
            if line:
                lines.append(line)
            *whole, line = self.cut(word, room, style, size)
            lines += whole
        return [*lines, line]

    def cut(self, word: str, room: float, style: Style, size: float) -> list[str]:
        """A word in pieces that fit."""
        pieces = [""]
        for letter in _CLUSTER.findall(word):
            if pieces[-1] and self.measure(pieces[-1] + letter, style, size) > room:
                pieces.append("")
            pieces[-1] += letter
        return pieces
