"""Invoices written for experts: who gets one, what it says, a series without holes, and a credit note for what came back."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pypdf
import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from experts.public import Expert
from payments.models import Payout, SelfBillingInvoice, TaxProfile
from payments.operations import clocks, payouts, tax_profiles
from tests.concurrency.together import together
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_api import expert_caller, get

pytestmark = pytest.mark.django_db(transaction=True)
FRENCH = {
    "key": "",
    "legal_name": "Cadre SAS",
    "street": "1 rue de la Paix",
    "postal_code": "75002",
    "city": "Paris",
    "country": "FR",
    "vat_id": "FR40303265045",
    "email": "",
}


@pytest.fixture(autouse=True)
def issuer(settings: Settings) -> None:
    """The platform is a French company."""
    settings.ISSUER = FRENCH


def business(name: str = "Ada", *, confirmed: bool = True, **changes: Any) -> Expert:
    """An expert with a German VAT id who agreed to self-billing."""
    expert = story.new_expert(name, account=f"acct-{name.lower()}")
    papers = {
        "form": "eu_vat",
        "legal_name": f"{name} GmbH",
        "country": "DE",
        "tax_id": "DE136695976",
        "signed_name": name,
        "address": "Unter den Linden 1\n10117 Berlin",
        "self_billing": True,
        **changes,
    }
    with unit_of_work(SYSTEM):
        profile = tax_profiles.declare(expert=expert, now=story.LONG_AGO, **papers)
        if confirmed and profile.form == TaxProfile.Form.EU_VAT:
            by = story.new_user("Finance")
            tax_profiles.confirm_vat(profile=profile, consultation="WAPIX1", by=by, now=story.LONG_AGO)
    return expert


def pay(*experts: Expert, minor: int = 20_000, at: dt.datetime = NOW) -> None:
    """One run that pays each of them."""
    lab = story.new_lab(funded=minor * len(experts))
    for expert in experts:
        story.earn(expert, minor, lab=lab, at=at - dt.timedelta(days=9))
    story.released_run(now=at)
    story.send_and_track(at)


def sweep(now: dt.datetime = NOW) -> None:
    """The job, twice: the second time finds nothing."""
    clocks.write_self_billing(by=SYSTEM, now=now)
    assert clocks.write_self_billing(by=SYSTEM, now=now) == 0


def papers_of(expert: Expert) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = get(expert_caller(expert), "expert/self-billing-invoices").json()["results"]
    return rows


def test_a_paid_payout_becomes_an_invoice_that_says_all_it_must() -> None:
    ada = business()
    pay(ada)
    sweep()
    (told,) = papers_of(ada)
    assert told["amount"] == {"amount": "200.00", "currency": "USD"}
    assert (told["type"], told["treatment"], told["supplied_on"]) == ("invoice", "reverse_charge", "2026-11-16")
    assert told["reference"].endswith("-2026-000001")
    path = f"expert/self-billing-invoices/{told['id']}/download"
    page = get(expert_caller(ada), path).content.decode()
    must = (
        "Self-billing",
        "Reverse charge",
        "DE136695976",
        "FR40303265045",
        "Ada GmbH",
        "Cadre SAS",
        told["reference"],
    )
    for words in must:
        assert words in page
    pdf = pypdf.PdfReader(io.BytesIO(get(expert_caller(ada), f"{path}?format=pdf").content))
    text = "".join(sheet.extract_text() for sheet in pdf.pages)
    for words in ("DE136695976", told["reference"], "200.00"):
        assert words in text
    (line,) = csv.DictReader(io.StringIO(get(expert_caller(ada), f"{path}?format=csv").content.decode("utf-8-sig")))
    assert (line["net"], line["vat"], line["total"]) == ("200.00", "0.00", "200.00")
    stranger = expert_caller(story.new_expert("Eve"))
    assert get(stranger, path).status_code == 404
    assert get(expert_caller(ada), f"{path}?format=docx").status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"self_billing": False},
        {"confirmed": False},
        {"country": "FR", "tax_id": "FR40303265045"},
        {"form": "self_declaration", "tax_id": "", "self_billing": False},
    ],
    ids=["did not agree", "not confirmed", "taxed at home", "no business"],
)
def test_nobody_else_is_billed_for(changes: dict[str, Any]) -> None:
    ada = business(**changes)
    pay(ada)
    sweep()
    assert papers_of(ada) == []


def test_without_a_country_of_ours_nothing_is_written(settings: Settings) -> None:
    ada = business()
    pay(ada)
    settings.ISSUER = {**FRENCH, "country": ""}
    sweep()
    assert papers_of(ada) == []
    settings.ISSUER = {**FRENCH, "country": "US", "vat_id": ""}
    sweep()
    assert [paper["treatment"] for paper in papers_of(ada)] == ["outside_scope"]


def test_money_that_came_back_is_credited_once_and_parties_stay_as_they_were(settings: Settings) -> None:
    ada = business()
    pay(ada)
    sweep()
    settings.ISSUER = {**FRENCH, "legal_name": "Cadre SA"}
    with unit_of_work(SYSTEM):
        payouts.returned(payouts.locked([Payout.objects.get().pk], now=NOW)[0], code="AC04", now=NOW)
    sweep(NOW + dt.timedelta(days=3))
    credit, invoice = papers_of(ada)
    assert (credit["type"], credit["corrects"]) == ("credit_note", invoice["id"])
    page = get(expert_caller(ada), f"expert/self-billing-invoices/{credit['id']}/download").content.decode()
    assert "Cadre SAS" in page
    assert "-$200.00" in page.replace("−", "-") or "-200" in page.replace("−", "-")  # noqa: RUF001  # Babel may write a minus sign


def test_each_expert_has_a_series_of_his_own_and_each_year_begins_one() -> None:
    ada, bob = business("Ada"), business("Bob")
    pay(ada, bob)
    pay(ada, at=NOW + dt.timedelta(days=7))
    sweep(NOW + dt.timedelta(days=7))
    pay(ada, at=NOW + dt.timedelta(days=70))
    sweep(NOW + dt.timedelta(days=70))
    assert [row["reference"][-11:] for row in reversed(papers_of(ada))] == ["2026-000001", "2026-000002", "2027-000001"]
    assert [row["reference"][-11:] for row in papers_of(bob)] == ["2026-000001"]


def test_two_sweeps_at_once_write_each_paper_once() -> None:
    everybody = [business(f"E{n}") for n in range(4)]
    pay(*everybody)
    together([lambda: clocks.write_self_billing(by=SYSTEM, now=NOW)] * 3)
    assert [len(papers_of(expert)) for expert in everybody] == [1, 1, 1, 1]


def test_the_database_keeps_papers_as_they_are() -> None:
    pay(business())
    sweep()
    with unit_of_work(SYSTEM):
        paper = SelfBillingInvoice.objects.get()
    for change in (
        "UPDATE payments_selfbillinginvoice SET amount_minor = 1",
        "DELETE FROM payments_selfbillinginvoice",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)
    with clock.frozen(NOW), unit_of_work(SYSTEM):
        assert SelfBillingInvoice.objects.get().amount_minor == paper.amount_minor
