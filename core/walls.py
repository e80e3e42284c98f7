"""The wall between labs, raised in the database by every migration that makes a tenant's table.

Four kinds of table: the kernel's own, the tenants', the experts' and the platform's (see :class:`Wall`). A tenant's
table carries ``tenant_id``, forces row-level security even on its owner, and refers to other tenants' tables only by
composite keys, since foreign-key checks look past policies. Ledger tables are shown to the platform's role alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

REACH = "string_to_array(NULLIF(current_setting('app.tenant_ids', true), ''), ',')::bigint[]"

GRANTS = """
GRANT USAGE ON SCHEMA public TO cadre_app, cadre_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cadre_app, cadre_admin;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO cadre_app, cadre_admin;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cadre_app, cadre_admin;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO cadre_app, cadre_admin;
"""


class Wall(StrEnum):
    """Whose rows a table holds."""

    KERNEL = "kernel"
    TENANT = "tenant"
    EXPERT = "expert"
    PLATFORM = "platform"
    LEDGER = "ledger"


class GrantRoles(RunSQL):
    """First operation of all: let the working roles read and write what the owner has made and will make.

    Default privileges belong to one database, so that every test database needs them again.
    """

    def __init__(self) -> None:
        super().__init__(GRANTS, RunSQL.noop)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """What a migration file needs to write this operation down."""
        return type(self).__name__, [], {}


class RaiseWalls(Operation):
    """Last operation of a migration: walls for all tables of the app that have a tenant, and for the ledger's.

    It can run any number of times; what stands already is left alone. ``ledger`` names the models (lower case) whose
    rows only the platform's role may see; ``sealed`` those that nobody but the owner may update or delete;
    ``unwalled`` those read before any scope can be bound.
    """

    reduces_to_sql = False
    reversible = True

    def __init__(
        self, *, ledger: tuple[str, ...] = (), sealed: tuple[str, ...] = (), unwalled: tuple[str, ...] = ()
    ) -> None:
        self.ledger = ledger
        self.sealed = sealed
        self.unwalled = unwalled

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """What a migration file needs to write this operation down."""
        named = {"ledger": self.ledger, "sealed": self.sealed, "unwalled": self.unwalled}
        return type(self).__name__, [], {name: value for name, value in named.items() if value}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Walls are no part of the models' state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Raise what is missing."""
        models_of_app = [
            model
            for model in to_state.apps.get_models(include_auto_created=True)
            if model._meta.app_label == app_label and model._meta.model_name not in self.unwalled
        ]
        # Composite keys come last: each needs the unique key of the table it refers to, in whatever order tables come.
        for make in (self._statements, _composite_keys):
            for model in models_of_app:
                for statement in make(model):
                    schema_editor.execute(statement, params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Tables take their walls with them."""

    def describe(self) -> str:
        """One line for the migration's log."""
        return "Raise the walls between tenants"

    def _statements(self, model: type[models.Model]) -> Iterator[str]:
        table = model._meta.db_table
        if model._meta.model_name in self.ledger:
            yield from _policies(table, reach=None)
        elif is_tenant_owned(model):
            yield from _policies(table, reach=REACH)
        if is_event_model(model):
            yield f'REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON "{table}" FROM cadre_app, cadre_admin'
        elif is_tenant_owned(model):
            yield _once(f"{table}_tenant_key", f'ALTER TABLE "{table}" ADD CONSTRAINT %I UNIQUE (tenant_id, id)')
        if model._meta.model_name in self.sealed:
            yield f'REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM cadre_app, cadre_admin'


def is_event_model(model: type[models.Model]) -> bool:
    """Whether the model is a history table made by pghistory."""
    return any(field.name == "pgh_label" for field in model._meta.fields)


def is_tenant_owned(model: type[models.Model]) -> bool:
    """Whether each row of the model belongs to a tenant."""
    return any(field.name == "tenant" and not field.null for field in model._meta.fields)


def composite_fields(model: type[models.Model]) -> list[models.ForeignKey[Any, Any]]:
    """The keys of a tenant's model to other tenants' models: each must stay within the tenant."""
    return [
        field
        for field in model._meta.fields
        if isinstance(field, models.ForeignKey)
        and field.name != "tenant"
        and not isinstance(field.remote_field.model, str)
        and is_tenant_owned(field.remote_field.model)
    ]


def composite_key_name(table: str, column: str) -> str:
    """The name of the composite foreign key, within PostgreSQL's 63 characters."""
    return f"{table[:30]}_{column[:22]}_in_tenant"


def _composite_keys(model: type[models.Model]) -> Iterator[str]:
    if is_tenant_owned(model) and not is_event_model(model):
        for field in composite_fields(model):
            yield _composite_key(model._meta.db_table, field)


def _composite_key(table: str, field: models.ForeignKey[Any, Any]) -> str:
    target = field.remote_field.model._meta.db_table
    return _once(
        composite_key_name(table, field.column),
        f'ALTER TABLE "{table}" ADD CONSTRAINT %I FOREIGN KEY (tenant_id, "{field.column}")'
        f' REFERENCES "{target}" (tenant_id, id) DEFERRABLE INITIALLY DEFERRED',
    )


def _policies(table: str, *, reach: str | None) -> Iterator[str]:
    yield f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'
    yield f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY'
    if reach:
        yield _policy(table, "lab", f"TO cadre_app USING (tenant_id = ANY ({reach}))")
    yield _policy(table, "trusted", "TO cadre_owner, cadre_admin USING (true)")


def _policy(table: str, name: str, clause: str) -> str:
    return f'DROP POLICY IF EXISTS {name} ON "{table}"; CREATE POLICY {name} ON "{table}" {clause}'


def _once(constraint: str, statement: str) -> str:
    """``statement`` (with %I for the constraint's name), unless that constraint stands already."""
    quoted = statement.replace("'", "''")
    return (  # names of our own tables and constraints, no input
        "DO $do$ BEGIN "
        f"IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = '{constraint}') THEN "
        f"EXECUTE format('{quoted}', '{constraint}'); "
        "END IF; END $do$"
    )
