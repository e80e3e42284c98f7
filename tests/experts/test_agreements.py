"""Texts to read, click-wrap signatures, copies to keep."""

from __future__ import annotations

import hashlib

import pytest
from django.db import DatabaseError, transaction

from core import clock
from core.public import Tenant, TenantAccess
from experts.models import AgreementVersion, Signature
from experts.names import is_signature_of
from experts.operations import agreements
from experts.public import current_versions, missing_signatures
from tests.experts.people import Api

BODY = "# NDA\n\nKeep <b>secrets</b> & promises."


def publish(body: str = BODY, *, code: str = "nda", tenant: Tenant | None = None) -> AgreementVersion:
    return agreements.publish_agreement(
        code=code, title="NDA", body=body, by=None, now=clock.now(), tenant_id=tenant.pk if tenant else None
    )


@pytest.mark.parametrize(
    ("typed", "legal", "fits"),
    [
        ("Ada Lovelace", "Ada Lovelace", True),
        ("  ada   LOVELACE ", "Ada Lovelace", True),
        ("jose garcia", "José Luis García", True),
        ("Jose Luis Garcia", "José Luis García", True),
        ("Anne Marie O Neill", "Anne-Marie O’Neill", True),
        ("J. García", "José Luis García", False),
        ("José", "José Luis García", False),
        ("Ada Lovelace Byron", "Ada Lovelace", False),
        ("", "Ada Lovelace", False),
        ("Ada", "", False),
        ("Müller", "Müller", True),
    ],
)
def test_a_typed_name_is_compared_loosely(typed: str, legal: str, fits: bool) -> None:
    assert is_signature_of(typed, legal) is fits


def test_versions_count_up_and_the_same_text_is_the_same_version(db: None) -> None:
    first, same, second = publish(), publish(), publish("Another text.")
    assert first == same
    assert (first.version, second.version) == (1, 2)
    assert first.sha256 == hashlib.sha256(BODY.encode()).hexdigest()
    assert current_versions(["nda", "terms"]) == [second]


def test_a_labs_own_text_replaces_the_platforms(db: None) -> None:
    lab, rival = Tenant.objects.create(name="Lab"), Tenant.objects.create(name="Rival")
    ours, theirs = publish(), publish("The lab's own.", tenant=lab)
    assert current_versions(["nda"], tenant_id=lab.pk) == [theirs]
    assert current_versions(["nda"], tenant_id=rival.pk) == [ours]
    assert current_versions(["nda"]) == [ours]


def test_an_expert_reads_signs_and_keeps_a_copy(ada: Api) -> None:
    version = publish()
    listed = ada.get("/agreements").json()["results"]
    assert [(row["id"], row["code"], row["signature"]) for row in listed] == [(version.public_id, "nda", None)]
    assert ada.get(f"/agreements/{version.public_id}").json()["body"] == BODY
    assert missing_signatures(expert_id=ada.expert.pk, version_ids=[version.pk]) == [version]

    signed = ada.client.post(
        f"/api/v1/expert/agreements/{version.public_id}/sign",
        {"typed_name": "ada lovelace"},
        content_type="application/json",
        headers={"User-Agent": "Tests/1"},
    )
    assert signed.status_code == 201, signed.json()
    signature = signed.json()
    assert (signature["typed_name"], signature["legal_name"]) == ("ada lovelace", "Ada Lovelace")
    assert (signature["ip"], signature["user_agent"]) == ("127.0.0.1", "Tests/1")
    assert signature["text_sha256"] == version.sha256
    assert missing_signatures(expert_id=ada.expert.pk, version_ids=[version.pk]) == []
    assert ada.get("/agreements").json()["results"][0]["signature"] == signature["id"]

    again = ada.post(f"/agreements/{version.public_id}/sign", {"typed_name": "somebody else"})
    assert (again.status_code, again.json()["id"]) == (201, signature["id"])
    assert Signature.objects.count() == 1

    page = ada.client.get(signature["copy"])
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert page["Content-Disposition"] == f'attachment; filename="{version.public_id}.html"'
    assert "Keep &lt;b&gt;secrets&lt;/b&gt; &amp; promises." in page.content.decode()
    text = ada.client.get(signature["copy"] + "?format=text").content.decode()
    assert BODY in text
    assert version.sha256 in text
    assert signature["id"] in text
    assert ada.get("/notices", kind="agreement.signed").json()["results"]


def test_a_wrong_name_signs_nothing(ada: Api) -> None:
    version = publish()
    wrong = ada.post(f"/agreements/{version.public_id}/sign", {"typed_name": "Eve"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "name_mismatch")
    assert wrong.json()["errors"][0]["pointer"] == "/typed_name"
    ada.expert.legal_name = ""
    ada.expert.save()
    unnamed = ada.post(f"/agreements/{version.public_id}/sign", {"typed_name": "Ada Lovelace"})
    assert (unnamed.status_code, unnamed.json()["code"]) == (409, "legal_name_missing")
    assert unnamed.json()["remedy"]["href"] == "/api/v1/expert/"
    assert not Signature.objects.exists()


def test_a_labs_text_is_read_by_those_who_have_to_do_with_it(ada: Api, eve: Api) -> None:
    lab = Tenant.objects.create(name="Lab")
    version = publish(tenant=lab)
    TenantAccess.objects.create(user=ada.expert.user, tenant=lab)
    assert ada.get(f"/agreements/{version.public_id}").status_code == 200
    assert eve.get(f"/agreements/{version.public_id}").status_code == 404
    assert eve.get("/agreements").json()["results"] == []
    ada.post(f"/agreements/{version.public_id}/sign", {"typed_name": "Ada Lovelace"})
    TenantAccess.objects.all().delete()
    assert ada.get(f"/agreements/{version.public_id}").status_code == 200
    signature = Signature.objects.get()
    assert eve.get(f"/signatures/{signature.public_id}/copy").status_code == 404


@pytest.mark.parametrize("role", ["cadre_app", "cadre_admin"])
def test_nobody_changes_a_signature_or_a_text(ada: Api, role: str) -> None:
    from django.db import connection

    version = publish()
    agreements.sign(expert=ada.expert, version=version, typed_name="Ada Lovelace", now=clock.now())
    for table in ("experts_signature", "experts_agreementversion"):
        for statement in (f"UPDATE {table} SET created_at = created_at", f"DELETE FROM {table}"):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('role', %s, true)", [role])
                cursor.execute(statement)
    assert Signature.objects.count() == 1
