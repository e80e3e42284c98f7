"""Names in the scripts of the world on every paper: drawn in their own letters, never blank, never as a box."""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import uharfbuzz as hb  # type: ignore[import-untyped]  # publishes no types
from pypdf import PdfReader
from pytest_django import Settings

from core import clock
from experts.public import Expert
from payments import jobs
from payments.models import TimeEntry
from payments.operations.pay import adjustments
from payments.papers import pdf
from payments.papers.letters import OWN, Letters, cut, letters_of, readable
from payments.papers.paper import Column, Fact, Paper, Row, Table, Text
from payments.papers.pen import Pen
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments import test_self_billing as billed
from tests.payments.hours_world import platform
from tests.payments.ledger_story import NOW
from tests.payments.test_money_api import expert_caller, get

NAMES = {
    "latin": "Šárka Łukasiewicz-Ōe",
    "vietnamese": "Nguyễn Thị Phượng",
    "composed": unicodedata.normalize("NFD", "Nguyễn Thị"),
    "greek": "Ελένη Παπαδοπούλου",
    "cyrillic": "Олександра Їжакевич",
    "arabic": "ليلى حداد",
    "urdu": "ٹیپو ڈار",
    "hebrew": "דוד בן־גוריון",
    "devanagari": "राजेश कुमार क्षेत्री",
    "bengali": "রবীন্দ্রনাথ ঠাকুর",
    "tamil": "சுந்தர் பிச்சை",
    "thai": "สมชาย น้ำใจดี",
    "lao": "ສົມສັກ ນ້ຳ",
    "khmer": "សុខ ជោតិ",
    "burmese": "အောင်ဆန်း",
    "armenian": "Արամ Խաչատրյան",
    "georgian": "ნინო ბერიძე",
    "ethiopic": "አበበ በቂላ",
    "chinese": "王小明",
    "traditional": "陳大文",
    "japanese": "山田さくら",
    "rare": "𠮷野家",
    "korean": "김철수",
    "emoji": "Zoë 😀🎉",
    "mixed": "דוד (David) 王 ليلى",
}
each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
WORLD = "王小明 דוד राजेश สมชาย 김철수 Šárka"


def paper(*names: str, language: str = "en", **more: Any) -> Paper:
    columns = (Column("What", 3), Column("Amount", 1, is_figure=True))
    rows = [Row((Text("Work", notes=(name,)), Text("1.00 USD", ltr=True))) for name in names]
    return Paper(
        title="Names", reference="stm_1", language=language, issued_at=dt.datetime(2026, 11, 16, tzinfo=dt.UTC),
        facts=(Fact("For", tuple(map(Text, names))),), tables=(Table("Lines", columns, rows),), **more,
    )  # fmt: skip


def text_of(content: bytes) -> str:
    return "".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(content)).pages)


def letters(text: str) -> set[str]:
    """Readers put the signs of a syllable into an order of their own: the letters are compared, not their order."""
    return {letter for letter in unicodedata.normalize("NFKD", text) if letter.isalpha() or ord(letter) > 0xFFFF}


@each_name
@pytest.mark.parametrize("language", ["en", "ar"])
def test_no_letter_of_a_name_is_blank(name: str, language: str) -> None:
    assert letters(name) - letters(text_of(pdf.render(paper(name, language=language)))) == set()
    assert not Letters(paper(name)).is_romanised


@each_name
def test_no_letter_of_a_name_is_a_box(name: str) -> None:
    """What HarfBuzz makes of a name in the font that was cut for it has a glyph for everything, also for parts of vowels."""
    found = Letters(paper(name))
    fonts = [hb.Face(hb.Blob.from_file_path(str(OWN[""]))), *(hb.Face(cut(*of)) for of in found.of_font.items())]
    for word in readable(name).split():
        boxes = []
        for face in fonts:
            buffer = hb.Buffer()
            buffer.add_str("".join(letter for letter in word if ord(letter) in face.unicodes or len(fonts) < 3))
            buffer.guess_segment_properties()
            hb.shape(hb.Font(face), buffer)
            boxes.append(sum(info.codepoint == 0 for info in buffer.glyph_infos))
        assert min(boxes) == 0, word


def test_chinese_characters_look_as_their_bearer_writes_them() -> None:
    def face(name: str, *spoken: str) -> str:
        (font,) = Letters(paper(name, spoken=spoken)).of_font
        return {0: "japan", 1: "korea", 2: "china", 3: "taiwan", 4: "hong kong"}[font.face]

    assert face("直") == "china"
    assert face("直", "en", "ja") == "japan"
    assert face("直", "ko-KR") == "korea"
    assert (face("直", "zh-Hant"), face("直", "zh-HK"), face("直", "zh")) == ("taiwan", "hong kong", "china")
    assert (face("直さ", "zh"), face("直김", "ja")) == ("japan", "korea")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_name_that_no_font_has_is_written_in_latin_and_the_paper_says_so(language: str) -> None:
    """Cherokee, Tibetan and a character of nobody's."""
    text = text_of(pdf.render(paper("ᏣᎳᎩ Sequoyah", "བསྟན", "A\ue000B", language=language)))
    for said in ("TsaLaGi Sequoyah", "bstn", "A[U+E000]B", "HTML"):
        assert said in text
    assert "HTML" not in text_of(pdf.render(paper(WORLD, language=language)))


@pytest.mark.parametrize(
    ("text", "leftwards"),
    [
        ("Lab «עברית» & 株式会社 Ltd.", False),
        ("דוד (David) 12-34", True),
        ("7 ديسمبر 2026، 08:00 UTC", True),
        ("مكافأة: Found a mistake", True),
    ],
)
def test_a_name_is_read_in_its_own_direction_on_every_paper(text: str, leftwards: bool, tmp_path: Path) -> None:
    """As on the page, by its first letter; a line of a long text as the whole text, whatever that line begins with."""
    long = f"{text} and מילים in the same line of the same text מילים"
    pen = Pen(Letters(paper(text, long)), tmp_path, is_rtl=True)
    pen.add_page()
    parts = pen.wrapped(Text(long), 30.0, "", 8.0)
    pen.put(14.0, 60.0, Text(text), "", 8.0, 4.0)
    shaped = [pen.runs_left_of[line] for line in (text, *parts) if line in pen.runs_left_of]
    assert len(shaped) > 2
    assert set(shaped) == {leftwards}


def test_what_steers_the_direction_of_text_is_left_out() -> None:
    """A name cannot turn the amount beside it around."""
    assert readable("A\u202eB\u200d\u00adC\u2066\ufeffD\nE") == "ABCD E"
    assert readable("گلش\u200cیری") == "گلش\u200cیری"


def test_only_the_letters_of_a_paper_are_taken_along() -> None:
    """Out of a collection of 19 MB come some kilobytes, and the same paper is the same file."""
    first = pdf.render(paper("王小明"))
    assert len(first) < len(pdf.render(paper("Ada"))) + 20_000
    assert first == pdf.render(paper("王小明"))
    assert all(ord("王") in letters_of(font) for font in Letters(paper("王小明")).of_font)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["statements/{id}/download?", "statements/yearly/download?year=2026&"])
def test_an_expert_reads_his_name_on_what_he_is_given(path: str) -> None:
    world = papers.build(WORLD)
    story.earn(world.expert, 12_345, lab=story.new_lab(funded=20_000))
    statement = papers.paid(world)
    path = "expert/" + path.format(id=statement.public_id)
    answer = get(expert_caller(world.expert), f"{path}format=pdf")
    assert letters(WORLD) - letters(text_of(answer.content)) == set()
    assert WORLD in get(expert_caller(world.expert), f"{path}format=html").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_lab_and_its_experts_are_named_on_invoice_and_credit_note() -> None:
    world = papers.with_extras(papers.build(week_cap=40 * hours.HOUR))
    lab = hours.lab_caller(world, "invoices:write", "invoices:read")
    told = {"legal_name": WORLD, "city": "תל אביב", "country": "IL"}
    assert lab("PATCH", "/lab/billing", told).status_code == 200
    with clock.frozen(dt.datetime(2026, 12, 1, tzinfo=dt.UTC)):
        jobs.issue_invoices()
    with platform():
        entry, later = (
            TimeEntry.objects.filter(contract=world.contract).earliest("pk"),
            dt.datetime(2026, 12, 14, tzinfo=dt.UTC),
        )
        adjustments.correct(entry=entry, counted=3_600, reason=WORLD, decided_by=world.member, now=later)
    with clock.frozen(dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.UTC)):
        jobs.issue_invoices()
        jobs.follow_invoices()
    for path in ("/invoices", "/credit-notes"):
        download = lab("GET", path).json()["results"][-1]["download"].removeprefix("/api/v1")
        text = text_of(lab("GET", f"{download}?format=pdf").content)
        assert letters(WORLD + "תל אביב") - letters(text) == set()


@pytest.mark.django_db(transaction=True)
def test_a_supplier_is_named_on_the_invoice_written_for_him(settings: Settings) -> None:
    settings.ISSUER = billed.FRENCH
    ada: Expert = billed.business(legal_name=WORLD)
    billed.pay(ada, at=NOW)
    billed.sweep()
    (told,) = billed.papers_of(ada)
    answer = get(expert_caller(ada), f"expert/self-billing-invoices/{told['id']}/download?format=pdf")
    assert letters(WORLD) - letters(text_of(answer.content)) == set()
