"""The embedded servers: reachable from this machine only, with production's roles, and gone when their parent is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import PostgresServer, ServerFailed, start_postgres, start_valkey
from config.embedded.processes import command_of

PARENT = """
import sys, time
from pathlib import Path
from config.embedded import start_postgres, start_valkey
postgres, valkey = start_postgres(Path(sys.argv[1]), fsync=False), start_valkey(Path(sys.argv[1]))
print(postgres.process.pid, valkey.process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def postgres(home: Path) -> Iterator[PostgresServer]:
    server = start_postgres(home, fsync=False)
    yield server
    server.stop()


def test_the_application_is_neither_owner_nor_superuser_nor_administrator(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.app_url) as connection:
        row = connection.execute(
            "SELECT current_user, rolsuper, rolbypassrls, rolcreatedb, rolinherit,"
            " pg_has_role('cadre_admin', 'USAGE') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == ("cadre_app", False, False, False, False, False)
        connection.execute("SET ROLE cadre_admin")
        assert connection.execute("SELECT current_user").fetchone() == ("cadre_admin",)


def test_the_application_does_not_inherit_what_only_the_administrator_may_read(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE secret (value text)")
        owner.execute("GRANT SELECT ON secret TO cadre_admin")
    with psycopg.connect(postgres.app_url, autocommit=True) as application:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("SELECT * FROM secret")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("CREATE TABLE mine (value text)")
        application.execute("SET ROLE cadre_admin")
        assert application.execute("SELECT * FROM secret").fetchall() == []


def test_a_policy_for_the_administrator_is_closed_to_the_application(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE walled (value text)")
        owner.execute("INSERT INTO walled VALUES ('seen')")
        owner.execute("GRANT SELECT ON walled TO cadre_app, cadre_admin")
        owner.execute("ALTER TABLE walled ENABLE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY trusted ON walled TO cadre_admin USING (true)")
    with psycopg.connect(postgres.app_url) as application:
        assert application.execute("SELECT * FROM walled").fetchall() == []
        application.execute("SET ROLE cadre_admin")
        assert application.execute("SELECT * FROM walled").fetchall() == [("seen",)]


def test_the_owner_may_make_databases_and_grant_on_its_tables(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
        owner.execute("CREATE DATABASE test_cadre")
        owner.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO cadre_app")
        owner.execute("CREATE EXTENSION btree_gist")
        owner.execute("CREATE TABLE later (value text)")
    with psycopg.connect(postgres.app_url) as application:
        assert application.execute("SELECT * FROM later").fetchall() == []


def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.app_url, password="guess")


def test_a_second_start_keeps_the_data(home: Path) -> None:
    first = start_postgres(home, fsync=False)
    with psycopg.connect(first.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    second = start_postgres(home, fsync=False)
    with psycopg.connect(second.owner_url) as owner:
        assert owner.execute("SELECT answer FROM kept").fetchone() == (42,)
    second.stop()


def test_passwords_are_readable_by_their_owner_alone(home: Path, postgres: PostgresServer) -> None:
    (passwords,) = home.glob("postgres/passwords.json")
    assert passwords.stat().st_mode & 0o777 == 0o600


def test_a_pid_file_that_names_a_stranger_does_not_hinder_the_start(home: Path) -> None:
    start_postgres(home, fsync=False).stop()
    (home / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    start_postgres(home, fsync=False).stop()


def test_data_of_another_version_is_refused_with_a_way_out(home: Path) -> None:
    start_postgres(home, fsync=False).stop()
    (home / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerFailed, match=r"made by PostgreSQL 9, .* Dump and restore it, or set CADRE_HOME"):
        start_postgres(home, fsync=False)


def test_valkey_asks_for_its_password(home: Path) -> None:
    server = start_valkey(home)
    try:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
            port = client.connection_pool.connection_kwargs["port"]
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        server.stop()


def test_killing_the_parent_leaves_no_server_behind(home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, home], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    servers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(servers) == 2
    assert all(command_of(pid) for pid in servers)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and any(command_of(pid) for pid in servers):
        time.sleep(0.05)
    assert not any(command_of(pid) for pid in servers)
    start_postgres(home, fsync=False).stop()


def test_the_watchdog_signals_what_it_was_told_to_watch() -> None:
    """The way of systems without a parent-death signal, shown on any system."""
    watched, forgotten = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    script = Path("config/embedded/watchdog.py")
    watchdog = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, text=True)
    orders = f"watch {watched.pid} {int(signal.SIGTERM)}\nwatch {forgotten.pid} 15\nforget {forgotten.pid} 0\n"
    watchdog.communicate(orders, timeout=10)
    assert watched.wait(timeout=10) == -signal.SIGTERM
    assert forgotten.poll() is None
    forgotten.kill()
    forgotten.wait()
