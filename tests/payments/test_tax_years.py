"""Which payments a year's tax forms count: by the papers of each payment, whatever was signed before or since."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest

from core import clock
from core.public import unit_of_work
from experts.public import Expert
from payments.models import TaxProfile
from payments.operations.rails import payouts
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_api import expert_caller, get, post
from tests.payments.test_money_desk import Desk
from tests.payments.test_tax_papers import VAT, W8BEN, W9, paid, profile_of

pytestmark = pytest.mark.django_db(transaction=True)
WEEK = dt.timedelta(days=7)
OTHERS = [W8BEN, VAT, {**W8BEN, "form": "self_declaration"}]


def signed(expert: Expert, paper: dict[str, Any]) -> None:
    answer = post(expert_caller(expert), "expert/tax-profile", paper)
    assert answer.status_code == 201, answer.content


def exported(year: int = 2026) -> list[dict[str, str]]:
    """The file that finance takes, after its page."""
    desk = Desk("file_tax_forms")
    assert desk.get(f"taxprofile/nec/?year={year}").status_code == 200
    answer = desk.post(f"taxprofile/nec/{year}/export/", reason="Filed with IRIS.")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def told(expert: Expert, year: int = 2026) -> list[tuple[str, str]]:
    """Boxes 1 and 4 on the expert's own page."""
    totals = get(expert_caller(expert), f"expert/tax-forms/{year}").json()["totals"]
    return [(row["nonemployee_compensation"]["amount"], row["federal_income_tax_withheld"]["amount"]) for row in totals]


@pytest.mark.parametrize("other", OTHERS, ids=lambda paper: paper["form"])
def test_what_was_paid_under_a_w9_is_reported_whatever_is_signed_later(other: dict[str, Any]) -> None:
    ada = story.new_expert(account="acct-ada")
    signed(ada, {**W9, "address": "Main Street 1", "backup_withholding_applies": True})
    assert paid(ada, 900_000).withheld_minor == 216_000
    signed(ada, other)
    paid(ada, 500_000, at=NOW + WEEK)
    (row,) = exported()
    assert (row["tin"], row["name"], row["address"]) == ("123456789", "Ada", "Main Street 1")
    assert (row["box_1"], row["box_4"], row["payments"]) == ("9000.00", "2160.00", "1")
    assert told(ada) == [("9000.00", "2160.00")]
    page = Desk().get("taxprofile/nec/?year=2026").content.decode()
    assert "••••6789" in page
    assert "1 form is due" in page
    signed(ada, {**other, "signed_name": "Ada L."})
    assert exported() == [row]


@pytest.mark.parametrize("other", OTHERS, ids=lambda paper: paper["form"])
def test_a_w9_does_not_pull_in_what_was_paid_under_other_papers(other: dict[str, Any]) -> None:
    ada = story.new_expert(ready=False)
    story.add_method(ada, account="acct-ada")
    signed(ada, other)
    paid(ada, 900_000)
    assert get(expert_caller(ada), "expert/tax-forms/2026").status_code == 404
    signed(ada, W9)
    assert (told(ada), exported()) == ([], [])
    paid(ada, 210_000, at=NOW + WEEK)
    assert told(ada) == [("2100.00", "0.00")]
    assert [(row["box_1"], row["payments"]) for row in exported()] == [("2100.00", "1")]


def test_what_comes_back_is_taken_off_where_it_was_counted() -> None:
    ada = story.new_expert(account="acct-ada")
    signed(ada, W9)
    kept, back = paid(ada, 300_000), paid(ada, 250_000, at=NOW + WEEK)
    signed(ada, W8BEN)
    with unit_of_work(SYSTEM):
        payouts.returned(payouts.locked([back.pk], now=NOW)[0], code="AC04", now=NOW + WEEK)
    assert told(ada) == [("3000.00", "0.00")]
    with unit_of_work(SYSTEM):
        payouts.returned(payouts.locked([kept.pk], now=NOW)[0], code="AC04", now=NOW + WEEK)
    assert told(ada) == []


def test_tax_that_finance_kept_back_is_reported_under_any_papers() -> None:
    ada = story.new_expert(account="acct-ada")
    signed(ada, W9)
    desk = Desk("withhold_tax")
    with clock.frozen(NOW):
        desk.act("taxprofile", "withhold", profile_of(ada).pk, confirmed="1", reason="CP2100A", choice="tin_incorrect")
    signed(ada, W8BEN)
    assert paid(ada, 10_000).withheld_minor == 2_400
    assert told(ada) == [("100.00", "24.00")]
    assert [row["tin"] for row in exported()] == ["123456789"]


def test_a_form_without_a_number_says_what_is_missing() -> None:
    """As former releases left it: they did not keep the number of a W-9 that another paper replaced."""
    ada = story.new_expert(account="acct-ada")
    signed(ada, W9)
    paid(ada, 900_000)
    signed(ada, W8BEN)
    with unit_of_work(SYSTEM):
        TaxProfile.objects.filter(expert=ada).update(sealed_w9_tax_id=None)
    assert [(row["tin"], row["box_1"]) for row in exported()] == [("", "9000.00")]
    assert "missing: ask for a W-9" in Desk().get("taxprofile/nec/?year=2026").content.decode()
    signed(ada, W9)
    assert [row["tin"] for row in exported()] == ["123456789"]
