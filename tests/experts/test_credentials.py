"""Proof: uploads, quarantine, verification with a reason, expiry, appeal."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock, outbox, uploads
from core.principal import Principal
from core.problems import InvalidTransition
from core.public import Event, User, unit_of_work
from experts.errors import OwnWork, ReasonMissing
from experts.jobs import expire_credentials, resolve_appeals, scan_documents, sweep_documents, warn_of_expiry
from experts.models import Credential, Decision, Document, Expert, Notice, VerificationStatus
from experts.operations import appeals, verifications
from experts.operations.verifications import DocumentNotClean
from tests.experts.people import PDF, Api, make_expert, png, upload

NOW = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)
DEGREE = {"kind": "degree", "title": "Doctor of Medicine", "domain": "medicine", "award": "doctorate"}


def hand_in(api: Api, *, scanned: bool = True, **fields: Any) -> Credential:
    answer = api.form("/credentials", **{**DEGREE, "file": upload(), **fields})
    assert answer.status_code == 201, answer.json()
    if scanned:
        scan_documents()
    return Credential.objects.get(public_id=answer.json()["id"])


def test_a_credential_waits_in_quarantine_and_then_for_a_verifier(ada: Api) -> None:
    answer = ada.form("/credentials", **DEGREE, file=upload(name="../../etc/My diploma\x07.exe"))
    assert answer.status_code == 201
    sent = answer.json()
    assert sent["status"] == "unverified"
    assert sent["document"]["status"] == "quarantined"
    assert sent["document"]["download"] is None
    assert sent["document"]["name"] == "My diploma.pdf"
    assert sent["document"]["media_type"] == "application/pdf"
    stored = Document.objects.get().storage_name
    assert "diploma" not in stored
    assert default_storage.open(stored).read() == PDF

    scan_documents()
    shown = ada.get(f"/credentials/{sent['id']}").json()
    assert (shown["status"], shown["document"]["status"]) == ("pending", "clean")
    assert [row["id"] for row in ada.get("/credentials", status="pending").json()["results"]] == [sent["id"]]
    assert ada.get("/credentials", status="verified").json()["results"] == []


@pytest.mark.parametrize(
    ("file", "status", "code"),
    [
        (b"MZ\x90\x00" + b"\x00" * 100, 415, "upload_type_refused"),
        (b"plain text", 415, "upload_type_refused"),
        (b"<svg onload=alert(1)>", 415, "upload_type_refused"),
        (b"%PDF-1.7 cut off", 415, "upload_type_refused"),
        (png(size=64)[:90], 415, "upload_type_refused"),
        (b"PK\x03\x04" + b"\x00" * 50, 415, "upload_type_refused"),
    ],
)
def test_files_are_known_by_their_content(ada: Api, file: bytes, status: int, code: str) -> None:
    answer = ada.form("/credentials", **DEGREE, file=upload(file, name="ok.pdf"))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Credential.objects.exists()
    assert not Document.objects.exists()


def test_files_have_a_size(ada: Api) -> None:
    large = ada.form("/documents", file=upload(PDF + b"x" * (10 * 1024 * 1024) + b"%%EOF"))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    assert ada.form("/documents", file=upload(b"")).status_code == 400
    image = ada.form("/documents", file=upload(png(), name="photo.jpg", media_type="image/jpeg"))
    assert (image.status_code, image.json()["name"], image.json()["media_type"]) == (201, "photo.png", "image/png")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"award": "phd"}, "/award"),
        ({"kind": "licence", "award": "medical"}, "/jurisdiction"),
        ({"kind": "knighthood"}, "/kind"),
        ({"domain": "alchemy"}, "/domain"),
        ({"issued_on": "2020-01-02", "expires_on": "2020-01-01"}, "/expires_on"),
        ({"status": "verified"}, "/status"),
        ({"link": "javascript:alert(1)"}, "/link"),
    ],
)
def test_wrong_fields_are_named(ada: Api, fields: dict[str, str], pointer: str) -> None:
    answer = ada.form("/credentials", **{**DEGREE, "file": upload(), **fields})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Credential.objects.exists()


def test_a_file_or_a_link_is_needed(ada: Api) -> None:
    assert ada.form("/credentials", **DEGREE).status_code == 400
    linked = ada.form("/credentials", **{**DEGREE, "kind": "publication", "link": "https://example.org/paper"})
    assert (linked.status_code, linked.json()["status"]) == (201, "pending")


def test_the_scanner_refuses_active_content(ada: Api) -> None:
    harmful = PDF.replace(b"<<>>endobj", b"<</OpenAction<</S/JavaScript/JS(x)>>>>endobj")
    credential = hand_in(ada, file=upload(harmful))
    document = Document.objects.get()
    assert document.status == "infected"
    assert credential.status == "rejected"
    assert "JavaScript" in credential.reason
    assert ada.get(f"/documents/{document.public_id}").json()["download"] is None
    assert ada.get("/notices", kind="credential.rejected").json()["results"][0]["subject"] == credential.public_id


@pytest.mark.django_db(transaction=True)
def test_harmful_bytes_are_removed(ada: Api) -> None:
    hand_in(ada, file=upload(PDF + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!%%EOF"))
    assert not default_storage.exists(Document.objects.get().storage_name)


def test_without_a_scanner_files_stay_in_quarantine(ada: Api, settings: LazySettings) -> None:
    settings.UPLOAD_SCANNER = "core.scanning.ask_clamd"
    settings.CLAMD_URL = "tcp://127.0.0.1:1"
    credential = hand_in(ada)
    assert (credential.status, Document.objects.get().status) == ("unverified", "quarantined")


def test_downloads_are_private_and_short_lived(ada: Api, eve: Api) -> None:
    hand_in(ada)
    document = Document.objects.get()
    assert eve.get(f"/documents/{document.public_id}").status_code == 404
    link = ada.get(f"/documents/{document.public_id}").json()["download"]
    download = Client().get(link)
    assert b"".join(download.streaming_content) == PDF  # type: ignore[attr-defined]  # a FileResponse streams
    assert download["Content-Disposition"].startswith('attachment; filename="diploma.pdf"')
    assert download["X-Content-Type-Options"] == "nosniff"
    assert Client().get(link[:-2]).status_code == 404
    assert Client().get(f"{link}?x=1").status_code == 400


def test_an_old_link_is_dead(ada: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(ada)
    link = ada.get(f"/documents/{Document.objects.get().public_id}").json()["download"]
    monkeypatch.setattr(uploads, "LINK_LIFE", dt.timedelta(seconds=-1))
    assert Client().get(link).status_code == 404


def test_a_verified_credential_lifts_the_tier(ada: Api, verifier: User) -> None:
    ada.patch("/", {"domains": [{"domain": "medicine.cardiology", "level": 4, "years": 12}]})
    credential = hand_in(ada)
    verifications.verify(claim=credential, reason="Seen the register.", by=verifier, now=NOW)
    profile = ada.get("/").json()
    assert profile["tier"]["tier"] == "expert"
    assert profile["tier"]["source"] == "rule"
    assert profile["domains"][0]["proven"] is True
    assert ada.get("/credentials").json()["results"][0]["reason"] == "Seen the register."
    assert Event.objects.filter(name="credential.verified", subject=credential.public_id).count() == 1
    assert {row.kind for row in Notice.objects.all()} == {"credential.verified", "tier.changed"}


def test_a_verifier_gives_a_reason_waits_for_the_scanner_and_never_judges_himself(ada: Api, verifier: User) -> None:
    waiting = hand_in(ada, scanned=False)
    with pytest.raises(DocumentNotClean):
        verifications.verify(claim=waiting, reason="ok", by=verifier, now=NOW)
    scan_documents()
    with pytest.raises(ReasonMissing):
        verifications.verify(claim=waiting, reason="  ", by=verifier, now=NOW)
    own = Api(Expert.objects.create(user=verifier, legal_name="Vera Fides"))
    credential = hand_in(own)
    with pytest.raises(OwnWork):
        verifications.verify(claim=credential, reason="ok", by=verifier, now=NOW)
    with pytest.raises(OwnWork):
        verifications.refuse(claim=credential, to="rejected", reason_code="x", reason="x", by=verifier, now=NOW)
    assert set(Credential.objects.values_list("status", flat=True)) == {"pending"}


def test_even_sql_cannot_let_somebody_judge_himself(ada: Api) -> None:
    from django.db import IntegrityError, transaction

    credential = hand_in(ada)
    with pytest.raises(IntegrityError, match="nobody decides about himself"), transaction.atomic():
        Credential.objects.filter(pk=credential.pk).update(decided_by=ada.expert.user)


ARROWS = {(a, b) for a, following in Credential.TRANSITIONS.items() for b in following}
ARROWS -= {("rejected", "verified"), ("revoked", "verified")}  # only an appeal goes there


@pytest.mark.parametrize("to", ["verified", "rejected", "revoked"])
@pytest.mark.parametrize("status", VerificationStatus.values)
def test_every_arrow_both_ways(ada: Api, verifier: User, status: str, to: str) -> None:
    credential = Credential.objects.create(
        expert=ada.expert, kind="portfolio", title="x", status=status, reason="earlier", decided_at=NOW
    )

    def act() -> None:
        if to == "verified":
            verifications.verify(claim=credential, reason="now", by=verifier, now=NOW)
        else:
            verifications.refuse(claim=credential, to=to, reason_code="x", reason="now", by=verifier, now=NOW)

    if (status, to) in ARROWS:
        act()
        credential.refresh_from_db()
        assert (credential.status, credential.reason) == (to, "now")
    else:
        with pytest.raises(InvalidTransition):
            act()
        credential.refresh_from_db()
        assert (credential.status, credential.reason) == (status, "earlier")
        assert not Decision.objects.exists()


def test_expiry_lowers_the_tier_and_warns_ahead(ada: Api, verifier: User) -> None:
    ada.patch("/", {"domains": [{"domain": "law", "level": 3, "years": 6}]})
    credential = hand_in(
        ada, kind="licence", award="attorney", jurisdiction="US-CA", domain="law", expires_on="2026-12-01"
    )
    verifications.verify(claim=credential, reason="ok", by=verifier, now=NOW)
    assert ada.get("/").json()["tier"]["tier"] == "expert"
    with clock.frozen(NOW):
        expire_credentials()
        warn_of_expiry()
        warn_of_expiry()
    assert ada.get("/notices", kind="credential.expiring").json()["results"][0]["subject"] == credential.public_id
    assert Notice.objects.filter(kind="credential.expiring").count() == 1
    with clock.frozen(dt.datetime(2026, 12, 1, 23, 59, tzinfo=dt.UTC)):
        expire_credentials()
    assert Credential.objects.get().status == "verified"
    with clock.frozen(dt.datetime(2026, 12, 2, tzinfo=dt.UTC)):
        expire_credentials()
    assert Credential.objects.get().status == "expired"
    assert ada.get("/").json()["tier"]["tier"] == "generalist"
    assert Notice.objects.filter(kind="credential.expired").count() == 1


@pytest.mark.parametrize(("by_clock", "expected"), [(False, "verified"), (True, "pending")])
def test_a_won_appeal_brings_a_rejected_credential_back(
    ada: Api, verifier: User, second: User, by_clock: bool, expected: str
) -> None:
    credential = hand_in(ada)
    verifications.refuse(
        claim=credential, to="rejected", reason_code="illegible", reason="Cannot read it.", by=verifier, now=NOW
    )
    with clock.frozen(NOW):
        filed = ada.post("/appeals", {"subject": credential.public_id, "reason": "It is readable."})
        assert filed.status_code == 201, filed.json()
    appeal = ada.expert.appeals.get()
    assert appeal.first_decider == verifier
    if by_clock:
        with clock.frozen(NOW + appeals.DECIDE_WITHIN):
            resolve_appeals()
    else:
        with unit_of_work(Principal.system("tests.appeal")):
            appeals.decide(appeal=appeal, outcome="overturned", note="Readable indeed.", by=second, now=NOW)
    outbox.drain(now=NOW + dt.timedelta(days=30))
    credential.refresh_from_db()
    assert credential.status == expected


def test_another_experts_credential_is_not_there(ada: Api) -> None:
    other = Api(make_expert("other@example.org", name="Other"))
    credential = hand_in(ada)
    foreign = other.get(f"/credentials/{credential.public_id}")
    random = other.get("/credentials/crd_01k9w3v6z8f2qr5t4h7xnm0ceg")
    assert foreign.status_code == random.status_code == 404
    assert foreign.json()["detail"] == random.json()["detail"]
    assert other.get("/credentials").json()["results"] == []


def test_one_identity_document_waits_at_a_time(ada: Api) -> None:
    fields = {"kind": "passport", "country": "GB", "legal_name": "Ada Lovelace"}
    assert ada.form("/identity", **fields, file=upload()).status_code == 201
    again = ada.form("/identity", **fields, file=upload())
    assert (again.status_code, again.json()["code"]) == (409, "identity_already_waiting")
    scan_documents()
    assert [row["status"] for row in ada.get("/identity").json()["results"]] == ["pending"]


def test_files_without_a_row_are_swept_away(ada: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = hand_in(ada)
    orphan = uploads.keep(upload(), folder="experts")
    sweep_documents()
    assert default_storage.exists(orphan)
    monkeypatch.setattr(uploads, "FORGOTTEN_AFTER", dt.timedelta(seconds=-5))
    sweep_documents()
    assert not default_storage.exists(orphan)
    assert credential.document is not None
    assert default_storage.exists(credential.document.storage_name)


def test_lists_cost_the_same_number_of_queries_however_long(ada: Api, verifier: User) -> None:
    paths = ("/credentials", "/documents", "/notices", "/decisions", "/appeals")

    def costs() -> list[int]:
        counts = []
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                assert ada.get(path).json()["results"]
            counts.append(len(queries))
        return counts

    def one_more() -> None:
        credential = hand_in(ada)
        verifications.refuse(
            claim=credential, to="rejected", reason_code="other", reason="no", by=verifier, now=clock.now()
        )
        file = Document.objects.order_by("-pk")[0].public_id
        assert (
            ada.post("/appeals", {"subject": credential.public_id, "reason": "x", "files": [file]}).status_code == 201
        )

    one_more()
    before = costs()
    one_more()
    one_more()
    assert costs() == before
