"""The experts' resources keep their OpenAPI document's word, whatever is sent."""

from __future__ import annotations

import pytest

from core import clock, tokens
from core.principal import Principal
from core.public import User, unit_of_work
from experts.jobs import scan_documents
from experts.models import Credential, Document, IdentityVerification, Notice, Signature
from experts.operations import agreements
from experts.public import record_decision
from tests.contract import explore, operations
from tests.experts.people import BASE, Api, upload

OURS = (
    "",
    "availability",
    "domains",
    "tokens",
    "documents",
    "downloads",
    "credentials",
    "identity",
    "agreements",
    "signatures",
    "decisions",
    "appeals",
    "notices",
)


def furnish(ada: Api, by: User) -> dict[str, list[str]]:
    """One of everything; the ids by their path parameters."""
    ada.form("/credentials", kind="degree", title="MD", domain="medicine", award="master", file=upload())
    ada.form("/identity", kind="passport", country="GB", legal_name="Ada Lovelace", file=upload())
    scan_documents()
    with unit_of_work(Principal.system("tests.furnish")):
        version = agreements.publish_agreement(code="nda", title="NDA", body="Hush.", by=None, now=clock.now())
    ada.post(f"/agreements/{version.public_id}/sign", {"typed_name": "Ada Lovelace"})
    with unit_of_work(Principal.system("tests.furnish")):
        decision = record_decision(
            expert=ada.expert, act="warn", subject="sub_1", reason_code="other", explanation="x", evidence={},
            decided_by=by, now=clock.now(),
        )  # fmt: skip
    appeal = ada.post("/appeals", {"subject": "sub_1", "reason": "No."}).json()["id"]
    document = Document.objects.order_by("pk")[0].public_id
    return {
        "credential_id": [Credential.objects.get().public_id],
        "identity_id": [IdentityVerification.objects.get().public_id],
        "document_id": [document],
        "token": [ada.get(f"/documents/{document}").json()["download"].rpartition("/")[2]],
        "version_id": [version.public_id],
        "signature_id": [Signature.objects.get().public_id],
        "decision_id": [decision.public_id],
        "appeal_id": [appeal],
        "notice_id": list(Notice.objects.values_list("public_id", flat=True)),
        "token_id": [tokens.mint_expert_token(user=ada.expert.user, name="t").token.public_id],
    }


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["ada", "eve", "anonymous"])
def test_every_answer_is_a_documented_one(who: str, ada: Api, eve: Api, verifier: User) -> None:
    """The owner, somebody else with the owner's ids, and nobody."""
    ids = furnish(ada, verifier)
    headers = {"ada": ada.headers, "eve": eve.headers, "anonymous": {}}[who]
    seen: dict[str, set[int]] = {}
    for operation in operations():
        room = operation.path.removeprefix(f"{BASE}/").partition("/")[0]
        if operation.path.startswith(f"{BASE}/") and room in OURS:
            seen[operation.label] = explore(operation, headers=headers, ids=ids, examples=15)
    assert len(seen) > 25
    assert not [label for label, statuses in seen.items() if max(statuses) >= 500]
    if who != "ada":
        mine = {label for label in seen if any(f"{{{name}}}" in label for name in ids) and "{token}" not in label}
        shared = {label for label in mine if "/agreements/" in label}
        assert not [label for label in mine - shared if 200 in seen[label]]
