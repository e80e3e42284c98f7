"""The four roles of the database, created once by a superuser.

    cadre_owner   owns the schema and migrates; nobody works as it
    cadre_app     web, workers and tests log in as it; row-level security holds for it
    cadre_admin   what cadre_app becomes, by SET ROLE, where an operator may look across tenants
    cadre_backup  reads every row for pg_dump, which fails on forced policies otherwise; give it a login where it is used

cadre_app must not *inherit* cadre_admin: a policy names its role, and an inheriting member would pass it without
SET ROLE, so the wall between tenants would stand open. That is why NOINHERIT comes before the grant.
Plain psycopg without Django, because the embedded server needs the roles before any settings are read.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg import sql

_ATTRIBUTES: dict[str, LiteralString] = {
    "cadre_owner": "LOGIN INHERIT CREATEDB NOSUPERUSER NOCREATEROLE NOBYPASSRLS",
    "cadre_admin": "NOLOGIN NOINHERIT NOCREATEDB NOSUPERUSER NOCREATEROLE NOBYPASSRLS",
    "cadre_app": "LOGIN NOINHERIT NOCREATEDB NOSUPERUSER NOCREATEROLE NOBYPASSRLS",
    # Left with the log-in an operator gave it: a second run must not lock the backup out.
    "cadre_backup": "INHERIT NOCREATEDB NOSUPERUSER NOCREATEROLE BYPASSRLS",
}


def bootstrap_roles(superuser_dsn: str, *, owner_password: str, app_password: str, database: str) -> None:
    """Create or repair the roles and the database. Running it again changes nothing but the passwords.

    superuser_dsn  a URL or DSN of a superuser, connecting to any database of the cluster
    Raises psycopg.Error when the server cannot be reached or the log-in may not do it.
    """
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        for role in _ATTRIBUTES:
            _ensure_role(connection, role)
        _set_password(connection, "cadre_owner", owner_password)
        _set_password(connection, "cadre_app", app_password)
        _grant_memberships(connection)
        _ensure_database(connection, database)
    with psycopg.connect(superuser_dsn, dbname=database, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA public OWNER TO cadre_owner")
        connection.execute("GRANT USAGE ON SCHEMA public TO cadre_app, cadre_admin, cadre_backup")


def _ensure_role(connection: psycopg.Connection, role: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb = sql.SQL("ALTER ROLE") if known else sql.SQL("CREATE ROLE")
    attributes = sql.SQL(_ATTRIBUTES[role])
    connection.execute(sql.SQL("{} {} {}").format(verb, sql.Identifier(role), attributes))


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """Hash the password here, so that it is never in a statement that the server may log."""
    encoding = connection.info.encoding
    hashed = connection.pgconn.encrypt_password(password.encode(encoding), role.encode(encoding), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed.decode("ascii")))
    connection.execute(statement)


def _grant_memberships(connection: psycopg.Connection) -> None:
    if connection.info.server_version >= 160000:
        connection.execute("GRANT cadre_admin TO cadre_app WITH INHERIT FALSE, SET TRUE")
    else:  # PostgreSQL 15 knows inheritance only as an attribute of the member, which is NOINHERIT already
        connection.execute("GRANT cadre_admin TO cadre_app")
    connection.execute("GRANT pg_read_all_data TO cadre_backup")


def _ensure_database(connection: psycopg.Connection, database: str) -> None:
    name = sql.Identifier(database)
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER cadre_owner TEMPLATE template0").format(name))
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO cadre_owner").format(name))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO cadre_app, cadre_backup").format(name))
