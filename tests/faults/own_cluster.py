"""A PostgreSQL of a test's own, durable, that may crash, be dumped and restored while the other tests go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from django.db import connection

from config.embedded import start_postgres
from config.embedded.binaries import find_postgres
from tests.faults.commit_proxy import reconnect
from tests.faults.workers import ROOT, wait_until

_PLACE: Final = ("HOST", "PORT", "NAME", "USER", "PASSWORD")


class OwnCluster:
    """A migrated cluster in ``home``."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.server = start_postgres(home, fsync=True)
        env = {**os.environ, "DATABASE_URL": self.server.app_url, "DATABASE_OWNER_URL": self.server.owner_url}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0", "--no-input"], cwd=ROOT, env=env, check=True)

    def crash(self) -> None:
        """What `pg_ctl restart -m immediate` does: everybody is thrown out, and the log is replayed."""
        self.server.stop_at_once()
        self.server = start_postgres(self._home, fsync=True, port=self.server.port)

    def stop(self) -> None:
        """For good."""
        self.server.stop()

    def waits_for_a_lock(self) -> bool:
        """Whether somebody of the application waits."""
        with self.superuser() as connected:
            row = connected.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cadre_app' AND wait_event_type = 'Lock'"
            ).fetchone()
        return bool(row and row[0])

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody gets at a table for the time of the block; afterwards the server may have crashed."""
        holder = psycopg.connect(self.server.owner_url)
        try:
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
        finally:
            holder.close()

    def crash_while_somebody_waits(self) -> None:
        """Crash in the middle of a transaction that waits for a lock."""
        wait_until(self.waits_for_a_lock, what="somebody is in the middle of it")
        self.crash()

    def dump(self, path: Path) -> None:
        """A backup, as `pg_dump -Fc` makes it."""
        self._tool("pg_dump", "-Fc", "-f", str(path))

    def restore(self, path: Path) -> None:
        """Put the backup in the place of what there is."""
        reconnect()
        with psycopg.connect(self.server.superuser_url, autocommit=True) as connected:
            connected.execute("DROP DATABASE cadre WITH (FORCE)")
            connected.execute("CREATE DATABASE cadre OWNER cadre_owner")
        self._tool("pg_restore", "-d", "cadre", str(path))

    def superuser(self) -> psycopg.Connection[Any]:
        """A connection that may see everything."""
        return psycopg.connect(self.server.superuser_url.rpartition("/")[0] + "/cadre", autocommit=True)

    def _tool(self, name: str, *options: str) -> None:
        where = urlsplit(self.server.superuser_url)
        env = {"PGPASSWORD": where.password or "", "PATH": os.environ["PATH"], "LC_ALL": "C"}
        place = ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", "postgres"]
        database = ["cadre"] if name == "pg_dump" else []
        subprocess.run([find_postgres().bin / name, *place, *options, *database], env=env, check=True)


def placed_in(cluster: OwnCluster) -> None:
    """Work in the cluster's database from now on."""
    own = urlsplit(cluster.server.app_url)
    reconnect(HOST="127.0.0.1", PORT=cluster.server.port, NAME="cadre", USER=own.username, PASSWORD=own.password)


@contextmanager
def used(cluster: OwnCluster) -> Iterator[OwnCluster]:
    """Work in a fresh copy of the cluster's database for the time of the block."""
    _copy(cluster, "cadre", "untouched")
    former = {name: connection.settings_dict[name] for name in _PLACE}
    placed_in(cluster)
    try:
        yield cluster
    finally:
        reconnect(**former)
        _copy(cluster, "untouched", "cadre")


def _copy(cluster: OwnCluster, source: str, target: str) -> None:
    with psycopg.connect(cluster.server.superuser_url, autocommit=True) as connected:
        connected.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        connected.execute(f"CREATE DATABASE {target} TEMPLATE {source} OWNER cadre_owner")
