"""The lab's balance, and the expert's payouts, statements, methods and tax papers over HTTP."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from pytest_django import Settings

from core import tokens
from core.public import Tenant
from experts.public import Expert
from payments.models import Funding, PayoutMethod
from payments.operations.labs import funding, refunds
from tests.core.api.conftest import Caller
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW

pytestmark = pytest.mark.django_db(transaction=True)
IBAN = {
    "type": "iban",
    "currency": "EUR",
    "country": "DE",
    "holder": "Ada",
    "details": {"iban": "DE89 3704 0044 0532 0130 00"},
}
_keys = count(1)


def lab_caller(tenant: Tenant, *scopes: str) -> Caller:
    minted = tokens.mint_lab_key(tenant=tenant, name="tests", scopes=scopes or ("funding:write", "balance:read"))
    return Caller(Authorization=f"Bearer {minted.secret}")


def expert_caller(expert: Expert) -> Caller:
    minted = tokens.mint_expert_token(user=expert.user, name="tests")
    return Caller(Authorization=f"Bearer {minted.secret}")


def post(caller: Caller, path: str, body: Any, *, key: str = "") -> Any:
    return caller("POST", f"/api/v1/{path}", body, Idempotency_Key=key or f"key-{next(_keys)}")


def get(caller: Caller, path: str) -> Any:
    return caller("GET", f"/api/v1/{path}")


def fund(caller: Caller, amount: str = "500.00", **more: str) -> Any:
    return post(caller, "funding", {"amount": {"amount": amount, "currency": "USD"}}, **more)


def test_funding_is_there_at_once_in_development(settings: Settings) -> None:
    caller = lab_caller(story.new_lab())
    answer = fund(caller)
    assert (answer.status_code, answer.json()["status"]) == (201, "settled")
    (line,) = get(caller, "balance").json()["balances"]
    assert line == {
        "currency": "USD",
        "available": {"amount": "500.00", "currency": "USD"},
        "prepaid": {"amount": "500.00", "currency": "USD"},
        "reserved": {"amount": "0.00", "currency": "USD"},
        "owed": {"amount": "0.00", "currency": "USD"},
        "credit_limit": {"amount": "0.00", "currency": "USD"},
    }


def test_live_funding_waits_for_its_transfer(settings: Settings) -> None:
    settings.FUNDING_SETTLES_AT_ONCE = False
    lab = story.new_lab()
    caller = lab_caller(lab)
    answer = fund(caller).json()
    assert answer["status"] == "pending"
    assert get(caller, "balance").json()["balances"] == []
    with story.platform():
        funding.confirm(funding=Funding.objects.get(public_id=answer["id"]), by=story.new_user(), now=NOW)
    assert get(caller, f"funding/{answer['id']}").json()["status"] == "settled"
    assert get(caller, "balance").json()["balances"][0]["available"]["amount"] == "500.00"


def test_a_repeated_request_funds_once() -> None:
    caller = lab_caller(story.new_lab())
    first, second = (fund(caller, key="same") for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert get(caller, "balance").json()["balances"][0]["available"]["amount"] == "500.00"
    assert fund(caller, "1.00", key="same").status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/amount"),
        ({"amount": {"amount": "5", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "5.00", "currency": "XXX"}}, "/amount/currency"),
        ({"amount": {"amount": "-5.00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "0.00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "9" * 400 + ".00", "currency": "USD"}}, "/amount/amount"),
        ({"amount": {"amount": "5.00", "currency": "USD"}, "note": "x"}, "/note"),
    ],
)
def test_bad_funding_is_told_by_field(body: Any, pointer: str) -> None:
    answer = post(lab_caller(story.new_lab()), "funding", body)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    with story.platform():
        assert not Funding.objects.exists()


def test_refunds_are_listed() -> None:
    lab = story.new_lab(funded=50_000)
    with story.platform():
        paid_in = Funding.objects.get()
        refunds.refund(funding=paid_in, reason="The project ended.", by=story.new_user(), now=NOW)
    (row,) = get(lab_caller(lab), "refunds").json()["results"]
    assert get(lab_caller(lab), f"refunds/{row['id']}").json() == row
    assert (row["funding"], row["amount"]["amount"], row["reason"]) == (
        paid_in.public_id,
        "500.00",
        "The project ended.",
    )
    assert get(lab_caller(story.new_lab()), "refunds").json()["results"] == []
    assert get(lab_caller(story.new_lab()), f"refunds/{row['id']}").status_code == 404


def test_a_rival_s_funding_is_not_found() -> None:
    lab, rival = lab_caller(story.new_lab()), lab_caller(story.new_lab())
    mine = fund(lab).json()["id"]
    foreign, random = get(rival, f"funding/{mine}"), get(rival, "funding/fnd_01k9w3v6z8f2qr5t4h7xnm0ceg")
    assert (foreign.status_code, random.status_code) == (404, 404)
    assert foreign.json()["detail"] == random.json()["detail"]
    assert get(rival, "funding").json()["results"] == []
    assert get(rival, "balance").json()["balances"] == []


def test_a_key_without_the_scope_funds_nothing() -> None:
    caller = lab_caller(story.new_lab(), "balance:read")
    assert fund(caller).status_code == 403
    assert get(caller, "refunds").status_code == 403


def test_an_expert_reads_what_he_was_paid_down_to_the_line() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert()
    story.earn(ada, 20_000, lab=lab, fee=6_000)
    story.earn(ada, 1_234, lab=lab)
    story.released_run()
    story.send_and_track()
    caller = expert_caller(ada)
    (payout,) = get(caller, "expert/payouts").json()["results"]
    assert (payout["status"], payout["amount"]["amount"]) == ("paid", "212.34")
    (statement,) = get(caller, "expert/statements").json()["results"]
    detail = get(caller, f"expert/statements/{statement['id']}").json()
    amounts = [Decimal(line["amount"]["amount"]) for line in detail["lines"]]
    assert amounts == [Decimal("200.00"), Decimal("12.34"), Decimal("-212.34")]
    assert Decimal(detail["opening"]["amount"]) + sum(amounts) == Decimal(detail["closing"]["amount"])


def test_a_statement_can_be_kept_as_a_page_and_as_a_table() -> None:
    lab, ada = story.new_lab(funded=100_000), story.new_expert("<b>Ada</b>")
    story.earn(ada, 20_000, lab=lab)
    story.released_run()
    caller = expert_caller(ada)
    path = get(caller, "expert/statements").json()["results"][0]["download"].removeprefix("/api/v1/")
    page = get(caller, path)
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert "200.00\u00a0USD" in page.content.decode()
    assert "<b>Ada" not in page.content.decode()
    table = list(csv.DictReader(io.StringIO(get(caller, f"{path}?format=csv").content.decode())))
    assert [row["amount"] for row in table] == ["0.00", "200.00", "-200.00", "0.00"]
    assert get(caller, f"{path}?format=pdf").content.startswith(b"%PDF-")
    assert get(caller, f"{path}?format=xls").status_code == 400


def test_another_expert_s_papers_are_not_found() -> None:
    lab, ada, bob = story.new_lab(funded=100_000), story.new_expert("Ada"), story.new_expert("Bob")
    story.earn(ada, 20_000, lab=lab)
    story.released_run()
    mine = get(expert_caller(ada), "expert/statements").json()["results"][0]["id"]
    payout = get(expert_caller(ada), "expert/payouts").json()["results"][0]["id"]
    thief = expert_caller(bob)
    method = PayoutMethod.objects.get(expert=ada).public_id
    for path in (f"statements/{mine}", f"statements/{mine}/download", f"payouts/{payout}", f"payout-methods/{method}"):
        assert get(thief, f"expert/{path}").status_code == 404, path
    assert post(thief, f"expert/payout-methods/{method}/remove", None).status_code == 404
    assert PayoutMethod.objects.get(expert=ada).status == "active"


def test_a_payout_method_is_stored_sealed_and_shown_masked() -> None:
    ada = story.new_expert(ready=False)
    caller = expert_caller(ada)
    answer = post(caller, "expert/payout-methods", IBAN)
    assert (answer.status_code, answer.json()["account"], answer.json()["status"]) == (201, "DE••••3000", "pending")
    stored = PayoutMethod.objects.get()
    assert b"3704" not in bytes(stored.sealed_details)
    assert "0532" not in answer.content.decode() + get(caller, "expert/payout-methods").content.decode()


def test_a_new_method_replaces_the_one_before() -> None:
    ada = story.new_expert(ready=False)
    caller = expert_caller(ada)
    sandbox = {**IBAN, "type": "sandbox", "details": {"account": "acct-1"}}
    for _ in range(2):
        assert post(caller, "expert/payout-methods", sandbox).status_code == 201
    assert [row["status"] for row in get(caller, "expert/payout-methods").json()["results"]] == ["active", "replaced"]


@pytest.mark.parametrize(
    ("details", "pointer"),
    [
        ({"iban": "DE88 3704 0044 0532 0130 00"}, "/details/iban"),
        ({}, "/details/iban"),
        ({"iban": "DE89370400440532013000", "account": "x"}, "/details/account"),
        ({"iban": 5}, "/details/iban"),
    ],
)
def test_mistyped_details_are_told_and_not_stored(details: Any, pointer: str) -> None:
    answer = post(expert_caller(story.new_expert(ready=False)), "expert/payout-methods", {**IBAN, "details": details})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])
    assert not PayoutMethod.objects.exists()


def test_a_method_that_nobody_pays_is_refused(settings: Settings) -> None:
    settings.PAYOUT_RAILS = {}
    answer = post(expert_caller(story.new_expert(ready=False)), "expert/payout-methods", IBAN)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_payout_rail")


def test_the_tax_profile_is_signed_and_masked() -> None:
    caller = expert_caller(story.new_expert(ready=False))
    assert get(caller, "expert/tax-profile").status_code == 404
    w9 = {"form": "w9", "legal_name": "Ada", "country": "US", "tax_id": "123-45-6789", "signed_name": "Ada"}
    assert post(caller, "expert/tax-profile", w9).json()["tax_id"] == "••••6789"
    assert post(caller, "expert/tax-profile", {**w9, "country": "DE"}).status_code == 400
    w8 = {"form": "w8ben", "legal_name": "Ada", "country": "DE", "signed_name": "Ada"}
    signed = post(caller, "expert/tax-profile", w8).json()
    assert signed["expires_at"].endswith("-01-01T00:00:00Z")
    assert get(caller, "expert/tax-profile").json() == signed
