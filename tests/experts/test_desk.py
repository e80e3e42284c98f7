"""The operators' pages of this floor: queues, acts with a reason, nothing editable."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client

from core import clock
from core.public import User
from experts.jobs import scan_documents
from experts.models import AgreementVersion, Appeal, Credential, Decision, Expert, Restriction
from experts.operations import agreements
from experts.public import record_decision
from tests import browser
from tests.experts.people import Api, upload

ADMIN = "/admin/experts"


class Desk:
    """A member of staff with a second factor."""

    def __init__(self, user: User, *permissions: str) -> None:
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client = Client()
        self.client.force_login(user)
        request = HttpRequest()
        request.session = self.client.session
        record_authentication(request, user, method="mfa", type="totp")
        request.session.save()

    def act(self, model: str, action: str, pk: int, **fields: str) -> Any:
        """Choose an action for one row; ``confirmed`` is what the second page sends."""
        body = {"action": action, "_selected_action": [pk], **fields}
        return browser.press(self.client, f"{ADMIN}/{model}/", body, follow=True)


VIEWS = ["view_expert", "view_credential", "view_identityverification", "view_appeal", "view_decision"]
VIEWS += ["view_restriction", "view_signature", "view_agreementversion", "view_document", "view_notice", "view_domain"]


@pytest.fixture
def desk(verifier: User) -> Desk:
    return Desk(verifier, *VIEWS, "verify_credential", "set_tier", "restrict_expert", "decide_appeal")


@pytest.fixture
def credential(ada: Api) -> Credential:
    form = {"kind": "degree", "title": "MD", "domain": "medicine", "award": "doctorate", "file": upload()}
    assert ada.form("/credentials", **form).status_code == 201
    scan_documents()
    return Credential.objects.get()


def test_a_verifier_sees_the_queue_asks_himself_and_verifies(desk: Desk, ada: Api, credential: Credential) -> None:
    assert "Credentials to verify" in desk.client.get("/admin/").content.decode()
    listed = desk.client.get(f"{ADMIN}/credential/?status__exact=pending")
    assert "MD" in listed.content.decode()
    page = desk.client.get(f"{ADMIN}/credential/{credential.pk}/change/").content.decode()
    assert "/api/v1/expert/downloads/" in page

    asked = desk.act("credential", "verify", credential.pk)
    assert "This concerns 1 credential" in asked.content.decode()
    assert Credential.objects.get().status == "pending"
    desk.act("credential", "verify", credential.pk, confirmed="yes", reason="")
    assert Credential.objects.get().status == "pending"
    desk.act("credential", "verify", credential.pk, confirmed="yes", reason="Seen the register.")
    row = Credential.objects.get()
    assert (row.status, row.reason, row.decided_by) == (
        "verified",
        "Seen the register.",
        User.objects.get(email="vera@example.org"),
    )
    assert ada.get("/notices", kind="credential.verified").json()["results"]


def test_a_rejection_is_a_decision(desk: Desk, credential: Credential) -> None:
    desk.act("credential", "reject", credential.pk, confirmed="yes", reason="Blurred.", choice="illegible")
    assert Credential.objects.get().status == "rejected"
    decision = Decision.objects.get()
    assert (decision.act, decision.reason_code, decision.subject) == (
        "reject_credential",
        "illegible",
        credential.public_id,
    )


def test_without_the_permission_a_crafted_post_does_nothing(verifier: User, credential: Credential) -> None:
    desk = Desk(verifier, *VIEWS)
    desk.act("credential", "verify", credential.pk, confirmed="yes", reason="x")
    desk.act("expert", "set_tier", credential.expert_id, confirmed="yes", reason="x", choice="principal")
    assert Credential.objects.get().status == "pending"
    assert Expert.objects.get().tier == "generalist"


def test_nobody_verifies_his_own(ada: Api, credential: Credential) -> None:
    user = ada.expert.user
    user.is_staff = True
    user.save()
    told = Desk(user, *VIEWS, "verify_credential").act(
        "credential", "verify", credential.pk, confirmed="yes", reason="It is me."
    )
    assert "Nobody decides about himself" in told.content.decode()
    assert Credential.objects.get().status == "pending"


def test_nothing_is_editable(desk: Desk, ada: Api, credential: Credential) -> None:
    for path in (f"credential/{credential.pk}", f"expert/{ada.expert.pk}"):
        page = desk.client.get(f"{ADMIN}/{path}/change/")
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert desk.client.post(f"{ADMIN}/{path}/change/", {"status": "verified"}).status_code == 403
        assert desk.client.post(f"{ADMIN}/{path}/delete/", {"post": "yes"}).status_code == 403
    assert desk.client.get(f"{ADMIN}/expert/{ada.expert.pk}/history/").status_code == 200


def test_tier_and_restriction_with_a_reason(desk: Desk, ada: Api) -> None:
    desk.act("expert", "set_tier", ada.expert.pk, confirmed="yes", reason="Nobel prize.", choice="principal")
    assert ada.get("/").json()["tier"]["reason"] == "Nobel prize."
    page = desk.client.get(f"{ADMIN}/expert/{ada.expert.pk}/change/").content.decode()
    assert "generalist → principal" in page
    desk.act("expert", "restrict", ada.expert.pk, confirmed="yes", reason="Shared a task.", choice="suspended")
    restriction = Restriction.objects.get()
    assert restriction.decision.explanation == "Shared a task."
    told = desk.client.get(f"{ADMIN}/decision/{restriction.decision_id}/change/").content.decode()
    assert "kind: suspended" in told
    assert "{&quot;" not in told.replace(" ", "")
    desk.act("restriction", "lift", restriction.pk, confirmed="yes")
    assert Restriction.objects.get().ends_at is not None


def test_only_what_was_offered_can_be_chosen(desk: Desk, ada: Api, credential: Credential) -> None:
    for model, action, pk in (
        ("expert", "set_tier", ada.expert.pk),
        ("expert", "restrict", ada.expert.pk),
        ("credential", "reject", credential.pk),
    ):
        asked = desk.act(model, action, pk, confirmed="yes", reason="I made this up.", choice="archangel")
        assert f"This concerns 1 {model}" in asked.content.decode()
    assert Expert.objects.get().tier == "generalist"
    assert not Restriction.objects.exists()
    assert not Decision.objects.exists()


def test_history_is_for_those_who_may_see_the_row(desk: Desk, ada: Api, second: User) -> None:
    path = f"{ADMIN}/expert/{ada.expert.pk}/history/"
    assert "Ada Lovelace" in desk.client.get(path).content.decode()
    stranger = Desk(second, "view_domain")
    assert stranger.client.get(f"{ADMIN}/domain/").status_code == 200
    assert stranger.client.get(path).status_code == 403
    assert desk.client.get(f"{ADMIN}/expert/0/history/").status_code == 302  # as Django answers for a row that is gone


def test_an_appeal_is_decided_by_another_person(desk: Desk, ada: Api, verifier: User, second: User) -> None:
    record_decision(
        expert=ada.expert, act="reject_submission", subject="sub_1", reason_code="other", explanation="No.",
        evidence={}, decided_by=verifier, now=clock.now(),
    )  # fmt: skip
    assert ada.post("/appeals", {"subject": "sub_1", "reason": "Yes."}).status_code == 201
    appeal = Appeal.objects.get()
    listed = desk.client.get(f"{ADMIN}/appeal/?waiting=yes").content.decode()
    assert appeal.public_id in listed
    assert desk.client.get(f"{ADMIN}/appeal/{appeal.pk}/change/").status_code == 200
    refused = desk.act("appeal", "decide", appeal.pk, confirmed="yes", reason="No.", choice="upheld")
    assert "Another person decides" in refused.content.decode()
    assert Appeal.objects.get().status == "open"
    other = Desk(second, *VIEWS, "decide_appeal")
    other.act("appeal", "decide", appeal.pk, confirmed="yes", reason="He is right.", choice="overturned")
    assert Appeal.objects.get().status == "overturned"


def test_agreements_are_published_and_then_stand(verifier: User) -> None:
    assert Desk(verifier, *VIEWS).client.get(f"{ADMIN}/agreementversion/add/").status_code == 403
    desk = Desk(verifier, *VIEWS, "publish_agreement")
    assert desk.client.get(f"{ADMIN}/agreementversion/add/").status_code == 200
    sent = {"code": "house-rules", "title": "House rules", "body": "Be kind."}
    assert desk.client.post(f"{ADMIN}/agreementversion/add/", sent).status_code == 302
    version = AgreementVersion.objects.get(agreement__code="house-rules")
    assert (version.version, version.body) == (1, "Be kind.")
    changed = desk.client.post(f"{ADMIN}/agreementversion/{version.pk}/change/", {**sent, "body": "Be cruel."})
    assert changed.status_code == 403
    assert agreements.current_versions(["house-rules"])[0].body == "Be kind."


@pytest.mark.parametrize(
    "model", ["expert", "restriction", "domain", "agreementversion", "signature", "notice", "credential",
              "identityverification", "document", "decision", "appeal"],
)  # fmt: skip
def test_every_list_opens_and_searches(desk: Desk, ada: Api, credential: Credential, model: str) -> None:
    assert desk.client.get(f"{ADMIN}/{model}/?q=a").status_code == 200
