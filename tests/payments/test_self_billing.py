"""Invoices written for experts: who gets one, what it says, a series without holes, and a credit note for what came back."""

from __future__ import annotations

import csv
import datetime as dt
import io
from importlib import import_module
from typing import Any

import pypdf
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from core import clock
from core.public import unit_of_work
from experts.public import Expert, Notice, OwnWork
from payments.models import OwedInvoice, Payout, SelfBillingInvoice, TaxProfile
from payments.operations.hours import clocks
from payments.operations.payee import tax_profiles
from payments.operations.rails import payouts
from payments.operations.runs import owed_invoices
from tests.concurrency.together import together
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_api import expert_caller, get
from tests.payments.test_money_desk import Desk

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


SIGNED: dict[str, Any] = {
    "form": "eu_vat",
    "legal_name": "Ada GmbH",
    "country": "DE",
    "tax_id": "DE136695976",
    "signed_name": "Ada",
    "address": "Unter den Linden 1\n10117 Berlin",
    "self_billing": True,
}


def business(name: str = "Ada", *, confirmed: bool = True, **changes: Any) -> Expert:
    """An expert with a German VAT id who agreed to self-billing."""
    expert = story.new_expert(name, account=f"acct-{name.lower()}")
    papers: dict[str, Any] = {**SIGNED, "legal_name": f"{name} GmbH", "signed_name": name, **changes}
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


def confirm(expert: Expert) -> None:
    """Finance finds the VAT id that he has signed in the register."""
    with unit_of_work(SYSTEM):
        profile = TaxProfile.objects.get(expert=expert)
        tax_profiles.confirm_vat(profile=profile, consultation="W1", by=story.new_user("Finance"), now=NOW)


def owed_to(expert: Expert) -> list[OwedInvoice]:
    with unit_of_work(SYSTEM):
        return list(OwedInvoice.objects.filter(expert=expert).select_related("payout", "noted_by").order_by("pk"))


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
    ("changes", "obstacle", "is_asked"),
    [
        ({"self_billing": False}, "not_agreed", True),
        ({"confirmed": False}, "vat_unconfirmed", False),
        ({"country": "FR", "tax_id": "FR40303265045"}, "taxed_at_home", True),
    ],
    ids=["did not agree", "not confirmed", "taxed at home"],
)
def test_what_we_may_not_write_waits_for_finance_with_its_reason(
    changes: dict[str, Any], obstacle: str, is_asked: bool
) -> None:
    ada = business(**changes)
    pay(ada)
    sweep()
    assert papers_of(ada) == []
    (row,) = owed_to(ada)
    assert (row.status, row.obstacle) == ("waiting", obstacle)
    with unit_of_work(SYSTEM):
        assert Notice.objects.filter(expert=ada, kind="invoice.asked_for").exists() is is_asked
    desk = Desk("confirm_vat")
    assert "Invoices of businesses that are missing" in desk.client.get("/admin/").content.decode()
    listed = desk.get("owedinvoice/?status__exact=waiting").content.decode()
    for words in ("200.00 USD", str(row.get_obstacle_display()), row.payout.public_id):
        assert words in listed


def test_a_private_person_owes_no_invoice() -> None:
    ada = business(form="self_declaration", tax_id="", self_billing=False)
    pay(ada)
    sweep()
    assert (papers_of(ada), owed_to(ada)) == ([], [])


def test_his_own_invoice_ends_the_wait_with_its_number_and_by_somebody_else() -> None:
    ada = business(self_billing=False)
    pay(ada)
    sweep()
    (row,) = owed_to(ada)
    for permission, given in (("withhold_tax", "R-7"), ("confirm_vat", " ")):
        Desk(permission).act("owedinvoice", "received", row.pk, confirmed="1", given=given)
        assert owed_to(ada)[0].status == "waiting"
    with unit_of_work(SYSTEM), pytest.raises(OwnWork):
        owed_invoices.received(row=row, reference="R-7", by=ada.user, now=NOW)
    desk = Desk("confirm_vat")
    desk.act("owedinvoice", "received", row.pk, confirmed="1", given="R-7")
    (row,) = owed_to(ada)
    assert (row.status, row.own_reference, row.noted_by) == ("received", "R-7", desk.user)
    desk.act("owedinvoice", "look_again", row.pk, confirmed="1")
    assert papers_of(ada) == []


@pytest.mark.parametrize(
    "signed",
    [
        {"address": "Neue Straße 2\n20095 Hamburg"},
        {"legal_name": "Ada & Co KG", "tax_id": "DE129274202"},
        {"self_billing": False},
        {"form": "self_declaration", "tax_id": "", "self_billing": False},
        {"country": "FR", "tax_id": "FR40303265045"},
    ],
    ids=["moved", "another business", "takes consent back", "no business any more", "moved to our country"],
)
def test_what_is_signed_after_the_payment_changes_nothing_about_it(signed: dict[str, Any]) -> None:
    """The agreement in force when it was paid: the paper bears the parties of that instant, and the series goes on."""
    ada = business()
    pay(ada)
    with unit_of_work(SYSTEM):
        tax_profiles.declare(expert=ada, now=NOW + dt.timedelta(minutes=5), **{**SIGNED, **signed})
    sweep(NOW + dt.timedelta(hours=1))
    (told,) = papers_of(ada)
    page = get(expert_caller(ada), f"expert/self-billing-invoices/{told['id']}/download").content.decode()
    for words in ("Ada GmbH", "Unter den Linden 1", "DE136695976"):
        assert words in page
    later = NOW + dt.timedelta(days=7)
    with unit_of_work(SYSTEM):
        back = tax_profiles.declare(expert=ada, now=later - dt.timedelta(hours=1), **SIGNED)
        if back.vat_confirmed_at is None:
            tax_profiles.confirm_vat(profile=back, consultation="W2", by=story.new_user("Finance"), now=later)
    pay(ada, at=later)
    sweep(later)
    assert [row["reference"][-11:] for row in reversed(papers_of(ada))] == ["2026-000001", "2026-000002"]


def test_a_vat_id_confirmed_after_the_payment_lets_the_invoice_be_written() -> None:
    ada = business(confirmed=False)
    pay(ada)
    sweep()
    confirm(ada)
    sweep()
    assert [row.status for row in owed_to(ada)] == ["written"]
    assert len(papers_of(ada)) == 1


@pytest.mark.parametrize("is_confirmed_in_between", [True, False])
def test_one_that_was_replaced_counts_when_it_was_confirmed_before(is_confirmed_in_between: bool) -> None:
    ada = business(confirmed=False)
    pay(ada)
    if is_confirmed_in_between:
        confirm(ada)
    with unit_of_work(SYSTEM):
        tax_profiles.declare(expert=ada, now=NOW, **{**SIGNED, "tax_id": "DE129274202"})
    sweep()
    (row,) = owed_to(ada)
    assert (row.status, row.obstacle) == (("written", "") if is_confirmed_in_between else ("waiting", "vat_replaced"))
    confirm(ada)
    sweep()
    assert len(papers_of(ada)) == is_confirmed_in_between


def test_money_that_came_back_before_its_invoice_was_written_needs_none() -> None:
    ada, bob = business("Ada"), business("Bob", confirmed=False)
    pay(ada, bob)
    clocks.write_self_billing(by=SYSTEM, now=NOW - dt.timedelta(days=1))
    assert papers_of(ada) == []
    with unit_of_work(SYSTEM):
        for payout in payouts.locked(Payout.objects.values_list("pk", flat=True), now=NOW):
            payouts.returned(payout, code="AC04", now=NOW)
    sweep()
    assert [row.status for row in (*owed_to(ada), *owed_to(bob))] == ["void", "void"]
    assert (papers_of(ada), papers_of(bob)) == ([], [])


def test_an_unreadable_vat_id_holds_up_no_payment_and_nobody_else(settings: Settings) -> None:
    ada, bob = business("Ada"), business("Bob")
    pay(ada, bob)
    with unit_of_work(SYSTEM):
        OwedInvoice.objects.filter(expert=ada).update(sealed_tax_id=b"spoiled")
    sweep()
    assert [row.obstacle for row in owed_to(ada)] == ["vat_unknown"]
    assert (papers_of(ada), len(papers_of(bob))) == ([], 1)


def test_without_a_country_of_ours_nothing_is_written(settings: Settings) -> None:
    ada = business()
    pay(ada)
    settings.ISSUER = {**FRENCH, "country": ""}
    sweep()
    assert papers_of(ada) == []
    assert [row.obstacle for row in owed_to(ada)] == ["issuer_unknown"]
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


def test_whoever_a_former_release_passed_over_gets_his_invoice() -> None:
    """He had signed the same business again between the payment and the sweep."""
    ada, bob, eve = business("Ada"), business("Bob"), business("Eve", self_billing=False)
    pay(ada, bob, eve)
    for expert, signed in ((ada, {"address": "Neue Gasse 2"}), (bob, {"tax_id": "DE129274202"})):
        with unit_of_work(SYSTEM):
            later = NOW + dt.timedelta(minutes=5)
            tax_profiles.declare(expert=expert, now=later, **{**SIGNED, "legal_name": f"{expert} GmbH", **signed})
    with unit_of_work(SYSTEM):
        OwedInvoice.objects.all().delete()
        import_module("payments.migrations.0012_former_owed_invoices").note_former(apps, None)
    sweep()
    (paper,) = papers_of(ada)
    page = get(expert_caller(ada), f"expert/self-billing-invoices/{paper['id']}/download").content.decode()
    assert "Unter den Linden 1" in page
    assert [(row.status, row.obstacle) for row in owed_to(bob)] == [("waiting", "vat_unknown")]
    assert owed_to(eve) == []
