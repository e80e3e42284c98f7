"""The payout statement as page, PDF and table: the same figures, equal to the ledger, in English and in Arabic."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # publishes no types
from pypdf import PdfReader

from core.money import Money, pay_for
from payments import accounts, ledger
from payments.models import TimeEntry
from tests.payments import hours_world as hours
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import World, platform

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "ليلى حداد"


@pytest.fixture
def world() -> World:
    return papers.with_extras(papers.build())


def download(world: World, form: str, *, language: str = "", path: str = "") -> Any:
    caller = hours.expert_caller(world)
    path = path or f"/expert/statements/{papers.statement_of(world.expert).public_id}/download?format={form}"
    headers = {"Authorization": f"Bearer {caller.secret}", **({"Accept-Language": language} if language else {})}
    return caller.client.get(f"/api/v1{path}", headers=headers)


def pdf_text(answer: Any) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)


def joined_letters(answer: Any) -> int:
    """How many glyphs of the embedded fonts are no character's own: the forms that Arabic letters take when joined."""
    fonts = {}
    for page in PdfReader(io.BytesIO(answer.content)).pages:
        resources: Any = page["/Resources"]
        for name, font in resources["/Font"].items():
            file = font["/DescendantFonts"][0]["/FontDescriptor"]["/FontFile2"].get_object()
            fonts[name] = TTFont(io.BytesIO(file.get_data()))
    return sum(glyph.startswith("glyph") for font in fonts.values() for glyph in font.getGlyphOrder())


def words_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)))


def test_the_lines_sum_to_the_ledger(world: World) -> None:
    statement = papers.paid(world)
    rows = list(csv.DictReader(io.StringIO(download(world, "csv").content.decode())))
    amounts = [Decimal(row["amount"]) for row in rows]
    assert (rows[0]["kind"], rows[-1]["kind"]) == ("opening_balance", "closing_balance")
    assert sum(amounts[:-1]) == amounts[-1]
    key = accounts.payable(world.expert.pk, "USD")
    with platform():
        assert Money(ledger.balances(keys=[key])[key], "USD").decimal == amounts[-1]
    assert Decimal(rows[-2]["amount"]) == -Money(statement.payout.gross_minor, "USD").decimal


def test_every_line_of_hours_can_be_done_by_hand(world: World) -> None:
    papers.paid(world)
    rows = [row for row in csv.DictReader(io.StringIO(download(world, "csv").content.decode())) if row["seconds"]]
    assert [row["kind"] for row in rows].count("time_approved") == 4  # three entries, one of them posted anew
    for row in rows:
        rate = Decimal(row["rate_per_hour"]) * 100
        gross = Decimal(pay_for(int(row["seconds"]), int(rate))) / 100
        assert Decimal(row["gross"]) == gross
        assert Decimal(row["gross"]) - Decimal(row["held_back"]) == Decimal(row["amount"])
    assert {int(row["seconds"]) for row in rows} == {9000, 3660, -3660, 2345, 2820}
    with platform():
        assert {row["time_entry"] for row in rows} == set(TimeEntry.objects.values_list("public_id", flat=True))


def test_texts_cannot_become_formulas(world: World) -> None:
    papers.paid(world)
    content = download(world, "csv").content.decode()
    bonus = next(row for row in csv.DictReader(io.StringIO(content)) if row["kind"] == "bonus")
    assert bonus["text"] == "Bonus: =Found a mistake"
    assert not any(cell.startswith(("=", "+", "@")) for row in csv.reader(io.StringIO(content)) for cell in row)


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_page_and_pdf_show_every_figure(world: World, form: str) -> None:
    statement = papers.paid(world)
    answer = download(world, form)
    assert answer["Content-Language"] == "en"
    text = words_of(answer.content.decode()) if form == "html" else pdf_text(answer)
    text = text.replace("\u00a0", " ")
    for row in csv.DictReader(io.StringIO(download(world, "csv").content.decode())):
        for name in ("amount", "gross", "held_back"):
            if row[name] and Decimal(row[name]):
                assert f"{Decimal(row[name]):,} USD" in text, (name, row)
    for said in (statement.payout.public_id, statement.payout.payout_method.masked, "Ada", "appeal", "Lab of Ada"):
        assert said in text
    if form == "html":
        assert "<script" not in answer.content.decode()


def test_a_pdf_is_the_same_every_time(world: World) -> None:
    papers.paid(world)
    first, second = download(world, "pdf"), download(world, "pdf")
    assert first.content.startswith(b"%PDF-")
    assert first.content == second.content
    assert first["Content-Type"] == "application/pdf"
    assert first["Content-Disposition"].endswith('.pdf"')


def test_arabic_is_complete_and_stands_from_right_to_left() -> None:
    world = papers.with_extras(papers.build(NAME))
    papers.paid(world)
    answer = download(world, "html", language="ar-EG,en;q=0.5")
    page = answer.content.decode()
    assert (answer["Content-Language"], 'lang="ar" dir="rtl"' in page) == ("ar", True)
    assert re.search(r'<bdi dir="ltr">-?[\d,]+\.\d\d\u00a0USD</bdi>', page)
    assert "ساعات معتمدة: مهمة" in page
    theirs = {"USD", "UTC", "Found", "mistake", "Idle", "Lab", "of", "acct"}
    latin = set(re.findall(r"(?<![\w/{_-])[A-Za-z]{2,}(?![\w/}_-])", words_of(page)))
    assert latin - theirs == set()


def test_arabic_is_shaped_in_the_pdf_and_amounts_keep_their_order() -> None:
    world = papers.with_extras(papers.build(NAME))
    statement = papers.paid(world)
    answer = download(world, "pdf", language="ar")
    text = pdf_text(answer).replace("\u00a0", " ")
    for words in ("كشف الدفعة رقم", "ساعات معتمدة: مهمة", NAME, "الرصيد الختامي"):
        assert words in text, words
    assert f"{Money(-statement.payout.gross_minor, 'USD').decimal:,} USD" in text
    assert joined_letters(answer) > 2 * joined_letters(download(world, "pdf", language="en"))


def test_a_reader_s_language_is_taken_where_the_request_has_none() -> None:
    world = papers.with_extras(papers.build(NAME))
    type(world.expert).objects.filter(pk=world.expert.pk).update(languages=["ar", "en"])
    papers.paid(world)
    assert download(world, "html")["Content-Language"] == "ar"
    assert download(world, "html", language="en")["Content-Language"] == "en"
    assert download(world, "html", language="tlh")["Content-Language"] == "ar"


def test_other_formats_and_other_people_s_papers() -> None:
    world = papers.with_extras(papers.build())
    statement = papers.paid(world)
    assert download(world, "docx").status_code == 400
    stranger = papers.build("Bob")
    path = f"/expert/statements/{statement.public_id}/download"
    for form in ("html", "pdf", "csv"):
        assert download(stranger, form, path=f"{path}?format={form}").status_code == 404


def test_a_long_statement_costs_no_more_queries_than_a_short_one() -> None:
    short, long = papers.build("Short"), papers.build("Long")
    lab = story.new_lab(funded=10_000_000)
    for world, count in ((short, 2), (long, 300)):
        for n in range(count):
            story.earn(world.expert, 1_000 + n, lab=lab)
    story.released_run()
    counts = []
    for world in (short, long):
        with CaptureQueriesContext(connection) as queries:
            answer = download(world, "pdf")
        assert answer.status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(PdfReader(io.BytesIO(answer.content)).pages) > 5
