"""Who was let into what, and taken out again: groups of operators, single rights, labs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import ProgrammingError, connection, transaction

from core.principal import Kind, Principal
from core.public import Operation, Tenant, TenantAccess, User, unit_of_work
from tests.core.api.conftest import problem
from tests.marketplace.test_desk import Desk
from tests.marketplace.world import NOW, lab_caller, make_lab

ACTOR = Principal(kind=Kind.STAFF, label="user:usr_boss")
pytestmark = pytest.mark.django_db(transaction=True)


def told(user: User) -> Any:
    """The page of the user's history, as an auditor sees it."""
    desk = Desk("view_user", email="auditor@example.org")
    page = desk.client.get(f"/admin/core/user/{user.pk}/history/")
    assert page.status_code == 200
    return page.context["rows"]


def test_the_desk_tells_who_put_whom_into_which_group_and_took_him_out() -> None:
    ada = User.objects.create_user("ada@example.org")
    releasing, preparing = Group.objects.create(name="releasing"), Group.objects.create(name="preparing")
    with unit_of_work(ACTOR, reason="she joins finance"):
        ada.groups.add(releasing)
        ada.groups.set([preparing])
    rows = [(row["what"], row["who"], row["why"], row["changes"]) for row in told(ada)]
    who = ("user:usr_boss", "she joins finance")
    assert rows[:3] == [
        ("insert", *who, [("group", None, "preparing")]),
        ("delete", *who, [("group", "releasing", None)]),
        ("insert", *who, [("group", None, "releasing")]),
    ]


def test_single_rights_and_labs_are_told_too() -> None:
    ada, lab = User.objects.create_user("ada@example.org"), Tenant.objects.create(name="Acme")
    right = Permission.objects.get(codename="view_tenant")
    with unit_of_work(ACTOR):
        ada.user_permissions.add(right)
    with unit_of_work(ACTOR):
        TenantAccess.objects.create(user=ada, tenant=lab)
    with unit_of_work(ACTOR):
        TenantAccess.objects.filter(user=ada).delete()
    changes = [change for row in told(ada) for change in row["changes"] if change[0] in {"permission", "tenant"}]
    assert changes == [("tenant", "Acme", None), ("tenant", None, "Acme"), ("permission", None, str(right))]


def test_raw_sql_leaves_its_row_and_nobody_writes_one_himself() -> None:
    ada, group = User.objects.create_user("ada@example.org"), Group.objects.create(name="releasing")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO core_user_groups (user_id, group_id) VALUES (%s, %s)", [ada.pk, group.pk])
        cursor.execute("DELETE FROM core_user_groups")
    assert [row["what"] for row in told(ada)][:2] == ["delete", "insert"]
    for table in ("usergroup", "userpermission", "tenantaccess"):
        for statement in (f"DELETE FROM core_{table}historyrow", f"UPDATE core_{table}historyrow SET user_id = 1"):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(statement)


def test_a_key_reads_operations_by_its_scope() -> None:
    """A rival's operation is not there; without the scope nothing is."""
    lab, rival = make_lab(), make_lab("Rival")
    mine, theirs = (
        Operation.objects.create(kind="tests.none", tenant=owner.tenant, actor="key:x", lease_until=NOW)
        for owner in (lab, rival)
    )
    path = "/api/v1/operations"
    reader = lab_caller(lab, "operations:read")
    assert reader("GET", f"{path}/{mine.public_id}").json()["id"] == mine.public_id
    problem(reader("GET", f"{path}/{theirs.public_id}"), 404, "not_found")
    refused = problem(lab_caller(lab, "projects:write")("GET", f"{path}/{mine.public_id}"), 403, "permission_denied")
    assert refused["required_scope"] == "operations:read"
