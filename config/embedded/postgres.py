"""One PostgreSQL cluster on the loopback address, kept in a folder, with the same roles as production."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from config.embedded.binaries import PostgresBinaries, find_postgres
from config.embedded.processes import Account, ServerFailed, command_of, free_port, spawn, stop, tail, wait_until
from core.roles import bootstrap_roles

DATABASE = "cadre"
_SYSTEM_STORE = Path("/var/lib/cadre")


@dataclass(frozen=True)
class PostgresServer:
    """A running cluster and the three log-ins to its database."""

    port: int
    passwords: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def superuser_url(self) -> str:
        """The superuser's URL: creates roles, nothing else."""
        return self._url("postgres", "postgres")

    @property
    def owner_url(self) -> str:
        """The schema owner's URL: migrations and test databases."""
        return self._url("cadre_owner", DATABASE)

    @property
    def app_url(self) -> str:
        """The application's URL: what web and workers use."""
        return self._url("cadre_app", DATABASE)

    def stop(self) -> None:
        """Disconnect everybody, write everything down and stop (SIGTERM would wait for clients for ever)."""
        stop(self.process, by=signal.SIGINT, grace=30)

    def stop_at_once(self) -> None:
        """Drop everything as in a crash (what `pg_ctl stop -m immediate` does); the next start repairs it."""
        stop(self.process, by=signal.SIGQUIT, grace=30)

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"


@dataclass(frozen=True)
class _Site:
    """Where a cluster lives, which binaries serve it and who runs them."""

    bin: Path
    major: int
    store: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.store / "data"

    @property
    def log(self) -> Path:
        return self.store / "postgres.log"

    def give(self, path: Path, mode: int) -> None:
        """Hand a path to the server's account."""
        path.chmod(mode)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def run(self, *command: str | Path) -> None:
        """Run one of PostgreSQL's tools as the server's account. Raises ServerFailed with what it said."""
        account = self.account
        done = subprocess.run(  # noqa: S603  # our own command lines, never a shell
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_server_env(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode:
            raise ServerFailed(f"{command[0]} failed:\n{done.stderr.strip()}")


def start_postgres(home: Path, *, fsync: bool, port: int = 0) -> PostgresServer:
    """Start the cluster in `home`, creating it when it is not there yet. Raises ServerMissing or ServerFailed.

    fsync  False only for data that may be lost with the power: tests and the private demo
    port   where it listens; 0: on a free one. A restart takes the former one, so that clients find it again
    """
    site = _site(home)
    passwords = _passwords(site.store / "passwords.json")
    if not site.data.exists():
        _create_cluster(site, passwords["postgres"], fsync=fsync)
    _check_version(site)
    _end_former_server(site.data)
    server = _start(site, passwords, fsync=fsync, port=port)
    try:
        bootstrap_roles(
            server.superuser_url,
            owner_password=passwords["cadre_owner"],
            app_password=passwords["cadre_app"],
            database=DATABASE,
        )
    except BaseException:
        server.stop()
        raise
    return server


def _site(home: Path) -> _Site:
    """PostgreSQL refuses to run as root, and the account it runs as instead must reach both binaries and data."""
    found = find_postgres()
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return _Site(found.bin, found.major, _made(home / "postgres", 0o700), None)
    store = home.resolve() / "postgres"
    account = _account_of(store / "data")
    if not account.can_reach(home):
        store = _SYSTEM_STORE / hashlib.sha256(bytes(home.resolve())).hexdigest()[:16]
        account = _account_of(store / "data")
    return _Site(_reachable_bin(found, account), found.major, _made(store, 0o711), account)


def _account_of(data: Path) -> Account:
    """Whoever owns the data already, so that root may start what an ordinary user created; else nobody."""
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    return Account.nobody()


def _reachable_bin(found: PostgresBinaries, account: Account) -> Path:
    """The binaries' folder, copied to a place all users may read when it is below a closed one."""
    if account.can_reach(found.bin / "initdb"):
        return found.bin
    if not found.bundle:
        raise ServerFailed(f"The user nobody cannot reach {found.bin}, and PostgreSQL does not run as root.")
    target = _SYSTEM_STORE / found.label
    if not target.exists():
        staging = _made(target.with_name(f"{target.name}.{os.getpid()}"), 0o755)
        for folder in found.bundle:
            shutil.copytree(folder, staging / folder.name, symlinks=True)
        with suppress(OSError):  # another process was faster
            staging.rename(target)
        shutil.rmtree(staging, ignore_errors=True)
    return target / found.bin.relative_to(found.bundle[0].parent)


def _made(folder: Path, mode: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    return folder


def _passwords(path: Path) -> dict[str, str]:
    """The log-ins' passwords, made once and kept beside the data, readable by the owner alone."""
    if not path.exists():
        fresh = {role: secrets.token_urlsafe(24) for role in ("postgres", "cadre_owner", "cadre_app")}
        staging = path.with_suffix(".new")
        staging.touch(mode=0o600)
        staging.write_text(json.dumps(fresh))
        staging.rename(path)
    known: dict[str, str] = json.loads(path.read_text())
    return known


def _create_cluster(site: _Site, password: str, *, fsync: bool) -> None:
    """initdb in a staging folder: an interrupted one must not look like a cluster."""
    staging, secret = site.store / "data.new", site.store / "superuser"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    site.give(staging, 0o700)
    secret.touch(mode=0o600)
    secret.write_text(password)
    site.give(secret, 0o600)
    # The builtin provider sorts alike on every system; before 17 only the C library's locale comes near.
    locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if site.major >= 17 else ["--locale=C.UTF-8"]
    options = ["--username=postgres", "--encoding=UTF8", "--auth=scram-sha-256", f"--pwfile={secret}", *locale]
    try:
        site.run(site.bin / "initdb", f"--pgdata={staging}", *options, *([] if fsync else ["--no-sync"]))
    finally:
        secret.unlink()
    staging.rename(site.data)


def _check_version(site: _Site) -> None:
    wanted = (site.data / "PG_VERSION").read_text().strip()
    if wanted != str(site.major):
        raise ServerFailed(
            f"{site.data} was made by PostgreSQL {wanted}, the one found here is {site.major}. Dump and restore it, or set "
            "CADRE_HOME to a new folder."
        )


def _end_former_server(data: Path) -> None:
    """After a kill -9 a server may still be shutting down, or its pid file may name a stranger by now."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split()[0])
    deadline = time.monotonic() + 30
    while str(data) in command_of(pid):
        if time.monotonic() > deadline:
            raise ServerFailed(f"A former server (process {pid}) still holds {data}.")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def _start(site: _Site, passwords: dict[str, str], *, fsync: bool, port: int) -> PostgresServer:
    for _ in range(3):  # between choosing a port and listening on it, somebody else may take it
        listens_on = port or free_port()
        with site.log.open("ab") as output:
            process = spawn(
                [site.bin / "postgres", "-D", site.data, *_options(listens_on, fsync=fsync)],
                log=output,
                env=_server_env(),
                death_signal=signal.SIGINT,
                account=site.account,
                cwd=Path("/"),
            )
        server = PostgresServer(listens_on, passwords, process)
        # A crash before the last stop is repaired first, hence the long patience.
        if wait_until(partial(_answers, server.superuser_url), process, seconds=60):
            return server
        server.stop()
    raise ServerFailed(f"PostgreSQL did not start. The end of {site.log}:\n{tail(site.log)}")


def _options(port: int, *, fsync: bool) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # socket paths are limited to about 100 characters; TCP has no such trap
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
    }
    if not fsync:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [f"--{name}={value}" for name, value in settings.items()]


def _server_env() -> dict[str, str]:
    """Nothing of the caller's PG* variables and locale may reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
