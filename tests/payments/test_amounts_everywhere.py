"""One amount is the same wherever an expert meets it: JSON, page, PDF and table, with the decimals of its currency."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from pypdf import PdfReader

from core import tokens
from core.money import Money
from experts.public import Expert
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.test_money_api import get

pytestmark = pytest.mark.django_db(transaction=True)
# What an hour earned, a bonus, and how the payout of both is written.
CASES = {
    "JPY": (1_234_567, "1,234,567 JPY"),
    "USD": (1_234_567, "12,345.67 USD"),
    "KWD": (1_234_567, "1,234.567 KWD"),
}


def words(page: bytes) -> str:
    text = re.sub(r"<style>.*?</style>", "", page.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("\u00a0", " ")


def text_of(content: bytes) -> str:
    sheets = PdfReader(io.BytesIO(content)).pages
    return "\n".join(sheet.extract_text() for sheet in sheets).replace("\u00a0", " ")


def amounts_of(value: Any) -> set[tuple[str, str]]:
    """Every amount in a JSON document."""
    if isinstance(value, dict):
        if value.keys() >= {"amount", "currency"} and isinstance(value["amount"], str):
            return {(value["amount"], value["currency"])}
        return set().union(*map(amounts_of, value.values()))
    return set().union(*map(amounts_of, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("currency", CASES)
def test_a_payout_is_the_same_in_every_view(currency: str, language: str) -> None:
    minor, written = CASES[currency]
    ada: Expert = story.new_expert(currency=currency)
    story.earn(ada, minor, lab=story.new_lab(funded=2 * minor, currency=currency), currency=currency)
    story.released_run(currency=currency)
    story.send_and_track()
    statement = papers.statement_of(ada).public_id
    secret = tokens.mint_expert_token(user=ada.user, name="tests").secret
    caller = Caller(Authorization=f"Bearer {secret}", Accept_Language=language)
    plain = str(Money(minor, currency).decimal)
    for path in (f"expert/statements/{statement}", "expert/payouts", "expert/statements/yearly?year=2026"):
        told = amounts_of(get(caller, path).json())
        assert (plain, currency) in told, path
        assert {len(amount.partition(".")[2]) for amount, _of in told} == {len(plain.partition(".")[2])}, path
    assert (plain, currency) in amounts_of(get(caller, "expert/earnings").json()["buckets"]["paid"])
    for path in (f"expert/statements/{statement}/download?", "expert/statements/yearly/download?year=2026&"):
        assert written in words(get(caller, f"{path}format=html").content), path
        assert written in text_of(get(caller, f"{path}format=pdf").content), path
        cells = {
            cell for row in csv.reader(io.StringIO(get(caller, f"{path}format=csv").content.decode())) for cell in row
        }
        assert plain in cells, path
        assert not {
            cell
            for cell in cells
            if re.fullmatch(r"-?\d+\.\d*", cell) and len(cell.partition(".")[2]) != len(plain.partition(".")[2])
        }
