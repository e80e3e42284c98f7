"""A rival's things are not there: in paths, nested paths and bodies alike, with the words of a random id."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.urls import URLPattern

from core import ids
from core.public import AccessToken, Event
from core.unit_of_work import unit_of_work
from marketplace.api.urls import expert_urlpatterns, lab_urlpatterns
from marketplace.models import Contract, LabExpert, LabMember, Offer, Opening, OpeningListing, Project
from marketplace.operations import amendments, applications
from marketplace.operations.later_terms import Change
from tests.core.api.conftest import Caller, pointers, problem
from tests.marketplace.world import (
    HOUR,
    NOW,
    admin_of,
    expert_caller,
    expert_principal,
    lab_caller,
    make_contract,
    make_expert,
    make_lab,
    make_opening,
    make_project,
    platform,
)

V1 = "/api/v1"
MARKS = {
    "member_id": "mem",
    "key_id": "key",
    "card_id": "rcd",
    "project_id": "prj",
    "opening_id": "opn",
    "application_id": "app",
    "offer_id": "off",
    "contract_id": "ctr",
    "amendment_id": "amd",
    "event_id": "evt",
}
METHODS = ("get", "post", "patch", "delete")
BODIES: dict[str, Any] = {
    "members": {"role": "viewer"},
    "projects": {"name": "Mine now"},
    "instructions": {"body": "# Mine"},
    "openings": {"title": "Mine now"},
    "offers": {"candidates": [ids.new_id("pex", random=True)]},
    "reject": {"decided_by": "a@b.example", "reason_code": "other", "explanation": "Mine."},
    "pause": {"decided_by": "a@b.example", "reason_code": "other", "explanation": "Mine."},
    "end": {"decided_by": "a@b.example", "reason": "completed", "explanation": "Mine."},
    "amendments": {
        "decided_by": "a@b.example",
        "weekly_cap": "PT20H",
        "effective_at": "2026-12-01T00:00:00Z",
        "reason": "Mine.",
    },
    "acknowledge": {"version": ids.new_id("ins")},
    "accept": {"signatures": []},
    "launch": {},
}
NESTED_OPENING = {
    "title": "Mine",
    "seats": 1,
    "requirement": {"domain": "medicine"},
    "tier": "expert",
    "weekly_cap": "PT1H",
}


def _body_for(path: str, method: str) -> Any:
    if method in {"get", "delete"}:
        return None
    if path.startswith("projects/") and path.endswith("/openings"):
        return NESTED_OPENING
    parts = path.split("/")
    if (path.startswith(("openings/", "projects/")) and parts[-1] == "pause") or path.startswith("amendments/"):
        return None
    return BODIES.get(parts[-1] if not parts[-1].startswith("<") else parts[-2])


def _handlers(patterns: list[URLPattern]) -> list[tuple[str, str]]:
    """(method, path with names) of every endpoint that takes an id."""
    found = []
    for pattern in patterns:
        view: Any = pattern.callback
        route = str(pattern.pattern)
        found += [(method, route) for method in METHODS if "<" in route and hasattr(view.view_class, method)]
    return found


def _fill(route: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        route = route.replace(f"<str:{name}>", value)
    return route


def _without_address(response: Any) -> Any:
    document = response.json()
    return {name: value for name, value in document.items() if name not in {"instance", "request_id"}}


@pytest.fixture
def rivals_ids(db: None) -> dict[str, str]:
    """Everything a rival has, of every kind that a path names."""
    rival = make_lab("Rival")
    lab_caller(rival)
    opening = make_opening(make_project(rival))
    ada = make_expert()
    contract = make_contract(opening, ada)
    eve = make_expert("eve@example.org")
    with platform():
        listing = OpeningListing.objects.get()
    with unit_of_work(expert_principal(eve)):
        application = applications.submit(listing=listing, expert=eve, now=NOW)
    with platform():
        offer = Offer.objects.get(contract=contract)
        amendment = amendments.propose(
            contract=contract,
            change=Change(week_cap_seconds=40 * HOUR),
            effective_at=NOW + dt.timedelta(days=2),
            reason="Ours.",
            proposed_by=admin_of(rival),
            now=NOW,
        )
        return {
            "amendment_id": amendment.public_id,
            "member_id": LabMember.objects.get(tenant=rival.tenant).public_id,
            "key_id": AccessToken.objects.get(tenant=rival.tenant).public_id,
            "project_id": opening.project.public_id,
            "opening_id": opening.public_id,
            "application_id": application.public_id,
            "offer_id": offer.public_id,
            "contract_id": contract.public_id,
            "event_id": Event.objects.filter(tenant=rival.tenant)[0].public_id,
            "card_id": ids.new_id("rcd"),
        }


def test_every_lab_path_answers_a_rivals_id_like_a_random_one(rivals_ids: dict[str, str]) -> None:
    ours = lab_caller(make_lab("Ours"))
    random = {name: ids.new_id(prefix) for name, prefix in MARKS.items()}
    tried = 0
    for method, route in _handlers(lab_urlpatterns):
        body = _body_for(route, method)
        answers = [
            ours(method.upper(), f"{V1}/{_fill(route, values)}", body, Idempotency_Key=ids.new_id("key"))
            for values in (rivals_ids, random)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (method, route, answers[0].content)
        assert _without_address(answers[0]) == _without_address(answers[1]), (method, route)
        tried += 1
    assert tried > 35


def test_every_expert_path_answers_anothers_id_like_a_random_one(rivals_ids: dict[str, str]) -> None:
    stranger = expert_caller(make_expert("stranger@example.org"))
    random = {name: ids.new_id(prefix) for name, prefix in MARKS.items()}
    tried = 0
    for method, route in _handlers(expert_urlpatterns):
        if route.startswith("openings/"):
            continue  # the board is for everybody
        body = _body_for(route, method)
        answers = [
            stranger(method.upper(), f"{V1}/expert/{_fill(route, values)}", body, Idempotency_Key=ids.new_id("key"))
            for values in (rivals_ids, random)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (method, route, answers[0].content)
        assert _without_address(answers[0]) == _without_address(answers[1]), (method, route)
        tried += 1
    assert tried >= 9


def test_a_rivals_things_in_bodies_are_not_there(rivals_ids: dict[str, str]) -> None:
    lab = make_lab("Ours")
    ours = lab_caller(lab)
    opening = make_opening(make_project(lab))
    with platform():
        rivals_candidate = LabExpert.objects.all()[0].public_id
    path = f"{V1}/openings/{opening.public_id}/offers"
    for mine, random in (
        ({"candidates": [rivals_candidate]}, {"candidates": [ids.new_id("pex", random=True)]}),
        ({"applications": [rivals_ids["application_id"]]}, {"applications": [ids.new_id("app")]}),
    ):
        answers = [ours("POST", path, body) for body in (mine, random)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert _without_address(answers[0]) == _without_address(answers[1])
    contract = make_contract(opening, make_expert("zoe@example.org"))
    for who in (rivals_ids["member_id"], "admin@rival.example"):
        body = {"decided_by": who, "reason_code": "other", "explanation": "By a stranger."}
        refused = problem(ours("POST", f"{V1}/contracts/{contract.public_id}/pause", body), 400, "invalid")
        assert pointers(refused) == {"/decided_by": "unknown_member"}


def test_a_rivals_things_in_filters_find_nothing(rivals_ids: dict[str, str]) -> None:
    ours = lab_caller(make_lab("Ours"))
    for noun in ("applications", "offers", "contracts"):
        for name in ("opening", "project"):
            found = ours("GET", f"{V1}/{noun}?{name}={rivals_ids[f'{name}_id']}")
            assert found.json()["results"] == []
    for noun in ("projects", "applications", "offers", "contracts", "lab/members", "api-keys"):
        seen = str(ours("GET", f"{V1}/{noun}").json())
        assert not any(theirs in seen for theirs in rivals_ids.values())
    assert ours("GET", f"{V1}/events?subject={rivals_ids['offer_id']}").json()["results"] == []


def test_two_labs_know_one_expert_by_different_names(db: None) -> None:
    ada, seen = make_expert(), []
    for name in ("Ours", "Theirs"):
        lab = make_lab(name)
        make_contract(make_opening(make_project(lab)), ada)
        caller = lab_caller(lab)
        (contract,) = caller("GET", f"{V1}/contracts").json()["results"]
        seen.append(contract["candidate"])
        everything = str([caller("GET", f"{V1}/{noun}").json() for noun in ("contracts", "offers", "events")])
        assert ada.public_id not in everything
        assert "Lovelace" not in everything
    assert seen[0] != seen[1]


def test_postgresql_hides_a_rivals_rows_when_a_filter_is_forgotten(rivals_ids: dict[str, str]) -> None:
    stranger = make_expert("stranger@example.org")
    with unit_of_work(expert_principal(stranger)):
        assert not Project.objects.exists()
        assert not Opening.objects.exists()
        assert not Contract.objects.exists()
        assert not Project.objects.filter(public_id=rivals_ids["project_id"]).update(name="Mine now")


def test_an_application_that_is_refused_gives_no_reach(db: None) -> None:
    lab = make_lab()
    opening = make_opening(make_project(lab))
    with platform():
        insider = make_expert(user=LabMember.objects.get().user)
    caller = expert_caller(insider)
    refused = problem(caller("POST", f"{V1}/expert/applications", {"opening": opening.public_id}), 409, "not_eligible")
    assert [reason["code"] for reason in refused["reasons"]] == ["own_lab"]
    with platform():
        assert not LabExpert.objects.exists()


def test_a_key_does_what_its_scopes_say_and_no_more(db: None) -> None:
    lab = make_lab()
    opening = make_opening(make_project(lab))
    reader = lab_caller(lab, "openings:read", "keys:write")
    assert reader("GET", f"{V1}/openings/{opening.public_id}").status_code == 200
    refused = problem(reader("POST", f"{V1}/openings/{opening.public_id}/pause"), 403, "permission_denied")
    assert refused["required_scope"] == "openings:write"
    problem(reader("GET", f"{V1}/projects"), 403, "permission_denied")
    problem(expert_caller(make_expert())("GET", f"{V1}/projects"), 403, "permission_denied")
    problem(reader("GET", f"{V1}/expert/openings"), 403, "permission_denied")
    problem(Caller()("GET", f"{V1}/projects"), 401, "not_authenticated")


class TestApiKeys:
    """Keys give what their maker has, show their secret once, and end."""

    def test_the_secret_is_shown_once_and_works(self, db: None) -> None:
        lab = lab_caller(make_lab())
        body = {"name": "import", "scopes": ["projects:read"]}
        first = lab("POST", f"{V1}/api-keys", body, Idempotency_Key="once")
        made = first.json()
        assert made["secret"].startswith(made["prefix"])
        replay = lab("POST", f"{V1}/api-keys", body, Idempotency_Key="once")
        assert (replay.json()["id"], replay.json()["secret"]) == (made["id"], None)
        assert made["secret"] not in str(lab("GET", f"{V1}/api-keys").json())
        fresh = Caller(Authorization=f"Bearer {made['secret']}")
        assert fresh("GET", f"{V1}/projects").status_code == 200
        problem(fresh("GET", f"{V1}/api-keys"), 403, "permission_denied")

    def test_nobody_gives_more_than_he_has(self, db: None) -> None:
        lab = make_lab()
        weak = lab_caller(lab, "keys:write", "projects:read")
        problem(weak("POST", f"{V1}/api-keys", {"name": "x", "scopes": ["projects:write"]}), 403, "permission_denied")
        unknown = weak("POST", f"{V1}/api-keys", {"name": "x", "scopes": ["projects:read", "world:write"]})
        assert pointers(problem(unknown, 400, "invalid")) == {"/scopes/1": "unknown_scope"}
        with platform():
            assert AccessToken.objects.filter(tenant=lab.tenant).count() == 1

    def test_a_rotated_key_works_for_a_day_and_a_revoked_one_not_at_all(self, db: None) -> None:
        lab = lab_caller(make_lab())
        made = lab("POST", f"{V1}/api-keys", {"name": "x", "scopes": ["projects:read"]}).json()
        old = Caller(Authorization=f"Bearer {made['secret']}")
        rotated = lab("POST", f"{V1}/api-keys/{made['id']}/rotate")
        assert rotated.status_code == 201
        new = Caller(Authorization=f"Bearer {rotated.json()['secret']}")
        assert [key("GET", f"{V1}/projects").status_code for key in (old, new)] == [200, 200]
        lab("POST", f"{V1}/api-keys/{rotated.json()['id']}/revoke")
        problem(new("GET", f"{V1}/projects"), 401, "not_authenticated")
        problem(lab("POST", f"{V1}/api-keys/{rotated.json()['id']}/revoke"), 409, "token_revoked")

    def test_a_live_key_makes_test_keys_that_reach_the_sandbox_alone(self, db: None) -> None:
        lab = make_lab()
        live = lab_caller(lab)
        make_project(lab)
        body = {"name": "trial", "scopes": ["projects:write", "lab:read", "keys:write"], "sandbox": True}
        secret = live("POST", f"{V1}/api-keys", body).json()["secret"]
        assert secret.startswith("cadre_test_")
        test = Caller(Authorization=f"Bearer {secret}")
        assert test("GET", f"{V1}/lab").json()["sandbox"] is True
        assert test("GET", f"{V1}/projects").json()["results"] == []
        again = test("POST", f"{V1}/api-keys", {"name": "more", "scopes": ["lab:read"], "sandbox": False}).json()
        assert again["secret"].startswith("cadre_test_")


class TestMembers:
    """People act for labs; one admin stays."""

    def test_members_come_change_and_go(self, db: None) -> None:
        lab = lab_caller(make_lab())
        made = lab("POST", f"{V1}/lab/members", {"email": "New@Acme.example", "role": "viewer"})
        assert (made.status_code, made.json()["email"]) == (201, "new@acme.example")
        path = f"{V1}/lab/members/{made.json()['id']}"
        assert lab("PATCH", path, {"role": "reviewer"}).json()["role"] == "reviewer"
        assert lab("DELETE", path).status_code == 204
        problem(lab("GET", path), 404, "not_found")

    def test_the_last_admin_stays(self, db: None) -> None:
        lab = lab_caller(make_lab())
        (admin,) = lab("GET", f"{V1}/lab/members").json()["results"]
        problem(lab("DELETE", f"{V1}/lab/members/{admin['id']}"), 409, "last_admin")
        problem(lab("PATCH", f"{V1}/lab/members/{admin['id']}", {"role": "viewer"}), 409, "last_admin")
        assert lab("GET", f"{V1}/lab/members").json()["results"] == [admin]

    def test_a_viewer_decides_nothing(self, db: None) -> None:
        lab = make_lab()
        caller = lab_caller(lab)
        viewer = caller("POST", f"{V1}/lab/members", {"email": "v@acme.example", "role": "viewer"}).json()
        contract = make_contract(make_opening(make_project(lab)), make_expert())
        body = {"decided_by": viewer["id"], "reason_code": "other", "explanation": "I only look."}
        refused = problem(caller("POST", f"{V1}/contracts/{contract.public_id}/pause", body), 400, "invalid")
        assert pointers(refused) == {"/decided_by": "may_not_decide"}
