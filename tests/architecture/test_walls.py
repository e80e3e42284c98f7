"""Every table has its place before or behind the walls, and PostgreSQL agrees."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from core.walls import Wall, composite_fields, composite_key_name, is_event_model, is_tenant_owned

FLOORS = {"core", "experts", "marketplace", "tasks", "payments", "cadre"}
OURS = [model for model in apps.get_models() if model._meta.app_label in FLOORS]
NOUNS = [model for model in OURS if not is_event_model(model)]
HISTORIES = [model for model in OURS if is_event_model(model)]
WALLED = [model for model in NOUNS if getattr(model, "wall", None) is Wall.TENANT]
LEDGER = [model for model in NOUNS if getattr(model, "wall", None) is Wall.LEDGER]
SEALED = [model for model in NOUNS if getattr(model, "sealed", False)]


def _label(model: type[models.Model]) -> str:
    return model._meta.label


def _one(sql: str, *parameters: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


def _policies(model: type[models.Model]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT policyname FROM pg_policies WHERE tablename = %s", [model._meta.db_table])
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("model", NOUNS, ids=_label)
def test_every_table_declares_its_wall(model: type[models.Model]) -> None:
    assert isinstance(getattr(model, "wall", None), Wall)


@pytest.mark.django_db
@pytest.mark.parametrize("model", WALLED, ids=_label)
def test_a_tenants_table_forces_its_wall(model: type[models.Model]) -> None:
    assert is_tenant_owned(model)
    enabled = _one(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", model._meta.db_table
    )
    assert enabled == (True, True)
    assert _policies(model) == {"lab", "trusted"}


@pytest.mark.django_db
@pytest.mark.parametrize("model", LEDGER, ids=_label)
def test_the_ledger_is_shown_to_the_platform_only(model: type[models.Model]) -> None:
    assert _policies(model) == {"trusted"}


@pytest.mark.django_db
@pytest.mark.parametrize("model", WALLED, ids=_label)
def test_keys_between_tenants_tables_stay_within_the_tenant(model: type[models.Model]) -> None:
    for field in composite_fields(model):
        name = composite_key_name(model._meta.db_table, field.column)
        assert _one("SELECT cardinality(conkey) FROM pg_constraint WHERE conname = %s AND contype = 'f'", name) == (2,)


@pytest.mark.django_db
@pytest.mark.parametrize("model", HISTORIES, ids=_label)
def test_history_cannot_be_written_by_the_application(model: type[models.Model]) -> None:
    rights = _one(
        "SELECT has_table_privilege('cadre_app', %s, 'INSERT, UPDATE, DELETE, TRUNCATE'),"
        " has_table_privilege('cadre_admin', %s, 'INSERT, UPDATE, DELETE, TRUNCATE')",
        *[model._meta.db_table] * 2,
    )
    assert rights == (False, False)


@pytest.mark.django_db
@pytest.mark.parametrize("model", HISTORIES, ids=_label)
def test_history_of_a_walled_table_stands_behind_the_same_wall(model: type[models.Model]) -> None:
    tracked = getattr(model, "pgh_tracked_model")  # noqa: B009  # pghistory sets it on the class
    assert bool(_policies(model)) == (tracked.wall is Wall.TENANT)


@pytest.mark.django_db
@pytest.mark.parametrize("model", SEALED, ids=_label)
def test_sealed_tables_cannot_be_rewritten_by_the_application(model: type[models.Model]) -> None:
    rights = _one(
        "SELECT has_table_privilege('cadre_app', %s, 'UPDATE, DELETE, TRUNCATE'),"
        " has_table_privilege('cadre_admin', %s, 'UPDATE, DELETE, TRUNCATE')",
        *[model._meta.db_table] * 2,
    )
    assert rights == (False, False)


@pytest.mark.django_db
def test_the_tests_work_as_the_application(transactional_db: None) -> None:
    assert _one("SELECT session_user, current_user") == ("cadre_app", "cadre_app")


def test_no_walled_table_is_forgotten() -> None:
    """A table with a tenant that is not behind the wall has said why: it is the kernel's or nullable."""
    assert [
        _label(model)
        for model in NOUNS
        if is_tenant_owned(model) and getattr(model, "wall", None) not in {Wall.TENANT, Wall.KERNEL}
    ] == []
