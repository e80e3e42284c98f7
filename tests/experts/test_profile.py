"""What an expert says about himself."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from core import tokens
from core.public import User
from core.row_history import recent_history
from experts.models import Expert, IdentityVerification
from experts.operations import credentials, verifications
from tests.experts.people import Api, make_user, upload

NAMED = {
    "legal_name": "Ada Lovelace",
    "country": "GB",
    "zone": "Europe/London",
    "languages": ["en", "pt-BR"],
    "years": 9,
}


def test_a_profile_is_changed_member_by_member(ada: Api) -> None:
    changed = ada.patch("/", {**NAMED, "domains": [{"domain": "medicine.cardiology", "level": 4, "years": 12}]})
    assert changed.status_code == 200, changed.json()
    assert {name: changed.json()[name] for name in NAMED} == NAMED
    assert changed.json()["domains"] == [
        {"domain": "medicine.cardiology", "name": "Cardiology", "level": 4, "years": 12, "proven": False}
    ]
    assert changed.json()["tier"]["tier"] == "generalist"
    assert changed.json()["tier"]["missing"]

    headline = ada.patch("/", {"headline": "Cardiologist"}).json()
    assert headline["legal_name"] == "Ada Lovelace"
    assert len(headline["domains"]) == 1
    assert ada.patch("/", {"domains": []}).json()["domains"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"tier": "principal"}, "/tier"),
        ({"country": "EU"}, "/country"),
        ({"country": "germany"}, "/country"),
        ({"zone": "Europe/Atlantis"}, "/zone"),
        ({"languages": ["english"]}, "/languages/0"),
        ({"languages": "en"}, "/languages"),
        ({"years": "9"}, "/years"),
        ({"years": 81}, "/years"),
        ({"legal_name": ""}, "/legal_name"),
        ({"domains": [{"domain": "alchemy", "level": 1}]}, "/domains/0/domain"),
        ({"domains": [{"level": 1}]}, "/domains/0/domain"),
        ({"domains": [{"domain": "law", "level": 6}]}, "/domains/0/level"),
        ({"domains": [{"domain": "law", "level": 1}, {"domain": "law", "level": 2}]}, "/domains/1/domain"),
    ],
)
def test_wrong_input_names_its_place_and_changes_nothing(ada: Api, body: dict[str, Any], pointer: str) -> None:
    answer = ada.patch("/", {"headline": "new", **body})
    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert Expert.objects.get(pk=ada.expert.pk).headline == ""


def test_who_becomes_an_expert_by_looking_stands_in_the_history(db: None) -> None:
    user = make_user("new@example.org", name="Nina New")
    secret = tokens.mint_expert_token(user=user, name="tests").secret
    looked = Client().get("/api/v1/expert/", headers={"Authorization": f"Bearer {secret}"})
    assert looked.status_code == 200
    (row,) = recent_history(Expert.objects.get(user=user))
    assert (row["what"], row["who"]) == ("insert", f"user:{user.public_id}")


def test_the_last_slash_may_be_left_away(ada: Api) -> None:
    assert ada.get("").json() == ada.get("/").json()


def test_availability_is_durations_outside(ada: Api) -> None:
    assert ada.get("/availability").json() == {"weekly": "PT0S", "daily_cap": None, "open_to_offers": True}
    changed = ada.patch("/availability", {"weekly": "PT20H", "daily_cap": "PT3H30M"})
    assert changed.json() == {"weekly": "PT20H", "daily_cap": "PT3H30M", "open_to_offers": True}
    assert ada.patch("/availability", {"daily_cap": None}).json()["daily_cap"] is None
    assert ada.patch("/availability", {"weekly": "PT169H"}).status_code == 400
    assert ada.patch("/availability", {"daily_cap": "PT25H"}).status_code == 400
    assert ada.get("/availability").json()["weekly"] == "PT20H"


def test_a_verified_identity_fixes_the_legal_name(ada: Api, verifier: User) -> None:
    from core import clock

    identity = credentials.submit_identity(
        expert=ada.expert, file=upload(), kind="passport", country="GB", legal_name="Augusta Ada King", now=clock.now()
    )
    IdentityVerification.objects.filter(pk=identity.pk).update(status="pending")
    identity.document.__class__.objects.update(status="clean")
    verifications.verify(claim=identity, reason="Matches the photo.", by=verifier, now=clock.now())

    profile = ada.get("/").json()
    assert (profile["legal_name"], profile["identity"]) == ("Augusta Ada King", "verified")
    locked = ada.patch("/", {"legal_name": "Somebody Else"})
    assert (locked.status_code, locked.json()["code"]) == (409, "legal_name_locked")
    assert ada.patch("/", {"legal_name": "Augusta Ada King", "headline": "x"}).status_code == 200


def test_the_taxonomy_is_listed(ada: Api) -> None:
    first = ada.get("/domains", limit="2").json()
    assert [row["code"] for row in first["results"]] == ["medicine", "medicine.anaesthesiology"]
    assert first["results"][1]["parent"] == "medicine"
    assert first["next"]
