"""Tax papers over HTTP and at the desk: declared, confirmed, reminded of, withheld for, and reported."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from core import clock
from core.db import as_owner
from core.public import Event, unit_of_work
from experts.operations import appeals
from experts.public import Appeal, Decision, Expert, Notice
from payments.models import BackupWithholding, JournalEntry, Payout, TaxProfile
from payments.operations.hours import clocks
from payments.operations.payee import backup_withholding, tax_profiles
from payments.operations.rails import payouts
from payments.operations.runs import pay_runs
from payments.queries.nec_totals import nec_totals
from payments.queries.paid_in_year import start_of
from payments.subscribers import apply_appeal
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW, SYSTEM
from tests.payments.test_money_api import expert_caller, get, post
from tests.payments.test_money_desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
W9 = {"form": "w9", "legal_name": "Ada", "country": "US", "tax_id": "123-45-6789", "signed_name": "Ada"}
W8BEN = {"form": "w8ben", "legal_name": "Ada", "country": "DE", "signed_name": "Ada"}
VAT = {
    "form": "eu_vat",
    "legal_name": "Ada Lovelace",
    "country": "DE",
    "tax_id": "DE 136 695 976",
    "signed_name": "Ada",
    "address": "Unter den Linden 1, 10117 Berlin",
}


def profile_of(expert: Expert) -> TaxProfile:
    with unit_of_work(SYSTEM):
        return TaxProfile.objects.select_related("expert").get(expert=expert)


def paid(expert: Expert, minor: int, *, at: dt.datetime = NOW) -> Payout:
    """The expert earned so much, and it was paid."""
    story.earn(expert, minor, lab=story.new_lab(funded=minor), at=at - dt.timedelta(days=9))
    run = story.released_run(now=at)
    story.send_and_track(at)
    payout = run.payouts.get(expert=expert)
    assert payout.status == "paid"
    return payout


def test_whoever_signs_a_tax_profile_the_expert_hears_of_it_each_time() -> None:
    ada = story.new_expert(ready=False)
    caller = expert_caller(ada)
    for paper in (W9, {**W9, "tax_id": "123-45-6780"}):
        assert post(caller, "expert/tax-profile", paper).status_code == 201
    assert post(caller, "expert/tax-profile", {**W9, "tax_id": "1"}).status_code == 400
    with unit_of_work(SYSTEM):
        first, second = Notice.objects.filter(expert=ada, kind="tax_profile.signed").order_by("pk")
    assert "••••6789" in first.body
    assert "••••6780" in second.body
    assert "123-45" not in first.body + second.body
    assert "Was it not you?" in second.body


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"tax_id": "900-00-0000"}, "/tax_id", "malformed"),
        ({"tax_id": ""}, "/tax_id", "blank"),
        ({"tax_id": None}, "/tax_id", "null"),
        ({"country": "DE"}, "/form", "wrong_form"),
        ({"form": "w8ben"}, "/form", "wrong_form"),
        ({"form": "self_declaration"}, "/form", "wrong_form"),
        ({"form": "eu_vat"}, "/form", "wrong_form"),
        ({"form": "eu_vat"}, "/country", "wrong_form"),
        ({"self_billing": True, "address": "Main Street 1"}, "/self_billing", "wrong_form"),
        ({"form": "w10"}, "/form", "invalid_choice"),
        ({"tax_id": 5}, "/tax_id", "wrong_type"),
    ],
)
def test_a_declaration_that_does_not_fit_is_told_and_not_stored(changes: Any, pointer: str, code: str) -> None:
    answer = post(expert_caller(story.new_expert(ready=False)), "expert/tax-profile", {**W9, **changes})
    assert answer.status_code == 400
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    with unit_of_work(SYSTEM):
        assert not TaxProfile.objects.exists()


def test_a_vat_id_is_checked_normalised_and_confirmed_by_somebody_else() -> None:
    ada = story.new_expert(ready=False)
    caller = expert_caller(ada)
    wrong = post(caller, "expert/tax-profile", {**VAT, "tax_id": "DE136695977"})
    assert wrong.json()["errors"][0]["code"] == "check_digits"
    assert post(caller, "expert/tax-profile", {**VAT, "self_billing": True}).json()["tax_id"] == "••••5976"
    desk = Desk("confirm_vat")
    assert "VAT ids to confirm" in desk.client.get("/admin/").content.decode()
    row = profile_of(ada)
    assert tax_profiles.tax_id_of(row) == "DE136695976"
    desk.act("taxprofile", "confirm_vat", row.pk, confirmed="1", reason="WAPIAAAAX1")
    told = get(caller, "expert/tax-profile").json()
    assert told["vat_confirmed_at"] is not None
    # The same number signed again stays confirmed, another one does not.
    post(caller, "expert/tax-profile", VAT)
    assert profile_of(ada).vat_consultation == "WAPIAAAAX1"
    post(caller, "expert/tax-profile", {**VAT, "country": "FR", "tax_id": "FR40303265045"})
    assert profile_of(ada).vat_confirmed_at is None


def test_the_database_knows_who_confirmed() -> None:
    ada = story.new_expert()
    with pytest.raises(IntegrityError, match="confirmed_by_whom"), transaction.atomic():
        TaxProfile.objects.filter(expert=ada).update(vat_confirmed_at=NOW)


@pytest.mark.parametrize(
    "changes",
    [{"form": "self_declaration"}, {"form": "w8ben", "expires_at": NOW}, {"form": "eu_vat"}, {"country": "DE"}],
    ids=str,
)
def test_the_database_knows_that_us_persons_sign_a_w9_and_nobody_else(changes: dict[str, Any]) -> None:
    ada = story.new_expert()
    with pytest.raises(IntegrityError, match="w9_of_us_persons"), transaction.atomic():
        TaxProfile.objects.filter(expert=ada).update(**changes)


@pytest.fixture
def undocumented() -> Expert:
    """A US person who declared himself without a number, as former releases let him; the update has asked him."""
    ada = story.new_expert(account="acct-ada")
    table, name = TaxProfile._meta.db_table, "payments_taxprofile_w9_of_us_persons"
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
        (rule,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    with unit_of_work(SYSTEM):
        TaxProfile.objects.filter(expert=ada).update(form="self_declaration", masked_tax_id="", sealed_tax_id=None)
        import_module("payments.migrations.0025_w9_asked_of_us_persons").ask(apps, None)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}")
    return ada


def test_a_us_person_of_a_former_release_is_asked_for_a_w9_and_taxed_and_reported_until_then(
    undocumented: Expert,
) -> None:
    caller, expires = expert_caller(undocumented), profile_of(undocumented).expires_at
    assert get(caller, "expert/tax-profile").json()["form"] == "self_declaration"
    assert expires is not None
    for days in (14, 3):
        clocks.remind_of_tax_papers(by=SYSTEM, now=expires - dt.timedelta(days=days))
    with unit_of_work(SYSTEM):
        told = Notice.objects.filter(expert=undocumented, kind="tax_profile.expires")
        assert [("sign a W-9" in notice.body) for notice in told] == [True, True]
    desk = Desk("withhold_tax")
    with clock.frozen(NOW):
        desk.act("taxprofile", "withhold", profile_of(undocumented).pk, confirmed="1", reason="-", choice="tin_refused")
        assert paid(undocumented, 10_000).withheld_minor == 2_400
    (total,) = get(caller, "expert/tax-forms/2026").json()["totals"]
    assert total["federal_income_tax_withheld"]["amount"] == "24.00"
    story.earn(undocumented, 10_000, lab=story.new_lab(funded=10_000), at=expires - dt.timedelta(days=9))
    with clock.frozen(expires):
        with unit_of_work(SYSTEM):
            run = pay_runs.prepare(currency="USD", by=story.new_user(), now=expires)
        assert run.exclusions.get(expert=undocumented).reason == "tax_profile_expired"
        for form in ("self_declaration", "w8ben"):
            assert post(caller, "expert/tax-profile", {**W8BEN, "form": form, "country": "US"}).status_code == 400
        assert post(caller, "expert/tax-profile", W9).json()["expires_at"] is None


def test_papers_that_expire_are_asked_for_again_once_per_stage() -> None:
    ada = story.new_expert(ready=False)
    with clock.frozen(NOW):
        post(expert_caller(ada), "expert/tax-profile", W8BEN)
    expires = profile_of(ada).expires_at
    assert expires == dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    def sweep(days: int) -> int:
        for _twice in range(2):
            clocks.remind_of_tax_papers(by=SYSTEM, now=expires - dt.timedelta(days=days))
        with unit_of_work(SYSTEM):
            return Notice.objects.filter(expert=ada, kind="tax_profile.expires").count()

    assert [sweep(days) for days in (61, 60, 30, 14, 3, 1)] == [0, 1, 1, 2, 3, 3]
    assert sweep(-1) == 3
    with clock.frozen(expires - dt.timedelta(hours=1)):
        post(expert_caller(ada), "expert/tax-profile", W8BEN)
    assert profile_of(ada).reminded_days is None


def test_finance_withholds_with_a_reason_and_an_appeal_ends_it() -> None:
    ada = story.new_expert(account="acct-ada")
    caller = expert_caller(ada)
    post(caller, "expert/tax-profile", W9)
    desk = Desk("withhold_tax")
    with clock.frozen(NOW):
        desk.act("taxprofile", "withhold", profile_of(ada).pk, confirmed="1", reason="CP2100A", choice="tin_incorrect")
    told = get(caller, "expert/tax-profile").json()["withholding"]
    assert (told["cause"], told["rate_bp"]) == ("tin_incorrect", 2_400)
    with unit_of_work(SYSTEM):
        assert Decision.objects.get(subject=told["id"]).act == backup_withholding.ACT
    payout = paid(ada, 10_000)
    assert (payout.amount_minor, payout.withheld_minor) == (7_600, 2_400)
    with clock.frozen(NOW):
        appeal = post(caller, "expert/appeals", {"subject": told["id"], "reason": "My name is spelled right."})
    assert appeal.status_code == 201, appeal.content
    with unit_of_work(SYSTEM):
        judge = story.new_user("Judge")
        appeals.decide(appeal=Appeal.objects.get(), outcome="overturned", note="It is.", by=judge, now=NOW)
    for _again in range(2):
        with unit_of_work(SYSTEM):
            apply_appeal(Event.objects.get(name="appeal.decided"), NOW)
    with unit_of_work(SYSTEM):
        assert BackupWithholding.objects.get().status == "ended"
    assert get(caller, "expert/tax-profile").json()["withholding"] is None
    assert paid(ada, 10_000, at=NOW + dt.timedelta(days=7)).withheld_minor == 0


def test_withholding_asks_for_a_w9_a_reason_and_another_person() -> None:
    ada = story.new_expert(ready=False)
    post(expert_caller(ada), "expert/tax-profile", {**W9, "form": "self_declaration", "country": "DE"})
    desk = Desk("withhold_tax")
    page = desk.act("taxprofile", "withhold", profile_of(ada).pk, confirmed="1", reason="-", choice="tin_refused")
    assert "signed a W-9" in page.content.decode() or "W-9" in page.content.decode()
    post(expert_caller(ada), "expert/tax-profile", W9)
    for fields in ({"reason": "", "choice": "tin_refused"}, {"reason": "-", "choice": "self_declared"}):
        desk.act("taxprofile", "withhold", profile_of(ada).pk, confirmed="1", **fields)
    with unit_of_work(SYSTEM):
        assert not BackupWithholding.objects.exists()
    assert Desk().act("taxprofile", "withhold", profile_of(ada).pk, confirmed="1", reason="-").status_code != 500
    with unit_of_work(SYSTEM):
        assert not BackupWithholding.objects.exists()


def test_what_a_person_declares_himself_ends_with_the_next_declaration() -> None:
    ada = story.new_expert(ready=False)
    caller = expert_caller(ada)
    post(caller, "expert/tax-profile", {**W9, "backup_withholding_applies": True})
    assert profile_of(ada).withholding_bp == 2_400
    post(caller, "expert/tax-profile", {**W9, "backup_withholding_applies": True})
    post(caller, "expert/tax-profile", W9)
    assert profile_of(ada).withholding_bp == 0
    Desk("withhold_tax").act(
        "taxprofile", "withhold", profile_of(ada).pk, confirmed="1", reason="CP2100A", choice="tin_incorrect"
    )
    post(caller, "expert/tax-profile", W9)
    assert profile_of(ada).withholding_bp == 2_400
    with unit_of_work(SYSTEM):
        assert list(BackupWithholding.objects.order_by("pk").values_list("cause", "status")) == [
            ("self_declared", "ended"),
            ("tin_incorrect", "in_force"),
        ]


def test_the_year_counts_what_was_paid_in_it_and_equals_the_ledger() -> None:
    ada, bob = story.new_expert("Ada", account="acct-ada"), story.new_expert("Bob", account="acct-bob")
    for expert in (ada, bob):
        post(expert_caller(expert), "expert/tax-profile", {**W9, "legal_name": expert.legal_name})
    last_night = dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)
    story.earn(bob, 500_000, lab=story.new_lab(funded=500_000))
    paid(ada, 120_000)
    paid(ada, 80_000, at=last_night)
    paid(ada, 77_700, at=last_night + dt.timedelta(days=7))
    back = Payout.objects.get(expert=bob)
    with unit_of_work(SYSTEM):
        payouts.returned(payouts.locked([back.pk], now=NOW)[0], code="AC04", now=NOW)
        (total,) = nec_totals(year=2026)
        first, end = start_of(2026), start_of(2027)
        settled = JournalEntry.objects.filter(kind="payout_settled", effective_at__gte=first, effective_at__lt=end)
        journal = {entry.source_id for entry in settled} - {back.public_id}
        assert total.payments == len(journal) == 2
    assert (total.expert_id, total.compensation.minor, total.is_reportable) == (ada.pk, 200_000, True)
    told = get(expert_caller(ada), "expert/tax-forms/2026").json()
    assert told["threshold"] == {"amount": "2000.00", "currency": "USD"}
    assert told["totals"][0]["nonemployee_compensation"] == {"amount": "2000.00", "currency": "USD"}
    (later,) = get(expert_caller(ada), "expert/tax-forms/2027").json()["totals"]
    assert later["is_reportable"] is False
    assert get(expert_caller(bob), "expert/tax-forms/2026").json()["totals"] == []
    assert get(expert_caller(ada), "expert/tax-forms/1999").status_code == 404
    assert get(expert_caller(story.new_expert(ready=False)), "expert/tax-forms/2026").status_code == 404


def test_any_withheld_cent_makes_a_form_due() -> None:
    ada = story.new_expert(account="acct-ada")
    post(expert_caller(ada), "expert/tax-profile", {**W9, "backup_withholding_applies": True})
    paid(ada, 1_000)
    (told,) = get(expert_caller(ada), "expert/tax-forms/2026").json()["totals"]
    assert told["federal_income_tax_withheld"]["amount"] == "2.40"
    assert told["is_reportable"] is True


def test_the_desk_shows_the_year_and_exports_full_numbers_with_a_trace() -> None:
    ada = story.new_expert("=Ada", account="acct-ada")
    post(expert_caller(ada), "expert/tax-profile", {**W9, "legal_name": "=Ada"})
    paid(ada, 300_000)
    looker, filer, stale = Desk(), Desk("file_tax_forms"), Desk("file_tax_forms")
    stale.prove(seconds_ago=601)
    export = "taxprofile/nec/2026/export/"
    page = looker.get("taxprofile/nec/?year=2026").content.decode()
    assert "$3,000.00" in page
    assert "1 form is due" in page
    assert "123456789" not in page
    assert looker.get(export).status_code == looker.post(export, reason="IRIS").status_code == 403
    refused = stale.client.post(f"/admin/payments/{export}", {"reason": "IRIS"})
    assert refused.status_code == 302
    assert refused.headers["Location"].startswith("/accounts/reauthenticate/")
    for answer in (filer.get(export), filer.post(export, reason=" ")):
        assert "123456789" not in answer.content.decode()
    with unit_of_work(SYSTEM):
        assert not Event.objects.filter(name="tax_forms.exported").exists()
    assert looker.get("taxprofile/nec/?year=next").status_code == 404
    answer = filer.post(export, reason="Filed with IRIS.")
    assert "no-store" in answer["Cache-Control"]
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["tin"], row["name"], row["box_1"], row["box_4"]) == ("123456789", "'=Ada", "3000.00", "0.00")
    with unit_of_work(SYSTEM):
        kept = Event.objects.get(name="tax_forms.exported")
    assert (kept.actor, kept.subject) == (f"user:{filer.user.public_id}", filer.user.public_id)
    digest = hashlib.sha256(answer.content).hexdigest()
    assert kept.payload == {"year": 2026, "forms": 1, "sha256": digest, "reason": "Filed with IRIS."}
    page = looker.get("taxprofile/nec/?year=2026").content.decode()
    assert "Filed with IRIS." in page
    assert digest[:12] in page
    assert "Filed with IRIS." not in looker.get("taxprofile/nec/?year=2025").content.decode()
