"""The seed: everybody is there, can log in, and a second run changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from pytest_django import Settings

from config import groups
from config.demo import cast
from config.groups import GROUPS
from core.public import AccessToken, Principal, User, unit_of_work
from experts.public import Expert
from marketplace.models import ConflictEdge
from marketplace.public import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.CADRE_HOME = tmp_path
    settings.DEVELOPMENT = True
    return tmp_path


def seed(home: Path) -> dict[str, Any]:
    call_command("seed")
    found: dict[str, Any] = json.loads((home / "demo-credentials.json").read_text())
    return found


def counts() -> dict[str, int]:
    with unit_of_work(Principal.system("test")):
        models = (User, AccessToken, Authenticator, EmailAddress, Expert, Lab, ConflictEdge, Group)
        return {model.__name__: model._default_manager.count() for model in models}


def test_a_second_seed_changes_nothing(home: Path) -> None:
    first = seed(home)
    before = counts()
    assert seed(home) == first
    assert counts() == before


def test_the_file_holds_what_clients_need_and_is_closed_to_others(home: Path) -> None:
    known = seed(home)
    assert (home / "demo-credentials.json").stat().st_mode & 0o777 == 0o600
    assert known["base_url"].startswith("http")
    assert [lab["name"] for lab in known["labs"]] == [lab.name for lab in cast.LABS]
    assert all(lab["api_key"].startswith("cadre_live_") for lab in known["labs"])
    for expert in known["experts"]:
        assert expert["token"].startswith("cadre_exp_")
        assert {"email", "password", "domain"} <= expert.keys()
    roles = {member["role"] for member in known["staff"]}
    assert roles == set(GROUPS)
    assert all(member["totp_secret"] and member["password"] for member in known["staff"])


def test_a_lost_file_is_healed_by_new_secrets(home: Path) -> None:
    first = seed(home)
    (home / "demo-credentials.json").unlink()
    second = seed(home)
    assert second["labs"][0]["api_key"] != first["labs"][0]["api_key"]
    user = User.objects.get(email=second["staff"][0]["email"])
    assert user.check_password(second["staff"][0]["password"])
    assert not user.check_password(first["staff"][0]["password"])


def test_everybody_can_log_in_with_what_the_file_says(home: Path) -> None:
    known = seed(home)
    for person in [known["experts"][0], known["staff"][0]]:
        user = User.objects.get(email=person["email"])
        assert user.check_password(person["password"])
        assert EmailAddress.objects.filter(user=user, verified=True, primary=True).exists()


def test_the_labs_are_rivals_and_their_keys_reach_their_own_side(home: Path) -> None:
    seed(home)
    with unit_of_work(Principal.system("test")):
        edge = ConflictEdge.objects.get()
        names = {edge.tenant_low.name, edge.tenant_high.name}
    assert names == {lab.name for lab in cast.LABS}


def test_production_gets_the_groups_and_nobody_else(home: Path, settings: Settings) -> None:
    settings.DEVELOPMENT = False
    call_command("seed")
    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)
    assert not User.objects.exists()
    assert not (home / "demo-credentials.json").exists()


def permissions() -> set[str]:
    rows = Permission.objects.filter(content_type__app_label__in=groups.APPS).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_permission_in_the_table_exists(name: str) -> None:
    assert groups.matching(GROUPS[name], permissions())


def test_an_unknown_permission_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"experts\.fly"):
        groups.matching(["experts.fly"], permissions())


def test_nobody_adds_changes_or_deletes_rows() -> None:
    for patterns in GROUPS.values():
        found = groups.matching(patterns, permissions())
        assert not [name for name in found if name.split(".")[1].startswith(("add_", "change_", "delete_"))]


def test_preparing_and_releasing_are_two_groups() -> None:
    prepares = groups.matching(GROUPS["finance_prepare"], permissions())
    releases = groups.matching(GROUPS["finance_release"], permissions())
    assert not {name for name in prepares & releases if not name.split(".")[1].startswith("view_")} & {
        "payments.prepare_payrun",
        "payments.release_payrun",
    }


def test_support_answers_about_pay_without_tax_papers_and_bank_accounts() -> None:
    found = groups.matching(GROUPS["support"], permissions())
    assert {"payments.view_timesheet", "payments.view_payout", "payments.view_statement"} <= found
    hidden = ("tax", "backupwithholding", "selfbilling", "labbilling", "bank", "inboundevent")
    assert not [name for name in found if name.startswith(tuple(f"payments.view_{word}" for word in hidden))]
    assert "payments.view_taxprofile" in groups.matching(GROUPS["auditor"], permissions())


def test_groups_are_brought_back_to_the_table() -> None:
    groups.bring_up_to_date()
    group = Group.objects.get(name="auditor")
    group.permissions.add(Permission.objects.get(codename="delete_user", content_type__app_label="core"))
    groups.bring_up_to_date()
    assert not group.permissions.filter(codename="delete_user").exists()
