"""History and guards: written by the database, by nobody else, and not to be silenced."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, transaction

from core.models import Tenant
from core.principal import Kind, Principal
from core.unit_of_work import unit_of_work

TenantHistory: Any = apps.get_model("core", "TenantHistoryRow")
ACTOR = Principal(kind=Kind.STAFF, label="user:usr_1")


@pytest.mark.django_db(transaction=True)
class TestHistory:
    def test_every_change_is_told_with_actor_and_reason(self) -> None:
        with unit_of_work(ACTOR, reason="new customer"):
            tenant = Tenant.objects.create(name="Acme")
            Tenant.objects.filter(pk=tenant.pk).update(name="Acme Research")
        rows = TenantHistory.objects.order_by("pgh_id").values_list("pgh_label", "name", "pgh_context")
        assert [(label, name) for label, name, _ in rows] == [("insert", "Acme"), ("update", "Acme Research")]
        assert all(c["actor"] == "user:usr_1" and c["reason"] == "new customer" for *_, c in rows)

    def test_a_change_of_nothing_leaves_no_row(self) -> None:
        tenant = Tenant.objects.create(name="Acme")
        Tenant.objects.filter(pk=tenant.pk).update(name="Acme")
        assert TenantHistory.objects.count() == 1

    def test_raw_sql_is_seen(self) -> None:
        tenant = Tenant.objects.create(name="Acme")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE core_tenant SET name = 'X' WHERE id = %s", [tenant.pk])
        assert TenantHistory.objects.order_by("-pgh_id")[0].name == "X"

    def test_the_stock_switch_does_not_silence_it(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pgtrigger.ignore', '{insert_insert,update_update}', true)")
            Tenant.objects.create(name="Quiet")
        assert TenantHistory.objects.filter(name="Quiet").count() == 1

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM core_tenanthistoryrow",
            "UPDATE core_tenanthistoryrow SET name = 'never'",
            "INSERT INTO core_tenanthistoryrow SELECT * FROM core_tenanthistoryrow",
            "TRUNCATE core_tenanthistoryrow",
        ],
    )
    @pytest.mark.parametrize("role", ["none", "cadre_admin"])
    def test_the_application_cannot_touch_it(self, sql: str, role: str) -> None:
        Tenant.objects.create(name="Acme")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('role', %s, true)", [role])
                cursor.execute(sql)
        assert TenantHistory.objects.count() == 1
