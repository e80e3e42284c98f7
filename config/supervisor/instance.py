"""An instance: a folder, a port, the servers and the environment that all its processes share."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import start_postgres, start_valkey

ROOT = Path(__file__).resolve().parents[2]


class CannotStart(RuntimeError):
    """Something outside Cadre prevents the start; the message says what to do."""


@dataclass
class Instance:
    """One Cadre on this machine.

    home       holds data, logs and generated secrets
    durable    False: the data may be lost with the power (the private demo)
    env        the environment of every process, complete once the servers run
    resources  what has to be undone at the end, the latest first
    """

    home: Path
    port: int
    durable: bool = True
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    resources: ExitStack = field(default_factory=ExitStack)

    @property
    def base_url(self) -> str:
        """Where the site answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> Path:
        """The development log-ins and keys that the seed writes (0600)."""
        return self.home / "demo-credentials.json"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.home / "log"

    def open(self) -> None:
        """Take the folder and the port, and complete the environment. Raises CannotStart."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.home / "static"):
            folder.mkdir(exist_ok=True)
        self._take_lock()
        self._require_free_port()
        self.env.setdefault("CADRE_MODE", "development")
        self.env.setdefault("SECRET_KEY", self._secret_key())
        self.env.setdefault("BASE_URL", self.base_url)
        self.env |= {"CADRE_HOME": str(self.home), "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}

    def start_servers(self) -> None:
        """Start PostgreSQL and Valkey unless the environment names running ones. Raises CannotStart or ServerFailed."""
        if "DATABASE_URL" not in self.env:
            postgres = start_postgres(self.home, fsync=self.durable)
            self.resources.callback(postgres.stop)
            self.env |= {"DATABASE_URL": postgres.app_url, "DATABASE_OWNER_URL": postgres.owner_url}
        elif "DATABASE_OWNER_URL" not in self.env:
            raise CannotStart(
                "DATABASE_URL is set and DATABASE_OWNER_URL is not. Cadre works as cadre_app and migrates as cadre_owner; "
                "`manage.py bootstrap_roles` creates both."
            )
        if "REDIS_URL" not in self.env:
            valkey = start_valkey(self.home)
            self.resources.callback(valkey.stop)
            self.env["REDIS_URL"] = valkey.url

    def _take_lock(self) -> None:
        lock = (self.home / "supervisor.lock").open("a+")
        self.resources.callback(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(
                f"Another Cadre already runs in {self.home}. Set CADRE_HOME and PORT to start a second one beside it."
            ) from error

    def _require_free_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise CannotStart(f"Port {self.port} is taken. Set PORT to a free one: make run PORT=8001") from error

    def _secret_key(self) -> str:
        """Made once, so that sessions survive a restart."""
        path = self.home / "secret-key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(64))
        return path.read_text()
