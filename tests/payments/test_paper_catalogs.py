"""The words of papers in other languages: complete, compiled, and with the same places for figures."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from pathlib import Path

import pypdf
import pytest
from babel.messages.catalog import Catalog
from django.utils import translation
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # publishes no types

from core.money import Money
from payments import journal_csv
from payments.admin.tax import NEC_HEAD
from payments.journal_csv import JournalLeg
from payments.papers import (
    catalog,
    invoice,
    languages,
    paper,
    pdf,
    self_billing,
    spreadsheet,
    statement,
    yearly,
)
from payments.queries.statement_lines import KINDS
from tests.architecture.source import ROOT

CATALOGS = list(catalog.catalogs())
each_catalog = pytest.mark.parametrize(
    ("path", "words"), CATALOGS, ids=[str(words.locale) for _path, words in CATALOGS]
)


def test_there_is_a_catalog_for_every_other_language() -> None:
    assert {"en", *(str(words.locale) for _path, words in CATALOGS)} == set(languages.SUPPORTED)
    assert set(languages.SUPPORTED) >= paper.RIGHT_TO_LEFT


@each_catalog
def test_every_text_of_a_paper_is_translated(path: Path, words: Catalog) -> None:
    texts = set(catalog.texts())
    assert len(texts) > 50
    assert [text for text in sorted(texts) if not (words.get(text) and words[text].string) or words[text].fuzzy] == []


@each_catalog
def test_the_compiled_catalog_is_its_source(path: Path, words: Catalog) -> None:
    assert path.read_bytes() == catalog.compiled(words), "manage.py paper_catalogs"


@each_catalog
def test_places_for_figures_are_kept(path: Path, words: Catalog) -> None:
    for message in words:
        places = [
            sorted(re.findall(r"%\(\w+\)s|/api/\S+?(?=[\s.,\u200e])", str(text)))
            for text in (message.id, message.string)
        ]
        assert places[0] == places[1], message.id


@each_catalog
def test_our_words_come_before_those_of_other_apps(path: Path, words: Catalog) -> None:
    with translation.override(str(words.locale)):
        assert translation.gettext("Summary") == words["Summary"].string


@pytest.mark.parametrize("name", ["DejaVuSans.subset.ttf", "DejaVuSans-Bold.subset.ttf"])
def test_the_fonts_draw_every_letter_that_papers_write(name: str) -> None:
    drawn = TTFont(Path(pdf.__file__).parent / "fonts" / name).getBestCmap()
    written = "".join(str(message.string) for _path, words in CATALOGS for message in words if message.id)
    written += "".join(catalog.texts()) + "ÅßŁñğ Ελλάδα Київ ليلى ٪ 0123456789 ••••"
    assert {letter for letter in written if ord(letter) not in drawn} - {"\n"} == set()


def test_every_event_that_moves_an_expert_s_money_has_its_words() -> None:
    """The events of docs/money.md that touch what an expert is owed."""
    page = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| `")]
    moving = {kind for row in rows if "expert payable" in "".join(row[1:]) for kind in re.findall(r"`(\w+)`", row[0])}
    assert len(moving) >= 8
    assert moving - set(KINDS) == set()


@pytest.mark.parametrize(
    ("minor", "currency", "en", "ar"),
    [
        (123_456_789, "USD", "1,234,567.89 USD", "1,234,567.89 USD"),
        (-5, "USD", "-0.05 USD", "-0.05 USD"),
        (1_500, "JPY", "1,500 JPY", "1,500 JPY"),
        (1_234_567, "KWD", "1,234.567 KWD", "1,234.567 KWD"),
        (9_007_199_254_740_993_01, "USD", "9,007,199,254,740,993.01 USD", "9,007,199,254,740,993.01 USD"),
    ],
)
def test_amounts_are_written_whole(minor: int, currency: str, en: str, ar: str) -> None:
    for language, wanted in (("en", en), ("ar", ar)):
        written = languages.Formats(language).money(Money(minor, currency))
        assert (written.text.replace("\u00a0", " "), written.ltr) == (wanted, True)


@pytest.mark.parametrize(
    ("accepted", "spoken", "wanted"),
    [
        ("", [], "en"),
        ("ar", [], "ar"),
        ("ar-EG,en;q=0.8", [], "ar"),
        ("de,ar;q=0.3", ["en"], "ar"),
        ("de", ["fr", "ar"], "ar"),
        ("x" * 5000, ["ar"], "ar"),
        ("*", [], "en"),
    ],
)
def test_the_language_is_the_reader_s(accepted: str, spoken: list[str], wanted: str) -> None:
    assert languages.choose(accepted=accepted, spoken=spoken) == wanted


@pytest.mark.parametrize("language", languages.SUPPORTED)
def test_an_amount_that_is_too_wide_is_written_smaller_and_never_cut(language: str) -> None:
    """Half an amount at the end of a line is another amount."""
    with languages.speaking(language) as formats:
        huge = [formats.money(Money(sign * 9_876_543_210_123, "KWD")) for sign in (1, -1)]
        small = formats.money(Money(5, "KWD"))
    columns = (paper.Column("What", 12), *(paper.Column(name, 1, is_figure=True) for name in ("A", "B", "C")))
    rows = [paper.Row((paper.Text("Work"), small, *huge))] * 200
    sheet = paper.Paper(
        title="Long", reference="stm_1", language=language, issued_at=dt.datetime(2026, 11, 16, tzinfo=dt.UTC),
        facts=(paper.Fact("A label that is longer than any label of a fact has to be", (paper.Text("Value"),)),),
        tables=(paper.Table("Every line", columns, rows),),
    )  # fmt: skip
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf.render(sheet))).pages]
    text = "".join(pages).replace("\u00a0", " ")
    for amount in huge:
        assert text.count(amount.text.replace("\u00a0", " ")) >= 200
    assert len(pages) > 1
    for number, words in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in words.replace("\u00a0", " ")


def test_figures_stand_below_one_another_in_every_language() -> None:
    """Their decimals do where they end at the same place: right, whichever way the words run."""
    style = (ROOT / "payments" / "templates" / "payments" / "papers" / "paper.html").read_text(encoding="utf-8")
    assert "text-align: right" in style
    assert "text-align: end" not in style


HEADS = {
    "payout statement": statement.CSV_HEAD,
    "yearly summary": yearly.CSV_HEAD,
    "invoice, credit note": invoice.CSV_HEAD,
    "self-billing invoice": self_billing.CSV_HEAD,
    "journal": journal_csv.COLUMNS,
    "Form 1099-NEC": NEC_HEAD,
}


@pytest.mark.parametrize("table", HEADS)
def test_the_columns_of_a_table_are_those_that_were_promised(table: str) -> None:
    page = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
    assert f"| {table} | `{','.join(HEADS[table])}` |" in page


@pytest.mark.parametrize(
    "begins", ["=1+1", "+1", "-1", "@SUM(A1)", "|cmd", "%0A", "\t=1", " =1", "\u3000\uff1d1", "\r1", "\n1"]
)
def test_no_text_of_a_table_becomes_a_formula(begins: str) -> None:
    ((text, amount, number),) = csv.reader(io.StringIO(spreadsheet.render((), [[begins, Money(-5, "KWD"), -5]])[2:]))
    assert (text, amount, number) == (f"'{begins}", "-0.005", "-5")
    leg = JournalLeg(1, "", "", "bonus", begins, 1, None, begins, begins, "cash", "", begins, "JPY", -5)
    cells = journal_csv.row_of(leg, {"cash": begins})
    assert [cell for cell in cells if cell.lstrip(" \t\r\n\u3000")[:1] in tuple("=+-@|%\uff1d")] == []
    assert cells[-2:] == ["5", ""]


def test_what_is_no_formula_stays_as_it_is_and_is_quoted() -> None:
    texts = ['Ada, "the" Countess', "مختبرات النور", "a\nb", "3 - 1", ""]
    written = spreadsheet.render(("a", "b", "c", "d", "e"), [texts])
    assert next(csv.reader(io.StringIO(written.split("\r\n", 1)[1], newline=""))) == texts
    assert written.startswith("a,b,c,d,e\r\n")
