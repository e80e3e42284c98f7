"""Which letters a paper is drawn with: its own font, Noto for the scripts that lacks, and Latin for what no font has.

A name is never left out. Of each font of Noto only the letters of this paper are taken, by HarfBuzz, in milliseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import uharfbuzz as hb  # type: ignore[import-untyped]  # publishes no types
from anyascii import anyascii

from payments.papers.paper import Paper

OWN: Final = {
    "": Path(__file__).parent / "fonts" / "DejaVuSans.subset.ttf",
    "B": Path(__file__).parent / "fonts" / "DejaVuSans-Bold.subset.ttf",
}
_NOTO: Final = (
    "Sans", "SansHebrew", "SansArabic", "SansArmenian", "SansGeorgian", "SansEthiopic", "SansDevanagari",
    "SansBengali", "SansGurmukhi", "SansGujarati", "SansOriya", "SansTamil", "SansTelugu", "SansKannada",
    "SansMalayalam", "SansSinhala", "SansThai", "SansLao", "SansMyanmar", "SansKhmer", "SansSymbols", "Emoji",
)  # fmt: skip
# The collection's faces draw the same characters as each country writes them.
_JAPAN, _KOREA, _CHINA, _TAIWAN, _HONG_KONG = range(5)
_KANA: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL: Final = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
# Arabic vowel signs are optional in writing, and drawn beside their letters where these join: left out.
_VOWELS: Final = range(0x064B, 0x0653)
# Half of a Khmer vowel, which Unicode does not know as its part.
_DRAWN_WITH: Final = "\u17c1"
_JOINERS: Final = "\u200c\u200d"
_NO_JOINERS: Final = dict.fromkeys(map(ord, _JOINERS))
_EMOJI: Final = re.compile(r"[\U0001f000-\U0001ffff]")
# Scripts whose letters stand side by side whatever their neighbours are.
_SIMPLE: Final = re.compile(
    r"[ -\u02ff\u0370-\u0482\u048a-\u058f\u10a0-\u10ff\u1e00-\u200b\u2010-\u2027\u202f-\u20cf\u2100-\u2bff\u2e80-\ud7af"
    r"\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]*"
)


@dataclass(frozen=True, slots=True)
class Font:
    """A font of Noto: a file, and which face of it."""

    family: str
    path: Path
    face: int = 0


def is_simple(text: str) -> bool:
    """Whether a text can be drawn letter by letter, from left to right; all else HarfBuzz must shape."""
    return bool(_SIMPLE.fullmatch(text))


def runs_left(text: str) -> bool:
    """Whether a text is read from right to left: by its first letter that has a direction, as the page does it."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in {"L", "R", "AL"}:
            return kind != "L"
    return False


def readable(text: str) -> str:
    """A text with its letters composed, without what is not to be seen."""
    if text.isascii() and text.isprintable():
        return text
    text = "".join(map(_seen, unicodedata.normalize("NFC", text)))
    alone = text.translate(_NO_JOINERS)
    return alone if is_simple(alone) and not _EMOJI.search(alone) else text


def _seen(letter: str) -> str:
    code = ord(letter)
    if code in _VOWELS or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return ""
    match unicodedata.category(letter):
        case "Cf":
            return letter if letter in _JOINERS else ""
        case "Cc" | "Zl" | "Zp":
            return " "
    return letter


class Letters:
    """The letters of one paper: which fonts it needs beside its own, and what is to be written in Latin."""

    def __init__(self, paper: Paper) -> None:
        self.of_font: dict[Font, set[str]] = {}
        self.is_romanised = False
        self._country = _country_of(paper.spoken)
        self._written: dict[str, str] = {}
        for text in _texts(paper):
            if text not in self._written:
                self._written[text] = self._learn(text)

    def written(self, text: str) -> str:
        """A text as the paper shows it."""
        return self._written[text] if text in self._written else readable(text)

    def fonts_for(self, text: str) -> tuple[Font, ...]:
        """Those of Noto in the order in which they are asked, Chinese characters as the text's country writes them."""
        if _KANA.search(text):
            return (*_fonts(), _east_asian(_JAPAN))
        return (*_fonts(), _east_asian(_KOREA if _HANGUL.search(text) else self._country))

    def _learn(self, text: str) -> str:
        text = readable(text)
        foreign = {letter for letter in text if ord(letter) not in _own_letters()} - set(_JOINERS)
        if not foreign:
            return text
        for font in self.fonts_for(text):
            if all(ord(letter) in letters_of(font) for letter in foreign):  # of one font: its letters may join
                self.of_font.setdefault(font, set()).update(text)
                return text
        return re.sub(r"\S+", lambda word: self._word(word[0]), text)

    def _word(self, word: str) -> str:
        fonts = self.fonts_for(word)
        for letter in word:
            if ord(letter) in _own_letters() or letter in _JOINERS:
                continue
            font = next((font for font in fonts if ord(letter) in letters_of(font)), None)
            if font is None:
                self.is_romanised = True
                return "".join(map(_latin, word))
            self.of_font.setdefault(font, set()).update(word)
        return word


def _latin(letter: str) -> str:
    """The sound of a letter, or its number in Unicode where it is nobody's letter."""
    if ord(letter) in _own_letters():
        return letter
    return anyascii(letter) or ("" if letter in _JOINERS else f"[U+{ord(letter):04X}]")


def _texts(paper: Paper) -> Iterator[str]:
    yield from (paper.title, paper.reference, *paper.notes)
    for fact in paper.facts:
        yield from (fact.label, *(line.text for line in fact.lines))
    for table in paper.tables:
        yield from (table.title, *(column.label for column in table.columns))
        for row in table.rows:
            for cell in row.cells:
                yield cell.text
                yield from cell.notes


def _country_of(spoken: Iterable[str]) -> int:
    """How Chinese characters are written by one who speaks these languages."""
    for tag in map(str.lower, spoken):
        if tag.startswith(("ja", "ko")):
            return _JAPAN if tag.startswith("ja") else _KOREA
        if tag.startswith("zh"):
            return _HONG_KONG if "hk" in tag else _TAIWAN if "tw" in tag or "hant" in tag else _CHINA
    return _CHINA


@cache
def _fonts() -> tuple[Font, ...]:
    place = Path(str(files("manimgx_fonts")))
    return tuple(Font(f"noto{name.lower()}", place / f"Noto{name}[wght].ttf") for name in _NOTO)


@cache
def _east_asian(face: int) -> Font:
    return Font(f"notosanscjk{face}", Path(str(files("noto_cjk_sans_otc"))) / "NotoSansCJK-Regular.ttc", face)


@cache
def _face(font: Font) -> hb.Face:
    return hb.Face(hb.Blob.from_file_path(str(font.path)), font.face)


@cache
def letters_of(font: Font) -> hb.Set:
    """The code points that a font has a glyph for."""
    return _face(font).unicodes


@cache
def _own_letters() -> frozenset[int]:
    return frozenset(hb.Face(hb.Blob.from_file_path(str(OWN[""]))).unicodes)


def cut(font: Font, letters: Iterable[str]) -> bytes:
    """A font file with these letters alone and how they join, at the weight of running text."""
    face, wanted = _face(font), hb.SubsetInput()
    parts = unicodedata.normalize("NFKD", "".join(letters))  # a vowel of two parts may be drawn as its parts
    wanted.unicode_set.update(map(ord, {*letters, *parts, *_DRAWN_WITH, " "}))
    wanted.flags = hb.SubsetFlags.NOTDEF_OUTLINE
    wanted.pin_all_axes_to_default(face)
    return bytes(hb.subset(face, wanted).blob.data)
