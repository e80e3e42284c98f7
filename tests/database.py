"""The test database between two transactional tests: emptied as its owner, and given back what migrations put there.

Django's own flush would run as cadre_app, which may not truncate, and would drop the reference data of data migrations
(the taxonomy, the rate card, groups) for every test that follows.
"""

from __future__ import annotations

import pgtrigger
import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

_SNAPSHOT = "reference_data"


def take_snapshot() -> None:
    """Copy every non-empty table aside, once after the migrations."""
    with _as_owner() as owner:
        owner.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(_SNAPSHOT)))
        owner.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SNAPSHOT)))
        for table in _used_tables(owner, "public"):
            owner.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(_copy(table), _original(table)))


def restore_snapshot() -> None:
    """Empty every table that has rows, then put the reference data back with its keys."""
    with _as_owner() as owner:
        owner.execute("SET lock_timeout = '20s'")  # a test that left a transaction open fails here, with its name
        kept = _used_tables(owner, _SNAPSHOT)
        used = sorted({*_used_tables(owner, "public"), *kept})
        _let_truncate(owner)
        if used:
            # CASCADE adds only empty tables that refer to these.
            owner.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(_original, used))))
        _switch_triggers(owner, kept, on=False)  # history triggers would write rows of their own
        for table in kept:
            _refill(owner, table)
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL alters no table that has pending checks
        _switch_triggers(owner, kept, on=True)


def _let_truncate(owner: psycopg.Connection) -> None:
    """Ask the triggers that refuse TRUNCATE to look away; the guards of rows cannot be asked."""
    names = [trigger.get_pgid(model) for model, trigger in pgtrigger.registered()]
    owner.execute("SELECT set_config('pgtrigger.ignore', %s, true)", ["{" + ",".join(names) + "}"])


def _switch_triggers(owner: psycopg.Connection, tables: list[str], *, on: bool) -> None:
    verb = sql.SQL("ENABLE") if on else sql.SQL("DISABLE")
    for table in tables:
        owner.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(_original(table), verb))


def _refill(owner: psycopg.Connection, table: str) -> None:
    columns = owner.execute(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        [_original(table).as_string(owner)],
    )
    owner.execute(
        sql.SQL("INSERT INTO {original} ({columns}) SELECT {columns} FROM {copy}").format(
            original=_original(table),
            columns=sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns),
            copy=_copy(table),
        )
    )


def _as_owner() -> psycopg.Connection:
    login = settings.DATABASE_OWNER
    database = connection.settings_dict
    return psycopg.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        dbname=database["NAME"],
        user=login["USER"],
        password=login["PASSWORD"],
    )


def _used_tables(owner: psycopg.Connection, schema: str) -> list[str]:
    rows = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)"
        " AND relname <> 'django_migrations' AND pg_relation_size(oid) > 0 ORDER BY relname",
        [schema],
    )
    return [name for (name,) in rows]


def _original(table: str) -> sql.Identifier:
    return sql.Identifier("public", table)


def _copy(table: str) -> sql.Identifier:
    return sql.Identifier(_SNAPSHOT, table)
