"""The operators' pages of the marketplace: queues, legal moves, nothing editable."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.test import Client

from core import clock
from core.public import AccessToken, User
from core.unit_of_work import unit_of_work
from experts.models import Decision
from marketplace.models import Application, ConflictEdge, Contract, Lab, Offer, Opening, OpeningListing, Project
from marketplace.operations import applications
from tests import browser
from tests.marketplace.world import (
    NOW,
    again,
    expert_principal,
    make_contract,
    make_expert,
    make_lab,
    make_offer,
    make_opening,
    make_project,
    platform,
)

ADMIN = "/admin/marketplace"
MODELS = (
    "lab", "labmember", "labexpert", "project", "ratecard", "opening", "openinglisting", "application", "offer",
    "contract", "conflictedge", "exposure",
)  # fmt: skip
VIEWS = [f"view_{model}" for model in MODELS]
ACTS = ["run_project", "run_opening", "decide_application", "withdraw_offer", "manage_contract", "issue_key"]

pytestmark = pytest.mark.django_db


class Desk:
    """A member of staff with a second factor and these permissions."""

    def __init__(self, *permissions: str, email: str = "olga@example.org") -> None:
        self.user = User.objects.create_user(email, is_staff=True)
        self.user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client = Client()
        self.client.force_login(self.user)
        request = HttpRequest()
        request.session = self.client.session
        record_authentication(request, self.user, method="mfa", type="totp")
        request.session.save()

    def act(self, row: Any, action: str, **fields: str) -> str:
        """Choose an action for one row, confirmed at once; the page that follows."""
        body = {"action": action, "_selected_action": [row.pk], "confirmed": "yes", **fields}
        response = browser.press(self.client, f"{ADMIN}/{row._meta.model_name}/", body, follow=True)
        assert response.status_code == 200
        return str(response.content.decode())


@pytest.fixture(autouse=True)
def _at_a_known_time() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def desk(db: None) -> Desk:
    return Desk(*VIEWS, *ACTS)


@pytest.fixture
def application(db: None) -> Application:
    make_opening(make_project(make_lab()))
    expert = make_expert()
    with platform():
        listing = OpeningListing.objects.get()
    with unit_of_work(expert_principal(expert)):
        return applications.submit(listing=listing, expert=expert, now=NOW)


def test_the_queue_counts_and_an_application_becomes_an_offer(desk: Desk, application: Application) -> None:
    assert "Applications to answer" in desk.client.get("/admin/").content.decode()
    listed = desk.client.get(f"{ADMIN}/application/?status__exact=submitted").content.decode()
    assert "Ada Lovelace" in listed
    desk.act(application, "review")
    assert again(application).status == "in_review"
    desk.act(application, "waitlist")
    assert again(application).status == "waitlisted"
    desk.act(application, "offer")
    assert again(application).status == "offered"
    with platform():
        offer = Offer.objects.get()
    asked = desk.client.post(f"{ADMIN}/offer/", {"action": "withdraw", "_selected_action": [offer.pk]})
    assert "3,718.00" in asked.content.decode()
    assert again(offer).status == "extended"
    desk.act(offer, "withdraw")
    assert again(offer).status == "withdrawn"


def test_what_the_database_refuses_is_told_like_any_refusal(desk: Desk, application: Application) -> None:
    with platform():
        make_offer(Opening.objects.get(), Application.objects.select_related("expert").get().expert)
    assert "There is an offer already" in desk.act(application, "offer")
    assert again(application).status == "submitted"


def test_a_rejection_needs_a_reason_and_is_a_decision(desk: Desk, application: Application) -> None:
    desk.act(application, "reject", reason="", choice="other")
    desk.act(application, "reject", reason="No seat.", choice="")
    assert again(application).status == "submitted"
    desk.act(application, "reject", reason="No seat.", choice="seats_filled")
    with platform():
        decision = Decision.objects.get()
    assert (decision.reason_code, decision.explanation, decision.decided_by) == ("seats_filled", "No seat.", desk.user)


def test_an_illegal_move_is_told_and_changes_nothing(desk: Desk, application: Application) -> None:
    desk.act(application, "reject", reason="No seat.", choice="seats_filled")
    assert "cannot become" in desk.act(application, "waitlist")
    assert again(application).status == "rejected"


def test_projects_openings_and_contracts_move(desk: Desk) -> None:
    lab = make_lab()
    project = make_project(lab, launched=False)
    desk.act(project, "launch")
    desk.act(project, "pause")
    desk.act(project, "resume")
    assert again(project).status == Project.Status.ACTIVE
    opening = make_opening(project, is_open=False)
    desk.act(opening, "open")
    desk.act(opening, "pause")
    desk.act(opening, "open")
    contract = make_contract(opening, make_expert())
    desk.act(contract, "pause", reason="A question.", choice="policy_question")
    assert again(contract).status == Contract.Status.PAUSED
    desk.act(contract, "resume")
    desk.act(contract, "end", reason="Done.", choice="completed")
    assert again(contract).status == Contract.Status.ENDING
    offer = make_offer(opening, make_expert("b@example.org"))
    desk.act(opening, "close")
    assert (again(opening).status, again(offer).status) == (Opening.Status.CLOSED, Offer.Status.WITHDRAWN)


def test_without_the_permission_a_crafted_post_does_nothing(application: Application) -> None:
    looker = Desk(*VIEWS)
    response = browser.press(
        looker.client,
        f"{ADMIN}/application/",
        {
            "action": "reject",
            "_selected_action": [application.pk],
            "confirmed": "yes",
            "reason": "x",
            "choice": "other",
        },
    )
    assert response.status_code in {200, 302, 403}
    assert again(application).status == "submitted"
    with platform():
        assert not Decision.objects.exists()


def test_nothing_is_editable(desk: Desk) -> None:
    contract = make_contract(make_opening(make_project(make_lab())), make_expert())
    with platform():
        rows = [contract, contract.offer, contract.opening, contract.project, Lab.objects.all()[0]]
    for row in rows:
        path = f"{ADMIN}/{row._meta.model_name}/{row.pk}"
        page = desk.client.get(f"{path}/change/")
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert desk.client.post(f"{path}/change/", {"status": "ended"}).status_code == 403
        assert desk.client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
        assert desk.client.get(f"{path}/history/").status_code == 200
        assert desk.client.get(f"{ADMIN}/{row._meta.model_name}/add/").status_code == 403
    assert again(contract).status == Contract.Status.ACTIVE


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_and_searches(desk: Desk, application: Application, model: str) -> None:
    assert desk.client.get(f"{ADMIN}/{model}/?q=a").status_code == 200


def test_a_key_is_issued_and_shown_once(desk: Desk) -> None:
    lab = make_lab()
    assert "cadre_live_" not in desk.act(lab, "issue_key")  # not without a reason
    page = desk.act(lab, "issue_key", reason="The first key.")
    assert "cadre_live_" in page
    with platform():
        token = AccessToken.objects.get(tenant=lab.tenant)
    assert token.digest not in page
    assert f"{token.prefix}" not in desk.client.get(f"{ADMIN}/lab/").content.decode()


def test_an_edge_is_declared_in_order_and_only_its_end_changes() -> None:
    one, other = make_lab("One"), make_lab("Other")
    desk = Desk("view_conflictedge", "add_conflictedge", "change_conflictedge", "view_tenant")
    form = {
        "tenant_low": max(one.tenant_id, other.tenant_id),
        "tenant_high": min(one.tenant_id, other.tenant_id),
        "starts_on": "2026-11-02",
        "ends_on": "",
        "cooling_off_days": "90",
    }
    assert desk.client.post(f"{ADMIN}/conflictedge/add/", form).status_code == 302
    with platform():
        edge = ConflictEdge.objects.get()
    assert edge.tenant_low_id < edge.tenant_high_id
    changed = {"ends_on": "2026-12-01", "cooling_off_days": "0"}
    assert desk.client.post(f"{ADMIN}/conflictedge/{edge.pk}/change/", changed).status_code == 302
    assert (str(again(edge).ends_on), again(edge).cooling_off_days) == ("2026-12-01", 90)
