"""The scope of a transaction: what a caller reaches, and that it ends with the transaction."""

from __future__ import annotations

import pytest
from django.db import DataError, connection, transaction
from django.db.models.expressions import RawSQL

from core import scope
from core.models import Tenant
from core.principal import Kind, Principal
from core.unit_of_work import unit_of_work

LAB = Principal(kind=Kind.LAB, label="key:a", tenant_id=7, tenant_ids=(7,))
EXPERT = Principal(kind=Kind.EXPERT, label="user:b", tenant_ids=(7, 9))
JOB = Principal.system("tests.scope")


def bound() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, coalesce(current_setting('app.tenant_ids', true), '')")
        role, tenants = cursor.fetchone()
    return role, tenants


@pytest.mark.django_db(transaction=True)
class TestScope:
    def test_outside_a_transaction_nothing_can_be_bound(self) -> None:
        with pytest.raises(scope.ScopeError):
            scope.bind(LAB)

    @pytest.mark.parametrize(
        ("principal", "expected"),
        [(LAB, ("cadre_app", "7")), (EXPERT, ("cadre_app", "7,9")), (JOB, ("cadre_admin", ""))],
    )
    def test_a_unit_of_work_binds_its_principal(self, principal: Principal, expected: tuple[str, str]) -> None:
        with unit_of_work(principal):
            assert bound() == expected
        assert bound() == ("cadre_app", "")

    def test_the_platforms_role_is_given_back(self) -> None:
        with unit_of_work(LAB):
            with scope.as_platform():
                assert bound() == ("cadre_admin", "7")
            assert bound() == ("cadre_app", "7")

    def test_the_platforms_role_is_given_back_after_an_error(self) -> None:
        with unit_of_work(LAB):
            with pytest.raises(ValueError, match="refused"), scope.as_platform():
                raise ValueError("refused")
            assert bound() == ("cadre_app", "7")

    def test_a_failed_statement_keeps_its_own_error(self) -> None:
        Tenant.objects.create(name="Acme")
        with pytest.raises(DataError, match="division by zero"), unit_of_work(LAB), scope.as_platform():
            Tenant.objects.annotate(broken=RawSQL("1 / 0", [])).first()
        assert bound() == ("cadre_app", "")

    def test_reach_can_grow_within_a_transaction(self) -> None:
        with unit_of_work(LAB):
            scope.extend(9)
            assert bound() == ("cadre_app", "7,9")
        with transaction.atomic():
            assert bound() == ("cadre_app", "")

    def test_a_nested_unit_gives_the_outer_scope_back(self) -> None:
        with unit_of_work(LAB):
            with unit_of_work(JOB):
                assert bound() == ("cadre_admin", "")
            assert bound() == ("cadre_app", "7")
